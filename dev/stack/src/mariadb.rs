//! MariaDB, or MySQL where that is what the machine has, or what `INTERACTION_MYSQLD` names.

use crate::{Service, Tls, dev, paths, ports};
use anyhow::{Context, Result};
use futures::FutureExt;
use sqlx::Connection;
use std::env;
use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A database server with the empty database `interaction` and the users of the service.
pub struct MariaDb {
    service: Service,
    port: u16,
    /// The authority of its certificate, where it takes TLS alone.
    ca: Option<PathBuf>,
}

impl MariaDb {
    /// A server with its data and log below `folder`, not started yet.
    pub fn new(folder: &Path) -> Result<Self> {
        Self::with(folder, None, &[])
    }

    /// The same with further arguments that, with `tls`, takes nothing else.
    pub(crate) fn with(folder: &Path, tls: Option<&Tls>, arguments: &[String]) -> Result<Self> {
        let (data, socket, port) = (folder.join("mysql"), folder.join("mysql.sock"), ports::free()?);
        let server = match env::var_os("INTERACTION_MYSQLD") {
            Some(program) => program.into(),
            None => paths::program(&["mariadbd", "mysqld"])?,
        };
        paths::template(&key(&server)?, &data, |data| initialise(&server, data))?;
        // A server that starts removes the temporary tables that it finds, also another server's.
        let temporary = folder.join("mysql.tmp");
        fs::create_dir_all(&temporary)?;
        let users = folder.join("users.sql");
        fs::write(&users, users_sql())?;
        let ca = tls.map(Tls::ca);
        let service = Self::service(server.as_os_str(), folder, port, ca.as_deref())
            .args(common_arguments(&server))
            .args([format!("--datadir={}", data.display()), format!("--socket={}", socket.display())])
            .args([format!("--init-file={}", users.display()), format!("--pid-file={}.pid", socket.display())])
            .args([format!("--port={port}"), "--bind-address=127.0.0.1".to_owned()])
            .args([format!("--tmpdir={}", temporary.display())])
            // A commit is on disk before it is acknowledged; nobody replicates from here.
            .args(["--innodb-flush-log-at-trx-commit=1", "--skip-log-bin", "--skip-name-resolve"])
            .args(["--max-connections=400", "--innodb-buffer-pool-size=256M"])
            .args(tls.map(tls_arguments).unwrap_or_default())
            .args(arguments);
        Ok(Self { service, port, ca })
    }

    /// The same, started and answering.
    pub async fn start_in(folder: &Path) -> Result<Self> {
        let mariadb = Self::new(folder)?;
        mariadb.start().await?;
        Ok(mariadb)
    }

    /// The same with a binary log in that format.
    pub async fn start_with_binlog(folder: &Path, format: &str) -> Result<Self> {
        let arguments = ["--log-bin=binlog".to_owned(), format!("--binlog-format={format}")];
        let mariadb = Self::with(folder, None, &arguments)?;
        mariadb.start().await?;
        Ok(mariadb)
    }

    /// One that Docker Compose runs.
    pub(crate) fn in_compose(folder: &Path) -> Result<Self> {
        let port = ports::free()?;
        let users = folder.join("users.sql");
        fs::write(&users, users_sql())?;
        let service = Self::service("docker".as_ref(), folder, port, None)
            .args(crate::compose::up("mysql", port))
            .envs([("MYSQL_PORT", port.to_string()), ("MYSQL_USERS_SQL", users.display().to_string())])
            .ends_its_children();
        Ok(Self { service, port, ca: None })
    }

    fn service(program: &std::ffi::OsStr, folder: &Path, port: u16, ca: Option<&Path>) -> Service {
        let url = reader_url(port, ca);
        Service::new("mysql", program, folder.join("mysql.log"), move || select(url.clone()).boxed())
    }

    /// Its port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// As `migrator`, who owns the database: `persister migrate`.
    #[must_use]
    pub fn owner_url(&self) -> String {
        url("migrator", self.port) + self.tls()
    }

    /// As `persister`, who reads and writes every table and changes none: its jobs and commands.
    #[must_use]
    pub fn persister_url(&self) -> String {
        url("persister", self.port) + self.tls()
    }

    /// As `handlers`, who may do what `persister migrate` granted.
    #[must_use]
    pub fn handlers_url(&self) -> String {
        url("handlers", self.port) + self.tls()
    }

    /// As `reader`, who may read every table; a client that knows `ssl-ca` trusts the certificate by it.
    #[must_use]
    pub fn reader_url(&self) -> String {
        reader_url(self.port, self.ca.as_deref())
    }

    fn tls(&self) -> &'static str {
        if self.ca.is_some() { VERIFIED } else { "" }
    }
}

impl Deref for MariaDb {
    type Target = Service;

    fn deref(&self) -> &Service {
        &self.service
    }
}

/// Fills a new data folder of MariaDB.
const INSTALL: &str = "mariadb-install-db";

/// sqlx and Spin both take it, and verify the certificate and whose it is.
const VERIFIED: &str = "?ssl-mode=VERIFY_IDENTITY";

fn tls_arguments(tls: &Tls) -> Vec<String> {
    let file = |option: &str, path: PathBuf| format!("--{option}={}", path.display());
    vec![
        "--require-secure-transport=ON".to_owned(),
        file("ssl-ca", tls.ca()),
        file("ssl-cert", tls.certificate()),
        file("ssl-key", tls.key()),
    ]
}

fn reader_url(port: u16, ca: Option<&Path>) -> String {
    let tls = ca.map(|ca| format!("{VERIFIED}&ssl-ca={}", ca.display())).unwrap_or_default();
    url("reader", port) + &tls
}

fn url(user: &str, port: u16) -> String {
    let password = dev(&format!("{}_PASSWORD", user.to_uppercase()));
    format!("mysql://{user}:{password}@127.0.0.1:{port}/interaction")
}

async fn select(url: String) -> Result<()> {
    let mut connection = sqlx::MySqlConnection::connect(&url).await?;
    sqlx::query("SELECT 1").execute(&mut connection).await?;
    Ok(connection.close().await?)
}

/// The users of the service, each with exactly the rights that the documents name. The server runs it at every start, and reads
/// one statement a line. `persister migrate` grants the handlers what they need.
const RIGHTS: &str = include_str!("../../../docs/rights/mysql.sql");

/// The same with the passwords of dev, and a user for those who look into the tables.
fn users_sql() -> String {
    let reader = "CREATE USER IF NOT EXISTS 'reader'@'%' IDENTIFIED BY 'READER-PASSWORD';\n\
                  GRANT SELECT ON interaction.* TO 'reader'@'%';\n";
    ["MIGRATOR", "PERSISTER", "HANDLERS", "READER"].iter().fold([RIGHTS, reader].concat(), |sql, user| {
        sql.replace(&format!("{user}-PASSWORD"), dev(&format!("{user}_PASSWORD")))
    })
}

/// What initialisation and the server must agree on; nothing is read from the machine's own configuration.
fn common_arguments(server: &Path) -> Vec<String> {
    let log = if is_mariadb(server) { "--innodb-log-file-size=64M" } else { "--innodb-redo-log-capacity=128M" };
    let mut arguments = vec!["--no-defaults".to_owned(), log.to_owned()];
    if nix::unistd::Uid::effective().is_root() {
        arguments.push("--user=root".to_owned());
    }
    arguments
}

fn is_mariadb(server: &Path) -> bool {
    server.file_name().is_some_and(|name| name == "mariadbd")
}

/// A data folder fits the version that made it.
fn key(server: &Path) -> Result<String> {
    let version = Command::new(server).arg("--no-defaults").arg("--version").output()?.stdout;
    let words: Vec<_> = String::from_utf8(version)?.split_whitespace().skip(1).take(2).map(str::to_owned).collect();
    let name = server.file_name().context("the server's name")?.display().to_string();
    Ok(format!("{name}-{}", words.join("-").replace('/', "-")))
}

fn initialise(server: &Path, data: &Path) -> Result<()> {
    let datadir = format!("--datadir={}", data.display());
    if !is_mariadb(server) {
        return paths::run(
            Command::new(server).args(common_arguments(server)).arg(datadir).arg("--initialize-insecure"),
        );
    }
    // A server that was unpacked beside the machine's own has its script beside it.
    let beside = server.with_file_name(INSTALL);
    let install = if beside.is_file() { beside } else { paths::program(&[INSTALL])? };
    paths::run(Command::new(install).args(common_arguments(server)).arg(datadir).args([
        "--auth-root-authentication-method=normal",
        "--skip-test-db",
        "--skip-name-resolve",
    ]))
}
