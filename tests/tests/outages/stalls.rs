//! A store is there and says nothing.

use std::time::{Duration, Instant};

use anyhow::Result;
use contract::{Kind, Truth};
use reqwest::Method;
use sqlx::MySqlPool;
use stack::{Service, wait_for};
use tests::{Api, Model};

use crate::{PATIENCE, alone, assert_refused, counters, in_time, kinds, of_redis, path, shown, switch_all};

/// After so long a query that Redis has not answered asks MySQL too.
const HEDGE: Duration = Duration::from_millis(100);
/// What MySQL has answered waits 200 ms for Redis, which knows newer; and as much again for a busy machine.
const AFTER_IT: Duration = Duration::from_millis(400);

/// Stalls a part, and resumes it whatever the test finds.
async fn while_stalled<T>(service: &Service, test: impl AsyncFnOnce() -> Result<T>) -> Result<T> {
    service.pause()?;
    let outcome = test().await;
    service.resume()?;
    outcome
}

/// The median of how long the counters of an article take, which must be right.
async fn median(api: &Api, model: &Model, pair: (i64, i64), stale: bool) -> Result<Duration> {
    let mut all = vec![];
    for _ in 0..21 {
        let (answer, took) = in_time(api, Method::GET, &path(pair.1, "interactions"), pair.0).await?;
        assert_eq!(answer.body, counters(model, pair, stale));
        all.push(took);
    }
    all.sort();
    Ok(all[all.len() / 2])
}

#[test]
fn a_stalled_redis_delays_no_request_past_its_deadline_and_a_query_by_a_moment() -> Result<()> {
    alone(async |system, api| {
        let mut model = Model::default();
        for (kind, article) in kinds(4000) {
            switch_all(&api, &mut model, kind, [(1, article)]).await?;
        }
        system.drained().await?;
        while_stalled(&system.stack.redis, async || {
            assert_refused(&in_time(&api, Method::POST, &path(4000, "views"), 1).await?.0);
            for (kind, article) in kinds(4000) {
                let took = median(&api, &model, (1, article), true).await?;
                println!("counters after {took:.0?} while Redis stalls");
                assert!((HEDGE..HEDGE + AFTER_IT).contains(&took), "{took:?}");
                let (answer, took) = in_time(&api, Method::DELETE, &path(article, kind), 1).await?;
                if kind.truth() == Truth::Redis {
                    assert_refused(&answer);
                } else {
                    answer.says(kind, article, false)?;
                    assert!(took < Duration::from_secs(2), "it needs only MySQL: {took:?}");
                    model.switch(kind, (1, article), false);
                }
            }
            Ok(())
        })
        .await?;
        // What was refused did not happen late either.
        system.warm().await?;
        system.holds(&model, 4000..=4049).await
    })
}

#[test]
fn a_stalled_mysql_delays_no_request_past_its_deadline_and_a_query_not_at_all() -> Result<()> {
    alone(async |system, api| {
        let mut model = Model::default();
        for (kind, article) in kinds(4100) {
            switch_all(&api, &mut model, kind, [(1, article)]).await?;
            shown(&api, &model, (1, article)).await?;
        }
        while_stalled(&system.stack.mariadb, async || {
            for (kind, article) in kinds(4100) {
                if kind.truth() == Truth::Mysql {
                    assert_refused(&in_time(&api, Method::PUT, &path(article, kind), 2).await?.0);
                } else {
                    switch_all(&api, &mut model, kind, [(2, article)]).await?;
                }
                let mine = format!("/v1/me/{}", kind.count());
                assert_refused(&in_time(&api, Method::GET, &mine, 1).await?.0);
                let took = median(&api, &model, (1, article), false).await?;
                println!("counters after {took:.0?} while MySQL stalls");
                assert!(took < HEDGE, "{took:?}");
            }
            Ok(())
        })
        .await?;
        system.holds(&model, 4100..=4149).await
    })
}

/// The servers take connections, and nothing comes of them.
#[test]
fn a_network_that_stalls_delays_no_request_past_its_deadline() -> Result<()> {
    alone(async |system, api| {
        let mut model = Model::default();
        let (kind, article) = kinds(4200).next().expect("a kind");
        switch_all(&api, &mut model, kind, [(1, article)]).await?;
        system.drained().await?;
        let network = system.stack.network();
        network.mysql.hold();
        let took = median(&api, &model, (1, article), false).await?;
        assert!(took < HEDGE, "{took:?}");
        network.redis.hold();
        let mut routes = vec![
            (Method::POST, path(article, "views")),
            (Method::GET, path(article, "interactions")),
            (Method::GET, "/readyz".to_owned()),
        ];
        for kind in Kind::ALL {
            routes.push((Method::PUT, path(article, kind)));
            routes.push((Method::GET, format!("/v1/me/{}", kind.count())));
        }
        for (method, route) in routes {
            assert_eq!(in_time(&api, method, &route, 2).await?.0.status, 503, "{route}");
        }
        network.mysql.release();
        let took = median(&api, &model, (1, article), true).await?;
        assert!((HEDGE..HEDGE + AFTER_IT).contains(&took), "{took:?}");
        network.release();
        system.warm().await?;
        system.holds(&model, 4200..=4249).await
    })
}

/// How many statements the server is at. The question itself is one.
async fn running(mysql: &MySqlPool) -> Result<u32> {
    let row: (String, String) = sqlx::query_as("SHOW GLOBAL STATUS LIKE 'Threads_running'").fetch_one(mysql).await?;
    Ok(row.1.parse()?)
}

#[test]
fn a_query_that_takes_long_is_ended_soon_after_its_request() -> Result<()> {
    // Longer than the test has patience. The other table has a row.
    const SLOW: &str = "CREATE VIEW trends AS
        SELECT * FROM quick UNION ALL SELECT 0, NULL, 0, '' FROM projector WHERE SLEEP(90) = 0";
    alone(async |system, api| {
        system.drained().await?;
        system.stack.persister.terminate().await?;
        let mysql = MySqlPool::connect(&system.stack.mysql_owner_url()).await?;
        for sql in ["RENAME TABLE trends TO quick", SLOW] {
            sqlx::raw_sql(sql).execute(&mysql).await?;
        }
        let top = format!("/v1/top/{}", Kind::ALL[0].count());
        let answers = futures::future::try_join_all((1..=8).map(|user| in_time(&api, Method::GET, &top, user))).await;
        let began = Instant::now();
        let ended =
            wait_for("the statements to end", PATIENCE, async || Ok((running(&mysql).await? <= 2).then_some(()))).await;
        println!("the statements ended {:.1?} after their requests", began.elapsed());
        for sql in ["DROP VIEW trends", "RENAME TABLE quick TO trends"] {
            sqlx::raw_sql(sql).execute(&mysql).await?;
        }
        for (answer, _) in answers? {
            assert_refused(&answer);
        }
        ended
    })
}

#[test]
fn a_table_that_is_locked_holds_no_statement_for_longer_than_a_request_waits() -> Result<()> {
    alone(async |system, api| {
        system.drained().await?;
        system.stack.persister.terminate().await?;
        let mysql = MySqlPool::connect(&system.stack.mysql_owner_url()).await?;
        let mut locker = mysql.acquire().await?;
        sqlx::raw_sql("LOCK TABLES interaction WRITE").execute(&mut *locker).await?;
        let running = async || running(&mysql).await;
        let list = format!("/v1/me/{}", Kind::ALL[0].count());
        let asked = (1..=8).map(|user| in_time(&api, Method::GET, &list, user));
        let (answers, stuck) = tokio::join!(
            futures::future::try_join_all(asked),
            wait_for("statements that wait for the table", PATIENCE, async || {
                Ok((running().await? > 3).then_some(()))
            })
        );
        stuck?;
        for (answer, _) in answers? {
            assert_refused(&answer);
        }
        wait_for("the statements to end, though the table is locked", PATIENCE, async || {
            Ok((running().await? <= 2).then_some(()))
        })
        .await?;
        sqlx::raw_sql("UNLOCK TABLES").execute(&mut *locker).await?;
        assert_eq!(in_time(&api, Method::GET, &list, 1).await?.0.status, 200);
        Ok(())
    })
}

#[test]
fn kafka_that_was_frozen_until_it_had_no_brokers_is_found_again() -> Result<()> {
    alone(async |system, api| {
        let mut model = Model::default();
        system.drained().await?;
        let log = system.stack.persister.log();
        let mentions = || Ok::<_, anyhow::Error>(std::fs::read_to_string(log)?.matches("Kafka did not take").count());
        while_stalled(&system.stack.kafka, async || {
            // A record fails after 8 s and is sent again. A broker that was silent for 9 s is in nobody's list.
            for (article, before) in [(4700, mentions()?), (4701, mentions()? + 1)] {
                switch_all(&api, &mut model, of_redis(), (1..=20).map(|user| (user, article))).await?;
                wait_for("a delivery that fails", PATIENCE, async || Ok((mentions()? > before).then_some(()))).await?;
            }
            Ok(())
        })
        .await?;
        let began = Instant::now();
        system.holds(&model, 4700..=4701).await?;
        println!("all arrived {:.1?} after Kafka was back", began.elapsed());
        Ok(())
    })
}
