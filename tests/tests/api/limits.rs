//! Frequency limits, where an attacker would look for a way around them.

use std::time::Instant;

use anyhow::Result;
use futures::future::try_join_all;
use stack::{App, Stack};
use tests::Api;

use crate::on_system;

const BURST: usize = 12;
/// One more request passes in 100 s, so that how long a test takes hardly matters.
const LIMIT: &str = "12,0.01";

/// Another instance of the application, on the same stores unless the variables say otherwise.
pub(crate) async fn pod(stack: &Stack, name: &str, variables: &[(&str, &str)]) -> Result<(App, Api)> {
    let app = stack.app.another(name, variables)?;
    app.start().await?;
    let api = Api::new(app.url().to_owned());
    Ok((app, api))
}

/// How many of so many likes, all sent at once, passed; the others are refused as too many.
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
        let limit = [("like_user_limit", LIMIT)];
        let ((_one, first), (_two, second)) = (pod(stack, "pod-1", &limit).await?, pod(stack, "pod-2", &limit).await?);
        let began = Instant::now();
        // Over many connections at once, which a host spreads over instances.
        let asks = (0..4 * BURST).map(|number| {
            let api = if number % 2 == 0 { &first } else { &second };
            api.put("/v1/articles/1101/like").user(51)
        });
        assert_burst(passed(asks).await?, began);
        Ok(())
    })
}

#[test]
fn each_action_has_a_limit_of_its_own() -> Result<()> {
    on_system(async |_, stack| {
        let limits = [("like_user_limit", LIMIT), ("collect_user_limit", LIMIT), ("view_visitor_limit", LIMIT)];
        let (_pod, api) = pod(stack, "pod-3", &limits).await?;
        for action in ["like", "collect", "views"] {
            let path = format!("/v1/articles/1102/{action}");
            let method = if action == "views" { reqwest::Method::POST } else { reqwest::Method::PUT };
            let began = Instant::now();
            assert_burst(passed((0..2 * BURST).map(|_| api.ask(method.clone(), &path).user(52))).await?, began);
        }
        Ok(())
    })
}

#[test]
fn a_client_address_is_limited_whatever_it_says_of_itself() -> Result<()> {
    on_system(async |_, stack| {
        let (_pod, api) = pod(stack, "pod-4", &[("like_address_limit", LIMIT)]).await?;
        let began = Instant::now();
        // Another user each time, from another address by its own word.
        let asks = (0..3 * BURST).map(|number| {
            let forged = format!("203.0.113.{number}");
            let ask = api.put("/v1/articles/1103/like").user(100 + i64::try_from(number).unwrap_or_default());
            ask.header("x-forwarded-for", &forged)
                .header("spin-client-addr", &format!("{forged}:4711"))
                .header("forwarded", &format!("for={forged}"))
                .header("x-real-ip", &forged)
        });
        assert_burst(passed(asks).await?, began);
        Ok(())
    })
}

#[test]
fn behind_a_proxy_the_address_is_the_one_that_the_proxy_saw() -> Result<()> {
    on_system(async |_, stack| {
        let variables = [("like_address_limit", LIMIT), ("trusted_proxy_hops", "1")];
        let (_pod, api) = pod(stack, "pod-5", &variables).await?;
        for seen in ["198.51.100.1", "198.51.100.2"] {
            let began = Instant::now();
            // The proxy appends what it saw to whatever the client sent.
            let asks = (0..2 * BURST).map(|number| {
                let ask = api.put("/v1/articles/1104/like").user(200 + i64::try_from(number).unwrap_or_default());
                ask.header("x-forwarded-for", &format!("203.0.113.{number}, {seen}"))
            });
            assert_burst(passed(asks).await?, began);
        }
        Ok(())
    })
}
