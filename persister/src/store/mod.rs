//! Clients of the three stores. [`crate::ledger`] has the questions that they are asked.

mod error;
pub(crate) mod info;
pub(crate) mod kafka;
pub(crate) mod log;
pub(crate) mod mysql;
pub(crate) mod observer;
mod partitions;
pub(crate) mod place;
pub(crate) mod producer;
pub(crate) mod progress;
pub(crate) mod redis;
pub(crate) mod scripts;
mod secret;
pub(crate) mod servers;
mod shared;
mod stores;
mod within;

pub(crate) use self::{
    error::{Store, StoreError},
    stores::Stores,
    within::within,
};
