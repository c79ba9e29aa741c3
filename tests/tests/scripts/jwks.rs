//! The key set of users' tokens that instances share, and who fetches it.

use anyhow::Result;
use contract::{
    keys,
    scripts::{JwksPut, JwksTake, JwksTaken, Refusal, TakeTurn, Turn},
};
use redis::AsyncCommands;

use super::Server;

const NAME: &str = "0af7";
const HALF_A_MINUTE: u64 = 30_000;

fn take(known: &str) -> JwksTake<'_> {
    JwksTake { name: NAME, known, lasts_ms: HALF_A_MINUTE }
}

fn put(set: &str) -> JwksPut<'_> {
    JwksPut { name: NAME, set }
}

const MINE: Turn = Turn { taken: true, wait_ms: 0 };

#[tokio::test]
async fn a_set_is_given_to_whoever_does_not_know_it_and_else_one_has_the_turn_to_fetch() -> Result<()> {
    // Of no article: no partition need be warm.
    let mut server = Server::start().await?;
    let none = |turn| Ok(JwksTaken { set: String::new(), turn });
    assert_eq!(server.call(&take("")).await?, none(MINE));
    let Ok(JwksTaken { set, turn }) = server.call(&take("")).await? else { panic!("answered") };
    assert!(set.is_empty() && !turn.taken && (1..=HALF_A_MINUTE).contains(&turn.wait_ms), "{turn:?}");

    let set = "1763800000000:600:seal:{\"keys\":[{\"kty\":\"oct\"}]}";
    assert_eq!(server.call(&put(set)).await?, Ok(()));
    for unknown in ["", "1763800000001", "17638"] {
        let given = JwksTaken { set: set.to_owned(), turn: Turn { taken: false, wait_ms: 0 } };
        assert_eq!(server.call(&take(unknown)).await?, Ok(given), "{unknown}");
    }
    let Ok(JwksTaken { set, turn }) = server.call(&take("1763800000000")).await? else { panic!("answered") };
    assert!(set.is_empty() && !turn.taken && turn.wait_ms > 0, "the turn lasts on: {turn:?}");
    let () = server.connection.del(keys::jwks_turn(NAME)).await?;
    assert_eq!(server.call(&take("1763800000000")).await?, none(MINE));
    let left: i64 = server.connection.pttl(keys::jwks(NAME)).await?;
    assert_eq!(left, -1, "a set stays until another takes its place");
    Ok(())
}

#[tokio::test]
async fn a_turn_is_had_by_one_for_as_long_as_it_lasts() -> Result<()> {
    let mut server = Server::start().await?;
    let turn = keys::jwks_log(NAME);
    let take = TakeTurn { turn: &turn, lasts_ms: HALF_A_MINUTE };
    assert_eq!(server.call(&take).await?, Ok(MINE));
    let other = server.call(&take).await?;
    assert!(matches!(other, Ok(Turn { taken: false, wait_ms: 1..=HALF_A_MINUTE })), "{other:?}");
    Ok(())
}

#[tokio::test]
async fn what_comes_after_its_deadline_changes_nothing() -> Result<()> {
    let mut server = Server::start().await?;
    let turn = keys::jwks_log(NAME);
    assert_eq!(server.within(-1, &put("1:set")).await?, Err(Refusal::Late));
    assert_eq!(server.within(-1, &take("")).await?, Err(Refusal::Late));
    assert_eq!(server.within(-1, &TakeTurn { turn: &turn, lasts_ms: 1 }).await?, Err(Refusal::Late));
    let written: Vec<String> = server.connection.keys("*").await?;
    assert!(written.is_empty(), "{written:?}");
    assert_eq!(server.within(1_000, &put("1:set")).await?, Ok(()));
    Ok(())
}
