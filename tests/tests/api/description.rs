//! docs/openapi.yaml against the application. That answers are as it says is checked wherever a suite receives one; see
//! `tests::Api`. That it has every problem is a test of the problems themselves.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use contract::{Counter, Kind};
use reqwest::Method;
use serde_json::Value;
use tests::{DESCRIPTION, conforms, resolved};

use crate::on_system;

/// The described paths, each with its methods.
fn paths() -> Result<Vec<(String, BTreeSet<String>)>> {
    let paths = DESCRIPTION["paths"].as_object().context("paths")?;
    let methods = |item| -> Result<BTreeSet<String>> {
        let fields = resolved(item).as_object().context("a path item")?.keys();
        Ok(fields.filter(|field| *field != "parameters").map(|method| method.to_uppercase()).collect())
    };
    paths.iter().map(|(path, item)| Ok((path.clone(), methods(item)?))).collect()
}

/// The paths that a route stands for: one for each kind or counter where it ends in one; `:id` is `{id}`.
fn templates(route: &str) -> Vec<String> {
    let route = route.replace("/:id", "/{id}").replace("/:slug", "/{slug}");
    let of_kinds = |before: &str, word: fn(Kind) -> &'static str| {
        Kind::ALL.iter().map(|kind| format!("{before}/{}", word(*kind))).collect()
    };
    match route.rsplit_once("/:") {
        Some((before, "counter")) => Counter::all().map(|counter| format!("{before}/{}", counter.name())).collect(),
        Some((before, "kind")) => of_kinds(before, Kind::name),
        Some((before, "count")) => of_kinds(before, Kind::count),
        _ => vec![route],
    }
}

#[test]
fn every_route_is_described_and_no_other() -> Result<()> {
    let manifest: toml::Value = toml::from_str(include_str!("../../../spin.toml"))?;
    let triggers = manifest["trigger"]["http"].as_array().context("triggers")?;
    let routes = triggers.iter().flat_map(|trigger| templates(trigger["route"].as_str().unwrap_or_default()));
    // Answers 404 to every other path.
    let routes: BTreeSet<String> = routes.filter(|route| route != "/...").collect();
    let described: BTreeSet<String> = paths()?.into_iter().map(|(path, _)| path).collect();
    assert_eq!(routes, described);
    Ok(())
}

#[test]
fn every_path_takes_the_methods_that_are_described() -> Result<()> {
    on_system(async |api, _| {
        for (path, mut methods) in paths()? {
            assert!(methods.remove("OPTIONS"), "{path}");
            let answer = api.ask(Method::OPTIONS, &path.replace("{id}", "42").replace("{slug}", "held")).send().await?;
            let allowed: BTreeSet<String> = answer.header("allow").split(", ").map(str::to_owned).collect();
            assert_eq!(methods, allowed, "{path}");
        }
        Ok(())
    })
}

#[test]
fn every_example_is_of_its_schema() -> Result<()> {
    fn walk(place: &str, part: &Value, found: &mut usize) -> Result<()> {
        if part["schema"].is_object() {
            let named = part["examples"].as_object().into_iter().flat_map(|named| named.values());
            for example in named.map(|named| &named["value"]).chain(part.get("example")) {
                conforms(&format!("{place}/schema"), example)?;
                *found += 1;
            }
        }
        match part {
            Value::Object(fields) => fields.iter().try_for_each(|(name, part)| {
                let name = name.replace('~', "~0").replace('/', "~1");
                walk(&format!("{place}/{name}"), part, found)
            }),
            Value::Array(items) => {
                items.iter().enumerate().try_for_each(|(index, part)| walk(&format!("{place}/{index}"), part, found))
            }
            _ => Ok(()),
        }
    }
    let mut found = 0;
    walk("", &DESCRIPTION, &mut found)?;
    assert!(found > 40, "{found}");
    Ok(())
}
