//! A small `OpenID` provider, as far as a resource server sees one: it publishes a key set, or fails to in some way.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use anyhow::Result;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// How it answers.
#[derive(Clone)]
pub(crate) enum Says {
    /// These keys.
    Keys(Vec<Value>),
    /// These keys, fresh for so many seconds.
    KeysFor(Vec<Value>, u64),
    /// Whatever this is: the status line, headers and body.
    Raw(String),
    /// It closes the connection.
    Nothing,
    /// It takes the request and does not answer.
    Hangs,
    /// It begins to answer.
    Stalls(String),
}

pub(crate) struct Issuer {
    address: String,
    says: Arc<Mutex<Says>>,
    asked: Arc<AtomicUsize>,
    serving: JoinHandle<()>,
}

impl Issuer {
    pub(crate) async fn start(says: Says) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = format!("http://{}", listener.local_addr()?);
        let (says, asked) = (Arc::new(Mutex::new(says)), Arc::new(AtomicUsize::new(0)));
        let (answer, count) = (Arc::clone(&says), Arc::clone(&asked));
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, count) = (Arc::clone(&answer), Arc::clone(&count));
                // A client that has gone is no fault of the test.
                tokio::spawn(async move { serve(stream, &answer, &count).await.ok() });
            }
        });
        Ok(Self { address, says, asked, serving })
    }

    /// Its scheme, host and port, which is also what it calls itself.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn keys_url(&self) -> String {
        format!("{}/.well-known/jwks.json", self.address)
    }

    pub(crate) fn says(&self, says: Says) {
        *self.says.lock().unwrap_or_else(PoisonError::into_inner) = says;
    }

    /// How often it was asked for its keys.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(mut stream: TcpStream, says: &Mutex<Says>, asked: &AtomicUsize) -> Result<()> {
    let mut request = Vec::new();
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    let good = request.starts_with(b"GET /");
    asked.fetch_add(1, Ordering::SeqCst);
    let says = says.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let json = |keys: &[Value], header: &str| {
        let body = json!({"keys": keys}).to_string();
        let length = body.len();
        format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{header}content-length: {length}\r\n\r\n{body}")
    };
    match says {
        _ if !good => stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await?,
        Says::Keys(keys) => stream.write_all(json(&keys, "").as_bytes()).await?,
        Says::KeysFor(keys, seconds) => {
            let header = format!("cache-control: public, max-age={seconds}\r\n");
            stream.write_all(json(&keys, &header).as_bytes()).await?;
        }
        Says::Raw(answer) => stream.write_all(answer.as_bytes()).await?,
        Says::Nothing => {}
        Says::Hangs => std::future::pending().await,
        Says::Stalls(beginning) => {
            stream.write_all(beginning.as_bytes()).await?;
            std::future::pending::<()>().await;
        }
    }
    Ok(stream.shutdown().await?)
}
