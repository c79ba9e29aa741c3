//! Who a caller is, by what it sends: what is right, what is forged, and spellings that two readers might read
//! differently.

mod claims;
mod header;
mod keys;
mod spelling;

use std::time::{SystemTime, UNIX_EPOCH};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use contract::UserId;
use handler_common::{Identity, Problem};
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, header::AUTHORIZATION};
use serde_json::{Value, json};
use sha2::Sha256;

const SECRET: &str = "the first key, of at least 32 characters";
const OTHER: &str = "the second key, of at least 32 characters";

/// Two keys, the first of which verifies what names none.
fn identity() -> Identity {
    let key = |kid, secret| json!({"kty": "oct", "kid": kid, "alg": "HS256", "k": URL_SAFE_NO_PAD.encode(secret)});
    of_set(&json!({"keys": [key("first", SECRET), key("second", OTHER)]})).expect("a key set")
}

fn of_set(set: &Value) -> Result<Identity, &'static str> {
    Identity::new(&set.to_string(), "issuer".to_owned(), "audience".to_owned())
}

/// The caller of a request with that `Authorization`.
fn caller(identity: &Identity, authorization: &str) -> Result<Option<UserId>, Problem> {
    identity.user(&HeaderMap::from_iter([(AUTHORIZATION, authorization.parse().expect("a header value"))]))
}

/// The user that a token names, or that it was refused.
fn user_by(identity: &Identity, token: &str) -> Option<i64> {
    match caller(identity, &format!("Bearer {token}")) {
        Ok(user) => user.map(|user| user.number().get()),
        Err(problem) => {
            assert_eq!(problem, Problem::TokenInvalid);
            None
        }
    }
}

fn user_of(token: &str) -> Option<i64> {
    user_by(&identity(), token)
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

/// What a good token of user 7 says, with the claims given in place of its own.
fn claims_with(changed: &Value) -> Value {
    let mut all = json!({"sub": "7", "iss": "issuer", "aud": "audience", "exp": now() + 60});
    for (name, value) in changed.as_object().expect("claims") {
        all[name] = value.clone();
    }
    all
}

fn claims() -> Value {
    claims_with(&json!({}))
}

/// A token of these claims that is good otherwise.
fn of_claims(claims: &Value) -> String {
    sign(HS256, &claims.to_string())
}

fn with(changed: &Value) -> String {
    of_claims(&claims_with(changed))
}

const HS256: &str = r#"{"alg":"HS256"}"#;

/// Always HMAC-SHA256 by the first key, whatever the header says.
fn sign(header: &str, claims: &str) -> String {
    sign_by(SECRET, header, claims)
}

fn sign_by(secret: &str, header: &str, claims: &str) -> String {
    signed(header, claims, |message| hmac(secret.as_bytes(), message))
}

/// A token with the signature that `by` makes.
fn signed(header: &str, claims: &str, by: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let unsigned = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = by(unsigned.as_bytes());
    format!("{unsigned}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn hmac(secret: &[u8], message: &[u8]) -> Vec<u8> {
    let mac = Hmac::<Sha256>::new_from_slice(secret).expect("any length").chain_update(message);
    mac.finalize().into_bytes().to_vec()
}

#[test]
fn a_good_token_names_its_user() {
    let user = Ok(Some("7".parse().expect("an id")));
    let claims = claims().to_string();
    assert_eq!(caller(&identity(), &format!("Bearer {}", sign(HS256, &claims))), user);
    assert_eq!(caller(&identity(), &format!("bearer {}", sign(HS256, &claims))), user);
    let second = sign_by(OTHER, r#"{"alg":"HS256","kid":"second"}"#, &claims);
    assert_eq!(caller(&identity(), &format!("Bearer {second}")), user);
}

#[test]
fn nobody_need_say_who_it_is() {
    assert_eq!(identity().user(&HeaderMap::new()), Ok(None));
}

#[test]
fn two_authorization_headers_are_refused() {
    let value = format!("Bearer {}", with(&json!({})));
    let mut headers = HeaderMap::new();
    headers.append(AUTHORIZATION, value.parse().expect("a header value"));
    headers.append(AUTHORIZATION, value.parse().expect("a header value"));
    assert_eq!(identity().user(&headers), Err(Problem::TokenInvalid));
}
