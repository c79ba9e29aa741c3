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

/// How long nobody asks the provider again, whatever it answered.
const REST: Duration = Duration::from_secs(30);

/// How long Redis may take: the set can be fetched without it.
const REDIS_PATIENCE: Duration = Duration::from_millis(300);

/// When an instance whose keys do not suffice looks again whether another has fetched some, in ms after the look before:
/// for as long as a fetch may take.
const LOOKS: [u64; 8] = [25, 25, 50, 100, 200, 400, 600, 800];

/// How often an instance looks whether one of its own requests has fetched.
const LOCAL_LOOK: Duration = Duration::from_millis(20);

/// The key set of a provider, fetched from its URL and shared between instances through Redis.
pub(crate) struct Remote {
    url: String,
    /// Seals what is shared.
    cache_key: String,
    /// What the shared set is called.
    name: String,
    redis_url: String,
    known: RefCell<Option<Known>>,
    /// The tag of the set that is in Redis, whether or not it could be used.
    tag: RefCell<String>,
    /// Whether a request of this instance is looking for another set.
    busy: Cell<bool>,
    /// Until when no request looks.
    rests_until: Cell<Option<Instant>>,
}

/// The set that is in use.
struct Known {
    keys: Rc<KeySet>,
    fetched_ms: u64,
    fresh_s: u64,
}

impl Known {
    /// Also not if it was fetched later than now: then one of two clocks was wrong, and nobody knows by how much.
    fn is_fresh(&self) -> bool {
        let now = now_ms();
        now < self.fetched_ms.saturating_add(self.fresh_s.saturating_mul(1000)) && self.fetched_ms < now + 60_000
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Marks an instance as looking for another set, for as long as it lives.
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
    /// At that URL; shared, sealed by the key, through that Redis.
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

    /// The keys in use. A request waits only where there are none; else outdated ones serve it, and the next ones are looked
    /// for after its answer.
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

    /// Other keys than those, for a token whose key is not among them; none if there are no others.
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

    /// Looks for a set that this instance does not know: in Redis; and if none is there and it is this instance's turn, at
    /// the provider.
    async fn renew(&self) {
        if self.busy.get() {
            let deadline = Deadline::after(fetch::PATIENCE + REDIS_PATIENCE);
            while self.busy.get() && !deadline.left().is_zero() {
                sleep(LOCAL_LOOK).await;
            }
        } else if self.may_renew() {
            let _busy = Busy::new(&self.busy);
            if self.takes_turn().await {
                self.rest(REST);
                self.fetch().await;
            }
        }
    }

    /// Adopts the shared set if it is another than this instance knows. Whether it is this instance that is to fetch one,
    /// because the shared one does not suffice: an instance that knew none is content with an outdated one.
    async fn takes_turn(&self) -> bool {
        let lasts_ms = u64::try_from(REST.as_millis()).unwrap_or(u64::MAX);
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
                // Whoever has the turn has fetched by now, in vain.
                self.rest(Duration::from_millis(taken.turn.wait_ms));
                return false;
            } else {
                // It may be fetching now.
                sleep(Duration::from_millis(pause)).await;
            }
        }
        false
    }

    /// Takes the set into use that Redis has, if this service made it.
    fn adopt(&self, sealed: &str) {
        let tag = sealed.split(':').next().unwrap_or_default();
        tag.clone_into(&mut self.tag.borrow_mut());
        let shared = SharedKeys::open(&self.cache_key, &self.url, sealed);
        if shared.is_none_or(|shared| self.take_into_use(&shared).is_err()) {
            eprintln!("jwt_keys_url: the key set in Redis was not made by this service, and is not used");
        }
    }

    /// Unless a later one is in use.
    fn take_into_use(&self, shared: &SharedKeys) -> Result<Rc<KeySet>, &'static str> {
        let keys = KeySet::parse(&shared.text)?;
        if keys.is_empty() {
            return Err("no key in it can be used");
        }
        let keys = Rc::new(keys);
        let mut known = self.known.borrow_mut();
        if known.as_ref().is_none_or(|known| known.fetched_ms < shared.fetched_ms) {
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
        let shared = SharedKeys { fetched_ms: now_ms(), fresh_s: fetched.fresh_s, text: fetched.text };
        match self.take_into_use(&shared) {
            Ok(keys) => keys.skipped().iter().for_each(|line| eprintln!("jwt_keys_url: {line}")),
            Err(reason) => return self.keeps(reason),
        }
        let sealed = shared.seal(&self.cache_key, &self.url);
        let deadline = Deadline::of_request().at_most(REDIS_PATIENCE);
        // In vain while Redis is down, as its own log says: then the next instance fetches too.
        if redis::call(&self.redis_url, deadline, Resend::Once, &JwksPut { name: &self.name, set: &sealed })
            .await
            .is_ok()
        {
            *self.tag.borrow_mut() = shared.fetched_ms.to_string();
        }
    }

    /// Says why the set could not be fetched, and what is done.
    fn keeps(&self, reason: &str) {
        let meanwhile =
            if self.known.borrow().is_some() { "the last good set stays in use" } else { "there is no set" };
        eprintln!("jwt_keys_url: {reason}; {meanwhile}; asked again in 30 s");
    }
}
