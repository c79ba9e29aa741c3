//! Every example of docs/openapi.yaml, replayed: to such a request the service says that. An example that nothing here
//! replays fails the test, and so does a replay of which there is no example.
//!
//! The outages are real, too: instances of the application that lack a store, or something else.

mod catalog;
mod pods;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use contract::{Counter, Kind, Truth, UserId, keys};
use handler_common::{VIEW_LIFETIME, ViewToken, Viewer};
use redis::AsyncCommands;
use reqwest::Method;
use serde_json::{Value, json};
use stack::{Stack, wait_for};
use tests::{Answer, Api, Ask, id, partition_of};

use crate::on_system;
use catalog::Examples;
use pods::Pods;

const VIEW: &str = "POST /v1/articles/{id}/views";
const READ: &str = "POST /v1/articles/{id}/reads";
const INTERACTIONS: &str = "GET /v1/articles/{id}/interactions";
const BATCH: &str = "GET /v1/interactions";
const HISTORY: &str = "GET /v1/articles/{id}/history";
const TOTALS: &str = "GET /v1/interactions/totals";
const READY: &str = "GET /readyz";
const PROBLEM: &str = "GET /v1/problems/{slug}";

/// What the examples are about.
const ARTICLE: i64 = 42;
/// Whose answers they are.
const USER: i64 = 7;
const JSON: &str = "application/json";

/// The operations about one kind.
struct Of {
    kind: Kind,
    on: String,
    off: String,
    mine: String,
    listed: Option<String>,
}

impl Of {
    fn each() -> impl Iterator<Item = Self> {
        Kind::ALL.iter().copied().map(|kind| Self {
            kind,
            on: format!("PUT /v1/articles/{{id}}/{kind}"),
            off: format!("DELETE /v1/articles/{{id}}/{kind}"),
            mine: format!("GET /v1/me/{}", kind.count()),
            listed: kind.listed().map(|list| format!("GET /v1/articles/{{id}}/{list}")),
        })
    }

    fn changes(&self) -> [&str; 2] {
        [&self.on, &self.off]
    }
}

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

/// What happens to an article, as the examples of success tell it. Returns a view token that has not been read.
async fn story(examples: &Examples, pods: &Pods) -> Result<String> {
    let Pods { usual, narrow, .. } = pods;
    let token = |answer: &Answer| answer.body["view_token"].as_str().map(str::to_owned).context("a view token");
    // Eight views of two users, the first of which is all that a narrow limit lets pass.
    let mut tokens = vec![token(&examples.ask(narrow, VIEW).user(4101).send().await?)?];
    examples.replay(VIEW, "429 rate-limited", examples.ask(narrow, VIEW).user(4101)).await?;
    for user in [4101, 4101, 4101, 4102, 4102, 4102, 4102] {
        tokens.push(token(&examples.ask(usual, VIEW).user(user).send().await?)?);
    }
    let ninth = token(&examples.replay(VIEW, "200 counted", examples.ask(usual, VIEW)).await?)?;
    examples.replay(VIEW, "200 crawler", examples.ask(usual, VIEW).header("user-agent", "ExampleBot/1.0")).await?;
    examples.replay(READ, "422 view-token-early", read(examples, usual, JSON, Some(&ninth))?).await?;
    // Nobody has sealed the example's own.
    examples.replay(READ, "422 view-token-invalid", read(examples, usual, JSON, None)?).await?;

    for of in Of::each() {
        switched_on_and_off(examples, usual, &of).await?;
    }
    // In the end the user has on what the counters' example says, and is the last who switched it on.
    let counters = examples.value(INTERACTIONS, "200 user")?;
    for of in Of::each().filter(|of| counters[of.kind.on()] == true) {
        examples.ask(usual, &of.on).user(USER).good().await?;
    }

    let eighth = tokens.pop().context("eight")?;
    wait_for("the eighth view to be read", Duration::from_secs(30), async || {
        let answer = read(examples, narrow, JSON, Some(&eighth))?.send().await?;
        Ok((answer.status == 200).then_some(()))
    })
    .await?;
    examples.replay(READ, "429 rate-limited", read(examples, narrow, JSON, Some(&tokens[0]))?).await?;
    let of_ninth = |kind| read(examples, usual, kind, Some(&ninth)).expect("the body has an example");
    examples.eventually(READ, "200 counted", async || of_ninth(JSON).send().await).await?;
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"] {
        examples.replay(READ, "200 again", of_ninth(kind)).await?;
    }

    // What MySQL decides is in the counters soon.
    let user = async || examples.ask(usual, INTERACTIONS).user(USER).send().await;
    examples.eventually(INTERACTIONS, "200 user", user).await?;
    examples.replay(INTERACTIONS, "200 anonymous", examples.ask(usual, INTERACTIONS)).await?;
    examples.replay(BATCH, "200 example", examples.ask(usual, BATCH).user(USER)).await?;
    examples.replay(TOTALS, "200 example", examples.ask(usual, TOTALS)).await?;
    for counter in Counter::all() {
        ranked(examples, usual, counter).await?;
    }
    for listed in Of::each().filter_map(|of| of.listed) {
        let first = format!("{}?limit=1", examples.path(&listed, "42"));
        examples
            .eventually(&listed, "200 example", async || examples.ask_at(usual, &listed, &first).send().await)
            .await?;
    }
    examples.eventually(HISTORY, "200 example", async || examples.ask(usual, HISTORY).send().await).await?;
    examples.ask(usual, PROBLEM).good().await?;
    for operation in examples.operations(|name, _| name == READY || name.starts_with("GET /healthz/")) {
        examples.replay(operation, "200 example", examples.ask(usual, operation)).await?;
    }
    let of = Of::each().next().context("a kind")?;
    let preflight = examples.ask(usual, &of.on.replace("PUT", "OPTIONS")).header("origin", "https://www.example.com");
    examples.see_headers(&preflight.send().await?);
    Ok(tokens.swap_remove(0))
}

/// As many others have it on as leave the user to be the last whom the example counts.
async fn switched_on_and_off(examples: &Examples, api: &Api, of: &Of) -> Result<()> {
    let with_user = examples.value(&of.on, "200 switched-on")?[of.kind.count()].as_i64().context("a count")?;
    let first = 42_000 + 100 * i64::from(of.kind.code());
    for other in first + 1..first + with_user {
        examples.ask(api, &of.on).user(other).good().await?;
    }
    examples.replay(&of.on, "200 switched-on", examples.ask(api, &of.on).user(USER)).await?;
    let mine = async || examples.ask(api, &of.mine).user(USER).send().await;
    examples.eventually(&of.mine, "200 example", mine).await?;
    examples.replay(&of.off, "200 switched-off", examples.ask(api, &of.off).user(USER)).await?;
    Ok(())
}

fn top_of(counter: Counter) -> String {
    format!("GET /v1/top/{}", counter.name())
}

async fn ranked(examples: &Examples, api: &Api, counter: Counter) -> Result<()> {
    let (article, ranking) = (ARTICLE.to_string(), top_of(counter));
    // Other tests have articles of their own.
    let top = async || {
        let mut answer = examples.ask(api, &ranking).send().await?;
        let items = answer.body["items"].as_array_mut().context("items")?;
        items.retain(|item| item["article_id"].as_str() == Some(&article));
        Ok(answer)
    };
    examples.eventually(&ranking, "200 example", top).await
}

/// A read, by a body of that type.
fn read(examples: &Examples, api: &Api, kind: &str, view_token: Option<&str>) -> Result<Ask> {
    let (kind, body) = examples.body(READ, kind, view_token)?;
    Ok(examples.ask(api, READ).header("content-type", &kind).body(body))
}

/// Whether a token is looked at.
fn takes_a_token(described: &Value) -> bool {
    described["security"].as_array().is_some_and(|ways| ways.iter().any(|way| way["bearer"].is_array()))
}

async fn refused(examples: &Examples, api: &Api, stack: &Stack) -> Result<()> {
    for operation in examples.operations(|name, _| name.contains("{id}")) {
        let ask = |article| examples.ask_at(api, operation, &examples.path(operation, article)).user(USER);
        examples.replay(operation, "404 not-found", ask("")).await?;
        if !operation.starts_with("OPTIONS") {
            examples.replay(operation, "400 bad-id", ask("%20")).await?;
        }
    }
    let expired = json!({"sub": "7", "iss": stack::dev("JWT_ISSUER"), "aud": stack::dev("JWT_AUDIENCE"), "exp": 1});
    let expired = format!("Bearer {}", stack::token_with(&expired, stack::dev("JWT_KEY")));
    for operation in examples.operations(|_, described| takes_a_token(described)) {
        let ask = examples.ask(api, operation).header("authorization", &expired);
        examples.replay(operation, "401 token-invalid", ask).await?;
    }
    let article = ARTICLE.to_string();
    let mut queries = vec![(BATCH.to_owned(), "400 bad-query", ""), (TOTALS.to_owned(), "400 bad-query", "")];
    for of in Of::each() {
        for operation in [&of.on, &of.off, &of.mine] {
            examples.replay(operation, "401 token-missing", examples.ask(api, operation)).await?;
        }
        queries.push((of.mine, "400 bad-query", "?limit=0"));
        queries.extend(of.listed.map(|listed| (listed, "400 bad-query", "?limit=0")));
    }
    for top in Counter::all().map(top_of) {
        queries.push((top.clone(), "400 window", "?window=month"));
        queries.push((top, "400 limit", "?limit=0"));
    }
    queries.push((HISTORY.to_owned(), "400 by", "?by=week"));
    queries.push((HISTORY.to_owned(), "400 days", "?days=367"));
    for (operation, name, query) in queries {
        let target = examples.path(&operation, &article) + query;
        examples.replay(&operation, name, examples.ask_at(api, &operation, &target).user(USER)).await?;
    }
    examples.replay(READ, "400 bad-body", examples.ask(api, READ).body("{}")).await?;
    examples.replay(VIEW, "400 bad-body", examples.ask(api, VIEW).body("{")).await?;
    // By a user who has viewed: the counters of the story stay as they are.
    let (kind, consent) = examples.body(VIEW, JSON, None)?;
    examples.ask(api, VIEW).user(4101).header("content-type", &kind).body(consent).good().await?;
    for operation in examples.operations(|name, _| !name.starts_with("OPTIONS")) {
        let ask = examples.ask(api, operation).user(USER).body(vec![b'a'; 16 * 1024 + 1]);
        examples.replay(operation, "413 too-large", ask).await?;
    }
    let patched = api.ask(Method::PATCH, &examples.path(VIEW, &article));
    examples.replay("MethodNotAllowed", "405 method-not-allowed", patched).await?;
    examples.replay(PROBLEM, "404 not-found", examples.ask_at(api, PROBLEM, "/v1/problems/none")).await?;

    let mut redis = tests::redis(&stack.redis_url()).await?;
    let partition = partition_of(ARTICLE);
    let epoch = redis.hget(keys::warm(partition), "epoch").await?;
    let now: i64 = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis().try_into()?;
    let viewed_ms = now - VIEW_LIFETIME - 1000;
    let viewer = Viewer::User(USER.to_string().parse().expect("an id"));
    let of_yesterday = ViewToken { id: ViewToken::new_id(), article: id(ARTICLE), viewer, epoch, viewed_ms };
    let of_yesterday = of_yesterday.seal(stack::dev("VIEW_TOKEN_KEY"));
    examples.replay(READ, "422 view-token-expired", read(examples, api, JSON, Some(&of_yesterday))?).await?;

    let (barred, held) = (4301, 4302);
    let () = redis.sadd(keys::barred(partition, keys::BarSet::of(tests::id(barred))), barred).await?;
    let mysql = sqlx::MySqlPool::connect(&stack.mysql_owner_url()).await?;
    sqlx::query("INSERT INTO user_bar (user_id, at, reason) VALUES (?, UTC_TIMESTAMP(3), 'test')")
        .bind(barred)
        .execute(&mysql)
        .await?;
    let colliding: UserId = "another-of-that-number".parse()?;
    sqlx::query("INSERT INTO name (kind, number, text) VALUES ('user', ?, 'the-first-of-that-number')")
        .bind(colliding.number().get())
        .execute(&mysql)
        .await?;
    let until_ms = now + 600_000;
    for of in Of::each() {
        for operation in of.changes() {
            examples.replay(operation, "403 barred", examples.ask(api, operation).user(barred)).await?;
        }
        if of.kind.truth() == Truth::Mysql {
            for operation in of.changes() {
                examples.replay(operation, "409 id-collision", examples.ask(api, operation).user(&colliding)).await?;
            }
        }
        examples.replay(&of.mine, "409 id-collision", examples.ask(api, &of.mine).user(&colliding)).await?;
        if of.kind.truth() == Truth::Redis {
            let pair = keys::held_pair(of.kind, id(held), id(ARTICLE));
            let () = redis.zadd(keys::held(partition), pair, until_ms).await?;
            for operation in of.changes() {
                examples.replay(operation, "503 held", examples.ask(api, operation).user(held)).await?;
            }
        }
    }
    Ok(())
}

async fn limited(examples: &Examples, narrow: &Api) -> Result<()> {
    for of in Of::each() {
        // It passes, and changes nothing.
        examples.ask(narrow, &of.off).user(4401).good().await?;
        for operation in of.changes() {
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
        let signed_in = examples.ask(&pods.without_keys, operation).user(USER);
        examples.replay(operation, "503 keys-unavailable", signed_in).await?;
    }
    let of_redis: Vec<Of> = Of::each().filter(|of| of.kind.truth() == Truth::Redis).collect();
    let changes: Vec<&str> = of_redis.iter().flat_map(Of::changes).chain([READ]).collect();
    for operation in changes.iter().copied().chain([VIEW]) {
        examples.replay(operation, "503 not-warm", ask(&pods.cold, operation)?).await?;
    }
    for operation in changes {
        examples.replay(operation, "503 backlogged", ask(&pods.full, operation)?).await?;
    }
    for operation in examples.operations(|_, _| true) {
        examples.replay(operation, "503 misconfigured", ask(&pods.misconfigured, operation)?).await?;
    }
    examples.replay(READY, "503 example", examples.ask(&pods.without_redis, READY)).await?;
    Ok(())
}
