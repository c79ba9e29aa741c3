//! Rates: the difference of two measurements.

use serde::Serialize;

use crate::ledger::status::Status;

/// Rates per second. None if a store did not answer both times.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Rates {
    /// The time between the two measurements.
    seconds: f64,
    /// Events that reached Kafka.
    pub(super) written: Option<f64>,
    /// Events that reached MySQL, by the consumers' committed offsets.
    pub(super) consumed: Option<f64>,
    /// The growth of the consumers' lag in events; negative while they catch up.
    pub(super) lag_growth: Option<f64>,
    /// The growth of all outboxes of Redis in entries; negative while the relays catch up.
    pub(super) outbox_growth: Option<f64>,
}

impl Rates {
    /// None if no time has passed.
    pub(super) fn between(before: &Status, now: &Status) -> Option<Self> {
        let seconds = now.at.duration_since(before.at).as_secs_f64();
        let per_second = |of: fn(&Status) -> Option<i64>| Some(exact(of(now)? - of(before)?) / seconds);
        (seconds > 0.0).then(|| Self {
            seconds,
            written: per_second(|status| Some(status.kafka.up()?.written_events)),
            consumed: per_second(|status| Some(status.kafka.up()?.consumed_events)),
            lag_growth: per_second(|status| Some(status.kafka.up()?.lag_events)),
            outbox_growth: per_second(|status| i64::try_from(status.redis.up()?.outbox_entries).ok()),
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "what changes within seconds")]
fn exact(difference: i64) -> f64 {
    difference as f64
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::ledger::status::{Asked, KafkaStatus};

    fn at(second: i64, kafka: Asked<KafkaStatus>) -> Status {
        let at = Timestamp::from_second(second).expect("in range");
        Status { at, redis: Asked::Down(String::new()), mysql: Asked::Down(String::new()), kafka, down: vec![] }
    }

    fn kafka(written_events: i64, consumed_events: i64) -> Asked<KafkaStatus> {
        Asked::Up(KafkaStatus {
            brokers: 1,
            topic_partitions: 16,
            consumers: 1,
            written_events,
            consumed_events,
            lag_events: written_events - consumed_events,
            lag_longest_events: 0,
            dropped_events: 0,
            dead_letters: 0,
            dead_letters_not_replayed: None,
        })
    }

    #[test]
    fn what_moved_is_shown_by_the_second_and_nothing_of_a_store_that_is_down() {
        let rates = Rates::between(&at(10, kafka(100, 90)), &at(14, kafka(180, 178))).expect("time has passed");
        assert_eq!((rates.written, rates.consumed), (Some(20.0), Some(22.0)));
        assert_eq!((rates.lag_growth, rates.outbox_growth), (Some(-2.0), None));
        let gone = Rates::between(&at(10, kafka(100, 90)), &at(14, Asked::Down(String::new())));
        assert_eq!(gone.and_then(|rates| rates.written), None);
        assert_eq!(Rates::between(&at(10, kafka(1, 1)), &at(10, kafka(2, 2))), None);
    }
}
