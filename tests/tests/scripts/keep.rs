//! The scripts that keep the stores equal: they acknowledge, compare and restate.

use anyhow::Result;
use contract::{
    Cause, Change, Kind, Truth, UserId, Version, keys,
    scripts::{Ack, Compare, Compared, Refusal, Restate},
};
use redis::AsyncCommands;

use super::{PER_SET, Server, article, partition, users, written};

fn compare(kind: Kind, users: &[contract::UserNumber]) -> Compare<'_> {
    Compare { kind, article: article(), users }
}

fn restate(kind: Kind, users: &[UserId]) -> Restate<'_> {
    Restate { kind, article: written(42), users }
}

#[tokio::test]
async fn confirmed_entries_leave_the_outbox_by_their_ids() -> Result<()> {
    let mut server = Server::warm().await?;
    let kind = Kind::of(Truth::Redis).next().expect("a kind of Redis");
    server.fill(kind, 1..=3).await?;
    let ids: Vec<Version> = server.outbox().await?.iter().map(|entry| entry.id).collect();
    for (confirmed, removed) in [([ids[0], ids[2]], 2), ([ids[0], ids[0]], 0)] {
        let ack = Ack { partition: partition(), group: "relay", ids: &confirmed };
        assert_eq!(server.call(&ack).await?, Ok(removed));
    }
    let left: Vec<Version> = server.outbox().await?.iter().map(|entry| entry.id).collect();
    assert_eq!(left, ids[1..2]);
    Ok(())
}

#[tokio::test]
async fn a_comparison_returns_the_state_and_the_last_entry_that_it_includes() -> Result<()> {
    for kind in Kind::ALL.iter().copied() {
        let mut server = Server::warm().await?;
        let nobody = Compared { last: "0-1".parse()?, count: 0, members: -1, on: vec![false] };
        assert_eq!(server.call(&compare(kind, &users([7]))).await?, Ok(nobody));
        server.fill(kind, 1..=2 * PER_SET).await?;
        let () = server.connection.incr(keys::count(kind, article()), 5).await?;
        let compared = server.call(&compare(kind, &users([1, 2 * PER_SET, 2 * PER_SET + 1]))).await??;
        let last = server.outbox().await?.last().map_or("0-1".parse()?, |entry| entry.id);
        let count = 2 * PER_SET + 5;
        assert_eq!(compared, Compared { last, count, members: -1, on: vec![true, true, false] });
        let counted = server.call(&compare(kind, &[])).await??;
        assert_eq!(counted, Compared { last, count, members: 2 * PER_SET, on: vec![] });
        assert_eq!(server.mistaken(&compare(kind, &[])).await?, Err(Refusal::Cold));
        let () = server.connection.set(keys::members(kind, article()) + ":n", 5001).await?;
        assert_eq!(server.call(&compare(kind, &[])).await??.members, -1, "too many sets for one call");
    }
    Ok(())
}

#[tokio::test]
async fn a_restatement_logs_the_current_state_and_may_be_repeated() -> Result<()> {
    for kind in Kind::of(Truth::Redis) {
        let mut server = Server::warm().await?;
        server.fill(kind, [7]).await?;
        for _ in 0..2 {
            let last = server.call(&restate(kind, &[written(7), written(8)])).await??;
            assert_eq!(server.outbox().await?.last().map(|entry| entry.id), Some(last));
        }
        let events = server.events().await?;
        let logged: Vec<_> = events.iter().map(|event| (event.user.clone(), event.change, event.cause)).collect();
        let said = |user: i64, on, cause| (Some(written(user)), Change::Switch(kind, on), cause);
        let again = [said(7, true, Cause::Reconcile), said(8, false, Cause::Reconcile)];
        assert_eq!(logged, [&[said(7, true, Cause::User)][..], &again, &again].concat());
        assert_eq!((server.count(kind).await?, server.members(kind).await?), (Some(1), [7].into()));
        assert_eq!(server.mistaken(&restate(kind, &[written(7)])).await?, Err(Refusal::Cold));
    }
    Ok(())
}

/// This corrects a projection too, although only the relay restates its users.
#[tokio::test]
async fn a_wrong_count_becomes_that_of_the_members_without_an_event() -> Result<()> {
    for kind in Kind::ALL.iter().copied() {
        let mut server = Server::warm().await?;
        server.fill(kind, 1..=2 * PER_SET).await?;
        let said = server.outbox().await?.len();
        let last = server.call(&compare(kind, &[])).await??.last;
        for wrong in [Some(5), Some(-1), None] {
            let count = keys::count(kind, article());
            let () = match wrong {
                Some(number) => server.connection.set(count, number).await?,
                None => server.connection.del(count).await?,
            };
            assert_eq!(server.call(&restate(kind, &[])).await?, Ok(last));
            assert_eq!(server.count(kind).await?, Some(2 * PER_SET));
        }
        // The sets are lost. What is left must count nobody.
        for key in server.keys_of(kind).await? {
            if key != keys::count(kind, article()) && !key.ends_with(":n") {
                let () = server.connection.del(key).await?;
            }
        }
        assert_eq!(server.call(&restate(kind, &[])).await?, Ok(last));
        assert_eq!(server.keys_of(kind).await?, [""; 0]);
        assert_eq!(server.outbox().await?.len(), said);
        assert_eq!(server.mistaken(&restate(kind, &[])).await?, Err(Refusal::Cold));
    }
    Ok(())
}
