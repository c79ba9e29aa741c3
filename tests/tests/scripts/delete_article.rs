//! Removing an article.

use std::collections::BTreeMap;

use anyhow::Result;
use contract::{
    Change, Event, Kind, Partition, Truth, Version, keys,
    scripts::{DeleteArticle, Entry, PartitionState, Project, Refusal, SnapshotTake, Toggle},
};
use redis::AsyncCommands;

use super::{EPOCH, PER_SET, Server, TOKEN, article, entry, other_article, partition, project, toggle, written};

fn delete() -> DeleteArticle {
    DeleteArticle { article: written(42), token: TOKEN }
}

impl Server {
    /// Views, reads, and the names of both articles among what is to be saved.
    async fn view_both(&mut self) -> Result<()> {
        for article in [article(), other_article()] {
            let () = self.connection.set(keys::pv(article), 5).await?;
            let () = self.connection.pfadd(keys::uv(article), &["a", "b"][..]).await?;
            let () = self.connection.set(keys::reads(article), 3).await?;
            let () = self.connection.sadd(keys::changed(partition()), article.get()).await?;
        }
        let take = SnapshotTake { partition: partition(), most: 10 };
        assert_eq!(self.call(&take).await??.len(), 2);
        for article in [article(), other_article()] {
            let () = self.connection.sadd(keys::changed(partition()), article.get()).await?;
        }
        Ok(())
    }

    /// Switches every kind on for another article of the partition.
    async fn fill_other(&mut self) -> Result<()> {
        for kind in Kind::ALL.iter().copied() {
            let user = 1000 + i64::from(kind.code());
            match kind.truth() {
                Truth::Redis => {
                    let article = written(other_article().get());
                    assert!(self.call(&Toggle { article, ..toggle(kind, user, true) }).await??.changed);
                }
                Truth::Mysql => {
                    let entry = Entry { article: other_article(), ..entry(kind, user, true) };
                    self.call(&project(&[entry])).await??;
                }
            }
        }
        Ok(())
    }

    /// Every key but those of the partition as a whole, with its value.
    async fn dump(&mut self) -> Result<BTreeMap<String, Vec<u8>>> {
        let of_all =
            [keys::outbox, keys::projector, keys::warm, keys::changed, keys::saving].map(|key| key(partition()));
        let mut all = BTreeMap::new();
        let names: Vec<String> = self.connection.keys("*").await?;
        for name in names.into_iter().filter(|name| !of_all.contains(name) && !name.contains(":limit:")) {
            let value = redis::cmd("DUMP").arg(&name).query_async(&mut self.connection).await?;
            all.insert(name, value);
        }
        Ok(all)
    }
}

#[tokio::test]
async fn all_of_a_deleted_article_is_gone_and_nothing_of_another() -> Result<()> {
    for (place, kind) in (0..).zip(Kind::ALL.iter().copied()) {
        let mut server = Server::warm().await?;
        server.fill_other().await?;
        server.view_both().await?;
        let mut others = server.dump().await?;
        for key in [keys::pv(article()), keys::uv(article()), keys::reads(article())] {
            assert!(others.remove(&key).is_some());
        }
        server.fill(kind, 1..=10 * PER_SET).await?;
        let sets: i64 = server.connection.get(keys::members(kind, article()) + ":n").await?;
        assert!(sets > 1);
        // What a split that was cut short has left.
        let () = server.connection.sadd(format!("{}:{sets}", keys::members(kind, article())), 7).await?;

        let removed = server.call(&delete()).await??;
        let expected: Vec<u64> = (0..Kind::ALL.len()).map(|of| if of == place { 10 * 192 } else { 0 }).collect();
        assert_eq!(removed.by_kind, expected);
        assert_eq!((removed.epoch, removed.pv, removed.uv, removed.reads), (EPOCH, 5, 2, 3));
        assert!((server.now_ms().await? - removed.at_ms).abs() < 60_000);
        assert_eq!(server.dump().await?, others);
        for key in [keys::changed(partition()), keys::saving(partition())] {
            let names: Vec<i64> = server.connection.smembers(key).await?;
            assert_eq!(names, [other_article().get()]);
        }

        let again = server.call(&delete()).await??;
        assert!(again.by_kind.iter().all(|count| *count == 0));
        assert_eq!((again.pv, again.uv, again.reads), (0, 0, 0));
        assert_eq!(server.dump().await?, others);
        assert_eq!(server.mistaken(&delete()).await?, Err(Refusal::Cold));
        server.fill(kind, [7]).await?;
        assert_eq!((server.count(kind).await?, server.members(kind).await?), (Some(1), [7].into()));
    }
    Ok(())
}

#[tokio::test]
async fn what_happened_before_a_deletion_and_after_it_is_distinguished_without_an_event() -> Result<()> {
    for kind in Kind::of(Truth::Redis) {
        let mut server = Server::warm().await?;
        for round in 0..50 {
            server.fill(kind, [1000 + round]).await?;
            let before = server.events().await?;
            let removed = server.call(&delete()).await??;
            assert_eq!(server.events().await?.len(), before.len(), "it makes no event");
            let state = server.call(&PartitionState { partition: partition() }).await??;
            assert_eq!(state.last, removed.last);
            server.fill(kind, [2000 + round]).await?;
            let after = server.events().await?;
            let versions = |events: &[Event]| events.iter().map(|event| event.version).collect::<Vec<Version>>();
            assert!(versions(&before).iter().all(|version| *version < removed.last));
            assert!(versions(&after[before.len()..]).iter().all(|version| *version > removed.last));
            assert_eq!(after.last().map(|event| event.change), Some(Change::Switch(kind, true)));
        }
        // The clock of the server that was before was ahead.
        let ahead = format!("{}-5", server.now_ms().await? + 3_600_000);
        let () =
            redis::cmd("XSETID").arg(keys::outbox(partition())).arg(&ahead).query_async(&mut server.connection).await?;
        assert!(server.call(&delete()).await??.last > ahead.parse()?);
    }
    Ok(())
}

#[tokio::test]
async fn a_projector_from_before_a_deletion_writes_nothing_after_it() -> Result<()> {
    for kind in Kind::of(Truth::Mysql) {
        let mut server = Server::warm().await?;
        let on = [entry(kind, 7, true)];
        let by = |token| Project { partition: Partition::of(article()), token, entries: &on };
        assert_eq!(server.call(&by(TOKEN)).await?, Ok(1));
        server.call(&DeleteArticle { token: TOKEN + 3, ..delete() }).await??;
        assert_eq!(server.call(&by(TOKEN)).await?, Err(Refusal::Stale));
        assert_eq!(server.members(kind).await?, [].into());
        // A deletion with an older token gives none back.
        server.call(&delete()).await??;
        assert_eq!(server.call(&by(TOKEN + 2)).await?, Err(Refusal::Stale));
        assert_eq!(server.call(&by(TOKEN + 3)).await?, Ok(2));
        assert_eq!(server.members(kind).await?, [7].into());
    }
    Ok(())
}
