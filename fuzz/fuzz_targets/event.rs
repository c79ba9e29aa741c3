//! Events, as they come out of Kafka.
#![no_main]

use contract::{Change, Event};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(event) = Event::from_json(bytes) else { return };
    let again = Event::from_json(&event.to_json()).expect("what was read can be written and read");
    assert_eq!(again, event);
    match event.change {
        Change::Read(reads) => assert!(i64::try_from(reads).is_ok(), "MySQL keeps reads as BIGINT"),
        Change::Like(_) | Change::Collect(_) => assert!(event.user.is_some()),
    }
});
