//! A wire to a store that can be cut: whoever wrote the store, and wherever in a call that is.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Passes connections on until so many bytes have passed, both ways together; then all of them end, and no new one
/// is taken until the wire is mended.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    wire: Arc<Wire>,
    accepting: JoinHandle<()>,
}

#[derive(Debug)]
struct Wire {
    passed: AtomicU64,
    cut_at: AtomicU64,
    is_cut: watch::Sender<bool>,
}

impl Proxy {
    /// A wire to this endpoint.
    pub async fn to(endpoint: &str) -> Self {
        let upstream = endpoint.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let wire = Arc::new(Wire {
            passed: AtomicU64::new(0),
            cut_at: AtomicU64::new(u64::MAX),
            is_cut: watch::Sender::new(false),
        });
        let accepting = tokio::spawn(accept(listener, upstream, Arc::clone(&wire)));
        Self { address, wire, accepting }
    }

    /// Where it listens.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many bytes have passed since it was made or mended.
    pub fn passed(&self) -> u64 {
        self.wire.passed.load(Ordering::SeqCst)
    }

    /// Mends the wire, and has it cut once so many bytes have passed; never, if nothing is said.
    pub fn mend(&self, cut_after: Option<u64>) {
        self.wire.passed.store(0, Ordering::SeqCst);
        self.wire.cut_at.store(cut_after.unwrap_or(u64::MAX), Ordering::SeqCst);
        self.wire.is_cut.send_replace(false);
    }

    /// Returns once the wire is cut.
    pub async fn is_cut(&self) {
        let mut is_cut = self.wire.is_cut.subscribe();
        is_cut.wait_for(|is_cut| *is_cut).await.expect("a wire that is held");
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.wire.is_cut.send_replace(true);
    }
}

impl Wire {
    /// How many of these bytes still pass.
    fn take(&self, bytes: usize) -> usize {
        let before = self.passed.fetch_add(bytes as u64, Ordering::SeqCst);
        let left = self.cut_at.load(Ordering::SeqCst).saturating_sub(before);
        if left <= bytes as u64 {
            self.is_cut.send_replace(true);
        }
        bytes.min(usize::try_from(left).unwrap_or(usize::MAX))
    }
}

async fn accept(listener: TcpListener, upstream: String, wire: Arc<Wire>) {
    loop {
        let Ok((client, _)) = listener.accept().await else { continue };
        let mut is_cut = wire.is_cut.subscribe();
        if *is_cut.borrow() {
            continue;
        }
        let (upstream, wire) = (upstream.clone(), Arc::clone(&wire));
        tokio::spawn(async move {
            let Ok(server) = TcpStream::connect(upstream).await else { return };
            let _ = (client.set_nodelay(true), server.set_nodelay(true));
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            let both = async {
                tokio::join!(
                    pass(from_client, to_server, Arc::clone(&wire)),
                    pass(from_server, to_client, Arc::clone(&wire))
                )
            };
            tokio::select! {
                _ = both => {}
                _ = is_cut.wait_for(|is_cut| *is_cut) => {}
            }
        });
    }
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, wire: Arc<Wire>) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(bytes @ 1..) = from.read(&mut buffer).await {
        let passes = wire.take(bytes);
        if to.write_all(&buffer[..passes]).await.is_err() || passes < bytes {
            return;
        }
    }
}
