//! How a caller is identified by what it sends: good tokens, forged tokens, and spellings that two readers might read
//! differently.

mod claims;
mod configured;
mod faults;
mod header;
mod keys;
mod spelling;

use std::time::{SystemTime, UNIX_EPOCH};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use contract::UserId;
use handler_common::{KeySet, Rules, TokenFault};
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, header::AUTHORIZATION};
use serde_json::{Value, json};
use sha2::Sha256;

const SECRET: &str = "the first key, of at least 32 characters";
const OTHER: &str = "the second key, of at least 32 characters";

/// The configuration of a service.
struct Service {
    rules: Rules,
    keys: KeySet,
}

type Caller = Result<Option<UserId>, TokenFault>;

/// A symmetric key.
fn secret(kid: &str, secret: &str) -> Value {
    json!({"kty": "oct", "kid": kid, "alg": "HS256", "k": URL_SAFE_NO_PAD.encode(secret)})
}

/// A service with two keys. The first verifies tokens that name no key.
fn service() -> Service {
    of_keys(&json!([secret("first", SECRET), secret("second", OTHER)]))
}

/// A service that knows these keys.
fn of_keys(keys: &Value) -> Service {
    with_rules(keys, rules("issuer", "audience", "aud", "sub"))
}

fn with_rules(keys: &Value, rules: Rules) -> Service {
    Service { rules, keys: KeySet::parse(&json!({"keys": keys}).to_string()).expect("a key set") }
}

fn rules(issuers: &str, audiences: &str, audience_claims: &str, user_claim: &str) -> Rules {
    Rules::new(issuers, audiences, audience_claims, user_claim).expect("all are there")
}

impl Service {
    /// Returns the caller of a request with that `Authorization`.
    fn caller(&self, authorization: &str) -> Caller {
        let headers = HeaderMap::from_iter([(AUTHORIZATION, authorization.parse().expect("a header value"))]);
        self.rules.caller(&headers, &self.keys)
    }

    /// Returns the user that a token names, or why it was refused.
    fn user(&self, token: &str) -> Result<String, TokenFault> {
        self.caller(&format!("Bearer {token}"))
            .map(|user| user.expect("whoever sends a token says who it is").to_string())
    }
}

/// Returns the user that a token names. None if the token was refused.
fn user_by(service: &Service, token: &str) -> Option<String> {
    service.user(token).ok()
}

fn user_of(token: &str) -> Option<String> {
    user_by(&service(), token)
}

/// Returns why a token was refused.
fn fault_of(token: &str) -> Option<TokenFault> {
    service().user(token).err()
}

/// The user that the good tokens name.
#[expect(clippy::unnecessary_wraps, reason = "it is compared with what may be none")]
fn seven() -> Option<String> {
    Some("7".to_owned())
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

/// Returns the claims of a good token of user 7, with some of them replaced.
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

/// Returns a token with these claims that is otherwise good.
fn of_claims(claims: &Value) -> String {
    sign(HS256, &claims.to_string())
}

fn with(changed: &Value) -> String {
    of_claims(&claims_with(changed))
}

const HS256: &str = r#"{"alg":"HS256"}"#;

/// Signs with HMAC-SHA256 and the first key, whatever the header says.
fn sign(header: &str, claims: &str) -> String {
    sign_by(SECRET, header, claims)
}

fn sign_by(secret: &str, header: &str, claims: &str) -> String {
    signed(header, claims, |message| hmac(secret.as_bytes(), message))
}

/// Returns a token with the signature that `by` makes.
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
    assert_eq!(service().caller(&format!("Bearer {}", sign(HS256, &claims))), user);
    assert_eq!(service().caller(&format!("bearer  {}", sign(HS256, &claims))), user);
    let second = sign_by(OTHER, r#"{"alg":"HS256","kid":"second"}"#, &claims);
    assert_eq!(service().caller(&format!("Bearer {second}")), user);
}

#[test]
fn nobody_need_say_who_it_is() {
    let Service { rules, keys } = service();
    assert_eq!(rules.caller(&HeaderMap::new(), &keys), Ok(None));
}

#[test]
fn only_bearer_is_ours_and_other_schemes_count_as_none() {
    let good = with(&json!({}));
    for other in ["", "Basic c3RhZ2luZzpwYXNzd29yZA==", &good, &format!("Basic {good}"), &format!("Bearer{good}")] {
        assert_eq!(service().caller(other), Ok(None), "{other}");
    }
    // A site may send two: its own password, and the user's token.
    let headers = |values: &[&str]| -> HeaderMap {
        values.iter().map(|value| (AUTHORIZATION, value.parse().expect("a header value"))).collect()
    };
    let (basic, bearer) = ("Basic c3RhZ2luZzpwYXNzd29yZA==", format!("Bearer {good}"));
    let Service { rules, keys } = service();
    let caller = |values: &[&str]| rules.caller(&headers(values), &keys).map(|user| user.map(|id| id.to_string()));
    assert_eq!(caller(&[basic, &bearer]), Ok(seven()));
    assert_eq!(caller(&[basic, basic]), Ok(None));
    assert_eq!(caller(&[&bearer, &bearer]), Err(TokenFault::Malformed), "somebody might take the other");
}
