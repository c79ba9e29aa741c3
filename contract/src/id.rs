use std::{fmt, num::NonZeroI64, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Why a text is not an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id is an integer from 1 to 9223372036854775807, in decimal digits without sign or leading zero")]
pub struct IdError;

/// One spelling only, so that one article never has two URLs, two cache entries or two rate limits.
fn parse(text: &str) -> Result<NonZeroI64, IdError> {
    if !text.starts_with(|first: char| ('1'..='9').contains(&first)) {
        return Err(IdError);
    }
    text.parse().map_err(|_| IdError)
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// From 1 to 2^63−1; written as a decimal string in JSON, since JavaScript's numbers lose digits past 2^53.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(NonZeroI64);

        impl $name {
            /// The id as a signed 64-bit integer, the type of a MySQL BIGINT; always positive.
            #[must_use]
            pub const fn get(self) -> i64 {
                self.0.get()
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                parse(text).map(Self)
            }
        }

        impl TryFrom<i64> for $name {
            type Error = IdError;
            fn try_from(value: i64) -> Result<Self, IdError> {
                NonZeroI64::new(value).filter(|id| id.get() > 0).map(Self).ok_or(IdError)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(out)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(out, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    };
}

id! {
    /// An article. It chooses the [`Partition`](crate::Partition) that all its keys live in.
    ArticleId
}
id! {
    /// A signed-in user: the `sub` of a verified token, never anything else that a caller sent.
    UserId
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_the_canonical_spelling_is_an_id() {
        for bad in ["", "0", "-1", "+1", "01", " 1", "1 ", "1.0", "1e3", "0x1", "９", "9223372036854775808", "abc"] {
            assert_eq!(bad.parse::<ArticleId>(), Err(IdError), "{bad:?}");
        }
        assert_eq!("9223372036854775807".parse::<ArticleId>().map(ArticleId::get), Ok(i64::MAX));
    }

    proptest! {
        #[test]
        fn printing_and_parsing_are_inverse(value in 1..=i64::MAX) {
            let id = UserId::try_from(value).expect("positive");
            prop_assert_eq!(id.to_string().parse(), Ok(id));
            let json = serde_json::to_string(&id).expect("serialises");
            prop_assert_eq!(json, format!("\"{value}\""));
        }

        #[test]
        fn what_parses_prints_as_it_was(text in "\\PC{0,24}") {
            if let Ok(id) = text.parse::<ArticleId>() {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }
}
