use anyhow::{Result, ensure};
use sqlx::{MySqlPool, Row};
use stack::wait_for;
use tests::Api;

use crate::{PATIENCE, json_lines, persister, secured};

#[test]
fn the_whole_path_works_by_tls_and_with_credentials() -> Result<()> {
    secured(async |stack| {
        let api = Api::new(stack.http_url());
        let liked = api.put("/v1/articles/42/like").user(7).good().await?;
        assert_eq!(liked["likes"], 1);
        let collected = api.put("/v1/articles/42/collect").user(7).good().await?;
        assert_eq!(collected["collects"], 1);
        let viewed = api.post("/v1/articles/42/views").user(7).good().await?;
        assert_eq!((&viewed["pv"], &viewed["uv"]), (&1.into(), &1.into()));
        let asked = api.get("/v1/articles/42/interactions").user(7).good().await?;
        assert_eq!(
            (&asked["liked"], &asked["collected"], &asked["stale"]),
            (&true.into(), &true.into(), &false.into())
        );

        // The relay and the consumer: Redis, Kafka and MySQL by the persister.
        let mysql = MySqlPool::connect(&stack.mysql_url()).await?;
        let cipher = sqlx::query("SHOW SESSION STATUS LIKE 'Ssl_cipher'").fetch_one(&mysql).await?;
        assert_ne!(cipher.get::<String, _>(1), "", "the tests' own connection is by TLS as well");
        wait_for("the row", PATIENCE, async || {
            let row = sqlx::query("SELECT status FROM user_like WHERE user_id = 7 AND article_id = 42");
            Ok(row.fetch_optional(&mysql).await?.map(|row| assert_eq!(row.get::<i8, _>("status"), 1)))
        })
        .await?;
        // The favourite by way of its own outbox.
        wait_for("both events in the log", PATIENCE, async || {
            let (good, said) = persister(stack, &["audit", "--article", "42", "--json"], &[]).await?;
            ensure!(good, "{said}");
            let kinds: Vec<_> = json_lines(&said).iter().map(|event| event["type"].clone()).collect();
            Ok((kinds.contains(&"like".into()) && kinds.contains(&"collect".into())).then_some(()))
        })
        .await
    })
}
