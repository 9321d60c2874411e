//! The edge to whoever calls by HTTP: an event posted to a function's path, its result or a named error as the answer.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{
    ALLOW, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use landfall::event::MAX_EVENT;
use landfall::{Error, ErrorType, Result};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;

use crate::invocation::failure;

/// How long nobody is let in after somebody could not be, for lack of a file descriptor, say.
const BREATH: Duration = Duration::from_millis(100);

/// When the invocation has to have ended: Fn's header, which anybody may send.
const DEADLINE: &str = "fn-deadline";

/// The variable that holds what callers from elsewhere have to know.
const SECRET: &str = "LANDFALL_SERVE_SECRET";

/// Listens at an address, for those who know the secret that the environment has: nobody else, unless only this machine
/// can call.
///
/// # Errors
/// `InvalidConfig`: others could call, and no secret is set; or nothing can listen there.
pub async fn listen(address: SocketAddr) -> Result<(TcpListener, Option<SecretString>)> {
    let secret = std::env::var(SECRET).ok().filter(|secret| !secret.is_empty());
    if secret.is_none() && !address.ip().is_loopback() {
        return Err(Error::invalid_config(format!(
            "other machines can call {address}: set {SECRET}, which callers send as Authorization: Bearer, or listen on \
             127.0.0.1"
        )));
    }
    let listener = TcpListener::bind(address).await.map_err(|error| {
        Error::invalid_config(format!("nothing can listen on {address}: choose another address"))
            .because(error)
    })?;
    Ok((listener, secret.map(SecretString::from)))
}

/// What is called when an event is posted: by the path's name, the event, and when it has to have ended. None where
/// there is no such function.
pub trait Call: AsyncFn(&str, Value, Option<Timestamp>) -> Option<Result<Value>> {}

impl<Of: AsyncFn(&str, Value, Option<Timestamp>) -> Option<Result<Value>>> Call for Of {}

/// Serves functions at `POST /<name>`, to whoever knows the secret, if there is one.
///
/// A result is answered as JSON under 200. A failure is `{"errorType", "errorMessage", "retryable", "wait_seconds"}`
/// under 400 (the event cannot be), 429 or 503 (calling again can help, after `Retry-After`) or 422 (it cannot).
pub async fn serve(listener: TcpListener, secret: Option<SecretString>, call: impl Call) -> Infallible {
    let accept = async || listener.accept().await.map(|(stream, _)| stream);
    let answer = async |request: Request<Incoming>| {
        let answered = match may_call(request.headers(), secret.as_ref()) {
            true => answered(request, &call).await,
            false => Answered::stranger(),
        };
        answered.response()
    };
    accept_all(accept, answer).await
}

fn may_call(headers: &HeaderMap, secret: Option<&SecretString>) -> bool {
    let Some(secret) = secret else { return true };
    let sent = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
    let sent = sent.and_then(|sent| sent.strip_prefix(b"Bearer "));
    // Compared by digests: how long that takes says nothing of the secret.
    sent.is_some_and(|sent| Sha256::digest(sent) == Sha256::digest(secret.expose_secret().as_bytes()))
}

/// Lets everybody in, side by side, for as long as this is polled.
pub(crate) async fn accept_all<Stream: AsyncRead + AsyncWrite + Unpin>(
    accept: impl AsyncFn() -> io::Result<Stream>,
    answer: impl AsyncFn(Request<Incoming>) -> Response<Full<Bytes>>,
) -> Infallible {
    let answer = &answer;
    let mut connections = FuturesUnordered::new();
    loop {
        tokio::select! {
            accepted = accept() => match accepted {
                Ok(stream) => {
                    let service = service_fn(async move |request| Ok::<_, Infallible>(answer(request).await));
                    let mut connection = hyper::server::conn::http1::Builder::new();
                    // What a caller has begun comes to its end without it: a submission that were dropped would leave
                    // its run claimed for as long as a lease.
                    connection.half_close(true);
                    connections.push(connection.serve_connection(TokioIo::new(stream), service));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(BREATH).await;
                }
            },
            Some(ended) = connections.next(), if !connections.is_empty() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a caller has gone");
                }
            }
        }
    }
}

/// What a call came to.
pub(crate) struct Answered {
    pub(crate) status: StatusCode,
    wait_seconds: Option<u64>,
    body: Value,
}

/// Calls the function that a request names.
pub(crate) async fn answered(request: Request<Incoming>, call: &impl Call) -> Answered {
    if request.method() != Method::POST {
        return Answered::refusal(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", "an event is posted");
    }
    let ends_at = match ends_at(request.headers()) {
        Ok(ends_at) => ends_at,
        Err(error) => return Answered::failure(&error),
    };
    let name = request.uri().path().trim_matches('/').to_owned();
    let event = match event(request.into_body()).await {
        Ok(event) => event,
        Err(error) => return Answered::failure(&error),
    };
    match call(&name, event, ends_at).await {
        Some(Ok(body)) => Answered { status: StatusCode::OK, wait_seconds: None, body },
        Some(Err(error)) => Answered::failure(&error),
        None => {
            let message = format!("there is no function /{name}");
            Answered::refusal(StatusCode::NOT_FOUND, "NoSuchFunction", &message)
        }
    }
}

fn ends_at(headers: &HeaderMap) -> Result<Option<Timestamp>> {
    let Some(deadline) = headers.get(DEADLINE) else { return Ok(None) };
    let moment = deadline.to_str().ok().and_then(|deadline| deadline.parse().ok());
    let odd = || Error::invalid_event(format!("Fn-Deadline is {deadline:?}, which is no moment of RFC 3339"));
    moment.map(Some).ok_or_else(odd)
}

async fn event(body: Incoming) -> Result<Value> {
    let body = Limited::new(body, MAX_EVENT).collect().await.map_err(|error| {
        match error.downcast::<LengthLimitError>() {
            Ok(_) => Error::invalid_event(format!("the event is larger than {MAX_EVENT} bytes")),
            Err(error) => Error::invalid_event(format!("the event did not arrive whole: {error}")),
        }
    })?;
    serde_json::from_slice(&body.to_bytes())
        .map_err(|error| Error::invalid_event("the event is not JSON").because(error))
}

impl Answered {
    fn failure(error: &Error) -> Self {
        let status = match error.error_type() {
            ErrorType::InvalidEvent => StatusCode::BAD_REQUEST,
            ErrorType::Throttled => StatusCode::TOO_MANY_REQUESTS,
            name if name.retryable() => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        };
        Self { status, wait_seconds: error.wait_seconds(), body: failure(error) }
    }

    fn refusal(status: StatusCode, name: &str, message: &str) -> Self {
        let body = json!({ "errorType": name, "errorMessage": message, "retryable": false });
        Self { status, wait_seconds: None, body }
    }

    fn stranger() -> Self {
        Self::refusal(
            StatusCode::UNAUTHORIZED,
            "Unauthorized",
            "the secret is missing or wrong: it is sent as Authorization: Bearer SECRET",
        )
    }

    /// The answer as HTTP has it.
    pub(crate) fn response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.body.to_string().into()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        match self.status {
            StatusCode::METHOD_NOT_ALLOWED => headers.insert(ALLOW, HeaderValue::from_static("POST")),
            StatusCode::UNAUTHORIZED => headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
            _ => self.wait_seconds.and_then(|seconds| headers.insert(RETRY_AFTER, seconds.into())),
        };
        response
    }
}
