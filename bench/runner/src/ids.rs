//! Who likes what, and by which token.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use contract::{ArticleId, UserId};
use stack::dev;

/// Ids as a snowflake generator makes them: 61 bits, with equal low ones.
const FIRST: i64 = 1_900_000_000_000_000_000;
const STEP: i64 = 4096;
/// Articles of one run; those of the next begin after them.
const ARTICLES_A_RUN: u64 = 1_000_000;

fn snowflake(number: u64) -> i64 {
    FIRST + i64::try_from(number).expect("figures count to millions") * STEP
}

pub(crate) fn user(number: u64) -> UserId {
    snowflake(number).to_string().parse().expect("an id")
}

/// An article that no other run of a figure has.
pub(crate) fn article(run: u64, number: u64) -> ArticleId {
    snowflake(run * ARTICLES_A_RUN + number).to_string().parse().expect("an id")
}

/// A number far from that of the number before, the same each time: draws articles or users, of which there are fewer.
pub(crate) fn scattered(number: u64) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20
}

pub(crate) fn token(number: u64) -> String {
    stack::token(&user(number).to_string())
}

/// Users of whom no store knows anything yet.
pub(crate) struct Strangers {
    next: u64,
}

impl Strangers {
    /// All after these.
    pub(crate) fn after(known: u64) -> Self {
        Self { next: known }
    }

    /// Of so many.
    pub(crate) fn tokens(&mut self, count: u64) -> Vec<String> {
        let first = self.next;
        self.next += count;
        (first..self.next).map(token).collect()
    }
}

/// The same user on a site whose ids are names.
pub(crate) fn named_token(number: u64) -> String {
    stack::token(&format!("auth0|{number:024x}"))
}

/// The same article there, as long as a UUID.
pub(crate) fn named_article(run: u64, number: u64) -> String {
    format!("{run:08x}-0000-4000-8000-{number:012x}")
}

/// The dev key as the components take it.
pub(crate) fn jwk_set() -> String {
    let key = URL_SAFE_NO_PAD.encode(dev("JWT_KEY"));
    serde_json::json!({"keys": [{"kty": "oct", "alg": "HS256", "kid": "dev", "k": key}]}).to_string()
}
