//! Redis by Spin: scripts alone, over one kept connection, raced against the deadline.

use std::{cell::RefCell, rc::Rc, time::Instant};

use contract::scripts::Script;
use futures::future::{join, try_join_all};
use spin_sdk::redis::{Connection, Error, RedisParameter, RedisResult};

use crate::{Deadline, Limit, LimitState, Problem, log::without_url};

/// A connection with what it knows of its server. It serves many requests of its instance at once.
struct Redis {
    connection: Connection,
    /// Names the server process; each script compares it with the partition's warm marker.
    run_id: String,
    /// The server's clock, in ms, at `learned`.
    store_ms: i64,
    learned: Instant,
}

thread_local! {
    /// Spin opens a TCP connection for every `open` and pools none, but an instance serves many requests: the one kept
    /// here makes a like two to three times as fast.
    static KEPT: RefCell<Option<Rc<Redis>>> = const { RefCell::new(None) };
}

/// A script with what it is called with, its run id and deadline left out.
pub struct Invocation {
    /// Which.
    pub script: Script,
    /// Its KEYS.
    pub keys: Vec<String>,
    /// Its ARGV after the run id and, where `deadline` is set, the deadline.
    pub args: Vec<String>,
    /// Whether it writes, and so takes the deadline as second argument.
    pub deadline: bool,
}

/// What to do when a kept connection turns out to be broken, and nobody knows whether the call arrived.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Resend {
    /// Send it again over a new connection, once: a second time changes nothing.
    Once,
    /// Do not: it would count twice.
    Never,
}

/// Calls a script that writes.
pub async fn change(
    url: &str,
    deadline: Deadline,
    resend: Resend,
    script: Script,
    keys: Vec<String>,
    args: Vec<String>,
) -> Result<Answer, Problem> {
    let call = Invocation { script, keys, args, deadline: true };
    run(url, deadline, resend, &[call]).await?.pop().ok_or(Problem::StoreUnavailable)
}

/// Calls scripts, all sent at once over one connection; their answers in the same order.
pub async fn run(url: &str, deadline: Deadline, resend: Resend, calls: &[Invocation]) -> Result<Vec<Answer>, Problem> {
    let mut kept = if cfg!(feature = "connection-per-request") { None } else { KEPT.with_borrow(Option::clone) };
    loop {
        let was_kept = kept.is_some();
        let redis = match kept.take() {
            Some(redis) => redis,
            None => open(url, deadline).await?,
        };
        match deadline.race(redis.call_all(deadline, calls)).await {
            Some(Ok(answers)) => {
                // Past its deadline by the server's clock, not by ours: what this connection knows of it is wrong.
                // Nothing was done, so it may be asked again over a new one.
                if answers.iter().any(|answer| answer.word() == "LATE") {
                    forget(&redis);
                    if was_kept && !deadline.left().is_zero() {
                        continue;
                    }
                }
                return Ok(answers);
            }
            Some(Err(error)) => {
                eprintln!("redis: {}", without_url(&error, url));
                forget(&redis);
                if !was_kept || resend == Resend::Never {
                    return Err(Problem::StoreUnavailable);
                }
            }
            // The call bears its deadline, so it does nothing later; the connection may well be in order.
            None if deadline.is_early() => return Err(Problem::StoreUnavailable),
            None => {
                eprintln!("redis: no answer in time");
                forget(&redis);
                return Err(Problem::StoreUnavailable);
            }
        }
    }
}

/// Keeps a connection no longer, unless it was replaced already. It closes when its last call in hand ends.
fn forget(redis: &Rc<Redis>) {
    KEPT.with_borrow_mut(|kept| {
        if kept.as_ref().is_some_and(|kept| Rc::ptr_eq(kept, redis)) {
            *kept = None;
        }
    });
}

async fn open(url: &str, deadline: Deadline) -> Result<Rc<Redis>, Problem> {
    let opened = deadline.race(Redis::open(url)).await;
    match opened {
        Some(Ok(redis)) => {
            let redis = Rc::new(redis);
            KEPT.set(Some(Rc::clone(&redis)));
            Ok(redis)
        }
        Some(Err(error)) => {
            eprintln!("redis: cannot connect: {}", without_url(&error, url));
            Err(Problem::StoreUnavailable)
        }
        None => {
            eprintln!("redis: cannot connect in time");
            Err(Problem::StoreUnavailable)
        }
    }
}

impl Redis {
    async fn open(url: &str) -> Result<Self, Error> {
        let connection = Connection::open(url).await?;
        if cfg!(feature = "connection-per-request")
            && let Some(known) = KEPT.with_borrow(Option::clone)
        {
            let (run_id, store_ms, learned) = (known.run_id.clone(), known.store_ms, known.learned);
            return Ok(Self { connection, run_id, store_ms, learned });
        }
        let section = RedisParameter::Binary(b"server".to_vec());
        let (info, time) = join(connection.execute("INFO", [section]), connection.execute("TIME", [])).await;
        let learned = Instant::now();
        let strange = || Error::Other("INFO or TIME answered something else".to_owned());
        let (info, time) = (info?, time?);
        let mut lines = info.first().and_then(text).ok_or_else(strange)?.lines();
        let run_id = lines.find_map(|line| line.strip_prefix("run_id:")).ok_or_else(strange)?.trim().to_owned();
        let part = |at: usize| time.get(at).and_then(text)?.parse::<i64>().ok();
        let (seconds, micros) = part(0).zip(part(1)).ok_or_else(strange)?;
        Ok(Self { connection, run_id, store_ms: seconds * 1000 + micros / 1000, learned })
    }

    async fn call_all(&self, deadline: Deadline, calls: &[Invocation]) -> Result<Vec<Answer>, Error> {
        let deadline_ms = deadline.by_clock(self.learned, self.store_ms).to_string();
        try_join_all(calls.iter().map(|call| self.call(call, &deadline_ms))).await
    }

    async fn call(&self, call: &Invocation, deadline_ms: &str) -> Result<Answer, Error> {
        let parameters = |script: &str| {
            let mut all = Vec::with_capacity(4 + call.keys.len() + call.args.len());
            let binary = |text: &str| RedisParameter::Binary(text.as_bytes().to_vec());
            all.push(binary(script));
            all.push(binary(&call.keys.len().to_string()));
            all.extend(call.keys.iter().map(|key| binary(key)));
            all.push(binary(&self.run_id));
            if call.deadline {
                all.push(binary(deadline_ms));
            }
            all.extend(call.args.iter().map(|arg| binary(arg)));
            all
        };
        let answer = match self.connection.execute("EVALSHA", parameters(call.script.sha)).await {
            // Nothing was done: the server does not know the script yet, and will after this.
            Err(Error::Other(reason)) if reason.to_ascii_lowercase().contains("noscript") => {
                self.connection.execute("EVAL", parameters(call.script.source)).await?
            }
            other => other?,
        };
        Ok(Answer(answer))
    }
}

fn text(value: &RedisResult) -> Option<&str> {
    match value {
        RedisResult::Binary(bytes) => std::str::from_utf8(bytes).ok(),
        RedisResult::Status(status) => Some(status),
        _ => None,
    }
}

/// What a script answered: a word, then numbers.
#[derive(Debug)]
pub struct Answer(Vec<RedisResult>);

impl Answer {
    /// The first word: `OK`, or why not.
    #[must_use]
    pub fn word(&self) -> &str {
        self.0.first().and_then(text).unwrap_or_default()
    }

    /// The number at a place, counted from 1 after the word.
    pub fn number(&self, at: usize) -> Result<i64, Problem> {
        match self.0.get(at) {
            Some(RedisResult::Int64(number)) => Ok(*number),
            other => {
                eprintln!("redis: a script answered {other:?} where a number was expected");
                Err(Problem::StoreUnavailable)
            }
        }
    }

    /// The answer if it is `OK`; else the problem that the scripts' common refusals stand for. `limits` are those that
    /// the script was given, in its order.
    pub fn accepted(self, limits: &[Limit]) -> Result<Self, Problem> {
        match self.word() {
            "OK" => Ok(self),
            "COLD" => Err(Problem::NotWarm),
            "BARRED" => Err(Problem::Barred),
            "HELD" => Err(Problem::Held),
            "FULL" => Err(Problem::Backlogged),
            "LIMITED" => {
                let which = usize::try_from(self.number(2)?).unwrap_or_default();
                let policy = limits.get(which.wrapping_sub(1)).map_or((1, 1), |limit| limit.policy());
                Err(Problem::Limited { wait_ms: self.number(1)?.try_into().unwrap_or_default(), policy })
            }
            "EARLY" => Err(Problem::ViewTokenEarly(self.number(1)?.try_into().unwrap_or_default())),
            "EXPIRED" => Err(Problem::ViewTokenExpired),
            "LATE" => Err(Problem::StoreUnavailable),
            word => {
                eprintln!("redis: a script answered {word:?}");
                Err(Problem::StoreUnavailable)
            }
        }
    }

    /// What is left of the first limit, told at `at` and the place after it.
    pub fn limit_state(&self, at: usize, limit: Limit) -> Result<LimitState, Problem> {
        Ok(LimitState {
            policy: limit.policy(),
            left: self.number(at)?,
            reset_ms: self.number(at + 1)?.try_into().unwrap_or_default(),
        })
    }
}
