//! Redis through Spin, one server or a cluster. Requests call only scripts, over kept connections, raced against the
//! deadline.

mod answer;
mod attempt;
mod calls;
mod connection;
mod kept;
mod pending;
mod server;
mod state;
mod url;

pub use answer::{problem, read};
pub use calls::{Calls, call};
pub use kept::by_server;
pub use server::Server;
pub use state::Resend;
