//! Spin's interfaces, generated from the WIT files of `spin-sdk`; see `build.rs`.

include!(concat!(env!("OUT_DIR"), "/bindings.rs"));
