use anyhow::Result;
use serde_json::json;
use sqlx::MySqlPool;

use crate::on_system;

#[test]
fn a_favourite_is_a_row_when_it_is_acknowledged() -> Result<()> {
    on_system(async |api, stack| {
        let mysql = MySqlPool::connect(&stack.mysql_url()).await?;
        let state = async || -> Result<(i64, i64)> {
            let sql = "SELECT (SELECT COUNT(*) FROM user_collect WHERE article_id = 2001),
                              (SELECT collect_count FROM article_stats WHERE article_id = 2001)";
            Ok(sqlx::query_as(sql).fetch_one(&mysql).await?)
        };
        let path = "/v1/articles/2001/collect";
        for _ in 0..2 {
            let body = api.put(path).user(1).good().await?;
            assert_eq!(body, json!({"article_id": "2001", "collected": true, "collects": 1}));
            assert_eq!(state().await?, (1, 1));
        }
        for _ in 0..2 {
            let body = api.delete(path).user(1).good().await?;
            assert_eq!(body, json!({"article_id": "2001", "collected": false, "collects": 0}));
            assert_eq!(state().await?, (0, 0));
        }
        Ok(())
    })
}

#[test]
fn the_limit_of_favourites_holds() -> Result<()> {
    on_system(async |api, _| {
        for number in 0..200 {
            let answer = api.put(&format!("/v1/articles/{}/collect", 2002)).user(2).send().await?;
            if answer.status == 429 {
                assert!(number >= 20 && !answer.header("retry-after").is_empty(), "{number}: {answer:?}");
                return Ok(());
            }
            assert_eq!(answer.status, 200);
        }
        panic!("200 requests at once passed a limit of 20 and 2 a second");
    })
}
