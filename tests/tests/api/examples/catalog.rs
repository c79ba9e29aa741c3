//! The examples of docs/openapi.yaml. An example is crossed off when the service really accepts it or answers it.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    ptr,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::Value;
use stack::wait_for;
use tests::{Answer, Api, Ask, DESCRIPTION, resolved};

/// How long something that follows a change, such as a list, may take to show it.
const PATIENCE: Duration = Duration::from_mins(1);

struct Operation {
    method: Method,
    path: &'static str,
    parameters: Vec<&'static Value>,
    described: &'static Value,
}

pub(super) struct Examples {
    /// By name: `PUT /v1/articles/{id}/like`.
    operations: BTreeMap<String, Operation>,
    /// The examples of parameters, bodies, headers and answers, each by its own name.
    all: BTreeMap<String, &'static Value>,
    /// The names of the examples that are not crossed off yet.
    open: RefCell<BTreeSet<String>>,
}

fn fields(part: &'static Value) -> impl Iterator<Item = (&'static str, &'static Value)> {
    part.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

impl Examples {
    pub(super) fn of_the_description() -> Result<Self> {
        let mut operations = BTreeMap::new();
        for (path, item) in fields(&DESCRIPTION["paths"]) {
            let item = resolved(item);
            for (method, described) in fields(item).filter(|(name, _)| *name != "parameters") {
                let parameters = [&item["parameters"], &described["parameters"]];
                let parameters = parameters.into_iter().filter_map(Value::as_array).flatten().map(resolved).collect();
                let method: Method = method.to_uppercase().parse()?;
                operations.insert(format!("{method} {path}"), Operation { method, path, parameters, described });
            }
        }
        let (mut all, mut responses) = (BTreeMap::new(), vec![]);
        for (name, operation) in &operations {
            for parameter in &operation.parameters {
                let name = parameter["name"].as_str().unwrap_or_default();
                let example = parameter.get("example");
                all.extend(example.map(|example| (format!("parameter {name}: {}", text(example)), example)));
            }
            for (kind, content) in fields(&operation.described["requestBody"]["content"]) {
                all.extend(content.get("example").map(|example| (format!("{name} takes {kind}"), example)));
            }
            for (status, response) in fields(&operation.described["responses"]) {
                let response = resolved(response);
                responses.push(response);
                all.extend(of_response(&format!("{name} {status}"), response));
            }
        }
        // A response that no operation names belongs to all of them.
        for (name, response) in fields(&DESCRIPTION["components"]["responses"]) {
            if !responses.iter().any(|named| ptr::eq(*named, response)) {
                all.extend(of_response(name, response));
            }
        }
        let open = RefCell::new(all.keys().cloned().collect());
        Ok(Self { operations, all, open })
    }

    /// The operations for which `which` is true.
    pub(super) fn operations(&self, which: impl Fn(&str, &Value) -> bool) -> Vec<&str> {
        let such = self.operations.iter().filter(|(name, operation)| which(name, operation.described));
        such.map(|(name, _)| name.as_str()).collect()
    }

    /// The example of an answer, by its name: `200 example`.
    pub(super) fn value(&self, operation: &str, name: &str) -> Result<&'static Value> {
        let name = format!("{operation} {name}");
        self.all.get(&name).copied().with_context(|| format!("docs/openapi.yaml has no example {name}"))
    }

    /// The path of an operation, for that article.
    pub(super) fn path(&self, operation: &str, article: &str) -> String {
        self.operations[operation].path.replace("{id}", article)
    }

    /// The request of an operation, with the examples of its parameters.
    pub(super) fn ask(&self, api: &Api, operation: &str) -> Ask {
        let (mut path, mut query) = (self.operations[operation].path.to_owned(), String::new());
        for (name, place, example) in self.parameters(operation) {
            match place {
                "path" => path = path.replace(&format!("{{{name}}}"), &example),
                "query" => query = format!("{query}{}{name}={example}", if query.is_empty() { "?" } else { "&" }),
                _ => continue,
            }
            self.cross_off(&format!("parameter {name}: {example}"));
        }
        self.ask_at(api, operation, &(path + &query))
    }

    /// The request of an operation with another path and query.
    pub(super) fn ask_at(&self, api: &Api, operation: &str, target: &str) -> Ask {
        let ask = api.ask(self.operations[operation].method.clone(), target);
        self.parameters(operation).filter(|(_, place, _)| *place == "header").fold(ask, |ask, (name, _, example)| {
            self.cross_off(&format!("parameter {name}: {example}"));
            ask.header(name, &example)
        })
    }

    /// Name, place and example of each parameter that has an example.
    fn parameters(&self, operation: &str) -> impl Iterator<Item = (&'static str, &'static str, String)> {
        let word = |value: &'static Value| value.as_str().unwrap_or_default();
        self.operations[operation].parameters.iter().filter_map(move |parameter| {
            Some((word(&parameter["name"]), word(&parameter["in"]), text(parameter.get("example")?)))
        })
    }

    /// The example of a body of the type `kind`, and the type as a client sends it. A given view token replaces the example's.
    pub(super) fn body(&self, operation: &str, kind: &str, view_token: Option<&str>) -> Result<(String, String)> {
        let name = format!("{operation} takes {kind}");
        let body = text(self.all.get(&name).with_context(|| format!("no example {name}"))?);
        self.cross_off(&name);
        let own: Value = serde_json::from_str(&body)?;
        let Some(own) = own["view_token"].as_str() else { return Ok((kind.to_owned(), body)) };
        let token = view_token.unwrap_or(own);
        Ok(match kind {
            "application/x-www-form-urlencoded" => (kind.to_owned(), format!("view_token={token}")),
            "multipart/form-data" => (
                format!("{kind}; boundary=x"),
                format!("--x\r\nContent-Disposition: form-data; name=\"view_token\"\r\n\r\n{token}\r\n--x--\r\n"),
            ),
            _ => (kind.to_owned(), body.replace(own, token)),
        })
    }

    /// Sends a request. The answer must be the example of that name: `200 liked`.
    pub(super) async fn replay(&self, operation: &str, name: &str, ask: Ask) -> Result<Answer> {
        let answer = ask.send().await?;
        self.compare(operation, name, &answer)?;
        Ok(answer)
    }

    /// Sends a request again until the answer is the example, because what follows a change takes a moment.
    pub(super) async fn eventually(
        &self,
        operation: &str,
        name: &str,
        ask: impl AsyncFn() -> Result<Answer>,
    ) -> Result<()> {
        let mut compared = Ok(());
        let waited = wait_for(name, PATIENCE, async || {
            compared = self.compare(operation, name, &ask().await?);
            Ok(compared.is_ok().then_some(()))
        });
        let waited = waited.await;
        compared.and(waited)
    }

    /// Fails unless the answer is the example of that name, and crosses the example off.
    pub(super) fn compare(&self, operation: &str, name: &str, answer: &Answer) -> Result<()> {
        let example = self.value(operation, name)?;
        let name = format!("{operation} {name}");
        ensure!(
            name.contains(&format!(" {} ", answer.status.as_str())) && alike("", example, &answer.body),
            "{name} is {example}, and the service says {} {}",
            answer.status,
            answer.body
        );
        self.cross_off(&name);
        self.see_headers(answer);
        Ok(())
    }

    /// Crosses off the examples of headers that an answer has.
    pub(super) fn see_headers(&self, answer: &Answer) {
        for (name, example) in &self.all {
            let header = name.strip_prefix("header ").and_then(|header| header.split_once(": "));
            if header.is_some_and(|(of, _)| form(of, &text(example)) == form(of, answer.header(of))) {
                self.cross_off(name);
            }
        }
    }

    fn cross_off(&self, name: &str) {
        self.open.borrow_mut().remove(name);
    }

    /// The examples that are not crossed off.
    pub(super) fn left(&self) -> Vec<String> {
        self.open.borrow().iter().cloned().collect()
    }
}

/// The examples of a response's headers, which many responses share, and of its bodies. An only example is called `example`.
fn of_response(of: &str, response: &'static Value) -> Vec<(String, &'static Value)> {
    let problem = &response["content"]["application/problem+json"]["schema"]["properties"]["status"]["const"];
    let of = if of.contains(' ') { of.to_owned() } else { format!("{of} {problem}") };
    let header = |(name, header): (&'static str, &'static Value)| {
        let example = resolved(header).get("example")?;
        Some((format!("header {name}: {}", text(example)), example))
    };
    let body = |(_, content): (&'static str, &'static Value)| {
        let named = fields(&content["examples"]).map(|(name, example)| (name, &example["value"]));
        let all = named.chain(content.get("example").map(|example| ("example", example)));
        all.map(|(name, example)| (format!("{of} {name}"), example)).collect::<Vec<_>>()
    };
    fields(&response["headers"]).filter_map(header).chain(fields(&response["content"]).flat_map(body)).collect()
}

/// An example as it is written in a path, a query, a header or a body.
fn text(example: &Value) -> String {
    match example {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

/// Whether an answer is the example. Values that differ each time must have the same form.
fn alike(name: &str, example: &Value, answer: &Value) -> bool {
    match (example, answer) {
        (Value::Object(example), Value::Object(answer)) => {
            let mut fields = example.iter();
            example.len() == answer.len()
                && fields.all(|(name, value)| answer.get(name).is_some_and(|answer| alike(name, value, answer)))
        }
        (Value::Array(example), Value::Array(answer)) => {
            example.len() == answer.len()
                && example.iter().zip(answer).all(|(example, answer)| alike(name, example, answer))
        }
        (Value::String(example), Value::String(answer)) => form(name, example) == form(name, answer),
        _ => example == answer,
    }
}

/// A text without the parts that differ each time: digits become 0, and sealed parts become their length.
fn form(name: &str, text: &str) -> String {
    match name {
        "at" | "as_of" | "day" | "next_cursor" | "Retry-After" => text.replace(|sign: char| sign.is_ascii_digit(), "0"),
        "view_token" | "Set-Cookie" => text
            .split_inclusive(|sign: char| !sign.is_ascii_alphanumeric() && !"-_".contains(sign))
            .map(|part| if part.len() > 40 { part.len().to_string() } else { part.to_owned() })
            .collect(),
        _ => text.to_owned(),
    }
}
