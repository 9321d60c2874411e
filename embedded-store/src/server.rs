//! Serving a store over HTTP, on this machine only.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::stream::{ByteStream, DynByteStream};
use s3s::{Body, S3Error, S3ErrorCode, StdError};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::intercept::{After, Before, Call, Counts, Intercept};
use crate::native::{Native, Target};
use crate::service::Service;
use crate::uploads::MIN_PART_SIZE;
use crate::{EmbeddedStore, Error, oci};

/// How long to wait when no connection can be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The key pair that requests must be signed with.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The access key id.
    pub access_key_id: String,
    /// The secret access key.
    pub secret_access_key: SecretString,
}

impl Credentials {
    /// A new key pair that nobody can guess.
    #[must_use]
    pub fn random() -> Self {
        let secret = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        Self { access_key_id: Uuid::new_v4().simple().to_string(), secret_access_key: secret.into() }
    }
}

/// A store that is being served. Dropping it stops the serving without waiting for requests to finish.
#[derive(Debug)]
pub struct Handle {
    address: SocketAddr,
    counts: Arc<Counts>,
    tasks: TaskTracker,
    stop: DropGuard,
}

impl Handle {
    /// Where the store is served, such as `http://127.0.0.1:9000`. Clients address buckets by path.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many requests there were so far, by operation: `PutObject` and so on, and `Other`.
    #[must_use]
    pub fn requests(&self) -> BTreeMap<&'static str, u64> {
        self.counts.get()
    }

    /// Takes no more requests, and waits until those that are being handled are answered.
    pub async fn shutdown(self) {
        let Self { tasks, stop, .. } = self;
        drop(stop);
        tasks.close();
        tasks.wait().await;
    }
}

impl EmbeddedStore {
    /// Serves the store on 127.0.0.1, at `port` or, if that is 0, at any free one. Requests must be signed
    /// (Signature Version 4, any region) with `credentials`. Call it from within a Tokio runtime.
    ///
    /// # Errors
    /// [`Error::Listen`].
    pub async fn serve(&self, port: u16, credentials: &Credentials) -> Result<Handle, Error> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let listen_error = |source| Error::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listen_error)?;
        let address = listener.local_addr().map_err(listen_error)?;
        let stop = CancellationToken::new();
        let tasks = TaskTracker::new();
        let counts = Arc::new(Counts::default());
        let server = Arc::new(Server {
            s3: s3_service(self, credentials),
            native: self.native.clone().map(|access| {
                let (store, now) = (Arc::clone(&self.store), Arc::clone(&self.now));
                Native { store, access, now }
            }),
            intercept: self.intercept.clone(),
            oci: self.oci.clone(),
            counts: Arc::clone(&counts),
        });
        tasks.spawn(accept(listener, server, tasks.clone(), stop.clone()));
        Ok(Handle { address, counts, tasks, stop: stop.drop_guard() })
    }
}

fn s3_service(served: &EmbeddedStore, credentials: &Credentials) -> S3Service {
    let min_part_bytes = match served.oci {
        Some(_) => oci::MIN_PART_BYTES,
        None => MIN_PART_SIZE,
    };
    let service = Service { store: Arc::clone(&served.store), min_part_bytes };
    let mut builder = S3ServiceBuilder::new(service);
    let secret = credentials.secret_access_key.expose_secret();
    builder.set_auth(SimpleAuth::from_single(credentials.access_key_id.as_str(), secret));
    builder.build()
}

struct Server {
    s3: S3Service,
    native: Option<Native>,
    intercept: Option<Arc<dyn Intercept>>,
    oci: Option<oci::Strict>,
    counts: Arc<Counts>,
}

/// The connection is closed without an answer.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error("the connection is dropped as a test asks for")]
    Intercepted,
    #[error("the request could not be handled")]
    Service(#[source] StdError),
}

/// The transfer ends here, as a test asks for.
#[derive(Debug, thiserror::Error)]
#[error("the transfer is cut as a test asks for")]
struct Cut;

async fn accept(listener: TcpListener, server: Arc<Server>, tasks: TaskTracker, stop: CancellationToken) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        match accepted {
            Ok((stream, _)) => {
                tasks.spawn(connection(stream, Arc::clone(&server), stop.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                // Out of file descriptors, most likely: others have to close theirs first.
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, server: Arc<Server>, stop: CancellationToken) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
    let service = service_fn(move |request| {
        let server = Arc::clone(&server);
        async move { server.handle(request).await }
    });
    let serving = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let mut serving = pin!(serving);
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = stop.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error = %error, "a connection broke off");
    }
}

impl Server {
    async fn handle(&self, request: Request<Incoming>) -> Result<Response<Body>, Lost> {
        let call = self.counts.add(request.method(), request.uri(), request.headers());
        let is_native = Target::is_native(request.uri());
        let strict = self.oci.as_ref().filter(|_| !is_native);
        if let Some(refusal) = strict.and_then(|oci| oci.refusal(&call, request.headers())) {
            read_to_end(request.into_body()).await;
            return refusal.to_http_response().map_err(|error| Lost::Service(Box::new(error)));
        }
        let sequence = call.sequence;
        let Some(intercept) = &self.intercept else {
            return self.call(request.map(Body::from), sequence).await;
        };
        let request = match intercept.before(&call) {
            Before::Proceed => request.map(Body::from),
            Before::Drop => return Err(Lost::Intercepted),
            Before::Answer(status) => {
                read_to_end(request.into_body()).await;
                return answer(status);
            }
            Before::CutRequest(bytes) => {
                // Whatever comes of it, it is not answered: the connection is gone.
                let _ = self.call(request.map(|body| cut(Body::from(body), bytes)), sequence).await;
                return Err(Lost::Intercepted);
            }
        };
        let response = self.call(request, sequence).await?;
        self.after(intercept.as_ref(), &call, response)
    }

    fn after(
        &self,
        intercept: &dyn Intercept,
        call: &Call,
        response: Response<Body>,
    ) -> Result<Response<Body>, Lost> {
        match intercept.after(call, response.status()) {
            After::Proceed => Ok(response),
            After::Answer(status) => answer(status),
            After::Drop => Err(Lost::Intercepted),
            After::CutAnswer(bytes) => Ok(response.map(|body| cut(body, bytes))),
        }
    }

    async fn call(&self, request: Request<Body>, sequence: u64) -> Result<Response<Body>, Lost> {
        if let Some(native) = self.native.as_ref().filter(|_| Target::is_native(request.uri())) {
            return Ok(native.handle(request, sequence).await);
        }
        self.s3.call(request).await.map_err(|error| Lost::Service(error.into()))
    }
}

/// Reads what the client still sends: answered before that, it may see a broken connection instead.
async fn read_to_end(body: Incoming) {
    let mut body = Body::from(body);
    while let Some(Ok(_)) = body.next().await {}
}

fn answer(status: StatusCode) -> Result<Response<Body>, Lost> {
    let code = match status {
        StatusCode::SERVICE_UNAVAILABLE => S3ErrorCode::SlowDown,
        StatusCode::INTERNAL_SERVER_ERROR => S3ErrorCode::InternalError,
        _ => S3ErrorCode::Custom(status.as_str().into()),
    };
    let mut error = S3Error::with_message(code, "answered as a test asks for");
    error.set_status_code(status);
    error.to_http_response().map_err(|error| Lost::Service(Box::new(error)))
}

fn cut(body: Body, bytes: u64) -> Body {
    let stream: DynByteStream = Box::pin(CutBody { body, left: bytes, flushed: false });
    Body::from(stream)
}

/// A body that fails after some bytes.
struct CutBody {
    body: Body,
    left: u64,
    /// Whether the connection had a chance to send what came before the failure, which it drops otherwise.
    flushed: bool,
}

impl Stream for CutBody {
    type Item = Result<Bytes, StdError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.left == 0 && !self.flushed {
            self.flushed = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.left == 0 {
            return Poll::Ready(Some(Err(Box::new(Cut))));
        }
        self.body.poll_next_unpin(context).map_ok(|mut data| {
            let kept = usize::try_from(self.left).unwrap_or(usize::MAX).min(data.len());
            data.truncate(kept);
            self.left -= u64::try_from(kept).unwrap_or(self.left);
            data
        })
    }
}

impl ByteStream for CutBody {}

impl fmt::Debug for Server {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Server").finish_non_exhaustive()
    }
}
