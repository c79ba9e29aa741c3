//! The key set that tokens are verified with: what is taken names its algorithms and has material that fits them.
#![no_main]

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use handler_common::Identity;
use http::HeaderMap;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|text: &str| {
    let Ok(identity) = Identity::new(text, "issuer".to_owned(), "audience".to_owned()) else { return };
    assert_eq!(identity.user(&HeaderMap::new()), Ok(None));
    let set: Value = serde_json::from_str(text).expect("what was read is JSON");
    let keys = set["keys"].as_array().expect("keys");
    assert!(!keys.is_empty());
    for key in keys {
        let bytes = |part: &str| {
            let text = key[part].as_str().expect("material");
            URL_SAFE_NO_PAD.decode(text).expect("base64url").len()
        };
        match key["alg"].as_str() {
            Some("HS256") => assert!(bytes("k") >= 32),
            Some("RS256") => assert!(bytes("n") >= 256 && bytes("e") > 0),
            Some("EdDSA") => assert_eq!(bytes("x"), 32),
            other => panic!("{other:?} was taken"),
        }
    }
});
