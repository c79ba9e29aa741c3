//! The key set that tokens are verified with: what is taken has one algorithm and material that fits it, and of what is
//! skipped the log gets its name alone.
#![no_main]

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use handler_common::{KeySet, Rules};
use http::HeaderMap;
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

fuzz_target!(|text: &str| {
    let Ok(set) = KeySet::parse(text) else { return };
    for line in set.skipped() {
        assert!(line.chars().all(|letter| !letter.is_control()), "{line}");
    }
    let rules = Rules::new("issuer", "audience", "aud", "sub").expect("rules");
    assert_eq!(rules.caller(&HeaderMap::new(), &set), Ok(None));
    // A `Value` refuses what JSON allows, such as a number without bound.
    let Ok(value) = serde_json::from_str::<Value>(text) else { return };
    let usable = |key: &&Value| KeySet::parse(&json!({"keys": [key]}).to_string()).is_ok_and(|set| !set.is_empty());
    for key in value["keys"].as_array().expect("a list").iter().filter(usable) {
        assert!([Value::Null, json!("sig")].contains(&key["use"]), "{key}");
        let bytes = |part: &str| {
            let text = key[part].as_str().expect("material");
            URL_SAFE_NO_PAD.decode(text).expect("base64url").len()
        };
        let alg = match key["kty"].as_str() {
            Some("oct") if bytes("k") >= 32 => "HS256",
            Some("RSA") if bytes("n") >= 256 && bytes("e") > 0 => "RS256",
            Some("EC") if key["crv"] == "P-256" && (bytes("x"), bytes("y")) == (32, 32) => "ES256",
            Some("OKP") if key["crv"] == "Ed25519" && bytes("x") == 32 => "EdDSA",
            _ => panic!("{key} was taken"),
        };
        assert!([Value::Null, json!(alg)].contains(&key["alg"]), "{key}");
    }
});
