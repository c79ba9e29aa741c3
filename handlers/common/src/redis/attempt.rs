//! Sends calls: each attempt, and what follows from its outcome.

use std::{cell::Cell, rc::Rc};

use contract::Address;
use futures::future::{FutureExt, join_all};

use super::{
    connection::Redis,
    kept::{self, forget},
    pending::Pending,
    state::{Outcome, Resend},
};
use crate::{Deadline, log::without_url};

/// The most times that a call is sent: again over a new connection, or to the server that has its partition by now.
const ROUNDS: usize = 4;

/// The values that all attempts to make the calls of a request share.
#[derive(Clone, Copy)]
struct Request<'a> {
    url: &'a str,
    deadline: Deadline,
    resend: Resend,
}

/// Sends the calls until each has its answer or is given up.
pub(super) async fn run(url: &str, deadline: Deadline, resend: Resend, calls: &[&dyn Pending]) {
    let request = Request { url, deadline, resend };
    for _ in 0..ROUNDS {
        let servers = by_server(calls);
        // Each server has its own future, so that a server that stalls does not delay the answers of others.
        deadline.race_calls(all(servers.iter().map(|(server, calls)| request.ask(server.as_ref(), calls)))).await;
        if !calls.iter().any(|call| call.state().get().is_open()) || deadline.left().is_zero() {
            break;
        }
    }
}

/// Waits for all of many futures. They are boxed, so that this is compiled once.
fn all<'a>(many: impl Iterator<Item = impl Future<Output = ()> + 'a>) -> impl Future<Output = Vec<()>> + Unpin {
    join_all(many.map(FutureExt::boxed_local))
}

/// Returns the calls that are still to be sent, grouped by the server that has their partition, as far as it is known.
fn by_server<'a>(calls: &[&'a dyn Pending]) -> Vec<(Option<Address>, Vec<&'a dyn Pending>)> {
    let mut servers: Vec<(Option<Address>, Vec<&dyn Pending>)> = Vec::new();
    for call in calls.iter().filter(|call| call.state().get().is_open()) {
        let server = kept::owner(call.partition());
        match servers.iter_mut().find(|(other, _)| *other == server) {
            Some((_, calls)) => calls.push(*call),
            None => servers.push((server, vec![*call])),
        }
    }
    servers
}

/// One attempt to make a call.
struct Attempt<'a> {
    request: Request<'a>,
    call: &'a dyn Pending,
    by: Rc<Redis>,
    /// [`Outcome::Silent`] until another outcome is known.
    outcome: Cell<Outcome>,
}

impl Attempt<'_> {
    async fn make(&self) {
        let outcome = match self.by.send(self.call, self.request.deadline).await {
            Ok(values) => match self.call.receive(values) {
                Ok(()) => Outcome::Answered,
                Err(refusal) if self.by.server.is_outdated_by(refusal) => Outcome::Outdated(refusal),
                Err(refusal) => Outcome::Refused(refusal),
            },
            Err(error) => {
                let outcome = Outcome::from(&error);
                // A broken connection is logged once, not by each call on it.
                if outcome == Outcome::Rejected || (outcome == Outcome::Broken && forget(&self.by)) {
                    eprintln!("redis: {}", without_url(&error, self.request.url));
                }
                outcome
            }
        };
        if let Outcome::Outdated(_) = outcome {
            forget(&self.by);
        }
        self.by.given_up.set(None);
        self.outcome.set(outcome);
        self.request.settle(self.call, outcome, self.by.server.learned < self.request.deadline.began());
    }
}

impl Drop for Attempt<'_> {
    /// An attempt without an outcome has been given up. If that was early, its connection may be in order. A call that
    /// was sent over it has a deadline, or changes nothing.
    fn drop(&mut self) {
        if self.outcome.get() != Outcome::Silent {
            return;
        }
        let (deadline, began) = (self.request.deadline, self.request.deadline.began());
        let early = deadline.is_early() || !deadline.left().is_zero();
        // If a request gives up many calls on one connection, they count as one.
        let before = self.by.given_up.replace(Some(began)).filter(|before| *before != began);
        if (!early || before.is_some()) && forget(&self.by) {
            eprintln!("redis: no answer in time");
        }
        self.request.settle(self.call, Outcome::Silent, false);
    }
}

impl Request<'_> {
    fn settle(self, call: &dyn Pending, outcome: Outcome, kept: bool) {
        call.state().set(call.state().get().after(outcome, kept, self.resend));
    }

    /// Sends the calls of one server.
    async fn ask(self, server: Option<&Address>, calls: &[&dyn Pending]) {
        let Some(by) = self.connection(server).await else {
            for call in calls {
                self.settle(*call, Outcome::Unreachable, false);
            }
            // The calls here are over. The result of this search is for the next request.
            kept::look_for_another(self.url, server, self.deadline).await;
            return;
        };
        let attempts: Vec<Attempt<'_>> = calls
            .iter()
            .map(|call| Attempt { request: self, call: *call, by: Rc::clone(&by), outcome: Cell::default() })
            .collect();
        all(attempts.iter().map(Attempt::make)).await;
        if attempts.iter().any(|attempt| attempt.outcome.get() == Outcome::Moved) {
            kept::set_topology(by.topology(self.url).await);
        }
    }

    async fn connection(self, server: Option<&Address>) -> Option<Rc<Redis>> {
        if let Some(kept) = kept::connection(server) {
            return Some(kept);
        }
        // If a server of a cluster does not answer, there must be time left to ask another who has its partitions now.
        let patience = if server.is_some() { self.deadline.at_most(self.deadline.left() / 2) } else { self.deadline };
        kept::open(self.url, server.cloned(), patience).await
    }
}
