//! Redis by Spin, one server or a cluster: scripts alone, over kept connections, raced against the deadline.

use std::{
    cell::RefCell,
    rc::Rc,
    time::{Duration, Instant},
};

use contract::{Address, Topology, keys, scripts::Script};
use futures::future::{join_all, join3};
use spin_sdk::redis::{Connection, Error, RedisParameter, RedisResult};

use crate::{Deadline, Problem, log::without_url};

mod answer;
mod url;

pub use answer::Answer;
use answer::text;
use url::{host_of, url_of};

/// A connection with what it knows of its server. It serves many requests of its instance at once.
struct Redis {
    connection: Connection,
    /// In a cluster; else the URL says it all.
    address: Option<Address>,
    /// Names the server process and the history that its data is of; each script compares it with the partition's warm
    /// marker.
    server: String,
    /// The server's clock, in ms, at `learned`.
    store_ms: i64,
    learned: Instant,
}

/// What an instance keeps from one request to the next.
struct Kept {
    /// Spin opens a TCP connection for every `open` and pools none, but an instance serves many requests: those kept here
    /// make a like two to three times as fast.
    connections: Vec<Rc<Redis>>,
    /// Of a cluster, as learned from the first server that was asked for what another has.
    topology: Option<Topology>,
}

thread_local! {
    static KEPT: RefCell<Kept> = const { RefCell::new(Kept { connections: Vec::new(), topology: None }) };
}

/// How often a call is sent at most: again over a new connection, or to where a cluster says that its partition is.
const ROUNDS: usize = 4;
/// A server that has become another, by a promotion, is asked for its name again, but not by every request that finds a
/// partition cold.
const RENAMED: Duration = Duration::from_secs(1);

/// A script with what it is called with, the server's name and the deadline left out.
pub struct Invocation {
    /// Which.
    pub script: Script,
    /// Its KEYS.
    pub keys: Vec<String>,
    /// Its ARGV after the server's name and, where `deadline` is set, the deadline.
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
    run(url, deadline, resend, &[call]).await.pop().unwrap_or(Err(Problem::StoreUnavailable))
}

/// Calls scripts, all sent at once, over one connection to each server concerned; their answers in the same order.
pub async fn run(url: &str, deadline: Deadline, resend: Resend, calls: &[Invocation]) -> Vec<Result<Answer, Problem>> {
    let began = Instant::now();
    let mut answers: Vec<_> = calls.iter().map(|_| Err(Problem::StoreUnavailable)).collect();
    let mut open: Vec<usize> = (0..calls.len()).collect();
    for _ in 0..ROUNDS {
        let sent = connect(url, deadline, calls, &open).await;
        // Each by itself: a server that stalls hides nothing of what others say.
        let outcomes = RefCell::new(Vec::with_capacity(sent.len()));
        let calling = sent.iter().enumerate().map(async |(nth, (at, redis))| {
            let outcome = redis.call(&calls[*at], deadline).await;
            outcomes.borrow_mut().push((nth, outcome));
        });
        let in_time = deadline.race(join_all(calling)).await.is_some();
        open.clear();
        let (mut moved, mut answered) = (None, vec![false; sent.len()]);
        for (nth, outcome) in outcomes.into_inner() {
            let (at, redis) = &sent[nth];
            answered[nth] = true;
            let was_kept = redis.learned < began;
            match outcome {
                // Nothing was done, so it may be asked again over a new connection.
                Ok(answer) if redis.is_outdated_by(&answer) => {
                    forget(redis);
                    if was_kept {
                        open.push(*at);
                    }
                    answers[*at] = Ok(answer);
                }
                Ok(answer) => answers[*at] = Ok(answer),
                Err(error) if is_moved(&error) => {
                    open.push(*at);
                    moved = Some(redis);
                }
                Err(error) => {
                    if forget(redis) {
                        eprintln!("redis: {}", without_url(&error, url));
                    }
                    if was_kept && resend == Resend::Once {
                        open.push(*at);
                    }
                }
            }
        }
        if !in_time {
            // An early call bears its deadline, so it does nothing later; the connection may well be in order.
            if !deadline.is_early() {
                for ((_, redis), _) in sent.iter().zip(&answered).filter(|(_, answered)| !**answered) {
                    if forget(redis) {
                        eprintln!("redis: no answer in time");
                    }
                }
            }
            break;
        }
        if let Some(by) = moved
            && deadline.race(by.learn_topology(url)).await.is_none()
        {
            break;
        }
        if open.is_empty() || deadline.left().is_zero() {
            break;
        }
    }
    answers
}

/// The calls, by their places, whose server can be reached, with a connection to it.
async fn connect(url: &str, deadline: Deadline, calls: &[Invocation], open: &[usize]) -> Vec<(usize, Rc<Redis>)> {
    let (mut sent, mut down) = (Vec::with_capacity(open.len()), Vec::new());
    for at in open {
        let address = address_of(&calls[*at]);
        if down.contains(&address) {
            continue;
        }
        let kept = if cfg!(feature = "connection-per-request") { None } else { known(address.as_ref()) };
        let redis = match kept {
            Some(redis) => Some(redis),
            // A server of a cluster that says nothing must leave time for the others.
            None if address.is_some() => self::open(url, address.clone(), deadline.at_most(deadline.left() / 2)).await,
            None => self::open(url, None, deadline).await,
        };
        match redis {
            Some(redis) => sent.push((*at, redis)),
            None => down.push(address),
        }
    }
    sent
}

/// The server of the call's partition, in a cluster whose topology is known; else the URL's own.
fn address_of(call: &Invocation) -> Option<Address> {
    KEPT.with_borrow(|kept| kept.topology.as_ref()?.owner(keys::partition_of(call.keys.first()?)?).cloned())
}

fn known(address: Option<&Address>) -> Option<Rc<Redis>> {
    KEPT.with_borrow(|kept| kept.connections.iter().find(|redis| redis.address.as_ref() == address).cloned())
}

/// Keeps a connection no longer; whether it was kept until now. It closes when its last call in hand ends. What a cluster
/// was known to be may be wrong now, too.
fn forget(redis: &Rc<Redis>) -> bool {
    KEPT.with_borrow_mut(|kept| {
        kept.topology = None;
        let before = kept.connections.len();
        kept.connections.retain(|kept| !Rc::ptr_eq(kept, redis));
        kept.connections.len() < before
    })
}

async fn open(url: &str, address: Option<Address>, deadline: Deadline) -> Option<Rc<Redis>> {
    let opened = deadline.race(Redis::open(url, address)).await;
    match opened {
        Some(Ok(redis)) => {
            let redis = Rc::new(redis);
            KEPT.with_borrow_mut(|kept| {
                kept.connections.retain(|kept| kept.address != redis.address);
                kept.connections.push(Rc::clone(&redis));
            });
            return Some(redis);
        }
        Some(Err(error)) => eprintln!("redis: cannot connect: {}", without_url(&error, url)),
        None => eprintln!("redis: cannot connect in time"),
    }
    // Perhaps it is no master any more: another will know.
    KEPT.with_borrow_mut(|kept| kept.topology = None);
    None
}

/// What a server of a cluster says of keys that another has (<https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#moved-redirection>).
fn is_moved(error: &Error) -> bool {
    matches!(error, Error::Other(reason) if reason.to_ascii_lowercase().contains("moved: "))
}

impl Redis {
    async fn open(url: &str, address: Option<Address>) -> Result<Self, Error> {
        let connection = match &address {
            Some(address) => Connection::open(&url_of(url, address)).await?,
            None => Connection::open(url).await?,
        };
        if cfg!(feature = "connection-per-request")
            && let Some(known) = known(address.as_ref())
        {
            let (server, store_ms, learned) = (known.server.clone(), known.store_ms, known.learned);
            return Ok(Self { connection, address, server, store_ms, learned });
        }
        let section = |name: &str| [RedisParameter::Binary(name.as_bytes().to_vec())];
        let (server, replication, time) = join3(
            connection.execute("INFO", section("server")),
            connection.execute("INFO", section("replication")),
            connection.execute("TIME", []),
        )
        .await;
        let learned = Instant::now();
        let strange = || Error::Other("INFO or TIME answered something else".to_owned());
        let word = |info: &[RedisResult], name: &str| {
            let mut lines = info.first().and_then(text)?.lines();
            lines.find_map(|line| line.strip_prefix(name)).map(|word| word.trim().to_owned())
        };
        let (run_id, replid) = (word(&server?, "run_id:"), word(&replication?, "master_replid:"));
        let server = run_id.zip(replid).map(|(run, replication)| format!("{run}:{replication}")).ok_or_else(strange)?;
        let time = time?;
        let part = |at: usize| time.get(at).and_then(text)?.parse::<i64>().ok();
        let (seconds, micros) = part(0).zip(part(1)).ok_or_else(strange)?;
        Ok(Self { connection, address, server, store_ms: seconds * 1000 + micros / 1000, learned })
    }

    /// Asks which server has which partition.
    async fn learn_topology(&self, url: &str) {
        let asked = self.address.as_ref().map_or_else(|| host_of(url), |address| &address.host);
        let answer = self.connection.execute("CLUSTER", [RedisParameter::Binary(b"NODES".to_vec())]).await;
        let topology = match &answer {
            Ok(answer) => answer.first().and_then(text).map(|nodes| Topology::parse(nodes, asked)),
            Err(error) => {
                eprintln!("redis: CLUSTER NODES: {}", without_url(error, url));
                None
            }
        };
        KEPT.with_borrow_mut(|kept| kept.topology = topology);
    }

    /// Past its deadline by the server's clock, not by ours, or cold while it may have become another server: what this
    /// connection knows of it is wrong.
    fn is_outdated_by(&self, answer: &Answer) -> bool {
        answer.word() == "LATE" || (answer.word() == "COLD" && self.learned.elapsed() > RENAMED)
    }

    async fn call(&self, call: &Invocation, deadline: Deadline) -> Result<Answer, Error> {
        let parameters = |script: &str| {
            let mut all = Vec::with_capacity(4 + call.keys.len() + call.args.len());
            let binary = |text: &str| RedisParameter::Binary(text.as_bytes().to_vec());
            all.push(binary(script));
            all.push(binary(&call.keys.len().to_string()));
            all.extend(call.keys.iter().map(|key| binary(key)));
            all.push(binary(&self.server));
            if call.deadline {
                all.push(binary(&deadline.by_clock(self.learned, self.store_ms).to_string()));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_that_is_elsewhere_is_told_from_other_errors() {
        let error = |text: &str| Error::Other(text.to_owned());
        assert!(is_moved(&error("Moved: 3999 127.0.0.1:7001")));
        assert!(is_moved(&error("An error was signalled by the server - Moved: 3999 127.0.0.1:7001")));
        assert!(!is_moved(&error("ResponseError: a key was removed")));
    }
}
