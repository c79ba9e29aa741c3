//! schemathesis against the running service: what docs/openapi.yaml allows, and what it does not, at random. Nothing is
//! answered by a 500, or a 503 while the stores are up, or not at all, or otherwise than it is described.
//!
//! `make schemathesis REQUESTS=n SEED=s`, or `SCHEMATHESIS_REQUESTS=n SCHEMATHESIS_SEED=s` in the environment. What a
//! seed sends depends on what is answered, so a failure is repeated by the command that schemathesis prints with it.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use anyhow::{Context, Result, ensure};
use contract::Kind;
use serde::Deserialize;
use serde_json::{Value, json};
use stack::{Options, Stack, wait_for};
use tests::{Api, number};
use tokio::process::Command;

/// What a test of every change affords; the promise is held against many more by hand.
const REQUESTS: u64 = 3_000;
/// Inputs for each operation in a run. Runs follow each other until there were as many requests as wanted.
const SHORT: u32 = 60;
const LONG: u32 = 400;
const USER: i64 = 7;
/// One of those that schemathesis.toml prefers.
const ARTICLE: i64 = 42;

/// What one or more runs were answered, as hooks.py writes it.
#[derive(Deserialize, Default)]
struct Counts {
    /// By status; `none` where there was no answer in time.
    answers: BTreeMap<String, u64>,
    slowest: Slowest,
}

#[derive(Deserialize, Default)]
struct Slowest {
    seconds: f64,
    request: String,
}

impl Counts {
    fn requests(&self) -> u64 {
        self.answers.values().sum()
    }

    fn add(&mut self, other: Self) {
        for (status, count) in other.answers {
            *self.answers.entry(status).or_default() += count;
        }
        if other.slowest.seconds > self.slowest.seconds {
            self.slowest = other.slowest;
        }
    }

    fn print(&self, limits: &str) {
        let answers: Vec<String> = self.answers.iter().map(|(status, count)| format!("{status}: {count}")).collect();
        println!("{limits} limits: {} requests; answers {}", self.requests(), answers.join(", "));
        println!("slowest: {:.3} s, {}", self.slowest.seconds, self.slowest.request);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_sent_is_answered_as_described() -> Result<()> {
    let wanted = number("SCHEMATHESIS_REQUESTS")?.unwrap_or(REQUESTS);
    let seed = number("SCHEMATHESIS_SEED")?.unwrap_or_else(|| rand::random_range(0..1_000_000));
    let inputs = if wanted > REQUESTS { LONG } else { SHORT };
    println!("seed {seed}");

    let stack = Stack::start(Options::default().wide_limits().quiet()).await?;
    let mut counts = Counts::default();
    for seed in seed.. {
        if counts.requests() >= wanted {
            break;
        }
        counts.add(run(&stack, seed, inputs).await?);
        counts.print("wide");
    }
    stack.stop().await?;

    let stack = Stack::start(Options::default().quiet()).await?;
    let limited = run(&stack, seed, SHORT).await?;
    limited.print("usual");
    ensure!(limited.answers.contains_key("429"), "no limit was reached");
    stack.stop().await
}

/// One run of schemathesis to its end, all of its phases.
async fn run(stack: &Stack, seed: u64, inputs: u32) -> Result<Counts> {
    let folder = tempfile::tempdir()?;
    let file = |name: &str, content: &str| fs::write(folder.path().join(name), content);
    let lists = Kind::ALL.iter().flat_map(|kind| [Some(kind.count()), kind.listed()]).flatten();
    let lists = lists.collect::<Vec<_>>().join("|");
    file("schemathesis.toml", &include_str!("schemathesis.toml").replace("LISTS", &lists))?;
    file("hooks.py", include_str!("hooks.py"))?;
    file("view-tokens.dict", &format!("{}\n", json!(view_token(stack).await?)))?;
    let program = stack::cache()?.join("schemathesis/bin/schemathesis");
    let ended = Command::new(&program)
        .args(["run", "--url", &stack.http_url(), "--seed", &seed.to_string(), "--max-examples", &inputs.to_string()])
        .arg(stack::root().join("docs/openapi.yaml"))
        .env("TOKEN", stack::token(&USER.to_string()))
        .current_dir(folder.path())
        .kill_on_drop(true)
        .output()
        .await
        .with_context(|| format!("{}: run dev/setup", program.display()))?;
    let text = String::from_utf8_lossy(&ended.stdout);
    ensure!(ended.status.success(), "seed {seed}: {}\n{text}{}", ended.status, String::from_utf8_lossy(&ended.stderr));
    counts(folder.path())
}

fn counts(folder: &Path) -> Result<Counts> {
    Ok(serde_json::from_slice(&fs::read(folder.join("counts.json")).context("schemathesis counted nothing")?)?)
}

/// A token that is taken for a read: of a view that was long enough ago, as one of the same moment was.
async fn view_token(stack: &Stack) -> Result<Value> {
    let api = Api::new(stack.http_url());
    let view = || api.post(&format!("/v1/articles/{ARTICLE}/views")).user(USER).good();
    let (token, probe) = (view().await?["view_token"].clone(), view().await?["view_token"].clone());
    wait_for("a view to be old enough", Duration::from_secs(30), async || {
        let read = api.post(&format!("/v1/articles/{ARTICLE}/reads")).body(json!({ "view_token": probe }).to_string());
        Ok((read.send().await?.status == 200).then_some(()))
    })
    .await?;
    Ok(token)
}
