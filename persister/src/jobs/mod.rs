//! What runs until it is stopped, over any outage.

pub(crate) mod consume;
mod for_each_server;
mod measure;
pub(crate) mod relay;
pub(crate) mod run;
pub(crate) mod snapshot;
mod supervise;
pub(crate) mod trends;
mod warm;
