//! What a service is configured to accept: the issuers, the audiences, and the claim that names the user.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{SECRET, Service, TokenFault, claims_with, of_claims, rules, secret, seven, user_by, with_rules};
use handler_common::Rules;

fn set_up(rules: Rules) -> Service {
    with_rules(&json!([secret("first", SECRET)]), rules)
}

fn user(service: &Service, changed: &Value) -> Result<String, TokenFault> {
    service.user(&of_claims(&claims_with(changed)))
}

#[test]
fn tokens_of_several_issuers_are_taken_whether_or_not_a_slash_ends_their_name() {
    for listed in ["https://a.example,issuer,https://b.example/", "https://a.example/ , issuer/ ,https://b.example"] {
        let service = set_up(rules(listed, "audience", "aud", "sub"));
        for good in ["issuer", "issuer/", "https://a.example", "https://a.example/", "https://b.example/"] {
            assert_eq!(user(&service, &json!({"iss": good})).ok(), seven(), "{listed}: {good}");
        }
        for bad in ["", "/", "issuer//", "https://a.example.org", "https://a.example/b", "a.example", "issuer,issuer"] {
            assert_eq!(user(&service, &json!({"iss": bad})), Err(TokenFault::WrongIssuer), "{listed}: {bad}");
        }
    }
}

#[test]
fn the_audience_is_named_by_any_of_the_claims_that_are_set_up_for_it() {
    let service = set_up(rules("issuer", "web,app", "aud,azp,client_id", "sub"));
    for good in [
        json!({"aud": "web"}),
        json!({"aud": ["account", "app"]}),
        json!({"aud": null, "azp": "web"}),
        json!({"aud": "account", "azp": "app"}),
        json!({"aud": "account", "client_id": "app"}),
        json!({"aud": "account", "azp": 7, "client_id": ["app"]}),
    ] {
        assert_eq!(user(&service, &good).ok(), seven(), "{good}");
    }
    for bad in [
        json!({"aud": "account"}),
        json!({"aud": "account", "azp": "other", "client_id": "other"}),
        json!({"aud": "web,app"}),
        json!({"aud": "account", "cid": "web"}),
        json!({"aud": ["web", 7]}),
    ] {
        assert_eq!(user(&service, &bad), Err(TokenFault::WrongAudience), "{bad}");
    }
    let only_aud = set_up(rules("issuer", "web", "aud", "sub"));
    assert_eq!(user(&only_aud, &json!({"aud": "account", "azp": "web"})), Err(TokenFault::WrongAudience));
}

#[test]
fn the_user_may_be_a_whole_number_or_named_by_another_claim() {
    let service = |claim: &str| set_up(rules("issuer", "audience", "aud", claim));
    let namespaced = json!({"sub": "auth0|x", "https://example.com/user_id": 7});
    let nested = json!({"sub": "x", "app_metadata": {"ids": {"user": "7"}}, "app_metadata.other": "8"});
    for (claim, claims) in [
        ("sub", json!({"sub": 7})),
        ("sub", json!({"sub": "7"})),
        ("uid", json!({"uid": "7", "sub": null})),
        ("https://example.com/user_id", namespaced.clone()),
        ("app_metadata.ids.user", nested.clone()),
        // The claim of the exact name is read before the claim to which its dots lead.
        ("a.b", json!({"a.b": "7", "a": {"b": "8"}})),
    ] {
        assert_eq!(user(&service(claim), &claims).ok(), seven(), "{claim}: {claims}");
    }
    for (claim, claims) in [
        ("uid", json!({})),
        ("https://example.com/user", namespaced),
        ("app_metadata.ids", nested.clone()),
        ("app_metadata.ids.user.more", nested.clone()),
        ("app_metadata..user", nested),
        ("a.b", json!({"a.b": null, "a": {"b": "7"}})),
        ("a.0", json!({"a": ["7"]})),
        ("sub", json!({"sub": 7.0})),
        ("sub", json!({"sub": 7.5})),
        ("sub", json!({"sub": true})),
        ("sub", json!({"sub": {"id": 7}})),
        ("sub", json!({"sub": ["7"]})),
    ] {
        assert_eq!(user(&service(claim), &claims), Err(TokenFault::NoUser), "{claim}: {claims}");
    }
}

#[test]
fn a_claim_that_names_the_user_or_the_audience_must_not_be_there_twice() {
    let service = set_up(rules("issuer", "audience", "aud,azp", "app.user"));
    let token = |more: &str| {
        let known = r#""iss":"issuer","aud":"audience","exp":9999999999"#;
        super::sign(super::HS256, &format!("{{{known},{more}}}"))
    };
    assert_eq!(user_by(&service, &token(r#""app":{"user":"7","role":"a"}"#)), seven());
    for twice in [
        r#""app":{"user":"7","user":"7"}"#,
        r#""app":{"user":"7"},"app":{"user":"7"}"#,
        r#""app.user":"7","app.user":"7""#,
        r#""app":{"user":"7"},"azp":"a","azp":"b""#,
    ] {
        assert_eq!(service.user(&token(twice)), Err(TokenFault::Malformed), "{twice}");
    }
}

#[test]
fn a_setting_that_is_empty_is_named() {
    let set_up = |i, a, c, u| Rules::new(i, a, c, u).expect_err("empty");
    assert_eq!(set_up("", "a", "aud", "sub"), "jwt_issuers");
    assert_eq!(set_up("i", " , ", "aud", "sub"), "jwt_audiences");
    assert_eq!(set_up("i", "a", ",", "sub"), "jwt_audience_claims");
    assert_eq!(set_up("i", "a", "aud", " "), "jwt_user_claim");
}

proptest! {
    #[test]
    fn any_setting_is_taken_or_named(issuers in "\\PC{0,20}", claim in "\\PC{0,20}") {
        if let Ok(rules) = Rules::new(&issuers, "audience", "aud", &claim) {
            let issuer = issuers.split(',').map(str::trim).find(|issuer| !issuer.is_empty()).expect("not empty");
            let claims = claims_with(&json!({"iss": issuer, claim.trim(): "7"}));
            // A claim that already has a meaning cannot name the user here.
            let ours = ["iss", "aud", "exp", "nbf"].contains(&claim.trim());
            prop_assert!(ours || set_up(rules).user(&of_claims(&claims)).ok() == seven());
        }
    }
}
