use std::{
    cell::{Cell, RefCell},
    slice,
};

use contract::{
    Partition,
    scripts::{self, At, Call, Refusal},
};
use spin_sdk::redis::{RedisParameter, RedisResult};

use super::{
    answer::{problem, read},
    attempt::run,
    pending::Pending,
    state::{Failure, Resend, State},
};
use crate::{Deadline, Problem};

/// Calls a script.
pub async fn call<C: Call>(url: &str, deadline: Deadline, resend: Resend, call: &C) -> Result<C::Answer, Problem> {
    let calls = Calls::new(slice::from_ref(call));
    calls.send(url, deadline, resend).await;
    calls.answers().pop().unwrap_or(Err(Problem::StoreUnavailable))
}

/// Calls of one script, which are sent at once. Each answer is available as soon as it has come, whatever the others
/// do.
pub struct Calls<'a, C: Call>(Vec<Sent<'a, C>>);

/// A call, its state and its answer.
struct Sent<'a, C: Call> {
    call: &'a C,
    state: Cell<State>,
    answer: RefCell<Option<C::Answer>>,
}

impl<'a, C: Call> Calls<'a, C> {
    /// Calls that are still to be sent.
    #[must_use]
    pub fn new(calls: &'a [C]) -> Self {
        let sent = |call| Sent { call, state: Cell::default(), answer: RefCell::default() };
        Self(calls.iter().map(sent).collect())
    }

    /// Sends the calls, over one connection to each server concerned. Ends when each call has its answer or is given
    /// up, at the latest at the deadline. The caller may drop the future before.
    pub async fn send(&self, url: &str, deadline: Deadline, resend: Resend) {
        let calls: Vec<&dyn Pending> = self.0.iter().map(|sent| sent as &dyn Pending).collect();
        run(url, deadline, resend, &calls).await;
    }

    /// Looks at each call, with its answer as far as it has come.
    pub fn each(&self, mut look: impl FnMut(&'a C, Option<&C::Answer>)) {
        for Sent { call, answer, .. } in &self.0 {
            look(call, answer.borrow().as_ref());
        }
    }

    /// Returns the answer to each call, as far as it has come.
    #[must_use]
    pub fn answers(self) -> Vec<Result<C::Answer, Problem>> {
        let answer = |Sent { call, state, answer }: Sent<'_, C>| match state.get().result() {
            Ok(()) => answer.into_inner().ok_or(Problem::StoreUnavailable),
            Err(Failure::Refused(refusal)) => Err(problem(refusal, call.limits())),
            Err(Failure::Unavailable) => Err(Problem::StoreUnavailable),
        };
        self.0.into_iter().map(answer).collect()
    }
}

impl<C: Call> Pending for Sent<'_, C> {
    fn partition(&self) -> Partition {
        self.call.partition()
    }

    fn state(&self) -> &Cell<State> {
        &self.state
    }

    fn parameters(&self, at: At<'_>, text: bool) -> Vec<RedisParameter> {
        scripts::send(self.call, at, text).map(RedisParameter::Binary).collect()
    }

    fn receive(&self, values: Vec<RedisResult>) -> Result<(), Refusal> {
        *self.answer.borrow_mut() = Some(read(values)?);
        Ok(())
    }
}
