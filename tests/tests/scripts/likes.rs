//! Likes: the script that every like and unlike is.

use std::collections::BTreeMap;

use anyhow::Result;
use contract::{Change, OutboxEntry, keys, keys::Subject};
use redis::AsyncCommands;
use tests::likers;

use super::{Server, article, partition};

#[tokio::test]
async fn a_like_changes_status_count_and_outbox_together_and_once() -> Result<()> {
    let mut server = Server::warm().await?;
    assert_eq!(server.like(7, true, |_| ()).await?[..3], ["OK", "1", "1"]);
    assert_eq!(server.like(7, true, |_| ()).await?[..3], ["OK", "0", "1"]);
    assert_eq!(server.like(8, true, |_| ()).await?[..3], ["OK", "1", "2"]);
    assert_eq!(server.like(7, false, |_| ()).await?[..3], ["OK", "1", "1"]);
    assert_eq!(server.like(7, false, |_| ()).await?[..3], ["OK", "0", "1"]);
    assert_eq!(likers(&mut server.connection, article()).await?.into_iter().collect::<Vec<_>>(), [8]);

    let entries = server.outbox().await?;
    let events = entries.iter().map(OutboxEntry::to_event).collect::<Result<Vec<_>, _>>()?;
    let told: Vec<_> = events.iter().map(|event| (event.user.map(contract::UserId::get), event.change)).collect();
    assert_eq!(told, [(Some(7), Change::Like(true)), (Some(8), Change::Like(true)), (Some(7), Change::Like(false))]);
    assert!(events.is_sorted_by_key(|event| event.version));
    assert!(events.iter().all(|event| event.request_id == "request" && event.ip_hash == "0af7"));
    Ok(())
}

#[tokio::test]
async fn a_refused_like_changes_nothing_and_says_why() -> Result<()> {
    let mut server = Server::warm().await?;
    let () = server.connection.sadd(keys::barred(partition()), 9).await?;
    assert_eq!(server.like(7, true, |args| args[0] = "another server".to_owned()).await?, ["COLD"]);
    assert_eq!(server.like(7, true, |args| args[1] = "1".to_owned()).await?, ["LATE"]);
    // Longer than any caller waits: from before the clock was set back.
    let (seconds, _micros): (i64, i64) = redis::cmd("TIME").query_async(&mut server.connection).await?;
    assert_eq!(server.like(7, true, |args| args[1] = format!("{}000", seconds + 60)).await?, ["LATE"]);
    assert_eq!(server.like(9, true, |_| ()).await?, ["BARRED"]);
    assert_eq!(server.like(7, true, |args| args[5] = "0".to_owned()).await?, ["FULL"]);
    assert!(server.outbox().await?.is_empty());
    assert!(likers(&mut server.connection, article()).await?.is_empty());
    assert!(!server.connection.exists::<_, bool>(keys::likes(article())).await?);

    // A burst of two, then one an hour; first the user's limit, then the address's.
    for (first, which) in [(6, "1"), (8, "2")] {
        let user = 100 + i64::try_from(first)?;
        let narrow = |args: &mut Vec<String>| {
            args[first] = "2".to_owned();
            args[first + 1] = "3600000000".to_owned();
        };
        let () = server.connection.del(keys::limit(article(), "like", Subject::Address("0af7"))).await?;
        assert_eq!(server.like(user, true, narrow).await?[0], "OK");
        assert_eq!(server.like(user, false, narrow).await?[0], "OK");
        let refused = server.like(user, true, narrow).await?;
        assert_eq!((refused[0].as_str(), refused[2].as_str()), ("LIMITED", which));
        let wait_ms: u64 = refused[1].parse()?;
        assert!((3_500_000..=3_600_000).contains(&wait_ms), "{wait_ms} ms");
        assert!(!likers(&mut server.connection, article()).await?.contains(&user));
    }
    Ok(())
}

/// Ids as they come: small, snowflake-like with equal low bits, and up to the greatest.
#[tokio::test]
async fn many_likes_spread_over_small_sets_and_are_all_found() -> Result<()> {
    let mut server = Server::warm().await?;
    let users: Vec<i64> =
        (1..=2_000).chain((1..=2_000).map(|n| n << 22)).chain((0..2_000).map(|n| i64::MAX - n * 4096)).collect();
    for user in &users {
        assert_eq!(server.like(*user, true, |_| ()).await?[1], "1", "{user}");
    }
    let members = keys::members(article());
    let sets: i64 = server.connection.get(format!("{members}:n")).await?;
    let mut sizes = BTreeMap::new();
    for set in 0..sets {
        let key = if set == 0 { members.clone() } else { format!("{members}:{set}") };
        let size: i64 = server.connection.scard(&key).await?;
        let encoding: String =
            redis::cmd("OBJECT").arg("ENCODING").arg(&key).query_async(&mut server.connection).await?;
        assert_eq!(encoding, "intset", "set {set} of {size}");
        sizes.insert(set, size);
    }
    assert_eq!(sizes.values().sum::<i64>(), i64::try_from(users.len())?);
    let most = sizes.values().max();
    assert!(most < Some(&512) && sizes.len() > 20, "{sizes:?}");
    for user in &users {
        assert_eq!(server.like(*user, true, |_| ()).await?[1], "0", "{user} is known");
        assert_eq!(server.like(*user, false, |_| ()).await?[1], "1", "{user} takes it back");
    }
    assert_eq!(server.connection.get::<_, i64>(keys::likes(article())).await?, 0);
    Ok(())
}
