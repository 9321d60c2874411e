//! Responses, in the forms that several of the simulated systems have.

use std::io;

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Response};
use futures::{StreamExt as _, stream};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

/// The HTML that an identity provider answers when it wants a person to log in.
pub(crate) const LOGIN_PAGE: &str = "<!DOCTYPE html>\n<html lang=\"en\"><head><title>Sign In</title></head>\
    <body><form method=\"post\" action=\"/oam/server/auth_cred_submit\"><input name=\"username\">\
    <input name=\"password\" type=\"password\"></form></body></html>\n";

/// Where a browser would be sent to log in.
const LOGIN: &str = "https://login.identity.example/ui/v1/signin";

/// Left on an answer by the switch that made it; the journal names it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ByFault(pub(crate) &'static str);

/// Left on an answer that must not be sent: the connection is closed in its place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HangUp;

/// Left on the answer to a submission that was accepted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AcceptedJob(pub(crate) u64);

/// An answer that ends the request before its endpoint has come to the end. Boxed, as errors should be
/// small.
#[derive(Debug)]
pub(crate) struct Rejection(Box<Response>);

impl From<Response> for Rejection {
    fn from(answer: Response) -> Self {
        Self(Box::new(answer))
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        *self.0
    }
}

pub(crate) fn json_body(status: StatusCode, body: &Value) -> Response {
    with_type(status, "application/json", body.to_string())
}

/// An error in the form of RFC 9457, with the additions that Oracle's REST services make to it.
pub(crate) fn problem(status: StatusCode, detail: &str) -> Response {
    let body = json!({
        "type": "about:blank",
        "title": status.canonical_reason().unwrap_or("Error"),
        "status": status.as_u16(),
        "detail": detail,
        "o:errorCode": format!("SBS-{}", status.as_u16()),
    });
    with_type(status, "application/problem+json", body.to_string())
}

pub(crate) fn internal(error: &(dyn std::error::Error + 'static)) -> Response {
    tracing::error!(error, "the simulator itself failed");
    problem(StatusCode::INTERNAL_SERVER_ERROR, "the simulator itself failed; see its log")
}

pub(crate) fn login_page() -> Response {
    with_type(StatusCode::OK, "text/html;charset=UTF-8", LOGIN_PAGE.to_owned())
}

/// What a gateway answers in place of what a call came to: it leads to the page where a person logs in.
pub(crate) fn to_login() -> Response {
    let mut answer = gateway_error(StatusCode::FOUND);
    answer.headers_mut().insert(header::LOCATION, HeaderValue::from_static(LOGIN));
    answer
}

/// What a load balancer says when nobody is behind it.
pub(crate) fn gateway_error(status: StatusCode) -> Response {
    let reason = status.canonical_reason().unwrap_or("Error");
    let page = format!("<html><head><title>{status}</title></head><body><h1>{reason}</h1></body></html>\n");
    with_type(status, "text/html", page)
}

pub(crate) fn too_many_requests(retry_after_seconds: Option<u64>) -> Response {
    let mut answer = problem(StatusCode::TOO_MANY_REQUESTS, "Too many requests.");
    if let Some(seconds) = retry_after_seconds {
        answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    answer
}

pub(crate) fn unauthorized(detail: &str) -> Response {
    let mut answer = problem(StatusCode::UNAUTHORIZED, detail);
    let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
    answer.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    answer
}

/// No answer: the connection is closed.
pub(crate) fn hang_up() -> Response {
    let mut answer = StatusCode::BAD_GATEWAY.into_response();
    answer.extensions_mut().insert(HangUp);
    answer
}

/// A file; if a switch says so, it breaks off in its middle.
pub(crate) fn file(content_type: &'static str, bytes: &Bytes, cut: Option<&'static str>) -> Response {
    let body = if cut.is_some() { first_half(bytes) } else { Body::from(bytes.clone()) };
    let mut answer = Response::new(body);
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(bytes.len()));
    match cut {
        Some(switch) => answer.by(switch),
        None => answer,
    }
}

/// A body that breaks off in its middle.
pub(crate) fn first_half(bytes: &Bytes) -> Body {
    let half = stream::iter([Ok(bytes.slice(..bytes.len() / 2))]);
    Body::from_stream(half.chain(stream::once(break_off())))
}

/// Closes the connection in the middle of a body. The pause lets the bytes before it leave first.
pub(crate) async fn break_off() -> io::Result<Bytes> {
    for _ in 0..16 {
        tokio::task::yield_now().await;
    }
    Err(io::Error::from(io::ErrorKind::ConnectionReset))
}

fn with_type(status: StatusCode, content_type: &'static str, body: String) -> Response {
    let mut answer = Response::new(Body::from(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}

/// Marks an answer with what the journal should know of it.
pub(crate) trait Marked {
    /// The switch that made the answer.
    fn by(self, fault: &'static str) -> Self;
    /// The job that this request created.
    fn accepting(self, job: u64) -> Self;
}

impl Marked for Response {
    fn by(mut self, fault: &'static str) -> Self {
        self.extensions_mut().insert(ByFault(fault));
        self
    }

    fn accepting(mut self, job: u64) -> Self {
        self.extensions_mut().insert(AcceptedJob(job));
        self
    }
}
