//! The scripts that save page views, visitors and reads in MySQL.

use super::part::Each;
use crate::{ArticleId, ArticleNumber, Partition, Version, keys};

script! {
    /// `snapshot_take.lua`: lists articles whose counters changed since they were last saved.
    SnapshotTake = SNAPSHOT_TAKE -> Vec<ArticleId> {
        /// The partition.
        partition: Partition,
        /// The most articles to list; a few thousand.
        most: usize,
    }
    |call, at| in call.partition,
    keys(keys::warm(call.partition), keys::changed(call.partition), keys::saving(call.partition)),
    args(at.server, call.most)
}

answer! {
    /// An article's page views, visitors and reads.
    Counters {
        /// Page views.
        pv: i64,
        /// Visitors.
        uv: i64,
        /// The bytes of the visitors' `HyperLogLog`; empty for none.
        uv_sketch: Vec<u8>,
        /// Reads.
        reads: i64,
    }
}

answer! {
    /// Counters as of one moment.
    Taken {
        /// The last id of the outbox then.
        last: Version,
        /// Of each article.
        counters: Vec<Counters>,
    }
}

script! {
    /// `snapshot_read.lua`: the counters to save, in the order of the articles.
    SnapshotRead<'a> = SNAPSHOT_READ -> Taken {
        /// The partition of all the articles.
        partition: Partition,
        /// The articles.
        articles: &'a [ArticleId],
    }
    |call, at| in call.partition,
    keys(
        keys::warm(call.partition), keys::outbox(call.partition),
        Each(call.articles.iter().map(|id| counters(id.number()))),
    ),
    args(at.server)
}

fn counters(article: ArticleNumber) -> impl super::Part {
    ((keys::pv(article), keys::uv(article)), keys::reads(article))
}

script! {
    /// `snapshot_done.lua`: removes an article from the list of those to be saved. Returns whether it did: an article
    /// that changed meanwhile stays listed.
    SnapshotDone = SNAPSHOT_DONE -> bool {
        /// The article.
        article: ArticleId,
        /// The page views that were saved.
        pv: i64,
        /// The reads that were saved.
        reads: i64,
    }
    |call, _at| in Partition::of(call.article.number()),
    keys(
        keys::saving(call.partition()), keys::changed(call.partition()), keys::pv(call.article.number()), keys::reads(call.article.number()),
    ),
    args(&call.article, call.pv, call.reads)
}
