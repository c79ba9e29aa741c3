//! What scripts answer, and which problem a refusal is.

use spin_sdk::redis::RedisResult;

use crate::{Limit, LimitState, Problem};

pub(super) fn text(value: &RedisResult) -> Option<&str> {
    match value {
        RedisResult::Binary(bytes) => std::str::from_utf8(bytes).ok(),
        RedisResult::Status(status) => Some(status),
        _ => None,
    }
}

/// What a script answered: a word, then numbers.
#[derive(Debug)]
pub struct Answer(pub(super) Vec<RedisResult>);

impl Answer {
    /// The first word: `OK`, or why not.
    #[must_use]
    pub fn word(&self) -> &str {
        self.0.first().and_then(text).unwrap_or_default()
    }

    /// The number at a place, counted from 1 after the word.
    pub fn number(&self, at: usize) -> Result<i64, Problem> {
        if let Some(RedisResult::Int64(number)) = self.0.get(at) {
            return Ok(*number);
        }
        eprintln!("redis: a script answered something else than a number at {at}");
        Err(Problem::StoreUnavailable)
    }

    /// The answer if it is `OK`; else the problem that the scripts' common refusals stand for. `limits` are those that
    /// the script was given, in its order.
    pub fn accepted(self, limits: &[Limit]) -> Result<Self, Problem> {
        match self.word() {
            "OK" => Ok(self),
            "COLD" => Err(Problem::NotWarm),
            "BARRED" => Err(Problem::Barred),
            "HELD" => Err(Problem::Held),
            "FULL" => Err(Problem::Backlogged),
            "LIMITED" => {
                let which = usize::try_from(self.number(2)?).unwrap_or_default();
                let policy = limits.get(which.wrapping_sub(1)).map_or((1, 1), |limit| limit.policy());
                Err(Problem::Limited { wait_ms: self.number(1)?.try_into().unwrap_or_default(), policy })
            }
            "EARLY" => Err(Problem::ViewTokenEarly(self.number(1)?.try_into().unwrap_or_default())),
            "EXPIRED" => Err(Problem::ViewTokenExpired),
            "LATE" => Err(Problem::StoreUnavailable),
            word => {
                eprintln!("redis: a script answered {word:?}");
                Err(Problem::StoreUnavailable)
            }
        }
    }

    /// What is left of the first limit, told at `at` and the place after it.
    pub fn limit_state(&self, at: usize, limit: Limit) -> Result<LimitState, Problem> {
        Ok(LimitState {
            policy: limit.policy(),
            left: self.number(at)?,
            reset_ms: self.number(at + 1)?.try_into().unwrap_or_default(),
        })
    }
}
