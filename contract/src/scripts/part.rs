//! What can be a part of KEYS or ARGV.

use super::Limit;
use crate::{ArticleId, ArticleNumber, Kind, UserId, UserNumber, Version};

/// One value, or several, at the end of KEYS or ARGV.
pub trait Part {
    /// Appends it.
    fn append(self, to: &mut Vec<Vec<u8>>);
}

macro_rules! printed {
    ($($type:ty),*) => {
        $(impl Part for $type {
            fn append(self, to: &mut Vec<Vec<u8>>) {
                to.push(self.to_string().into_bytes());
            }
        })*
    };
}

printed!(&str, i64, u64, usize, Kind, &UserId, &ArticleId, UserNumber, ArticleNumber, Version);

/// 1 or 0.
impl Part for bool {
    fn append(self, to: &mut Vec<Vec<u8>>) {
        to.push(vec![b'0' + u8::from(self)]);
    }
}

impl Part for String {
    fn append(self, to: &mut Vec<Vec<u8>>) {
        to.push(self.into_bytes());
    }
}

impl Part for Vec<u8> {
    fn append(self, to: &mut Vec<Vec<u8>>) {
        to.push(self);
    }
}

/// Empty for none.
impl<T: Part> Part for Option<T> {
    fn append(self, to: &mut Vec<Vec<u8>>) {
        match self {
            Some(part) => part.append(to),
            None => to.push(Vec::new()),
        }
    }
}

impl Part for Limit {
    fn append(self, to: &mut Vec<Vec<u8>>) {
        (self.burst, self.interval_us).append(to);
    }
}

impl<A: Part, B: Part> Part for (A, B) {
    fn append(self, to: &mut Vec<Vec<u8>>) {
        self.0.append(to);
        self.1.append(to);
    }
}

impl<T: Part + Copy> Part for &[T] {
    fn append(self, to: &mut Vec<Vec<u8>>) {
        Each(self.iter().copied()).append(to);
    }
}

/// Every part of an iterator.
pub(super) struct Each<I>(pub(super) I);

impl<I: Iterator<Item: Part>> Part for Each<I> {
    fn append(self, to: &mut Vec<Vec<u8>>) {
        self.0.for_each(|part| part.append(to));
    }
}
