//! Reads the answers of scripts, and decides which problem a refusal is.

use contract::scripts::{self, FromReply, Refusal, Reply, Value};
use spin_sdk::redis::RedisResult;

use crate::{Limit, Problem};

pub(super) fn text(value: &RedisResult) -> Option<&str> {
    match value {
        RedisResult::Binary(bytes) => std::str::from_utf8(bytes).ok(),
        RedisResult::Status(status) => Some(status),
        _ => None,
    }
}

/// Reads the answer to a call.
pub fn read<A: FromReply>(values: Vec<RedisResult>) -> Result<A, Refusal> {
    reply(values).ok_or(Refusal::Unknown)?.read()
}

fn reply(values: Vec<RedisResult>) -> Option<Reply> {
    let value = |value| match value {
        RedisResult::Int64(number) => Some(Value::Int(number)),
        RedisResult::Binary(bytes) => Some(Value::Bytes(bytes)),
        RedisResult::Status(status) => Some(Value::Bytes(status.into_bytes())),
        RedisResult::Nil => None,
    };
    values.into_iter().map(value).collect::<Option<_>>().map(Reply::new)
}

/// Returns the problem of a refusal. No other code decides this. `limits` are those of the call.
#[must_use]
pub fn problem(refusal: Refusal, limits: &[scripts::Limit]) -> Problem {
    match refusal {
        Refusal::Cold => Problem::NotWarm,
        Refusal::Barred => Problem::Barred,
        Refusal::Held => Problem::Held,
        Refusal::Full => Problem::Backlogged,
        Refusal::Limited { wait_ms, which } => {
            let policy = limits.get(which).map_or((1, 1), |limit| Limit::from(*limit).policy());
            Problem::Limited { wait_ms, policy }
        }
        Refusal::Early(wait_ms) => Problem::ViewTokenEarly(wait_ms),
        Refusal::Expired => Problem::ViewTokenExpired,
        Refusal::Late => Problem::StoreUnavailable,
        Refusal::Stale | Refusal::Warm | Refusal::Unknown => {
            eprintln!("redis: {refusal}");
            Problem::StoreUnavailable
        }
    }
}

#[cfg(test)]
mod tests {
    use contract::{
        Kind,
        scripts::{Call, Gate, TakeLimit},
    };

    use super::*;

    fn call() -> TakeLimit<'static> {
        let limit = |burst| scripts::Limit { burst, interval_us: 500_000 };
        let (user, article) = ("7".parse().expect("an id"), "42".parse().expect("an id"));
        TakeLimit { kind: Kind::ALL[0], user, article, ip_hash: "", limits: [limit(20), limit(200)] }
    }

    fn answered(values: &[RedisResult]) -> Result<i64, Problem> {
        let call = call();
        read(values.to_vec()).map(|gate: Gate| gate.left).map_err(|refusal| problem(refusal, call.limits()))
    }

    #[test]
    fn an_answer_is_a_word_and_what_it_says() {
        use RedisResult::{Binary, Int64, Nil, Status};
        let word = |word: &str| Binary(word.as_bytes().to_vec());
        assert_eq!(answered(&[word("OK"), Int64(19), Int64(500)]), Ok(19));
        assert_eq!(answered(&[Status("OK".to_owned()), Int64(19), Int64(500)]), Ok(19));
        for (word, problem) in [
            (word("COLD"), Problem::NotWarm),
            (word("LATE"), Problem::StoreUnavailable),
            (word("BARRED"), Problem::Barred),
            (word("HELD"), Problem::Held),
            (word("FULL"), Problem::Backlogged),
            (word("EXPIRED"), Problem::ViewTokenExpired),
            (word("STALE"), Problem::StoreUnavailable),
        ] {
            assert_eq!(answered(&[word]), Err(problem));
        }
        assert_eq!(answered(&[word("EARLY"), Int64(7)]), Err(Problem::ViewTokenEarly(7)));
        for (which, policy) in [(1, (20, 10)), (2, (200, 100)), (3, (1, 1))] {
            let limited = [word("LIMITED"), Int64(7), Int64(which)];
            assert_eq!(answered(&limited), Err(Problem::Limited { wait_ms: 7, policy }));
        }
        for strange in [vec![], vec![word("OK")], vec![word("OK"), Nil, Int64(1)], vec![Int64(1)], vec![word("ok")]] {
            assert_eq!(answered(&strange), Err(Problem::StoreUnavailable), "{strange:?}");
        }
    }
}
