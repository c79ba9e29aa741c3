//! The warm rule, and a rebuild.

use anyhow::Result;
use contract::{
    Kind, Truth, Version,
    keys::{self, BarSet},
    scripts::{
        Clear, Fence, PartitionState, Project, Rebuilt, Refusal, RestoreBars, RestoreMembers, RestoreStats, State, Warm,
    },
};
use redis::AsyncCommands;

use super::{EPOCH, SERVER, Server, TOKEN, article, entry, partition, project, toggle, users};

/// Every version that is known.
const KNOWN: Version = Version { ms: 9_999_999_999_999, seq: 7 };
const MEMBERS: i64 = 5_000;

fn state(server: &str, epoch: u64, last: Version, rebuild: &str) -> State {
    State { server: server.to_owned(), epoch, last, waiting: 0, oldest: None, rebuild: rebuild.to_owned(), writes: 0 }
}

fn warm(epoch: u64, rebuilt: Rebuilt<'_>) -> Warm<'_> {
    Warm { partition: partition(), epoch, group: "relay", rebuilt }
}

const ASKED: fn() -> PartitionState = || PartitionState { partition: partition() };

/// As if another server had come in its place.
async fn fenced() -> Result<Server> {
    let mut server = Server::warm().await?;
    let fence = Fence { partition: partition(), rebuild: "rebuild" };
    assert_eq!(server.call(&fence).await?, Err(Refusal::Warm), "what is served is not fenced");
    assert_eq!(server.mistaken(&fence).await?, Ok(()));
    assert_eq!(server.call(&ASKED()).await?, Ok(state("", EPOCH, "0-1".parse()?, "rebuild")));
    Ok(server)
}

#[tokio::test]
async fn an_empty_partition_is_not_whole() -> Result<()> {
    let mut server = Server::start().await?;
    assert_eq!(server.call(&ASKED()).await?, Ok(state("", 0, Version::default(), "")));
    assert_eq!(server.call(&warm(EPOCH, Rebuilt::default())).await?, Err(Refusal::Stale));
    assert_eq!(server.call(&warm(0, Rebuilt::default())).await?, Err(Refusal::Stale));
    Ok(())
}

#[tokio::test]
async fn a_partition_that_lost_nothing_is_warm_at_once_if_it_is_still_what_was_seen() -> Result<()> {
    let mut server = Server::warm().await?;
    let seen = server.call(&ASKED()).await??;
    assert_eq!(seen, state(SERVER, EPOCH, "0-1".parse()?, ""));
    assert_eq!(server.mistaken(&warm(EPOCH + 1, Rebuilt::default())).await?, Err(Refusal::Stale));
    assert_eq!(server.mistaken(&warm(EPOCH, Rebuilt::default())).await?, Ok(()));
    assert_eq!(server.call(&ASKED()).await??.server, "another");
    for kind in Kind::of(Truth::Redis) {
        assert_eq!(server.call(&toggle(kind, 7, true)).await?, Err(Refusal::Cold));
        assert!(server.mistaken(&toggle(kind, 7, true)).await?.is_ok());
    }
    let waiting = server.outbox().await?;
    let seen = server.call(&ASKED()).await??;
    assert_eq!((seen.waiting, seen.oldest), (u64::try_from(waiting.len())?, Some(waiting[0].id)));
    for kind in Kind::of(Truth::Mysql) {
        let older = Project { token: TOKEN - 1, ..project(&[]) };
        assert_eq!(server.mistaken(&older).await?, Err(Refusal::Stale), "{kind}: the token is still there");
    }
    Ok(())
}

#[tokio::test]
async fn a_fenced_partition_takes_only_what_its_rebuild_writes() -> Result<()> {
    let mut server = fenced().await?;
    let (seven, nobody) = (users([7]), "another rebuild");
    for kind in Kind::ALL.iter().copied() {
        match kind.truth() {
            Truth::Redis => assert_eq!(server.call(&toggle(kind, 7, true)).await?, Err(Refusal::Cold)),
            Truth::Mysql => assert_eq!(server.call(&project(&[entry(kind, 7, true)])).await?, Err(Refusal::Cold)),
        }
        let restore = RestoreMembers { rebuild: nobody, kind, article: article(), about: 1, users: &seven };
        assert_eq!(server.call(&restore).await?, Err(Refusal::Stale));
    }
    let stats = RestoreStats { rebuild: nobody, article: article(), pv: 1, uv_sketch: vec![], reads: 1 };
    assert_eq!(server.call(&stats).await?, Err(Refusal::Stale));
    let bars = RestoreBars { partition: partition(), set: BarSet::of(seven[0]), rebuild: nobody, users: &seven };
    assert_eq!(server.call(&bars).await?, Err(Refusal::Stale));
    let () = server.connection.set(keys::pv(article()), 9).await?;
    let clear = |rebuild| Clear { partition: partition(), rebuild, keys: vec![keys::pv(article())] };
    assert_eq!(server.call(&clear(nobody)).await?, Err(Refusal::Stale));
    assert_eq!(server.connection.get::<_, i64>(keys::pv(article())).await?, 9);
    assert_eq!(server.call(&clear("rebuild")).await?, Ok(()));
    assert!(!server.connection.exists::<_, bool>(keys::pv(article())).await?);
    assert_eq!(server.call(&warm(EPOCH, Rebuilt::default())).await?, Err(Refusal::Stale));
    let other = Rebuilt { rebuild: nobody, above: KNOWN, token: TOKEN, writes: 0 };
    assert_eq!(server.call(&warm(EPOCH + 1, other)).await?, Err(Refusal::Stale));
    Ok(())
}

#[tokio::test]
async fn a_rebuilt_partition_is_served_in_a_new_epoch_with_all_that_was_restored() -> Result<()> {
    let mut server = fenced().await?;
    let everybody = users((1..=MEMBERS).map(|user| user << 20));
    for kind in Kind::ALL.iter().copied() {
        for users in everybody.chunks(1_000) {
            let restore =
                RestoreMembers { rebuild: "rebuild", kind, article: article(), about: everybody.len() as u64, users };
            // A call that is repeated counts nobody twice.
            for _ in 0..2 {
                assert_eq!(server.call(&restore).await?, Ok(()));
            }
        }
    }
    let () = server.connection.pfadd("sketch", &["a", "b"]).await?;
    let uv_sketch = server.connection.get("sketch").await?;
    let stats = RestoreStats { rebuild: "rebuild", article: article(), pv: 12, uv_sketch, reads: 3 };
    assert_eq!(server.call(&stats).await?, Ok(()));
    let barred = users([9]);
    let bars = RestoreBars { partition: partition(), set: BarSet::of(barred[0]), rebuild: "rebuild", users: &barred };
    assert_eq!(server.call(&bars).await?, Ok(()));
    let rebuilt = Rebuilt { rebuild: "rebuild", above: KNOWN, token: TOKEN + 1, writes: 30 };
    assert_eq!(server.call(&warm(EPOCH + 1, rebuilt)).await?, Ok(()));
    assert_eq!(server.call(&ASKED()).await?, Ok(State { writes: 30, ..state(SERVER, EPOCH + 1, KNOWN, "") }));

    let of_article =
        (server.connection.get(keys::pv(article())).await?, server.connection.get(keys::reads(article())).await?);
    assert_eq!(of_article, (12, 3));
    assert_eq!(server.connection.pfcount::<_, i64>(keys::uv(article())).await?, 2);
    let before = project(&[]);
    assert_eq!(server.call(&before).await?, Err(Refusal::Stale), "a projector from before the rebuild");
    let mut writes = 30;
    for kind in Kind::ALL.iter().copied() {
        assert_eq!(server.count(kind).await?, Some(MEMBERS));
        assert_eq!(server.members(kind).await?.len(), everybody.len());
        if kind.truth() == Truth::Mysql {
            writes += 1;
            let entries = [entry(kind, 1 << 20, true), entry(kind, 7, true)];
            assert_eq!(server.call(&Project { token: TOKEN + 1, ..project(&entries) }).await?, Ok(writes));
            assert_eq!(server.count(kind).await?, Some(MEMBERS + 1));
        } else {
            assert_eq!(server.toggled(kind, 1 << 20, true).await?, (false, MEMBERS));
            assert_eq!(server.toggled(kind, 7, true).await?, (true, MEMBERS + 1));
            assert_eq!(server.call(&toggle(kind, 9, true)).await?, Err(Refusal::Barred));
        }
    }
    assert!(server.outbox().await?[0].id > KNOWN, "versions go on above all known ones");
    Ok(())
}
