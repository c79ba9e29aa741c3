//! The answers of scripts.

use crate::{ArticleId, Version};

/// One value of an answer, from any client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A number of Lua.
    Int(i64),
    /// A string of Lua.
    Bytes(Vec<u8>),
}

/// Why a script did nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The server's data is not known to be whole.
    #[error("the partition is not warm")]
    Cold,
    /// The deadline has passed by the server's clock.
    #[error("the call came after its deadline")]
    Late,
    /// The user may switch nothing on or off.
    #[error("the user is barred")]
    Barred,
    /// A command has the pair of user and article in hand.
    #[error("the pair is held")]
    Held,
    /// The outbox is at its high-water mark.
    #[error("the outbox is full")]
    Full,
    /// A frequency limit is used up.
    #[error("a frequency limit is used up")]
    Limited {
        /// Milliseconds until one more request passes.
        wait_ms: u64,
        /// The number of the limit in the call, from 0.
        which: usize,
    },
    /// The view is too young to be read, by so many milliseconds.
    #[error("the view is not old enough")]
    Early(u64),
    /// The view is too old, or from before the last rebuild.
    #[error("the view is too old")]
    Expired,
    /// The partition is no longer in the state that the caller expects.
    #[error("another process has taken over the partition")]
    Stale,
    /// The partition is served: another process has declared it whole.
    #[error("the partition is warm")]
    Warm,
    /// The answer has an unknown form.
    #[error("the script answered in an unknown form")]
    Unknown,
}

/// A script's answer, read from its beginning.
#[derive(Debug)]
pub struct Reply(std::vec::IntoIter<Value>);

impl Reply {
    /// An answer of these values.
    #[must_use]
    pub fn new(values: Vec<Value>) -> Self {
        Self(values.into_iter())
    }

    /// Reads what follows `OK`, or the reason for which the script did nothing.
    pub fn read<A: FromReply>(mut self) -> Result<A, Refusal> {
        match String::read(&mut self).ok_or(Refusal::Unknown)?.as_str() {
            "OK" => A::read(&mut self).ok_or(Refusal::Unknown),
            word => Err(self.refusal(word).unwrap_or(Refusal::Unknown)),
        }
    }

    fn refusal(&mut self, word: &str) -> Option<Refusal> {
        Some(match word {
            "COLD" => Refusal::Cold,
            "LATE" => Refusal::Late,
            "BARRED" => Refusal::Barred,
            "HELD" => Refusal::Held,
            "FULL" => Refusal::Full,
            "LIMITED" => {
                let (wait_ms, which) = (u64::read(self)?, u64::read(self)?);
                Refusal::Limited { wait_ms, which: usize::try_from(which).ok()?.checked_sub(1)? }
            }
            "EARLY" => Refusal::Early(u64::read(self)?),
            "EXPIRED" => Refusal::Expired,
            "STALE" => Refusal::Stale,
            "WARM" => Refusal::Warm,
            _ => return None,
        })
    }
}

/// A type that can be read from the next values of an answer.
pub trait FromReply: Sized {
    /// Reads the value. None if the values have another form.
    fn read(reply: &mut Reply) -> Option<Self>;
}

impl FromReply for () {
    fn read(_: &mut Reply) -> Option<()> {
        Some(())
    }
}

impl FromReply for i64 {
    fn read(reply: &mut Reply) -> Option<Self> {
        if let Value::Int(number) = reply.0.next()? { Some(number) } else { None }
    }
}

impl FromReply for u64 {
    fn read(reply: &mut Reply) -> Option<Self> {
        i64::read(reply)?.try_into().ok()
    }
}

impl FromReply for bool {
    fn read(reply: &mut Reply) -> Option<Self> {
        i64::read(reply).map(|flag| flag == 1)
    }
}

/// 1 or 0, or -1 for none.
impl FromReply for Option<bool> {
    fn read(reply: &mut Reply) -> Option<Self> {
        i64::read(reply).map(|flag| (flag >= 0).then_some(flag == 1))
    }
}

impl FromReply for Vec<u8> {
    fn read(reply: &mut Reply) -> Option<Self> {
        if let Value::Bytes(bytes) = reply.0.next()? { Some(bytes) } else { None }
    }
}

impl FromReply for String {
    fn read(reply: &mut Reply) -> Option<Self> {
        Self::from_utf8(Vec::read(reply)?).ok()
    }
}

impl FromReply for Version {
    fn read(reply: &mut Reply) -> Option<Self> {
        String::read(reply)?.parse().ok()
    }
}

/// Empty for none.
impl FromReply for Option<Version> {
    fn read(reply: &mut Reply) -> Option<Self> {
        let text = String::read(reply)?;
        if text.is_empty() { Some(None) } else { text.parse().ok().map(Some) }
    }
}

impl FromReply for ArticleId {
    fn read(reply: &mut Reply) -> Option<Self> {
        Self::read(&<String as FromReply>::read(reply)?).ok()
    }
}

/// Everything that is left, so a list comes last.
impl<T: FromReply> FromReply for Vec<T> {
    fn read(reply: &mut Reply) -> Option<Self> {
        let mut all = Self::new();
        while reply.0.len() > 0 {
            all.push(T::read(reply)?);
        }
        Some(all)
    }
}
