//! Saving page views, visitors and reads.

use anyhow::Result;
use contract::{
    keys,
    scripts::{Refusal, SnapshotDone, SnapshotRead, SnapshotTake},
};
use redis::AsyncCommands;

use super::{Server, article, partition, written};

#[tokio::test]
async fn a_snapshot_that_is_cut_short_begins_again_with_what_it_held() -> Result<()> {
    let mut server = Server::warm().await?;
    let take = SnapshotTake { partition: partition(), most: 10 };
    assert_eq!(server.call(&take).await?, Ok(vec![]));
    let () = server.connection.sadd(keys::changed(partition()), article().get()).await?;
    let () = server.connection.set(keys::pv(article()), 5).await?;
    let () = server.connection.pfadd(keys::uv(article()), "a").await?;
    assert_eq!(server.mistaken(&take).await?, Err(Refusal::Cold));
    for _ in 0..2 {
        assert_eq!(server.call(&take).await?, Ok(vec![written(42)]));
    }
    let articles = [written(42)];
    let read = SnapshotRead { partition: partition(), articles: &articles };
    assert_eq!(server.mistaken(&read).await?, Err(Refusal::Cold));
    let mut taken = server.call(&read).await??;
    assert_eq!(taken.last, "0-1".parse()?, "the last id of the outbox");
    let counters = taken.counters.remove(0);
    assert_eq!((counters.pv, counters.uv, counters.reads), (5, 1, 0));
    assert!(counters.uv_sketch.starts_with(b"HYLL"), "the sketch as Redis stores it");
    let done = |pv| SnapshotDone { article: written(42), pv, reads: 0 };
    let () = server.connection.incr(keys::pv(article()), 1).await?;
    assert_eq!(server.call(&done(5)).await?, Ok(false), "it was viewed meanwhile");
    assert_eq!(server.call(&take).await?, Ok(vec![written(42)]));
    assert_eq!(server.call(&done(6)).await?, Ok(true));
    assert_eq!(server.call(&take).await?, Ok(vec![]));
    Ok(())
}
