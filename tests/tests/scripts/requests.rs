//! What the other requests call: views, reads, the limit of favourites, queries.

use anyhow::Result;
use contract::{ArticleId, Change, OutboxEntry, Partition, keys, keys::Subject, scripts};
use redis::AsyncCommands;
use tests::id;

use super::{ARTICLE, NO_END, Server, WIDE, article, partition};

#[tokio::test]
async fn a_view_counts_page_views_and_visitors() -> Result<()> {
    let mut server = Server::warm().await?;
    let mut view = async |visitor: &str, run_id: Option<&str>, deadline: &str, burst: &str| {
        let keys = [
            keys::warm(partition()),
            keys::limit(article(), "view", Subject::Visitor(visitor)),
            keys::limit(article(), "view", Subject::Address("0af7")),
            keys::pv(article()),
            keys::uv(article()),
            keys::changed(partition()),
        ];
        let known = server.run_id.clone();
        let args = [run_id.unwrap_or(&known), deadline, visitor, "42", burst, "3600000000", WIDE[0], WIDE[1]];
        server.call(scripts::VIEW, &keys, &args).await
    };
    assert_eq!(view("a", None, NO_END, "10").await?[..3], ["OK", "1", "1"]);
    assert_eq!(view("a", None, NO_END, "10").await?[..3], ["OK", "2", "1"]);
    let third = view("b", None, NO_END, "10").await?;
    assert_eq!(third[..3], ["OK", "3", "2"]);
    assert_eq!(third[4..6], ["1", "9"], "the epoch, and what is left of the visitor's limit");
    assert_eq!(view("a", Some("another"), NO_END, "10").await?, ["COLD"]);
    assert_eq!(view("a", None, "1", "10").await?, ["LATE"]);
    assert_eq!(view("c", None, NO_END, "1").await?[..2], ["OK", "4"]);
    assert_eq!(view("c", None, NO_END, "1").await?[0], "LIMITED");
    let changed: Vec<i64> = server.connection.smembers(keys::changed(partition())).await?;
    assert_eq!(changed, [ARTICLE]);
    Ok(())
}

#[tokio::test]
async fn a_read_counts_once_and_not_before_its_time() -> Result<()> {
    let mut server = Server::warm().await?;
    let (seconds, micros): (i64, i64) = redis::cmd("TIME").query_async(&mut server.connection).await?;
    let now = seconds * 1000 + micros / 1000;
    let mut read = async |token: &str, change: &dyn Fn(&mut Vec<String>)| {
        let keys = [
            keys::warm(partition()),
            keys::outbox(partition()),
            keys::limit(article(), "read", Subject::Address("0af7")),
            keys::reads(article()),
            keys::used_token(article(), token),
            keys::changed(partition()),
        ];
        let viewed = (now - 6_000).to_string();
        let mut args: Vec<String> = [
            server.run_id.as_str(),
            NO_END,
            "7",
            "42",
            "1000000",
            "1",
            &viewed,
            "5000",
            "86400000",
            "100",
            "3600000000",
            "r",
            "h",
        ]
        .map(str::to_owned)
        .to_vec();
        change(&mut args);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        server.call(scripts::READ, &keys, &args).await
    };
    assert_eq!(read("t1", &|_| ()).await?, ["OK", "1", "1"]);
    assert_eq!(read("t1", &|_| ()).await?, ["OK", "0", "1"], "a token counts once");
    assert_eq!(read("t2", &|args| args[2] = String::new()).await?, ["OK", "1", "2"]);
    let early = read("t3", &|args| args[6] = now.to_string()).await?;
    assert_eq!(early[0], "EARLY");
    assert!((1..=5000).contains(&early[1].parse::<i64>()?), "{early:?}");
    assert_eq!(read("t3", &|args| args[6] = (now - 86_500_000).to_string()).await?, ["EXPIRED"]);
    assert_eq!(read("t3", &|args| args[5] = "0".to_owned()).await?, ["EXPIRED"], "a token of another epoch");
    assert_eq!(read("t3", &|args| args[0] = "another".to_owned()).await?, ["COLD"]);
    assert_eq!(read("t3", &|args| args[1] = "1".to_owned()).await?, ["LATE"]);
    assert_eq!(read("t3", &|args| args[4] = "2".to_owned()).await?, ["FULL"]);
    assert_eq!(read("t3", &|args| args[9] = "2".to_owned()).await?[0], "LIMITED");

    let entries = server.outbox().await?;
    let events = entries.iter().map(OutboxEntry::to_event).collect::<Result<Vec<_>, _>>()?;
    let told: Vec<_> = events.iter().map(|event| (event.user.map(contract::UserId::get), event.change)).collect();
    assert_eq!(told, [(Some(7), Change::Read(1)), (None, Change::Read(2))]);
    Ok(())
}

#[tokio::test]
async fn a_limit_lets_a_burst_pass_and_then_one_at_a_time() -> Result<()> {
    let mut server = Server::warm().await?;
    let keys = [
        keys::warm(partition()),
        keys::limit(article(), "collect", Subject::User(id(7))),
        keys::limit(article(), "collect", Subject::Address("h")),
    ];
    let run_id = server.run_id.clone();
    let mut take = async |run_id: &str, deadline: &str| {
        server.call(scripts::LIMIT, &keys, &[run_id, deadline, "2", "3600000000", WIDE[0], WIDE[1]]).await
    };
    assert_eq!(take("another", NO_END).await?, ["COLD"]);
    assert_eq!(take(&run_id, "1").await?, ["LATE"]);
    assert_eq!(take(&run_id, NO_END).await?[..2], ["OK", "1"]);
    assert_eq!(take(&run_id, NO_END).await?[..2], ["OK", "0"]);
    let refused = take(&run_id, NO_END).await?;
    assert_eq!((refused[0].as_str(), refused[2].as_str()), ("LIMITED", "1"));
    Ok(())
}

#[tokio::test]
async fn a_query_answers_for_every_article_of_its_partition() -> Result<()> {
    let mut server = Server::warm().await?;
    server.like(7, true, |_| ()).await?;
    server.like(8, true, |_| ()).await?;
    let other: ArticleId =
        (43..9999).map(id).find(|other| Partition::of(*other) == partition()).expect("there are many");
    let of = |article| [keys::likes, keys::pv, keys::uv, keys::reads, keys::members].map(|key| key(article));
    let keys: Vec<String> = [keys::warm(partition())].into_iter().chain(of(article())).chain(of(other)).collect();
    let run_id = server.run_id.clone();
    let one = server.call(scripts::QUERY, &keys, &[&run_id, "7"]).await?;
    assert_eq!(one, ["OK", "2", "0", "0", "0", "1", "0", "0", "0", "0", "0"]);
    let nobody = server.call(scripts::QUERY, &keys, &[&run_id, ""]).await?;
    assert_eq!((nobody[5].as_str(), nobody[10].as_str()), ("-1", "-1"));
    assert_eq!(server.call(scripts::QUERY, &keys, &["another", "7"]).await?, ["COLD"]);
    Ok(())
}
