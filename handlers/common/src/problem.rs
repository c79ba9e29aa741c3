use http::StatusCode;
use serde::Serialize;

use crate::TokenFault;

/// Why a request was not carried out, and what its caller can do. No other code maps this to an HTTP status.
///
/// Rendered as RFC 9457 `application/problem+json`. The body shows nothing internal: that goes to the log.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(strum::EnumIter))]
pub enum Problem {
    /// The path has no valid article id.
    BadId,
    /// The query string is not what the route takes. The text says what the route takes.
    BadQuery(&'static str),
    /// The body is not what the route takes. The text says what the route takes.
    BadBody(&'static str),
    /// A token is needed and none was sent.
    TokenMissing,
    /// The token that was sent does not verify.
    TokenInvalid(TokenFault),
    /// The provider of the keys that verify tokens does not answer, and no keys are known from before.
    KeysUnavailable,
    /// The user may not do this any more.
    Barred,
    /// Another id has the same number as the user or the article.
    IdCollision,
    /// There is no such path.
    NotFound,
    /// The path does not take this method. The text lists the methods that it takes.
    MethodNotAllowed(&'static str),
    /// The body is over 16 KiB.
    TooLarge,
    /// The view token does not verify, or belongs to another article or visitor.
    ViewTokenInvalid,
    /// The view was less than 5 s ago. The number is the ms to wait.
    ViewTokenEarly(u64),
    /// The view was more than 24 h ago, or from before a rebuild.
    ViewTokenExpired,
    /// A frequency limit is used up.
    Limited {
        /// Milliseconds until one more request passes.
        wait_ms: u64,
        /// The limit's burst, and the seconds until it is full again.
        policy: (u64, u64),
    },
    /// A store is down or does not answer in time.
    StoreUnavailable,
    /// The article's partition is not known to be whole.
    NotWarm,
    /// Trust and safety is looking into this user and article.
    Held,
    /// The outbox is at its high-water mark.
    Backlogged,
    /// A variable of the application is missing or cannot be parsed; the log names it.
    Misconfigured,
}

/// The body of a problem.
#[derive(Serialize)]
struct Body<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
}

impl Problem {
    /// Returns status, stable name, title, and what the caller can do.
    #[expect(clippy::too_many_lines, reason = "a table, and its rows are best read together")]
    fn parts(&self) -> (StatusCode, &'static str, &'static str, &'static str) {
        use StatusCode as S;
        match self {
            Self::BadId => (
                S::BAD_REQUEST,
                "bad-id",
                "Not an article id",
                "An article id is 1 to 128 characters of A-Z a-z 0-9 . _ ~ : | @ + = -, percent-encoded where a URL needs it.",
            ),
            Self::BadQuery(detail) => (S::BAD_REQUEST, "bad-query", "Query not understood", detail),
            Self::BadBody(detail) => (S::BAD_REQUEST, "bad-body", "Body not understood", detail),
            Self::TokenMissing => (
                S::UNAUTHORIZED,
                "token-missing",
                "Sign-in needed",
                "Send the user's token: Authorization: Bearer <JWT>.",
            ),
            Self::TokenInvalid(fault) => (S::UNAUTHORIZED, "token-invalid", "Token not accepted", fault.detail()),
            Self::KeysUnavailable => (
                S::SERVICE_UNAVAILABLE,
                "keys-unavailable",
                "Temporarily unavailable",
                "The token cannot be verified at the moment and nothing was changed. Try again after Retry-After, or send \
                 no token where the route does not need one.",
            ),
            Self::Barred => {
                (S::FORBIDDEN, "barred", "Not permitted", "This user may not do this. Ask the site's support.")
            }
            Self::IdCollision => (
                S::CONFLICT,
                "id-collision",
                "Id not usable",
                "Another id of the site has the same number in this service, by a rare chance. Nothing was changed. Use \
                 another id, and tell the service's operators.",
            ),
            Self::NotFound => {
                (S::NOT_FOUND, "not-found", "No such path", "Check the path: /v1/openapi.json lists all paths.")
            }
            Self::MethodNotAllowed(_) => (
                S::METHOD_NOT_ALLOWED,
                "method-not-allowed",
                "Method not allowed",
                "Use one of the methods in the Allow header.",
            ),
            Self::TooLarge => (S::PAYLOAD_TOO_LARGE, "too-large", "Body too large", "Send at most 16 KiB."),
            Self::ViewTokenInvalid => (
                S::UNPROCESSABLE_ENTITY,
                "view-token-invalid",
                "View token not accepted",
                "The view token is not one of this article and this visitor. Report a view and use the token of its \
                 answer.",
            ),
            Self::ViewTokenEarly(_) => (
                S::UNPROCESSABLE_ENTITY,
                "view-token-early",
                "Too early for a read",
                "A read counts once its view is 5 seconds old. Try again after Retry-After.",
            ),
            Self::ViewTokenExpired => (
                S::UNPROCESSABLE_ENTITY,
                "view-token-expired",
                "View token expired",
                "A view can be read for 24 hours. Report a new view and use the token of its answer.",
            ),
            Self::Limited { .. } => (
                S::TOO_MANY_REQUESTS,
                "rate-limited",
                "Too many requests",
                "Nothing was changed. Try again after Retry-After.",
            ),
            Self::StoreUnavailable => (
                S::SERVICE_UNAVAILABLE,
                "store-unavailable",
                "Temporarily unavailable",
                "A store did not answer in time. Try again after Retry-After. A change is not made twice, but a view may \
                 count twice.",
            ),
            Self::NotWarm => (
                S::SERVICE_UNAVAILABLE,
                "not-warm",
                "Temporarily unavailable",
                "The article's data is being checked or rebuilt and nothing was changed. Try again after Retry-After.",
            ),
            Self::Held => (
                S::SERVICE_UNAVAILABLE,
                "held",
                "Temporarily unavailable",
                "This cannot be changed at the moment and nothing was changed. Try again after Retry-After.",
            ),
            Self::Backlogged => (
                S::SERVICE_UNAVAILABLE,
                "backlogged",
                "Temporarily unavailable",
                "Too many changes wait to be stored and nothing was changed. Try again after Retry-After.",
            ),
            Self::Misconfigured => (
                S::SERVICE_UNAVAILABLE,
                "misconfigured",
                "Temporarily unavailable",
                "The service is not set up completely. Tell its operators.",
            ),
        }
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.parts().0
    }

    /// Returns the headers of the problem.
    #[must_use]
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::TokenMissing => vec![("www-authenticate", "Bearer".to_owned())],
            // RFC 6750 section 3.
            Self::TokenInvalid(fault) => {
                let value = format!("Bearer error=\"invalid_token\", error_description=\"{}\"", fault.summary());
                vec![("www-authenticate", value)]
            }
            Self::MethodNotAllowed(allow) => vec![("allow", (*allow).to_owned())],
            Self::ViewTokenEarly(wait_ms) => vec![("retry-after", seconds(*wait_ms))],
            // https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/
            Self::Limited { wait_ms, policy: (burst, window) } => vec![
                ("retry-after", seconds(*wait_ms)),
                ("ratelimit-policy", format!("\"default\";q={burst};w={window}")),
                ("ratelimit", format!("\"default\";r=0;t={}", seconds(*wait_ms))),
            ],
            Self::StoreUnavailable | Self::NotWarm | Self::Held => vec![("retry-after", "1".to_owned())],
            Self::Backlogged | Self::KeysUnavailable | Self::Misconfigured => {
                vec![("retry-after", "5".to_owned())]
            }
            _ => vec![],
        }
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        let (status, name, title, detail) = self.parts();
        let body = Body { r#type: format!("/v1/problems/{name}"), title, status: status.as_u16(), detail };
        serde_json::to_vec(&body).expect("a struct of texts and a number always serialises")
    }
}

/// Returns whole seconds, rounded up.
fn seconds(ms: u64) -> String {
    ms.div_ceil(1000).max(1).to_string()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use serde_json::Value;
    use strum::IntoEnumIterator;

    use super::*;

    #[test]
    fn docs_openapi_yaml_has_every_problem_and_no_other() {
        let document: Value = yaml_serde::from_str(include_str!("../../../docs/openapi.yaml")).expect("YAML");
        let responses = document["components"]["responses"].as_object().expect("responses").values();
        let contents = responses.filter_map(|response| response["content"].get("application/problem+json"));
        let mut described = BTreeMap::new();
        for content in contents {
            let Value::Object(examples) = &content["examples"] else { panic!("examples of {content}") };
            let schema = &content["schema"]["properties"];
            let types = |values: Vec<&Value>| values.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
            let announced = schema["type"]["enum"].as_array().expect("an enum of types");
            let shown = examples.values().map(|example| &example["value"]);
            assert_eq!(
                types(announced.iter().collect()),
                types(shown.clone().map(|e| &e["type"]).collect()),
                "{content}"
            );
            for example in shown {
                described.insert(example["type"].to_string(), example.clone());
            }
        }
        for problem in Problem::iter() {
            let mut body: Value = serde_json::from_slice(&problem.body()).expect("JSON");
            let described = described.remove(&body["type"].to_string()).unwrap_or_else(|| panic!("{body} is missing"));
            if body["detail"] == "" {
                // The detail is the route's own text.
                body["detail"] = described["detail"].clone();
            }
            assert_eq!(described, body);
        }
        assert!(described.is_empty(), "{described:?}");
    }

    #[test]
    fn every_refusal_says_what_to_do_and_when() {
        let limited = Problem::Limited { wait_ms: 1001, policy: (20, 10) };
        assert_eq!(limited.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(limited.headers()[0], ("retry-after", "2".to_owned()));
        assert_eq!(
            String::from_utf8(limited.body()).expect("UTF-8"),
            r#"{"type":"/v1/problems/rate-limited","title":"Too many requests","status":429,"#.to_owned()
                + r#""detail":"Nothing was changed. Try again after Retry-After."}"#
        );
        for outage in [
            Problem::StoreUnavailable,
            Problem::NotWarm,
            Problem::Held,
            Problem::Backlogged,
            Problem::KeysUnavailable,
            Problem::Misconfigured,
        ] {
            assert_eq!(outage.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert!(outage.headers().iter().any(|(name, _)| *name == "retry-after"), "{outage:?}");
        }
    }
}
