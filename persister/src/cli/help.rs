//! Texts of `--help` that belong to several commands, or to all.

/// A secret is never a flag, because other users of the machine could read it.
pub(super) const SECRETS: &str =
    "Secrets come from the environment. Each may come from a file instead: add _FILE to the name of its \
variable.
  INTERACTION_REDIS_URL       redis[s]://[user:password@]host:port[/db]; rediss is TLS
  INTERACTION_MYSQL_URL       mysql://user:password@host:port/database[?ssl-mode=VERIFY_IDENTITY]
  INTERACTION_KAFKA_PASSWORD  with --kafka-username
  INTERACTION_KAFKA_SSL_KEY_PASSWORD  with --kafka-ssl-key-location, if that key is encrypted
  INTERACTION_KAFKA_SASL_OAUTHBEARER_CLIENT_SECRET  with --kafka-sasl-oauthbearer-client-id

TLS trusts the system's certificate authorities, or those in the file named by SSL_CERT_FILE. For Kafka alone,
--kafka-ssl-ca-location names others.

Examples:
  persister migrate --handlers-db-user handlers   # once for each release, as the owner of the database
  persister run                                   # all jobs in one process
  persister status                                # the whole system on one screen";

pub(super) const ANY_NUMBER: &str = "Example: persister relay --metrics-address 0.0.0.0:9464

Any number of processes share the work.";
pub(super) const STAND_BY: &str = "Example: persister warm --metrics-address 0.0.0.0:9464

A second process stands by and takes over when the first one dies.";
