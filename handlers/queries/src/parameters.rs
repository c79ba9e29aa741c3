//! The parameters of query strings.

use std::{fmt, str::FromStr};

use contract::{ArticleId, ArticleNumber, Version};
use handler_common::Problem;

/// How many articles one query may ask for.
pub(crate) const MAX_ARTICLES: usize = 100;

/// How many items a page may have.
const MAX_LIMIT: i64 = 100;

pub(crate) const ARTICLES: &str = "Give from 1 to 100 article ids, separated by commas: ?article_ids=1,2,3.";
pub(crate) const LIMIT: &str = "limit is a number from 1 to 100.";
pub(crate) const WINDOW: &str = "window is hour, day or week.";
pub(crate) const CURSOR: &str = "cursor must be the next_cursor of the page before, unchanged.";

/// From 1 to 100 articles, in the order asked.
#[derive(Debug)]
pub(crate) struct Articles(pub(crate) Vec<ArticleId>);

impl FromStr for Articles {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        let ids = text.split(',').map(str::parse).collect::<Result<Vec<_>, _>>().ok();
        ids.filter(|ids| ids.len() <= MAX_ARTICLES).map(Self).ok_or(Problem::BadQuery(ARTICLES))
    }
}

/// How many items a page has, from 1 to 100.
#[derive(Debug)]
pub(crate) struct PageSize(pub(crate) i64);

impl FromStr for PageSize {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        // Written like the number of an id: digits alone.
        let size: ArticleNumber = text.parse().map_err(|_| Problem::BadQuery(LIMIT))?;
        Some(Self(size.get())).filter(|size| size.0 <= MAX_LIMIT).ok_or(Problem::BadQuery(LIMIT))
    }
}

/// The time that a ranking covers: `hour`, `day` or `week`. MySQL uses the same words.
#[derive(Debug)]
pub(crate) struct Window(pub(crate) &'static str);

impl FromStr for Window {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        ["hour", "day", "week"].into_iter().find(|name| *name == text).map(Self).ok_or(Problem::BadQuery(WINDOW))
    }
}

/// A place in a list: a version and an id, `<ms>-<seq>-<id>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) version: Version,
    pub(crate) id: i64,
}

impl FromStr for Cursor {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        const TAKES: Problem = Problem::BadQuery(CURSOR);
        let (version, id) = text.rsplit_once('-').ok_or(TAKES)?;
        let id: ArticleNumber = id.parse().map_err(|_| TAKES)?;
        Ok(Self { version: version.parse().map_err(|_| TAKES)?, id: id.get() })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}-{}", self.version, self.id)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MOST: u64 = i64::MAX.cast_unsigned();

    proptest! {
        #[test]
        fn a_cursor_that_was_given_out_comes_back_as_it_was(ms in 0..=MOST, seq in 0..=MOST, id in 1..=i64::MAX) {
            let cursor = Cursor { version: Version { ms, seq }, id };
            prop_assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }

        #[test]
        fn any_text_is_a_cursor_in_range_or_none(text in "[0-9-]{0,50}|\\PC{0,20}") {
            if let Ok(Cursor { version, id }) = text.parse() {
                prop_assert!(version.ms <= MOST && version.seq <= MOST && id > 0);
            }
        }

        #[test]
        fn a_page_has_1_to_100_items(text in "[0-9]{0,4}|\\PC{0,8}") {
            let right = (1..=100).any(|size: i64| size.to_string() == text);
            prop_assert_eq!(text.parse::<PageSize>().is_ok(), right);
        }

        #[test]
        fn articles_are_taken_in_the_order_asked(ids in proptest::collection::vec("[1-9]{1,18}|[a-z|~]{1,9}", 0..=102)) {
            let text = ids.join(",");
            match text.parse() {
                Ok(Articles(articles)) => {
                    prop_assert_eq!(articles.iter().map(ArticleId::to_string).collect::<Vec<_>>(), ids);
                }
                Err(_) => prop_assert!(ids.is_empty() || ids.len() > MAX_ARTICLES),
            }
        }
    }
}
