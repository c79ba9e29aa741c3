//! Asks a provider for its key set, by Spin's outbound HTTP.

use std::time::Duration;

use spin_sdk::wasip3::{
    http::{
        client,
        types::{ErrorCode, Fields, Request, Response, Scheme},
    },
    wit_bindgen::StreamResult,
    wit_future,
};

use crate::Deadline;

/// How long the provider may take for its whole answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

/// The most bytes in a key set.
const MAX_SET: usize = 64 * 1024;

/// For how many seconds a set is fresh if the provider does not say.
const FRESH: u64 = 600;

/// The least and the most seconds that a provider can set.
const FRESH_RANGE: (u64, u64) = (60, 3600);

/// The answer of a provider.
pub(crate) struct Fetched {
    pub(crate) text: String,
    /// For how many seconds it is fresh.
    pub(crate) fresh_s: u64,
}

/// Fetches the text at a URL. The error is the reason, for the log. Redirects are not followed, because the settings do
/// not name the place that they lead to.
pub(crate) async fn fetch(url: &str) -> Result<Fetched, String> {
    Deadline::after(PATIENCE).race(get(url)).await.unwrap_or_else(|| Err("no answer within 2 s".to_owned()))
}

/// Uses WASI directly: the conversions to and from the types of `http` would add 20 kB to a component.
async fn get(url: &str) -> Result<Fetched, String> {
    let request = request(url).ok_or("it is no http:// or https:// URL")?;
    let response = client::send(request).await.map_err(|error| reason(&error))?;
    let status = response.get_status_code();
    if status != 200 {
        return Err(format!("status {status}"));
    }
    let headers = response.get_headers().copy_all();
    let cache_control = headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("cache-control"));
    let fresh_s = freshness(cache_control.filter_map(|(_, value)| std::str::from_utf8(value).ok()));
    let text = String::from_utf8(body(response).await?).map_err(|_| "the answer is no text")?;
    Ok(Fetched { text, fresh_s })
}

fn request(url: &str) -> Option<Request> {
    let (scheme, rest) = url.split_once("://")?;
    let scheme = match scheme {
        "https" => Scheme::Https,
        "http" => Scheme::Http,
        _ => return None,
    };
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let headers = Fields::from_list(&[("accept".to_owned(), b"application/json".to_vec())]).ok()?;
    let (_, no_trailers) = wit_future::new(|| Ok(None));
    let (request, _) = Request::new(headers, None, no_trailers, None);
    request.set_scheme(Some(&scheme)).ok()?;
    request.set_authority(Some(authority)).ok()?;
    request.set_path_with_query(Some(if path.is_empty() { "/" } else { path })).ok()?;
    Some(request)
}

async fn body(response: Response) -> Result<Vec<u8>, &'static str> {
    let (_, received) = wit_future::new(|| Ok(()));
    let (mut stream, end) = Response::consume_body(response, received);
    let mut body = Vec::new();
    loop {
        let (result, chunk) = stream.read(Vec::with_capacity(16 * 1024)).await;
        body.extend_from_slice(&chunk);
        if body.len() > MAX_SET {
            return Err("the answer is over 64 KiB");
        }
        if !matches!(result, StreamResult::Complete(_)) {
            break;
        }
    }
    // A body that broke off ends in the same way as a whole one. Only `end` shows the difference.
    end.await.map(|_| body).map_err(|_| "the answer broke off")
}

/// Returns the reason for the log. `Debug` is not used, because it would add 5 kB to a component.
fn reason(error: &ErrorCode) -> String {
    let reason = match error {
        ErrorCode::HttpRequestDenied => "not permitted: jwt_keys_address must name its scheme, host and port",
        ErrorCode::DnsError(_) | ErrorCode::DnsTimeout => "its host is not found",
        ErrorCode::ConnectionRefused => "the connection is refused",
        ErrorCode::TlsCertificateError | ErrorCode::TlsProtocolError | ErrorCode::TlsAlertReceived(_) => "TLS fails",
        _ => "the request fails",
    };
    reason.to_owned()
}

/// Returns for how many seconds an answer is fresh, by `Cache-Control: max-age`.
fn freshness<'a>(lines: impl Iterator<Item = &'a str>) -> u64 {
    let mut directives = lines.flat_map(|line| line.split(',')).map(str::trim);
    let max_age = directives.find_map(|directive| {
        let (name, seconds) = directive.split_once('=')?;
        if name.eq_ignore_ascii_case("max-age") { seconds.parse().ok() } else { None }
    });
    max_age.map_or(FRESH, |seconds: u64| seconds.clamp(FRESH_RANGE.0, FRESH_RANGE.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_says_for_how_long_its_keys_are_fresh_within_a_minute_and_an_hour() {
        for (said, fresh) in [
            (&[][..], 600),
            (&["public"], 600),
            (&["no-cache"], 600),
            (&["max-age=soon"], 600),
            (&["max-age=-1"], 600),
            (&["max-age=300"], 300),
            (&["public, Max-Age=300 , must-revalidate"], 300),
            (&["public", "max-age=300"], 300),
            (&["s-maxage=60, max-age=900"], 900),
            (&["max-age=0"], 60),
            (&["max-age=15, stale-while-revalidate=15"], 60),
            (&["max-age=86400"], 3600),
        ] {
            assert_eq!(freshness(said.iter().copied()), fresh, "{said:?}");
        }
    }
}
