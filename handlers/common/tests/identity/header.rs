//! The header chooses the key, and the key determines the algorithm. The first key signs every token here.

use super::{HS256, claims, seven, sign, user_of};

#[test]
fn a_header_of_another_form_is_refused() {
    let claims = claims().to_string();
    for good in [
        HS256,
        r#"{"alg":"HS256","typ":"JWT"}"#,
        r#"{"alg":"HS256","kid":"first","typ":"JWT"}"#,
        r#"{"alg":"HS256","kid":null}"#,
        // Keys that the header offers are ignored.
        r#"{"alg":"HS256","jku":"https://example.org/keys","x5u":"https://example.org/cert"}"#,
    ] {
        assert_eq!(user_of(&sign(good, &claims)), seven(), "{good}");
    }
    for bad in [
        r"{}",
        r"[]",
        r#"["HS256",null,null]"#,
        r"null",
        r#""HS256""#,
        r#"{"kid":"first"}"#,
        r#"{"alg":null}"#,
        r#"{"alg":256}"#,
        r#"{"alg":["HS256"]}"#,
        r#"{"alg":"hs256"}"#,
        r#"{"alg":"HS512"}"#,
        r#"{"alg":"none"}"#,
        r#"{"alg":"HS256 "}"#,
        r#"{"alg":"none","alg":"HS256"}"#,
        r#"{"alg":"HS256","alg":"HS256"}"#,
        r#"{"alg":"HS256","kid":1}"#,
        r#"{"alg":"HS256","kid":true}"#,
        r#"{"alg":"HS256","kid":["first"]}"#,
        r#"{"alg":"HS256","kid":{"first":1}}"#,
        r#"{"alg":"HS256","kid":""}"#,
        r#"{"alg":"HS256","kid":"second"}"#,
        r#"{"alg":"HS256","kid":"third"}"#,
        r#"{"alg":"HS256","kid":"second","kid":"first"}"#,
        r#"{"alg":"HS256","kid":"FIRST"}"#,
        r#"{"alg":"HS256","kid":"../first"}"#,
        r#"{"alg":"HS256","crit":[]}"#,
        r#"{"alg":"HS256","crit":["exp"]}"#,
        r#"{"alg":"HS256","crit":["b64"],"b64":false}"#,
        "{\"alg\":\"HS256\"}\u{0}",
    ] {
        assert_eq!(user_of(&sign(bad, &claims)), None, "{bad}");
    }
}
