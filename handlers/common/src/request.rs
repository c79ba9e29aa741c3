use std::{rc::Rc, str::FromStr, time::Duration};

use contract::{ArticleId, UserId};
use http::{HeaderMap, Method, Uri, request::Parts};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use spin_sdk::http::Request;

use crate::{Deadline, Identity, Problem};

/// The most that a body may have, in bytes.
const MAX_BODY: usize = 16 * 1024;

/// How long a body may take.
const BODY_PATIENCE: Duration = Duration::from_secs(10);

/// A request on its way through a component.
pub struct Call {
    /// The method, HEAD told as GET: whoever sends the answer leaves out its body.
    pub method: Method,
    /// When the caller's patience ends.
    pub deadline: Deadline,
    /// The caller's `X-Request-Id`, or one made here: names the request in the answer and in its event.
    pub request_id: String,
    /// Set by `serve` before a component sees the call.
    pub(crate) identity: Option<Rc<Identity>>,
    uri: Uri,
    headers: HeaderMap,
    body: Option<spin_sdk::wasip3::http_compat::IncomingRequestBody>,
}

impl Call {
    pub(crate) fn new(request: Request) -> Self {
        let (Parts { method, uri, headers, .. }, body) = request.into_parts();
        let request_id = headers
            .get("x-request-id")
            .and_then(|value| value.to_str().ok())
            .filter(|id| is_request_id(id))
            .map_or_else(|| crate::seal::hex(&crate::seal::random::<16>()), str::to_owned);
        let method = if method == Method::HEAD { Method::GET } else { method };
        Self { method, deadline: Deadline::of_request(), request_id, identity: None, uri, headers, body: Some(body) }
    }

    /// The path, without the query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.uri.path()
    }

    /// The headers that the caller, and after it the platform, sent.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The caller, if it says who it is.
    pub fn user(&self) -> Result<Option<UserId>, Problem> {
        self.identity.as_ref().ok_or(Problem::Misconfigured)?.user(&self.headers)
    }

    /// The caller, where it must say who it is.
    pub fn required_user(&self) -> Result<UserId, Problem> {
        self.user()?.ok_or(Problem::TokenMissing)
    }

    /// The article that the path names in its third segment.
    pub fn article(&self) -> Result<ArticleId, Problem> {
        self.path().split('/').nth(3).and_then(|id| id.parse().ok()).ok_or(Problem::BadId)
    }

    /// A query parameter, parsed; `None` if it is not there. One that is there twice is refused, since whoever is in
    /// front of us might take the other.
    pub fn query<T: FromStr>(&self, name: &str, otherwise: &'static str) -> Result<Option<T>, Problem> {
        let pairs = self.uri.query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
        let mut values = pairs.filter(|(key, _)| *key == name).map(|(_, value)| value);
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            // All that we take is digits, commas and dashes; a browser's URLSearchParams writes the comma as %2C.
            (Some(value), None) => match value.replace("%2C", ",").replace("%2c", ",").parse() {
                Ok(parsed) => Ok(Some(parsed)),
                Err(_) => Err(Problem::BadQuery(otherwise)),
            },
            (Some(_), Some(_)) => Err(Problem::BadQuery(otherwise)),
        }
    }

    /// Refuses a body that announces itself as too large, before any of it is read.
    pub(crate) fn check_length(&self) -> Result<(), Problem> {
        let Some(announced) = self.headers.get("content-length") else { return Ok(()) };
        let length = announced.to_str().ok().and_then(|length| length.parse::<u64>().ok());
        if length.is_some_and(|length| length <= MAX_BODY as u64) { Ok(()) } else { Err(Problem::TooLarge) }
    }

    /// The whole body. The patience with the stores begins after it, since a slow client is no fault of theirs.
    pub async fn body(&mut self) -> Result<Vec<u8>, Problem> {
        let Some(body) = self.body.take() else { return Ok(vec![]) };
        let outcome = Deadline::after(BODY_PATIENCE).race(Limited::new(body, MAX_BODY).collect()).await;
        self.deadline = Deadline::of_request();
        match outcome {
            Some(Ok(whole)) => Ok(whole.to_bytes().into()),
            Some(Err(error)) if error.is::<LengthLimitError>() => Err(Problem::TooLarge),
            Some(Err(_)) => Err(Problem::BadBody("The body broke off.")),
            None => Err(Problem::BadBody("The body did not arrive within 10 seconds.")),
        }
    }
}

fn is_request_id(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=128).contains(&text.len()) && text.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::is_request_id;

    #[test]
    fn a_request_id_is_short_and_plain() {
        assert!(is_request_id("0af7651916cd43dd8448eb211c80319c"));
        for bad in ["", "a b", "a\"b", "é", &"a".repeat(129)] {
            assert!(!is_request_id(bad), "{bad}");
        }
    }
}
