//! The persister.

use crate::{Service, paths};
use anyhow::{Result, anyhow};
use futures::FutureExt;
use std::collections::BTreeMap;
use std::ops::Deref;
use std::path::Path;
use std::time::Duration;

const MIGRATE_LIMIT: Duration = Duration::from_mins(1);

/// All of the persister's loops in one process.
pub struct Persister {
    service: Service,
    environment: BTreeMap<String, String>,
}

impl Persister {
    /// A persister with its log in `folder`, not started yet. `extra` is added to its environment.
    pub fn new(
        folder: &Path,
        redis_url: &str,
        mysql_url: &str,
        kafka_brokers: &str,
        extra: &BTreeMap<String, String>,
    ) -> Result<Self> {
        let mut environment: BTreeMap<String, String> = [
            ("INTERACTION_REDIS_URL", redis_url),
            ("INTERACTION_MYSQL_URL", mysql_url),
            ("INTERACTION_KAFKA_BROKERS", kafka_brokers),
            ("INTERACTION_HANDLERS_DB_USER", "handlers"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
        environment.extend(extra.clone());
        // It serves nobody: what it does is seen in the stores.
        let service = Service::new("persister", paths::binary("persister")?, folder.join("persister.log"), || {
            async { Ok(()) }.boxed()
        })
        .args(["run"])
        .envs(&environment);
        Ok(Self { service, environment })
    }

    /// Any subcommand with this persister's environment; it is killed if the value is dropped before its end.
    pub fn command(&self, arguments: &[&str]) -> Result<tokio::process::Command> {
        let mut command = tokio::process::Command::new(paths::binary("persister")?);
        command.args(arguments).envs(&self.environment).kill_on_drop(true);
        Ok(command)
    }

    /// Another process of the same persister, not started yet, that does the job named, `relay` say; it has a log of
    /// its own.
    pub fn another(&self, name: &str, job: &str) -> Result<Service> {
        let log = self.log().with_file_name(format!("{name}.log"));
        let service = Service::new(name, paths::binary("persister")?, log, || async { Ok(()) }.boxed());
        Ok(service.args([job]).envs(&self.environment))
    }

    /// `persister migrate` as the owner of the database, to its end. `more` is added to its environment.
    pub async fn migrate(&self, owner_url: &str, more: Option<(&str, &str)>) -> Result<()> {
        let mut migrate = self.command(&["migrate"])?;
        migrate.env("INTERACTION_MYSQL_URL", owner_url).envs(more);
        let output = tokio::time::timeout(MIGRATE_LIMIT, migrate.output())
            .await
            .map_err(|_| anyhow!("persister migrate took longer than {} s", MIGRATE_LIMIT.as_secs()))??;
        if output.status.success() {
            return Ok(());
        }
        Err(anyhow!("persister migrate: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr)))
    }
}

impl Deref for Persister {
    type Target = Service;

    fn deref(&self) -> &Service {
        &self.service
    }
}
