//! A token has one spelling, and one way to be sent.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use handler_common::Problem;
use http::{HeaderMap, header::AUTHORIZATION};
use proptest::prelude::*;
use serde_json::json;

use super::{HS256, OTHER, caller, claims, identity, sign_by, user_of, with};

#[test]
fn a_good_token_in_another_guise_is_refused() {
    let good = with(&json!({}));
    let (head_and_body, signature) = good.rsplit_once('.').expect("three parts");
    let body = head_and_body.split_once('.').expect("two parts").1;
    let unsigned = URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
    for bad in [
        String::new(),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        good.clone(),
        format!("Basic {good}"),
        format!("Bearer {head_and_body}."),
        format!("Bearer {head_and_body}.{}", signature.to_lowercase()),
        format!("Bearer {unsigned}.{body}."),
        format!("Bearer {unsigned}.{body}.{signature}"),
        format!("Bearer {}", sign_by(OTHER, HS256, &claims().to_string())),
    ] {
        assert_eq!(caller(&identity(), &bad), Err(Problem::TokenInvalid), "{bad}");
    }
}

#[test]
fn a_token_is_not_read_past_a_length() {
    let long = |length: usize| with(&json!({"more": "a".repeat(length)}));
    let (short, long) = (long(2_500), long(3_100));
    assert!(short.len() < 4_096 && long.len() > 4_096);
    assert_eq!((user_of(&short), user_of(&long)), (Some(7), None));
    assert_eq!(user_of(&"a".repeat(4_097)), None);
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
}
