//! A token has one spelling, and one way to be sent.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use handler_common::TokenFault;
use http::{HeaderMap, header::AUTHORIZATION};
use proptest::prelude::*;
use serde_json::json;

use super::{HS256, OTHER, Service, claims, fault_of, service, seven, sign_by, user_of, with};

#[test]
fn a_good_token_in_another_guise_is_refused() {
    let good = with(&json!({}));
    let (head_and_body, signature) = good.rsplit_once('.').expect("three parts");
    let body = head_and_body.split_once('.').expect("two parts").1;
    let unsigned = URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
    for bad in [
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        format!("Bearer {head_and_body}."),
        format!("Bearer {head_and_body}.{}", signature.to_lowercase()),
        format!("Bearer {unsigned}.{body}."),
        format!("Bearer {unsigned}.{body}.{signature}"),
        format!("Bearer {}", sign_by(OTHER, HS256, &claims().to_string())),
    ] {
        assert!(service().caller(&bad).is_err(), "{bad}");
    }
}

#[test]
fn a_token_of_8_kib_is_read_and_a_longer_one_is_called_too_large() {
    let long = |length: usize| with(&json!({"more": "a".repeat(length)}));
    let (short, long) = (long(5_900), long(6_200));
    assert!((7_900..=8_192).contains(&short.len()) && long.len() > 8_192);
    assert_eq!((user_of(&short), fault_of(&long)), (seven(), Some(TokenFault::TooLarge)));
    assert_eq!(fault_of(&"a".repeat(8_192)), Some(TokenFault::Malformed));
    assert_eq!(fault_of(&"a".repeat(8_193)), Some(TokenFault::TooLarge));
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
    assert_eq!(user_of(&good), seven());
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
            let ours = value.as_bytes().to_ascii_lowercase();
            let ours = ours == b"bearer" || ours.starts_with(b"bearer ");
            let headers = HeaderMap::from_iter([(AUTHORIZATION, value)]);
            let Service { rules, keys } = service();
            prop_assert_eq!(rules.caller(&headers, &keys), if ours { Err(TokenFault::Malformed) } else { Ok(None) });
        }
    }

    #[test]
    fn any_token_is_malformed(value in proptest::collection::vec(b' '..=b'~', 0..200)) {
        let token = String::from_utf8(value).expect("ASCII");
        prop_assert_eq!(fault_of(&token), Some(TokenFault::Malformed));
    }
}
