use std::{borrow::Cow, fmt, num::NonZeroI64, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};

/// The most characters in an id.
pub const MAX_ID: usize = 128;

/// The first number of a name. A smaller number is an id itself.
pub const FIRST_NAME: i64 = 1 << 62;

/// Why a text is not an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id is 1 to 128 characters of A-Z a-z 0-9 . _ ~ : | @ + = -")]
pub struct IdError;

/// The prefix of an id whose name is unknown. No id of a site begins with it.
const UNKNOWN: char = '#';

/// Why an integer is not the number of an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the number of an id is an integer from 1 to 9223372036854775807")]
pub struct NumberError;

/// Whether the text has the form of an id.
fn is_id(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._~:|@+=-".contains(&byte);
    (1..=MAX_ID).contains(&text.len()) && text.bytes().all(allowed)
}

/// The number of an id that is a number: a canonical decimal from 1 to 2^62−1.
fn own_number(text: &str) -> Option<i64> {
    let canonical = text.starts_with(|first: char| ('1'..='9').contains(&first));
    text.parse().ok().filter(|number| canonical && *number < FIRST_NAME)
}

/// The number of a name: 2^62 plus the first 62 bits of a hash. `of` separates users from articles. Among ten million
/// names, the chance of two with the same number is 10⁻⁵; the consumer detects them.
fn number_of_name(of: &str, name: &str) -> i64 {
    let digest = Sha256::new().chain_update(of).chain_update([0]).chain_update(name).finalize();
    let (first, _) = digest.split_first_chunk().expect("a digest has 32 bytes");
    FIRST_NAME | (u64::from_be_bytes(*first) >> 2).cast_signed()
}

macro_rules! id {
    ($of:literal, $(#[$number_doc:meta])* $number:ident, $(#[$id_doc:meta])* $id:ident) => {
        $(#[$number_doc])*
        ///
        /// From 1 to 2^63−1. Redis, MySQL and Lua use only the number of an id, for compact sets and columns of 8
        /// bytes.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "i64", into = "i64")]
        pub struct $number(NonZeroI64);

        impl $number {
            /// The number as a signed 64-bit integer, the type of a MySQL BIGINT; always positive.
            #[must_use]
            pub const fn get(self) -> i64 {
                self.0.get()
            }

            /// Whether the number stands for a name, whose text is in the table `name`.
            #[must_use]
            pub const fn is_name(self) -> bool {
                self.get() >= FIRST_NAME
            }
        }

        impl FromStr for $number {
            type Err = NumberError;
            fn from_str(text: &str) -> Result<Self, NumberError> {
                let canonical = text.starts_with(|first: char| ('1'..='9').contains(&first));
                text.parse().ok().filter(|_| canonical).map(Self).ok_or(NumberError)
            }
        }

        impl TryFrom<i64> for $number {
            type Error = NumberError;
            fn try_from(value: i64) -> Result<Self, NumberError> {
                NonZeroI64::new(value).filter(|number| number.get() > 0).map(Self).ok_or(NumberError)
            }
        }

        impl From<$number> for i64 {
            fn from(number: $number) -> Self {
                number.get()
            }
        }

        impl fmt::Display for $number {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(out)
            }
        }

        impl fmt::Debug for $number {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(out, concat!(stringify!($number), "({})"), self.0)
            }
        }

        $(#[$id_doc])*
        ///
        /// 1 to 128 characters of `A-Z a-z 0-9 . _ ~ : | @ + = -`. A canonical decimal from 1 to 2^62−1 is its own
        /// number. Every other id is a name, and its number is a hash.
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $id {
            number: $number,
            name: Option<Box<str>>,
        }

        impl $id {
            /// The number by which Redis and MySQL know the id.
            #[must_use]
            pub const fn number(&self) -> $number {
                self.number
            }

            /// The text, if the id is a name.
            #[must_use]
            pub fn name(&self) -> Option<&str> {
                self.name.as_deref()
            }

            /// The id as the site writes it.
            #[must_use]
            pub fn text(&self) -> Cow<'_, str> {
                match &self.name {
                    Some(name) => Cow::Borrowed(name),
                    None if self.number.is_name() => format!("{UNKNOWN}{}", self.number).into(),
                    None => itoa::Buffer::new().format(self.number.get()).to_owned().into(),
                }
            }

            /// The id of a row: its number, and its name if the table `name` has it. If the text of a name is unknown,
            /// the id is written as `#` and the number.
            #[must_use]
            pub fn stored(number: $number, name: Option<&str>) -> Self {
                let known = name.filter(|_| number.is_name()).and_then(|name| name.parse().ok());
                known.filter(|id: &Self| id.number == number).unwrap_or(Self { number, name: None })
            }

            /// Reads an id as events and commands write it: as the site does, or as `#` and a number. Never use it for
            /// input of the service's callers.
            pub fn read(text: &str) -> Result<Self, IdError> {
                match text.strip_prefix(UNKNOWN) {
                    None => text.parse(),
                    Some(number) => match number.parse() {
                        Ok(number) if $number::is_name(number) => Ok(Self { number, name: None }),
                        _ => Err(IdError),
                    },
                }
            }
        }

        impl FromStr for $id {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                if !is_id(text) {
                    return Err(IdError);
                }
                let own = own_number(text);
                let number = own.unwrap_or_else(|| number_of_name($of, text));
                let number = $number::try_from(number).map_err(|_| IdError)?;
                Ok(Self { number, name: own.is_none().then(|| text.into()) })
            }
        }

        impl fmt::Display for $id {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(&self.text())
            }
        }

        impl fmt::Debug for $id {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(out, concat!(stringify!($id), "({})"), self)
            }
        }

        impl Serialize for $id {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.text())
            }
        }

        impl<'de> Deserialize<'de> for $id {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::read(&String::deserialize(deserializer)?).map_err(de::Error::custom)
            }
        }
    };
}

id! {
    "article",
    /// The number of an article. It determines the [`Partition`](crate::Partition) of all its keys.
    ArticleNumber,
    /// An article's id, as the site writes it.
    ArticleId
}
id! {
    "user",
    /// The number of a user.
    UserNumber,
    /// A signed-in user's id, as the site writes it. It comes from a claim of a verified token, and from nothing else
    /// that a caller sent.
    UserId
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn article(text: &str) -> ArticleId {
        text.parse().expect(text)
    }

    #[test]
    fn a_canonical_decimal_is_its_own_number() {
        for number in [1, 7, 42, FIRST_NAME - 1] {
            let id = article(&number.to_string());
            assert_eq!((id.number().get(), id.name()), (number, None));
        }
    }

    #[test]
    fn every_other_id_is_a_name() {
        let names = ["0", "007", "-1", "+1", "1.0", "4611686018427387904", "9223372036854775808", "auth0|507f1f77bcf8"];
        for name in names.into_iter().chain(["b1946ac9-2492-4d23-8f5a-1c1f2d3e4f50", "how-to-like", "a@b.c", "~", "="])
        {
            let id = article(name);
            assert!(id.number().is_name(), "{name}");
            assert_eq!((id.name(), id.to_string().as_str()), (Some(name), name));
        }
        // Users and articles are two namespaces.
        let user: UserId = "how-to-like".parse().expect("an id");
        assert_ne!(user.number().get(), article("how-to-like").number().get());
    }

    #[test]
    fn what_no_id_has_is_refused() {
        let long = "a".repeat(MAX_ID + 1);
        for bad in ["", " ", "a b", "a/b", "a,b", "a%20b", "é", "９", "a\n", "#", "?", "\"", long.as_str()] {
            assert_eq!(bad.parse::<ArticleId>(), Err(IdError), "{bad:?}");
        }
        assert!("a".repeat(MAX_ID).parse::<ArticleId>().is_ok());
    }

    #[test]
    fn the_stored_numbers_of_names_do_not_move() {
        assert_eq!(article("how-to-like").number().get(), ARTICLE);
        assert_eq!("how-to-like".parse::<UserId>().map(|user| user.number().get()), Ok(USER));
    }
    // By: printf 'article\0how-to-like' | sha256sum, the first 62 bits, plus 2^62.
    const ARTICLE: i64 = 8_696_485_932_836_625_014;
    const USER: i64 = 8_915_007_970_433_203_458;

    #[test]
    fn a_name_whose_text_is_not_known_is_written_by_its_number() {
        let id = article("how-to-like");
        assert_eq!(ArticleId::stored(id.number(), Some("how-to-like")), id);
        for unknown in [None, Some("another"), Some("")] {
            let unknown = ArticleId::stored(id.number(), unknown);
            assert_eq!((unknown.number(), unknown.name()), (id.number(), None));
            assert_eq!(unknown.to_string(), format!("#{ARTICLE}"));
            assert_eq!(ArticleId::read(&unknown.to_string()), Ok(unknown));
        }
        assert_eq!(ArticleId::stored(article("42").number(), None), article("42"));
        assert_eq!(ArticleId::read("how-to-like"), Ok(id));
        for bad in ["#", "#42", "#x", "##4611686018427387905", "#9223372036854775808", "a b"] {
            assert_eq!(ArticleId::read(bad), Err(IdError), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn printing_and_parsing_are_inverse(text in "[A-Za-z0-9._~:|@+=-]{1,128}|[1-9][0-9]{0,18}") {
            let id: UserId = text.parse().expect("an id");
            prop_assert_eq!(id.to_string(), &*text);
            prop_assert_eq!(serde_json::to_string(&id).expect("serialises"), format!("\"{text}\""));
            prop_assert_eq!(id.name().is_some(), id.number().is_name());
            prop_assert_eq!(UserId::stored(id.number(), id.name()), id);
        }

        #[test]
        fn what_parses_prints_as_it_was(text in "\\PC{0,24}") {
            if let Ok(id) = text.parse::<ArticleId>() {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }
}
