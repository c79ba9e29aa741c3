//! An OAuth 2.0 provider, as far as a client of Kafka sees one: it gives a token to whoever has the client's secret.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use stack::{Kafka, dev, token_with};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// The client's name at the provider.
pub(crate) const CLIENT: &str = "persister";
/// What it asks for, and what it gets.
pub(crate) const SCOPE: &str = "kafka";

pub(crate) struct Provider {
    address: String,
    serving: JoinHandle<()>,
}

impl Provider {
    pub(crate) async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = format!("http://{}", listener.local_addr()?);
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // A client that has gone is no fault of the test.
                tokio::spawn(async move { serve(stream).await.ok() });
            }
        });
        Ok(Self { address, serving })
    }

    pub(crate) fn token_endpoint(&self) -> String {
        format!("{}/token", self.address)
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(mut stream: TcpStream) -> Result<()> {
    let mut request = Vec::new();
    while !whole(&request) {
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    let request = String::from_utf8(request)?;
    let asked = request.starts_with("POST /token ")
        && request.contains("grant_type=client_credentials")
        && request.contains(&format!("scope={SCOPE}"));
    let known = format!("Basic {}", STANDARD.encode(format!("{CLIENT}:{}", dev("KAFKA_CLIENT_SECRET"))));
    let (status, body) = match asked {
        true if request.lines().any(|line| line.split_once(": ").is_some_and(|(_, value)| value == known)) => {
            ("200 OK", json!({"access_token": token()?, "token_type": "Bearer", "expires_in": 300}))
        }
        true => ("401 Unauthorized", json!({"error": "invalid_client", "error_description": "no such client"})),
        false => ("400 Bad Request", json!({"error": "invalid_request"})),
    };
    stream.write_all(answer(status, &body).as_bytes()).await?;
    Ok(stream.shutdown().await?)
}

/// Whether the head has come, and the body of the length that it says.
fn whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    body.len() >= length.unwrap_or(0)
}

fn answer(status: &str, body: &Value) -> String {
    let body = body.to_string();
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}")
}

/// What the broker lets in.
fn token() -> Result<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is past 1970")?.as_secs();
    let claims =
        json!({"sub": Kafka::user(), "aud": Kafka::token_audience(), "scope": SCOPE, "iat": now, "exp": now + 300});
    Ok(token_with(&claims, dev("JWT_KEY")))
}
