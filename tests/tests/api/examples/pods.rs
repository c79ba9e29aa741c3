//! Instances of the application beside the suite's own, each of which lacks something.

use anyhow::{Context, Result};
use futures::future::try_join_all;
use stack::{App, Redis, Stack};
use tests::Api;

use crate::pod::{NO_MYSQL, NO_REDIS, pod};

/// Variables of one whose provider is down.
const NO_KEYS: [(&str, &str); 3] = [
    ("jwt_keys", ""),
    ("jwt_keys_url", "http://127.0.0.1:1/.well-known/jwks.json"),
    ("jwt_keys_address", "http://127.0.0.1:1"),
];

/// One request passes, and the next in 100 s.
const ONCE: &str = "1,0.01";

pub(super) struct Pods {
    /// With the settings of production.
    pub(super) usual: Api,
    /// One request passes.
    pub(super) narrow: Api,
    /// The outboxes are at their high-water mark.
    pub(super) full: Api,
    /// On a Redis that nobody has warmed.
    pub(super) cold: Api,
    pub(super) without_redis: Api,
    pub(super) without_stores: Api,
    /// The provider of its keys is down.
    pub(super) without_keys: Api,
    pub(super) misconfigured: Api,
    _running: (Vec<App>, Redis),
}

impl Pods {
    pub(super) async fn start(stack: &Stack) -> Result<Self> {
        let folder = stack.data().join("cold");
        std::fs::create_dir_all(&folder)?;
        let redis = Redis::start_in(&folder).await?;
        let cold = redis.url();
        let narrow = ["toggle_user_limit", "view_visitor_limit", "read_address_limit"].map(|limit| (limit, ONCE));
        let started = try_join_all([
            pod(stack, "usual", &[("toggle_user_limit", "20,2"), ("cookie_secure", "true")]),
            pod(stack, "narrow", &narrow),
            pod(stack, "full", &[("outbox_max_length", "0")]),
            pod(stack, "on-cold", &[("redis_url", &cold), ("redis_address", &cold)]),
            pod(stack, "without-redis", &NO_REDIS),
            pod(stack, "without-stores", &[NO_REDIS, NO_MYSQL].concat()),
            pod(stack, "without-keys", &NO_KEYS),
            pod(stack, "misconfigured", &[("cors_origins", "www.example.com")]),
        ])
        .await?;
        let (running, apis): (Vec<App>, Vec<Api>) = started.into_iter().unzip();
        let [usual, narrow, full, cold, without_redis, without_stores, without_keys, misconfigured] =
            apis.try_into().ok().context("eight")?;
        Ok(Self {
            usual,
            narrow,
            full,
            cold,
            without_redis,
            without_stores,
            without_keys,
            misconfigured,
            _running: (running, redis),
        })
    }
}
