//! Which changes of an outbox have been counted.

use std::collections::{BTreeMap, VecDeque};

use contract::Version;
use serde::{Deserialize, Serialize};

/// The versions remembered of one outbox: 64 kB, or 8 MB for all 128 outboxes.
const REMEMBERED: usize = 4096;

/// The latest versions of an outbox that were counted, by the partition of the topic that they came from.
///
/// The partitions are read one after the other where the job has to catch up, so each has versions of its own time. A
/// version is looked up in all of them: when the topic grows, an article's events go to another partition.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Outbox(BTreeMap<i32, Seen>);

/// The latest versions that were counted, in order.
///
/// The highest version alone is not enough. Several relays ship one outbox in parallel, and failed deliveries are
/// repeated later, so a lower version may be new. It is new if it is not among the remembered versions. A version older
/// than all of them is not counted, since nobody knows. So a change can be missed after 4,096 later ones of its outbox,
/// but no change is counted twice. Only if the
/// topic has grown in between, a change that comes again from another partition so much later counts again.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    /// Every version up to this one is forgotten.
    floor: Version,
    #[serde(with = "steps")]
    latest: VecDeque<Version>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sight {
    /// It is new, and remembered from now on.
    New,
    Again,
    /// It may have been seen.
    Forgotten,
}

impl Outbox {
    /// Looks at a version that came from a partition of the topic.
    pub(super) fn look(&mut self, partition: i32, version: Version) -> Sight {
        if self.0.iter().any(|(of, seen)| *of != partition && seen.latest.binary_search(&version).is_ok()) {
            return Sight::Again;
        }
        let sight = self.0.entry(partition).or_default().look(version);
        if self.0.values().map(|seen| seen.latest.len()).sum::<usize>() > REMEMBERED
            && let Some(longest) = self.0.values_mut().max_by_key(|seen| seen.latest.len())
        {
            longest.floor = longest.latest.pop_front().unwrap_or_default();
        }
        sight
    }
}

impl Seen {
    fn look(&mut self, version: Version) -> Sight {
        if version <= self.floor {
            return Sight::Forgotten;
        }
        let Err(place) = self.latest.binary_search(&version) else { return Sight::Again };
        self.latest.insert(place, version);
        Sight::New
    }
}

/// In JSON: the steps from each version to the next, of both numbers. That is short, and a checkpoint has up to a
/// million of them.
mod steps {
    use std::collections::VecDeque;

    use contract::Version;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(versions: &VecDeque<Version>, to: S) -> Result<S::Ok, S::Error> {
        let mut last = Version::default();
        to.collect_seq(versions.iter().flat_map(|version| {
            let step = |from: u64, to: u64| to.cast_signed().wrapping_sub(from.cast_signed());
            let steps = [step(last.ms, version.ms), step(last.seq, version.seq)];
            last = *version;
            steps
        }))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<VecDeque<Version>, D::Error> {
        let numbers = Vec::<i64>::deserialize(from)?;
        let (steps, []) = numbers.as_chunks() else { return Err(D::Error::custom("an odd number of numbers")) };
        let mut last = Version::default();
        let version = |&[ms, seq]: &[i64; 2]| {
            last = Version { ms: last.ms.wrapping_add_signed(ms), seq: last.seq.wrapping_add_signed(seq) };
            last
        };
        Ok(steps.iter().map(version).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn version(ms: u64) -> Version {
        Version { ms, seq: ms % 3 }
    }

    fn remembered(outbox: &Outbox) -> usize {
        outbox.0.values().map(|seen| seen.latest.len()).sum()
    }

    proptest! {
        #[test]
        fn each_version_is_new_once_in_whatever_order(all in vec(1..500_u64, 0..1000)) {
            let mut seen = Outbox::default();
            let mut before = BTreeSet::new();
            for ms in all {
                let expected = if before.insert(ms) { Sight::New } else { Sight::Again };
                // A version may come from another partition than before.
                let partition = i32::try_from(before.len() % 3).expect("small");
                prop_assert_eq!(seen.look(partition, version(ms)), expected);
            }
        }

        /// Far more versions than are remembered, each some way from its place: no version is new twice, whatever is
        /// forgotten.
        #[test]
        fn nothing_is_new_twice_and_memory_is_bounded(
            moves in vec((0..3 * REMEMBERED as u64, 0..2 * REMEMBERED as u64), 0..6),
        ) {
            let mut seen = Outbox::default();
            let mut new = BTreeSet::new();
            let mut last = 0;
            for (forward, back) in moves {
                for ms in last + 1..=last + forward {
                    prop_assert!(seen.look(0, version(ms)) != Sight::New || new.insert(ms));
                }
                last += forward;
                let late = (last.saturating_sub(back)).max(1);
                let sight = seen.look(0, version(late));
                prop_assert!(sight != Sight::New || new.insert(late));
                prop_assert!(remembered(&seen) <= REMEMBERED);
            }
        }

        #[test]
        fn json_and_back_is_the_same(all in vec((0..1_u64 << 42, 0..1_u64 << 63), 0..100)) {
            let mut seen = Outbox::default();
            for (ms, seq) in all {
                seen.look(i32::try_from(seq % 3).expect("small"), Version { ms, seq });
            }
            let json = serde_json::to_vec(&seen).expect("JSON");
            prop_assert_eq!(serde_json::from_slice::<Outbox>(&json).expect("what was written"), seen);
        }
    }

    #[test]
    fn a_late_version_is_new_as_long_as_it_is_not_older_than_what_is_remembered() {
        let mut seen = Outbox::default();
        for ms in (2..=2 * REMEMBERED as u64).step_by(2) {
            assert_eq!(seen.look(0, version(ms)), Sight::New);
        }
        assert_eq!(seen.look(0, version(1)), Sight::New, "none is forgotten yet");
        assert_eq!(seen.look(0, version(1)), Sight::Forgotten);
        assert_eq!(seen.look(0, version(3)), Sight::New);
        assert_eq!([seen.look(0, version(2)), seen.look(0, version(3))], [Sight::Forgotten, Sight::Again]);
    }

    /// A job that catches up reads a quiet partition to its end before a busy one.
    #[test]
    fn what_one_partition_has_does_not_make_the_events_of_another_old() {
        let mut seen = Outbox::default();
        for ms in (1..10 * REMEMBERED as u64).step_by(2) {
            assert_eq!(seen.look(0, version(ms)), Sight::New);
        }
        for ms in (2..10 * REMEMBERED as u64).step_by(2) {
            assert_eq!(seen.look(1, version(ms)), Sight::New, "{ms}");
            assert!(remembered(&seen) <= REMEMBERED);
        }
    }
}
