//! The warm rule by itself.

use contract::Version;

use crate::ledger::markers::Marker;

/// What to do with a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// It is warm.
    Serve,
    /// It lost nothing: it may be declared warm as it is.
    Declare,
    /// Its data must come from MySQL, for this reason.
    Rebuild(&'static str),
}

/// The rule. `known` is the highest version known of the partition, after MySQL has applied all that Kafka has.
pub(crate) fn next(marker: &Marker, server: &str, known: Version) -> Next {
    if marker.epoch == 0 {
        return Next::Rebuild("it has no marker: it is empty, or was flushed");
    }
    if marker.run_id.is_empty() {
        return Next::Rebuild("a rebuild was cut short");
    }
    if marker.run_id == server {
        return Next::Serve;
    }
    if marker.last < known {
        return Next::Rebuild("later changes are known: its data is from before them");
    }
    Next::Declare
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(ms: u64) -> Version {
        Version { ms, seq: 0 }
    }

    fn marker(run_id: &str, epoch: u64, last: u64) -> Marker {
        let (run_id, last) = (run_id.to_owned(), version(last));
        Marker { run_id, epoch, last, waiting: 0, oldest: None, rebuilding: false }
    }

    #[test]
    fn a_restart_that_lost_nothing_is_declared_warm() {
        assert_eq!(next(&marker("old", 3, 9), "new", version(9)), Next::Declare);
        assert_eq!(next(&marker("old", 3, 10), "new", version(9)), Next::Declare);
    }

    #[test]
    fn the_same_server_goes_on() {
        assert_eq!(next(&marker("same", 3, 9), "same", version(9)), Next::Serve);
    }

    #[test]
    fn older_data_an_empty_server_and_a_half_done_rebuild_are_rebuilt() {
        for (marker, known) in [(marker("old", 3, 8), 9), (marker("", 0, 0), 0), (marker("", 3, 9), 9)] {
            assert!(matches!(next(&marker, "new", version(known)), Next::Rebuild(_)), "{marker:?}");
        }
    }

    /// A flushed server keeps its run id, and has no marker.
    #[test]
    fn a_flushed_server_is_rebuilt() {
        assert!(matches!(next(&marker("", 0, 0), "same", version(9)), Next::Rebuild(_)));
    }
}
