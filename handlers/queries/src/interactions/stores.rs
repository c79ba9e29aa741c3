//! Decides which store is asked when.

use std::{pin::pin, time::Duration};

use futures::future::{Either, select};

/// How long Redis is given before MySQL is asked too.
const REDIS_ALONE: Duration = Duration::from_millis(100);

/// How long MySQL's answer waits for Redis, whose answer is newer.
const FOR_REDIS: Duration = Duration::from_millis(200);

/// Asks Redis, and asks MySQL for what Redis leaves open. Returns MySQL's answer if it was needed and came.
///
/// `redis` ends when each of its calls has an answer or has failed. `complete` says whether nothing is open at that
/// moment. Both stores end by the request's deadline. After the waits above, the request waits for whichever store
/// answers: without either answer it has none.
pub(crate) async fn redis_first<T>(
    redis: impl Future<Output = ()>,
    complete: impl Fn() -> bool,
    mysql: impl AsyncFnOnce() -> Option<T>,
    sleep: impl AsyncFn(Duration),
) -> Option<T> {
    let mut redis = pin!(redis);
    let ended = matches!(select(redis.as_mut(), pin!(sleep(REDIS_ALONE))).await, Either::Left(_));
    if complete() {
        return None;
    }
    let mysql = pin!(mysql());
    if ended {
        return mysql.await;
    }
    match select(redis, mysql).await {
        Either::Left(((), _)) if complete() => None,
        Either::Left(((), mysql)) => mysql.await,
        Either::Right((Some(answer), redis)) => {
            select(redis, pin!(sleep(FOR_REDIS))).await;
            Some(answer)
        }
        Either::Right((None, redis)) => {
            redis.await;
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        cell::Cell,
        future::poll_fn,
        task::{Context, Poll, Waker},
    };

    use super::*;

    thread_local! {
        /// Milliseconds since the request began.
        static NOW: Cell<u64> = const { Cell::new(0) };
    }

    async fn wait(ms: u64) {
        let at = NOW.get() + ms;
        poll_fn(|_| if NOW.get() >= at { Poll::Ready(()) } else { Poll::Pending }).await;
    }

    /// A store that answers, or fails, after so many ms.
    #[derive(Clone, Copy)]
    enum Store {
        Answers(u64),
        Fails(u64),
    }
    use Store::{Answers, Fails};

    /// Returns whether MySQL was asked, whether the answer is MySQL's, and when it was given.
    fn request(redis: Store, mysql: Store) -> (bool, bool, u64) {
        NOW.set(0);
        let (answered, asked) = (Cell::new(false), Cell::new(false));
        let from_redis = async {
            let (Answers(ms) | Fails(ms)) = redis;
            wait(ms).await;
            answered.set(matches!(redis, Answers(_)));
        };
        let from_mysql = async || {
            asked.set(true);
            let (Answers(ms) | Fails(ms)) = mysql;
            wait(ms).await;
            matches!(mysql, Answers(_)).then_some(())
        };
        let sleep = async |patience: Duration| wait(patience.as_millis().try_into().expect("short")).await;
        let mut request = pin!(redis_first(from_redis, || answered.get(), from_mysql, sleep));
        loop {
            if let Poll::Ready(mysqls) = request.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                return (asked.get(), mysqls.is_some(), NOW.get());
            }
            NOW.set(NOW.get() + 1);
        }
    }

    const NOT_ASKED: bool = false;
    const ASKED: bool = true;
    const REDIS: bool = false;
    const MYSQL: bool = true;

    #[test]
    fn while_redis_answers_mysql_is_not_asked() {
        for ms in [0, 5, 99] {
            assert_eq!(request(Answers(ms), Answers(1)), (NOT_ASKED, REDIS, ms));
        }
    }

    #[test]
    fn what_redis_cannot_answer_mysql_is_asked_at_once() {
        assert_eq!(request(Fails(0), Answers(3)), (ASKED, MYSQL, 3));
        assert_eq!(request(Fails(40), Answers(1500)), (ASKED, MYSQL, 1540));
        assert_eq!(request(Fails(40), Fails(3)), (ASKED, REDIS, 43));
    }

    #[test]
    fn a_slow_redis_gets_200_ms_more_than_mysql() {
        assert_eq!(request(Answers(2000), Answers(7)), (ASKED, MYSQL, 100 + 7 + 200));
        assert_eq!(request(Fails(2000), Answers(7)), (ASKED, MYSQL, 100 + 7 + 200));
        let (asked, _, at) = request(Answers(150), Answers(7));
        assert_eq!((asked, at), (ASKED, 150));
    }

    #[test]
    fn a_slow_redis_need_not_wait_for_mysql() {
        assert_eq!(request(Answers(150), Answers(500)), (ASKED, REDIS, 150));
    }

    #[test]
    fn either_store_is_enough() {
        assert_eq!(request(Answers(1900), Fails(3)), (ASKED, REDIS, 1900));
        assert_eq!(request(Fails(1000), Answers(1800)), (ASKED, MYSQL, 1900));
        assert_eq!(request(Fails(1990), Fails(1000)), (ASKED, REDIS, 1990));
    }
}
