//! Bodies: how much of one is taken, and that it is known by its look.

use std::time::Duration;

use anyhow::Result;
use contract::Kind;
use serde_json::{Value, json};
use stack::wait_for;

use crate::{malformed::send, on_system};

const MOST: usize = 16 * 1024;

/// The routes, each with the method.
fn routes() -> Vec<(&'static str, String)> {
    let of_kinds = Kind::ALL.iter().flat_map(|kind| {
        [
            ("PUT", format!("/v1/articles/1201/{kind}")),
            ("DELETE", format!("/v1/articles/1201/{kind}")),
            ("GET", format!("/v1/me/{}", kind.count())),
            ("GET", format!("/v1/top/{}", kind.count())),
        ]
    });
    let fixed = [
        ("POST", "/v1/articles/1201/views"),
        ("POST", "/v1/articles/1201/reads"),
        ("GET", "/v1/articles/1201/interactions"),
        ("GET", "/v1/articles/1201/history"),
        ("GET", "/v1/interactions?article_ids=1201"),
        ("GET", "/v1/interactions/totals?article_ids=1201"),
        ("GET", "/v1/openapi.json"),
        ("GET", "/v1/problems/held"),
        ("GET", "/healthz/toggle"),
        ("GET", "/readyz"),
    ];
    of_kinds.chain(fixed.map(|(method, path)| (method, path.to_owned()))).collect()
}

/// A request of user 1211 whose body of so many bytes comes in chunks of so many.
fn in_chunks(method: &str, path: &str, length: usize, chunk: usize) -> Vec<u8> {
    let token = stack::token("1211");
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    let body = vec![b' '; length];
    let chunks =
        body.chunks(chunk).flat_map(|part| [format!("{:x}\r\n", part.len()).as_bytes(), part, b"\r\n"].concat());
    head.into_bytes().into_iter().chain(chunks).chain(*b"0\r\n\r\n").collect()
}

#[test]
fn a_body_past_16_kib_is_413_on_every_route_whether_it_says_its_length_or_not() -> Result<()> {
    on_system(async |api, stack| {
        let address = stack.http_url().trim_start_matches("http://").to_owned();
        for (method, path) in routes() {
            // Of GET and DELETE it has no meaning, and nobody reads it.
            let is_read = !["GET", "DELETE"].contains(&method);
            for chunk in [MOST, 1000] {
                let status = send(&address, &in_chunks(method, &path, MOST + 1, chunk), false).await?;
                assert_eq!(status, Some(if is_read { 413 } else { 200 }), "{method} {path} in chunks of {chunk}");
            }
            let announced = api.ask(method.parse()?, &path).user(1211).body(vec![b' '; MOST + 1]).send().await?;
            assert_eq!(announced.status, 413, "{method} {path}");
        }
        let counters = api.get("/v1/articles/1201/interactions").user(1211).good().await?;
        for kind in Kind::ALL {
            assert_eq!((&counters[kind.on()], &counters[kind.count()]), (&json!(false), &json!(0)), "nothing was done");
        }
        assert_eq!(counters["pv"], 0);
        Ok(())
    })
}

#[test]
fn a_body_of_16_kib_that_no_route_asked_for_changes_nothing() -> Result<()> {
    on_system(async |_, stack| {
        let address = stack.http_url().trim_start_matches("http://").to_owned();
        for (method, path) in routes().into_iter().filter(|(method, _)| *method != "POST") {
            for length in [0, 1, MOST] {
                let status = send(&address, &in_chunks(method, &path, length, 5000), false).await?;
                assert_eq!(status, Some(200), "{method} {path} with {length} bytes");
            }
        }
        Ok(())
    })
}

#[test]
fn a_read_is_taken_as_json_and_as_both_sorts_of_form_whatever_its_type_says() -> Result<()> {
    on_system(async |api, _| {
        let view = || api.post("/v1/articles/1202/views").user(1212).good();
        let token = view().await?["view_token"].clone();
        let text = token.as_str().unwrap_or_default();
        let multipart = format!(
            "------geckoformboundaryf\r\nContent-Disposition: form-data; name=\"view_token\"\r\n\r\n{text}\r\n\
             ------geckoformboundaryf--\r\n"
        );
        let bodies = [json!({ "view_token": text }).to_string(), format!("view_token={text}"), multipart];
        let read = async |body: &str, kind: &str| {
            api.post("/v1/articles/1202/reads").header("content-type", kind).body(body.to_owned()).send().await
        };
        wait_for("the view to be old enough", Duration::from_secs(30), async || {
            Ok((read(&bodies[0], "application/json").await?.status == 200).then_some(()))
        })
        .await?;
        for body in &bodies {
            for kind in [
                "application/json",
                "text/plain;charset=UTF-8",
                "application/x-www-form-urlencoded;charset=UTF-8",
                "multipart/form-data; boundary=----geckoformboundaryf",
                "image/png",
            ] {
                let answer = read(body, kind).await?;
                assert_eq!(
                    (answer.status.as_u16(), &answer.body["counted"]),
                    (200, &Value::Bool(false)),
                    "{kind} {body}"
                );
            }
        }
        Ok(())
    })
}
