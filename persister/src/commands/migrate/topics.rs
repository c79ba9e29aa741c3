//! The topics of Kafka.

use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail, ensure};
use rdkafka::{
    admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication},
    client::DefaultClientContext,
    error::RDKafkaErrorCode,
    metadata::MetadataTopic,
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::options::MigrateOptions;
use crate::{
    backoff::Backoff,
    ledger::dead_letters,
    store::{StoreError, Stores, kafka::METADATA},
};

/// Creates missing topics, and checks existing ones.
pub(super) async fn create(
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
                    dead_letters::forget_topic(&stores.mysql, name).await?;
                }
                Ok(false) => look_at(&admin, name, options).await?,
                Err(error) if Instant::now() > until || stop.is_cancelled() => {
                    return Err(error).context(
                        "Kafka at INTERACTION_KAFKA_BROKERS cannot be used; check that it is up, and read the log above",
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

/// Checks an existing topic. If somebody else created it, or for a smaller system, it may lose acknowledged changes.
async fn look_at(
    admin: &AdminClient<DefaultClientContext>,
    name: &str,
    options: &MigrateOptions,
) -> anyhow::Result<()> {
    let metadata = admin.inner().fetch_metadata(Some(name), METADATA).map_err(StoreError::from)?;
    let copies = metadata.topics().first().into_iter().flat_map(MetadataTopic::partitions);
    let copies = copies.map(|partition| partition.replicas().len()).min().unwrap_or_default();
    let wait = AdminOptions::new().request_timeout(Some(METADATA));
    let described = admin.describe_configs([&ResourceSpecifier::Topic(name)], &wait).await?;
    let config = described.into_iter().next().context("Kafka's answer does not have the topic")?;
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
            "fewer copies than wanted: the loss of one broker may lose events"
        );
    }
    Ok(())
}

/// Returns whether the topic was created. An existing topic stays as it is.
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
        None => bail!("creating topic {name}: Kafka's answer does not have it"),
    }
}
