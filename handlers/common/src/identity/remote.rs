use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use contract::scripts::{JwksPut, JwksTake};
use spin_sdk::{time::sleep, wasip3::wit_bindgen::spawn};

use super::{
    fetch::{self, fetch},
    key_set::KeySet,
    sealed::SharedKeys,
};
use crate::{
    Deadline, Problem,
    redis::{self, Resend},
    seal,
};

/// After a request to the provider, no instance asks again for this long, whatever the answer was.
const REST: Duration = Duration::from_secs(30);

/// The same as long as there is no set: nobody who has a token is answered meanwhile.
const REST_WITHOUT: Duration = Duration::from_secs(5);

/// How long Redis may take. It is short, because the set can be fetched without Redis.
const REDIS_PATIENCE: Duration = Duration::from_millis(300);

/// When an instance that needs other keys looks whether another instance has fetched them, in ms after the previous
/// look. Together the pauses last as long as a fetch may take.
const LOOKS: [u64; 8] = [25, 25, 50, 100, 200, 400, 600, 800];

/// How often a request looks whether another request of its instance has finished its fetch.
const LOCAL_LOOK: Duration = Duration::from_millis(20);

/// The key set of a provider, fetched from its URL and shared between instances through Redis.
pub(crate) struct Remote {
    url: String,
    /// Seals the shared set.
    cache_key: String,
    /// The name of the shared set.
    name: String,
    redis_url: String,
    known: RefCell<Option<Known>>,
    /// The tag of the set that is in Redis, whether or not it could be used.
    tag: RefCell<String>,
    /// Whether a request of this instance is looking for another set.
    busy: Cell<bool>,
    /// Until then no request looks for another set.
    rests_until: Cell<Option<Instant>>,
}

/// The set that is in use.
struct Known {
    keys: Rc<KeySet>,
    fetched_ms: u64,
    fresh_s: u64,
}

impl Known {
    /// A set whose time is in the future is not fresh: one of two clocks was wrong, and nobody knows by how much.
    fn is_fresh(&self) -> bool {
        now_ms() < self.fetched_ms.saturating_add(self.fresh_s.saturating_mul(1000)) && !self.is_of_the_future()
    }

    fn is_of_the_future(&self) -> bool {
        self.fetched_ms >= now_ms() + 60_000
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// While this value lives, its instance counts as looking for another set.
struct Busy<'a>(&'a Cell<bool>);

impl<'a> Busy<'a> {
    fn new(busy: &'a Cell<bool>) -> Self {
        busy.set(true);
        Self(busy)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

impl Remote {
    /// The key set at `url`. Instances share it through Redis, sealed with `cache_key`.
    pub(crate) fn new(url: String, cache_key: String, redis_url: String) -> Self {
        Self {
            name: seal::keyed_hash(&cache_key, &url),
            url,
            cache_key,
            redis_url,
            known: RefCell::default(),
            tag: RefCell::default(),
            busy: Cell::default(),
            rests_until: Cell::default(),
        }
    }

    /// The keys in use. A request waits only if there are none. Otherwise it uses them even if they are outdated, and
    /// newer ones are looked for after its answer.
    pub(crate) async fn keys(self: &Rc<Self>) -> Result<Rc<KeySet>, Problem> {
        if self.known.borrow().is_none() {
            self.renew().await;
        }
        let (keys, fresh) = match &*self.known.borrow() {
            Some(known) => (Rc::clone(&known.keys), known.is_fresh()),
            None => return Err(Problem::KeysUnavailable),
        };
        if !fresh && self.may_renew() {
            let remote = Rc::clone(self);
            spawn(async move { remote.renew().await });
        }
        Ok(keys)
    }

    /// Keys other than `than`, for a token whose key is not among those. `None` if there are no others.
    pub(crate) async fn others(&self, than: &Rc<KeySet>) -> Option<Rc<KeySet>> {
        self.renew().await;
        let known = self.known.borrow();
        known.as_ref().map(|known| Rc::clone(&known.keys)).filter(|keys| !Rc::ptr_eq(keys, than))
    }

    fn may_renew(&self) -> bool {
        !self.busy.get() && self.rests_until.get().is_none_or(|until| Instant::now() >= until)
    }

    fn rest(&self, pause: Duration) {
        self.rests_until.set(Some(Instant::now() + pause));
    }

    /// How long nobody asks the provider after this instance has.
    fn rest_of_all(&self) -> Duration {
        if self.known.borrow().is_some() { REST } else { REST_WITHOUT }
    }

    /// Looks in Redis for a set that this instance does not know. If there is none and it is this instance's turn,
    /// fetches one from the provider.
    async fn renew(&self) {
        if self.busy.get() {
            let deadline = Deadline::after(fetch::PATIENCE + REDIS_PATIENCE);
            while self.busy.get() && !deadline.left().is_zero() {
                sleep(LOCAL_LOOK).await;
            }
        } else if self.may_renew() {
            let _busy = Busy::new(&self.busy);
            if self.takes_turn().await {
                self.rest(self.rest_of_all());
                self.fetch().await;
            }
        }
    }

    /// Adopts the shared set if this instance does not know it. Returns whether this instance must fetch a set, because
    /// the shared one is missing or outdated. An instance that had no set accepts an outdated one.
    async fn takes_turn(&self) -> bool {
        let lasts_ms = u64::try_from(self.rest_of_all().as_millis()).unwrap_or(u64::MAX);
        let fetching_ms = u64::try_from(fetch::PATIENCE.as_millis()).unwrap_or(u64::MAX) + 500;
        for pause in LOOKS {
            let known = self.tag.borrow().clone();
            let call = JwksTake { name: &self.name, known: &known, lasts_ms };
            let deadline = Deadline::of_request().at_most(REDIS_PATIENCE);
            // Without Redis each instance fetches for itself.
            let Ok(taken) = redis::call(&self.redis_url, deadline, Resend::Once, &call).await else { return true };
            if !taken.set.is_empty() {
                let knew_none = self.known.borrow().is_none();
                self.adopt(&taken.set);
                if self.known.borrow().as_ref().is_some_and(|known| knew_none || known.is_fresh()) {
                    return false;
                }
            } else if taken.turn.taken {
                return true;
            } else if taken.turn.wait_ms + fetching_ms < lasts_ms {
                // The instance whose turn it is would have finished by now. Its fetch failed.
                self.rest(Duration::from_millis(taken.turn.wait_ms));
                return false;
            } else {
                // The instance whose turn it is may be fetching now.
                sleep(Duration::from_millis(pause)).await;
            }
        }
        // It has had the time that a fetch may take.
        self.rest(REST_WITHOUT);
        false
    }

    /// Uses the set from Redis, if this service made it.
    fn adopt(&self, sealed: &str) {
        let tag = sealed.split(':').next().unwrap_or_default();
        tag.clone_into(&mut self.tag.borrow_mut());
        let shared = SharedKeys::open(&self.cache_key, &self.url, sealed);
        if shared.is_none_or(|shared| self.take_into_use(&shared).is_err()) {
            eprintln!("jwt_keys_url: the key set in Redis was not made by this service, and is not used");
        }
    }

    /// Uses the set, unless a later one is in use. A set that is of the future gives way to any other.
    fn take_into_use(&self, shared: &SharedKeys) -> Result<Rc<KeySet>, &'static str> {
        let keys = KeySet::parse(&shared.text)?;
        if keys.is_empty() {
            return Err("no key in it can be used");
        }
        let keys = Rc::new(keys);
        let mut known = self.known.borrow_mut();
        let gives_way = |known: &Known| known.fetched_ms < shared.fetched_ms || known.is_of_the_future();
        if known.as_ref().is_none_or(gives_way) {
            let SharedKeys { fetched_ms, fresh_s, .. } = *shared;
            *known = Some(Known { keys: Rc::clone(&keys), fetched_ms, fresh_s });
        }
        Ok(keys)
    }

    async fn fetch(&self) {
        let fetched = match fetch(&self.url).await {
            Ok(fetched) => fetched,
            Err(reason) => return self.keeps(&reason),
        };
        // It is later than the set that it replaces, even if that one is of an instance whose clock is a little fast.
        let after =
            self.known.borrow().as_ref().filter(|known| !known.is_of_the_future()).map_or(0, |it| it.fetched_ms + 1);
        let shared = SharedKeys { fetched_ms: now_ms().max(after), fresh_s: fetched.fresh_s, text: fetched.text };
        match self.take_into_use(&shared) {
            Ok(keys) => keys.skipped().iter().for_each(|line| eprintln!("jwt_keys_url: {line}")),
            Err(reason) => return self.keeps(reason),
        }
        let sealed = shared.seal(&self.cache_key, &self.url);
        let deadline = Deadline::of_request().at_most(REDIS_PATIENCE);
        // If this fails, the call has logged why, and the next instance fetches too.
        if redis::call(&self.redis_url, deadline, Resend::Once, &JwksPut { name: &self.name, set: &sealed })
            .await
            .is_ok()
        {
            *self.tag.borrow_mut() = shared.fetched_ms.to_string();
        }
    }

    /// Logs why the set could not be fetched, and which set stays in use.
    fn keeps(&self, reason: &str) {
        let meanwhile =
            if self.known.borrow().is_some() { "the last good set stays in use" } else { "there is no set" };
        let pause = self.rest_of_all().as_secs();
        eprintln!("jwt_keys_url: {reason}; {meanwhile}; asked again in {pause} s");
    }
}
