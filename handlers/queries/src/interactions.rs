//! Counters and status. They come from Redis by one script call to each server, however many articles are asked for. If
//! Redis does not answer, they come from MySQL by one query.

mod body;
mod stored;
mod stores;

use std::cell::OnceCell;

use contract::{
    ArticleId, ArticleNumber, Partition, UserId,
    scripts::{Queried, Query},
};
use handler_common::{
    Call, Problem, Reply,
    redis::{Calls, Resend, by_server},
};
use spin_sdk::time::sleep;

use crate::{
    parameters::{ARTICLES, Articles},
    settings::Settings,
};
use body::{Interactions, Totals};
use stored::Stored;
use stores::redis_first;

const JSON: &str = "application/json";

/// `GET /v1/articles/{id}/interactions`
pub(crate) async fn one(call: &Call, settings: &Settings) -> Result<Reply, Problem> {
    let (article, user) = (call.article()?, call.user()?);
    let items = query(call, settings, std::slice::from_ref(&article), user.as_ref()).await?;
    let item = items.first().ok_or(Problem::StoreUnavailable)?;
    Ok(answer(call, settings, user.as_ref(), Reply::text(JSON, &item.to_json())))
}

/// `GET /v1/interactions?article_ids=1,2,3`
pub(crate) async fn batch(call: &Call, settings: &Settings) -> Result<Reply, Problem> {
    let user = call.user()?;
    let items = query(call, settings, &named(call)?, user.as_ref()).await?;
    Ok(answer(call, settings, user.as_ref(), Reply::text(JSON, &body::batch(&items))))
}

/// `GET /v1/interactions/totals?article_ids=1,2,3`; an article that is named twice counts once.
pub(crate) async fn totals(call: &Call, settings: &Settings) -> Result<Reply, Problem> {
    let user = call.user()?;
    let mut articles = Vec::new();
    for article in named(call)? {
        if !articles.contains(&article) {
            articles.push(article);
        }
    }
    let reply = Reply::json(&Totals::of(&query(call, settings, &articles, None).await?));
    Ok(answer(call, settings, user.as_ref(), reply))
}

/// Lets caches keep an answer to a caller without a token.
pub(crate) fn answer(call: &Call, settings: &Settings, user: Option<&UserId>, reply: Reply) -> Reply {
    if user.is_some() { reply } else { reply.cacheable(call, &settings.anonymous_cache_control) }
}

fn named(call: &Call) -> Result<Vec<ArticleId>, Problem> {
    call.list("article_ids", ARTICLES)?.map(|Articles(articles)| articles).ok_or(Problem::BadQuery(ARTICLES))
}

async fn query(
    call: &Call,
    settings: &Settings,
    articles: &[ArticleId],
    user: Option<&UserId>,
) -> Result<Vec<Interactions>, Problem> {
    let user = user.map(UserId::number);
    let numbers: Vec<(Partition, ArticleNumber)> =
        articles.iter().map(|article| (Partition::of(article.number()), article.number())).collect();
    let (queries, calls) = (OnceCell::<Vec<Query>>::new(), OnceCell::<Calls<'_, Query>>::new());
    let redis = async {
        // `redis_first` sets the first timer.
        let deadline = call.deadline.after_another();
        let servers = by_server(&settings.redis_url, deadline, &numbers).await;
        let of_server = |articles| Query { articles, user };
        let queries = queries.get_or_init(|| servers.into_iter().map(of_server).collect());
        let calls = calls.get_or_init(|| Calls::new(queries));
        calls.send(&settings.redis_url, deadline, Resend::Once).await;
    };
    let answered = || counters(calls.get(), &numbers);
    let stored = redis_first(
        redis,
        || answered().1.is_empty(),
        async || stored::query(&settings.mysql_url, call.deadline, &answered().1, user).await.ok(),
        sleep,
    )
    .await;
    let (hot, _) = answered();
    articles.iter().map(|article| merge(article, &hot, stored.as_ref())).collect()
}

/// Returns what Redis has answered so far, and the open articles: those without an answer and those whose partition is
/// cold. While Redis has not been asked, all articles are open.
fn counters(
    redis: Option<&Calls<'_, Query>>,
    all: &[(Partition, ArticleNumber)],
) -> (Vec<(ArticleNumber, Queried)>, Vec<ArticleNumber>) {
    let Some(redis) = redis else { return (vec![], all.iter().map(|(_, article)| *article).collect()) };
    let (mut hot, mut open) = (Vec::new(), Vec::new());
    redis.each(|query, answer| {
        for (place, (_, article)) in query.articles.iter().enumerate() {
            match answer.and_then(|answer| *answer.get(place)?) {
                Some(counters) => hot.push((*article, counters)),
                None => open.push(*article),
            }
        }
    });
    (hot, open)
}

/// Takes Redis's answer if there is one, because it is newer than MySQL's. There are a hundred articles at most:
/// searching them costs less than hashing them, and is less code.
fn merge(
    article: &ArticleId,
    hot: &[(ArticleNumber, Queried)],
    stored: Option<&Stored>,
) -> Result<Interactions, Problem> {
    if let Some((_, counters)) = hot.iter().find(|(other, _)| *other == article.number()) {
        return Ok(Interactions { article: article.clone(), counters: *counters, stale: false });
    }
    let counters = stored.ok_or(Problem::StoreUnavailable)?.of(article.number());
    Ok(Interactions { article: article.clone(), counters, stale: true })
}

#[cfg(test)]
mod tests {
    use contract::Kind;

    use super::*;

    fn article(id: i64) -> ArticleNumber {
        id.try_into().expect("an id")
    }

    fn id(number: i64) -> ArticleId {
        ArticleId::stored(article(number), None)
    }

    #[test]
    fn an_article_is_stale_if_only_mysql_answered() {
        let kinds = [(5, None); Kind::COUNT];
        let hot = [(article(1), Queried { pv: 9, uv: 3, reads: 2, kinds })];
        let stored = Stored::read("1,1,1,1,2,7,5,3", &vec![String::new(); Kind::ALL.len()], false).expect("numbers");
        let pv = |merged: Interactions| (merged.counters.pv, merged.stale);
        assert_eq!(merge(&id(1), &hot, Some(&stored)).map(pv), Ok((9, false)));
        assert_eq!(merge(&id(1), &hot, None).map(pv), Ok((9, false)));
        assert_eq!(merge(&id(2), &hot, Some(&stored)).map(pv), Ok((7, true)));
        assert_eq!(merge(&id(3), &hot, Some(&stored)).map(pv), Ok((0, true)), "nobody has touched it");
        assert_eq!(merge(&id(2), &hot, None).map(pv), Err(Problem::StoreUnavailable));
    }
}
