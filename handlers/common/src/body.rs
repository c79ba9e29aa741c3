//! Reads the body of a request, and one field of it.

use std::time::Duration;

use spin_sdk::wasip3::{http::types::Request, wit_bindgen::StreamResult, wit_future};

use crate::{
    Deadline, Problem,
    escapes::decoded,
    json::{Json, Twice},
};

/// The most bytes in a body.
pub(crate) const MAX: usize = 16 * 1024;

/// How long a body may take to arrive.
const PATIENCE: Duration = Duration::from_secs(10);

/// Reads a body to its end, or to the first byte too many.
pub(crate) async fn receive(request: Request) -> Result<Vec<u8>, Problem> {
    let received = Deadline::after(PATIENCE).race(read(request)).await;
    received.unwrap_or(Err(Problem::BadBody("The body did not arrive within 10 seconds.")))
}

/// Does not use the SDK's `http_body::Body`, which also waits for the trailers of a request that has no body.
async fn read(request: Request) -> Result<Vec<u8>, Problem> {
    let (_ours, outcome) = wit_future::new(|| Ok(()));
    let (mut stream, trailers) = Request::consume_body(request, outcome);
    let mut whole = Vec::new();
    loop {
        let (state, read) = stream.read(Vec::with_capacity(MAX + 1 - whole.len())).await;
        if whole.is_empty() {
            whole = read;
        } else {
            whole.extend(read);
        }
        if whole.len() > MAX {
            return Err(Problem::TooLarge);
        }
        if !matches!(state, StreamResult::Complete(_)) {
            break;
        }
    }
    // The trailers show whether the body is whole. An empty body cannot lack anything.
    if !whole.is_empty() && trailers.await.is_err() {
        return Err(Problem::BadBody("The body broke off."));
    }
    Ok(whole)
}

/// The value of a field. JSON distinguishes types; a form has only texts.
enum Said {
    Json(Json),
    Form(String),
}

/// A type that a field may have.
pub(crate) trait Value: Sized {
    /// Converts a value from JSON.
    fn of_json(json: Json) -> Option<Self>;
    /// Converts a value from a form.
    fn of_form(text: String) -> Option<Self>;
}

impl Value for String {
    fn of_json(json: Json) -> Option<Self> {
        if let Json::Text(text) = json { Some(text) } else { None }
    }

    fn of_form(text: String) -> Option<Self> {
        Some(text)
    }
}

impl Value for bool {
    fn of_json(json: Json) -> Option<Self> {
        if let Json::Bool(flag) = json { Some(flag) } else { None }
    }

    fn of_form(text: String) -> Option<Self> {
        text.parse().ok()
    }
}

/// Returns the value of one field of a body. None if the body is empty or lacks the field. Other fields are ignored.
///
/// The form of the body is recognised from its text, whatever its Content-Type is, because a beacon cannot choose its
/// own: JSON, or a form as `URLSearchParams` or `FormData` makes one. `takes` is the error's text; it says what the
/// body should be.
pub(crate) fn field<T: Value>(body: &[u8], name: &str, takes: &'static str) -> Result<Option<T>, Problem> {
    let value = said(body, name).map_err(|Unread| Problem::BadBody(takes))?;
    let value = value.map(|said| match said {
        Said::Json(json) => T::of_json(json),
        Said::Form(text) => T::of_form(text),
    });
    value.map(|value| value.ok_or(Problem::BadBody(takes))).transpose()
}

/// The body has no form that we read, or has a field twice.
struct Unread;

fn said(body: &[u8], name: &str) -> Result<Option<Said>, Unread> {
    // serde_json accepts fields that are not UTF-8 if it skips them, so the whole text is checked here.
    // Around it may be what JSON allows.
    let text = str::from_utf8(body).map_err(|_| Unread)?.trim_matches([' ', '\t', '\r', '\n']);
    let mut values = match text.as_bytes() {
        [] if body.is_empty() => return Ok(None),
        [b'{', ..] => {
            let value = Json::parse(text.as_bytes()).ok_or(Unread)?.take(name).map_err(|Twice| Unread)?;
            return Ok(value.filter(|value| !matches!(value, Json::Null)).map(Said::Json));
        }
        [b'-', b'-', ..] => in_parts(text, name).ok_or(Unread)?,
        _ => in_pairs(text, name).ok_or(Unread)?,
    };
    match (values.pop(), values.pop()) {
        (value, None) => Ok(value.map(Said::Form)),
        _ => Err(Unread),
    }
}

/// Returns the values of a field in `application/x-www-form-urlencoded`.
fn in_pairs(text: &str, wanted: &str) -> Option<Vec<String>> {
    let mut values = vec![];
    for pair in text.split('&') {
        let (name, value) = pair.split_once('=')?;
        if decoded(name)? == wanted {
            values.push(decoded(value)?.into_owned());
        }
    }
    Some(values)
}

/// Returns the values of a field in `multipart/form-data` (RFC 7578).
///
/// Written by hand: the crates that read this format stream files of any size and character set, which would be a large
/// part of a component's size.
fn in_parts(text: &str, wanted: &str) -> Option<Vec<String>> {
    // The first line is the text that divides the parts. Content-Type names it too, but is not needed.
    let Some((divider, _)) = text.split_once("\r\n") else {
        // A form without fields is only the line that ends its last part.
        return (text.len() > 4 && text.ends_with("--")).then(Vec::new);
    };
    let between = format!("\r\n{divider}");
    let mut rest = text.strip_prefix(divider)?;
    let mut values = vec![];
    while !rest.starts_with("--") {
        let (head, body) = rest.strip_prefix("\r\n")?.split_once("\r\n\r\n")?;
        let (value, after) = body.split_once(&between)?;
        if name_of_part(head)? == wanted {
            values.push(value.to_owned());
        }
        rest = after;
    }
    Some(values)
}

/// Returns the name in `Content-Disposition: form-data; name="view_token"`.
fn name_of_part(head: &str) -> Option<&str> {
    let named = |text: &'_ str, name: &str| text.trim().eq_ignore_ascii_case(name);
    let mut lines = head.split("\r\n").filter_map(|line| line.split_once(':'));
    let (_, disposition) = lines.find(|(name, _)| named(name, "content-disposition"))?;
    let mut parameters = disposition.split(';').filter_map(|parameter| parameter.split_once('='));
    let (_, name) = parameters.find(|(name, _)| named(name, "name"))?;
    Some(name.trim().trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn token(body: &str) -> Result<Option<String>, Problem> {
        field(body.as_bytes(), "view_token", "a token")
    }

    const REFUSED: Result<Option<String>, Problem> = Err(Problem::BadBody("a token"));

    /// Returns the body that a browser makes of a `FormData`.
    fn multipart(fields: &[(&str, &str)]) -> String {
        let part = |(name, value): &(&str, &str)| {
            format!("------WebKitFormBoundaryQ\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        };
        fields.iter().map(part).collect::<String>() + "------WebKitFormBoundaryQ--\r\n"
    }

    #[test]
    fn a_field_is_read_from_json_and_from_both_sorts_of_form() {
        for body in [
            r#"{"view_token":"a-b_c"}"#.to_owned(),
            r#" {"more":[{}],"view_\u0074oken":"a-b_c","other":null} "#.to_owned(),
            "view_token=a-b_c".to_owned(),
            "more=1&view_token=a-b_c&other=".to_owned(),
            "view%5Ftoken=a%2Db_c".to_owned(),
            multipart(&[("view_token", "a-b_c")]),
            multipart(&[("more", "a\r\n--b\r\n\r\n"), ("view_token", "a-b_c"), ("other", "")]),
            multipart(&[("view_token", "a-b_c")]).replace("Content-Disposition", "X: y\r\ncontent-disposition"),
            "--x\r\nContent-Disposition: form-data; filename=a; name=view_token\r\n\r\na-b_c\r\n--x--".to_owned(),
        ] {
            assert_eq!(token(&body), Ok(Some("a-b_c".to_owned())), "{body}");
        }
    }

    #[test]
    fn what_is_not_said_is_none() {
        for body in ["", "{}", r#"{"view_token":null}"#, r#"{"View_Token":"x"}"#, "other=1", &multipart(&[])] {
            assert_eq!(token(body), Ok(None), "{body}");
        }
        let consent = |body: &str| field::<bool>(body.as_bytes(), "consent", "a consent");
        for (body, said) in [
            (r#"{"consent":false}"#, Some(false)),
            (r#"{"consent":true,"view_token":7}"#, Some(true)),
            ("consent=false", Some(false)),
            (&multipart(&[("consent", "false")]), Some(false)),
            ("{}", None),
        ] {
            assert_eq!(consent(body), Ok(said), "{body}");
        }
        for body in [r#"{"consent":"false"}"#, r#"{"consent":0}"#, "consent=", "consent=no", "consent"] {
            assert_eq!(consent(body), Err(Problem::BadBody("a consent")), "{body}");
        }
    }

    #[test]
    fn what_is_said_twice_or_in_no_way_that_we_read_is_refused() {
        for body in [
            " \r\n",
            "\u{c}",
            "\u{c}{}",
            "a-b_c",
            r#""a-b_c""#,
            r#"["a-b_c"]"#,
            "null",
            r#"{"view_token":7}"#,
            r#"{"view_token":"x","view_token":"x"}"#,
            r#"{"view_token":"x"}{}"#,
            r#"{"view_token":"x""#,
            "view_token=x&view_token=x",
            "view_token=%ff",
            "--x\r\n",
            "--x\r\n\r\n--x--",
            "--x\r\nContent-Disposition: form-data; name=view_token\r\n\r\nx",
            "--",
            &multipart(&[("view_token", "x"), ("view_token", "x")]),
            &"[".repeat(16_000),
        ] {
            assert_eq!(token(body), REFUSED, "{body}");
        }
        let skipped = [br#"{"more":"#.as_slice(), b"\"\xff\",", br#""view_token":"x"}"#].concat();
        assert_eq!(field::<String>(&skipped, "view_token", "a token"), REFUSED);
    }

    proptest! {
        #[test]
        fn whatever_a_value_is_each_way_says_it(value in "[A-Za-z0-9_.~-]{1,200}", more in "[a-z]{1,9}") {
            let json = serde_json::json!({ "view_token": &value, &more: "x" }).to_string();
            for body in [json, format!("view_token={value}&{more}=x"), multipart(&[(&more, "x"), ("view_token", &value)])] {
                prop_assert_eq!(token(&body), Ok(Some(value.clone())));
            }
        }

        #[test]
        fn any_body_says_something_or_nothing_or_is_refused(
            body in vec(any::<u8>(), 0..100),
            form in "(--x|\r\n|name=|Content-Disposition: |;|&|=|view_token|%3d|\"){0,20}",
        ) {
            let _ = field::<String>(&body, "view_token", "a token");
            let _ = token(&form);
        }
    }
}
