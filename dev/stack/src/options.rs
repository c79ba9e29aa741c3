//! How a stack differs from the usual one.

use std::collections::BTreeMap;
use std::fmt::Display;

use crate::cluster::Masters;

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Part {
    App,
    Persister,
}

/// How a stack differs from the usual one.
#[derive(Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own, set by a method of its name")]
pub struct Options {
    pub(crate) variables: BTreeMap<String, String>,
    pub(crate) persister_env: BTreeMap<String, String>,
    pub(crate) mysql: Vec<String>,
    pub(crate) left_out: Vec<Part>,
    pub(crate) quiet: bool,
    pub(crate) compose: bool,
    pub(crate) breakable: bool,
    pub(crate) secured: bool,
    pub(crate) clustered: Option<Masters>,
}

impl Options {
    /// Sets a variable of `spin.toml`.
    #[must_use]
    pub fn variable(mut self, name: &str, value: impl Display) -> Self {
        self.variables.insert(name.to_owned(), value.to_string());
        self
    }

    /// Frequency limits that nothing a test sends will meet.
    ///
    /// # Panics
    /// If `spin.toml` declares no variables.
    #[must_use]
    pub fn wide_limits(self) -> Self {
        let manifest: toml::Table = include_str!("../../../spin.toml").parse().expect("spin.toml is TOML");
        let variables = manifest["variables"].as_table().expect("spin.toml declares variables");
        let limits = variables.keys().filter(|name| name.ends_with("_limit"));
        limits.fold(self, |options, limit| options.variable(limit, "1000000,1000000"))
    }

    /// Adds to the persister's environment.
    #[must_use]
    pub fn persister_env(mut self, name: &str, value: impl Display) -> Self {
        self.persister_env.insert(name.to_owned(), value.to_string());
        self
    }

    /// Sets a variable of MySQL, which every session begins with.
    #[must_use]
    pub fn mysql(mut self, name: &str, value: impl Display) -> Self {
        self.mysql.push(format!("--{name}={value}"));
        self
    }

    /// The application is left for later: `stack.app.start()`.
    #[must_use]
    pub fn without_app(mut self) -> Self {
        self.left_out.push(Part::App);
        self
    }

    /// The persister is left for later: `stack.persister.start()`. The database is migrated all the same.
    #[must_use]
    pub fn without_persister(mut self) -> Self {
        self.left_out.push(Part::Persister);
        self
    }

    /// No lines of progress.
    #[must_use]
    pub fn quiet(mut self) -> Self {
        self.quiet = true;
        self
    }

    /// The ways to the stores can be held up, by `stack.network`, and Redis's clock can be set.
    #[must_use]
    pub fn breakable(mut self) -> Self {
        self.breakable = true;
        self
    }

    /// The stores take TLS alone, by a throwaway authority that the application and the persister trust, and each wants
    /// a user and a password.
    #[must_use]
    pub fn secured(mut self) -> Self {
        self.secured = true;
        self
    }

    /// Redis is a cluster of three masters, each with a replica: `stack.cluster`.
    #[must_use]
    pub fn clustered(mut self) -> Self {
        self.clustered = Some(Masters::three());
        self
    }

    /// Redis is a cluster of masters alone, given by the last slot of each, in order.
    #[must_use]
    pub fn masters(mut self, last_slots: Vec<u16>) -> Self {
        self.clustered = Some(Masters { last_slots, replicated: false });
        self
    }

    /// The stores run in containers by Docker Compose.
    #[must_use]
    pub fn in_compose(mut self) -> Self {
        self.compose = true;
        self
    }

    pub(crate) fn leaves_out(&self, part: Part) -> bool {
        self.left_out.contains(&part)
    }
}
