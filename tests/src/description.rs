//! `docs/openapi.yaml`, which every answer that a suite receives is held against.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex},
};

use anyhow::{Context, Result, anyhow, bail, ensure};
use jsonschema::Validator;
use reqwest::Method;
use serde_json::{Value, json};

use crate::Answer;

/// The description of the HTTP interface. Its objects are closed here: clients ignore fields that they do not know, but
/// the service answers none that is not described.
pub static DESCRIPTION: LazyLock<Value> = LazyLock::new(|| {
    let text = include_str!("../../docs/openapi.yaml");
    let mut document = yaml_serde::from_str(text).expect("docs/openapi.yaml is YAML");
    close(&mut document);
    document
});

/// What a part of the description refers to; the part itself, where it does not.
///
/// # Panics
/// If the reference leads nowhere.
#[must_use]
pub fn resolved(part: &'static Value) -> &'static Value {
    match part["$ref"].as_str() {
        Some(reference) => {
            resolved(DESCRIPTION.pointer(reference.trim_start_matches('#')).expect("what is referred to"))
        }
        None => part,
    }
}

/// Where each component's health is asked.
///
/// # Panics
/// If the description has no paths.
pub fn health_routes() -> impl Iterator<Item = &'static str> {
    let paths = DESCRIPTION["paths"].as_object().expect("paths").keys();
    paths.map(String::as_str).filter(|path| path.starts_with("/healthz/"))
}

/// By their place. An OpenAPI 3.1 schema is a JSON Schema of 2020-12.
static VALIDATORS: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);

fn close(part: &mut Value) {
    if part["type"] == "object" && part["properties"].is_object() {
        part["additionalProperties"] = json!(false);
    }
    match part {
        Value::Object(fields) => fields.values_mut().for_each(close),
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

/// Whether a value is of the schema at a place of the description: a JSON Pointer.
pub fn conforms(schema: &str, value: &Value) -> Result<()> {
    let validator = validator(schema)?;
    let errors: Vec<String> =
        validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect();
    ensure!(errors.is_empty(), "not as {schema} says: {}", errors.join("; "));
    Ok(())
}

fn validator(schema: &str) -> Result<Arc<Validator>> {
    let mut known = VALIDATORS.lock().expect("nothing panics while it holds this");
    if let Some(validator) = known.get(schema) {
        return Ok(Arc::clone(validator));
    }
    // The whole document, so that its references lead somewhere. A fragment of a URI has no braces as they are.
    let mut root = DESCRIPTION.clone();
    root["$ref"] = json!(format!("#{}", schema.replace('{', "%7B").replace('}', "%7D")));
    let options = jsonschema::draft202012::options().should_validate_formats(true);
    let validator = Arc::new(options.build(&root).map_err(|error| anyhow!("{schema}: {error}"))?);
    known.insert(schema.to_owned(), Arc::clone(&validator));
    Ok(validator)
}

/// What stands at a place, references followed, and the place where it stands.
fn look(place: String) -> Option<(String, &'static Value)> {
    let found = DESCRIPTION.pointer(&place)?;
    match found["$ref"].as_str() {
        Some(reference) => look(reference.trim_start_matches('#').to_owned()),
        None => Some((place, found)),
    }
}

/// Where the answer with that status to a request is described.
fn response(method: &Method, path: &str, status: u16) -> Result<(String, &'static Value)> {
    let paths = DESCRIPTION["paths"].as_object().context("paths")?;
    let method = if method == Method::HEAD { "get".to_owned() } else { method.as_str().to_lowercase() };
    // As routes do, what is spelled out goes before what stands for anything.
    let template =
        paths.keys().filter(|template| fits(template, path)).min_by_key(|template| template.matches('{').count());
    let (place, expected) = match template {
        None => ("/components/responses/NotFound".to_owned(), 404),
        Some(template) => {
            let (item, methods) = look(format!("/paths/{}", template.replace('/', "~1"))).context("a path item")?;
            match methods[&method] {
                Value::Null => ("/components/responses/MethodNotAllowed".to_owned(), 405),
                _ => (format!("{item}/{method}/responses/{status}"), status),
            }
        }
    };
    ensure!(status == expected, "{status} instead of {expected}");
    look(place).context("a status that is not described")
}

/// As Spin does, a slash at the end is ignored.
fn fits(template: &str, path: &str) -> bool {
    let (mut wanted, mut given) = (template.split('/'), path.strip_suffix('/').unwrap_or(path).split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some(want), Some(segment)) if want == segment || (want.starts_with('{') && !segment.is_empty()) => {}
            _ => return false,
        }
    }
}

/// Whether an answer is one that is described for its request: status, headers, type and body.
pub(crate) fn check(method: &Method, path: &str, answer: &Answer) -> Result<()> {
    let (place, response) = response(method, path, answer.status.as_u16())?;
    for name in response["headers"].as_object().into_iter().flat_map(serde_json::Map::keys) {
        let (header, described) = look(format!("{place}/headers/{name}")).context("a header")?;
        match answer.headers.get(name) {
            None => ensure!(described["required"] != true, "{name} is missing"),
            Some(value) => {
                let text = value.to_str()?;
                let value =
                    if described["schema"]["type"] == "integer" { json!(text.parse::<i64>()?) } else { json!(text) };
                conforms(&format!("{header}/schema"), &value).context(name.clone())?;
            }
        }
    }
    let content = response["content"].as_object();
    match (answer.media_type(), content) {
        ("", None) => ensure!(answer.body.is_null(), "a body that is not described"),
        (kind, Some(content)) if content.contains_key(kind) => {
            if method != Method::HEAD {
                let kind = kind.replace('/', "~1");
                conforms(&format!("{place}/content/{kind}/schema"), &answer.body)?;
            }
        }
        (kind, _) => bail!("Content-Type {kind:?} is not described"),
    }
    Ok(())
}
