//! The projection in Redis of kinds whose truth is MySQL.

use anyhow::Result;
use contract::{
    Kind, Truth, keys,
    scripts::{Entry, Project, Refusal},
};
use redis::AsyncCommands;

use super::{PER_SET, Server, TOKEN, article, entry, other_article, partition, project};

#[tokio::test]
async fn a_projection_follows_its_entries_in_order_and_twice_is_as_once() -> Result<()> {
    for kind in Kind::of(Truth::Mysql) {
        let mut server = Server::warm().await?;
        let there_and_back = [entry(kind, 7, true), entry(kind, 8, true), entry(kind, 7, false), entry(kind, 9, false)];
        for writes in 1..=2 {
            assert_eq!(server.call(&project(&there_and_back)).await?, Ok(writes));
            assert_eq!((server.count(kind).await?, server.members(kind).await?), (Some(1), [8].into()));
        }
        let back_and_there = [entry(kind, 8, false), entry(kind, 8, true), entry(kind, 9, true)];
        for writes in 3..=4 {
            assert_eq!(server.call(&project(&back_and_there)).await?, Ok(writes));
            assert_eq!((server.count(kind).await?, server.members(kind).await?), (Some(2), [8, 9].into()));
        }
        server.call(&project(&[entry(kind, 8, false), entry(kind, 9, false)])).await??;
        assert_eq!(server.keys_of(kind).await?, [""; 0], "nothing is kept for nobody");
        assert!(server.outbox().await?.is_empty(), "what came by an event makes none");
    }
    Ok(())
}

#[tokio::test]
async fn a_projection_of_many_users_is_split_and_goes_whole() -> Result<()> {
    for kind in Kind::of(Truth::Mysql) {
        let mut server = Server::warm().await?;
        let all = |on: bool| (1..=10 * PER_SET).map(|user| entry(kind, user, on)).collect::<Vec<_>>();
        for some in all(true).chunks(300) {
            server.call(&project(some)).await??;
        }
        assert_eq!(server.count(kind).await?, Some(10 * PER_SET));
        assert_eq!(server.members(kind).await?, (1..=10 * PER_SET).collect());
        let sets: i64 = server.connection.get(keys::members(kind, article()) + ":n").await?;
        assert_eq!(sets, 10);
        for some in all(false).chunks(300) {
            server.call(&project(some)).await??;
        }
        assert_eq!(server.keys_of(kind).await?, [""; 0]);
    }
    Ok(())
}

#[tokio::test]
async fn one_call_brings_entries_of_all_kinds_and_several_articles() -> Result<()> {
    let mut server = Server::warm().await?;
    let of = |article| Kind::of(Truth::Mysql).map(move |kind| Entry { article, ..entry(kind, 7, true) });
    let entries: Vec<_> = of(article()).chain(of(other_article())).collect();
    assert_eq!(server.call(&project(&entries)).await?, Ok(1));
    for Entry { kind, article, .. } in entries {
        assert_eq!(tests::members(&mut server.connection, kind, article).await?, [7].into());
        assert_eq!(server.connection.get::<_, i64>(keys::count(kind, article)).await?, 1);
    }
    Ok(())
}

#[tokio::test]
async fn a_newer_projector_takes_over_and_the_older_writes_no_more() -> Result<()> {
    for kind in Kind::of(Truth::Mysql) {
        let mut server = Server::warm().await?;
        let (on, off) = ([entry(kind, 7, true)], [entry(kind, 7, false)]);
        let by = |token, entries| Project { partition: partition(), token, entries };
        // No rebuild leaves room for what was there before it.
        assert_eq!(server.call(&by(TOKEN - 1, &on)).await?, Err(Refusal::Stale));
        assert_eq!(server.call(&by(TOKEN, &on)).await?, Ok(1));
        // As a number: it has a digit more.
        assert_eq!(server.call(&by(TOKEN + 3, &[])).await?, Ok(2), "it need not have anything to write");
        assert_eq!(server.call(&by(TOKEN, &off)).await?, Err(Refusal::Stale));
        assert_eq!(server.mistaken(&by(TOKEN + 3, &off)).await?, Err(Refusal::Cold));
        assert_eq!(server.members(kind).await?, [7].into());
        assert_eq!(server.call(&by(TOKEN + 3, &off)).await?, Ok(3), "what was refused is no write");
    }
    Ok(())
}
