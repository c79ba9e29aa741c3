//! The state of a call between two attempts to make it.

use contract::scripts::Refusal;

/// What to do if a kept connection breaks and nobody knows whether the call arrived.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Resend {
    /// Send the call again over a new connection, once: a second call changes nothing.
    Once,
    /// Do not send the call again: it would count twice.
    Never,
}

/// The state of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// The call is to be sent. Nothing has been done so far. The failure is the answer if the call cannot be sent any
    /// more.
    Waiting(Failure),
    /// The call is to be sent again, though the server may have carried it out: the connection broke before the answer
    /// came.
    Doubtful,
    /// The call is over.
    Done(Result<(), Failure>),
}

/// Why a call has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// The script refused the call, and nothing was done.
    Refused(Refusal),
    /// Nobody knows what the script would answer, or has answered.
    Unavailable,
}

/// The outcome of one attempt.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The script did its work.
    Answered,
    /// The script refused.
    Refused(Refusal),
    /// The script refused, perhaps only because this connection's name or clock of the server is outdated.
    Outdated(Refusal),
    /// Another server of the cluster has the partition. Nothing was done.
    Moved,
    /// The server itself refused. The connection is good: a new one would get the same refusal and add load.
    Rejected,
    /// The connection broke before an answer came.
    Broken,
    /// No answer came while the request waited.
    #[default]
    Silent,
    /// There was no connection over which to send the call.
    Unreachable,
}

impl Default for State {
    fn default() -> Self {
        Self::Waiting(Failure::Unavailable)
    }
}

impl State {
    /// Whether the call is to be sent.
    pub(super) fn is_open(self) -> bool {
        !matches!(self, Self::Done(_))
    }

    /// Returns the result of the call, if nothing more comes.
    pub(super) fn result(self) -> Result<(), Failure> {
        match self {
            Self::Waiting(failure) => Err(failure),
            Self::Doubtful => Err(Failure::Unavailable),
            Self::Done(result) => result,
        }
    }

    /// Returns the state after an attempt. `kept` means that the connection was made before this request, so it may
    /// have been broken or outdated all along. If a new connection fails, there is nothing better to try.
    pub(super) fn after(self, outcome: Outcome, kept: bool, resend: Resend) -> Self {
        match outcome {
            Outcome::Answered => Self::Done(Ok(())),
            // This attempt did nothing, and a new connection may know better.
            Outcome::Outdated(refusal) if kept => match self {
                Self::Waiting(_) => Self::Waiting(Failure::Refused(refusal)),
                other => other,
            },
            // The first attempt may have succeeded, so this refusal proves nothing.
            Outcome::Outdated(_) | Outcome::Refused(_) if self == Self::Doubtful => Self::unavailable(),
            Outcome::Outdated(refusal) | Outcome::Refused(refusal) => Self::Done(Err(Failure::Refused(refusal))),
            Outcome::Moved => self,
            Outcome::Broken if kept && resend == Resend::Once => Self::Doubtful,
            Outcome::Broken | Outcome::Rejected | Outcome::Silent => Self::unavailable(),
            Outcome::Unreachable => Self::Done(self.result()),
        }
    }

    fn unavailable() -> Self {
        Self::Done(Err(Failure::Unavailable))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEPT: bool = true;
    const NEW: bool = false;

    fn after(attempts: &[(Outcome, bool)], resend: Resend) -> State {
        attempts.iter().fold(State::default(), |state, (outcome, kept)| {
            assert!(state.is_open(), "{attempts:?}: a call that is over is not sent");
            state.after(*outcome, *kept, resend)
        })
    }

    const COLD: Refusal = Refusal::Cold;
    const REFUSED: State = State::Done(Err(Failure::Refused(COLD)));
    const UNAVAILABLE: State = State::Done(Err(Failure::Unavailable));
    const DONE: State = State::Done(Ok(()));

    #[test]
    fn an_answer_is_final() {
        for kept in [KEPT, NEW] {
            for resend in [Resend::Once, Resend::Never] {
                assert_eq!(after(&[(Outcome::Answered, kept)], resend), DONE);
                assert_eq!(after(&[(Outcome::Refused(COLD), kept)], resend), REFUSED);
                assert_eq!(after(&[(Outcome::Rejected, kept)], resend), UNAVAILABLE);
                assert_eq!(after(&[(Outcome::Silent, kept)], resend), UNAVAILABLE);
                assert_eq!(after(&[(Outcome::Unreachable, kept)], resend), UNAVAILABLE);
            }
        }
    }

    #[test]
    fn a_call_follows_its_partition() {
        for resend in [Resend::Once, Resend::Never] {
            assert_eq!(after(&[(Outcome::Moved, KEPT)], resend), State::default());
            assert_eq!(after(&[(Outcome::Moved, KEPT), (Outcome::Moved, NEW), (Outcome::Answered, NEW)], resend), DONE);
        }
    }

    #[test]
    fn a_broken_connection_that_was_kept_is_tried_again_unless_the_call_would_count_twice() {
        assert_eq!(after(&[(Outcome::Broken, KEPT)], Resend::Once), State::Doubtful);
        assert_eq!(after(&[(Outcome::Broken, KEPT), (Outcome::Answered, NEW)], Resend::Once), DONE);
        assert_eq!(after(&[(Outcome::Broken, KEPT)], Resend::Never), UNAVAILABLE);
        assert_eq!(after(&[(Outcome::Broken, NEW)], Resend::Once), UNAVAILABLE, "a new one was as broken");
        assert_eq!(after(&[(Outcome::Broken, KEPT), (Outcome::Broken, NEW)], Resend::Once), UNAVAILABLE);
    }

    #[test]
    fn after_a_doubtful_call_no_refusal_proves_anything() {
        for second in [
            Outcome::Refused(COLD),
            Outcome::Outdated(COLD),
            Outcome::Refused(Refusal::Limited { wait_ms: 1, which: 0 }),
            Outcome::Rejected,
            Outcome::Silent,
            Outcome::Unreachable,
        ] {
            assert_eq!(after(&[(Outcome::Broken, KEPT), (second, NEW)], Resend::Once), UNAVAILABLE, "{second:?}");
        }
        for second in [Outcome::Moved, Outcome::Outdated(COLD)] {
            let doubtful = after(&[(Outcome::Broken, KEPT), (second, KEPT)], Resend::Once);
            assert_eq!(doubtful, State::Doubtful, "{second:?}");
        }
        assert_eq!(State::Doubtful.result(), Err(Failure::Unavailable));
    }

    #[test]
    fn a_refusal_by_an_outdated_connection_is_checked_by_a_new_one() {
        for refusal in [COLD, Refusal::Late] {
            for resend in [Resend::Once, Resend::Never] {
                let outdated = (Outcome::Outdated(refusal), KEPT);
                let refused = Err(Failure::Refused(refusal));
                assert!(after(&[outdated], resend).is_open());
                assert_eq!(after(&[outdated, (Outcome::Answered, NEW)], resend), DONE);
                assert_eq!(after(&[outdated, (Outcome::Outdated(refusal), NEW)], resend), State::Done(refused));
                assert_eq!(after(&[(Outcome::Outdated(refusal), NEW)], resend), State::Done(refused));
                assert_eq!(after(&[outdated, (Outcome::Unreachable, NEW)], resend), State::Done(refused));
                // The attempt over the new connection may have succeeded.
                assert_eq!(after(&[outdated, (Outcome::Silent, NEW)], resend), UNAVAILABLE);
                assert_eq!(after(&[outdated, (Outcome::Broken, NEW)], resend), UNAVAILABLE);
            }
        }
    }
}
