//! A client that is answered yes, no, or not at all, and what it knows after that.

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
/// After this time the service has given up a request, whatever a store does. It promises that.
const DEADLINE: Duration = Duration::from_secs(2);
/// If there is no answer in this time, the service hangs.
const HANG: Duration = Duration::from_secs(15);

/// What one client, or all of them, learned from the answers.
#[derive(Default)]
pub(crate) struct Learned {
    pub(crate) model: Model,
    /// What was imported. It is in all stores, but no event says so.
    pub(crate) imported: Model,
    /// States that a request without an answer may have changed.
    pub(crate) unknown: BTreeSet<(Kind, Pair)>,
    /// What each request changed, if the answers show it.
    pub(crate) requests: BTreeMap<String, Option<Vec<(Kind, bool)>>>,
    /// Views of each article: how many were acknowledged, and how many are in doubt.
    pub(crate) views: BTreeMap<i64, (i64, i64)>,
    pub(crate) acknowledged: u64,
    pub(crate) unanswered: u64,
    pub(crate) slowest: Duration,
    /// Answers that are neither 200 nor 503.
    pub(crate) strange: Vec<String>,
}

impl Learned {
    pub(crate) fn extend(&mut self, other: Self) {
        self.model.extend(other.model);
        self.imported.extend(other.imported);
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

    /// Asks for each state that the answers do not show.
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
    /// The last state of this client's own pairs that an answer showed.
    known: Model,
    /// States that a request without an answer may have changed.
    doubt: BTreeSet<(Kind, Pair)>,
    /// Until then such a request may still arrive.
    late: BTreeMap<Pair, Instant>,
    learned: Learned,
}

/// The kinds whose state an answer shows: the kind itself and, if it is on, the kinds that it excludes.
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
            learned: Learned::default(),
        }
    }

    /// Takes what this client learned since the last call.
    pub(crate) fn take_learned(&mut self) -> Learned {
        self.learned.unknown = std::mem::take(&mut self.doubt);
        std::mem::take(&mut self.learned)
    }

    /// Makes this client know the states that were read back.
    pub(crate) fn learn(&mut self, all: &Learned) {
        for (kind, pair, on) in all.model.states().filter(|(_, (user, _), _)| user % CLIENTS == self.number) {
            self.known.switch(kind, pair, on);
        }
    }

    /// Switches and views until `stop` is set.
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

    /// Asks for a state. If that is not acknowledged, asks for it again, asks for the opposite, or leaves it in doubt.
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
                self.learned.strange.extend(answer.says(kind, pair.1, on).err().map(|error| format!("{error:#}")));
                self.acknowledged(kind, pair, on, &request_id);
                return;
            }
            self.in_doubt(kind, pair, on, &request_id);
            // After an answer the service itself stops late commands. Without one, for example because the host died, the
            // client must wait until no command can be left before it asks for another state.
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
        self.learned.acknowledged += 1;
        // If the state was in doubt, this answer shows what it is, but not whether this request changed it.
        let mut doubted = false;
        for kind in concerned(kind, on) {
            doubted |= self.doubt.remove(&(kind, pair));
        }
        let changes = (!doubted).then(|| self.known.changes(kind, pair, on));
        self.learned.requests.insert(request_id.to_owned(), changes);
        self.learned.model.switch(kind, pair, on);
        self.known.switch(kind, pair, on);
    }

    fn in_doubt(&mut self, kind: Kind, pair: Pair, on: bool, request_id: &str) {
        self.learned.unanswered += 1;
        self.learned.requests.insert(request_id.to_owned(), None);
        self.doubt.extend(concerned(kind, on).map(|kind| (kind, pair)));
    }

    async fn view(&mut self, api: &Api, user: i64, article: i64) {
        let request_id = self.request_id();
        let answer = self.ask(api.post(&path(article, "views")), user, &request_id).await;
        let views = self.learned.views.entry(article).or_default();
        if answer.is_some_and(|answer| answer.status == 200) { views.0 += 1 } else { views.1 += 1 }
    }

    /// The answer, if there was one.
    async fn ask(&mut self, ask: Ask, user: i64, request_id: &str) -> Option<Answer> {
        let began = Instant::now();
        let Ok(answer) = timeout(HANG, ask.user(user).header("x-request-id", request_id).send()).await else {
            self.learned.strange.push(format!("{request_id}: no answer in {HANG:?}"));
            return None;
        };
        let answer = answer.ok()?;
        self.learned.slowest = self.learned.slowest.max(began.elapsed());
        if answer.status != 200 && answer.status != 503 {
            self.learned.strange.push(format!("{request_id}: {} {}", answer.status, answer.body));
        }
        Some(answer)
    }
}
