//! Redis by Spin, one server or a cluster: scripts alone, over kept connections, raced against the deadline.

use std::{cell::RefCell, rc::Rc, time::Instant};

use contract::{keys, scripts::Script};
use futures::future::join_all;

use crate::{Deadline, Problem, log::without_url};

mod answer;
mod connection;
mod kept;
mod url;

pub use answer::Answer;
use connection::{Redis, is_moved, is_refused};
use kept::forget;

/// How often a call is sent at most: again over a new connection, or to where a cluster says that its partition is.
const ROUNDS: usize = 4;

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
    // Calls that may have been carried out, though nobody said so.
    let mut doubtful = vec![false; calls.len()];
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
            redis.slow.set(false);
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
                // A refusal is no news of the call before it, which the server may have carried out.
                Ok(answer) if doubtful[*at] && answer.word() != "OK" => answers[*at] = Err(Problem::StoreUnavailable),
                Ok(answer) => answers[*at] = Ok(answer),
                Err(error) if is_moved(&error) => {
                    open.push(*at);
                    moved = Some(redis);
                }
                // The connection is in order: another would be told the same, and one for each call is the last that a
                // server in need can use.
                Err(error) if is_refused(&error) => eprintln!("redis: {}", without_url(&error, url)),
                Err(error) => {
                    if forget(redis) {
                        eprintln!("redis: {}", without_url(&error, url));
                    }
                    if was_kept && resend == Resend::Once {
                        open.push(*at);
                        doubtful[*at] = true;
                    }
                }
            }
        }
        if !in_time {
            for ((_, redis), _) in sent.iter().zip(&answered).filter(|(_, answered)| !**answered) {
                // A call that is given up early bears its deadline, so it does nothing later.
                let may_be_well = deadline.is_early() && !redis.slow.replace(true);
                if !may_be_well && forget(redis) {
                    eprintln!("redis: no answer in time");
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
    // All at once: what is found out on the way is for the next time.
    let owner = |at: &usize| calls[*at].keys.first().and_then(|key| keys::partition_of(key)).and_then(kept::owner);
    let addresses: Vec<_> = open.iter().map(owner).collect();
    for (at, address) in open.iter().zip(addresses) {
        if down.contains(&address) {
            continue;
        }
        let known = if cfg!(feature = "connection-per-request") { None } else { kept::connection(address.as_ref()) };
        let redis = match known {
            Some(redis) => Some(redis),
            // A server of a cluster that says nothing must leave time for the others.
            None if address.is_some() => kept::open(url, address.clone(), deadline.at_most(deadline.left() / 2)).await,
            None => kept::open(url, None, deadline).await,
        };
        if let Some(redis) = redis {
            sent.push((*at, redis));
        } else {
            kept::look_for_another(url, address.as_ref(), deadline).await;
            down.push(address);
        }
    }
    sent
}
