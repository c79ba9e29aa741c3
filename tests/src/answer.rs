use anyhow::{Result, ensure};
use contract::Kind;
use reqwest::{StatusCode, header::HeaderMap};
use serde_json::Value;

use crate::site;

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body: what is JSON parsed, any other as a text; null if there is none.
    pub body: Value,
}

impl Answer {
    /// The type of the body, without what may follow it; empty if there is none.
    #[must_use]
    pub fn media_type(&self) -> &str {
        self.header("content-type").split(';').next().unwrap_or_default()
    }

    /// Whether it says that the kind is on for the article now, or off.
    pub fn says(&self, kind: Kind, article: i64, on: bool) -> Result<()> {
        let Self { status, body, .. } = self;
        ensure!(*status == StatusCode::OK, "{status} {body}");
        ensure!(
            body["article_id"] == site::article(article).to_string() && body[kind.on()] == on,
            "{kind} {on}: {body}"
        );
        ensure!(body[kind.count()].as_i64() >= Some(i64::from(on)), "{kind} {on}: {body}");
        Ok(())
    }

    /// A header as text; empty if it is not there.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}
