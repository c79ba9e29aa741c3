//! The script `toggle`. It makes every change of a kind whose truth is Redis.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::Result;
use contract::{
    Change, Kind, Truth,
    keys::{self, BarSet, Subject},
    scripts::{Limit, Refusal, Toggle},
};
use redis::AsyncCommands;

use super::{NARROW, Server, WIDE, article, exclusions, hold, pair, partition, toggle};

async fn changes(server: &mut Server) -> Result<Vec<(i64, Kind, bool)>> {
    let events = server.events().await?;
    assert!(events.is_sorted_by_key(|event| event.version));
    assert!(events.iter().all(|event| event.request_id == "request" && event.ip_hash == "0af7"));
    let change = |event: &contract::Event| match (&event.user, event.change) {
        (Some(user), Change::Switch(kind, on)) => (user.number().get(), kind, on),
        other => panic!("{other:?}"),
    };
    Ok(events.iter().map(change).collect())
}

#[tokio::test]
async fn a_toggle_changes_status_count_and_outbox_together_and_once() -> Result<()> {
    for kind in Kind::of(Truth::Redis) {
        let mut server = Server::warm().await?;
        assert_eq!(server.toggled(kind, 7, true).await?, (true, 1));
        assert_eq!(server.toggled(kind, 7, true).await?, (false, 1));
        assert_eq!(server.toggled(kind, 8, true).await?, (true, 2));
        assert_eq!(server.toggled(kind, 7, false).await?, (true, 1));
        assert_eq!(server.toggled(kind, 7, false).await?, (false, 1));
        assert_eq!(server.members(kind).await?, [8].into());
        assert_eq!(changes(&mut server).await?, [(7, kind, true), (8, kind, true), (7, kind, false)]);
        assert_eq!(server.toggled(kind, 8, false).await?, (true, 0));
        assert_eq!(server.keys_of(kind).await?, [""; 0], "nothing is kept for nobody");
    }
    Ok(())
}

#[tokio::test]
async fn a_kind_switched_on_switches_off_what_it_excludes_with_an_event_of_its_own_first() -> Result<()> {
    for (kind, other) in exclusions() {
        let mut server = Server::warm().await?;
        server.fill(other, [7, 8]).await?;
        assert_eq!(server.toggled(kind, 7, true).await?, (true, 1));
        assert_eq!((server.count(kind).await?, server.count(other).await?), (Some(1), Some(1)));
        assert_eq!((server.members(kind).await?, server.members(other).await?), ([7].into(), [8].into()));
        // The first of these has nothing to exclude. The second changes nothing.
        assert_eq!(server.toggled(kind, 9, true).await?, (true, 2));
        assert_eq!(server.toggled(kind, 9, true).await?, (false, 2));
        let filled = [(7, other, true), (8, other, true)];
        let first = [(7, other, false), (7, kind, true), (9, kind, true)];
        assert_eq!(changes(&mut server).await?, [&filled[..], &first].concat());

        assert_eq!(server.toggled(kind, 8, true).await?, (true, 3));
        assert_eq!(server.keys_of(other).await?, [""; 0], "the last one was switched off");
        assert_eq!(server.toggled(kind, 8, false).await?, (true, 2));
        let then = [(8, other, false), (8, kind, true), (8, kind, false)];
        assert_eq!(changes(&mut server).await?, [&filled[..], &first, &then].concat(), "off excludes nothing");
    }
    Ok(())
}

#[tokio::test]
async fn a_refused_toggle_changes_nothing_and_says_why() -> Result<()> {
    for kind in Kind::of(Truth::Redis) {
        let mut server = Server::warm().await?;
        let () = server.connection.sadd(keys::barred(partition(), BarSet::of(tests::id(9))), 9).await?;
        let asked = toggle(kind, 7, true);
        assert_eq!(server.mistaken(&asked).await?, Err(Refusal::Cold));
        assert_eq!(server.within(-1, &asked).await?, Err(Refusal::Late));
        // No caller waits this long, so the deadline is from before the clock was set back.
        assert_eq!(server.within(60_000, &asked).await?, Err(Refusal::Late));
        assert_eq!(server.call(&toggle(kind, 9, true)).await?, Err(Refusal::Barred));
        assert_eq!(server.call(&Toggle { outbox_max: 0, ..asked.clone() }).await?, Err(Refusal::Full));
        assert_eq!(server.call(&hold(&[pair(kind, 7)], 60_000)).await??.got, [true]);
        assert_eq!(server.call(&asked).await?, Err(Refusal::Held));
        assert!(server.outbox().await?.is_empty());
        assert_eq!(server.keys_of(kind).await?, [""; 0]);
        assert!(server.within(1_000, &toggle(kind, 8, true)).await?.is_ok(), "a deadline that has not passed");
    }
    Ok(())
}

#[tokio::test]
async fn a_pair_is_held_too_while_what_would_be_excluded_is() -> Result<()> {
    for (kind, other) in exclusions() {
        let mut server = Server::warm().await?;
        server.fill(other, [7, 8]).await?;
        assert_eq!(server.call(&hold(&[pair(other, 7)], 60_000)).await??.got, [true]);
        assert_eq!(server.call(&toggle(kind, 7, true)).await?, Err(Refusal::Held));
        assert_eq!(server.members(other).await?, [7, 8].into());
        assert_eq!(server.outbox().await?.len(), 2);
        assert_eq!(server.toggled(kind, 7, false).await?, (false, 0), "off would exclude nothing");
        assert_eq!(server.toggled(kind, 8, true).await?, (true, 1), "another user is not concerned");
    }
    Ok(())
}

/// A limit of two at once, then one an hour. First it is the user's limit, then the address's.
#[tokio::test]
async fn a_used_up_limit_says_whose_it_is_and_for_how_long() -> Result<()> {
    for kind in Kind::of(Truth::Redis) {
        let mut server = Server::warm().await?;
        for which in 0..2 {
            let user = 100 + i64::try_from(which)?;
            let limits: [Limit; 2] = std::array::from_fn(|at| if at == which { NARROW } else { WIDE });
            let () = server.connection.del(keys::limit(article(), kind.name(), Subject::Address("0af7"))).await?;
            let mut left = vec![];
            for on in [true, false] {
                left.push(server.call(&Toggle { limits, ..toggle(kind, user, on) }).await??.gate.left);
            }
            assert!(which > 0 || left == [1, 0], "{left:?}: the answer must say what is left of the user's limit");
            let refused = server.call(&Toggle { limits, ..toggle(kind, user, true) }).await?;
            let Err(Refusal::Limited { wait_ms, which: by }) = refused else { panic!("{refused:?}") };
            assert_eq!(by, which);
            assert!((3_500_000..=3_600_000).contains(&wait_ms), "{wait_ms} ms");
            assert!(!server.members(kind).await?.contains(&user));
        }
    }
    Ok(())
}

/// The contents of every file below a folder.
fn whole(folder: &Path) -> Result<String> {
    let mut text = String::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            text.push_str(&whole(&path)?);
        } else {
            text.push_str(&String::from_utf8_lossy(&fs::read(path)?));
        }
    }
    Ok(text)
}

/// The disk bounds the rate of likes, so limits must not be written to it. If a restart forgets a limit, that costs one burst.
#[tokio::test]
async fn a_limit_is_not_in_the_append_only_file() -> Result<()> {
    for kind in Kind::of(Truth::Redis) {
        let mut server = Server::warm().await?;
        let narrow = Toggle { limits: [NARROW; 2], ..toggle(kind, 7, true) };
        assert!(server.call(&narrow).await??.changed);
        let limit = keys::limit(article(), kind.name(), Subject::User(tests::id(7)));
        assert!(server.connection.exists::<_, bool>(&limit).await?, "it is in memory");
        let log = whole(server.folder.path())?;
        assert!(log.contains(&keys::members(kind, article())) && log.contains(&keys::outbox(partition())));
        assert!(!log.contains(&limit));
    }
    Ok(())
}

/// The ids are small ones, ones like snowflakes with equal low bits, and the greatest ones.
#[tokio::test]
async fn many_users_spread_over_small_sets_and_are_all_found() -> Result<()> {
    for kind in Kind::of(Truth::Redis) {
        let mut server = Server::warm().await?;
        let users: Vec<i64> = (1..=1_300)
            .chain((1..=1_300).map(|n| n << 22))
            .chain((0..1_300).map(|n| (1_i64 << 62) - 1 - n * 4096))
            .collect();
        for user in &users {
            assert!(server.toggled(kind, *user, true).await?.0, "{user}");
        }
        let members = keys::members(kind, article());
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
        assert!(sizes.values().max() < Some(&512) && sizes.len() > 20, "{sizes:?}");
        // If another kind excludes this one, half of the users leave because they switch the other kind on.
        let excluded = kind.excludes().first();
        for (place, user) in users.iter().enumerate() {
            assert!(!server.toggled(kind, *user, true).await?.0, "{user} is known");
            match excluded {
                Some(other) if place % 2 == 0 => assert!(server.toggled(*other, *user, true).await?.0, "{user}"),
                _ => assert!(server.toggled(kind, *user, false).await?.0, "{user} switches it off"),
            }
        }
        assert_eq!(server.keys_of(kind).await?, [""; 0], "the count and the number of sets must be deleted too");
    }
    Ok(())
}
