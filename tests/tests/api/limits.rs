//! Frequency limits, where an attacker would look for a way around them.

use std::time::Instant;

use anyhow::Result;
use contract::Kind;
use futures::future::try_join_all;

use crate::{kinds, on_system, pod::pod};

const BURST: usize = 12;
/// One more request passes in 100 s, so that how long a test takes hardly matters.
const LIMIT: &str = "12,0.01";

/// How many of so many requests, all sent at once, passed; the others are refused as too many.
async fn passed(asks: impl Iterator<Item = tests::Ask>) -> Result<usize> {
    let answers = try_join_all(asks.map(tests::Ask::send)).await?;
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status.as_u16()).collect();
    assert!(statuses.iter().all(|status| [200, 429].contains(status)), "{statuses:?}");
    Ok(statuses.iter().filter(|status| **status == 200).count())
}

/// That the burst passed, and no more than the rate added since.
fn assert_burst(passed: usize, began: Instant) {
    let added = usize::try_from(began.elapsed().as_secs() / 100).unwrap_or_default();
    assert!((BURST..=BURST + added).contains(&passed), "{passed} passed");
}

#[test]
fn limits_hold_across_instances_and_pods() -> Result<()> {
    on_system(async |_, stack| {
        let limit = [("toggle_user_limit", LIMIT)];
        let ((_one, first), (_two, second)) = (pod(stack, "pod-1", &limit).await?, pod(stack, "pod-2", &limit).await?);
        for (kind, article) in kinds(1100) {
            let began = Instant::now();
            // Over many connections at once, which a host spreads over instances.
            let asks = (0..4 * BURST).map(|number| {
                let api = if number % 2 == 0 { &first } else { &second };
                api.switch(kind, article, true).user(51)
            });
            assert_burst(passed(asks).await?, began);
        }
        Ok(())
    })
}

#[test]
fn each_action_has_a_limit_of_its_own() -> Result<()> {
    on_system(async |_, stack| {
        let limits = [("toggle_user_limit", LIMIT), ("view_visitor_limit", LIMIT)];
        let (_pod, api) = pod(stack, "pod-3", &limits).await?;
        let began = Instant::now();
        assert_burst(passed((0..2 * BURST).map(|_| api.post("/v1/articles/1110/views").user(52))).await?, began);
        for kind in Kind::ALL.iter().copied() {
            let began = Instant::now();
            assert_burst(passed((0..2 * BURST).map(|_| api.switch(kind, 1110, true).user(52))).await?, began);
        }
        Ok(())
    })
}

#[test]
fn a_client_address_is_limited_whatever_it_says_of_itself() -> Result<()> {
    on_system(async |_, stack| {
        let (_pod, api) = pod(stack, "pod-4", &[("toggle_address_limit", LIMIT)]).await?;
        for (kind, article) in kinds(1120) {
            let began = Instant::now();
            // Another user each time, from another address by its own word.
            let asks = (0..3 * BURST).zip(100..).map(|(number, user)| {
                let forged = format!("203.0.113.{number}");
                let ask = api.switch(kind, article, true).user(user);
                ask.header("x-forwarded-for", &forged)
                    .header("spin-client-addr", &format!("{forged}:4711"))
                    .header("forwarded", &format!("for={forged}"))
                    .header("x-real-ip", &forged)
            });
            assert_burst(passed(asks).await?, began);
        }
        Ok(())
    })
}

#[test]
fn behind_a_proxy_the_address_is_the_one_that_the_proxy_saw() -> Result<()> {
    on_system(async |_, stack| {
        let variables = [("toggle_address_limit", LIMIT), ("trusted_proxy_hops", "1")];
        let (_pod, api) = pod(stack, "pod-5", &variables).await?;
        for ((kind, article), seen) in
            kinds(1130).flat_map(|of| ["198.51.100.1", "198.51.100.2"].map(|seen| (of, seen)))
        {
            let began = Instant::now();
            // The proxy appends what it saw to whatever the client sent.
            let asks = (0..2 * BURST).zip(200..).map(|(number, user)| {
                let ask = api.switch(kind, article, true).user(user);
                ask.header("x-forwarded-for", &format!("203.0.113.{number}, {seen}"))
            });
            assert_burst(passed(asks).await?, began);
        }
        Ok(())
    })
}
