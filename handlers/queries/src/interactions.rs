//! Counters and status: from Redis by one script call for each partition concerned, all sent at once; favourites, and
//! what Redis cannot answer, from MySQL by one query at the same time.

use contract::{ArticleId, Partition, UserId, keys, scripts};
use futures::future::join;
use handler_common::{
    Call, Problem, Reply, mysql,
    redis::{self, Invocation, Resend},
};
use serde::Serialize;
use spin_sdk::mysql::ParameterValue;

use crate::{
    Settings,
    parameters::{ARTICLES, Articles, MAX_ARTICLES},
};

/// An article's counters, and what the caller has done.
#[derive(Serialize, Clone, Copy)]
struct Interactions {
    article_id: ArticleId,
    likes: i64,
    /// `None` while MySQL does not answer.
    collects: Option<i64>,
    pv: i64,
    uv: i64,
    reads: i64,
    /// `None` for an anonymous caller.
    liked: Option<bool>,
    /// `None` for an anonymous caller, and while MySQL does not answer.
    collected: Option<bool>,
    /// Whether all but the favourites comes from MySQL and may be a moment old, since Redis does not answer.
    stale: bool,
}

#[derive(Serialize)]
struct Batch {
    items: Vec<Interactions>,
}

/// `GET /v1/articles/{id}/interactions`
pub(crate) async fn one(call: &Call, settings: &Settings) -> Result<Reply, Problem> {
    let (article, user) = (call.article()?, call.user()?);
    let items = query(call, settings, &[article], user).await?;
    Ok(Reply::json(items.first().ok_or(Problem::StoreUnavailable)?))
}

/// `GET /v1/interactions?article_ids=1,2,3`
pub(crate) async fn batch(call: &Call, settings: &Settings) -> Result<Reply, Problem> {
    let user = call.user()?;
    Ok(Reply::json(&Batch { items: query(call, settings, &named(call)?, user).await? }))
}

fn named(call: &Call) -> Result<Vec<ArticleId>, Problem> {
    call.query("article_ids", ARTICLES)?.map(|Articles(articles)| articles).ok_or(Problem::BadQuery(ARTICLES))
}

/// The sums over articles. Not of visitors: one may have seen several.
#[derive(Serialize)]
struct Totals {
    articles: usize,
    likes: i64,
    /// `None` while MySQL does not answer.
    collects: Option<i64>,
    pv: i64,
    reads: i64,
    /// Whether any of them is.
    stale: bool,
}

/// `GET /v1/interactions/totals?article_ids=1,2,3`; an article that is named twice counts once.
pub(crate) async fn totals(call: &Call, settings: &Settings) -> Result<Reply, Problem> {
    call.user()?;
    let mut articles = Vec::new();
    for article in named(call)? {
        if !articles.contains(&article) {
            articles.push(article);
        }
    }
    let items = query(call, settings, &articles, None).await?;
    let mut totals = Totals { articles: articles.len(), likes: 0, collects: Some(0), pv: 0, reads: 0, stale: false };
    for of in items {
        totals.likes += of.likes;
        totals.collects = totals.collects.zip(of.collects).map(|(sum, collects)| sum + collects);
        totals.pv += of.pv;
        totals.reads += of.reads;
        totals.stale |= of.stale;
    }
    Ok(Reply::json(&totals))
}

/// What each store knows of an article.
#[derive(Clone, Copy, Default)]
struct Counters {
    likes: i64,
    pv: i64,
    uv: i64,
    reads: i64,
    liked: Option<bool>,
}

#[derive(Clone, Copy, Default)]
struct Facts {
    counters: Counters,
    collects: i64,
    collected: Option<bool>,
}

/// A hundred at most: to look through them is less than to hash them, and less code.
type ByArticle<T> = Vec<(ArticleId, T)>;

fn find<T: Copy>(all: &[(ArticleId, T)], article: ArticleId) -> Option<T> {
    all.iter().find(|(other, _)| *other == article).map(|(_, found)| *found)
}

async fn query(
    call: &Call,
    settings: &Settings,
    articles: &[ArticleId],
    user: Option<UserId>,
) -> Result<Vec<Interactions>, Problem> {
    let (hot, facts) =
        join(from_redis(call, settings, articles, user), from_mysql(call, settings, articles, user)).await;
    let facts = facts.ok();
    let item = |article: &ArticleId| {
        let fact = facts.as_ref().map(|facts| find(facts, *article).unwrap_or_else(|| Facts::none(user)));
        let (counters, stale) = match (find(&hot, *article), fact) {
            (Some(counters), _) => (counters, false),
            (None, Some(fact)) => (fact.counters, true),
            (None, None) => return Err(Problem::StoreUnavailable),
        };
        let Counters { likes, pv, uv, reads, liked } = counters;
        let (collects, collected) = (fact.map(|fact| fact.collects), fact.and_then(|fact| fact.collected));
        Ok(Interactions { article_id: *article, likes, collects, pv, uv, reads, liked, collected, stale })
    };
    articles.iter().map(item).collect()
}

/// The articles whose partition is warm, on a server that answers.
async fn from_redis(
    call: &Call,
    settings: &Settings,
    articles: &[ArticleId],
    user: Option<UserId>,
) -> ByArticle<Counters> {
    let mut partitions: Vec<(Partition, Vec<ArticleId>)> = Vec::new();
    for article in articles {
        let partition = Partition::of(*article);
        match partitions.iter_mut().find(|(other, _)| *other == partition) {
            Some((_, articles)) => articles.push(*article),
            None => partitions.push((partition, vec![*article])),
        }
    }
    let calls: Vec<Invocation> = partitions
        .iter()
        .map(|(partition, articles)| {
            let of = |article: &ArticleId| {
                [keys::likes, keys::pv, keys::uv, keys::reads, keys::members].map(|key| key(*article))
            };
            Invocation {
                script: scripts::QUERY,
                keys: std::iter::once(keys::warm(*partition)).chain(articles.iter().flat_map(of)).collect(),
                args: vec![user.map(|user| user.to_string()).unwrap_or_default()],
                deadline: false,
            }
        })
        .collect();
    let answers = redis::run(&settings.redis_url, call.deadline, Resend::Once, &calls).await;
    let mut found = Vec::with_capacity(articles.len());
    for (answer, (_, articles)) in answers.into_iter().zip(&partitions) {
        let Ok(answer) = answer.and_then(|answer| answer.accepted(&[])) else { continue };
        for (index, article) in articles.iter().enumerate() {
            let number = |at: usize| answer.number(1 + index * 5 + at);
            let counters = || {
                let liked = number(4)?;
                Ok::<_, Problem>(Counters {
                    likes: number(0)?,
                    pv: number(1)?,
                    uv: number(2)?,
                    reads: number(3)?,
                    liked: user.map(|_| liked == 1),
                })
            };
            if let Ok(counters) = counters() {
                found.push((*article, counters));
            }
        }
    }
    found
}

impl Facts {
    /// Of an article that nobody has touched.
    fn none(user: Option<UserId>) -> Self {
        let no = user.map(|_| false);
        Self { counters: Counters { liked: no, ..Counters::default() }, collects: 0, collected: no }
    }
}

/// Bytes of the longest text that MySQL answers with: of each article its id and five counters of 19 digits at most and
/// two flags, and a comma behind each.
const LONGEST: usize = MAX_ARTICLES * (6 * 20 + 2 * 2);

async fn from_mysql(
    call: &Call,
    settings: &Settings,
    articles: &[ArticleId],
    user: Option<UserId>,
) -> Result<ByArticle<Facts>, Problem> {
    // All in one row, since Spin hands over each at the price of a call.
    let sql = format!(
        "SELECT COALESCE(CAST(GROUP_CONCAT(CONCAT_WS(',',
                    s.article_id, s.like_count, s.collect_count, s.pv, s.uv, s.read_count,
                    EXISTS (SELECT 1 FROM user_collect c WHERE c.user_id = ? AND c.article_id = s.article_id),
                    EXISTS (SELECT 1 FROM user_like l
                            WHERE l.user_id = ? AND l.article_id = s.article_id AND l.status = 1)
                )) AS CHAR({LONGEST})), '') AS facts
         FROM article_stats s WHERE s.article_id IN (?{})",
        ", ?".repeat(articles.len() - 1)
    );
    // No user has the id 0.
    let caller = user.map_or(0, UserId::get);
    let parameters = |_| {
        let ids = articles.iter().map(|article| article.get());
        [caller, caller].into_iter().chain(ids).map(ParameterValue::Int64).collect()
    };
    let rows = mysql::query(&settings.mysql_url, call.deadline, &sql, &parameters).await?;
    let facts = mysql::text(rows.first().ok_or(Problem::StoreUnavailable)?, "facts")?;
    facts_of(&facts, user.is_some()).ok_or(Problem::StoreUnavailable)
}

/// Reads eight numbers an article.
fn facts_of(text: &str, signed_in: bool) -> Option<ByArticle<Facts>> {
    let numbers = mysql::integers(text)?;
    let (articles, []) = numbers.as_chunks() else { return None };
    let fact = |&[article, likes, collects, pv, uv, reads, collected, liked]: &[i64; 8]| {
        let flag = |number| signed_in.then_some(number == 1);
        let counters = Counters { likes, pv, uv, reads, liked: flag(liked) };
        Some((article.try_into().ok()?, Facts { counters, collects, collected: flag(collected) }))
    };
    articles.iter().map(fact).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_mysql_knows_is_eight_numbers_an_article() {
        let facts = facts_of("42,5,4,3,2,1,0,1,43,0,0,0,0,0,1,0", true).expect("two articles");
        let id = |text: &str| text.parse().expect("an id");
        let of = |text: &str| find(&facts, id(text)).expect("it is there");
        let (first, second) = (of("42"), of("43"));
        let Counters { likes, pv, uv, reads, liked } = first.counters;
        assert_eq!((likes, first.collects, pv, uv, reads), (5, 4, 3, 2, 1));
        assert_eq!((first.collected, liked, second.collected), (Some(false), Some(true), Some(true)));
        assert_eq!(facts_of("42,5,4,3,2,1,0,1", false).expect("one")[0].1.collected, None);
        assert!(facts_of("", true).expect("no article").is_empty());
        for cut in ["42,5,4,3,2,1,0", "42,5,4,3,2,1,0,1,4", "42,5,4,3,2,1,0,"] {
            assert!(facts_of(cut, true).is_none(), "{cut}");
        }
    }
}
