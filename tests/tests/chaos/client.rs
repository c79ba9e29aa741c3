//! A client that is told yes, no, or nothing, and what it knows then.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use contract::{Kind, Truth};
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IteratorRandom};
use tests::{Answer, Api, Ask, Model, Pair, site};
use tokio::time::{sleep, sleep_until, timeout};

use crate::CLIENTS;

const USERS: i64 = 200;
pub(crate) const ARTICLES: i64 = 60;
/// A third of all requests go to this one.
const HOT: i64 = 1;
/// What the service promises to have given up by then, whatever a store does.
const DEADLINE: Duration = Duration::from_secs(2);
/// No answer in this time is a hang.
const HANG: Duration = Duration::from_secs(15);

/// What one or all clients were told.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) model: Model,
    /// What a request may have changed that was not answered.
    pub(crate) unknown: BTreeSet<(Kind, Pair)>,
    /// For each request what it changed, where that can be known from the answers.
    pub(crate) requests: BTreeMap<String, Option<Vec<(Kind, bool)>>>,
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

    /// Asks for each state that no answer told.
    pub(crate) async fn read_back(&mut self, api: &Api) -> Result<()> {
        for (kind, (user, article)) in std::mem::take(&mut self.unknown) {
            let body = api.get(&path(article, "interactions")).user(user).good().await?;
            ensure!(body["stale"] == false, "{body}");
            let on = body[kind.on()].as_bool().with_context(|| format!("{body}"))?;
            self.model.switch(kind, (user, article), on);
        }
        Ok(())
    }
}

pub(crate) struct Client {
    number: i64,
    random: StdRng,
    requests: u64,
    /// What this client was told last of its own users' pairs.
    known: Model,
    /// What a request may have changed that was not answered.
    doubt: BTreeSet<(Kind, Pair)>,
    /// Until when such a request may still arrive.
    late: BTreeMap<Pair, Instant>,
    told: Told,
}

/// The kinds whose state an answer tells: what is on excludes others.
fn concerned(kind: Kind, on: bool) -> impl Iterator<Item = Kind> {
    [kind].into_iter().chain(kind.excludes().iter().copied().filter(move |_| on))
}

pub(crate) fn path(article: i64, last: &str) -> String {
    format!("/v1/articles/{}/{last}", site::segment(&site::article(article).to_string()))
}

impl Client {
    pub(crate) fn new(number: i64, seed: u64) -> Self {
        Self {
            number,
            random: StdRng::seed_from_u64(seed.wrapping_add(number.cast_unsigned())),
            requests: 0,
            known: Model::default(),
            doubt: BTreeSet::new(),
            late: BTreeMap::new(),
            told: Told::default(),
        }
    }

    /// What it was told since the last time.
    pub(crate) fn take_told(&mut self) -> Told {
        self.told.unknown = std::mem::take(&mut self.doubt);
        std::mem::take(&mut self.told)
    }

    /// What was read back is known again.
    pub(crate) fn learn(&mut self, told: &Told) {
        for (kind, pair, on) in told.model.states().filter(|(_, (user, _), _)| user % CLIENTS == self.number) {
            self.known.switch(kind, pair, on);
        }
    }

    /// Switches, and views, until told to stop.
    pub(crate) async fn run(mut self, api: Api, stop: Arc<AtomicBool>) -> Self {
        while !stop.load(Ordering::Relaxed) {
            let user = self.number + CLIENTS * self.random.random_range(1..=USERS / CLIENTS);
            let article = if self.random.random_bool(0.3) { HOT } else { self.random.random_range(1..=ARTICLES) };
            let truth = match self.random.random_range(0..10) {
                0 => None,
                1..=3 => Some(Truth::Mysql),
                _ => Some(Truth::Redis),
            };
            match truth.and_then(|truth| Kind::of(truth).choose(&mut self.random)) {
                Some(kind) => self.toggle(&api, kind, (user, article), &stop).await,
                None => self.view(&api, user, article).await,
            }
            let pause = self.random.random_range(2..12);
            sleep(Duration::from_millis(pause)).await;
        }
        self
    }

    /// Asks for a state; what is not acknowledged it asks for again, or moves on to the opposite, or leaves in doubt.
    async fn toggle(&mut self, api: &Api, kind: Kind, pair: Pair, stop: &AtomicBool) {
        self.let_late_ones_pass(pair).await;
        let mut on = self.random.random_bool(0.6);
        let mut request_id = self.request_id();
        for _ in 0..6 {
            let began = Instant::now();
            let answer = self.ask(api.switch(kind, pair.1, on), pair.0, &request_id).await;
            if let Some(answer) = &answer
                && answer.status == 200
            {
                self.told.strange.extend(answer.says(kind, pair.1, on).err().map(|error| format!("{error:#}")));
                self.acknowledged(kind, pair, on, &request_id);
                return;
            }
            self.in_doubt(kind, pair, on, &request_id);
            // After an answer the service itself holds late commands back. Where there was none, since the host died
            // say, it is for the client to wait until none can be left before it asks for another state.
            if answer.is_none() {
                self.late.insert(pair, began + DEADLINE);
            }
            if self.random.random_bool(0.4) {
                self.let_late_ones_pass(pair).await;
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

    async fn let_late_ones_pass(&mut self, pair: Pair) {
        if let Some(until) = self.late.remove(&pair) {
            sleep_until(until.into()).await;
        }
    }

    fn request_id(&mut self) -> String {
        self.requests += 1;
        format!("chaos-{}-{}", self.number, self.requests)
    }

    fn acknowledged(&mut self, kind: Kind, pair: Pair, on: bool, request_id: &str) {
        self.told.acknowledged += 1;
        // Of what was in doubt this answer tells the state, not whether it changed.
        let mut doubted = false;
        for kind in concerned(kind, on) {
            doubted |= self.doubt.remove(&(kind, pair));
        }
        let changes = (!doubted).then(|| self.known.changes(kind, pair, on));
        self.told.requests.insert(request_id.to_owned(), changes);
        self.told.model.switch(kind, pair, on);
        self.known.switch(kind, pair, on);
    }

    fn in_doubt(&mut self, kind: Kind, pair: Pair, on: bool, request_id: &str) {
        self.told.unanswered += 1;
        self.told.requests.insert(request_id.to_owned(), None);
        self.doubt.extend(concerned(kind, on).map(|kind| (kind, pair)));
    }

    async fn view(&mut self, api: &Api, user: i64, article: i64) {
        let request_id = self.request_id();
        let answer = self.ask(api.post(&path(article, "views")), user, &request_id).await;
        let views = self.told.views.entry(article).or_default();
        if answer.is_some_and(|answer| answer.status == 200) { views.0 += 1 } else { views.1 += 1 }
    }

    /// The answer, if there was one.
    async fn ask(&mut self, ask: Ask, user: i64, request_id: &str) -> Option<Answer> {
        let began = Instant::now();
        let Ok(answer) = timeout(HANG, ask.user(user).header("x-request-id", request_id).send()).await else {
            self.told.strange.push(format!("{request_id}: no answer in {HANG:?}"));
            return None;
        };
        let answer = answer.ok()?;
        self.told.slowest = self.told.slowest.max(began.elapsed());
        if answer.status != 200 && answer.status != 503 {
            self.told.strange.push(format!("{request_id}: {} {}", answer.status, answer.body));
        }
        Some(answer)
    }
}
