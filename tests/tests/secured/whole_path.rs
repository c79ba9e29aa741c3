use anyhow::{Result, ensure};
use contract::Kind;
use sqlx::{MySqlPool, Row};
use stack::wait_for;
use tests::{Api, interactions};

use crate::{PATIENCE, json_lines, persister, secured};

#[test]
fn the_whole_path_works_by_tls_and_with_credentials() -> Result<()> {
    secured(async |stack| {
        let api = Api::new(stack.http_url());
        let articles = (42..).zip(Kind::ALL.iter().copied());
        for (article, kind) in articles.clone() {
            let answer = api.switch(kind, article, true).user(7).send().await?;
            answer.says(kind, article, true)?;
            let path = format!("/v1/articles/{article}/interactions");
            wait_for("the counters by Redis", PATIENCE, async || {
                let body = api.get(&path).user(7).good().await?;
                Ok((body[kind.on()] == true && body[kind.count()] == 1 && body["stale"] == false).then_some(()))
            })
            .await?;
        }
        let viewed = api.post("/v1/articles/42/views").user(7).good().await?;
        assert_eq!((&viewed["pv"], &viewed["uv"]), (&1.into(), &1.into()));

        // The relay and the consumer: Redis, Kafka and MySQL by the persister.
        let mysql = MySqlPool::connect(&stack.mysql_url()).await?;
        let cipher = sqlx::query("SHOW SESSION STATUS LIKE 'Ssl_cipher'").fetch_one(&mysql).await?;
        assert_ne!(cipher.get::<String, _>(1), "", "the tests' own connection is by TLS as well");
        wait_for("the rows", PATIENCE, async || {
            let rows = interactions(&mysql).await?;
            Ok(articles.clone().all(|(article, kind)| rows[&kind].contains(&(7, article))).then_some(()))
        })
        .await?;
        // What MySQL decides by way of its own outbox.
        for (article, kind) in articles {
            wait_for("the event in the log", PATIENCE, async || {
                let (good, said) =
                    persister(stack, &["audit", "--article", &article.to_string(), "--json"], &[]).await?;
                ensure!(good, "{said}");
                Ok(json_lines(&said).iter().any(|event| event["type"] == kind.name()).then_some(()))
            })
            .await?;
        }
        Ok(())
    })
}
