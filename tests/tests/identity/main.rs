//! Who users are, by the tokens of the providers that sites use, and by key sets that the service fetches. Each test runs
//! an instance of the application with settings of its own, on stores that all share.

mod by_url;
mod issuer;
mod keys;
mod outage;
mod recipes;
mod refused;
mod settings;

use std::{
    fs,
    sync::LazyLock,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result};
use handler_common::SharedKeys;
use redis::AsyncCommands;
use serde_json::{Value, json};
use stack::{App, Options, Stack, dev};
use tests::{Answer, Api};
use tokio::{runtime::Runtime, sync::Semaphore};

use issuer::Issuer;
use keys::Key;

const PATIENCE: Duration = Duration::from_secs(20);
/// An optional route.
const COUNTERS: &str = "/v1/articles/1/interactions";
/// A route that needs a user.
const MINE: &str = "/v1/me/likes";

static SYSTEM: LazyLock<(Runtime, Stack)> = LazyLock::new(|| {
    let runtime = Runtime::new().expect("a runtime");
    let options = Options::default().wide_limits().quiet();
    let stack = runtime.block_on(Stack::start(options)).expect("the system starts");
    println!("on {}", stack.app.kind());
    (runtime, stack)
});

/// Two tests at a time: they measure how long a request takes, and each starts instances of the application.
static TURNS: Semaphore = Semaphore::const_new(2);

/// Runs a test on the shared system.
fn on_system<T>(test: impl AsyncFnOnce(&'static Stack) -> Result<T>) -> Result<T> {
    let (runtime, stack) = &*SYSTEM;
    runtime.block_on(async {
        let _turn = TURNS.acquire().await?;
        test(stack).await
    })
}

/// An instance of the application.
struct Pod {
    app: App,
    api: Api,
}

impl Pod {
    /// With these variables instead of the usual ones. The name is that of its log.
    async fn start(stack: &Stack, name: &str, variables: &[(&str, &str)]) -> Result<Self> {
        let app = stack.app.another(name, variables)?;
        app.start().await?;
        let api = Api::new(app.url().to_owned());
        Ok(Self { app, api })
    }

    /// With the key set of an issuer, fetched from its URL; `more` is set besides.
    async fn of(stack: &Stack, name: &str, issuer: &Issuer, more: &[(&str, &str)]) -> Result<Self> {
        let url = issuer.keys_url();
        let by_url = [("jwt_keys", ""), ("jwt_keys_url", &*url), ("jwt_keys_address", issuer.address())];
        let rules = [("jwt_issuers", issuer.address()), ("jwt_audiences", "interaction")];
        Self::start(stack, name, &[&by_url[..], &rules, more].concat()).await
    }

    async fn ask(&self, path: &str, token: &str) -> Result<Answer> {
        self.api.get(path).header("authorization", &format!("Bearer {token}")).send().await
    }

    /// The status of a query by whoever sends that token, and what of the problem's type is its own.
    async fn asked(&self, token: &str) -> Result<(u16, String)> {
        let answer = self.ask(COUNTERS, token).await?;
        let problem = answer.body["type"].as_str().unwrap_or_default();
        Ok((answer.status.as_u16(), problem.trim_start_matches("/v1/problems/").to_owned()))
    }

    /// Whether it takes a token.
    async fn takes(&self, token: &str) -> Result<bool> {
        Ok(self.asked(token).await?.0 == 200)
    }

    fn log(&self) -> Result<String> {
        Ok(fs::read_to_string(self.app.log())?)
    }
}

/// What a test may do to the set that instances share, in place of waiting.
struct Shared {
    name: String,
    url: String,
    redis: tests::Redis,
}

impl Shared {
    async fn of(stack: &Stack, issuer: &Issuer) -> Result<Self> {
        let mut redis = tests::redis(&stack.redis_url()).await?;
        let url = issuer.keys_url();
        // By its name the set is found among those of other tests.
        let all: Vec<String> = redis.keys("{0}:jwks:*").await?;
        for key in all.iter().filter(|key| !key.ends_with(":turn") && !key.ends_with(":log")) {
            let sealed: String = redis.get(key).await?;
            if SharedKeys::open(dev("JWT_CACHE_KEY"), &url, &sealed).is_some() {
                let name = key.trim_start_matches("{0}:jwks:").to_owned();
                return Ok(Self { name, url, redis });
            }
        }
        anyhow::bail!("no instance has shared a set of {url}: {all:?}")
    }

    async fn sealed(&mut self) -> Result<String> {
        Ok(self.redis.get(contract::keys::jwks(&self.name)).await?)
    }

    async fn get(&mut self) -> Result<SharedKeys> {
        let sealed = self.sealed().await?;
        SharedKeys::open(dev("JWT_CACHE_KEY"), &self.url, &sealed).context("it opens")
    }

    async fn put(&mut self, sealed: &str) -> Result<()> {
        Ok(self.redis.set(contract::keys::jwks(&self.name), sealed).await?)
    }

    /// As if the set had been fetched so long before, and nobody had asked for another in the last half minute.
    async fn age(&mut self, seconds: u64) -> Result<()> {
        let mut keys = self.get().await?;
        keys.fetched_ms -= seconds * 1000;
        self.put(&keys.seal(dev("JWT_CACHE_KEY"), &self.url)).await?;
        self.end_turn().await
    }

    /// As if half a minute had passed since somebody asked the provider.
    async fn end_turn(&mut self) -> Result<()> {
        Ok(self.redis.del(contract::keys::jwks_turn(&self.name)).await?)
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

/// What a token of an issuer says of user 7, for the next hour.
fn claims(issuer: &Issuer) -> Value {
    json!({"iss": issuer.address(), "aud": "interaction", "sub": "7", "iat": now(), "exp": now() + 3600})
}

/// A token of user 7, signed by a key of an issuer.
fn token(issuer: &Issuer, key: &Key) -> String {
    key.token(&json!({"typ": "JWT"}), &claims(issuer))
}
