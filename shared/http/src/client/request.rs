//! A call to be made: what it carries, when it is made again, whose credentials it takes along.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::BoxStream;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use serde::Serialize;
use url::Url;

use super::answer::Answer;
use super::rate_limiter::RateLimiter;
use crate::auth::Authorizer;
use crate::error::{Exchange, Failure, HttpError};
use crate::redact;
use crate::retry::is_transient;

/// How large an answer may be that is read whole, unless its request says otherwise.
const MAX_ANSWER_BYTES: u64 = 8 * 1024 * 1024;

/// When a call is made again by the client itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RetryMode {
    /// Whenever another try can help: a second one changes nothing more.
    Freely,
    /// Where it was most likely not processed. A second one may do harm, but not much.
    WhenTurnedAway,
    /// Never: a second one must be its caller's decision.
    Never,
}

/// A call to be made.
#[derive(Clone)]
pub struct Request {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    body: Payload,
    pub(super) retry_mode: RetryMode,
    pub(super) patience: Option<Duration>,
    pub(crate) authorizer: Option<Arc<dyn Authorizer>>,
    pub(super) rate_limiter: Option<Arc<dyn RateLimiter>>,
    pub(super) limit: u64,
    /// Whether an answer of success that is no JSON is worth asking again.
    pub(super) reads_json: bool,
    /// Of a call whose refusals are answers like any other: whether one will have passed in a moment.
    pub(super) is_passing: Option<Arc<IsPassing>>,
    /// Whether all of the URL behind its host lets in whoever knows it.
    is_secret: bool,
}

type IsPassing = dyn Fn(&Answer) -> bool + Send + Sync;

/// What a request carries; it can be sent again.
#[derive(Clone)]
enum Payload {
    Nothing,
    Whole(Bytes),
    Streamed(Arc<dyn Fn() -> reqwest::Body + Send + Sync>),
}

impl Payload {
    fn body(&self) -> Option<reqwest::Body> {
        match self {
            Self::Nothing => None,
            Self::Whole(bytes) => Some(bytes.clone().into()),
            Self::Streamed(open) => Some(open()),
        }
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.method, redact::url(&self.shown_url()))
    }
}

impl Request {
    fn new(method: Method, url: Url, retry_mode: RetryMode) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        Self {
            method,
            url,
            headers,
            body: Payload::Nothing,
            retry_mode,
            patience: None,
            authorizer: None,
            rate_limiter: None,
            limit: MAX_ANSWER_BYTES,
            reads_json: false,
            is_passing: None,
            is_secret: false,
        }
    }

    /// A `GET`, which is safe to repeat.
    pub fn get(url: Url) -> Self {
        Self::new(Method::GET, url, RetryMode::Freely)
    }

    /// A call by any method, repeated only where it was turned away unless it is [`idempotent`](Self::idempotent).
    pub fn of(method: Method, url: Url) -> Self {
        Self::new(method, url, RetryMode::WhenTurnedAway)
    }

    /// A `GET` of JSON: an answer of success that is none, as in passing empty ones, cut ones and pages of maintenance or of
    /// a login are, is asked for again before the caller has it.
    pub fn get_json(url: Url) -> Self {
        Self { reads_json: true, ..Self::get(url) }
    }

    /// A `POST` of JSON, which is taken to change something: repeated only where it was turned away (429, 503, no
    /// connection). What must not be done twice even if a 503 lies is [`once`](Self::once).
    pub fn post_json(url: Url, body: &impl Serialize) -> Result<Self, HttpError> {
        let body = serde_json::to_vec(body).map_err(|error| {
            HttpError::new(Exchange::new(&Method::POST, &url), Failure::Unsendable(error.to_string()))
        })?;
        let mut request = Self::new(Method::POST, url, RetryMode::WhenTurnedAway)
            .header(header::CONTENT_TYPE, "application/json");
        request.body = Payload::Whole(body.into());
        Ok(request)
    }

    /// A `POST` of a form, repeated only where it was turned away.
    pub fn post_form(url: Url, fields: &[(&str, &str)]) -> Self {
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let mut request = Self::new(Method::POST, url, RetryMode::WhenTurnedAway)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded;charset=UTF-8");
        request.body = Payload::Whole(form.into());
        request
    }

    /// A `POST` of bytes, not repeated unless it was certainly not processed.
    pub fn post_bytes(url: Url, bytes: Bytes) -> Self {
        let mut request = Self::new(Method::POST, url, RetryMode::WhenTurnedAway)
            .header(header::CONTENT_TYPE, "application/octet-stream");
        request.body = Payload::Whole(bytes);
        request
    }

    /// A `POST` of so many bytes as they are read, from a stream that is opened anew for each try.
    pub fn post_stream(
        url: Url,
        length: u64,
        open: impl Fn() -> BoxStream<'static, std::io::Result<Bytes>> + Send + Sync + 'static,
    ) -> Self {
        let mut request = Self::new(Method::POST, url, RetryMode::WhenTurnedAway)
            .header(header::CONTENT_TYPE, "application/octet-stream");
        request.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        request.body = Payload::Streamed(Arc::new(move || reqwest::Body::wrap_stream(open())));
        request
    }

    /// The same call, with a header of its own.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: &'static str) -> Self {
        self.headers.insert(name, HeaderValue::from_static(value));
        self
    }

    /// The same call, with a header whose value is made on the spot.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// The same call, carrying these bytes; that there are none is said, too, as servers want a length of every `PUT`.
    #[must_use]
    pub fn carrying(mut self, bytes: Bytes) -> Self {
        self.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes.len()));
        self.body = Payload::Whole(bytes);
        self
    }

    /// The same call, whose refusals are answers for its caller to read like any other. One that will have passed in a
    /// moment is asked for again. A 401, and what is transient by its status alone, stay failures.
    #[must_use]
    pub fn taking_refusals(mut self, is_passing: impl Fn(&Answer) -> bool + Send + Sync + 'static) -> Self {
        self.is_passing = Some(Arc::new(is_passing));
        self
    }

    /// The same call, with a header that is kept out of every log.
    #[must_use]
    pub fn secret_header(mut self, name: HeaderName, mut value: HeaderValue) -> Self {
        value.set_sensitive(true);
        self.headers.insert(name, value);
        self
    }

    /// The same call, whose URL lets in whoever knows it, as a webhook's does: of it, only the server is ever shown.
    #[must_use]
    pub fn to_secret_url(mut self) -> Self {
        self.is_secret = true;
        self
    }

    /// The call's URL, as far as it may be shown.
    pub(super) fn shown_url(&self) -> Cow<'_, Url> {
        match self.is_secret {
            true => Cow::Owned(self.url.join("/").unwrap_or_else(|_| self.url.clone())),
            false => Cow::Borrowed(&self.url),
        }
    }

    /// The same call, with credentials for those hosts that they are for.
    #[must_use]
    pub fn authorized_by(mut self, authorizer: Arc<dyn Authorizer>) -> Self {
        self.authorizer = Some(authorizer);
        self
    }

    /// The same call, each try of which a rate limiter lets go first. What it waits there is no part of the try's time.
    #[must_use]
    pub fn through(mut self, rate_limiter: Arc<dyn RateLimiter>) -> Self {
        self.rate_limiter = Some(rate_limiter);
        self
    }

    /// The same call, declared safe to repeat.
    #[must_use]
    pub fn idempotent(mut self) -> Self {
        self.retry_mode = RetryMode::Freely;
        self
    }

    /// The same call, whose answer is JSON: one that is none is asked for again, as that of [`get_json`](Self::get_json).
    #[must_use]
    pub fn reading_json(mut self) -> Self {
        self.reads_json = true;
        self
    }

    /// The same call, made once: whatever becomes of it is told to the caller. Only a 401 has it sent again, with a
    /// token that is renewed: a call that was not let in has done nothing.
    #[must_use]
    pub fn once(mut self) -> Self {
        self.retry_mode = RetryMode::Never;
        self
    }

    /// The same call, given up after this long instead of the client's usual time.
    #[must_use]
    pub fn within(mut self, patience: Duration) -> Self {
        self.patience = Some(patience);
        self
    }

    /// The same call, with an answer of at most this many bytes.
    #[must_use]
    pub fn at_most(mut self, bytes: u64) -> Self {
        self.limit = bytes;
        self
    }

    /// Whether the caller reads an answer of this status that is no success.
    pub(super) fn takes_refusal(&self, status: StatusCode) -> bool {
        self.is_passing.is_some() && !is_transient(status) && status != StatusCode::UNAUTHORIZED
    }

    pub(super) fn is_reading(&self) -> bool {
        self.method.is_safe()
    }

    pub(super) fn at(&self, url: &Url) -> reqwest::Request {
        let mut request = reqwest::Request::new(self.method.clone(), url.clone());
        *request.headers_mut() = self.headers.clone();
        *request.body_mut() = self.body.body();
        request
    }
}
