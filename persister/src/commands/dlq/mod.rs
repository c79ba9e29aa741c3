//! `persister dlq`: lists the dead-letter queue, and puts back what can be applied now.

mod list;
mod options;
mod replay;

use tokio_util::sync::CancellationToken;

pub(crate) use self::options::DlqCommand;
use crate::store::Stores;

pub(crate) async fn run(stores: &Stores, command: DlqCommand, stop: &CancellationToken) -> anyhow::Result<()> {
    match command {
        DlqCommand::List(options) => list::run(stores, &options, stop).await,
        DlqCommand::Replay(options) => replay::run(stores, &options, stop).await,
    }
}
