//! Application variables: their values, and the templates they appear in.
//!
//! Semantics: <https://spinframework.dev/v3/variables>. Spin asks its providers at every use. Here every value is settled at
//! the start, because neither of the two providers (command line and environment) changes.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;
use std::str::FromStr;

use anyhow::{Context, Error, Result, anyhow, bail, ensure};

use crate::manifest::Variable;

/// One `--variable`: a value, or the file that holds it.
#[derive(Clone, Debug)]
pub(crate) enum Given {
    /// `name=value`
    Value(String, String),
    /// `name=@file`: the file's content is the value.
    ValueFile(String, String),
    /// `@file.toml` or `@file.json`: a table of names and values.
    Table(String),
}

impl FromStr for Given {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if let Some(path) = text.strip_prefix('@') {
            return Ok(Self::Table(path.into()));
        }
        let (name, value) = text.split_once('=').context("expected name=value, name=@file or @file")?;
        Ok(match value.strip_prefix('@') {
            Some(path) => Self::ValueFile(name.into(), path.into()),
            None => Self::Value(name.into(), value.into()),
        })
    }
}

/// Collects what the command line sets. The last value of a name holds.
pub(crate) fn given(options: &[Given]) -> Result<HashMap<String, String>> {
    let read = |path: &str| fs::read_to_string(path).with_context(|| format!("cannot read variables from {path}"));
    let mut values = HashMap::new();
    for option in options {
        match option {
            Given::Value(name, value) => drop(values.insert(name.clone(), value.clone())),
            Given::ValueFile(name, path) => drop(values.insert(name.clone(), read(path)?)),
            Given::Table(path) => match Path::new(path).extension().and_then(|extension| extension.to_str()) {
                Some("toml") => values.extend(toml::from_str::<HashMap<_, _>>(&read(path)?)?),
                Some("json") => values.extend(serde_json::from_str::<HashMap<_, _>>(&read(path)?)?),
                _ => bail!("{path}: a file of variables must end in .toml or .json"),
            },
        }
    }
    Ok(values)
}

/// The value of every variable of an application.
#[derive(Debug)]
pub(crate) struct Variables(BTreeMap<String, String>);

impl Variables {
    /// Determines the value of each declared variable. The command line comes before the environment
    /// (`SPIN_VARIABLE_<NAME>`), and that before the default. Fails with the names of all variables that are required
    /// and have no value.
    pub(crate) fn resolve(
        declared: &BTreeMap<String, Variable>,
        given: &HashMap<String, String>,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Self> {
        let mut values = BTreeMap::new();
        let mut missing = Vec::new();
        for (name, variable) in declared {
            check_name(name).map_err(|reason| anyhow!("variable {name:?} {reason}"))?;
            let value = given.get(name).cloned();
            let value = value.or_else(|| environment(&format!("SPIN_VARIABLE_{}", name.to_ascii_uppercase())));
            match value.or_else(|| variable.default.clone()) {
                Some(value) => drop(values.insert(name.clone(), value)),
                None => missing.push(name.as_str()),
            }
        }
        ensure!(
            missing.is_empty(),
            "no value for required variable(s) {}: use --variable or SPIN_VARIABLE_<NAME>",
            missing.join(", ")
        );
        Ok(Self(values))
    }

    /// Replaces each `{{ name }}` in `template` by the value of that variable.
    pub(crate) fn expand(&self, template: &str) -> Result<String> {
        let mut expanded = String::new();
        let mut rest = template;
        while let Some((literal, after)) = rest.split_once("{{") {
            let (name, after) = after.split_once("}}").with_context(|| format!("unclosed {{{{ in {template:?}"))?;
            let name = name.trim();
            expanded += literal;
            expanded += self.0.get(name).with_context(|| format!("unknown variable {name:?} in {template:?}"))?;
            rest = after;
        }
        Ok(expanded + rest)
    }
}

/// Spin's rule for names, which must survive the way into environment variables and back.
pub(crate) fn check_name(name: &str) -> Result<(), &'static str> {
    if !name.starts_with(|first: char| first.is_ascii_lowercase()) {
        Err("must start with a lower-case letter")
    } else if name.ends_with('_') || name.contains("__") {
        Err("may have underscores only between other characters, one at a time")
    } else if !name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_') {
        Err("may consist of lower-case letters, digits and underscores only")
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared() -> BTreeMap<String, Variable> {
        toml::from_str(
            r#"
            host = { default = "127.0.0.1" }
            port = { default = "6379" }
            jwt_key = { required = true, secret = true }
            "#,
        )
        .unwrap()
    }

    #[test]
    fn the_command_line_wins_over_the_environment_and_that_over_the_default() {
        let given = given(&["port=7000".parse().unwrap(), "jwt_key=a=b".parse().unwrap()]).unwrap();
        let environment = |name: &str| (name != "SPIN_VARIABLE_HOST").then(|| format!("from {name}"));
        let variables = Variables::resolve(&declared(), &given, environment).unwrap();
        assert_eq!(variables.expand("{{host}}:{{ port }}?{{jwt_key }}").unwrap(), "127.0.0.1:7000?a=b");
        let variables = Variables::resolve(&declared(), &HashMap::new(), environment).unwrap();
        assert_eq!(variables.expand("{{ jwt_key }}").unwrap(), "from SPIN_VARIABLE_JWT_KEY");
    }

    #[test]
    fn a_required_variable_without_a_value_is_named() {
        let error = Variables::resolve(&declared(), &HashMap::new(), |_| None).unwrap_err();
        assert!(error.to_string().contains("jwt_key"), "{error}");
        assert!(!error.to_string().contains("host"), "{error}");
    }

    #[test]
    fn only_known_names_in_a_template_are_replaced() {
        let variables = Variables(BTreeMap::from([("a".into(), "1".into())]));
        for (template, expanded) in [
            ("", Some("")),
            ("plain }} {", Some("plain }} {")),
            ("{{a}}{{ a }}", Some("11")),
            ("x{{b}}", None),
            ("{{a", None),
        ] {
            assert_eq!(variables.expand(template).ok().as_deref(), expanded, "{template}");
        }
    }

    #[test]
    fn names_follow_spins_rule() {
        for (name, valid) in [
            ("a", true),
            ("a_1", true),
            ("", false),
            ("1a", false),
            ("a_", false),
            ("a__b", false),
            ("A", false),
            ("a-b", false),
        ] {
            assert_eq!(check_name(name).is_ok(), valid, "{name}");
        }
    }
}
