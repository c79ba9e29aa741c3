//! Caching of answers that are the same for everybody without a token.

use http::StatusCode;
use sha2::{Digest, Sha256};

use crate::{Call, Reply, seal};

/// How many bytes of a body's digest are its tag. The chance that a cache keeps an outdated counter for a second is one
/// in 2^64.
const TAG: usize = 8;

impl Reply {
    /// Adds `Cache-Control` and an `ETag` of the body. If the caller already has that body, the answer becomes a 304.
    /// An empty `cache_control` adds nothing, so that no cache keeps the answer.
    #[must_use]
    pub fn cacheable(mut self, call: &Call, cache_control: &str) -> Self {
        if cache_control.is_empty() {
            return self;
        }
        let digest = Sha256::digest(&self.body);
        let tag = format!("\"{}\"", seal::hex(&digest[..TAG]));
        if is_known(call, &tag) {
            self = Self { status: StatusCode::NOT_MODIFIED, headers: vec![], body: vec![] };
        }
        // A caller with a token gets another answer.
        self.with("cache-control", cache_control).with("etag", &tag).with("vary", "Authorization")
    }
}

/// Whether the caller has a body with this tag, by `If-None-Match` (RFC 9110 section 13.1.2): a list of tags. Weak and
/// strong tags are compared alike.
fn is_known(call: &Call, tag: &str) -> bool {
    let lines = call.headers().texts("if-none-match");
    let mut tags = lines.iter().flat_map(|line| line.split(',')).map(str::trim);
    tags.any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEPT: &str = "public, max-age=1";

    fn answer(sent: &[&str], cache_control: &str) -> Reply {
        let mut request = http::Request::builder();
        for line in sent {
            request = request.header("if-none-match", *line);
        }
        let (parts, ()) = request.body(()).expect("a request").into_parts();
        Reply::json(&7).cacheable(&Call::from(parts), cache_control)
    }

    fn header(reply: &Reply, wanted: &str) -> Option<String> {
        let found = reply.headers.iter().find(|(name, _)| *name == wanted);
        found.map(|(_, value)| String::from_utf8(value.clone()).expect("a text"))
    }

    #[test]
    fn who_has_the_answer_is_not_sent_it_again() {
        let first = answer(&[], KEPT);
        let tag = header(&first, "etag").expect("a tag");
        assert_eq!((first.status, header(&first, "cache-control").as_deref()), (StatusCode::OK, Some(KEPT)));
        let all = format!("\"x\", W/{tag}");
        for known in [&[tag.as_str()][..], &["*"], &[&all], &["\"x\"", &tag]] {
            let again = answer(known, KEPT);
            assert_eq!((again.status, again.body.len()), (StatusCode::NOT_MODIFIED, 0), "{known:?}");
            assert_eq!(
                (header(&again, "etag"), header(&again, "vary").as_deref()),
                (Some(tag.clone()), Some("Authorization"))
            );
        }
        for other in [&["\"x\""][..], &[""], &[tag.trim_matches('"')]] {
            assert_eq!(answer(other, KEPT).status, StatusCode::OK, "{other:?}");
        }
    }

    #[test]
    fn nothing_is_kept_where_nothing_may_be() {
        let reply = answer(&["*"], "");
        assert_eq!(
            (reply.status, header(&reply, "etag"), header(&reply, "cache-control")),
            (StatusCode::OK, None, None)
        );
    }
}
