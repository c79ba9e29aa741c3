//! The position of the group in the event topic.

use std::collections::BTreeMap;

/// The group's position, by partition of the topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Progress(pub(crate) BTreeMap<i32, End>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct End {
    /// The first offset that the group has not applied.
    pub(crate) committed: i64,
    /// The offset that the next record will get.
    pub(crate) next: i64,
    /// Records that Kafka dropped before the group applied them.
    pub(crate) dropped: i64,
}

/// A place in the event topic: for each of its partitions, the offset after the last record before the place.
pub(crate) type Mark = BTreeMap<i32, i64>;

impl Progress {
    /// The end of the topic.
    pub(crate) fn end(&self) -> Mark {
        self.0.iter().map(|(partition, end)| (*partition, end.next)).collect()
    }

    /// How many records before `mark` are not applied yet.
    pub(crate) fn behind(&self, mark: &Mark) -> i64 {
        let behind = |(partition, end): (&i32, &i64)| {
            let committed = self.0.get(partition).map_or(0, |now| now.committed);
            end - committed.min(*end)
        };
        mark.iter().map(behind).sum()
    }

    /// Records that Kafka dropped before the group applied them, until the group continues after them.
    pub(crate) fn dropped(&self) -> i64 {
        self.0.values().map(|end| end.dropped).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(ends: &[(i32, i64, i64)]) -> Progress {
        Progress(
            ends.iter().map(|&(partition, committed, next)| (partition, End { committed, next, dropped: 0 })).collect(),
        )
    }

    #[test]
    fn a_group_is_behind_by_what_it_has_not_committed_of_what_was_there() {
        let now = progress(&[(0, 5, 10), (1, 0, 0), (2, 7, 7)]);
        let mark = now.end();
        assert_eq!(now.behind(&mark), 5);
        let later = progress(&[(0, 10, 30), (1, 0, 9), (2, 7, 7)]);
        assert_eq!(later.behind(&mark), 0, "what came after the mark does not count");
        let rewound = progress(&[(0, 4, 30), (1, 0, 9), (2, 7, 7)]);
        assert_eq!(rewound.behind(&mark), 6);
    }
}
