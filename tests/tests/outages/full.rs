//! Too much, and the end.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use contract::{Kind, Truth};
use tests::{Model, redis};

use crate::{HIGH_WATER, alone, assert_refused, counters, kinds, load::Load, of_redis, path, shown, switch_all};

#[test]
fn past_the_outboxs_high_water_mark_what_redis_decides_is_refused_and_nothing_is_lost() -> Result<()> {
    alone(async |system, api| {
        let mut model = Model::default();
        system.drained().await?;
        system.stack.persister.kill().await?;
        switch_all(&api, &mut model, of_redis(), (1..=HIGH_WATER).map(|user| (user, 2000))).await?;
        for (kind, user) in kinds(HIGH_WATER) {
            for on in [true, false] {
                let answer = api.switch(kind, 2000, on).user(user).send().await?;
                if kind.truth() == Truth::Redis {
                    assert_refused(&answer);
                    assert_eq!(answer.body["type"], "/v1/problems/backlogged");
                } else {
                    answer.says(kind, 2000, on)?;
                    model.switch(kind, (user, 2000), on);
                }
            }
        }
        let body = api.get(&path(2000, "interactions")).user(1).good().await?;
        assert_eq!(body, counters(&model, (1, 2000), false));
        assert_eq!(api.post(&path(2000, "views")).user(1).good().await?["pv"], 1, "a view adds nothing to the outbox");
        switch_all(&api, &mut model, of_redis(), [(1, 2001)]).await.context("another partition is not concerned")?;

        system.stack.persister.start().await?;
        system.drained().await?;
        for (kind, user) in kinds(HIGH_WATER) {
            switch_all(&api, &mut model, kind, [(user, 2000)]).await?;
        }
        system.holds(&model, 2000..=2001).await
    })
}

#[test]
fn sigterm_under_load_ends_each_process_in_ten_seconds_and_loses_nothing() -> Result<()> {
    alone(async |system, api| {
        let load = Load::start(&api, Kind::ALL.iter().copied(), &(2101..=2199));
        for service in [&*system.stack.persister, &*system.stack.app] {
            load.goes_on(200).await?;
            let began = Instant::now();
            let status = service.terminate().await?;
            let took = began.elapsed();
            println!("{} ended {took:.1?} after SIGTERM", service.name());
            assert!(took < Duration::from_secs(10), "{} took {took:?}", service.name());
            assert!(status.is_some_and(|status| status.success()), "{}: {status:?}", service.name());
            service.start().await?;
        }
        let model = load.stop(&api).await?;
        system.holds(&model, 2101..=2199).await
    })
}

#[test]
fn a_full_redis_refuses_what_it_decides_over_the_connections_that_there_are() -> Result<()> {
    const CHANGES: i64 = 60;
    alone(async |system, api| {
        let mut model = Model::default();
        for (kind, article) in kinds(2300) {
            switch_all(&api, &mut model, kind, [(1, article)]).await?;
            shown(&api, &model, (1, article)).await?;
        }
        system.drained().await?;
        system.stack.persister.terminate().await?;
        let mut redis = redis(&system.stack.redis_url()).await?;
        let connections = async |redis: &mut tests::Redis| -> Result<i64> {
            let stats: String = redis::cmd("INFO").arg("stats").query_async(redis).await?;
            let line = stats.lines().find_map(|line| line.strip_prefix("total_connections_received:"));
            Ok(line.context("INFO counts them")?.trim().parse()?)
        };
        let limit = async |redis: &mut tests::Redis, bytes: &str| -> Result<()> {
            Ok(redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg(bytes).query_async(redis).await?)
        };
        limit(&mut redis, "1").await?;
        for (kind, article) in kinds(2300) {
            let body = api.get(&path(article, "interactions")).user(1).good().await?;
            assert_eq!(body, counters(&model, (1, article), false), "what reads goes on");
            if kind.truth() == Truth::Mysql {
                switch_all(&api, &mut model, kind, [(2, article)]).await?;
                continue;
            }
            let before = connections(&mut redis).await?;
            for user in 2..2 + CHANGES {
                assert_refused(&api.switch(kind, article, true).user(user).send().await?);
            }
            let made = connections(&mut redis).await? - before;
            assert!(made < CHANGES / 4, "{made} connections for {CHANGES} changes");
        }

        limit(&mut redis, "0").await?;
        for (kind, article) in kinds(2300) {
            switch_all(&api, &mut model, kind, [(2, article)]).await?;
        }
        system.stack.persister.start().await?;
        system.holds(&model, 2300..=2349).await
    })
}
