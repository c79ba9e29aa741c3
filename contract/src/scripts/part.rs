//! The parts of KEYS and ARGV.

use super::{Limit, packed};
use crate::{ArticleId, ArticleNumber, Kind, UserId, UserNumber, Version};

/// A list of parts.
pub trait Parts {
    /// A text. Ids are texts too, because Lua's numbers are doubles.
    fn text(&mut self, text: &[u8]);

    /// A number that the script computes with.
    fn number(&mut self, number: i64);
}

/// Each part is a value.
impl Parts for Vec<Vec<u8>> {
    fn text(&mut self, text: &[u8]) {
        self.push(text.to_vec());
    }

    fn number(&mut self, number: i64) {
        self.text(itoa::Buffer::new().format(number).as_bytes());
    }
}

/// All parts are in one value.
impl Parts for packed::Packed {
    fn text(&mut self, text: &[u8]) {
        self.push_text(text);
    }

    fn number(&mut self, number: i64) {
        self.push_number(number);
    }
}

/// One part, or several, at the end of KEYS or ARGV.
pub trait Part {
    /// Appends it.
    fn append(self, to: &mut impl Parts);
}

/// The list with one more part.
pub(super) fn appended<P: Parts>(mut to: P, part: impl Part) -> P {
    part.append(&mut to);
    to
}

/// Numbers that a script computes with.
macro_rules! computed {
    ($($type:ty),*) => {
        $(impl Part for $type {
            fn append(self, to: &mut impl Parts) {
                to.number(i64::try_from(self).unwrap_or(i64::MAX));
            }
        })*
    };
}

computed!(i64, u64, usize);

/// Numbers that are only compared, or are part of a key.
macro_rules! named {
    ($($type:ty),*) => {
        $(impl Part for $type {
            fn append(self, to: &mut impl Parts) {
                to.text(itoa::Buffer::new().format(self.get()).as_bytes());
            }
        })*
    };
}

named!(UserNumber, ArticleNumber);

/// Texts.
macro_rules! text {
    ($($type:ty),*) => {
        $(impl Part for $type {
            fn append(self, to: &mut impl Parts) {
                to.text(self.as_ref());
            }
        })*
    };
}

text!(&str, String, Vec<u8>);

impl Part for Kind {
    fn append(self, to: &mut impl Parts) {
        self.name().append(to);
    }
}

impl Part for &UserId {
    fn append(self, to: &mut impl Parts) {
        self.text().as_ref().append(to);
    }
}

impl Part for &ArticleId {
    fn append(self, to: &mut impl Parts) {
        self.text().as_ref().append(to);
    }
}

impl Part for Version {
    fn append(self, to: &mut impl Parts) {
        self.to_string().append(to);
    }
}

/// 1 or 0.
impl Part for bool {
    fn append(self, to: &mut impl Parts) {
        to.text(if self { b"1" } else { b"0" });
    }
}

/// Empty for none.
impl<T: Part> Part for Option<T> {
    fn append(self, to: &mut impl Parts) {
        match self {
            Some(part) => part.append(to),
            None => to.text(b""),
        }
    }
}

impl Part for Limit {
    fn append(self, to: &mut impl Parts) {
        (self.burst, self.interval_us).append(to);
    }
}

impl<A: Part, B: Part> Part for (A, B) {
    fn append(self, to: &mut impl Parts) {
        self.0.append(to);
        self.1.append(to);
    }
}

impl<T: Part + Copy> Part for &[T] {
    fn append(self, to: &mut impl Parts) {
        Each(self.iter().copied()).append(to);
    }
}

/// Every part of an iterator.
pub(super) struct Each<I>(pub(super) I);

impl<I: Iterator<Item: Part>> Part for Each<I> {
    fn append(self, to: &mut impl Parts) {
        self.0.for_each(|part| part.append(to));
    }
}
