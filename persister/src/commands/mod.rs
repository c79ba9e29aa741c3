//! The commands that people run once.

pub(crate) mod audit;
pub(crate) mod bars;
pub(crate) mod delete_article;
pub(crate) mod dlq;
pub(crate) mod erase;
mod events;
pub(crate) mod export;
mod ids;
pub(crate) mod import;
mod kinds;
mod letter;
pub(crate) mod migrate;
pub(crate) mod reconcile;
mod remains;
pub(crate) mod revoke;
mod selection;
pub(crate) mod status;
