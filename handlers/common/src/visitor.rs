use http::{HeaderMap, header::COOKIE};

use crate::{Problem, config, seal};

const NAME: &str = "interaction_visitor";

/// A year, in seconds.
const MAX_AGE: u32 = 365 * 24 * 60 * 60;

/// Tells visitors without identity from each other by a random id in a sealed cookie. UV counts these.
pub struct Visitors {
    key: String,
    attributes: String,
}

impl Visitors {
    /// From `visitor_key`, `cookie_secure` and `cookie_same_site`.
    pub async fn load() -> Result<Self, Problem> {
        let key = config::secret("visitor_key").await?;
        let secure = if config::setting("cookie_secure").await? { "; Secure" } else { "" };
        let same_site: String = config::setting("cookie_same_site").await?;
        if !["Strict", "Lax", "None"].contains(&same_site.as_str()) {
            eprintln!("variable cookie_same_site: must be Strict, Lax or None");
            return Err(Problem::Misconfigured);
        }
        Ok(Self::new(key, &format!("; SameSite={same_site}{secure}")))
    }

    /// With a cookie that has these attributes besides those that it always has.
    #[must_use]
    pub fn new(key: String, attributes: &str) -> Self {
        Self { key, attributes: format!("; Path=/v1; Max-Age={MAX_AGE}; HttpOnly{attributes}") }
    }

    /// The visitor that the request's cookie names, if it is one of ours.
    #[must_use]
    pub fn known(&self, headers: &HeaderMap) -> Option<[u8; 16]> {
        let pairs =
            headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok()).flat_map(|all| all.split(';'));
        pairs
            .filter_map(|pair| pair.trim().split_once('='))
            .filter(|(name, _)| *name == NAME)
            .find_map(|(_, value)| seal::open(&self.key, value)?.try_into().ok())
    }

    /// A new visitor, and the cookie that makes it known next time.
    #[must_use]
    pub fn welcome(&self) -> ([u8; 16], String) {
        let id = seal::random();
        (id, format!("{NAME}={}{}", seal::seal(&self.key, &id), self.attributes))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn nobody_is_known_by_what_it_made_up(
            line in proptest::collection::vec(any::<u8>(), 0..100),
            value in "[A-Za-z0-9_-]{0,90}",
        ) {
            let visitors = Visitors::new("key".to_owned(), "");
            let mut headers = HeaderMap::new();
            headers.append(COOKIE, format!("{NAME}={value}").parse().expect("a header value"));
            if let Ok(line) = http::HeaderValue::from_bytes(&line) {
                headers.append(COOKIE, line);
            }
            prop_assert_eq!(visitors.known(&headers), None);
            let (id, cookie) = visitors.welcome();
            headers.append(COOKIE, cookie.parse().expect("a header value"));
            prop_assert_eq!(visitors.known(&headers), Some(id));
        }
    }

    #[test]
    fn a_visitor_is_known_by_the_cookie_it_was_given_and_by_no_other() {
        let visitors = Visitors::new("key".to_owned(), "; SameSite=Lax");
        let (id, cookie) = visitors.welcome();
        let with = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.append(COOKIE, value.parse().expect("a header value"));
            visitors.known(&headers)
        };
        let pair = cookie.split(';').next().expect("a pair");
        assert_eq!(with(&format!("theme=dark; {pair}; a=b")), Some(id));
        assert_eq!(
            with(&format!("{NAME}=forged; {pair}")),
            Some(id),
            "another site's cookie of the same name is passed over"
        );
        assert_eq!(with(&format!("{NAME}={}", seal::seal("other", &id))), None);
        assert_eq!(with(&format!("{NAME}={}", seal::hex(&id))), None);
        assert_eq!(visitors.known(&HeaderMap::new()), None);
    }
}
