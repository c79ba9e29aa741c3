use std::{
    future::poll_fn,
    mem,
    pin::pin,
    task::Poll,
    time::{Duration, Instant},
};

use futures::future::{Either, select};

/// How long a request waits for its stores in total.
const PATIENCE: Duration = Duration::from_secs(2);

/// When a request stops waiting. Spin sets no time-out on Redis or MySQL, so every call is raced against this deadline.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    began: Instant,
    at: Instant,
    /// Whether it is earlier than the request's. Passing it says nothing about the connection: a store may need longer.
    early: bool,
    /// Whether another timer of the request fires before it.
    second: bool,
}

impl Deadline {
    /// The deadline of a request that begins now.
    #[must_use]
    pub fn of_request() -> Self {
        Self::after(PATIENCE)
    }

    /// Returns a deadline for something other than a store.
    #[must_use]
    pub fn after(patience: Duration) -> Self {
        let began = Instant::now();
        Self { began, at: began + patience, early: false, second: false }
    }

    /// Returns an earlier deadline, for something that the request can do without.
    #[must_use]
    pub fn at_most(self, patience: Duration) -> Self {
        Self { at: self.at.min(Instant::now() + patience), early: true, second: false, ..self }
    }

    /// Returns the same deadline, for waiting beside an earlier timer of the request. That timer polls everything
    /// again, so no timer of this deadline is set before. A timer costs as much as a twentieth of a read.
    #[must_use]
    pub fn after_another(self) -> Self {
        Self { second: true, ..self }
    }

    /// When the waiting began.
    #[must_use]
    pub fn began(self) -> Instant {
        self.began
    }

    /// Whether this deadline is earlier than the request's.
    #[must_use]
    pub fn is_early(self) -> bool {
        self.early
    }

    /// The time left; zero once the deadline has passed.
    #[must_use]
    pub fn left(self) -> Duration {
        self.at.saturating_duration_since(Instant::now())
    }

    /// Returns the deadline by the clock of a store, which showed `store_ms` at `learned`.
    ///
    /// `learned` is taken after the store's answer came, so the result is never later than the true deadline. A store
    /// that compares it with its clock never does what the request has given up.
    #[must_use]
    pub fn by_clock(self, learned: Instant, store_ms: i64) -> i64 {
        let ahead = self.at.saturating_duration_since(learned).as_millis();
        store_ms.saturating_add(i64::try_from(ahead).unwrap_or(i64::MAX))
    }

    /// Like [`Self::race`], for the calls of a request. A function of its own, because each kind of work has its own
    /// copy of `race`.
    pub(crate) async fn race_calls<T>(self, work: impl Future<Output = T> + Unpin) -> Option<T> {
        let mut work = work;
        if self.second {
            if let Poll::Ready(done) = poll_fn(|context| Poll::Ready(pin!(&mut work).poll(context))).await {
                return Some(done);
            }
            let mut again = false;
            poll_fn(|_| if mem::replace(&mut again, true) { Poll::Ready(()) } else { Poll::Pending }).await;
            if let Poll::Ready(done) = poll_fn(|context| Poll::Ready(pin!(&mut work).poll(context))).await {
                return Some(done);
            }
        }
        self.race(work).await
    }

    /// Waits for `work` until the deadline. `None` if the deadline passed first.
    pub async fn race<T>(self, work: impl Future<Output = T>) -> Option<T> {
        let (work, timer) = (pin!(work), pin!(spin_sdk::time::sleep(self.left())));
        match select(work, timer).await {
            Either::Left((done, _)) => Some(done),
            Either::Right(_) => None,
        }
    }
}
