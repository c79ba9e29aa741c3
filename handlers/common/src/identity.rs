//! Identifies callers by the tokens that they send.

mod fetch;
mod key_set;
mod remote;
mod rules;
mod sealed;
mod token;

use std::{
    cell::Cell,
    rc::Rc,
    time::{Duration, Instant},
};

use contract::{
    UserId, keys,
    scripts::{TakeTurn, Turn},
};

pub use self::{key_set::KeySet, rules::Rules, sealed::SharedKeys};
use self::{
    remote::Remote,
    token::{Token, bearer},
};
use crate::{
    Deadline, Headers, Problem, TokenFault, config,
    redis::{self, Resend},
    seal,
};

/// How often all instances together log which keys of a fixed set cannot be used.
const SAID: Duration = Duration::from_hours(1);

/// How often each instance logs why tokens are refused.
const MINUTE: Duration = Duration::from_mins(1);

/// The keys that verify users' tokens, and the rules for what a token must say.
pub struct Identity {
    rules: Rules,
    keys: Source,
    redis_url: String,
    /// Whether this instance is done with logging the keys that cannot be used, because it or another instance has
    /// logged them.
    said: Cell<bool>,
    /// When each [`TokenFault`] was last logged.
    refused: [Cell<Option<Instant>>; TokenFault::COUNT],
}

/// Where the keys come from.
enum Source {
    /// `jwt_keys`
    Fixed(Rc<KeySet>),
    /// `jwt_keys_url`
    Remote(Rc<Remote>),
}

/// How a component identifies its callers.
pub trait Identifies: Sized + 'static {
    /// Reads the component's variables.
    fn load() -> impl Future<Output = Result<Self, Problem>>;

    /// Returns the caller, if it says who it is. A token that does not verify is an error, even where none is needed.
    fn caller(&self, headers: &dyn Headers) -> impl Future<Output = Result<Option<UserId>, Problem>>;
}

/// Identifies nobody: all callers get the same answers.
impl Identifies for () {
    async fn load() -> Result<(), Problem> {
        Ok(())
    }

    async fn caller(&self, _: &dyn Headers) -> Result<Option<UserId>, Problem> {
        Ok(None)
    }
}

impl Identifies for Identity {
    /// Reads the variables that begin with `jwt_`.
    async fn load() -> Result<Self, Problem> {
        let text = async |name| config::setting::<String>(name).await;
        let rules = Rules::new(
            &text("jwt_issuers").await?,
            &text("jwt_audiences").await?,
            &text("jwt_audience_claims").await?,
            &text("jwt_user_claim").await?,
        );
        let rules = rules.map_err(|name| wrong(name, "it is empty"))?;
        let (fixed, url, redis_url) = (text("jwt_keys").await?, text("jwt_keys_url").await?, text("redis_url").await?);
        let set = if fixed.trim().is_empty() { None } else { Some(KeySet::parse(&fixed)) };
        let keys = match (set, url.trim()) {
            (None, "") => return Err(wrong("jwt_keys", "set this or jwt_keys_url")),
            (Some(set), "") => Source::Fixed(Rc::new(set.map_err(|reason| wrong("jwt_keys", reason))?)),
            (Some(Ok(set)), url) if set.is_blank() => Self::remote(url, &redis_url).await?,
            (Some(_), _) => return Err(wrong("jwt_keys", "set this or jwt_keys_url, not both")),
            (None, url) => Self::remote(url, &redis_url).await?,
        };
        Ok(Self { rules, keys, redis_url, said: Cell::default(), refused: Default::default() })
    }

    async fn caller(&self, headers: &dyn Headers) -> Result<Option<UserId>, Problem> {
        let verified = async {
            let Some(text) = bearer(headers)? else { return Ok(None) };
            let token = Token::read(&text)?;
            Ok(Some(self.verify(&token).await?))
        };
        match verified.await {
            Ok(user) => Ok(user),
            Err(Refused::Token(fault)) => {
                self.say(fault);
                Err(Problem::TokenInvalid(fault))
            }
            Err(Refused::Other(problem)) => Err(problem),
        }
    }
}

impl Identity {
    async fn remote(url: &str, redis_url: &str) -> Result<Source, Problem> {
        if !(url.starts_with("https://") || url.starts_with("http://")) {
            return Err(wrong("jwt_keys_url", "it is no http:// or https:// URL"));
        }
        let cache_key = config::secret("jwt_cache_key").await?;
        Ok(Source::Remote(Rc::new(Remote::new(url.to_owned(), cache_key, redis_url.to_owned()))))
    }

    async fn verify(&self, token: &Token<'_>) -> Result<UserId, Refused> {
        match &self.keys {
            Source::Fixed(keys) => {
                self.say_skipped(keys).await;
                if keys.is_empty() {
                    return Err(Refused::Other(Problem::Misconfigured));
                }
                Ok(self.rules.user(token, keys)?)
            }
            Source::Remote(remote) => {
                let mut keys = remote.keys().await.map_err(Refused::Other)?;
                let mut user = self.rules.user(token, &keys);
                // The set that another instance has shared may lack the key, too. Then the second look fetches one.
                for _ in 0..2 {
                    if user == Err(TokenFault::UnknownKey)
                        && let Some(others) = remote.others(&keys).await
                    {
                        keys = others;
                        user = self.rules.user(token, &keys);
                    }
                }
                Ok(user?)
            }
        }
    }

    /// Logs which keys cannot be used. There are many instances and they are short-lived, so only one of them logs it.
    /// If no key can be used, every instance logs that.
    async fn say_skipped(&self, set: &KeySet) {
        if self.said.replace(true) || (set.skipped().is_empty() && !set.is_empty()) {
            return;
        }
        let lines = set.skipped().join("\n");
        let turn = keys::jwks_log(&seal::keyed_hash("", &lines));
        let lasts_ms = u64::try_from(SAID.as_millis()).unwrap_or(u64::MAX);
        let deadline = Deadline::of_request().at_most(Duration::from_millis(300));
        let call = TakeTurn { turn: &turn, lasts_ms };
        let turn = redis::call(&self.redis_url, deadline, Resend::Never, &call).await;
        if matches!(turn, Ok(Turn { taken: true, .. })) {
            set.skipped().iter().for_each(|line| eprintln!("variable jwt_keys: {line}"));
        }
        if set.is_empty() {
            eprintln!("variable jwt_keys: no key can be used, so no token is accepted");
        }
    }

    /// Logs why a token was refused, without the token.
    fn say(&self, fault: TokenFault) {
        let last = &self.refused[fault as usize];
        if last.get().is_none_or(|last| last.elapsed() >= MINUTE) {
            last.set(Some(Instant::now()));
            eprintln!("token refused: {} ({})", fault.summary(), fault.hint());
        }
    }
}

/// Why there is no user.
enum Refused {
    Token(TokenFault),
    Other(Problem),
}

impl From<TokenFault> for Refused {
    fn from(fault: TokenFault) -> Self {
        Self::Token(fault)
    }
}

fn wrong(name: &str, reason: &str) -> Problem {
    eprintln!("variable {name}: {reason}");
    Problem::Misconfigured
}
