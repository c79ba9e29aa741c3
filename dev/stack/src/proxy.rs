//! A way to a server that can be held up, so that a test sees the network stall rather than refuse.

use crate::ports;
use anyhow::Result;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Passes TCP connections on to a port of this machine, unless they are held.
///
/// What was sent on a connection that is held, or closed by its client meanwhile, is not lost but late: it arrives when
/// the connection is released, as from a network that had an outage.
pub struct Proxy {
    port: u16,
    target: Arc<AtomicU16>,
    holds: watch::Sender<Holds>,
    /// All that came on held connections and has not been passed on.
    held: Arc<Mutex<Vec<u8>>>,
    connections: Arc<AtomicU64>,
    accepting: JoinHandle<()>,
}

/// Connections are numbered from 1 as they come.
#[derive(Clone, Copy, Default)]
struct Holds {
    all: bool,
    up_to: u64,
    /// Of those up to this one, the first answer is thrown away, and the connection with it.
    unanswered: u64,
}

impl Holds {
    fn hold(self, connection: u64) -> bool {
        self.all || connection <= self.up_to
    }
}

impl Proxy {
    /// A way to that port of 127.0.0.1. Each connection that comes makes one there; where that is refused it is closed.
    pub fn to(target: u16) -> Result<Self> {
        let listener = ports::listener()?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let listener = TcpListener::from_std(listener)?;
        let (holds, watched) = watch::channel(Holds::default());
        let connections = Arc::new(AtomicU64::new(0));
        let (count, target) = (Arc::clone(&connections), Arc::new(AtomicU16::new(target)));
        let leads_to = Arc::clone(&target);
        let held = Arc::new(Mutex::new(Vec::new()));
        let to_hold = Arc::clone(&held);
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let number = count.fetch_add(1, Ordering::SeqCst) + 1;
                let way = Way { number, holds: watched.clone(), held: Arc::clone(&to_hold) };
                tokio::spawn(connect(client, leads_to.load(Ordering::SeqCst), way));
            }
        });
        Ok(Self { port, target, holds, held, connections, accepting })
    }

    /// Its port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Connections made from now on lead to that port: another server has taken over the address.
    pub fn lead_to(&self, target: u16) {
        self.target.store(target, Ordering::SeqCst);
    }

    /// Nothing passes any more, neither way: a stalled network.
    pub fn hold(&self) {
        self.holds.send_modify(|holds| holds.all = true);
    }

    /// Nothing passes on the connections that are there; those made from now on work. What is sent on the former
    /// arrives after what is sent on the latter.
    pub fn hold_existing(&self) {
        let up_to = self.connections.load(Ordering::SeqCst);
        self.holds.send_modify(|holds| holds.up_to = up_to);
    }

    /// Of the connections that are there each is lost with its next answer; those made from now on work. What is sent
    /// on the former arrives.
    pub fn cut_answers(&self) {
        let up_to = self.connections.load(Ordering::SeqCst);
        self.holds.send_modify(|holds| holds.unanswered = up_to);
    }

    /// Whether these bytes are among those that came on held connections and wait.
    #[must_use]
    pub fn holds_back(&self, bytes: &[u8]) -> bool {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).windows(bytes.len()).any(|held| held == bytes)
    }

    /// How many connections its clients have to it, of which it may have accepted none yet.
    pub fn clients(&self) -> Result<usize> {
        /// ESTABLISHED, in <https://docs.kernel.org/networking/proc_net_tcp.html>.
        const OPEN: &str = "01";
        let here = format!(":{:04X}", self.port);
        let sockets = std::fs::read_to_string("/proc/net/tcp")?;
        let columns = sockets.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        Ok(columns.filter(|of| matches!(of[..], [_, _, to, OPEN, ..] if to.ends_with(&here))).count())
    }

    /// Everything passes, first what was held.
    pub fn release(&self) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.holds.send_replace(Holds::default());
    }

    /// A URL of the server with this way to it instead of the direct one.
    pub(crate) fn instead_of(&self, direct: u16, url: &str) -> String {
        url.replace(&format!("127.0.0.1:{direct}"), &format!("127.0.0.1:{}", self.port))
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// A connection, and what it is subject to.
#[derive(Clone)]
struct Way {
    number: u64,
    holds: watch::Receiver<Holds>,
    held: Arc<Mutex<Vec<u8>>>,
}

impl Way {
    /// Waits until the connection is not held; `None` if the proxy is gone.
    async fn passes(&mut self, bytes: &[u8]) -> Option<()> {
        if self.holds.borrow().hold(self.number) {
            self.held.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        }
        self.holds.wait_for(|holds| !holds.hold(self.number)).await.ok().map(drop)
    }
}

async fn connect(client: TcpStream, target: u16, mut way: Way) {
    if way.passes(&[]).await.is_none() {
        return;
    }
    let Ok(server) = TcpStream::connect(("127.0.0.1", target)).await else { return };
    // Small messages go to and fro: none waits for another.
    if client.set_nodelay(true).and(server.set_nodelay(true)).is_err() {
        return;
    }
    let number = way.number;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let asking = copy(from_client, to_server, |_| true, way.clone());
    tokio::join!(asking, copy(from_server, to_client, |holds: &Holds| number > holds.unanswered, way));
}

/// One way, to its end, which is passed on as well; or to what `wanted` does not let through.
async fn copy(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    wanted: impl Fn(&Holds) -> bool,
    mut way: Way,
) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = from.read(&mut buffer).await;
        if way.passes(&buffer[..*read.as_ref().unwrap_or(&0)]).await.is_none() {
            return;
        }
        match read {
            Ok(0) | Err(_) => break,
            Ok(_) if !wanted(&way.holds.borrow()) => break,
            Ok(length) if to.write_all(&buffer[..length]).await.is_err() => break,
            Ok(_) => {}
        }
    }
    // The other side may be gone already.
    let _ = to.shutdown().await;
}
