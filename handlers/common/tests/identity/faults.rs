//! Why a token is refused. The reason is exact, so that nobody who looks for the fault has to guess.

use serde_json::json;

use super::{HS256, OTHER, TokenFault, claims, fault_of, now, sign, sign_by, with};

#[test]
fn each_reason_for_which_a_token_is_refused_has_its_name() {
    let claims = claims().to_string();
    for (token, fault) in [
        (with(&json!({"exp": now() - 61})), TokenFault::Expired),
        (with(&json!({"nbf": now() + 90})), TokenFault::NotYetValid),
        (with(&json!({"iss": "another"})), TokenFault::WrongIssuer),
        (with(&json!({"iss": null})), TokenFault::WrongIssuer),
        (with(&json!({"aud": "another"})), TokenFault::WrongAudience),
        (sign(r#"{"alg":"HS256","kid":"third"}"#, &claims), TokenFault::UnknownKey),
        (sign_by(OTHER, HS256, &claims), TokenFault::BadSignature),
        (sign(r#"{"alg":"none"}"#, &claims), TokenFault::BadSignature),
        (sign(r#"{"alg":"PS256","kid":"first"}"#, &claims), TokenFault::BadSignature),
        ("an opaque token".to_owned(), TokenFault::Malformed),
        // Five parts: it is encrypted.
        ("eyJhbGciOiJkaXIifQ..e30.e30.e30".to_owned(), TokenFault::Malformed),
        (with(&json!({"exp": null})), TokenFault::Malformed),
        (with(&json!({"more": "a".repeat(9_000)})), TokenFault::TooLarge),
        (with(&json!({"sub": null})), TokenFault::NoUser),
    ] {
        assert_eq!(fault_of(&token), Some(fault), "{token}");
    }
}

#[test]
fn nothing_is_said_of_the_claims_of_a_token_that_nobody_signed() {
    for claims in [json!({}), json!({"exp": 0}), json!({"iss": "another"}), json!("no claims")] {
        let forged = sign_by("somebody else's key, 32 characters", HS256, &claims.to_string());
        assert_eq!(fault_of(&forged), Some(TokenFault::BadSignature), "{claims}");
    }
}
