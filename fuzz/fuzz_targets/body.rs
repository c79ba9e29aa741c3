//! The body of a read: a view token in JSON or in a form.
#![no_main]

use arbitrary::Arbitrary;
use handler_common::{Problem, ViewToken, Viewer};
use libfuzzer_sys::fuzz_target;

const KEY: &str = "the key of view tokens, 32 or more";

#[derive(Debug, Arbitrary)]
enum Sent<'a> {
    Any(&'a [u8]),
    /// A good token with something around it.
    Around(Way, &'a [u8], &'a [u8]),
}

#[derive(Debug, Arbitrary)]
enum Way {
    Json,
    Pairs,
    Parts,
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
    let body = match &sent {
        Sent::Any(bytes) => bytes.to_vec(),
        Sent::Around(way, before, after) => {
            let (start, end): (&[u8], &[u8]) = match way {
                Way::Json => (br#"{"view_token":""#, br#"""#),
                Way::Pairs => (b"view_token=", b""),
                Way::Parts => (b"--x\r\nContent-Disposition: form-data; name=\"view_token\"\r\n\r\n", b"\r\n--x--\r\n"),
            };
            let last: &[u8] = if matches!(way, Way::Json) { b"}" } else { b"" };
            [before, start, text.as_bytes(), end, after, last].concat()
        }
    };
    match ViewToken::of_body(KEY, &body) {
        Ok(opened) => assert_eq!(opened, token, "nobody else has sealed one"),
        Err(Problem::BadBody(_) | Problem::ViewTokenInvalid) => {}
        Err(other) => panic!("{other:?} is not about the body"),
    }
    if let Sent::Around(_, b"", b"") = sent {
        assert_eq!(ViewToken::of_body(KEY, &body), Ok(token));
    }
});
