//! Schema, topics and rights.

use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail, ensure};
use rdkafka::{
    admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication},
    client::DefaultClientContext,
    error::RDKafkaErrorCode,
    metadata::MetadataTopic,
};
use sqlx::{AssertSqlSafe, MySqlPool, migrate::Migrator, query, raw_sql};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    backoff::Backoff,
    config::MigrateOptions,
    store::{Stores, kafka::METADATA},
};

static MIGRATIONS: Migrator = sqlx::migrate!();

/// All that the components read; they write only through the procedure, which has the rights of the user that made it,
/// who must not be dropped.
const READ_BY_HANDLERS: [(&str, &str); 5] = [
    ("article_stats", "article_id, like_count, collect_count, pv, uv, read_count"),
    ("user_like", "user_id, article_id, status, version_ms, version_seq, updated_at"),
    ("user_collect", "user_id, article_id, created_at"),
    ("top_liked", "span, place, article_id, likes"),
    ("trends", "as_of"),
];

/// Brings MySQL and Kafka to what this release needs. Safe to repeat, and to run from several processes at once.
pub(crate) async fn run(stores: &Stores, options: &MigrateOptions, stop: CancellationToken) -> anyhow::Result<()> {
    let until = Instant::now() + Duration::from_secs(options.wait_seconds);
    wait_for_mysql(&stores.mysql, until, &stop).await?;
    MIGRATIONS.run(&stores.mysql).await.context("the schema could not be brought up to date")?;
    info!(migrations = MIGRATIONS.iter().count(), "MySQL is up to date");
    if let Some(user) = &options.handlers_db_user {
        grant(&stores.mysql, user).await?;
    }
    create_topics(stores, options, until, &stop).await
}

async fn wait_for_mysql(mysql: &MySqlPool, until: Instant, stop: &CancellationToken) -> anyhow::Result<()> {
    let mut backoff = Backoff::new();
    while let Err(error) = mysql.acquire().await {
        // A wrong password or database does not get better by waiting.
        let refused = error.as_database_error().is_some();
        if refused || Instant::now() > until || stop.is_cancelled() {
            return Err(error)
                .context("MySQL at INTERACTION_MYSQL_URL cannot be used; is it up, and the address right?");
        }
        backoff.wait(stop).await;
    }
    Ok(())
}

async fn grant(mysql: &MySqlPool, account: &str) -> anyhow::Result<()> {
    let account = quoted(account)?;
    let database: String = sqlx::query_scalar("SELECT DATABASE()").fetch_one(mysql).await?;
    let database = format!("`{}`", database.replace('`', "``"));
    let mut grants = vec![format!("GRANT EXECUTE ON PROCEDURE {database}.collect TO {account}")];
    grants.extend(
        READ_BY_HANDLERS.map(|(table, columns)| format!("GRANT SELECT ({columns}) ON {database}.{table} TO {account}")),
    );
    for grant in grants {
        raw_sql(AssertSqlSafe(grant.clone())).execute(mysql).await.with_context(|| {
            format!("refused: {grant}; the user must exist, and the one that migrates needs GRANT OPTION")
        })?;
    }
    info!(account, "granted the handlers' rights");
    Ok(())
}

/// `user` or `user@host` as an SQL account name. Only plain characters: account names are no place for surprises.
fn quoted(account: &str) -> anyhow::Result<String> {
    let (user, host) = account.split_once('@').unwrap_or((account, "%"));
    let plain = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.%:/".contains(&byte))
    };
    ensure!(
        plain(user) && plain(host),
        "INTERACTION_HANDLERS_DB_USER must be user or user@host, of letters, digits and _ - . % : /"
    );
    Ok(format!("'{user}'@'{host}'"))
}

async fn create_topics(
    stores: &Stores,
    options: &MigrateOptions,
    until: Instant,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let admin: AdminClient<DefaultClientContext> = stores.kafka.client().create()?;
    let mut backoff = Backoff::new();
    for (name, partitions) in [(&stores.kafka.topic, options.topic_partitions), (&stores.kafka.dlq_topic, 1)] {
        loop {
            match create_topic(&admin, name, partitions, options).await {
                Ok(true) => {
                    info!(topic = name, partitions, "created the topic");
                    // Its offsets begin anew: what was put back of one of that name says nothing of them.
                    query("DELETE FROM dlq_replayed WHERE topic = ?")
                        .bind(name)
                        .execute(&stores.mysql)
                        .await
                        .context("MySQL")?;
                }
                Ok(false) => look_at(&admin, name, options).await?,
                Err(error) if Instant::now() > until || stop.is_cancelled() => {
                    return Err(error).context(
                        "Kafka at INTERACTION_KAFKA_BROKERS cannot be used; is it up, and the log above silent?",
                    );
                }
                Err(error) => {
                    warn!("waiting for Kafka: {error:#}");
                    backoff.wait(stop).await;
                    continue;
                }
            }
            break;
        }
    }
    Ok(())
}

/// A topic that somebody else made, or made for a smaller system, may lose what was acknowledged.
async fn look_at(
    admin: &AdminClient<DefaultClientContext>,
    name: &str,
    options: &MigrateOptions,
) -> anyhow::Result<()> {
    let metadata = admin.inner().fetch_metadata(Some(name), METADATA).context("Kafka does not answer")?;
    let copies = metadata.topics().first().into_iter().flat_map(MetadataTopic::partitions);
    let copies = copies.map(|partition| partition.replicas().len()).min().unwrap_or_default();
    let wait = AdminOptions::new().request_timeout(Some(METADATA));
    let described = admin.describe_configs([&ResourceSpecifier::Topic(name)], &wait).await?;
    let config = described.into_iter().next().context("Kafka did not say")?;
    let config = config.map_err(|error| anyhow!("the configuration of topic {name}: {error}"))?;
    let set = |of: &str| config.get(of).and_then(|entry| entry.value.clone()).unwrap_or_default();
    let (policy, in_sync) = (set("cleanup.policy"), set("min.insync.replicas"));
    info!(
        topic = name,
        copies,
        min_insync_replicas = in_sync,
        retention_ms = set("retention.ms"),
        "the topic is there"
    );
    ensure!(
        !policy.contains("compact"),
        "topic {name} is compacted, which drops events: set its cleanup.policy to delete"
    );
    if i32::try_from(copies)? < options.topic_replication {
        warn!(
            topic = name,
            copies,
            wanted = options.topic_replication,
            "fewer copies than wanted: one broker lost may lose events"
        );
    }
    Ok(())
}

/// Whether it was created; one that is there is left as it is.
async fn create_topic(
    admin: &AdminClient<DefaultClientContext>,
    name: &str,
    partitions: i32,
    options: &MigrateOptions,
) -> anyhow::Result<bool> {
    let in_sync = if options.topic_replication >= 3 { "2" } else { "1" };
    let retention = (i64::from(options.topic_retention_days) * 24 * 3600 * 1000).to_string();
    let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(options.topic_replication))
        .set("cleanup.policy", "delete")
        .set("min.insync.replicas", in_sync)
        .set("retention.ms", &retention);
    let wait = AdminOptions::new()
        .request_timeout(Some(Duration::from_secs(5)))
        .operation_timeout(Some(Duration::from_secs(5)));
    match admin.create_topics([&topic], &wait).await?.pop() {
        Some(Ok(_)) => Ok(true),
        Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => Ok(false),
        Some(Err((topic, error))) => bail!("creating topic {topic}: {error}"),
        None => bail!("creating topic {name}: Kafka did not say"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_quoted_or_refused() {
        assert_eq!(quoted("handlers").expect("plain"), "'handlers'@'%'");
        assert_eq!(quoted("handlers@10.0.0.%").expect("plain"), "'handlers'@'10.0.0.%'");
        for bad in ["", "@", "a@", "a'b", "a b", "a@b@c'", "a`"] {
            assert!(quoted(bad).is_err(), "{bad:?}");
        }
    }
}
