//! The Redis keys. No other file spells one.

use itoa::Buffer;

use crate::{ArticleNumber, Kind, Partition, UserNumber};

/// The part of a key of [`warm`] after the partition's tag.
pub const WARM: &str = ":warm";
/// The part of a key of [`pv`] between the tag and the article.
pub const PV: &str = ":article:pv:";
/// The part of a key of [`uv`] between the tag and the article.
pub const UV: &str = ":article:uv:";
/// The part of a key of [`reads`] between the tag and the article.
pub const READS: &str = ":article:read:";

/// The tag of a partition. All its keys begin with it.
#[must_use]
pub fn tag(partition: Partition) -> String {
    ["{", Buffer::new().format(partition.get()), "}"].concat()
}

fn of_partition(partition: Partition, what: &str) -> String {
    ["{", Buffer::new().format(partition.get()), "}:", what].concat()
}

/// The part of a key of [`count`] between the tag and the article.
#[must_use]
pub fn counts(kind: Kind) -> String {
    [":article:", kind.name(), ":"].concat()
}

/// The part of a key of [`members`] between the tag and the article.
#[must_use]
pub fn sets(kind: Kind) -> String {
    [":user:", kind.name(), ":"].concat()
}

fn of_article(what: [&str; 3], article: ArticleNumber) -> String {
    let (mut partition, mut number) = (Buffer::new(), Buffer::new());
    let (partition, number) = (partition.format(Partition::of(article).get()), number.format(article.get()));
    ["{", partition, "}", what[0], what[1], what[2], number].concat()
}

/// The number of users who have the kind on for the article. The key is absent while the number is 0.
#[must_use]
pub fn count(kind: Kind, article: ArticleNumber) -> String {
    of_article([":article:", kind.name(), ":"], article)
}

/// The users who have the kind on: the first of the article's sets. Further sets append `:<number>`, and `:n` holds the
/// number of sets (see `lua/include/members.lua`).
#[must_use]
pub fn members(kind: Kind, article: ArticleNumber) -> String {
    of_article([":user:", kind.name(), ":"], article)
}

/// The kind and article of a [`count`] or of [`members`], including further sets. None for any other key.
#[must_use]
pub fn kind_and_article(key: &str) -> Option<(Kind, ArticleNumber)> {
    let (_, rest) = key.split_once("}:")?;
    let mut words = rest.split(':');
    let (place, kind, article) = (words.next()?, words.next()?, words.next()?);
    ["article", "user"].contains(&place).then_some(())?;
    Some((kind.parse().ok()?, article.parse().ok()?))
}

/// A pattern for SCAN that matches the keys of one kind that [`kind_and_article`] reads, in all partitions.
#[must_use]
pub fn any_of(kind: Kind) -> String {
    format!("{{*}}:*:{kind}:*")
}

/// The article's page views.
#[must_use]
pub fn pv(article: ArticleNumber) -> String {
    of_article([PV, "", ""], article)
}

/// The article's visitors, a `HyperLogLog`.
#[must_use]
pub fn uv(article: ArticleNumber) -> String {
    of_article([UV, "", ""], article)
}

/// The article's reads.
#[must_use]
pub fn reads(article: ArticleNumber) -> String {
    of_article([READS, "", ""], article)
}

/// The view tokens of one hour that have counted, for all articles of a partition: a set as in
/// `lua/include/members.lua`.
#[must_use]
pub fn used_tokens(article: ArticleNumber, viewed_ms: i64) -> String {
    format!("{{{}}}:read:used:{}", Partition::of(article), viewed_ms.div_euclid(3_600_000))
}

/// Whose requests a frequency limit counts.
#[derive(Debug, Clone, Copy)]
pub enum Subject<'a> {
    /// A signed-in user.
    User(UserNumber),
    /// A visitor, by the id in the signed cookie.
    Visitor(&'a str),
    /// A client address, kept only as a keyed hash.
    Address(&'a str),
}

impl<'a> Subject<'a> {
    /// The type of the subject and its id. `number` is the number of a user.
    fn parts(self, number: &'a mut Buffer) -> [&'a str; 2] {
        match self {
            Self::User(user) => ["user:", number.format(user.get())],
            Self::Visitor(id) => ["visitor:", id],
            Self::Address(hash) => ["address:", hash],
        }
    }

    /// The text of the subject, different for each subject.
    #[must_use]
    pub fn text(self) -> String {
        self.parts(&mut Buffer::new()).concat()
    }
}

/// A frequency limit; `action` is the name of a kind, `view` or `read`.
#[must_use]
pub fn limit(article: ArticleNumber, action: &str, subject: Subject<'_>) -> String {
    limit_in(Partition::of(article), action, subject)
}

fn limit_in(partition: Partition, action: &str, subject: Subject<'_>) -> String {
    let mut number = Buffer::new();
    let [what, id] = subject.parts(&mut number);
    ["{", Buffer::new().format(partition.get()), "}:limit:", action, ":", what, id].concat()
}

/// Every frequency limit that a user can have in a partition.
pub fn limits_of(partition: Partition, user: UserNumber) -> impl Iterator<Item = String> {
    let actions = Kind::ALL.iter().map(|kind| kind.name()).chain(["view"]);
    actions.map(move |action| limit_in(partition, action, Subject::User(user)))
}

/// The stream of events not yet in Kafka.
#[must_use]
pub fn outbox(partition: Partition) -> String {
    of_partition(partition, "outbox")
}

/// One of the sets that share the users who may switch nothing on or off. Every partition has a copy of each.
///
/// Of a million users a set has about 250. Redis stores so few as 8 bytes each (`set-max-intset-entries` is 512); in one
/// set of all, each would take 56.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct BarSet(u16);

impl BarSet {
    const BITS: u32 = 12;

    /// The set that has this user. The user's number is hashed, because the last bits of ids are often the same.
    #[must_use]
    pub const fn of(user: UserNumber) -> Self {
        let hash = user.get().cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Self((hash >> (u64::BITS - Self::BITS)) as u16)
    }

    /// The set's number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// The set with this number, if there is one.
    #[must_use]
    pub const fn numbered(number: u16) -> Option<Self> {
        if number >> Self::BITS == 0 { Some(Self(number)) } else { None }
    }
}

/// The users of a set who may switch nothing on or off here.
#[must_use]
pub fn barred(partition: Partition, set: BarSet) -> String {
    [&of_partition(partition, "barred"), ":", Buffer::new().format(set.get())].concat()
}

/// The numbers of the sets of [`barred`] that may have users.
#[must_use]
pub fn bar_sets(partition: Partition) -> String {
    of_partition(partition, "barred")
}

/// Pairs of user and article that a command has in hand, spelled by [`held_pair`], with the time at which the hold
/// expires.
#[must_use]
pub fn held(partition: Partition) -> String {
    of_partition(partition, "held")
}

/// A member of [`held`].
#[must_use]
pub fn held_pair(kind: Kind, user: UserNumber, article: ArticleNumber) -> String {
    format!("{kind}:{user}:{article}")
}

/// A hash with the token of the latest process that writes the projections here, which only grows, and the number of
/// writes (see `lua/project.lua`).
#[must_use]
pub fn projector(partition: Partition) -> String {
    of_partition(partition, "projector")
}

/// The warm marker: a hash of `run_id` and `epoch`.
#[must_use]
pub fn warm(partition: Partition) -> String {
    tag(partition) + WARM
}

/// The set of articles whose PV, UV or reads changed since the last snapshot.
#[must_use]
pub fn changed(partition: Partition) -> String {
    of_partition(partition, "changed")
}

/// The articles of [`changed`] that a snapshot is saving.
#[must_use]
pub fn saving(partition: Partition) -> String {
    of_partition(partition, "saving")
}

/// A key set of users' tokens that instances share, as text (see `lua/jwks_take.lua`). The name is that of a provider
/// and of the key that seals the set, so that instances with other settings use another key. It belongs to
/// [`Partition::FIRST`], as do the next two keys.
#[must_use]
pub fn jwks(name: &str) -> String {
    format!("{JWKS}{name}")
}

/// The turn to fetch that key set.
#[must_use]
pub fn jwks_turn(name: &str) -> String {
    format!("{JWKS}{name}:turn")
}

/// The turn to log which keys of a set cannot be used.
#[must_use]
pub fn jwks_log(name: &str) -> String {
    format!("{JWKS}{name}:log")
}

const JWKS: &str = "{0}:jwks:";

/// Whether a key belongs to a shared key set, and so to no article.
#[must_use]
pub fn is_of_jwks(key: &str) -> bool {
    key.starts_with(JWKS)
}

/// A pattern for SCAN that matches the keys of all partitions.
pub const ANY: &str = "{*}:*";

/// The partition in a key's tag.
#[must_use]
pub fn partition_of(key: &str) -> Option<Partition> {
    let (tag, _) = key.strip_prefix('{')?.split_once("}:")?;
    Partition::from_number(tag.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shared_key_set_is_of_the_first_partition() {
        for key in [jwks("0af7"), jwks_turn("0af7"), jwks_log("0af7")] {
            assert!(is_of_jwks(&key));
            assert_eq!(partition_of(&key), Some(Partition::FIRST));
            assert_eq!(kind_and_article(&key), None);
        }
    }

    #[test]
    fn a_kind_and_an_article_are_found_in_their_keys_and_in_no_others() {
        let article: ArticleNumber = "42".parse().expect("an id");
        for kind in Kind::ALL.iter().copied() {
            let members = members(kind, article);
            for key in [count(kind, article), format!("{members}:7"), format!("{members}:n"), members] {
                assert_eq!(kind_and_article(&key), Some((kind, article)), "{key}");
                assert_eq!(partition_of(&key), Some(Partition::of(article)));
            }
            assert_eq!(kind_and_article(&limit(article, kind.name(), Subject::Address("42"))), None);
        }
        let user = Subject::User("7".parse().expect("a number"));
        let limits: Vec<String> = limits_of(Partition::of(article), "7".parse().expect("a number")).collect();
        for action in Kind::ALL.iter().map(|kind| kind.name()).chain(["view"]) {
            assert!(limits.contains(&limit(article, action, user)), "{action}");
        }
        for other in [pv(article), uv(article), reads(article), outbox(Partition::of(article))] {
            assert_eq!(kind_and_article(&other), None, "{other}");
        }
    }
}
