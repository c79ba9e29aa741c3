//! The body of a read: JSON around a view token.
#![no_main]

use arbitrary::Arbitrary;
use handler_common::{Problem, ViewToken, Viewer};
use libfuzzer_sys::fuzz_target;
use serde::de::IgnoredAny;

const KEY: &str = "the key of view tokens, 32 or more";

#[derive(Debug, Arbitrary)]
enum Sent<'a> {
    Any(&'a [u8]),
    /// A good token with something around it.
    Around(&'a [u8], &'a [u8]),
}

fuzz_target!(|sent: Sent| {
    let token = ViewToken {
        id: [7; 16],
        article: 42.try_into().expect("positive"),
        viewer: Viewer::Visitor([9; 16]),
        epoch: 1,
        viewed_ms: 1_763_800_000_000,
    };
    let text = token.seal(KEY);
    let body = match sent {
        Sent::Any(bytes) => bytes.to_vec(),
        Sent::Around(before, after) => [before, br#"{"view_token":""#, text.as_bytes(), br#"""#, after, b"}"].concat(),
    };
    match ViewToken::of_body(KEY, &body) {
        Ok(opened) => {
            assert_eq!(opened, token);
            assert!(json(&body), "what was read is JSON");
        }
        Err(Problem::BadBody(_)) => {}
        Err(Problem::ViewTokenInvalid) => {
            assert!(json(&body));
        }
        Err(other) => panic!("{other:?} is not about the body"),
    }
    if let Sent::Around(b"", b"") = sent {
        assert_eq!(ViewToken::of_body(KEY, &body), Ok(token));
    }
});

/// Whether it is JSON by its grammar, which sets no bound to numbers (RFC 8259, section 6): a `Value` would.
fn json(body: &[u8]) -> bool {
    str::from_utf8(body).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok())
}
