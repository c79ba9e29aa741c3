//! Counters and status from MySQL.

use std::fmt::Write as _;

use contract::{ArticleNumber, Kind, UserNumber, scripts::Queried};
use handler_common::{
    Deadline, Problem,
    mysql::{self, LONGEST_TEXT, integers, text},
};
use spin_sdk::mysql::ParameterValue;

use crate::parameters::MAX_ARTICLES;

/// The rows about articles. A missing row means 0, or off.
pub(super) struct Stored {
    /// Article, page views, visitors and reads.
    stats: Vec<[i64; 4]>,
    /// For each of [`Kind::ALL`]: article, count, and 1 if the caller has the kind on.
    kinds: Vec<Vec<[i64; 3]>>,
    signed_in: bool,
}

/// Asks for the rows about these articles. There must be at least one article.
pub(super) async fn query(
    url: &str,
    deadline: Deadline,
    articles: &[ArticleNumber],
    user: Option<UserNumber>,
) -> Result<Stored, Problem> {
    // No user has the id 0.
    let caller = user.map_or(0, UserNumber::get);
    let parameters = |_| {
        let ids = || articles.iter().map(|article| article.get());
        let of_kinds = Kind::ALL.iter().flat_map(|_| std::iter::once(caller).chain(ids()));
        ids().chain(of_kinds).map(ParameterValue::Int64).collect()
    };
    let rows = mysql::query(url, deadline, &sql(articles.len()), &parameters).await?;
    let row = rows.first().ok_or(Problem::StoreUnavailable)?;
    let kinds = Kind::ALL.iter().map(|kind| text(row, kind.name())).collect::<Result<Vec<_>, _>>()?;
    Stored::read(&text(row, "stats")?, &kinds, user.is_some()).ok_or(Problem::StoreUnavailable)
}

// The longest text has four numbers for each article, and a comma after each number.
const _: () = assert!(MAX_ARTICLES * 4 * 20 <= LONGEST_TEXT);

/// Returns the statement. It answers with one row, because each row costs a call of Spin. The row has a column for each
/// kind, so that no text is too long.
fn sql(articles: usize) -> String {
    let ids = format!("?{}", ", ?".repeat(articles - 1));
    let mut sql = format!(
        "SELECT COALESCE((SELECT CAST(GROUP_CONCAT(CONCAT_WS(',', article_id, pv, uv, read_count)) AS CHAR({LONGEST_TEXT}))
                          FROM article_stats WHERE article_id IN ({ids})), '') AS stats"
    );
    for kind in Kind::ALL {
        let (name, code) = (kind.name(), kind.code());
        let _ = write!(
            sql,
            ", COALESCE((SELECT CAST(GROUP_CONCAT(CONCAT_WS(',', c.article_id, c.count, EXISTS (
                             SELECT 1 FROM interaction i WHERE i.article_id = c.article_id AND i.kind = {code}
                                 AND i.user_id = ? AND i.status = 1))) AS CHAR({LONGEST_TEXT}))
                         FROM interaction_count c WHERE c.kind = {code} AND c.article_id IN ({ids})), '') AS `{name}`"
        );
    }
    sql
}

impl Stored {
    /// Reads the texts of the query's row, those of the kinds in their order. `None` if they are not whole rows of
    /// numbers.
    pub(super) fn read(stats: &str, kinds: &[String], signed_in: bool) -> Option<Self> {
        let kinds = kinds.iter().map(|kind| rows(kind)).collect::<Option<_>>()?;
        Some(Self { stats: rows(stats)?, kinds, signed_in })
    }

    /// Returns an article's counters.
    pub(super) fn of(&self, article: ArticleNumber) -> Queried {
        let [_, pv, uv, reads] = find(&self.stats, article);
        let mut kinds = [(0, None); Kind::COUNT];
        for (kind, rows) in kinds.iter_mut().zip(&self.kinds) {
            let [_, count, on] = find(rows, article);
            *kind = (count, self.signed_in.then_some(on == 1));
        }
        Queried { pv, uv, reads, kinds }
    }
}

fn find<const N: usize>(rows: &[[i64; N]], article: ArticleNumber) -> [i64; N] {
    rows.iter().find(|row| row[0] == article.get()).copied().unwrap_or([0; N])
}

fn rows<const N: usize>(text: &str) -> Option<Vec<[i64; N]>> {
    let numbers = integers(text)?;
    let (rows, []) = numbers.as_chunks() else { return None };
    Some(rows.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(stored: &Stored, article: i64) -> Queried {
        stored.of(article.try_into().expect("an id"))
    }

    /// Returns the query's answer if all rows are of one kind.
    fn alone(place: usize, rows: &str) -> Vec<String> {
        (0..Kind::ALL.len()).map(|other| if other == place { rows.to_owned() } else { String::new() }).collect()
    }

    #[test]
    fn each_kind_has_its_own_rows() {
        for place in 0..Kind::ALL.len() {
            let kinds = alone(place, "42,5,1,43,6,0");
            let stored = Stored::read("43,9,3,2", &kinds, true).expect("numbers");
            let (first, second) = (of(&stored, 42), of(&stored, 43));
            assert_eq!((first.pv, first.uv, first.reads), (0, 0, 0));
            assert_eq!((second.pv, second.uv, second.reads), (9, 3, 2));
            for (other, (first, second)) in first.kinds.iter().zip(&second.kinds).enumerate() {
                let ours = other == place;
                assert_eq!(*first, (if ours { 5 } else { 0 }, Some(ours)));
                assert_eq!(*second, (if ours { 6 } else { 0 }, Some(false)));
            }
            let anonymous = Stored::read("", &kinds, false).expect("numbers");
            assert!(of(&anonymous, 42).kinds.iter().all(|(_, on)| on.is_none()));
        }
    }

    #[test]
    fn a_text_that_was_cut_is_refused() {
        for cut in ["42,1", "42,1,", "42,1,0,43,2", "x"] {
            assert!(Stored::read("", &alone(0, cut), true).is_none(), "{cut}");
        }
        assert!(Stored::read("42,9,3", &alone(0, ""), true).is_none());
    }

    #[test]
    fn each_parameter_has_its_place() {
        for articles in [1, 2, 100] {
            let parameters = articles + Kind::ALL.len() * (1 + articles);
            assert_eq!(sql(articles).matches('?').count(), parameters);
        }
    }
}
