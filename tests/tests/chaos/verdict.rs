//! What the stores hold against what clients were told.

use std::{
    collections::BTreeSet,
    fmt::{self, Display, Formatter},
    time::Duration,
};

use anyhow::Result;
use contract::{Kind, keys};
use redis::AsyncCommands;
use tests::{Log, Wrong, compare, id, redis};

use crate::{
    client::{ARTICLES, Told},
    system::System,
};

/// Of one round, or of all.
#[derive(Default)]
pub(crate) struct Verdict {
    pub(crate) acknowledged: u64,
    pub(crate) unanswered: u64,
    pub(crate) drain: Duration,
    pub(crate) slowest: Duration,
    pub(crate) wrong: BTreeSet<Wrong>,
    pub(crate) strange: Vec<String>,
}

impl Verdict {
    /// Of a further round; the figures of `round` include those of the rounds before.
    pub(crate) fn add(&mut self, round: Self, drain: Duration) {
        let wrong = std::mem::take(&mut self.wrong);
        *self = Self { drain: self.drain.max(drain), ..round };
        self.wrong.extend(wrong);
    }

    pub(crate) fn lost(&self) -> usize {
        self.wrong.iter().filter(|wrong| matches!(wrong, Wrong::Lost(_))).count()
    }

    pub(crate) fn double(&self) -> usize {
        self.wrong.len() - self.lost()
    }

    pub(crate) fn is_clean(&self) -> bool {
        self.wrong.is_empty() && self.strange.is_empty()
    }
}

impl Display for Verdict {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{} acknowledged, {} unanswered so far, {} lost, {} double",
            self.acknowledged,
            self.unanswered,
            self.lost(),
            self.double()
        )?;
        for wrong in self.wrong.iter().take(20) {
            write!(out, "\n  {wrong:?}")?;
        }
        for strange in self.strange.iter().take(10) {
            write!(out, "\n  {strange}")?;
        }
        Ok(())
    }
}

/// Clients' model = Redis = MySQL = what the log comes to, and each request's change in the log once.
pub(crate) async fn judge(system: &System, told: &Told) -> Result<Verdict> {
    let mut wrong: BTreeSet<Wrong> = compare(&system.stack, &told.model, 1..=ARTICLES).await?.into_iter().collect();
    let topic = system.topic()?;
    let events = tokio::task::spawn_blocking(move || topic.events()).await??;
    let log = Log::of(&events);
    wrong.extend(log.against(&told.model));
    for (request_id, changes) in &told.requests {
        wrong.extend(of_request(request_id, &log.changes_of(request_id), changes.as_deref()));
    }
    let mut redis = redis(&system.stack.redis_url()).await?;
    for (article, (yes, perhaps)) in &told.views {
        let pv: Option<i64> = redis.get(keys::pv(id(*article))).await?;
        let pv = pv.unwrap_or(0);
        wrong.extend(Wrong::count(&format!("PV of {article}"), pv.clamp(*yes, yes + perhaps), pv).map(|_| {
            let text = format!("PV of {article}: {pv}, told {yes} and {perhaps} in doubt");
            if pv < *yes { Wrong::Lost(text) } else { Wrong::Double(text) }
        }));
    }
    Ok(Verdict {
        acknowledged: told.acknowledged,
        unanswered: told.unanswered,
        slowest: told.slowest,
        wrong,
        strange: told.strange.clone(),
        drain: Duration::ZERO,
    })
}

/// What a request changed by the log, against what its client knows of it: each at most once, where it knows nothing.
fn of_request(request_id: &str, found: &[(Kind, bool)], told: Option<&[(Kind, bool)]>) -> Vec<Wrong> {
    let times = |changes: &[(Kind, bool)], wanted| changes.iter().map(|change| i64::from(*change == wanted)).sum();
    let all: BTreeSet<(Kind, bool)> = found.iter().chain(told.unwrap_or_default()).copied().collect();
    let wrong = all.into_iter().filter_map(|change @ (kind, on)| {
        let found: i64 = times(found, change);
        let told = told.map_or(found.min(1), |told| times(told, change));
        Wrong::count(&format!("{request_id} in the log, {kind} {}", if on { "on" } else { "off" }), found, told)
    });
    wrong.collect()
}
