//! Reads `spin.toml`: the part of Spin's manifest, version 2, that this host supports. Every other field is an error,
//! so that nothing on which an application relies is ignored silently.
//!
//! Format: <https://spinframework.dev/v3/manifest-reference>.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde::de::IgnoredAny;

/// A whole `spin.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    spin_manifest_version: u32,
    #[serde(rename = "application")]
    _application: Application,
    #[serde(default)]
    pub(crate) variables: BTreeMap<String, Variable>,
    trigger: Triggers,
    #[serde(rename = "component")]
    pub(crate) components: BTreeMap<String, Component>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Application {
    #[serde(rename = "name")]
    _name: String,
    #[serde(rename = "version")]
    _version: Option<String>,
    #[serde(rename = "description")]
    _description: Option<String>,
    #[serde(rename = "authors")]
    _authors: Option<IgnoredAny>,
    #[serde(rename = "tool")]
    _tool: Option<IgnoredAny>,
}

/// `[variables]`: the values that can be set when the application is run.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Variable {
    pub(crate) default: Option<String>,
    #[serde(default)]
    pub(crate) required: bool,
    #[serde(rename = "secret")]
    _secret: Option<bool>,
    #[serde(rename = "description")]
    _description: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Triggers {
    http: Vec<HttpTrigger>,
}

/// `[[trigger.http]]`: which component answers a route.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HttpTrigger {
    #[serde(rename = "id")]
    _id: Option<String>,
    pub(crate) route: String,
    pub(crate) component: String,
}

/// `[component.<id>]`: a WebAssembly file and what it may see and reach.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Component {
    /// Absolute once the manifest is loaded.
    pub(crate) source: PathBuf,
    /// The component's own names for variables; the values are templates.
    #[serde(default)]
    pub(crate) variables: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) environment: BTreeMap<String, String>,
    /// The entries are templates too.
    #[serde(default)]
    pub(crate) allowed_outbound_hosts: Vec<String>,
    #[serde(rename = "description")]
    _description: Option<String>,
    #[serde(rename = "build")]
    _build: Option<IgnoredAny>,
    #[serde(rename = "tool")]
    _tool: Option<IgnoredAny>,
}

impl Manifest {
    /// Reads and checks the manifest at `path`.
    pub(crate) fn load(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let mut manifest = Self::parse(&text).with_context(|| format!("{} cannot be served", path.display()))?;
        for component in manifest.components.values_mut() {
            component.source = folder.join(&component.source);
        }
        Ok(manifest)
    }

    fn parse(text: &str) -> Result<Self> {
        let manifest: Self = toml::from_str(text)?;
        ensure!(manifest.spin_manifest_version == 2, "only spin_manifest_version = 2 is supported");
        for HttpTrigger { route, component, .. } in manifest.triggers() {
            ensure!(manifest.components.contains_key(component), "route {route} names no component: {component}");
        }
        for (name, variable) in &manifest.variables {
            ensure!(
                variable.required != variable.default.is_some(),
                "variable {name} must either have a default or be required"
            );
        }
        Ok(manifest)
    }

    /// Drops every component that is not among `ids`, and its triggers. Without `ids`, all stay.
    pub(crate) fn retain(&mut self, ids: &[String]) -> Result<()> {
        for id in ids {
            ensure!(self.components.contains_key(id), "there is no component {id}");
        }
        if !ids.is_empty() {
            self.components.retain(|id, _| ids.contains(id));
            self.trigger.http.retain(|trigger| ids.contains(&trigger.component));
        }
        Ok(())
    }

    /// The HTTP triggers in the order they are declared.
    pub(crate) fn triggers(&self) -> &[HttpTrigger] {
        &self.trigger.http
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = r#"
        spin_manifest_version = 2
        [application]
        name = "small"
        [variables]
        key = { required = true, secret = true }
        [[trigger.http]]
        route = "/a/:b"
        component = "a"
        [component.a]
        source = "a.wasm"
        allowed_outbound_hosts = ["redis://127.0.0.1:6379"]
        [component.a.build]
        command = "cargo build"
        watch = ["src/**/*.rs"]
    "#;

    #[test]
    fn what_is_supported_is_read() {
        let manifest = Manifest::parse(SMALL).unwrap();
        assert_eq!(manifest.triggers()[0].route, "/a/:b");
        assert_eq!(manifest.components["a"].allowed_outbound_hosts, ["redis://127.0.0.1:6379"]);
    }

    #[test]
    fn only_the_components_that_are_named_stay() {
        let two =
            format!("{SMALL}[component.b]\nsource = \"b.wasm\"\n[[trigger.http]]\nroute = \"/b\"\ncomponent = \"b\"\n");
        let mut manifest = Manifest::parse(&two).unwrap();
        manifest.retain(&[]).unwrap();
        assert_eq!(manifest.components.len(), 2);
        manifest.retain(&["b".to_owned()]).unwrap();
        assert_eq!(manifest.components.keys().collect::<Vec<_>>(), ["b"]);
        assert_eq!(manifest.triggers().len(), 1);
        assert!(manifest.retain(&["a".to_owned()]).is_err());
    }

    #[test]
    fn what_is_not_supported_is_an_error_that_names_it() {
        for (from, to, named) in [
            ("source = ", "files = [\"static/*\"]\nsource = ", "files"),
            ("component = \"a\"", "component = \"a\"\nexecutor = { type = \"wagi\" }", "executor"),
            ("[[trigger.http]]", "[[trigger.redis]]\nchannel = \"c\"\n[[trigger.http]]", "redis"),
            ("component = \"a\"", "component = \"b\"", "names no component: b"),
            ("spin_manifest_version = 2", "spin_manifest_version = 1", "spin_manifest_version"),
            ("required = true", "required = false", "variable key"),
        ] {
            let error = format!("{:#}", Manifest::parse(&SMALL.replacen(from, to, 1)).unwrap_err());
            assert!(error.contains(named), "{error}");
        }
    }
}
