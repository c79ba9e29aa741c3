//! The scripts of the other requests: views, reads, the limit of kinds whose truth is MySQL, and queries.

use anyhow::Result;
use contract::{
    Change, Kind, Partition, Truth,
    keys::{self, Subject},
    scripts::{Limit, Queried, Query, Read, Reading, Refusal, TakeLimit, Used, View},
};
use redis::AsyncCommands;
use tests::id;

use super::{EPOCH, NARROW, Server, WIDE, article, other_article, partition, written};

#[tokio::test]
async fn a_view_counts_page_views_and_visitors() -> Result<()> {
    let mut server = Server::warm().await?;
    let view = |visitor, burst| View {
        article: written(42),
        visitor: Subject::Visitor(visitor),
        ip_hash: "0af7",
        limits: [Limit { burst, ..NARROW }, WIDE],
    };
    for (visitor, pv, uv, left) in [("a", 1, 1, 9), ("a", 2, 1, 8), ("b", 3, 2, 9)] {
        let viewed = server.call(&view(visitor, 10)).await??;
        assert_eq!((viewed.pv, viewed.uv, viewed.gate.left), (pv, uv, left));
        assert_eq!(u64::try_from(viewed.epoch)?, EPOCH);
        assert!((0..10_000).contains(&(server.now_ms().await? - viewed.at_ms)));
    }
    assert_eq!(server.mistaken(&view("a", 10)).await?, Err(Refusal::Cold));
    assert_eq!(server.within(-1, &view("a", 10)).await?, Err(Refusal::Late));
    assert_eq!(server.call(&view("c", 1)).await??.pv, 4);
    assert!(matches!(server.call(&view("c", 1)).await?, Err(Refusal::Limited { which: 0, .. })));
    let changed: Vec<i64> = server.connection.smembers(keys::changed(partition())).await?;
    assert_eq!(changed, [article().get()]);
    Ok(())
}

#[tokio::test]
async fn a_read_counts_once_and_not_before_its_time() -> Result<()> {
    let mut server = Server::warm().await?;
    let now = server.now_ms().await?;
    let used = |number| Used {
        number,
        epoch: EPOCH.cast_signed(),
        viewed_ms: now - 6_000,
        after_ms: 5_000,
        lifetime_ms: 24 * 60 * 60 * 1000,
    };
    let read = |token| Read {
        article: written(42),
        user: Some(written(7)),
        token,
        outbox_max: 1_000_000,
        limit: Limit { burst: 100, ..NARROW },
        request_id: "r",
        ip_hash: "h",
    };
    let reading = |counted, reads| Ok(Reading { counted, reads });
    assert_eq!(server.call(&read(used(1))).await?, reading(true, 1));
    assert_eq!(server.call(&read(used(1))).await?, reading(false, 1), "a token counts once");
    assert_eq!(server.call(&Read { user: None, ..read(used(2)) }).await?, reading(true, 2));
    let early = server.call(&read(Used { viewed_ms: now, ..used(3) })).await?;
    assert!(matches!(early, Err(Refusal::Early(1..=5_000))), "{early:?}");
    let expired = Err(Refusal::Expired);
    assert_eq!(server.call(&read(Used { viewed_ms: now - 86_500_000, ..used(3) })).await?, expired);
    assert_eq!(server.call(&read(Used { epoch: 0, ..used(3) })).await?, expired, "a token of another epoch");
    assert_eq!(server.mistaken(&read(used(3))).await?, Err(Refusal::Cold));
    assert_eq!(server.within(-1, &read(used(3))).await?, Err(Refusal::Late));
    assert_eq!(server.call(&Read { outbox_max: 2, ..read(used(3)) }).await?, Err(Refusal::Full));
    let limited = server.call(&Read { limit: NARROW, ..read(used(3)) }).await?;
    assert!(matches!(limited, Err(Refusal::Limited { which: 0, .. })), "{limited:?}");

    let events = server.events().await?;
    let logged: Vec<_> =
        events.iter().map(|event| (event.user.as_ref().map(|user| user.number().get()), event.change)).collect();
    assert_eq!(logged, [(Some(7), Change::Read(1)), (None, Change::Read(2))]);
    Ok(())
}

#[tokio::test]
async fn used_tokens_take_few_bytes_and_are_dropped_with_their_hour() -> Result<()> {
    const HOUR_MS: i64 = 3_600_000;
    const TOKENS: i64 = 20_000;
    let mut server = Server::warm().await?;
    let (viewed_ms, lifetime_ms) = (server.now_ms().await? - 6_000, 24 * HOUR_MS);
    let read = |number: i64| Read {
        article: written(42),
        user: None,
        // Random numbers, as real tokens have them.
        token: Used {
            number: number.wrapping_mul(0x9e37_79b9_7f4a_7c15_u64.cast_signed()) & i64::MAX,
            epoch: EPOCH.cast_signed(),
            viewed_ms,
            after_ms: 5_000,
            lifetime_ms,
        },
        outbox_max: 1_000_000,
        limit: WIDE,
        request_id: "r",
        ip_hash: "h",
    };
    for number in 1..=TOKENS {
        assert_eq!(server.call(&read(number)).await?, Ok(Reading { counted: true, reads: number }));
    }
    for number in (1..=TOKENS).step_by(7) {
        assert_eq!(server.call(&read(number)).await?, Ok(Reading { counted: false, reads: TOKENS }));
    }
    let kept: Vec<String> = server.connection.keys(format!("{}*", keys::used_tokens(article(), viewed_ms))).await?;
    let mut bytes = 0;
    for key in &kept {
        let of_key: i64 = redis::cmd("MEMORY").arg("USAGE").arg(key).query_async(&mut server.connection).await?;
        bytes += of_key;
        let left: i64 = server.connection.pttl(key).await?;
        assert!((lifetime_ms + HOUR_MS - 600_000..=lifetime_ms + HOUR_MS).contains(&left), "{key}: {left} ms");
    }
    assert!(kept.len() > 50 && bytes < 16 * TOKENS, "{} keys, {bytes} bytes", kept.len());
    Ok(())
}

#[tokio::test]
async fn a_limit_lets_a_burst_pass_and_then_one_at_a_time() -> Result<()> {
    let mut server = Server::warm().await?;
    for kind in Kind::of(Truth::Mysql) {
        let take = TakeLimit { kind, user: id(7), article: article(), ip_hash: "h", limits: [NARROW, WIDE] };
        assert_eq!(server.mistaken(&take).await?, Err(Refusal::Cold));
        assert_eq!(server.within(-1, &take).await?, Err(Refusal::Late));
        let by_address = TakeLimit { user: id(8), ip_hash: "another", limits: [WIDE, NARROW], ..take };
        for (take, by) in [(take, 0), (by_address, 1)] {
            let left = [server.call(&take).await??.left, server.call(&take).await??.left];
            assert!(by > 0 || left == [1, 0], "{left:?}: the answer must say what is left of the user's limit");
            let refused = server.call(&take).await?;
            assert!(matches!(refused, Err(Refusal::Limited { which, .. }) if which == by), "{refused:?}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_query_answers_for_every_kind_and_every_article_of_its_partition() -> Result<()> {
    let mut server = Server::warm().await?;
    // One user has the first kind on, two others the second, and so on. Each user has one kind on.
    let mut next = 1..;
    let mut whose = vec![];
    for (place, kind) in Kind::ALL.iter().copied().enumerate() {
        let users: Vec<i64> = next.by_ref().take(place + 1).collect();
        server.fill(kind, users.iter().copied()).await?;
        whose.push(users);
    }
    let () = server.connection.set(keys::pv(article()), 5).await?;
    let () = server.connection.pfadd(keys::uv(article()), &["a", "b"]).await?;
    let () = server.connection.set(keys::reads(article()), 3).await?;
    // An article of a partition that is not warm. It is asked for together with the others.
    let cold = (Partition::of(id(1)), id(1));
    let in_warm = |article| (partition(), article);
    let query = |user| Query { articles: vec![in_warm(other_article()), in_warm(article()), cold], user };
    for user in (1..next.start).map(Some).chain([None]) {
        let on = |users: &[i64]| user.map(|user| users.contains(&user));
        let nothing = [(0, on(&[])); Kind::COUNT];
        let kinds: Vec<_> = whose.iter().map(|users| (i64::try_from(users.len()).expect("few"), on(users))).collect();
        let kinds = kinds.try_into().expect("one each");
        let untouched = Queried { pv: 0, uv: 0, reads: 0, kinds: nothing };
        let expected = [Some(untouched), Some(Queried { pv: 5, uv: 2, reads: 3, kinds }), None];
        assert_eq!(server.call(&query(user.map(id))).await??, expected, "{user:?}");
    }
    assert_eq!(server.mistaken(&query(None)).await?, Err(Refusal::Cold));
    assert_eq!(server.call(&Query { articles: vec![cold], user: None }).await?, Err(Refusal::Cold), "all are cold");
    Ok(())
}

#[tokio::test]
async fn a_query_finds_a_user_among_many() -> Result<()> {
    let mut server = Server::warm().await?;
    for (place, kind) in Kind::ALL.iter().enumerate() {
        let most = 4 * super::PER_SET;
        server.fill(*kind, 1..=most).await?;
        for user in [1, most / 2, most, most + 1] {
            let query = Query { articles: vec![(partition(), article())], user: Some(id(user)) };
            let found = server.call(&query).await??.remove(0).expect("it is warm");
            assert_eq!(found.kinds[place], (most, Some(user <= most)), "{kind} of {user}");
        }
    }
    Ok(())
}
