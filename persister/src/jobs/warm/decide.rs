//! The rule that decides whether a partition is warm.

use crate::ledger::{known::Knowledge, markers::Marker};

/// What to do with a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// The partition is warm.
    Serve,
    /// The partition lost nothing and may be declared warm as it is.
    Declare,
    /// The partition's data must come from MySQL, for this reason.
    Rebuild(&'static str),
}

/// The rule. `known` is what MySQL knows of the partition after it has applied everything in Kafka.
pub(crate) fn next(marker: &Marker, server: &str, known: Knowledge) -> Next {
    if marker.epoch == 0 {
        return Next::Rebuild("it has no marker: it is empty, or was flushed");
    }
    if marker.server.is_empty() {
        return Next::Rebuild("a rebuild was cut short");
    }
    if marker.server == server {
        return Next::Serve;
    }
    if marker.last < known.version {
        return Next::Rebuild("later changes are known: its data is from before them");
    }
    if marker.writes < known.writes {
        return Next::Rebuild("its projections lack writes that are known");
    }
    Next::Declare
}

#[cfg(test)]
mod tests {
    use contract::Version;

    use super::*;

    fn known(ms: u64) -> Knowledge {
        Knowledge { epoch: 3, version: Version { ms, seq: 0 }, writes: 7 }
    }

    fn marker(server: &str, epoch: u64, last: u64) -> Marker {
        let (server, last) = (server.to_owned(), Version { ms: last, seq: 0 });
        Marker { server, epoch, last, waiting: 0, oldest: None, rebuild: String::new(), writes: 7 }
    }

    #[test]
    fn a_replica_that_lacks_a_write_of_a_projection_is_rebuilt() {
        let lagging = Marker { writes: 6, ..marker("old", 3, 9) };
        assert!(matches!(next(&lagging, "new", known(9)), Next::Rebuild(_)));
        let ahead = Marker { writes: 8, ..marker("old", 3, 9) };
        assert_eq!(next(&ahead, "new", known(9)), Next::Declare, "MySQL hears of a write after Redis");
    }

    #[test]
    fn a_restart_that_lost_nothing_is_declared_warm() {
        assert_eq!(next(&marker("old", 3, 9), "new", known(9)), Next::Declare);
        assert_eq!(next(&marker("old", 3, 10), "new", known(9)), Next::Declare);
    }

    #[test]
    fn the_same_server_goes_on() {
        assert_eq!(next(&marker("same", 3, 9), "same", known(9)), Next::Serve);
    }

    #[test]
    fn older_data_an_empty_server_and_a_half_done_rebuild_are_rebuilt() {
        for (marker, ms) in [(marker("old", 3, 8), 9), (marker("", 0, 0), 0), (marker("", 3, 9), 9)] {
            assert!(matches!(next(&marker, "new", known(ms)), Next::Rebuild(_)), "{marker:?}");
        }
    }

    /// A flushed server keeps its run id but has no marker.
    #[test]
    fn a_flushed_server_is_rebuilt() {
        assert!(matches!(next(&marker("", 0, 0), "same", known(9)), Next::Rebuild(_)));
    }
}
