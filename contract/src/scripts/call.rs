//! What every call of a script has in common.

use super::Script;
use crate::{Partition, Version};

/// The server that a call goes to, as the caller knows it.
#[derive(Debug, Clone, Copy)]
pub struct At<'a> {
    /// The server's name: its run id and its replication's. A script compares it with the partition's warm marker.
    pub server: &'a str,
    /// When the caller stops waiting, in ms by the server's clock; none for tools that nobody waits for. Scripts that a
    /// request causes to write do nothing after it.
    pub deadline_ms: Option<i64>,
}

/// A call of a script.
pub trait Call {
    /// What the script answers when it has done its work.
    type Answer;

    /// Which script.
    const SCRIPT: Script;

    /// The partition whose server the call goes to: all its keys are of this one.
    fn partition(&self) -> Partition;

    /// KEYS and ARGV.
    fn command(&self, at: At<'_>) -> Command;

    /// The frequency limits that it charges, in the order by which [`Refusal::Limited`] names one.
    fn limits(&self) -> &[Limit] {
        &[]
    }

    /// Reads what comes after `OK`.
    fn answer(&self, reply: &mut Reply) -> Option<Self::Answer>;
}

/// KEYS and ARGV of a call, in the order that the head of the script gives.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Command {
    /// KEYS.
    pub keys: Vec<Vec<u8>>,
    /// ARGV.
    pub args: Vec<Vec<u8>>,
}

impl Command {
    pub(super) fn new(keys: impl IntoIterator<Item = String>) -> Self {
        Self { keys: keys.into_iter().map(String::into_bytes).collect(), args: Vec::new() }
    }

    pub(super) fn key(&mut self, key: String) -> &mut Self {
        self.keys.push(key.into_bytes());
        self
    }

    #[expect(clippy::needless_pass_by_value, reason = "numbers, names and texts alike, without a mark on each")]
    pub(super) fn arg(&mut self, arg: impl ToString) -> &mut Self {
        self.bytes(arg.to_string().into_bytes())
    }

    pub(super) fn bytes(&mut self, arg: Vec<u8>) -> &mut Self {
        self.args.push(arg);
        self
    }

    pub(super) fn server(&mut self, at: At<'_>) -> &mut Self {
        self.arg(at.server)
    }

    pub(super) fn deadline(&mut self, at: At<'_>) -> &mut Self {
        self.arg(at.deadline_ms.map(|ms| ms.to_string()).unwrap_or_default())
    }
}

/// A frequency limit as the scripts take it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// How many requests pass at once.
    pub burst: i64,
    /// Microseconds between requests after the burst.
    pub interval_us: i64,
}

/// One value of an answer, whichever client it came by.
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
    /// The pair of user and article is being looked into.
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
        /// Which of the call's limits, from 0.
        which: usize,
    },
    /// The view is not old enough to be read, by so many milliseconds.
    #[error("the view is not old enough")]
    Early(u64),
    /// The view is too old, or from before the last rebuild.
    #[error("the view is too old")]
    Expired,
    /// The partition is not, or no longer, what the caller takes it for.
    #[error("another process has taken over the partition")]
    Stale,
    /// The partition is served: somebody else has declared it whole.
    #[error("the partition is warm")]
    Warm,
    /// The answer is of none of these forms.
    #[error("the script answered in an unknown form")]
    Unknown,
}

/// A script's answer, read from its beginning.
#[derive(Debug)]
pub struct Reply(std::vec::IntoIter<Value>);

impl Reply {
    /// Of these values, in their order.
    #[must_use]
    pub fn new(values: Vec<Value>) -> Self {
        Self(values.into_iter())
    }

    /// The answer to a call, or why it did nothing.
    pub fn read<C: Call>(mut self, call: &C) -> Result<C::Answer, Refusal> {
        self.check()?;
        call.answer(&mut self).ok_or(Refusal::Unknown)
    }

    /// Whether a call did its work, or why it did nothing, where that is all to know.
    pub fn accepted(mut self) -> Result<(), Refusal> {
        self.check()
    }

    fn check(&mut self) -> Result<(), Refusal> {
        match self.text().ok_or(Refusal::Unknown)?.as_str() {
            "OK" => Ok(()),
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
                let wait_ms = self.int()?.try_into().ok()?;
                Refusal::Limited { wait_ms, which: usize::try_from(self.int()?).ok()?.checked_sub(1)? }
            }
            "EARLY" => Refusal::Early(self.int()?.try_into().ok()?),
            "EXPIRED" => Refusal::Expired,
            "STALE" => Refusal::Stale,
            "WARM" => Refusal::Warm,
            _ => return None,
        })
    }

    /// The next value, a number.
    pub fn int(&mut self) -> Option<i64> {
        match self.0.next()? {
            Value::Int(number) => Some(number),
            Value::Bytes(_) => None,
        }
    }

    /// The next value, a number that is not negative.
    pub fn count(&mut self) -> Option<u64> {
        self.int()?.try_into().ok()
    }

    /// The next value, 1 or 0.
    pub fn flag(&mut self) -> Option<bool> {
        self.int().map(|flag| flag == 1)
    }

    /// The next value, bytes.
    pub fn bytes(&mut self) -> Option<Vec<u8>> {
        match self.0.next()? {
            Value::Bytes(bytes) => Some(bytes),
            Value::Int(_) => None,
        }
    }

    /// The next value, a text.
    pub fn text(&mut self) -> Option<String> {
        String::from_utf8(self.bytes()?).ok()
    }

    /// The next value, the id of an entry of an outbox.
    pub fn version(&mut self) -> Option<Version> {
        self.text()?.parse().ok()
    }

    /// So many values, each read by `one`.
    pub fn times<T>(&mut self, count: usize, one: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let mut one = one;
        (0..count).map(|_| one(self)).collect()
    }

    /// How many values are left.
    #[must_use]
    pub fn left(&self) -> usize {
        self.0.len()
    }
}

/// The arguments of EVALSHA, or of EVAL if `text`: the script, the number of keys, the keys, the arguments.
pub fn send<C: Call>(call: &C, at: At<'_>, text: bool) -> impl Iterator<Item = Vec<u8>> {
    let Command { keys, args } = call.command(at);
    let script = if text { C::SCRIPT.source } else { C::SCRIPT.sha };
    let head = [script.as_bytes().to_vec(), keys.len().to_string().into_bytes()];
    head.into_iter().chain(keys).chain(args)
}
