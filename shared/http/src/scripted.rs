//! A server for tests that answers as it is told, byte for byte, and remembers what it was asked.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test's helper says what is wrong by panicking"
)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use url::Url;

use super::client::Client;
use super::policy::HostPolicy;
use crate::clock::ManualClock;
use crate::settings::HttpSettings;

/// A request as it came.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// The method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Headers, their names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: String,
}

impl Seen {
    /// A header's value; empty if there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The path without the query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap()
    }

    /// The fields of a form.
    pub fn form(&self) -> BTreeMap<String, String> {
        url::form_urlencoded::parse(self.body.as_bytes()).into_owned().collect()
    }

    /// The fields of the query.
    pub fn query(&self) -> BTreeMap<String, String> {
        let query = self.target.split_once('?').map_or("", |(_, query)| query);
        url::form_urlencoded::parse(query.as_bytes()).into_owned().collect()
    }
}

/// What the server sends.
#[derive(Debug, Clone)]
pub struct Reply {
    head: String,
    body: Vec<u8>,
    has_length: bool,
    hangs: bool,
}

impl Reply {
    /// An answer with this status.
    pub fn status(status: u16) -> Self {
        let head = format!("HTTP/1.1 {status} X\r\nConnection: close\r\n");
        Self { head, body: Vec::new(), has_length: true, hangs: false }
    }

    #[expect(clippy::needless_pass_by_value, reason = "a value made on the spot reads best")]
    /// A JSON document.
    pub fn json(value: serde_json::Value) -> Self {
        Self::status(200).header("Content-Type", "application/json").body(value.to_string())
    }

    /// A web page: a login page, say.
    pub fn page() -> Self {
        Self::status(200).header("Content-Type", "text/html").body("<!DOCTYPE html><html>Sign in</html>")
    }

    /// Closes the connection without a word.
    pub fn nothing() -> Self {
        Self { head: String::new(), body: Vec::new(), has_length: false, hangs: false }
    }

    /// The same with a header.
    pub fn header(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        self.head.push_str(&format!("{name}: {value}\r\n"));
        self
    }

    /// The same with a body and its length.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Says that the body is longer than it is: the connection closes early.
    pub fn cut_of(self, length: usize) -> Self {
        self.header("Content-Length", length).without_length()
    }

    /// Says nothing of the body's length.
    pub fn without_length(mut self) -> Self {
        self.has_length = false;
        self
    }

    /// The body in chunks, properly ended.
    pub fn chunked(mut self) -> Self {
        let mut body = format!("{:x}\r\n", self.body.len()).into_bytes();
        body.extend_from_slice(&self.body);
        body.extend_from_slice(b"\r\n0\r\n\r\n");
        self.body = body;
        self.header("Transfer-Encoding", "chunked").without_length()
    }

    /// Keeps the connection open afterwards, and silent.
    pub fn then_hang(mut self) -> Self {
        self.hangs = true;
        self
    }

    fn bytes(mut self) -> Vec<u8> {
        if self.head.is_empty() {
            return Vec::new();
        }
        if self.has_length {
            self = {
                let length = self.body.len();
                self.header("Content-Length", length)
            };
        }
        let mut bytes = self.head.into_bytes();
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

type Handler = dyn Fn(&Seen, usize) -> Reply + Send + Sync;

/// The server; it ends with this value.
pub struct Scripted {
    port: u16,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<()>,
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Scripted {
    /// A server that asks for every reply, with the number of the request, from 0.
    pub async fn start(handler: impl Fn(&Seen, usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let (handler, log): (Arc<Handler>, _) = (Arc::new(handler), Arc::clone(&seen));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&handler), Arc::clone(&log)));
            }
        });
        Self { port, seen, task }
    }

    /// A server that gives these replies in order, and the last one for ever.
    pub async fn replies(replies: Vec<Reply>) -> Self {
        Self::start(move |_, number| replies[number.min(replies.len() - 1)].clone()).await
    }

    /// The URL of a path of it.
    pub fn url(&self, path: &str) -> Url {
        Url::parse(&format!("http://127.0.0.1:{}{path}", self.port)).unwrap()
    }

    /// Its host and port.
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// What it was asked so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// How often it was asked.
    pub fn count(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    /// A client of this server, with a clock that only sleeps move.
    pub fn client(&self) -> (Client, Arc<ManualClock>) {
        self.client_allowing(&[])
    }

    /// A client of it that may call these hosts too, and its clock.
    pub fn client_allowing(&self, hosts: &[String]) -> (Client, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH));
        let policy = HostPolicy::new(&self.url("/"), hosts).unwrap();
        let client = Client::new(policy, &HttpSettings::default(), clock.clone()).unwrap().with_seed(1);
        (client, clock)
    }
}

async fn serve(mut stream: TcpStream, handler: Arc<Handler>, log: Arc<Mutex<Vec<Seen>>>) {
    let Some(seen) = read_request(&mut stream).await else { return };
    let number = {
        let mut log = log.lock().unwrap();
        log.push(seen.clone());
        log.len() - 1
    };
    let reply = handler(&seen, number);
    let hangs = reply.hangs;
    // The client may have gone, as some tests want.
    let _ = stream.write_all(&reply.bytes()).await;
    if hangs {
        std::future::pending::<()>().await;
    }
    let _ = stream.shutdown().await;
}

async fn read_request(stream: &mut TcpStream) -> Option<Seen> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(end) = memchr::memmem::find(&bytes, b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let mut seen =
        Seen { method: first.next()?.to_owned(), target: first.next()?.to_owned(), ..Seen::default() };
    for line in lines {
        let (name, value) = line.split_once(':').unwrap();
        seen.headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length: usize = seen.header("content-length").parse().unwrap_or(0);
    while bytes.len() < head_end + 4 + length {
        stream.read_buf(&mut bytes).await.ok()?;
    }
    seen.body = String::from_utf8(bytes[head_end + 4..].to_vec()).unwrap();
    Some(seen)
}
