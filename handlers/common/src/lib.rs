//! The code that the components share: identity, answers, and access to Redis and MySQL.
//!
//! A [`Component`] is a table of [`Route`]s and one function that carries out an action; [`Served`] does what every
//! request needs around it. Data flows one way: request → identity → one script or procedure → answer.

mod body;
mod cache;
mod client;
pub mod config;
mod cors;
mod crawler;
mod deadline;
mod escapes;
mod forwarded;
mod headers;
mod identity;
mod json;
mod jws;
mod limit;
mod log;
pub mod mysql;
mod problem;
pub mod redis;
mod reply;
mod request;
mod route;
mod seal;
mod serve;
mod token_fault;
mod view_token;
mod visitor;

#[cfg(target_family = "wasm")]
#[global_allocator]
static ALLOCATOR: talc::wasm::WasmDynamicTalc = talc::wasm::new_wasm_dynamic_allocator();

pub use client::Clients;
pub use crawler::is_unseen;
pub use deadline::Deadline;
pub use headers::Headers;
pub use identity::{Identifies, Identity, KeySet, Rules, SharedKeys};
pub use limit::{Limit, LimitError};
pub use problem::Problem;
pub use reply::Reply;
pub use request::Call;
pub use route::Route;
pub use serve::{Component, Served};
pub use token_fault::TokenFault;
pub use view_token::{READ_AFTER, VIEW_LIFETIME, ViewToken, Viewer};
pub use visitor::{Visitor, Visitors};
