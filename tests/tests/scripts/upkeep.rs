//! What the persister calls: to relay, to fence and rebuild, to save.

use anyhow::Result;
use contract::{keys, scripts};
use redis::AsyncCommands;
use tests::likers;

use super::{ARTICLE, Server, article, partition};

#[tokio::test]
async fn confirmed_entries_leave_the_outbox_by_their_ids() -> Result<()> {
    let mut server = Server::warm().await?;
    for user in 1..=3 {
        server.like(user, true, |_| ()).await?;
    }
    let ids: Vec<String> = server.outbox().await?.iter().map(|entry| entry.id.to_string()).collect();
    let outbox = [keys::outbox(partition())];
    assert_eq!(server.call(scripts::ACK, &outbox, &["relay", &ids[0], &ids[2]]).await?, ["2"]);
    assert_eq!(server.call(scripts::ACK, &outbox, &["relay", &ids[0]]).await?, ["0"]);
    let left: Vec<String> = server.outbox().await?.iter().map(|entry| entry.id.to_string()).collect();
    assert_eq!(left, [ids[1].clone()]);
    Ok(())
}

#[tokio::test]
async fn a_fenced_partition_is_rebuilt_and_served_in_a_new_epoch() -> Result<()> {
    let mut server = Server::warm().await?;
    let (warm, outbox) = (keys::warm(partition()), keys::outbox(partition()));
    let run_id = server.run_id.clone();
    let state = server.call(scripts::PARTITION_STATE, &[warm.clone(), outbox.clone()], &[]).await?;
    assert_eq!(state, [run_id.as_str(), "1", "0-1", "0", "", ""]);

    assert_eq!(server.call(scripts::FENCE, std::slice::from_ref(&warm), &["rebuild"]).await?, ["OK"]);
    let state = server.call(scripts::PARTITION_STATE, &[warm.clone(), outbox.clone()], &[]).await?;
    assert_eq!(state, ["", "1", "0-1", "0", "", "rebuild"]);
    assert_eq!(server.like(7, true, |_| ()).await?, ["COLD"]);
    assert_eq!(server.like(7, true, |args| args[0] = String::new()).await?, ["COLD"], "an empty run id is nobody's");

    let likes = [warm.clone(), keys::likes(article()), keys::members(article())];
    let counters = [warm.clone(), keys::pv(article()), keys::uv(article()), keys::reads(article())];
    assert_eq!(server.call(scripts::RESTORE_LIKES, &likes, &["another", "1", "7"]).await?, ["STALE"]);
    assert_eq!(server.call(scripts::RESTORE_STATS, &counters, &["another", "1", "", "1"]).await?, ["STALE"]);
    let users: Vec<String> = (1..=5_000).map(|user: i64| (user << 20).to_string()).collect();
    for some in users.chunks(1_000) {
        let args: Vec<&str> = ["rebuild", "5000"].into_iter().chain(some.iter().map(String::as_str)).collect();
        assert_eq!(server.call(scripts::RESTORE_LIKES, &likes, &args).await?, ["OK"]);
    }
    assert_eq!(server.call(scripts::RESTORE_STATS, &counters, &["rebuild", "12", "", "3"]).await?, ["OK"]);

    let done = [warm.clone(), outbox.clone()];
    assert_eq!(server.call(scripts::WARM, &done, &[&run_id, "2", "5-0", "", "relay"]).await?, ["STALE"]);
    assert_eq!(
        server.call(scripts::WARM, &done, &[&run_id, "2", "9999999999999-7", "rebuild", "relay"]).await?,
        ["OK"]
    );
    let state = server.call(scripts::PARTITION_STATE, &done, &[]).await?;
    assert_eq!(state, [run_id.as_str(), "2", "9999999999999-7", "0", "", ""]);
    assert_eq!(likers(&mut server.connection, article()).await?.len(), 5_000);
    assert_eq!(server.like(1 << 20, true, |_| ()).await?[..3], ["OK", "0", "5000"]);
    assert_eq!(server.like(7, true, |_| ()).await?[..3], ["OK", "1", "5001"]);
    let first = server.outbox().await?[0].id;
    assert!(first > "9999999999999-7".parse()?, "versions go on above all known ones");
    let state = server.call(scripts::PARTITION_STATE, &done, &[]).await?;
    assert_eq!(state[3..], ["1", &first.to_string(), ""], "its only entry is its oldest");
    Ok(())
}

#[tokio::test]
async fn a_snapshot_that_is_cut_short_begins_again_with_what_it_held() -> Result<()> {
    let mut server = Server::warm().await?;
    let taken = [keys::warm(partition()), keys::changed(partition()), keys::saving(partition())];
    let run_id = server.run_id.clone();
    assert_eq!(server.call(scripts::SNAPSHOT_TAKE, &taken, &[&run_id, "10"]).await?, ["OK"]);
    let () = server.connection.sadd(keys::changed(partition()), ARTICLE).await?;
    let () = server.connection.set(keys::pv(article()), 5).await?;
    let () = server.connection.pfadd(keys::uv(article()), "a").await?;
    assert_eq!(server.call(scripts::SNAPSHOT_TAKE, &taken, &["another", "10"]).await?, ["COLD"]);
    assert_eq!(server.call(scripts::SNAPSHOT_TAKE, &taken, &[&run_id, "10"]).await?, ["OK", "42"]);
    assert_eq!(server.call(scripts::SNAPSHOT_TAKE, &taken, &[&run_id, "10"]).await?, ["OK", "42"]);

    let read = [keys::warm(partition()), keys::pv(article()), keys::uv(article()), keys::reads(article())];
    assert_eq!(server.call(scripts::SNAPSHOT_READ, &read, &["another"]).await?, ["COLD"]);
    let counters = server.call(scripts::SNAPSHOT_READ, &read, &[&run_id]).await?;
    assert_eq!((&counters[..3], counters[4].as_str()), (&["OK", "5", "1"].map(str::to_owned)[..], "0"));
    assert!(counters[3].starts_with("HYLL"), "the sketch as Redis stores it");
    let [saving, changed] = [keys::saving(partition()), keys::changed(partition())];
    let done = [saving, changed, keys::pv(article()), keys::reads(article())];
    let () = server.connection.incr(keys::pv(article()), 1).await?;
    assert_eq!(server.call(scripts::SNAPSHOT_DONE, &done, &["42", "5", "0"]).await?, ["0"], "it was viewed meanwhile");
    assert_eq!(server.call(scripts::SNAPSHOT_TAKE, &taken, &[&run_id, "10"]).await?, ["OK", "42"]);
    assert_eq!(server.call(scripts::SNAPSHOT_DONE, &done, &["42", "6", "0"]).await?, ["1"]);
    assert_eq!(server.call(scripts::SNAPSHOT_TAKE, &taken, &[&run_id, "10"]).await?, ["OK"]);
    Ok(())
}

#[tokio::test]
async fn a_short_hold_leaves_a_longer_one_its_time() -> Result<()> {
    let mut server = Server::warm().await?;
    let held = keys::held(partition());
    let keys = [keys::warm(partition()), keys::outbox(partition()), held.clone()];
    let run_id = server.run_id.clone();
    for (ms, pair) in [("60000", "7:42"), ("1", "8:42")] {
        assert_eq!(server.call(scripts::HOLD, &keys, &[&run_id, ms, pair]).await?[3], "1");
    }
    let left: i64 = server.connection.pttl(&held).await?;
    assert!(left > 60_000, "{left} ms");
    assert_eq!(server.like(7, true, |_| ()).await?, ["HELD"]);
    Ok(())
}
