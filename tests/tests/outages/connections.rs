//! How many connections to MySQL the components have.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use anyhow::Result;
use contract::{Kind, Truth};
use reqwest::Method;
use stack::{Proxy, wait_for};
use tests::Api;

use crate::{PATIENCE, alone, in_time, path};

/// Each waits for its answer before it asks again.
const CLIENTS: i64 = 40;
/// Each instance has four at most, and there are no more instances than requests at once.
const BOUND: usize = 160;

/// Asks MySQL, half of the clients in each component, in ways that change nothing; whatever the answers are.
async fn ask(api: &Api, user: i64, until: Instant) -> Result<()> {
    let kind = Kind::of(Truth::Mysql).next().expect("MySQL decides some");
    let (method, path) = match user % 2 {
        0 => (Method::DELETE, path(4300, kind)),
        _ => (Method::GET, format!("/v1/me/{}", kind.count())),
    };
    while Instant::now() < until {
        let (answer, _) = in_time(api, method.clone(), &path, user).await?;
        assert!([200, 503].contains(&answer.status.as_u16()), "{answer:?}");
    }
    Ok(())
}

/// The most connections that were there at once while the clients asked for so long.
async fn most(api: &Api, mysql: &Proxy, length: Duration, meanwhile: impl Fn()) -> Result<usize> {
    let until = Instant::now() + length;
    let most = AtomicUsize::new(0);
    let watch = async {
        while Instant::now() < until {
            meanwhile();
            most.fetch_max(mysql.clients()?, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        anyhow::Ok(())
    };
    let asking = futures::future::try_join_all((1..=CLIENTS).map(|user| ask(api, user, until)));
    tokio::try_join!(watch, asking)?;
    Ok(most.into_inner())
}

#[test]
fn a_mysql_that_takes_connections_and_then_stalls_gets_no_more_of_them_than_a_host_has_places() -> Result<()> {
    alone(async |system, api| {
        system.drained().await?;
        // It has connections of its own.
        system.stack.persister.terminate().await?;
        let mysql = &system.stack.network().mysql;
        let before = most(&api, mysql, Duration::from_secs(2), || {}).await?;
        let stalled = most(&api, mysql, Duration::from_secs(12), || mysql.hold_existing()).await?;
        println!("{before} connections, {stalled} while MySQL stalls");
        assert!(stalled <= BOUND, "{stalled}");
        // The connections that are held never end, as those to a machine that has vanished.
        wait_for("MySQL to be asked again by all", PATIENCE, async || {
            let list = |user| in_time(&api, Method::GET, "/v1/me/likes", user);
            let answers = futures::future::try_join_all((1..=CLIENTS).map(list)).await?;
            Ok(answers.iter().all(|(answer, _)| answer.status == 200).then_some(()))
        })
        .await
    })
}
