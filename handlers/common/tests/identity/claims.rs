//! The claims that a token must have. The signature is good in every token here.

use serde_json::{Value, json};

use super::{HS256, claims, claims_with, now, of_claims, seven, sign, user_of, with};

#[test]
fn a_claim_that_is_not_there_does_not_hold() {
    for name in ["exp", "iss", "aud", "sub"] {
        let mut all = claims();
        all.as_object_mut().expect("an object").remove(name);
        assert_eq!(user_of(&of_claims(&all)), None, "{all}");
    }
}

#[test]
fn claims_are_an_object() {
    for bad in [json!(["7", "issuer", "audience", now() + 60, 0, 0, ""]), json!("7"), json!([claims()]), Value::Null] {
        assert_eq!(user_of(&of_claims(&bad)), None, "{bad}");
    }
}

#[test]
fn an_audience_is_one_text_or_a_list_that_has_ours() {
    for good in [json!("audience"), json!(["audience"]), json!(["another", "audience"])] {
        assert_eq!(user_of(&with(&json!({"aud": good}))), seven(), "{good}");
    }
    for bad in [
        json!([]),
        json!(["another"]),
        json!(["another", "audiences"]),
        json!([["audience"]]),
        json!(["audience", 7]),
        json!({"audience": true}),
        json!({"audience": "audience"}),
        json!({"0": "audience"}),
        json!(7),
        json!(true),
        Value::Null,
        json!("audience "),
        json!("AUDIENCE"),
        json!("another"),
        json!("another audience"),
        json!(""),
    ] {
        assert_eq!(user_of(&with(&json!({"aud": bad}))), None, "{bad}");
    }
}

#[test]
fn a_claim_of_another_type_or_value_is_refused() {
    let types = || [Value::Null, json!(true), json!([]), json!({}), json!([7]), json!({"7": 7})];
    for name in ["sub", "iss", "exp", "nbf"] {
        for bad in types() {
            assert_eq!(user_of(&with(&json!({name: bad}))), None, "{name}: {bad}");
        }
    }
    for bad in [
        json!(["issuer"]),
        json!(["issuer", "another"]),
        json!(7),
        json!("another"),
        json!("issuer//"),
        json!("ISSUER"),
    ] {
        assert_eq!(user_of(&with(&json!({"iss": bad}))), None, "iss: {bad}");
    }
    let (later, expired) = ((now() + 60).to_string(), now() - 61);
    for bad in
        [json!(later), json!(expired), json!(-1), json!(-1e300), json!(0), json!(0.5), json!(""), json!("9999999999")]
    {
        assert_eq!(user_of(&with(&json!({"exp": bad}))), None, "exp: {bad}");
    }
    for bad in [json!(now().to_string()), json!(now() + 90), json!("0"), json!(u64::MAX), json!(1e18), json!(i64::MAX)]
    {
        assert_eq!(user_of(&with(&json!({"nbf": bad}))), None, "nbf: {bad}");
    }
    // Values that are no id in any spelling, or a number that other readers print in another way.
    for bad in [json!(""), json!(" 7"), json!("7 "), json!("7\u{0}"), json!("٧"), json!(7.0), json!(7.5), json!(7e300)]
    {
        assert_eq!(user_of(&with(&json!({"sub": bad}))), None, "sub: {bad}");
    }
}

#[test]
fn a_time_may_be_far_away_or_have_a_fraction() {
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970")]
    let seconds = now() as f64;
    // The clocks may differ by less than the leeway.
    for exp in
        [json!(u64::MAX), json!(i64::MAX), json!(f64::from(u32::MAX) + 0.5), json!(seconds + 60.5), json!(now() - 50)]
    {
        assert_eq!(user_of(&with(&json!({"exp": exp}))), seven(), "exp: {exp}");
    }
    for nbf in [json!(0), json!(now()), json!(seconds - 0.5), json!(now() - 50), json!(now() + 50)] {
        assert_eq!(user_of(&with(&json!({"nbf": nbf}))), seven(), "nbf: {nbf}");
    }
    // JSON has numbers that no reader has a type for.
    let claims = |exp| format!(r#"{{"sub":"7","iss":"issuer","aud":"audience","exp":{exp}}}"#);
    for exp in ["1e999", "-1e999", "0x7fffffff", "Infinity", "NaN", "+9999999999", "09999999999", "9999999999."] {
        assert_eq!(user_of(&sign(HS256, &claims(exp))), None, "exp: {exp}");
    }
}

#[test]
fn a_token_may_say_more_than_we_read() {
    for more in [json!({"iat": now()}), json!({"jti": "a token"}), json!({"roles": {"editor": ["a", 1.5, null]}})] {
        assert_eq!(user_of(&with(&more)), seven(), "{more}");
    }
}

#[test]
fn what_could_be_read_in_two_ways_is_refused() {
    let good = format!(r#""sub":"7","iss":"issuer","aud":"audience","exp":{}"#, now() + 60);
    assert_eq!(user_of(&sign(HS256, &format!("{{{good}}}"))), seven());
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
        assert_eq!(user_of(&sign(HS256, &format!("{{{good},{again}}}"))), None, "{again}");
        assert_eq!(user_of(&sign(HS256, &format!("{{{again},{good}}}"))), None, "{again}");
    }
    let all = json!({"nbf": 0, "iat": 0, "jti": ""});
    let text = claims_with(&all).to_string();
    for (name, value) in claims_with(&all).as_object().expect("an object") {
        let twice = format!("{{\"{name}\":{value},{}", &text[1..]);
        assert_eq!(user_of(&sign(HS256, &twice)), None, "{twice}");
    }
    assert_eq!(user_of(&sign(HS256, &text)), seven());
    // Claims that we do not read may have any value, even an object with a member that is there twice.
    let nested = format!(r#"{{{good},"act":{{"sub":"8","sub":"9"}},"iat":"soon","jti":7}}"#);
    assert_eq!(user_of(&sign(HS256, &nested)), seven());
    for text in
        [format!("{{{good}}}{{}}"), format!("[{{{good}}}]"), format!("\u{feff}{{{good}}}"), format!("{{{good},}}")]
    {
        assert_eq!(user_of(&sign(HS256, &text)), None, "{text}");
    }
}
