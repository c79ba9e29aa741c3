//! What a token's header and claims may look like besides what is right and what is forged: values of other types, and
//! spellings that two readers might read differently. The signature is good in each.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use handler_common::{Identity, Problem};
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, header::AUTHORIZATION};
use proptest::prelude::*;
use serde_json::{Value, json};
use sha2::Sha256;

const SECRET: &str = "the first key, of at least 32 characters";

fn identity() -> Identity {
    let set = json!({"keys": [{"kty": "oct", "kid": "first", "alg": "HS256", "k": URL_SAFE_NO_PAD.encode(SECRET)}]});
    Identity::new(&set.to_string(), "issuer".to_owned(), "audience".to_owned())
        .map_err(str::to_owned)
        .expect("a key set")
}

fn sign(header: &str, claims: &str) -> String {
    let unsigned = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("any length").chain_update(&unsigned);
    format!("{unsigned}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

/// The user that a token names, or that it was refused.
fn user_of(token: &str) -> Option<i64> {
    let mut headers = HeaderMap::new();
    headers.append(AUTHORIZATION, format!("Bearer {token}").parse().expect("a header value"));
    match identity().user(&headers) {
        Ok(user) => user.map(contract::UserId::get),
        Err(problem) => {
            assert_eq!(problem, Problem::TokenInvalid);
            None
        }
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

/// A good token of user 7 but for the claims given.
fn with(claims: &Value) -> String {
    let mut all = json!({"sub": "7", "iss": "issuer", "aud": "audience", "exp": now() + 60});
    for (name, value) in claims.as_object().expect("claims") {
        all[name] = value.clone();
    }
    sign(r#"{"alg":"HS256"}"#, &all.to_string())
}

#[test]
fn an_audience_is_one_text_or_a_list_that_has_ours() {
    for good in [json!("audience"), json!(["audience"]), json!(["another", "audience"])] {
        assert_eq!(user_of(&with(&json!({"aud": good}))), Some(7), "{good}");
    }
    for bad in [
        json!([]),
        json!(["another"]),
        json!([["audience"]]),
        json!(["audience", 7]),
        json!({"audience": true}),
        json!({"0": "audience"}),
        json!(7),
        json!(true),
        Value::Null,
        json!("audience "),
        json!("AUDIENCE"),
        json!("another audience"),
        json!(""),
    ] {
        assert_eq!(user_of(&with(&json!({"aud": bad}))), None, "{bad}");
    }
}

#[test]
fn a_claim_of_another_type_is_refused() {
    let types = || [Value::Null, json!(true), json!([]), json!({}), json!([7]), json!({"7": 7})];
    for name in ["sub", "iss", "exp", "nbf"] {
        for bad in types() {
            assert_eq!(user_of(&with(&json!({name: bad}))), None, "{name}: {bad}");
        }
    }
    for bad in [json!(["issuer"]), json!(["issuer", "another"]), json!(7), json!("issuer/"), json!("ISSUER")] {
        assert_eq!(user_of(&with(&json!({"iss": bad}))), None, "iss: {bad}");
    }
    let later = (now() + 60).to_string();
    for bad in [json!(later), json!(-1), json!(-1e300), json!(0), json!(0.5), json!(""), json!("9999999999")] {
        assert_eq!(user_of(&with(&json!({"exp": bad}))), None, "exp: {bad}");
    }
    for bad in [json!(now().to_string()), json!("0"), json!(u64::MAX), json!(1e18), json!(i64::MAX)] {
        assert_eq!(user_of(&with(&json!({"nbf": bad}))), None, "nbf: {bad}");
    }
    for bad in
        [json!("7.0"), json!("07"), json!(" 7"), json!("7 "), json!("+7"), json!("7\u{0}"), json!(7.0), json!("")]
    {
        assert_eq!(user_of(&with(&json!({"sub": bad}))), None, "sub: {bad}");
    }
    // One more than the greatest id, and what is that many in another base or wraps around to 7.
    for bad in ["9223372036854775808", "18446744073709551623", "0x7", "7e0", "٧"] {
        assert_eq!(user_of(&with(&json!({"sub": bad}))), None, "sub: {bad}");
    }
}

#[test]
fn a_time_may_be_far_away_or_have_a_fraction() {
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970")]
    let seconds = now() as f64;
    for exp in [json!(u64::MAX), json!(i64::MAX), json!(seconds + 60.5)] {
        assert_eq!(user_of(&with(&json!({"exp": exp}))), Some(7), "exp: {exp}");
    }
    for nbf in [json!(0), json!(now()), json!(seconds - 0.5)] {
        assert_eq!(user_of(&with(&json!({"nbf": nbf}))), Some(7), "nbf: {nbf}");
    }
    // JSON has numbers that no reader has a type for.
    let claims = |exp| format!(r#"{{"sub":"7","iss":"issuer","aud":"audience","exp":{exp}}}"#);
    for exp in ["1e999", "-1e999", "0x7fffffff", "Infinity", "NaN", "+9999999999", "09999999999", "9999999999."] {
        assert_eq!(user_of(&sign(r#"{"alg":"HS256"}"#, &claims(exp))), None, "exp: {exp}");
    }
}

#[test]
fn what_could_be_read_in_two_ways_is_refused() {
    let good = format!(r#""sub":"7","iss":"issuer","aud":"audience","exp":{}"#, now() + 60);
    let header = r#"{"alg":"HS256"}"#;
    assert_eq!(user_of(&sign(header, &format!("{{{good}}}"))), Some(7));
    for again in [
        r#""sub":"7""#,
        r#""sub":"8""#,
        r#""s\u0075b":"8""#,
        r#""iss":"issuer""#,
        r#""aud":"audience""#,
        r#""exp":9999999999"#,
        r#""nbf":0,"nbf":1"#,
        r#""iat":0,"iat":1"#,
        r#""jti":"a","jti":"b""#,
    ] {
        assert_eq!(user_of(&sign(header, &format!("{{{good},{again}}}"))), None, "{again}");
        assert_eq!(user_of(&sign(header, &format!("{{{again},{good}}}"))), None, "{again}");
    }
    // What is no claim of ours may say what it likes, also about others.
    let nested = format!(r#"{{{good},"act":{{"sub":"8","sub":"9"}},"iat":"soon","jti":7}}"#);
    assert_eq!(user_of(&sign(header, &nested)), Some(7));
    for text in
        [format!("{{{good}}}{{}}"), format!("[{{{good}}}]"), format!("\u{feff}{{{good}}}"), format!("{{{good},}}")]
    {
        assert_eq!(user_of(&sign(header, &text)), None, "{text}");
    }
}

#[test]
fn a_header_of_another_form_is_refused() {
    let claims = json!({"sub": "7", "iss": "issuer", "aud": "audience", "exp": now() + 60}).to_string();
    for good in [
        r#"{"alg":"HS256"}"#,
        r#"{"alg":"HS256","kid":"first","typ":"JWT"}"#,
        r#"{"alg":"HS256","kid":null}"#,
        // What it offers as keys is not looked at.
        r#"{"alg":"HS256","jku":"https://example.org/keys","x5u":"https://example.org/cert"}"#,
    ] {
        assert_eq!(user_of(&sign(good, &claims)), Some(7), "{good}");
    }
    for bad in [
        r"{}",
        r"[]",
        r"null",
        r#""HS256""#,
        r#"{"kid":"first"}"#,
        r#"{"alg":null}"#,
        r#"{"alg":256}"#,
        r#"{"alg":["HS256"]}"#,
        r#"{"alg":"hs256"}"#,
        r#"{"alg":"HS256 "}"#,
        r#"{"alg":"none","alg":"HS256"}"#,
        r#"{"alg":"HS256","alg":"HS256"}"#,
        r#"{"alg":"HS256","kid":1}"#,
        r#"{"alg":"HS256","kid":true}"#,
        r#"{"alg":"HS256","kid":["first"]}"#,
        r#"{"alg":"HS256","kid":{"first":1}}"#,
        r#"{"alg":"HS256","kid":""}"#,
        r#"{"alg":"HS256","kid":"FIRST"}"#,
        r#"{"alg":"HS256","kid":"../first"}"#,
        r#"{"alg":"HS256","crit":[]}"#,
        r#"{"alg":"HS256","crit":["b64"],"b64":false}"#,
        "{\"alg\":\"HS256\"}\u{0}",
    ] {
        assert_eq!(user_of(&sign(bad, &claims)), None, "{bad}");
    }
}

#[test]
fn a_token_has_one_spelling() {
    let good = with(&json!({}));
    let parts: Vec<&str> = good.split('.').collect();
    for bad in [
        format!("{good}="),
        format!("{good}."),
        format!(".{good}"),
        format!("{good}.{}", parts[2]),
        format!("{}=.{}.{}", parts[0], parts[1], parts[2]),
        format!("{}..{}", parts[0], parts[2]),
        format!("{} .{}.{}", parts[0], parts[1], parts[2]),
        good.replace('.', ","),
    ] {
        assert_eq!(user_of(&bad), None, "{bad}");
    }
    assert_eq!(user_of(&good), Some(7));
}

proptest! {
    #[test]
    fn no_other_byte_will_do(at in any::<prop::sample::Index>(), byte in b'!'..=b'~') {
        let good = with(&json!({}));
        let mut changed = good.clone().into_bytes();
        let at = at.index(changed.len());
        changed[at] = byte;
        let changed = String::from_utf8(changed).expect("ASCII");
        prop_assert_eq!(user_of(&changed).is_some(), changed == good);
    }

    #[test]
    fn any_header_value_is_a_user_or_a_refusal(value in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(value) = http::HeaderValue::from_bytes(&value) {
            let headers = HeaderMap::from_iter([(AUTHORIZATION, value)]);
            prop_assert_eq!(identity().user(&headers), Err(Problem::TokenInvalid));
        }
    }

    #[test]
    fn any_text_is_a_key_set_or_an_error(text in "\\PC{0,100}") {
        prop_assert!(Identity::new(&text, "issuer".to_owned(), "audience".to_owned()).is_err());
    }
}
