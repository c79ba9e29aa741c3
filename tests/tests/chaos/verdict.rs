//! Compares the stores with what clients learned from the answers.

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
    client::{ARTICLES, Learned},
    system::System,
};

/// The verdict on one round, or on all of them.
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
    /// Adds a further round. The figures of `round` include those of the rounds before.
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

/// Checks that the clients' model, Redis, MySQL and the sum of the log are equal, and that the log has each change once.
pub(crate) async fn judge(system: &System, learned: &Learned) -> Result<Verdict> {
    let mut all = learned.model.clone();
    all.extend(learned.imported.clone());
    let mut wrong: BTreeSet<Wrong> = compare(&system.stack, &all, 1..=ARTICLES).await?.into_iter().collect();
    let topic = system.topic()?;
    let events = tokio::task::spawn_blocking(move || topic.events()).await??;
    let log = Log::of(&events);
    wrong.extend(log.against(&learned.model));
    for (request_id, changes) in &learned.requests {
        wrong.extend(of_request(request_id, &log.changes_of(request_id), changes.as_deref()));
    }
    let mut redis = redis(&system.stack.redis_url()).await?;
    for (article, (yes, perhaps)) in &learned.views {
        let pv: Option<i64> = redis.get(keys::pv(id(*article))).await?;
        let pv = pv.unwrap_or(0);
        wrong.extend(Wrong::count(&format!("PV of {article}"), pv.clamp(*yes, yes + perhaps), pv).map(|_| {
            let text = format!("PV of {article}: {pv} instead of {yes}, with {perhaps} more in doubt");
            if pv < *yes { Wrong::Lost(text) } else { Wrong::Double(text) }
        }));
    }
    Ok(Verdict {
        acknowledged: learned.acknowledged,
        unanswered: learned.unanswered,
        slowest: learned.slowest,
        wrong,
        strange: learned.strange.clone(),
        drain: Duration::ZERO,
    })
}

/// Compares what a request changed by the log with what its client knows. If the client knows nothing, each change may be
/// there at most once.
fn of_request(request_id: &str, found: &[(Kind, bool)], known: Option<&[(Kind, bool)]>) -> Vec<Wrong> {
    let times = |changes: &[(Kind, bool)], wanted| changes.iter().map(|change| i64::from(*change == wanted)).sum();
    let all: BTreeSet<(Kind, bool)> = found.iter().chain(known.unwrap_or_default()).copied().collect();
    let wrong = all.into_iter().filter_map(|change @ (kind, on)| {
        let found: i64 = times(found, change);
        let wanted = known.map_or(found.min(1), |known| times(known, change));
        Wrong::count(&format!("{request_id} in the log, {kind} {}", if on { "on" } else { "off" }), found, wanted)
    });
    wrong.collect()
}
