//! Identity in dev: the keys of `dev/dev.env` and tokens made with them.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use std::time::{SystemTime, UNIX_EPOCH};

const DEV: &str = include_str!("../../dev.env");
const TOKEN_SECONDS: u64 = 3600;

/// A value of `dev/dev.env`.
///
/// # Panics
/// If there is none of that name.
#[must_use]
pub fn dev(name: &str) -> &'static str {
    let mut pairs = DEV.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('='));
    pairs.find(|(key, _)| *key == name).unwrap_or_else(|| panic!("dev.env has no {name}")).1
}

/// A token of that user, valid for an hour.
#[must_use]
pub fn token(user_id: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970").as_secs();
    let claims = json!({
        "sub": user_id,
        "iss": dev("JWT_ISSUER"),
        "aud": dev("JWT_AUDIENCE"),
        "iat": now,
        "exp": now + TOKEN_SECONDS,
    });
    token_with(&claims, dev("JWT_KEY"))
}

/// A token of any claims, signed HS256 with any key: for tests of what must be refused.
#[must_use]
pub fn token_with(claims: &Value, key: &str) -> String {
    let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let unsigned = format!("{}.{}", part(&json!({"typ": "JWT", "alg": "HS256", "kid": "dev"})), part(claims));
    let mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("any length will do").chain_update(&unsigned);
    format!("{unsigned}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

/// The dev key as the JSON Web Key Set that the components are configured with.
pub(crate) fn jwk_set() -> String {
    let key = URL_SAFE_NO_PAD.encode(dev("JWT_KEY"));
    json!({"keys": [{"kty": "oct", "alg": "HS256", "kid": "dev", "k": key}]}).to_string()
}
