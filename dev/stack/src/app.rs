//! The components on Spin, or on our own host where there is no Spin.

use crate::identity::jwk_set;
use crate::{Service, dev, paths, ports};
use anyhow::{Context, Result, bail, ensure};
use futures::FutureExt;
use std::collections::BTreeMap;
use std::ops::Deref;
use std::path::Path;
use std::process::Command;

/// `spin-sdk` 7 needs it: WASI 0.3.
const SPIN_MINIMUM: (u32, u32) = (4, 1);

/// The Spin application.
pub struct App {
    service: Service,
    kind: String,
    url: String,
    variables: BTreeMap<String, String>,
}

impl App {
    /// The application, with its log in `folder`, not started yet. `variables` are added to those of dev and replace equal names.
    pub fn new(folder: &Path, redis_url: &str, mysql_url: &str, variables: &BTreeMap<String, String>) -> Result<Self> {
        let mut all = dev_variables(redis_url, mysql_url);
        all.extend(variables.clone());
        Self::with(folder, "app", all)
    }

    /// The same application a second time, as another pod would run it, not started yet. It has its own log. `changed`
    /// variables replace those of this one.
    pub fn another(&self, name: &str, changed: &[(&str, &str)]) -> Result<Self> {
        let mut variables = self.variables.clone();
        variables.extend(changed.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        let folder = self.log().parent().context("a log is in a folder")?.join(name);
        std::fs::create_dir_all(&folder)?;
        Self::with(&folder, name, variables)
    }

    fn with(folder: &Path, name: &str, variables: BTreeMap<String, String>) -> Result<Self> {
        let spin = choose_spin()?;
        let address = format!("127.0.0.1:{}", ports::free()?);
        let url = format!("http://{address}");
        let healthz = format!("{url}/healthz/queries");
        let program = if spin.is_some() { paths::program(&["spin"])? } else { paths::binary("host")? };
        let mut service = Service::new(name, program, folder.join("app.log"), move || answers(healthz.clone()).boxed())
            .args(["up", "-f"])
            .args([paths::root().join("spin.toml")])
            .args(["--listen", &address, "--runtime-config-file"])
            .args([paths::root().join("runtime-config.toml")]);
        if spin.is_some() {
            // Spin's `up` is the parent of the process that serves. Keep its logs beside ours, out of the checkout.
            let logs = folder.join("spin");
            service = service.ends_its_children().args(["--log-dir".as_ref(), logs.as_os_str()]);
        }
        let arguments = variables.iter().flat_map(|(key, value)| ["--variable".to_owned(), format!("{key}={value}")]);
        Ok(Self { service: service.args(arguments), kind: spin.unwrap_or_else(|| "host".to_owned()), url, variables })
    }

    /// The same application with more variables in its environment.
    #[must_use]
    pub fn with_environment(mut self, environment: impl IntoIterator<Item = (String, String)>) -> Self {
        self.service = self.service.envs(environment);
        self
    }

    /// `host` or, say, `spin 4.1.0`.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// `http://127.0.0.1:<port>`
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Deref for App {
    type Target = Service;

    fn deref(&self) -> &Service {
        &self.service
    }
}

fn dev_variables(redis_url: &str, mysql_url: &str) -> BTreeMap<String, String> {
    [
        ("redis_url", redis_url),
        ("redis_address", &address(redis_url)),
        ("mysql_url", mysql_url),
        ("mysql_address", &address(mysql_url)),
        ("jwt_keys", &jwk_set()),
        ("jwt_cache_key", dev("JWT_CACHE_KEY")),
        ("jwt_issuers", dev("JWT_ISSUER")),
        ("jwt_audiences", dev("JWT_AUDIENCE")),
        ("visitor_key", dev("VISITOR_KEY")),
        ("view_token_key", dev("VIEW_TOKEN_KEY")),
        ("ip_hash_key", dev("IP_HASH_KEY")),
        ("cookie_secure", "false"),
        ("cors_origins", dev("CORS_ORIGINS")),
        ("trusted_proxy_hops", "0"),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into()
}

/// Scheme, host and port of a URL. The manifest names what a component may reach without credentials.
fn address(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    let host = rest.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{}", host.split('/').next().unwrap_or_default())
}

/// The Spin to use, as `spin 4.1.0`, or `None` for our own host. `SPIN_HOST=spin` or `=host` forces one.
fn choose_spin() -> Result<Option<String>> {
    let forced = std::env::var("SPIN_HOST").unwrap_or_default();
    let spin = || -> Option<String> {
        let output = Command::new(paths::program(&["spin"]).ok()?).arg("--version").output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        // "spin 4.1.0-pre0 (1a2b3c4 2026-08-01)"
        Some(text.split_whitespace().take(2).collect::<Vec<_>>().join(" "))
    };
    match forced.as_str() {
        "host" => Ok(None),
        "spin" => {
            let spin = spin();
            ensure!(
                spin.as_deref().is_some_and(is_new_enough),
                "SPIN_HOST=spin wants Spin 4.1 or later, found {spin:?}"
            );
            Ok(spin)
        }
        "" => Ok(spin().filter(|spin| is_new_enough(spin))),
        other => bail!("SPIN_HOST is spin or host, not {other}"),
    }
}

fn is_new_enough(spin: &str) -> bool {
    let mut numbers = spin.trim_start_matches("spin ").split('.').map_while(|part| part.parse::<u32>().ok());
    matches!((numbers.next(), numbers.next()), (Some(major), Some(minor)) if (major, minor) >= SPIN_MINIMUM)
}

/// Fails unless there is an answer. Its status does not matter: the tests check whether the application is set up right.
async fn answers(url: String) -> Result<()> {
    reqwest::get(url).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{address, is_new_enough};

    #[test]
    fn an_address_has_no_credentials() {
        assert_eq!(address("mysql://user:word@127.0.0.1:3306/interaction"), "mysql://127.0.0.1:3306");
        assert_eq!(address("redis://127.0.0.1:6379"), "redis://127.0.0.1:6379");
    }

    #[test]
    fn spin_is_taken_from_4_1_on() {
        assert!(is_new_enough("spin 4.1.0-pre0"));
        assert!(is_new_enough("spin 5.0.0"));
        assert!(!is_new_enough("spin 4.0.2"));
        assert!(!is_new_enough("spin 3.6.3"));
        // The model checker of the same name prints something else.
        assert!(!is_new_enough("Spin Version"));
    }
}
