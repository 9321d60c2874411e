//! A network between a client and a store: so many milliseconds a round trip, so many bytes a second a connection.
//!
//! Each direction passes bytes on half a round trip after they came, and no faster than the rate. A new connection
//! costs a round trip, as TCP's handshake does. Its queue holds more than rate times delay, so that it is the rate
//! that limits and never a window.

use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

/// One step of a transfer; at 80 MB/s it takes 0.8 ms.
const STEP_BYTES: usize = 64 << 10;
const STEPS_QUEUED: usize = 64;

/// What the network is like.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Network {
    /// The time that a round trip takes.
    pub(crate) round_trip: Duration,
    /// Bytes a second, a connection and a direction.
    pub(crate) bytes_a_second: u32,
}

/// Serves until the process ends; says on which port first.
pub(crate) async fn serve(upstream: u16, network: Network) -> io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    println!("{}", listener.local_addr()?.port());
    forward(listener, upstream, network).await
}

/// Passes on what comes to a listener.
pub(crate) async fn forward(listener: TcpListener, upstream: u16, network: Network) -> io::Result<()> {
    loop {
        let (client, _) = listener.accept().await?;
        // A connection that breaks is its two ends' business.
        tokio::spawn(async move { connect(client, upstream, network).await.ok() });
    }
}

async fn connect(client: TcpStream, upstream: u16, network: Network) -> io::Result<()> {
    sleep(network.round_trip).await;
    let server = TcpStream::connect(("127.0.0.1", upstream)).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::join!(pass(from_client, to_server, network), pass(from_server, to_client, network));
    Ok(())
}

/// One direction.
async fn pass(from: OwnedReadHalf, to: OwnedWriteHalf, network: Network) {
    let (queue, queued) = mpsc::channel(STEPS_QUEUED);
    tokio::join!(take(from, queue, network), give(to, queued));
}

async fn take(mut from: OwnedReadHalf, queue: mpsc::Sender<(Instant, Bytes)>, network: Network) {
    let mut free_at = Instant::now();
    let mut buffer = BytesMut::new();
    loop {
        buffer.reserve(STEP_BYTES);
        let Ok(1..) =
            (&mut from).take(u64::try_from(STEP_BYTES).unwrap_or(u64::MAX)).read_buf(&mut buffer).await
        else {
            return;
        };
        let bytes = buffer.split().freeze();
        free_at = free_at.max(Instant::now()) + time_of(bytes.len(), network.bytes_a_second);
        if queue.send((free_at + network.round_trip / 2, bytes)).await.is_err() {
            return;
        }
    }
}

async fn give(mut to: OwnedWriteHalf, mut queued: mpsc::Receiver<(Instant, Bytes)>) {
    while let Some((due_at, bytes)) = queued.recv().await {
        sleep_until(due_at).await;
        if to.write_all(&bytes).await.is_err() {
            return;
        }
    }
    // The other side has closed; should this one be closed too, there is nothing left to do.
    let _ = to.shutdown().await;
}

fn time_of(bytes: usize, bytes_a_second: u32) -> Duration {
    let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
    Duration::from_secs_f64(f64::from(bytes) / f64::from(bytes_a_second.max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_bytes_a_second() {
        assert_eq!(time_of(80_000, 80_000_000), Duration::from_millis(1));
    }
}
