//! A bare HTTP client: one connection at a time, nothing but the requests.

use std::path::Path;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::net::TcpStream;

use crate::failure::{Failure, Result, While as _};
use crate::sink::Counts;

/// A connection.
#[derive(Debug)]
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
}

impl Connection {
    /// Opens one.
    pub(crate) async fn open(port: u16) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.while_doing("connecting to the sink")?;
        stream.set_nodelay(true).while_doing("connecting to the sink")?;
        let (sender, connection) =
            handshake(TokioIo::new(stream)).await.while_doing("connecting to the sink")?;
        // How it ends, the request on it is told.
        tokio::spawn(async move { connection.await.ok() });
        Ok(Self { sender })
    }

    /// Sends a request, and hands on the bytes of its answer as they come.
    pub(crate) async fn send(
        &mut self,
        method: Method,
        path: &str,
        range: Option<String>,
        body: Bytes,
        mut take: impl FnMut(Bytes),
    ) -> Result<()> {
        let doing = format!("{method} {path}");
        let mut request = Request::builder().method(method).uri(path).header("host", "127.0.0.1");
        if let Some(range) = range {
            request = request.header("range", range);
        }
        let request = request.body(Full::new(body)).while_doing(&doing)?;
        self.sender.ready().await.while_doing(&doing)?;
        let answer = self.sender.send_request(request).await.while_doing(&doing)?;
        let status = answer.status();
        let mut body = answer.into_body();
        while let Some(frame) = body.frame().await {
            if let Ok(bytes) = frame.while_doing(&doing)?.into_data() {
                take(bytes);
            }
        }
        match status.is_success() {
            true => Ok(()),
            false => Err(Failure::new(format!("{doing} was answered with {status}"))),
        }
    }
}

/// Empties the sink.
pub(crate) async fn reset(port: u16) -> Result<()> {
    Connection::open(port).await?.send(Method::POST, "/-/reset", None, Bytes::new(), |_| ()).await
}

/// Has the sink serve a file as an object.
pub(crate) async fn mount(port: u16, bucket: &str, key: &str, file: &Path) -> Result<()> {
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let path = encoded(&file.display().to_string());
    let command = format!("/-/mount?bucket={}&key={}&path={path}", encoded(bucket), encoded(key));
    Connection::open(port).await?.send(Method::POST, &command, None, Bytes::new(), |_| ()).await
}

/// What was asked of the sink since it was emptied.
pub(crate) async fn counts(port: u16) -> Result<Counts> {
    let mut text = Vec::new();
    let mut connection = Connection::open(port).await?;
    let take = |bytes: Bytes| text.extend_from_slice(&bytes);
    connection.send(Method::GET, "/-/counts", None, Bytes::new(), take).await?;
    serde_json::from_slice(&text).while_doing("reading the sink's counts")
}
