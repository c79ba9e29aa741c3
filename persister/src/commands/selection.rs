//! The options that select events, the same for `audit` and `revoke`.

use clap::Args;
use contract::{ArticleId, Change, Event, UserId};
use jiff::Timestamp;

use super::kinds::Kinds;

/// An event must meet every condition. If a condition has several values, one of them is enough.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Selection {
    #[command(flatten)]
    kinds: Kinds,
    /// Events of this article; may be given more than once.
    #[arg(long, value_parser = ArticleId::read)]
    article: Vec<ArticleId>,
    /// Events of this user; may be given more than once.
    #[arg(long, value_parser = UserId::read)]
    user: Vec<UserId>,
    /// Events from this client address, given by its keyed hash in the events; may be given more than once.
    #[arg(long, value_name = "HASH")]
    ip_hash: Vec<String>,
    /// Events at or after this time, such as 2026-11-22T12:00:00Z.
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<Timestamp>,
    /// Events before this time.
    #[arg(long, value_name = "TIME")]
    until: Option<Timestamp>,
}

impl Selection {
    /// Everything that a user did.
    pub(crate) fn of_user(user: UserId) -> Self {
        Self { user: vec![user], ..Self::default() }
    }

    pub(crate) fn admits(&self, event: &Event) -> bool {
        let of_kind = match event.change {
            Change::Switch(kind, _) => self.kinds.contains(kind),
            Change::Read(_) => self.kinds.is_any(),
        };
        of_kind
            && (self.article.is_empty()
                || self.article.iter().any(|article| article.number() == event.article.number()))
            && (self.user.is_empty()
                || event.user.as_ref().is_some_and(|user| self.user.iter().any(|of| of.number() == user.number())))
            && (self.ip_hash.is_empty() || self.ip_hash.contains(&event.ip_hash))
            && self.since.is_none_or(|since| event.occurred_at >= since)
            && self.until.is_none_or(|until| event.occurred_at < until)
    }

    /// Whether it names an article, a user or an address. A time or a kind alone would select every user.
    pub(crate) fn is_narrow(&self) -> bool {
        !(self.article.is_empty() && self.user.is_empty() && self.ip_hash.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use contract::{Cause, Kind, Version};
    use proptest::{collection::vec, prelude::*, sample::select};

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        selection: Selection,
    }

    fn event() -> Event {
        Event {
            version: Version { ms: 1, seq: 0 },
            user: "7".parse().ok(),
            article: "42".parse().expect("an id"),
            change: Change::Switch(Kind::ALL[0], true),
            cause: Cause::User,
            occurred_at: "2026-11-22T12:00:00Z".parse().expect("a time"),
            request_id: String::new(),
            ip_hash: "0af7".to_owned(),
        }
    }

    proptest! {
        /// More conditions never admit more events, and only a selection that names somebody is narrow.
        #[test]
        fn a_condition_more_admits_no_more(
            names in vec(select(vec!["--user", "--article", "--ip-hash", "--since", "--until", "--kind"]), 0..6),
            values in vec("7|42|0af7|like|2026-11-22T1[123]:00:00Z|\\PC{0,8}", 6),
        ) {
            let parse = |names: &[&str]| {
                let pairs = names.iter().zip(&values).map(|(name, value)| format!("{name}={value}"));
                Line::try_parse_from(["x".to_owned()].into_iter().chain(pairs)).ok().map(|line| line.selection)
            };
            // Each condition once: a second value of the same condition admits more.
            let mut names = names;
            names.sort_unstable();
            names.dedup();
            let Some(all) = parse(&names) else { return Ok(()) };
            for some in 0..names.len() {
                let fewer = parse(&names[..some]).expect("a part of what was understood");
                prop_assert!(!all.admits(&event()) || fewer.admits(&event()));
            }
            prop_assert_eq!(all.is_narrow(), names.iter().any(|name| !["--since", "--until", "--kind"].contains(name)));
        }
    }

    #[test]
    fn a_kind_admits_its_own_and_neither_others_nor_reads() {
        for kind in Kind::ALL {
            let line = Line::parse_from(["x", "--kind", kind.name()]);
            for other in Kind::ALL {
                for on in [true, false] {
                    let event = Event { change: Change::Switch(*other, on), ..event() };
                    assert_eq!(line.selection.admits(&event), kind == other, "{kind}: {other}");
                }
            }
            assert!(!line.selection.admits(&Event { change: Change::Read(1), ..event() }));
        }
        assert!(Line::parse_from(["x"]).selection.admits(&Event { change: Change::Read(1), ..event() }));
        assert!(Line::try_parse_from(["x", "--kind", "read"]).is_err(), "a read is of no kind");
    }

    #[test]
    fn every_condition_must_hold_and_any_value_of_it() {
        for (arguments, admitted) in [
            ("", true),
            ("--article 42 --user 7 --ip-hash 0af7", true),
            ("--article 41 --article 42", true),
            ("--article 42 --user 8", false),
            ("--ip-hash 0af", false),
            ("--since 2026-11-22T12:00:00Z", true),
            ("--until 2026-11-22T12:00:00Z", false),
        ] {
            let line = Line::parse_from(["x"].into_iter().chain(arguments.split_whitespace()));
            assert_eq!(line.selection.admits(&event()), admitted, "{arguments}");
        }
    }
}
