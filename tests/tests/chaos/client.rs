//! A client that is told yes, no, or nothing, and what it knows then.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use reqwest::Method;
use tests::{Api, Model, Pair};
use tokio::time::{sleep, timeout};

use crate::CLIENTS;

const USERS: i64 = 200;
pub(crate) const ARTICLES: i64 = 60;
/// A third of all requests go to this one.
const HOT: i64 = 1;
/// What the service promises to have given up by then, whatever a store does.
const DEADLINE: Duration = Duration::from_secs(2);
/// No answer in this time is a hang.
const HANG: Duration = Duration::from_secs(15);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum What {
    Like,
    Collect,
}

/// What one or all clients were told.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) model: Model,
    /// Pairs whose last request was not answered.
    pub(crate) unknown: Vec<(What, Pair)>,
    /// For each request whether it changed anything, where that can be known from the answers.
    pub(crate) requests: BTreeMap<String, Option<bool>>,
    /// Views of an article: acknowledged, and in doubt.
    pub(crate) views: BTreeMap<i64, (i64, i64)>,
    pub(crate) acknowledged: u64,
    pub(crate) unanswered: u64,
    pub(crate) slowest: Duration,
    /// Answers that are neither 200 nor 503.
    pub(crate) strange: Vec<String>,
}

impl Told {
    pub(crate) fn extend(&mut self, other: Self) {
        self.model.extend(other.model);
        self.unknown.extend(other.unknown);
        self.requests.extend(other.requests);
        for (article, (yes, perhaps)) in other.views {
            let views = self.views.entry(article).or_default();
            *views = (views.0 + yes, views.1 + perhaps);
        }
        self.acknowledged += other.acknowledged;
        self.unanswered += other.unanswered;
        self.slowest = self.slowest.max(other.slowest);
        self.strange.extend(other.strange);
    }

    /// Asks for the state of each pair that no answer told.
    pub(crate) async fn read_back(&mut self, api: &Api) -> Result<()> {
        for (what, (user, article)) in std::mem::take(&mut self.unknown) {
            let body = api.get(&format!("/v1/articles/{article}/interactions")).user(user).good().await?;
            ensure!(body["stale"] == false, "{body}");
            let said = match what {
                What::Like => "liked",
                What::Collect => "collected",
            };
            let on = body[said].as_bool().with_context(|| format!("{body}"))?;
            self.of(what).insert((user, article), on);
        }
        Ok(())
    }

    fn of(&mut self, what: What) -> &mut BTreeMap<Pair, bool> {
        match what {
            What::Like => &mut self.model.likes,
            What::Collect => &mut self.model.collects,
        }
    }
}

pub(crate) struct Client {
    number: i64,
    random: StdRng,
    requests: u64,
    /// What this client was told last of its own users' pairs.
    known: BTreeMap<(What, Pair), bool>,
    /// Pairs whose last request was not answered.
    doubt: Vec<(What, Pair)>,
    told: Told,
}

impl Client {
    pub(crate) fn new(number: i64, seed: u64) -> Self {
        let random = StdRng::seed_from_u64(seed.wrapping_add(number.cast_unsigned()));
        Self { number, random, requests: 0, known: BTreeMap::new(), doubt: vec![], told: Told::default() }
    }

    /// What it was told since the last time.
    pub(crate) fn take_told(&mut self) -> Told {
        self.told.unknown = std::mem::take(&mut self.doubt);
        std::mem::take(&mut self.told)
    }

    /// What was read back is known again.
    pub(crate) fn learn(&mut self, told: &Told) {
        for (what, pairs) in [(What::Like, &told.model.likes), (What::Collect, &told.model.collects)] {
            let own = pairs.iter().filter(|((user, _), _)| user % CLIENTS == self.number);
            self.known.extend(own.map(|(pair, on)| ((what, *pair), *on)));
        }
    }

    /// Likes, collects and views until told to stop.
    pub(crate) async fn run(mut self, api: Api, stop: Arc<AtomicBool>) -> Self {
        while !stop.load(Ordering::Relaxed) {
            let user = self.number + CLIENTS * self.random.random_range(1..=USERS / CLIENTS);
            let article = if self.random.random_bool(0.3) { HOT } else { self.random.random_range(1..=ARTICLES) };
            match self.random.random_range(0..10) {
                0 => self.view(&api, user, article).await,
                1..=3 => self.toggle(&api, What::Collect, (user, article), &stop).await,
                _ => self.toggle(&api, What::Like, (user, article), &stop).await,
            }
            let pause = self.random.random_range(2..12);
            sleep(Duration::from_millis(pause)).await;
        }
        self
    }

    /// Asks for a state; what is not acknowledged it asks for again, or moves on to the opposite, or leaves in doubt.
    async fn toggle(&mut self, api: &Api, what: What, pair: Pair, stop: &AtomicBool) {
        let mut on = self.random.random_bool(0.6);
        let mut request_id = self.request_id();
        for _ in 0..6 {
            let method = if on { Method::PUT } else { Method::DELETE };
            let path = match what {
                What::Like => format!("/v1/articles/{}/like", pair.1),
                What::Collect => format!("/v1/articles/{}/collect", pair.1),
            };
            let began = Instant::now();
            let answered = self.ask(api, method, &path, pair.0, &request_id).await;
            if answered == Some(200) {
                self.acknowledged(what, pair, on, &request_id);
                return;
            }
            self.in_doubt(what, pair, &request_id);
            // After an answer the service itself holds late commands back. Where there was none, since the host died
            // say, it is for the client to wait until none can be left before it asks for the opposite.
            let opposite = self.random.random_bool(0.4);
            if answered.is_none() && opposite {
                sleep(DEADLINE.saturating_sub(began.elapsed())).await;
            }
            if opposite {
                on = !on;
                request_id = self.request_id();
            }
            if stop.load(Ordering::Relaxed) || self.random.random_bool(0.15) {
                return;
            }
            let pause = self.random.random_range(20..300);
            sleep(Duration::from_millis(pause)).await;
        }
    }

    fn request_id(&mut self) -> String {
        self.requests += 1;
        format!("chaos-{}-{}", self.number, self.requests)
    }

    fn acknowledged(&mut self, what: What, pair: Pair, on: bool, request_id: &str) {
        self.told.acknowledged += 1;
        // What nobody ever touched is off. Of what was in doubt this answer tells the state, not whether it changed.
        let before = self.known.get(&(what, pair)).copied().unwrap_or_default();
        let doubted = self.doubt.contains(&(what, pair));
        self.told.requests.insert(request_id.to_owned(), (!doubted).then_some(before != on));
        self.doubt.retain(|doubt| *doubt != (what, pair));
        self.told.of(what).insert(pair, on);
        self.known.insert((what, pair), on);
    }

    fn in_doubt(&mut self, what: What, pair: Pair, request_id: &str) {
        self.told.unanswered += 1;
        self.told.requests.insert(request_id.to_owned(), None);
        if !self.doubt.contains(&(what, pair)) {
            self.doubt.push((what, pair));
        }
    }

    async fn view(&mut self, api: &Api, user: i64, article: i64) {
        let request_id = self.request_id();
        let answered = self.ask(api, Method::POST, &format!("/v1/articles/{article}/views"), user, &request_id).await;
        let views = self.told.views.entry(article).or_default();
        if answered == Some(200) { views.0 += 1 } else { views.1 += 1 }
    }

    /// The status of the answer; none if there was none.
    async fn ask(&mut self, api: &Api, method: Method, path: &str, user: i64, request_id: &str) -> Option<u16> {
        let began = Instant::now();
        let ask = api.ask(method, path).user(user).header("x-request-id", request_id);
        let Ok(answer) = timeout(HANG, ask.send()).await else {
            self.told.strange.push(format!("{path}: no answer in {HANG:?}"));
            return None;
        };
        let answer = answer.ok()?;
        self.told.slowest = self.told.slowest.max(began.elapsed());
        let status = answer.status.as_u16();
        if status != 200 && status != 503 {
            self.told.strange.push(format!("{path}: {status} {}", answer.body));
        }
        Some(status)
    }
}
