//! What MySQL has.

use contract::{ArticleId, Kind, UserId, scripts::Queried};
use handler_common::{
    Deadline, Problem,
    mysql::{self, LONGEST_TEXT, integers, text},
};
use spin_sdk::mysql::ParameterValue;

use crate::parameters::MAX_ARTICLES;

/// The rows about articles. What is not there is 0, or off.
pub(super) struct Stored {
    /// Article, page views, visitors and reads.
    stats: Vec<[i64; 4]>,
    /// Article, code of the kind and count.
    counts: Vec<[i64; 3]>,
    /// What the caller has on: article and code of the kind. `None` for an anonymous caller.
    on: Option<Vec<[i64; 2]>>,
}

/// Asks for the rows about these articles, of which there is one at least.
pub(super) async fn query(
    url: &str,
    deadline: Deadline,
    articles: &[ArticleId],
    user: Option<UserId>,
) -> Result<Stored, Problem> {
    let parameters = |_| {
        let ids = articles.iter().map(|article| article.get());
        let all = ids.clone().chain(ids.clone());
        let all = all.chain(user.map(UserId::get)).chain(ids.filter(|_| user.is_some()));
        all.map(ParameterValue::Int64).collect()
    };
    let rows = mysql::query(url, deadline, &sql(articles.len(), user.is_some()), &parameters).await?;
    let row = rows.first().ok_or(Problem::StoreUnavailable)?;
    let on = if user.is_some() { Some(text(row, "ons")?) } else { None };
    let stored = Stored::read(&text(row, "stats")?, &text(row, "counts")?, on.as_deref());
    stored.ok_or(Problem::StoreUnavailable)
}

// The longest text: of each article and kind the id, the code, the count, and a comma behind each.
const _: () = assert!(MAX_ARTICLES * Kind::ALL.len() * (20 + 4 + 20) <= LONGEST_TEXT);

/// All in one row, since each row of an answer costs a call of Spin.
fn sql(articles: usize, signed_in: bool) -> String {
    let ids = format!("?{}", ", ?".repeat(articles - 1));
    // Those that this release knows.
    let kinds = Kind::ALL.iter().map(|kind| kind.code().to_string()).collect::<Vec<_>>().join(", ");
    // By the primary key, however few rows the user has: the other index could read all of a busy user's.
    let ons = if signed_in {
        format!(
            "COALESCE((SELECT GROUP_CONCAT(CONCAT_WS(',', article_id, kind))
                       FROM interaction FORCE INDEX (PRIMARY)
                       WHERE user_id = ? AND article_id IN ({ids}) AND kind IN ({kinds}) AND status = 1), '')"
        )
    } else {
        "''".to_owned()
    };
    format!(
        "SELECT COALESCE((SELECT GROUP_CONCAT(CONCAT_WS(',', article_id, pv, uv, read_count))
                          FROM article_stats WHERE article_id IN ({ids})), '') AS stats,
                COALESCE((SELECT GROUP_CONCAT(CONCAT_WS(',', article_id, kind, count))
                          FROM interaction_count WHERE article_id IN ({ids}) AND kind IN ({kinds})), '') AS counts,
                {ons} AS ons"
    )
}

impl Stored {
    /// From the texts of the query's row; `None` if they are of anything else than whole rows of numbers.
    pub(super) fn read(stats: &str, counts: &str, on: Option<&str>) -> Option<Self> {
        let on = match on {
            Some(on) => Some(rows(on)?),
            None => None,
        };
        Some(Self { stats: rows(stats)?, counts: rows(counts)?, on })
    }

    /// An article's counters.
    pub(super) fn of(&self, article: ArticleId) -> Queried {
        let article = article.get();
        let [_, pv, uv, reads] = self.stats.iter().find(|row| row[0] == article).copied().unwrap_or_default();
        let kind = |kind: &Kind| {
            let of = [article, kind.code().into()];
            let count = self.counts.iter().find(|row| row[..2] == of).map_or(0, |row| row[2]);
            (count, self.on.as_ref().map(|on| on.contains(&of)))
        };
        Queried { pv, uv, reads, kinds: Kind::ALL.iter().map(kind).collect() }
    }
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

    #[test]
    fn each_kind_has_its_own_rows() {
        for (place, kind) in Kind::ALL.iter().enumerate() {
            let code = kind.code();
            let counts = format!("42,{code},5,43,{code},6");
            let stored = Stored::read("43,9,3,2", &counts, Some(&format!("42,{code}"))).expect("numbers");
            let (first, second) = (of(&stored, 42), of(&stored, 43));
            assert_eq!((first.pv, first.uv, first.reads), (0, 0, 0));
            assert_eq!((second.pv, second.uv, second.reads), (9, 3, 2));
            for (other, (first, second)) in first.kinds.iter().zip(&second.kinds).enumerate() {
                let ours = other == place;
                assert_eq!(*first, (if ours { 5 } else { 0 }, Some(ours)), "{kind}");
                assert_eq!(*second, (if ours { 6 } else { 0 }, Some(false)), "{kind}");
            }
            let anonymous = Stored::read("", &counts, None).expect("numbers");
            assert!(of(&anonymous, 42).kinds.iter().all(|(_, on)| on.is_none()));
        }
    }

    #[test]
    fn a_kind_of_a_newer_release_is_ignored() {
        let unknown = (1..=u8::MAX).find(|code| Kind::from_code(*code).is_none()).expect("there are fewer kinds");
        let stored = Stored::read("", &format!("42,{unknown},5"), Some(&format!("42,{unknown}"))).expect("numbers");
        assert!(of(&stored, 42).kinds.iter().all(|kind| *kind == (0, Some(false))));
    }

    #[test]
    fn a_text_that_was_cut_is_refused() {
        for cut in ["42,1", "42,1,", "42,1,5,4", "42,1,5,43,2", "x"] {
            assert!(Stored::read("", cut, None).is_none(), "{cut}");
        }
        assert!(Stored::read("42,9,3", "", None).is_none());
        assert!(Stored::read("", "", Some("42")).is_none());
    }

    #[test]
    fn each_parameter_has_its_place() {
        for (articles, signed_in, parameters) in [(1, false, 2), (1, true, 4), (100, true, 301)] {
            assert_eq!(sql(articles, signed_in).matches('?').count(), parameters);
        }
    }
}
