//! What the stores hold against what clients were told.

use std::{
    collections::BTreeSet,
    fmt::{self, Display, Formatter},
    time::Duration,
};

use anyhow::Result;
use contract::keys;
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
        let found = log.changes_of(request_id);
        if found > 1 || (found > 0 && *changes == Some(false)) {
            wrong.insert(Wrong::Double(format!("{request_id} changed something {found} times")));
        }
        if found == 0 && *changes == Some(true) {
            wrong.insert(Wrong::Lost(format!("{request_id} changed something and is not in the log")));
        }
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
