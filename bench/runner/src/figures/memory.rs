//! Bytes that Redis holds for a like, in all keys together. The outbox and the limits do not count, because they are temporary.

use anyhow::Result;
use contract::{ArticleId, UserId};

use crate::{
    alone::Alone,
    bench::Bench,
    ids,
    report::{Figure, Goal},
    samples::Samples,
};

const ONE_ARTICLE: f64 = 16.0;
const MANY_ARTICLES: f64 = 20.0;
const LIKES_EACH: u64 = 10;

type Like = (UserId, ArticleId);
/// A name, the target, the number of likes, and the like of each number.
type Shape = (&'static str, f64, u64, Box<dyn Fn(u64) -> Like>);

pub(super) async fn measure(bench: &Bench) -> Result<Vec<Figure>> {
    let (hot, small) = (bench.scale.hot_likes, bench.scale.small_articles);
    let low = move |number: u64| -> UserId { (number + 1).to_string().parse().expect("an id") };
    let low_article = move |number: u64| -> ArticleId { (number + 1).to_string().parse().expect("an id") };
    let shapes: [Shape; 4] = [
        ("one-63bit", ONE_ARTICLE, hot, Box::new(|number| (ids::user(number), ids::article(0, 0)))),
        ("one-small", ONE_ARTICLE, hot, Box::new(move |number| (low(number), low_article(0)))),
        (
            "many-63bit",
            MANY_ARTICLES,
            small * LIKES_EACH,
            Box::new(|number| (ids::user(number), ids::article(0, number / LIKES_EACH))),
        ),
        (
            "many-small",
            MANY_ARTICLES,
            small * LIKES_EACH,
            Box::new(move |number| (low(number), low_article(number / LIKES_EACH))),
        ),
    ];
    let mut figures = vec![];
    for (shape, target, likes, like) in shapes {
        let name = format!("memory/{shape}");
        if !bench.wants(&name) {
            continue;
        }
        let bar = bench.progress.bar(usize::try_from(likes * 2)?).with_message(shape);
        let ours = ours((0..likes).map(&like), likes, |some| bar.inc(some)).await?;
        let theirs = seeds((0..likes).map(&like), likes, |some| bar.inc(some)).await?;
        bar.finish_and_clear();
        let articles =
            if shape.starts_with("one") { "one article".to_owned() } else { format!("{small} articles, 10 each") };
        let ids = if shape.ends_with("small") { "ids from 1 on" } else { "snowflake-like ids of 61 bits" };
        let figure = Figure::new(name, "Redis memory a like", "bytes", &ours)
            .against("Go design", &ours, &theirs)
            .target(Goal::ValueAtMost, target)
            .conditions(format!("{likes} likes, {articles}, {ids}; used_memory, once: it does not vary"));
        figures.push(figure);
    }
    Ok(figures)
}

async fn ours(likes: impl Iterator<Item = Like>, count: u64, done: impl FnMut(u64)) -> Result<Samples> {
    let mut alone = Alone::start().await?;
    let before = alone.settled_memory().await?;
    alone.send(likes, true, done).await?;
    Ok([(alone.settled_memory().await? - before) / super::pace::float(count)].into_iter().collect())
}

/// The Go design: one key for each pair of user and article, and one count for each article.
async fn seeds(likes: impl Iterator<Item = Like>, count: u64, mut done: impl FnMut(u64)) -> Result<Samples> {
    let mut alone = Alone::start().await?;
    let before = alone.settled_memory().await?;
    let mut likes = likes.peekable();
    while likes.peek().is_some() {
        let mut calls = redis::pipe();
        for (user, article) in likes.by_ref().take(1000) {
            calls.cmd("SET").arg(format!("user:like:{user}:{article}")).arg(1).ignore();
            calls.cmd("INCR").arg(format!("article:like:{article}")).ignore();
        }
        calls.exec_async(&mut alone.connection).await?;
        done(1000);
    }
    Ok([(alone.settled_memory().await? - before) / super::pace::float(count)].into_iter().collect())
}
