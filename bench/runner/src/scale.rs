/// How much is measured. The full sizes are those that the targets were set for.
pub(crate) struct Scale {
    pub(crate) rounds: usize,
    /// Of one run of a load generator.
    pub(crate) seconds: u64,
    /// Who like in turn, each with a token of its own.
    pub(crate) users: u64,
    /// Articles of the load that is spread.
    pub(crate) articles: u64,
    /// Commands of one run of redis-benchmark.
    pub(crate) commands: u64,
    /// Events that wait in Kafka for the consumer.
    pub(crate) events: u64,
    /// The same for the Go design's, which takes longer for each.
    pub(crate) seed_events: u64,
    /// MySQL's buffer pool while its tables are larger, in MiB.
    pub(crate) pool_mib: u64,
    /// Events of a round then, and the Go design's.
    pub(crate) large_events: u64,
    pub(crate) large_seed_events: u64,
    /// Entries that wait in the outboxes for the relay.
    pub(crate) entries: u64,
    /// Entries waiting while the persister's memory is looked at.
    pub(crate) backlog: u64,
    /// Likes of the one article with many.
    pub(crate) hot_likes: u64,
    /// Articles with ten likes each.
    pub(crate) small_articles: u64,
    /// Likes that Redis is rebuilt from.
    pub(crate) rebuilt: u64,
}

impl Scale {
    pub(crate) fn full() -> Self {
        Self {
            rounds: 5,
            seconds: 5,
            users: 10_000,
            articles: 10_000,
            commands: 200_000,
            events: 1_000_000,
            seed_events: 20_000,
            pool_mib: 32,
            large_events: 100_000,
            large_seed_events: 10_000,
            entries: 500_000,
            backlog: 1_000_000,
            hot_likes: 1_000_000,
            small_articles: 50_000,
            rebuilt: 1_000_000,
        }
    }

    pub(crate) fn smoke() -> Self {
        Self {
            rounds: 2,
            seconds: 1,
            users: 2000,
            articles: 1000,
            commands: 10_000,
            events: 50_000,
            seed_events: 2000,
            pool_mib: 16,
            large_events: 20_000,
            large_seed_events: 2000,
            entries: 50_000,
            backlog: 50_000,
            hot_likes: 20_000,
            small_articles: 1000,
            rebuilt: 50_000,
        }
    }
}
