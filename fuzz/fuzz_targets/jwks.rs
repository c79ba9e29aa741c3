//! The key set that tokens are verified with: what is taken names its algorithms and has material that fits them.
#![no_main]

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use handler_common::Identity;
use http::HeaderMap;
use libfuzzer_sys::fuzz_target;
use serde::Deserialize;

/// Not a `Value`, which refuses what JSON allows, such as a number without bound, also where nobody reads it.
#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Key>,
}

#[derive(Deserialize)]
struct Key {
    alg: String,
    k: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
}

fuzz_target!(|text: &str| {
    let Ok(identity) = Identity::new(text, "issuer".to_owned(), "audience".to_owned()) else { return };
    assert_eq!(identity.user(&HeaderMap::new()), Ok(None));
    let KeySet { keys } = serde_json::from_str(text).expect("what was read is a key set");
    assert!(!keys.is_empty());
    for key in keys {
        let bytes = |part: &Option<String>| {
            let text = part.as_ref().expect("material");
            URL_SAFE_NO_PAD.decode(text).expect("base64url").len()
        };
        match key.alg.as_str() {
            "HS256" => assert!(bytes(&key.k) >= 32),
            "RS256" => assert!(bytes(&key.n) >= 256 && bytes(&key.e) > 0),
            "EdDSA" => assert_eq!(bytes(&key.x), 32),
            other => panic!("{other} was taken"),
        }
    }
});
