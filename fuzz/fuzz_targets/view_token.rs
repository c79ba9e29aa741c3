//! View tokens: only what we sealed opens, only under its key, and in one spelling.
#![no_main]

use arbitrary::Arbitrary;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use handler_common::{ViewToken, Viewer};
use hmac::{Hmac, KeyInit, Mac};
use libfuzzer_sys::fuzz_target;
use sha2::Sha256;

const KEY: &str = "the key of view tokens, 32 or more";

#[derive(Debug, Arbitrary)]
struct Fields {
    id: [u8; 16],
    article: i64,
    user: Option<i64>,
    visitor: [u8; 16],
    epoch: i64,
    viewed_ms: i64,
}

#[derive(Debug, Arbitrary)]
enum Sent<'a> {
    Any(&'a str),
    /// Not ours, but under our key: as a token of another format would be.
    Sealed(&'a [u8]),
    AnotherKey(Fields, &'a str),
    Changed(Fields, u16, u8),
    Cut(Fields, u16),
    Longer(Fields, &'a str),
}

fuzz_target!(|sent: Sent| match sent {
    Sent::Any(text) => assert_eq!(ViewToken::open(KEY, text), None),
    Sent::Sealed(payload) => {
        let mac = Hmac::<Sha256>::new_from_slice(KEY.as_bytes()).expect("any length").chain_update(payload);
        let text = URL_SAFE_NO_PAD.encode([payload, &mac.finalize().into_bytes()].concat());
        if let Some(token) = ViewToken::open(KEY, &text) {
            assert_eq!(token.seal(KEY), text, "a token has one spelling");
        }
    }
    Sent::AnotherKey(fields, key) => {
        let token = token(&fields);
        assert_eq!(ViewToken::open(KEY, &token.seal(KEY)), Some(token.clone()));
        // HMAC fills a key up to its block of 64 bytes with zeros, so one with some at its end is the same.
        let same = key.len() <= 64 && key.trim_end_matches('\0') == KEY;
        assert_eq!(ViewToken::open(KEY, &token.seal(key)), same.then_some(token));
    }
    Sent::Changed(fields, at, byte) => {
        let text = token(&fields).seal(KEY);
        let mut changed = text.clone().into_bytes();
        let at = usize::from(at) % changed.len();
        changed[at] = byte;
        if let Ok(changed) = String::from_utf8(changed) {
            assert_eq!(ViewToken::open(KEY, &changed).is_some(), changed == text);
        }
    }
    Sent::Cut(fields, at) => {
        let text = token(&fields).seal(KEY);
        assert_eq!(ViewToken::open(KEY, &text[..usize::from(at) % text.len()]), None);
    }
    Sent::Longer(fields, more) => {
        let text = token(&fields).seal(KEY);
        assert_eq!(ViewToken::open(KEY, &format!("{text}{more}")).is_some(), more.is_empty());
        assert_eq!(ViewToken::open(KEY, &format!("{more}{text}")).is_some(), more.is_empty());
    }
});

fn token(fields: &Fields) -> ViewToken {
    let id = |number: i64| (number & i64::MAX).max(1);
    ViewToken {
        id: fields.id,
        article: id(fields.article).try_into().expect("positive"),
        viewer: match fields.user {
            Some(user) => Viewer::User(id(user).to_string().parse().expect("an id")),
            None => Viewer::Visitor(fields.visitor),
        },
        epoch: fields.epoch,
        viewed_ms: fields.viewed_ms,
    }
}
