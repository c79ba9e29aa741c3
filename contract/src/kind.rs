//! The kinds of interaction: what a user switches on or off for an article. This table is the only list of them.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{ArticleId, ArticleNumber, UserId, UserNumber};

/// An article, a kind and a user, in the order of MySQL's primary key. A pair is on or off.
pub type Pair = (ArticleNumber, Kind, UserNumber);

/// A pair with its ids as the site writes them, which an event consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The kind.
    pub kind: Kind,
    /// The user.
    pub user: UserId,
    /// The article.
    pub article: ArticleId,
}

impl Written {
    /// The pair by its numbers, as the stores know it.
    #[must_use]
    pub fn pair(&self) -> Pair {
        (self.article.number(), self.kind, self.user.number())
    }
}

/// The store that decides what holds; the others follow it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Truth {
    /// One script changes status, count and outbox. This suits a kind that is frequent and hot.
    Redis,
    /// One stored procedure makes the change. Redis holds a projection for reading, which follows within milliseconds.
    /// This suits a kind that is rare and must be right at the instant of the answer.
    Mysql,
}

/// A row of the table.
#[derive(Debug)]
struct Row {
    kind: Kind,
    /// The number in MySQL's column `kind`. It is part of the stored format and never reused.
    code: u8,
    /// The name in paths, events and keys.
    name: &'static str,
    /// The JSON field that says whether it is on.
    on: &'static str,
    /// The JSON field of the count, and the last segment of a user's list.
    count: &'static str,
    truth: Truth,
    /// The kinds that this one switches off. Both kinds' truth must be Redis, and each must exclude the other.
    excludes: &'static [Kind],
    /// The last segment of the article's public list of users. None if the list is not public.
    listed: Option<&'static str>,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident { $($field:tt)* })*) => {
        /// A kind of interaction.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Kind {
            $($(#[$doc])* $kind,)*
        }

        impl Kind {
            /// Every kind, in the order in which answers have them.
            pub const ALL: &[Self] = &[$(Self::$kind),*];

            /// The number of kinds.
            pub const COUNT: usize = Self::ALL.len();
        }

        static TABLE: &[Row] = &[$(Row { kind: Kind::$kind, $($field)* }),*];
    };
}

kinds! {
    /// The user likes the article.
    Like {
        code: 1, name: "like", on: "liked", count: "likes",
        truth: Truth::Redis, excludes: &[Kind::Dislike], listed: Some("likers"),
    }
    /// The user dislikes the article.
    Dislike {
        code: 2, name: "dislike", on: "disliked", count: "dislikes",
        truth: Truth::Redis, excludes: &[Kind::Like], listed: None,
    }
    /// The article is one of the user's favourites.
    Collect {
        code: 3, name: "collect", on: "collected", count: "collects",
        truth: Truth::Mysql, excludes: &[], listed: None,
    }
}

impl Kind {
    fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }

    /// The number in MySQL's column `kind`, from 1.
    #[must_use]
    pub fn code(self) -> u8 {
        self.row().code
    }

    /// The name in paths, events and keys, such as `like`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// The JSON field that says whether it is on, such as `liked`.
    #[must_use]
    pub fn on(self) -> &'static str {
        self.row().on
    }

    /// The JSON field that says how often it was switched off, such as `unliked`.
    #[must_use]
    pub fn off(self) -> String {
        format!("un{}", self.on())
    }

    /// The JSON field of the count, such as `likes`.
    #[must_use]
    pub fn count(self) -> &'static str {
        self.row().count
    }

    /// The store that decides.
    #[must_use]
    pub fn truth(self) -> Truth {
        self.row().truth
    }

    /// The kinds that switching this one on switches off.
    #[must_use]
    pub fn excludes(self) -> &'static [Self] {
        self.row().excludes
    }

    /// The last segment of the article's public list of users, such as `likers`.
    #[must_use]
    pub fn listed(self) -> Option<&'static str> {
        self.row().listed
    }

    /// The kinds that a store decides.
    pub fn of(truth: Truth) -> impl Iterator<Item = Self> + Clone {
        Self::ALL.iter().copied().filter(move |kind| kind.truth() == truth)
    }

    /// The kind with this number in the column `kind`.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        TABLE.iter().find(|row| row.code == code).map(|row| row.kind)
    }

    /// The kind with this name of its count: `likes` belongs to [`Kind::Like`].
    #[must_use]
    pub fn from_count(count: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.count == count).map(|row| row.kind)
    }

    /// The kind with this name of its public list: `likers` belongs to [`Kind::Like`].
    #[must_use]
    pub fn from_list(listed: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.listed == Some(listed)).map(|row| row.kind)
    }
}

/// Why a text is no kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the name of a kind")]
pub struct KindError;

impl FromStr for Kind {
    type Err = KindError;

    fn from_str(name: &str) -> Result<Self, KindError> {
        TABLE.iter().find(|row| row.name == name).map(|row| row.kind).ok_or(KindError)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.name())
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_kind_is_found_by_each_of_its_names() {
        for (place, kind) in Kind::ALL.iter().copied().enumerate() {
            assert_eq!(TABLE[place].kind, kind, "the table is in the order of the enum");
            assert_eq!(kind.name().parse(), Ok(kind));
            assert_eq!(Kind::from_code(kind.code()), Some(kind));
            assert_eq!(Kind::from_count(kind.count()), Some(kind));
            assert_eq!(kind.listed().and_then(Kind::from_list), kind.listed().map(|_| kind));
        }
        assert_eq!("views".parse::<Kind>(), Err(KindError));
    }

    /// The words that paths, keys and JSON fields use for other things.
    #[test]
    fn no_name_is_another_things() {
        let segments = ["views", "reads", "interactions", "history", "pv", "uv", "read", "n"];
        let fields = ["article_id", "articles", "pv", "uv", "reads", "stale", "window", "as_of", "items"];
        let of_a_day = ["days", "day", "views", "new_visitors"];
        let words = segments.into_iter().chain(fields).chain(of_a_day).collect::<BTreeSet<_>>();
        let mut words: Vec<String> = words.into_iter().map(str::to_owned).collect();
        for kind in Kind::ALL {
            words.extend([kind.name(), kind.on(), kind.count()].map(str::to_owned));
            words.extend(kind.listed().map(str::to_owned));
            words.push(kind.off());
        }
        assert_eq!(words.iter().collect::<BTreeSet<_>>().len(), words.len(), "{words:?}");
        assert!(words.iter().all(|word| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')));
    }

    #[test]
    fn kinds_exclude_each_other_within_redis() {
        for kind in Kind::ALL {
            for other in kind.excludes() {
                assert!(other != kind && other.excludes().contains(kind), "{kind} and {other}");
                assert_eq!((kind.truth(), other.truth()), (Truth::Redis, Truth::Redis), "one script changes both");
            }
        }
    }
}
