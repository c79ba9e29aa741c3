//! What no HTTP client sends: byte by byte, past every library that would refuse to.

use std::time::Duration;

use anyhow::{Context, Result};
use futures::future::join_all;
use tests::Api;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::on_system;

/// More than the service gives a body, 10 s.
const PATIENCE: Duration = Duration::from_secs(15);

/// Sends bytes, and hangs up if that is asked for. Returns the status of the answer; `None` if the connection was
/// closed without one, or answered in frames of HTTP/2, which Spin speaks.
pub(crate) async fn send(address: &str, bytes: &[u8], hang_up: bool) -> Result<Option<u16>> {
    let mut answer = vec![];
    let exchange = async {
        let mut connection = TcpStream::connect(address).await?;
        // The server may have said no, and hung up, before it has read all of it.
        let _ = connection.write_all(bytes).await;
        if hang_up {
            let _ = connection.shutdown().await;
        }
        let mut some = [0; 1024];
        while !answer.windows(4).any(|end| end == b"\r\n\r\n") {
            match connection.read(&mut some).await {
                // A reset is a way to hang up, too.
                Ok(0) | Err(_) => break,
                Ok(read) => answer.extend_from_slice(&some[..read]),
            }
        }
        anyhow::Ok(())
    };
    timeout(PATIENCE, exchange).await.context("it hangs")??;
    if !answer.starts_with(b"HTTP/1.") && bytes.starts_with(b"PRI ") || answer.is_empty() {
        return Ok(None);
    }
    let text = String::from_utf8_lossy(&answer);
    Ok(Some(text.split(' ').nth(1).with_context(|| text.clone().into_owned())?.parse()?))
}

/// A whole request with this in place of one of its parts.
fn with(request_line: &str, headers: &[u8], body: &[u8]) -> Vec<u8> {
    [request_line.as_bytes(), b"\r\nHost: localhost\r\n", headers, b"\r\n", body].concat()
}

fn of_paths() -> Vec<Vec<u8>> {
    let long = "1".repeat(100_000);
    let path = |path: &[u8]| [b"GET ", path, b" HTTP/1.1\r\nHost: localhost\r\n\r\n"].concat();
    [
        &b"/v1/articles/\xff\xfe/interactions"[..],
        b"/v1/articles/\xd9\xa1/interactions",
        b"/v1/articles/\0/interactions",
        b"/v1/articles/\x7f/interactions",
        b"/v1/articles/1 2/interactions",
        b"/v1/articles/%/interactions",
        b"/v1/articles/%ff%fe/interactions",
        b"/v1/articles/%2e%2e%2f/interactions",
        b"/v1/articles/../../interactions",
        b"/v1/interactions?article_ids=\xff",
        b"/v1/interactions?article_ids=1&%00=\"<>",
        b"/v1/interactions?article_ids=%",
        b"//",
        b"*",
        b"v1/interactions",
        b"http://localhost/v1/interactions?article_ids=1",
        b"http://elsewhere/v1/interactions?article_ids=1",
        format!("/v1/articles/{long}/interactions").as_bytes(),
        format!("/v1/interactions?article_ids={}", "1,".repeat(20_000)).as_bytes(),
        format!("/{}", "/".repeat(50_000)).as_bytes(),
    ]
    .map(path)
    .into()
}

fn of_headers() -> Vec<Vec<u8>> {
    let request = "GET /v1/articles/1/interactions HTTP/1.1";
    let many: Vec<String> = (0..500).map(|number| format!("x-{number}: {number}\r\n")).collect();
    let many = many.concat();
    let long = "a".repeat(1_000_000);
    [
        &b"no colon\r\n"[..],
        b": no name\r\n",
        b"na me: x\r\n",
        b"n\xc3\xa4me: x\r\n",
        b"x: a\0b\r\n",
        b"x: a\r\n folded\r\n",
        b"x: a\nb\r\n",
        b"Host: elsewhere\r\n",
        b"Authorization: Bearer\r\n",
        b"Authorization: Bearer a.b.c\r\nAuthorization: Bearer a.b.c\r\n",
        b"Cookie: interaction_visitor\r\n",
        b"Cookie: =;;=; interaction_visitor==;interaction_visitor=%00\r\n",
        b"X-Request-Id: \xc3\xa4\r\n",
        b"Origin: null\r\n",
        b"Expect: 100-continue\r\n",
        b"Upgrade: h2c\r\nConnection: upgrade, http2-settings\r\nHTTP2-Settings: AA\r\n",
        format!("Authorization: Bearer {}\r\n", "a".repeat(60_000)).as_bytes(),
        format!("Cookie: {}\r\n", "interaction_visitor=a; ".repeat(2_000)).as_bytes(),
        format!("x: {long}\r\n").as_bytes(),
        format!("{long}: x\r\n").as_bytes(),
        many.as_bytes(),
    ]
    .map(|headers| with(request, headers, b""))
    .into()
}

fn of_bodies() -> Vec<Vec<u8>> {
    let request = "POST /v1/articles/1/reads HTTP/1.1";
    let body = b"{\"view_token\":\"a\"}";
    let deep = "[".repeat(16_000);
    let cases: [(&[u8], &[u8]); 18] = [
        (b"Content-Length: 18446744073709551615\r\n", body),
        (b"Content-Length: 99999999999999999999999999\r\n", body),
        (b"Content-Length: -1\r\n", body),
        (b"Content-Length: +18\r\n", body),
        (b"Content-Length: x\r\n", body),
        (b"Content-Length: 18\r\nContent-Length: 1\r\n", body),
        (b"Content-Length: 16384\r\n", body),
        (b"Content-Length: 3\r\n", body),
        (b"Content-Length: 18\r\nTransfer-Encoding: chunked\r\n", body),
        (b"Transfer-Encoding: nonsense\r\n", body),
        (b"Transfer-Encoding: chunked\r\n", body),
        (b"Transfer-Encoding: chunked\r\n", b"FFFFFFFFFFFFFFFF\r\n{}"),
        (b"Transfer-Encoding: chunked\r\n", b"fffffffffffffffffff\r\n{}"),
        (b"Transfer-Encoding: chunked\r\n", b"-1\r\n{}\r\n0\r\n\r\n"),
        (b"Transfer-Encoding: chunked\r\n", b"5\r\n{\"vie"),
        (b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
        (b"Content-Encoding: gzip\r\nContent-Length: 18\r\n", body),
        (b"Content-Length: 16000\r\n", deep.as_bytes()),
    ];
    cases.map(|(headers, body)| with(request, headers, body)).into()
}

fn of_no_http() -> Vec<Vec<u8>> {
    [
        &b""[..],
        b"\r\n\r\n\r\n",
        b"GET",
        b"GET /\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: a\r\n\r\n",
        b"G\0T / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"BREW /v1/articles/1/views HTTP/1.1\r\nHost: a\r\n\r\n",
        b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        b"TRACE / HTTP/1.0\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
        &[0; 4096],
        &[0xff; 4096],
    ]
    .map(<[u8]>::to_vec)
    .into()
}

#[test]
fn what_is_no_request_is_refused_and_harms_nobody() -> Result<()> {
    on_system(async |api, stack| {
        let address = stack.http_url().trim_start_matches("http://").to_owned();
        // Half a head is waited for until the other half comes or the client goes; half a body is given up.
        for (all, hang_up) in [
            (of_paths(), false),
            (of_headers(), false),
            (of_bodies(), false),
            (of_bodies(), true),
            (of_no_http(), true),
        ] {
            let answers = all.iter().map(|bytes| send(&address, bytes, hang_up));
            for (bytes, answer) in all.iter().zip(join_all(answers).await) {
                let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]);
                let status = answer.with_context(|| shown.clone().into_owned())?;
                assert!(status.is_none_or(|status| status < 500), "{status:?} to {shown:?}");
            }
            serves(&api).await?;
        }
        Ok(())
    })
}

/// The platform refuses it before any component sees it, by a 500 of its own.
#[test]
fn a_header_that_is_no_utf8_harms_nobody() -> Result<()> {
    on_system(async |api, stack| {
        let address = stack.http_url().trim_start_matches("http://").to_owned();
        let bytes = with("GET /v1/articles/1/interactions HTTP/1.1", b"x: \xff\r\n", b"");
        assert_eq!(send(&address, &bytes, false).await?, Some(500));
        serves(&api).await
    })
}

async fn serves(api: &Api) -> Result<()> {
    timeout(PATIENCE, api.get("/v1/articles/1/interactions").good()).await??;
    Ok(())
}
