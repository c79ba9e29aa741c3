use contract::scripts::{self, Gate};
use http::StatusCode;
use serde::Serialize;

use crate::{Limit, Problem};

/// An answer before the headers that every answer has.
#[derive(Debug)]
pub struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    /// 200 with a JSON body.
    #[must_use]
    pub fn json(body: &impl Serialize) -> Self {
        Self::status_json(StatusCode::OK, body)
    }

    /// Another status with a JSON body.
    #[must_use]
    pub fn status_json(status: StatusCode, body: &impl Serialize) -> Self {
        let body = serde_json::to_vec(body).expect("an answer of numbers, texts and lists always serialises");
        Self { status, headers: vec![], body }.with("content-type", "application/json")
    }

    /// 200 with a text of that media type.
    #[must_use]
    pub fn text(media_type: &str, text: &str) -> Self {
        Self { status: StatusCode::OK, headers: vec![], body: text.into() }.with("content-type", media_type)
    }

    /// 204, to a preflight.
    pub(crate) fn no_content() -> Self {
        Self { status: StatusCode::NO_CONTENT, headers: vec![], body: vec![] }
    }

    /// Returns the answer with one more header. If no header can carry the value, the header is left out.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        if value.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t')) {
            self.headers.push((name.to_owned(), value.into()));
        }
        self
    }

    /// Returns the answer with the headers that say how much of the caller's limit is left.
    #[must_use]
    pub fn with_limit(self, limit: scripts::Limit, left: Gate) -> Self {
        let (burst, window) = Limit::from(limit).policy();
        let reset = left.reset_ms.div_ceil(1000);
        self.with("ratelimit-policy", &format!("\"default\";q={burst};w={window}"))
            .with("ratelimit", &format!("\"default\";r={};t={reset}", left.left))
    }
}

impl From<Problem> for Reply {
    fn from(problem: Problem) -> Self {
        let reply = Self { status: problem.status(), headers: vec![], body: problem.body() };
        problem
            .headers()
            .into_iter()
            .fold(reply.with("content-type", "application/problem+json"), |reply, (name, value)| {
                reply.with(name, &value)
            })
    }
}
