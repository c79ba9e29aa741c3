use crate::Kind;

/// What an article is counted by: the users of each kind, and what is of no kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Counter {
    /// The users who have the kind on.
    Of(Kind),
    /// The reads.
    Reads,
    /// The page views.
    Pv,
    /// The visitors.
    Uv,
}

/// The counters of no kind, with their numbers in MySQL and their names over HTTP. The numbers are part of the stored
/// format, and far above those of kinds.
const OF_NO_KIND: [(Counter, u8, &str); 3] =
    [(Counter::Reads, 255, "reads"), (Counter::Pv, 254, "pv"), (Counter::Uv, 253, "uv")];

impl Counter {
    /// Every counter, kinds first.
    pub fn all() -> impl Iterator<Item = Self> + Clone {
        Kind::ALL.iter().copied().map(Self::Of).chain(OF_NO_KIND.iter().map(|(counter, ..)| *counter))
    }

    fn of_no_kind(self) -> Option<(u8, &'static str)> {
        OF_NO_KIND.iter().find(|(counter, ..)| *counter == self).map(|(_, code, name)| (*code, *name))
    }

    /// The number in MySQL: that of the kind, or from 253 on.
    #[must_use]
    pub fn code(self) -> u8 {
        if let Self::Of(kind) = self { kind.code() } else { self.of_no_kind().map_or(0, |(code, _)| code) }
    }

    /// The JSON field of the counter, such as `likes` or `pv`.
    #[must_use]
    pub fn name(self) -> &'static str {
        if let Self::Of(kind) = self { kind.count() } else { self.of_no_kind().map_or("", |(_, name)| name) }
    }

    /// The counter with this number.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        let other = OF_NO_KIND.iter().find(|(_, of, _)| *of == code).map(|(counter, ..)| *counter);
        other.or_else(|| Kind::from_code(code).map(Self::Of))
    }

    /// The counter with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let other = OF_NO_KIND.iter().find(|(.., of)| *of == name).map(|(counter, ..)| *counter);
        other.or_else(|| Kind::from_count(name).map(Self::Of))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_counter_is_found_by_its_number_and_by_its_name() {
        for counter in Counter::all() {
            assert_eq!(Counter::from_code(counter.code()), Some(counter));
            assert_eq!(Counter::from_name(counter.name()), Some(counter));
        }
        let codes: BTreeSet<u8> = Counter::all().map(Counter::code).collect();
        assert_eq!(codes.len(), Counter::all().count(), "no two have one number");
        assert!(!codes.contains(&0), "the checkpoint of the rankings has this number");
        assert_eq!((Counter::from_code(0), Counter::from_name("like"), Counter::from_name("")), (None, None, None));
    }
}
