//! Every example of docs/openapi.yaml, replayed: to such a request the service says that. An example that nothing here
//! replays fails the test, and so does a replay of which there is no example.
//!
//! The outages are real, too: instances of the application that lack a store, or something else.

mod catalog;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use futures::future::try_join_all;
use handler_common::{VIEW_LIFETIME, ViewToken, Viewer};
use redis::AsyncCommands;
use reqwest::Method;
use stack::{App, Redis, Stack, wait_for};
use tests::{Answer, Api, Ask, id, partition_of};

use crate::{limits::pod, on_system};
use catalog::Examples;

const LIKE: &str = "PUT /v1/articles/{id}/like";
const UNLIKE: &str = "DELETE /v1/articles/{id}/like";
const COLLECT: &str = "PUT /v1/articles/{id}/collect";
const UNCOLLECT: &str = "DELETE /v1/articles/{id}/collect";
const VIEW: &str = "POST /v1/articles/{id}/views";
const READ: &str = "POST /v1/articles/{id}/reads";
const INTERACTIONS: &str = "GET /v1/articles/{id}/interactions";
const BATCH: &str = "GET /v1/interactions";
const TOTALS: &str = "GET /v1/interactions/totals";
const TOP: &str = "GET /v1/top/likes";
const MY_LIKES: &str = "GET /v1/me/likes";
const MY_COLLECTS: &str = "GET /v1/me/collects";
const LIKERS: &str = "GET /v1/articles/{id}/likers";
const READY: &str = "GET /readyz";
const PROBLEM: &str = "GET /v1/problems/{slug}";

/// What the examples are about.
const ARTICLE: i64 = 42;
/// Whose answers they are.
const USER: i64 = 7;
const NOWHERE: [&str; 2] = ["redis://127.0.0.1:1", "mysql://nobody:word@127.0.0.1:1/interaction"];
const JSON: &str = "application/json";

#[test]
fn every_example_is_what_the_service_says() -> Result<()> {
    on_system(async |_, stack| {
        let examples = Examples::of_the_description()?;
        let pods = Pods::start(stack).await?;
        let view_token = story(&examples, &pods).await?;
        refused(&examples, &pods.usual, stack).await?;
        limited(&examples, &pods.narrow).await?;
        unavailable(&examples, &pods, &view_token).await?;
        assert!(examples.left().is_empty(), "nothing replays {:#?}", examples.left());
        Ok(())
    })
}

/// Instances of the application beside the suite's own, and what they run on.
struct Pods {
    /// With the settings of production.
    usual: Api,
    /// One request passes.
    narrow: Api,
    /// The outboxes are at their high-water mark.
    full: Api,
    /// On a Redis that nobody has warmed.
    cold: Api,
    without_redis: Api,
    without_mysql: Api,
    without_stores: Api,
    misconfigured: Api,
    _running: (Vec<App>, Redis),
}

impl Pods {
    async fn start(stack: &Stack) -> Result<Self> {
        let folder = stack.data().join("cold");
        std::fs::create_dir_all(&folder)?;
        let redis = Redis::start_in(&folder).await?;
        let url = redis.url();
        let (cold, [no_redis, no_mysql]) = (url.as_str(), NOWHERE);
        let once = "1,0.01";
        let started = try_join_all([
            pod(stack, "usual", &[("like_user_limit", "20,2"), ("cookie_secure", "true")]),
            pod(
                stack,
                "narrow",
                &[
                    ("like_user_limit", once),
                    ("collect_user_limit", once),
                    ("view_visitor_limit", once),
                    ("read_address_limit", once),
                ],
            ),
            pod(stack, "full", &[("outbox_max_length", "0")]),
            pod(stack, "on-cold", &[("redis_url", cold), ("redis_address", cold)]),
            pod(stack, "without-redis", &[("redis_url", no_redis), ("redis_address", no_redis)]),
            pod(stack, "without-mysql", &[("mysql_url", no_mysql), ("mysql_address", "mysql://127.0.0.1:1")]),
            pod(
                stack,
                "without-stores",
                &[
                    ("redis_url", no_redis),
                    ("redis_address", no_redis),
                    ("mysql_url", no_mysql),
                    ("mysql_address", "mysql://127.0.0.1:1"),
                ],
            ),
            pod(stack, "misconfigured", &[("cors_origins", "www.example.com")]),
        ])
        .await?;
        let (running, apis): (Vec<App>, Vec<Api>) = started.into_iter().unzip();
        let [usual, narrow, full, cold, without_redis, without_mysql, without_stores, misconfigured] =
            apis.try_into().ok().context("eight")?;
        Ok(Self {
            usual,
            narrow,
            full,
            cold,
            without_redis,
            without_mysql,
            without_stores,
            misconfigured,
            _running: (running, redis),
        })
    }
}

/// What happens to an article, as the examples of success tell it. Returns a view token that has not been read.
async fn story(examples: &Examples, Pods { usual, narrow, without_mysql, .. }: &Pods) -> Result<String> {
    let token = |answer: &Answer| answer.body["view_token"].as_str().map(str::to_owned).context("a view token");
    // Eight views of two users, the first of which is all that a narrow limit lets pass.
    let mut tokens = vec![token(&examples.ask(narrow, VIEW).user(4101).send().await?)?];
    examples.replay(VIEW, "429 rate-limited", examples.ask(narrow, VIEW).user(4101)).await?;
    for user in [4101, 4101, 4101, 4102, 4102, 4102, 4102] {
        tokens.push(token(&examples.ask(usual, VIEW).user(user).send().await?)?);
    }
    let ninth = token(&examples.replay(VIEW, "200 example", examples.ask(usual, VIEW)).await?)?;
    examples.replay(READ, "422 view-token-early", read(examples, usual, JSON, Some(&ninth))?).await?;
    // Nobody has sealed the example's own.
    examples.replay(READ, "422 view-token-invalid", read(examples, usual, JSON, None)?).await?;

    for user in 4201..4212 {
        examples.ask(usual, LIKE).user(user).good().await?;
    }
    examples.replay(LIKE, "200 liked", examples.ask(usual, LIKE).user(USER)).await?;
    examples.replay(UNLIKE, "200 unliked", examples.ask(usual, UNLIKE).user(USER)).await?;
    examples.ask(usual, LIKE).user(USER).good().await?;

    for user in 4201..4210 {
        examples.ask(usual, COLLECT).user(user).good().await?;
    }
    examples.replay(COLLECT, "200 collected", examples.ask(usual, COLLECT).user(USER)).await?;
    examples.replay(MY_COLLECTS, "200 example", examples.ask(usual, MY_COLLECTS).user(USER)).await?;
    examples.replay(UNCOLLECT, "200 uncollected", examples.ask(usual, UNCOLLECT).user(USER)).await?;
    examples.ask(usual, COLLECT).user(4210).good().await?;

    let eighth = tokens.pop().context("eight")?;
    wait_for("the eighth view to be read", Duration::from_secs(30), async || {
        let answer = read(examples, narrow, JSON, Some(&eighth))?.send().await?;
        Ok((answer.status == 200).then_some(()))
    })
    .await?;
    examples.replay(READ, "429 rate-limited", read(examples, narrow, JSON, Some(&tokens[0]))?).await?;
    let of_ninth = |kind| read(examples, usual, kind, Some(&ninth)).expect("the body has an example");
    examples.eventually(READ, "200 counted", async || of_ninth(JSON).send().await).await?;
    examples.replay(READ, "200 again", of_ninth("text/plain")).await?;

    let mine = async || examples.ask(usual, MY_LIKES).user(USER).send().await;
    examples.eventually(MY_LIKES, "200 example", mine).await?;
    let first = format!("{}?limit=1", examples.path(LIKERS, &ARTICLE.to_string()));
    examples.eventually(LIKERS, "200 example", async || examples.ask_at(usual, LIKERS, &first).send().await).await?;
    examples.replay(INTERACTIONS, "200 user", examples.ask(usual, INTERACTIONS).user(USER)).await?;
    examples.replay(INTERACTIONS, "200 anonymous", examples.ask(usual, INTERACTIONS)).await?;
    examples.replay(BATCH, "200 example", examples.ask(usual, BATCH).user(USER)).await?;
    examples.replay(TOTALS, "200 all", examples.ask(usual, TOTALS)).await?;
    examples.replay(TOTALS, "200 partly", examples.ask(without_mysql, TOTALS)).await?;
    // Other tests have articles of their own.
    let article = ARTICLE.to_string();
    let top = async || {
        let mut answer = examples.ask(usual, TOP).send().await?;
        let items = answer.body["items"].as_array_mut().context("items")?;
        items.retain(|item| item["article_id"].as_str() == Some(&article));
        Ok(answer)
    };
    examples.eventually(TOP, "200 example", top).await?;
    examples.ask(usual, PROBLEM).good().await?;
    for operation in examples.operations(|name, _| name == READY || name.starts_with("GET /healthz/")) {
        examples.replay(operation, "200 example", examples.ask(usual, operation)).await?;
    }
    let preflight = examples.ask(usual, "OPTIONS /v1/articles/{id}/like").header("origin", "https://www.example.com");
    examples.see_headers(&preflight.send().await?);
    Ok(tokens.swap_remove(0))
}

/// A read, by a body of that type.
fn read(examples: &Examples, api: &Api, kind: &str, view_token: Option<&str>) -> Result<Ask> {
    let body = examples.body(READ, kind, view_token)?;
    Ok(examples.ask(api, READ).header("content-type", kind).body(body))
}

/// Whether a token is looked at.
fn takes_a_token(described: &serde_json::Value) -> bool {
    described["security"].as_array().is_some_and(|ways| ways.iter().any(|way| way["bearer"].is_array()))
}

async fn refused(examples: &Examples, api: &Api, stack: &Stack) -> Result<()> {
    for operation in examples.operations(|name, _| name.contains("{id}")) {
        let ask = |article| examples.ask_at(api, operation, &examples.path(operation, article)).user(USER);
        examples.replay(operation, "404 not-found", ask("")).await?;
        if !operation.starts_with("OPTIONS") {
            examples.replay(operation, "400 bad-id", ask("0")).await?;
        }
    }
    for operation in examples.operations(|_, described| takes_a_token(described)) {
        let ask = examples.ask(api, operation).header("authorization", "Bearer none");
        examples.replay(operation, "401 token-invalid", ask).await?;
    }
    for operation in [LIKE, UNLIKE, COLLECT, UNCOLLECT, MY_LIKES, MY_COLLECTS] {
        examples.replay(operation, "401 token-missing", examples.ask(api, operation)).await?;
    }
    for (operation, query) in
        [(MY_LIKES, "?limit=0"), (MY_COLLECTS, "?limit=0"), (LIKERS, "?limit=0"), (BATCH, ""), (TOTALS, "")]
    {
        let target = examples.path(operation, &ARTICLE.to_string()) + query;
        examples.replay(operation, "400 bad-query", examples.ask_at(api, operation, &target).user(USER)).await?;
    }
    for (name, query) in [("400 window", "?window=week"), ("400 limit", "?limit=0")] {
        examples.replay(TOP, name, examples.ask_at(api, TOP, &format!("/v1/top/likes{query}"))).await?;
    }
    examples.replay(READ, "400 bad-body", examples.ask(api, READ).body("{}")).await?;
    for operation in [LIKE, UNLIKE, COLLECT, UNCOLLECT, VIEW, READ] {
        let ask = examples.ask(api, operation).user(USER).body(vec![b'a'; 16 * 1024 + 1]);
        examples.replay(operation, "413 too-large", ask).await?;
    }
    let patched = api.ask(Method::PATCH, &examples.path(LIKE, &ARTICLE.to_string()));
    examples.replay("MethodNotAllowed", "405 method-not-allowed", patched).await?;
    examples.replay(PROBLEM, "404 not-found", examples.ask_at(api, PROBLEM, "/v1/problems/none")).await?;

    let mut redis = tests::redis(&stack.redis_url()).await?;
    let partition = partition_of(ARTICLE);
    let epoch = redis.hget(contract::keys::warm(partition), "epoch").await?;
    let now: i64 = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis().try_into()?;
    let viewed_ms = now - VIEW_LIFETIME - 1000;
    let viewer = Viewer::User(id(USER));
    let of_yesterday = ViewToken { id: ViewToken::new_id(), article: id(ARTICLE), viewer, epoch, viewed_ms };
    let of_yesterday = of_yesterday.seal(stack::dev("VIEW_TOKEN_KEY"));
    examples.replay(READ, "422 view-token-expired", read(examples, api, JSON, Some(&of_yesterday))?).await?;

    let (barred, held) = (4301, 4302);
    let () = redis.sadd(contract::keys::barred(partition), barred).await?;
    let mysql = sqlx::MySqlPool::connect(&stack.mysql_owner_url()).await?;
    sqlx::query("INSERT INTO user_bar (user_id, at, reason) VALUES (?, UTC_TIMESTAMP(3), 'test')")
        .bind(barred)
        .execute(&mysql)
        .await?;
    for operation in [LIKE, UNLIKE, COLLECT, UNCOLLECT] {
        examples.replay(operation, "403 barred", examples.ask(api, operation).user(barred)).await?;
    }
    let until_ms = now + 600_000;
    let () = redis.zadd(contract::keys::held(partition), format!("{held}:{ARTICLE}"), until_ms).await?;
    for operation in [LIKE, UNLIKE] {
        examples.replay(operation, "503 held", examples.ask(api, operation).user(held)).await?;
    }
    Ok(())
}

async fn limited(examples: &Examples, narrow: &Api) -> Result<()> {
    for (change, back) in [(LIKE, UNLIKE), (COLLECT, UNCOLLECT)] {
        // It passes, and changes nothing.
        examples.ask(narrow, back).user(4401).good().await?;
        for operation in [change, back] {
            examples.replay(operation, "429 rate-limited", examples.ask(narrow, operation).user(4401)).await?;
        }
    }
    Ok(())
}

async fn unavailable(examples: &Examples, pods: &Pods, view_token: &str) -> Result<()> {
    let ask = |api: &Api, operation: &str| match operation {
        READ => read(examples, api, JSON, Some(view_token)),
        _ => Ok(examples.ask(api, operation).user(USER)),
    };
    for operation in examples.operations(|_, described| takes_a_token(described)) {
        examples.replay(operation, "503 store-unavailable", ask(&pods.without_stores, operation)?).await?;
    }
    for operation in [LIKE, UNLIKE, VIEW, READ] {
        examples.replay(operation, "503 not-warm", ask(&pods.cold, operation)?).await?;
    }
    for operation in [LIKE, UNLIKE, READ] {
        examples.replay(operation, "503 backlogged", ask(&pods.full, operation)?).await?;
    }
    for operation in examples.operations(|_, _| true) {
        examples.replay(operation, "503 misconfigured", ask(&pods.misconfigured, operation)?).await?;
    }
    examples.replay(READY, "503 example", examples.ask(&pods.without_redis, READY)).await?;
    Ok(())
}
