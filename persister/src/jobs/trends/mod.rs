//! The articles of which each counter gained most within the last hour, day and week, and the history of each article by
//! day, from the stream of events.
//!
//! The job reads the whole topic and counts in bounded memory. Every few seconds it writes the ranking, and every few seconds or
//! minutes, by the size of the state, one transaction writes the state and the history. So after any interruption the next
//! process continues at the last checkpoint, and no event is missed or counted twice. One process works, and others stand by.
//!
//! The state holds no user, so `erase` changes it only by the events that it causes. A rebuild of Redis does not need
//! it. No other store counts by time, so `reconcile` has nothing to compare it with. A deleted article stays in the counts.
//! The ranking gives it no more than the users who have the kind on since.

mod checkpoint;
mod seen;
mod source;
mod state;
mod window;

use std::{pin::pin, time::Duration};

use contract::Event;
use futures::StreamExt as _;
use jiff::{SignedDuration, Timestamp};
use rdkafka::Message;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;
use tracing::info;

use self::{
    checkpoint::Saved,
    source::{Positions, Source, milliseconds, reached},
    state::State,
};
use super::supervise::supervise;
use crate::{
    backoff::pause,
    ledger::{history::viewed, lock::Lock},
    metrics,
    store::{Stores, kafka::lost::lost, log::pass_or_fail},
};

/// The time between two rankings, and the least time between two checkpoints. The first comes sooner.
const EVERY: Duration = Duration::from_secs(10);
const FIRST: Duration = Duration::from_secs(1);
/// A ranking older than this is not shown.
const OLDEST: SignedDuration = SignedDuration::from_mins(1);
/// The most records taken from Kafka's client at once.
const CHUNK: usize = 256;
/// The most rows of the history that wait for a checkpoint, about 10 MB. If there are more, it does not wait.
const WAITING: usize = 100_000;
/// The most articles whose page views one checkpoint takes. If there are more, the next checkpoint does not wait.
const VIEWED: usize = 20_000;
/// How often a process that stands by asks for the lock.
const STAND_BY: Duration = Duration::from_secs(1);

/// Runs until `stop`, over any outage.
pub(crate) async fn run(stores: Stores, stop: CancellationToken) -> anyhow::Result<()> {
    supervise("trends", &stop, || turn(&stores, &stop)).await;
    Ok(())
}

/// Counts if no other process does.
async fn turn(stores: &Stores, stop: &CancellationToken) -> anyhow::Result<()> {
    let Some(mut lock) = Lock::take(&stores.mysql, "trends").await? else {
        pause(STAND_BY, stop).await;
        return Ok(());
    };
    let outcome = tokio::select! {
        outcome = session(stores, stop) => outcome,
        error = lock.watch() => Err(error.into()),
    };
    lock.release().await;
    outcome
}

/// Counts until `stop`, an error, or a change of the topic. The next session continues with what was written last.
async fn session(stores: &Stores, stop: &CancellationToken) -> anyhow::Result<()> {
    let mut saved = Saved::load(&stores.mysql).await?;
    let source = Source::open(&stores.kafka, saved.state.positions()).await?;
    if saved.is_new() {
        saved.begin(&stores.mysql, source.whole_since().await?).await?;
    }
    info!(partitions = saved.state.positions().len(), "counting");
    let mut messages = source.consumer.stream().ready_chunks(CHUNK);
    let mut lost = pin!(lost(&source.consumer, &stores.kafka.topic));
    let mut due = interval_at(Instant::now() + FIRST, EVERY);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut mark = None;
    // Whether there are more page views than the last checkpoint took.
    let mut more = false;
    loop {
        tokio::select! {
            biased;
            // Without this, the last seconds would only be read again.
            () = stop.cancelled() => return saved.write(&stores.mysql, None, &[]).await,
            _ = due.tick() => {
                let at = Timestamp::now();
                let Some(ends) = source.ends(saved.state.positions()).await? else {
                    info!("the topic has changed");
                    return saved.write(&stores.mysql, None, &[]).await;
                };
                let as_of = known_since(&mut mark, Mark { at, ends }, saved.state.positions());
                if saved.is_due() || more {
                    let viewed = viewed(&stores.mysql, VIEWED).await?;
                    more = viewed.len() == VIEWED;
                    if more {
                        due.reset_immediately();
                    }
                    saved.state.count_viewed(&viewed, milliseconds(at));
                    saved.state.move_to(milliseconds(at));
                    saved.write(&stores.mysql, as_of, &viewed).await?;
                } else {
                    saved.state.move_to(milliseconds(at));
                    saved.rank(&stores.mysql, as_of).await?;
                }
            }
            error = &mut lost => return Err(error.into()),
            chunk = messages.next() => {
                let now_ms = milliseconds(Timestamp::now());
                for message in chunk.into_iter().flatten() {
                    match message {
                        Ok(message) => take(&mut saved.state, &message, now_ms),
                        Err(error) => pass_or_fail(error)?,
                    }
                }
                if saved.state.changes.len() > WAITING {
                    saved.write(&stores.mysql, None, &[]).await?;
                }
            }
        }
    }
}

fn take(state: &mut State, message: &impl Message, now_ms: u64) {
    // `consume` puts records that are no event into the dead-letter queue.
    let event = Event::from_json(message.payload().unwrap_or_default()).ok();
    if let Some(outcome) = event.and_then(|event| state.count(message.partition(), &event, now_ms)) {
        metrics::TRENDS_EVENTS.add(1, &[("outcome", outcome.word())]);
    }
    state.positions().insert(message.partition(), message.offset() + 1);
}

/// The end of Kafka at some moment.
struct Mark {
    at: Timestamp,
    ends: Positions,
}

/// The latest time up to which every event in Kafka is counted: now, or under load the last moment whose end was
/// reached. None while the job is behind that end, or if the time is long ago, because the ranking's hour ends now. A
/// ranking without such a time is not shown.
fn known_since(waited_for: &mut Option<Mark>, now: Mark, positions: &Positions) -> Option<Timestamp> {
    if reached(positions, &now.ends) {
        *waited_for = None;
        return Some(now.at);
    }
    match waited_for {
        Some(before) if !reached(positions, &before.ends) => None,
        _ => {
            let at = now.at;
            waited_for.replace(now).map(|before| before.at).filter(|before| at.duration_since(*before) <= OLDEST)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ranking_is_of_the_last_moment_of_which_all_is_counted() {
        let at = |second| Timestamp::from_second(second).expect("in range");
        let mark = |second, end| Mark { at: at(second), ends: Positions::from([(0, end)]) };
        let positions = |position| Positions::from([(0, position)]);
        let mut waited_for = None;
        let mut ask = |now, position| known_since(&mut waited_for, now, &positions(position));
        assert_eq!(ask(mark(1, 100), 0), None, "it begins");
        assert_eq!(ask(mark(2, 150), 99), None, "not there yet");
        assert_eq!(ask(mark(3, 200), 120), Some(at(1)), "the end of the first");
        assert_eq!(ask(mark(4, 250), 199), None);
        assert_eq!(ask(mark(5, 250), 250), Some(at(5)), "nothing is left");
        assert_eq!(ask(mark(6, 300), 260), None);
        assert_eq!(ask(mark(7, 400), 300), Some(at(6)));
        assert_eq!(ask(mark(3600, 500), 400), None, "the job stood still for an hour");
        assert_eq!(ask(mark(3610, 600), 500), Some(at(3600)));
    }
}
