//! Clients that switch kinds on and off while a test does something.

use std::{
    collections::BTreeSet,
    ops::RangeInclusive,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::Result;
use contract::Kind;
use stack::wait_for;
use tests::{Api, Model, Pair};
use tokio::task::JoinSet;

use crate::{PATIENCE, until_switched};

const CLIENTS: usize = 9;
/// Between two requests of a client.
const PAUSE: Duration = Duration::from_millis(5);

pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
    clients: JoinSet<Answers>,
}

/// What a client was answered, and what it has asked for since without an answer.
#[derive(Default)]
struct Answers {
    model: Model,
    unknown: BTreeSet<(Kind, Pair)>,
}

impl Load {
    /// Each client has a user and a kind of its own, and goes from article to article.
    pub(crate) fn start(api: &Api, kinds: impl Iterator<Item = Kind> + Clone, articles: &RangeInclusive<i64>) -> Self {
        let (stop, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut clients = JoinSet::new();
        for (user, kind) in (1..).zip(kinds.cycle()).take(CLIENTS) {
            let (stop, acknowledged) = (Arc::clone(&stop), Arc::clone(&acknowledged));
            clients.spawn(client(api.clone(), (user, kind), articles.clone(), stop, acknowledged));
        }
        Self { stop, acknowledged, clients }
    }

    /// Until so many more changes were acknowledged.
    pub(crate) async fn goes_on(&self, changes: u64) -> Result<()> {
        let enough = self.acknowledged.load(Ordering::Relaxed) + changes;
        wait_for("the load to go on", PATIENCE, async || {
            Ok((self.acknowledged.load(Ordering::Relaxed) >= enough).then_some(()))
        })
        .await
    }

    /// What all clients were answered. What had no answer is asked for again.
    pub(crate) async fn stop(mut self, api: &Api) -> Result<Model> {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Model::default();
        while let Some(answers) = self.clients.join_next().await {
            let Answers { mut model, unknown } = answers?;
            for (kind, pair) in unknown {
                until_switched(api, kind, pair, true).await?;
                model.switch(kind, pair, true);
            }
            all.extend(model);
        }
        Ok(all)
    }
}

async fn client(
    api: Api,
    (user, kind): (i64, Kind),
    articles: RangeInclusive<i64>,
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
) -> Answers {
    let mut answers = Answers::default();
    for on in [true, false].into_iter().cycle() {
        for article in articles.clone() {
            if stop.load(Ordering::Relaxed) {
                return answers;
            }
            let pair = (user, article);
            match api.switch(kind, article, on).user(user).send().await {
                Ok(answer) if answer.status == 200 => {
                    answers.model.switch(kind, pair, on);
                    answers.unknown.remove(&(kind, pair));
                    acknowledged.fetch_add(1, Ordering::Relaxed);
                }
                Ok(_) | Err(_) => drop(answers.unknown.insert((kind, pair))),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
    answers
}
