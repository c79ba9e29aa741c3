use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::{ACCEPT_LANGUAGE, COOKIE, HeaderName, USER_AGENT};

use crate::{Headers, Problem, config, seal};

const NAME: &str = "interaction_visitor";

/// A year, in seconds.
const MAX_AGE: u32 = 365 * 24 * 60 * 60;

const DAY: Duration = Duration::from_hours(24);

/// First views of one browser within one span of this length belong to one visitor; see [`Visitors::of`].
const AT_ONCE: Duration = Duration::from_secs(2);

/// Distinguishes visitors who are not signed in. UV counts these visitors.
pub struct Visitors {
    key: String,
    /// The attributes of the cookie. None if there is no cookie.
    attributes: Option<String>,
}

/// A visitor, and the cookie by which the visitor is known next time, if there is to be one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visitor {
    /// Distinguishes the visitor from others.
    pub id: [u8; 16],
    /// The value of `Set-Cookie`.
    pub cookie: Option<String>,
}

impl Visitor {
    /// Returns the id as text.
    #[must_use]
    pub fn text(&self) -> String {
        seal::hex(&self.id)
    }
}

impl Visitors {
    /// Reads `visitor_key`, `visitor_mode` and the variables of the cookie.
    pub async fn load() -> Result<Self, Problem> {
        let key = config::secret("visitor_key").await?;
        let mode: String = config::setting("visitor_mode").await?;
        match mode.as_str() {
            "cookie" => Ok(Self::with_cookie(key, &attributes().await?)),
            "cookieless" => Ok(Self::without_cookie(key)),
            _ => Err(refused("visitor_mode: must be cookie or cookieless")),
        }
    }

    /// Identifies visitors by an id in a sealed cookie. The cookie has these attributes besides those that it always
    /// has.
    #[must_use]
    pub fn with_cookie(key: String, attributes: &str) -> Self {
        Self { key, attributes: Some(format!("; Max-Age={MAX_AGE}; HttpOnly{attributes}")) }
    }

    /// Identifies visitors by a keyed hash of address, user agent and day. Nothing is stored on the device, and a
    /// person who comes again on another day is another visitor.
    #[must_use]
    pub fn without_cookie(key: String) -> Self {
        Self { key, attributes: None }
    }

    /// Returns the visitor who sent a request, from the address with that hash, at that time.
    ///
    /// A request that asks not to be followed is not identified by a cookie and gets none, whatever the mode is.
    ///
    /// A browser that shows several articles for the first time sends several views before it has a cookie. Therefore
    /// the id in the cookie of such a view is not random. It is a keyed hash of what these views have in common, so
    /// that all of them set the same cookie. This has a price. Two people behind one address, with the same browser in
    /// the same language, who come for the first time within the same two seconds, are one visitor for as long as the
    /// cookie lasts. And two views shortly before and after the end of such a span are still two visitors, which
    /// happens once in some hundred.
    #[must_use]
    pub fn of(&self, headers: &dyn Headers, ip_hash: &str, consent: Option<bool>, now: SystemTime) -> Visitor {
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let hashed = |what: &str, span: Duration, names: &[HeaderName]| {
            let span = (since / span.as_millis()).to_string();
            let sent: Vec<Vec<u8>> =
                names.iter().map(|name| headers.first(name.as_str()).unwrap_or_default()).collect();
            let fixed = [what.as_bytes(), span.as_bytes(), ip_hash.as_bytes()];
            seal::keyed_id(&self.key, &fixed.into_iter().chain(sent.iter().map(Vec::as_slice)).collect::<Vec<_>>())
        };
        let followed = consent != Some(false) && !is_private(headers);
        let Some(attributes) = self.attributes.as_ref().filter(|_| followed) else {
            return Visitor { id: hashed("day", DAY, &[USER_AGENT]), cookie: None };
        };
        if let Some(id) = self.known(headers) {
            return Visitor { id, cookie: None };
        }
        let id = hashed("first", AT_ONCE, &[USER_AGENT, ACCEPT_LANGUAGE]);
        Visitor { id, cookie: Some(format!("{NAME}={}{attributes}", seal::seal(&self.key, &id))) }
    }

    /// Returns the visitor that the request's cookie names, if the cookie is ours. Reads bytes, because a browser sends
    /// all cookies of a site in one line, and another one may be no ASCII.
    fn known(&self, headers: &dyn Headers) -> Option<[u8; 16]> {
        headers.all(COOKIE.as_str()).iter().flat_map(|line| line.split(|byte| *byte == b';')).find_map(|pair| {
            let value = pair.trim_ascii().strip_prefix(NAME.as_bytes())?.strip_prefix(b"=")?;
            seal::open(&self.key, str::from_utf8(value).ok()?)?.try_into().ok()
        })
    }
}

/// Whether the browser says that its user wants not to be followed: by Global Privacy Control
/// (<https://www.w3.org/TR/gpc/>), or by the older `DNT`.
fn is_private(headers: &dyn Headers) -> bool {
    ["sec-gpc", "dnt"].iter().any(|name| headers.first(name).is_some_and(|value| value == b"1"))
}

/// Returns the cookie's attributes according to the variables: path, `SameSite`, `Secure` and `Partitioned`.
async fn attributes() -> Result<String, Problem> {
    let (path, same_site): (String, String) =
        (config::setting("cookie_path").await?, config::setting("cookie_same_site").await?);
    let (secure, partitioned) = (config::setting("cookie_secure").await?, config::setting("cookie_partitioned").await?);
    spelled(&path, &same_site, secure, partitioned).map_err(refused)
}

fn spelled(path: &str, same_site: &str, secure: bool, partitioned: bool) -> Result<String, &'static str> {
    // RFC 6265 section 4.1.1. A comma is an error too, because some clients end a cookie at a comma.
    let sign = |byte: u8| (b'!'..=b'~').contains(&byte) && !b";,".contains(&byte);
    if !path.starts_with('/') || !path.bytes().all(sign) {
        return Err("cookie_path: must be a path, such as /v1");
    }
    if !["Strict", "Lax", "None"].contains(&same_site) {
        return Err("cookie_same_site: must be Strict, Lax or None");
    }
    if partitioned && !(secure && same_site == "None") {
        return Err(
            "cookie_partitioned: needs cookie_secure=true and cookie_same_site=None, or browsers drop the cookie",
        );
    }
    let secure = if secure { "; Secure" } else { "" };
    let partitioned = if partitioned { "; Partitioned" } else { "" };
    Ok(format!("; Path={path}; SameSite={same_site}{secure}{partitioned}"))
}

fn refused(why: &str) -> Problem {
    eprintln!("variable {why}");
    Problem::Misconfigured
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use http::HeaderMap;

    use super::*;

    /// Noon of some day.
    const NOON: Duration = Duration::from_hours(489_948);
    const PERSON: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0";

    fn with(sent: &[(HeaderName, &str)]) -> HeaderMap {
        let headers = sent.iter().map(|(name, value)| (name.clone(), value.parse().expect("a header value")));
        [(USER_AGENT, PERSON.parse().expect("a header value"))].into_iter().chain(headers).collect()
    }

    fn at(visitors: &Visitors, headers: &HeaderMap, address: &str, after: Duration) -> Visitor {
        visitors.of(headers, address, None, UNIX_EPOCH + NOON + after)
    }

    fn cookies() -> Visitors {
        Visitors::with_cookie("key".to_owned(), "; Path=/v1; SameSite=Lax")
    }

    /// Returns the pair that a browser sends back.
    fn pair(visitor: &Visitor) -> String {
        let cookie = visitor.cookie.as_deref().expect("a cookie");
        cookie.split(';').next().expect("a pair").to_owned()
    }

    proptest! {
        #[test]
        fn nobody_is_known_by_what_it_made_up(
            line in proptest::collection::vec(any::<u8>(), 0..100),
            value in "[A-Za-z0-9_-]{0,90}",
        ) {
            let visitors = cookies();
            let mut headers = with(&[(COOKIE, &format!("{NAME}={value}"))]);
            if let Ok(line) = http::HeaderValue::from_bytes(&line) {
                headers.append(COOKIE, line);
            }
            let welcomed = at(&visitors, &headers, "here", Duration::ZERO);
            headers.append(COOKIE, pair(&welcomed).parse().expect("a header value"));
            let known = at(&visitors, &headers, "elsewhere", DAY * 100);
            prop_assert_eq!(known, Visitor { id: welcomed.id, cookie: None });
        }
    }

    #[test]
    fn a_visitor_is_known_by_the_cookie_it_was_given_and_by_no_other() {
        let visitors = cookies();
        let first = at(&visitors, &with(&[]), "here", Duration::ZERO);
        let known = |value: &str| visitors.known(&with(&[(COOKIE, value)]));
        assert_eq!(known(&format!("theme=dark; {}; a=b", pair(&first))), Some(first.id));
        let forged = format!("{NAME}=forged; {}", pair(&first));
        assert_eq!(known(&forged), Some(first.id), "another site's cookie of the same name is passed over");
        for other in ["city=K\u{f6}ln; {}", "{}; city=K\u{f6}ln"] {
            let line = other.replace("{}", &pair(&first)).into_bytes();
            let line = http::HeaderValue::from_bytes(&line).expect("a header value");
            let sent = HeaderMap::from_iter([(COOKIE, line)]);
            assert_eq!(visitors.known(&sent), Some(first.id), "whatever else is in the line");
        }
        assert_eq!(known(&format!("{NAME}={}", seal::seal("other", &first.id))), None);
        assert_eq!(known(&format!("{NAME}={}", seal::hex(&first.id))), None);
        assert_eq!(visitors.known(&HeaderMap::new()), None);
    }

    #[test]
    fn first_views_at_once_are_one_visitor_and_later_ones_another() {
        let visitors = cookies();
        let (here, at) = (with(&[(ACCEPT_LANGUAGE, "de")]), |headers, address, ms| {
            at(&visitors, headers, address, Duration::from_millis(ms))
        });
        let first = at(&here, "here", 0);
        assert_eq!(at(&here, "here", 1999), first, "the same cookie too");
        let other = [
            at(&here, "here", 2000),
            at(&here, "there", 0),
            at(&with(&[(ACCEPT_LANGUAGE, "en")]), "here", 0),
            at(&HeaderMap::from_iter([(ACCEPT_LANGUAGE, "de".parse().expect("a header value"))]), "here", 0),
        ];
        assert!(other.iter().all(|other| other.id != first.id && other.cookie.is_some()));
    }

    #[test]
    fn without_a_cookie_a_visitor_is_an_address_and_an_agent_for_a_day() {
        let visitors = Visitors::without_cookie("key".to_owned());
        let morning = at(&visitors, &with(&[]), "here", Duration::ZERO);
        assert_eq!(morning.cookie, None);
        let of_a_cookie = at(&cookies(), &with(&[]), "here", Duration::ZERO);
        let also = with(&[(ACCEPT_LANGUAGE, "de"), (COOKIE, &pair(&of_a_cookie))]);
        let before_midnight = Duration::from_millis(12 * 60 * 60 * 1000 - 1);
        assert_eq!(at(&visitors, &also, "here", before_midnight), morning);
        for other in [
            at(&visitors, &with(&[]), "here", DAY / 2),
            at(&visitors, &with(&[]), "there", Duration::ZERO),
            at(
                &visitors,
                &HeaderMap::from_iter([(USER_AGENT, "other".parse().expect("a value"))]),
                "here",
                Duration::ZERO,
            ),
            at(&Visitors::without_cookie("another key".to_owned()), &with(&[]), "here", Duration::ZERO),
            of_a_cookie,
        ] {
            assert_ne!(other.id, morning.id);
        }
    }

    #[test]
    fn who_wants_not_to_be_followed_is_not_known_by_a_cookie() {
        let visitors = cookies();
        let known = pair(&at(&visitors, &with(&[]), "here", Duration::ZERO));
        let cookieless = at(&Visitors::without_cookie("key".to_owned()), &with(&[]), "here", Duration::ZERO);
        let header = HeaderName::from_static;
        for signal in [(header("sec-gpc"), "1"), (header("dnt"), "1")] {
            for sent in [vec![signal.clone()], vec![signal.clone(), (COOKIE, known.as_str())]] {
                assert_eq!(at(&visitors, &with(&sent), "here", Duration::ZERO), cookieless, "{sent:?}");
            }
        }
        let asked = |consent| visitors.of(&with(&[(COOKIE, &known)]), "here", consent, UNIX_EPOCH + NOON);
        assert_eq!(asked(Some(false)), cookieless);
        assert_ne!(asked(Some(true)), cookieless);
        for none in [(header("sec-gpc"), "0"), (header("dnt"), "unspecified")] {
            assert!(at(&visitors, &with(&[none]), "here", Duration::ZERO).cookie.is_some());
        }
    }

    #[test]
    fn a_cookie_that_browsers_would_drop_is_refused() {
        assert_eq!(spelled("/v1", "Lax", true, false).as_deref(), Ok("; Path=/v1; SameSite=Lax; Secure"));
        assert_eq!(spelled("/api/v1", "Strict", false, false).as_deref(), Ok("; Path=/api/v1; SameSite=Strict"));
        assert_eq!(spelled("/", "None", true, true).as_deref(), Ok("; Path=/; SameSite=None; Secure; Partitioned"));
        for (path, same_site, secure, partitioned, why) in [
            ("/v1", "Lax", true, true, "cookie_partitioned"),
            ("/v1", "None", false, true, "cookie_partitioned"),
            ("/v1", "lax", true, false, "cookie_same_site"),
            ("", "Lax", true, false, "cookie_path"),
            ("v1", "Lax", true, false, "cookie_path"),
            ("/v1; Domain=example.com", "Lax", true, false, "cookie_path"),
            ("/v 1", "Lax", true, false, "cookie_path"),
            ("/v1\n", "Lax", true, false, "cookie_path"),
        ] {
            let refused = spelled(path, same_site, secure, partitioned).expect_err(path);
            assert!(refused.starts_with(why), "{refused}");
        }
    }
}
