use std::{borrow::Cow, str::FromStr};

use contract::{ArticleId, Kind, UserId};
use http::{Method, request::Parts};
use percent_encoding::percent_decode_str;
use spin_sdk::wasip3::http::types::Request;

use crate::{Deadline, Headers, Problem, body, escapes::decoded, headers::text, route::trimmed};

/// A request on its way through a component.
pub struct Call {
    /// The method. HEAD counts as GET: the server that sends the answer leaves out its body.
    pub method: Method,
    /// When the request stops waiting for its stores.
    pub deadline: Deadline,
    /// Names the request in the answer and in its event: the caller's `X-Request-Id`, or an id that is made here.
    pub request_id: String,
    /// The caller, or nobody if the component looks at no token. `serve` sets it before the component sees the call.
    pub(crate) caller: Result<Option<UserId>, Problem>,
    /// Path and query, as they were sent.
    target: String,
    headers: Box<dyn Headers>,
    incoming: Option<Request>,
    body: Result<Vec<u8>, Problem>,
}

impl From<Parts> for Call {
    /// Makes a call with an empty body.
    fn from(Parts { method, uri, headers, .. }: Parts) -> Self {
        let target = uri.path_and_query().map_or_else(String::new, ToString::to_string);
        Self::of(method, target, Box::new(headers), None)
    }
}

impl Call {
    /// Makes a call from the platform's own request, because the SDK's `Request` fetches every header. An invalid
    /// method becomes TRACE, which no route allows.
    pub(crate) fn new(request: Request) -> Self {
        let method = Method::try_from(request.get_method()).unwrap_or(Method::TRACE);
        let target = request.get_path_with_query().unwrap_or_default();
        Self::of(method, target, Box::new(request.get_headers()), Some(request))
    }

    fn of(method: Method, target: String, headers: Box<dyn Headers>, incoming: Option<Request>) -> Self {
        let request_id = headers
            .first("x-request-id")
            .and_then(text)
            .filter(|id| is_request_id(id))
            .unwrap_or_else(|| crate::seal::hex(&crate::seal::random::<16>()));
        let method = if method == Method::HEAD { Method::GET } else { method };
        let (deadline, caller, body) = (Deadline::of_request(), Err(Problem::Misconfigured), Ok(vec![]));
        Self { method, deadline, request_id, caller, target, headers, incoming, body }
    }

    /// Returns the path, without the query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// Returns the headers that the caller sent, and after them those of the platform.
    #[must_use]
    pub fn headers(&self) -> &dyn Headers {
        &*self.headers
    }

    /// Returns the caller, if it says who it is.
    pub fn user(&self) -> Result<Option<UserId>, Problem> {
        self.caller.clone()
    }

    /// Returns the caller. It is an error if the caller does not say who it is.
    pub fn required_user(&self) -> Result<UserId, Problem> {
        self.user()?.ok_or(Problem::TokenMissing)
    }

    /// Returns the article in the third segment of the path, percent-decoded once.
    pub fn article(&self) -> Result<ArticleId, Problem> {
        let segment = self.path().split('/').nth(3).ok_or(Problem::BadId)?;
        let id = percent_decode_str(segment).decode_utf8().map_err(|_| Problem::BadId)?;
        id.parse().map_err(|_| Problem::BadId)
    }

    /// Returns the kind that the last segment of the path names, by the kind's name, its count or its list. Each of
    /// these words belongs to one kind.
    pub fn kind(&self) -> Result<Kind, Problem> {
        let word = trimmed(self.path()).rsplit('/').next().unwrap_or_default();
        let kind = word.parse().ok().or_else(|| Kind::from_count(word)).or_else(|| Kind::from_list(word));
        kind.ok_or(Problem::NotFound)
    }

    /// Parses a query parameter. `None` if it is missing or empty. A parameter that is there twice is an error, because
    /// a server in front of us might take the other value.
    pub fn query<T: FromStr>(&self, name: &str, otherwise: &'static str) -> Result<Option<T>, Problem> {
        let values = self.values(&[name]).ok_or(Problem::BadQuery(otherwise))?;
        match values.as_slice() {
            [] => Ok(None),
            [value] if value.is_empty() => Ok(None),
            [value] => value.parse().map(Some).map_err(|_| Problem::BadQuery(otherwise)),
            _ => Err(Problem::BadQuery(otherwise)),
        }
    }

    /// Parses a query parameter that is a list. Its items have commas between them: `ids=1,2`, `ids=1&ids=2` and
    /// `ids[]=1&ids[]=2` are the same.
    pub fn list<T: FromStr>(&self, name: &str, otherwise: &'static str) -> Result<Option<T>, Problem> {
        let mut values = self.values(&[name, &format!("{name}[]")]).ok_or(Problem::BadQuery(otherwise))?;
        values.retain(|value| !value.is_empty());
        if values.is_empty() {
            return Ok(None);
        }
        values.join(",").parse().map(Some).map_err(|_| Problem::BadQuery(otherwise))
    }

    /// Returns the values of the parameters of these names, in their order. `None` if one of them is no text.
    fn values(&self, names: &[&str]) -> Option<Vec<Cow<'_, str>>> {
        let query = self.target.split_once('?').map_or("", |(_, query)| query);
        let pairs = query.split('&');
        let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        let wanted = pairs.filter(|(name, _)| decoded(name).is_some_and(|name| names.contains(&name.as_ref())));
        wanted.map(|(_, value)| decoded(value)).collect()
    }

    /// Reads the body to its end, if there is one. A body that is too large is an error, whatever the route does with
    /// it. Any other fault of a body matters only to a route that asks for the body.
    ///
    /// A body of GET or DELETE has no meaning (RFC 9110 sections 9.3.1 and 9.3.5). It is not read, because asking
    /// whether there is one costs as much as a tenth of a like. If it announces that it is too large, that is an error.
    pub(crate) async fn receive(&mut self) -> Result<(), Problem> {
        let length = self.length()?;
        // Without a length there may be a body in chunks: the platform does not pass on the header that would say so.
        // Browsers send the length 0 with a PUT or POST that has no body.
        let none = length == Some(0) || [Method::GET, Method::DELETE].contains(&self.method);
        let Some(incoming) = self.incoming.take().filter(|_| !none) else { return Ok(()) };
        self.body = body::receive(incoming).await;
        if self.body == Err(Problem::TooLarge) { Err(Problem::TooLarge) } else { Ok(()) }
    }

    /// Returns the length that the body announces, if any. A length that is too large is an error before any of the
    /// body is read.
    fn length(&self) -> Result<Option<usize>, Problem> {
        let Some(announced) = self.headers.first("content-length") else { return Ok(None) };
        let length = text(announced).and_then(|length| length.parse().ok());
        length.filter(|length| *length <= body::MAX).map(Some).ok_or(Problem::TooLarge)
    }

    /// Reads a field of the body that is true or false. `None` without a body or without the field. `takes` is the
    /// error's text; it says what the body should be.
    pub fn flag(&self, name: &str, takes: &'static str) -> Result<Option<bool>, Problem> {
        body::field(self.body()?, name, takes)
    }

    /// Returns the whole body.
    pub fn body(&self) -> Result<&[u8], Problem> {
        self.body.as_deref().map_err(Problem::clone)
    }
}

fn is_request_id(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=128).contains(&text.len()) && text.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use contract::{ArticleId, Kind};
    use http::{HeaderMap, HeaderValue};
    use proptest::prelude::*;

    use super::{Call, is_request_id};
    use crate::{Problem, body};

    fn call(target: &str, headers: HeaderMap) -> Call {
        let mut request = http::Request::new(());
        *request.uri_mut() = target.parse().expect("a request target");
        *request.headers_mut() = headers;
        Call::from(request.into_parts().0)
    }

    fn to(target: &str) -> Call {
        call(target, HeaderMap::new())
    }

    proptest! {
        #[test]
        fn a_parameter_is_what_was_sent_and_sent_once(
            value in "[0-9-]{1,20}",
            before in "[a-z=&]{0,8}",
            after in "[a-z=&]{0,8}",
        ) {
            let once = to(&format!("/?{before}&x1={value}&{after}"));
            prop_assert_eq!(once.query::<String>("x1", "one"), Ok(Some(value.clone())));
            prop_assert_eq!(once.query::<String>("x2", "one"), Ok(None));
            let twice = to(&format!("/?x1={value}&{before}&x1={value}"));
            prop_assert_eq!(twice.query::<String>("x1", "one"), Err(Problem::BadQuery("one")));
        }

        #[test]
        fn the_article_is_the_third_segment_however_it_is_escaped(
            id in "[1-9][0-9]{0,18}|[A-Za-z0-9._~:|@+=-]{1,128}",
            escaped in proptest::collection::vec(any::<bool>(), 128),
        ) {
            let byte = |(byte, escape): (u8, &bool)| match char::from(byte) {
                // A request target must escape a bar.
                plain if plain != '|' && !escape => plain.to_string(),
                plain => format!("%{:02X}", u32::from(plain)),
            };
            let segment: String = id.bytes().zip(&escaped).map(byte).collect();
            let article = to(&format!("/v1/articles/{segment}/like")).article();
            prop_assert_eq!(article, Ok(id.parse::<ArticleId>().expect("an id")));
        }

        #[test]
        fn any_other_segment_is_a_bad_id(segment in "[a-z]{0,4}(%2F|%00|%20|%23|%C3%A9|%FF|%25|%|,|!|%2525)[a-z]{0,4}") {
            prop_assert_eq!(to(&format!("/v1/articles/{segment}/like")).article(), Err(Problem::BadId));
        }

        #[test]
        fn the_caller_names_its_request_or_we_do(id in proptest::collection::vec(any::<u8>(), 0..140)) {
            let Ok(value) = HeaderValue::from_bytes(&id) else { return Ok(()) };
            let named = call("/", HeaderMap::from_iter([("x-request-id".parse().expect("a name"), value)]));
            prop_assert!(is_request_id(&named.request_id));
        }

        #[test]
        fn a_body_that_announces_more_than_we_take_is_refused(length: u64, text in "[0-9a-f+ -]{0,24}") {
            let announced = |length: &str| {
                let value = length.parse().expect("a header value");
                call("/", HeaderMap::from_iter([(http::header::CONTENT_LENGTH, value)])).length().is_ok()
            };
            prop_assert_eq!(announced(&length.to_string()), length <= body::MAX as u64);
            prop_assert!(announced(&(length % (body::MAX as u64 + 1)).to_string()));
            let taken = text.trim_start_matches('+').parse().is_ok_and(|length: usize| length <= body::MAX);
            prop_assert!(!announced(&text) || taken);
        }
    }

    #[test]
    fn a_kind_is_named_by_each_of_its_words() {
        for kind in Kind::ALL.iter().copied() {
            for word in [Some(kind.name()), Some(kind.count()), kind.listed()].into_iter().flatten() {
                for target in [format!("/v1/articles/42/{word}"), format!("/v1/me/{word}/"), format!("/{word}?x=1")] {
                    assert_eq!(to(&target).kind(), Ok(kind), "{target}");
                }
                assert_eq!(to(&format!("/v1/{word}/views")).kind(), Err(Problem::NotFound));
            }
        }
    }

    #[test]
    fn an_empty_parameter_is_not_given() {
        for query in ["", "x=", "x", "y=1&x=", "x=&y="] {
            assert_eq!(to(&format!("/?{query}")).query::<String>("x", "one"), Ok(None), "{query}");
        }
        for query in ["x=&x=1", "x=1&x=", "x&x"] {
            let refused = Err(Problem::BadQuery("one"));
            assert_eq!(to(&format!("/?{query}")).query::<String>("x", "one"), refused, "{query}");
        }
    }

    #[test]
    fn a_parameter_is_decoded_once() {
        let id = |query: &str| to(&format!("/?{query}")).query::<String>("id", "one");
        for (query, read) in [
            ("id=1%2C2%2c3", "1,2,3"),
            ("%69d=%31%252C", "1%2C"),
            ("id=a+b%2B", "a+b+"),
            ("id=auth0%7C7", "auth0|7"),
            ("id=a=b", "a=b"),
            ("id=50%", "50%"),
        ] {
            assert_eq!(id(query), Ok(Some(read.to_owned())), "{query}");
        }
        assert_eq!(id("id=%ff"), Err(Problem::BadQuery("one")), "no text");
        assert_eq!(id("%ff=1&id=1").map(|id| id.is_some()), Ok(true), "what we do not read may be anything");
    }

    #[test]
    fn a_list_is_the_same_in_each_of_its_spellings() {
        let ids = |query: &str| to(&format!("/?{query}")).list::<String>("ids", "some");
        for query in [
            "ids=1,2,3",
            "ids=1%2C2%2C3",
            "ids=1&ids=2&ids=3",
            "ids[]=1&ids[]=2&ids[]=3",
            "ids%5B%5D=1&ids%5b%5d=2,3",
            "ids=1&x=y&ids[]=2&ids=&ids=3",
        ] {
            assert_eq!(ids(query), Ok(Some("1,2,3".to_owned())), "{query}");
        }
        for query in ["", "ids=", "ids[]=&ids", "id=1", "ids[0]=1"] {
            assert_eq!(ids(query), Ok(None), "{query}");
        }
    }

    #[test]
    fn a_request_id_is_short_and_plain() {
        assert!(is_request_id("0af7651916cd43dd8448eb211c80319c"));
        for bad in ["", "a b", "a\"b", "é", &"a".repeat(129)] {
            assert!(!is_request_id(bad), "{bad}");
        }
    }
}
