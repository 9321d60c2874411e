//! Calls whose answer is read whole, and what they share with downloads: sending, redirects, retries.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::stream::BoxStream;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

use super::auth::{Authorizer, Credential};
use super::error::{Exchange, Failure, HttpError, RedirectRefused};
use super::policy::{GuardedResolver, HostPolicy, HostRefused};
use super::redact::{self, Redactor};
use super::retry::{self, Budget, RetrySettings};
use crate::clock::Clock;
use crate::error::BoxError;
use crate::settings::{HttpSettings, Proxy};

/// How many redirects are followed.
const MOST_REDIRECTS: usize = 5;
/// How large the headers of an answer may be.
const MOST_HEADER_BYTES: usize = 64 * 1024;
/// How large an answer may be that is read whole, unless its request says otherwise.
const MOST_ANSWER_BYTES: u64 = 8 * 1024 * 1024;
/// How much of an error's body is read.
const MOST_PROBLEM_BYTES: u64 = 64 * 1024;
/// The longest that a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Servers and balancers drop idle connections at 60 s and later: ours must be gone before.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// What puts a request on the wire. Tests wrap it to cut a run at any call.
#[async_trait]
pub trait Transport: Send + Sync + fmt::Debug {
    /// Sends a request and returns the answer's head, with a body to be read.
    async fn execute(&self, request: reqwest::Request) -> Result<reqwest::Response, reqwest::Error>;
}

#[async_trait]
impl Transport for reqwest::Client {
    async fn execute(&self, request: reqwest::Request) -> Result<reqwest::Response, reqwest::Error> {
        reqwest::Client::execute(self, request).await
    }
}

/// When a call is made again by the client itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Repeats {
    /// Whenever another try can help: a second one changes nothing more.
    Freely,
    /// Where it was most likely not processed. A second one may do harm, but not much.
    WhenTurnedAway,
    /// Never: a second one must be its caller's decision.
    Never,
}

/// Decides when a request may leave: a limit that its server or its owner has set for all callers together.
#[async_trait]
pub trait Gate: Send + Sync + fmt::Debug {
    /// Returns once one request may leave, or says why none may.
    async fn pass(&self) -> Result<(), BoxError>;
}

/// A call to be made.
#[derive(Clone)]
pub struct Request {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    body: Payload,
    repeats: Repeats,
    patience: Option<Duration>,
    pub(super) authorizer: Option<Arc<dyn Authorizer>>,
    gate: Option<Arc<dyn Gate>>,
    limit: u64,
}

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
        write!(formatter, "{} {}", self.method, redact::url(&self.url))
    }
}

impl Request {
    fn new(method: Method, url: Url, repeats: Repeats) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        Self {
            method,
            url,
            headers,
            body: Payload::Nothing,
            repeats,
            patience: None,
            authorizer: None,
            gate: None,
            limit: MOST_ANSWER_BYTES,
        }
    }

    /// A `GET`, which is safe to repeat.
    pub fn get(url: Url) -> Self {
        Self::new(Method::GET, url, Repeats::Freely)
    }

    /// A `POST` of JSON, which is taken to change something: repeated only where it was turned away (429, 503, no
    /// connection). What must not be done twice even if a 503 lies is [`once`](Self::once).
    pub fn post_json(url: Url, body: &impl Serialize) -> Result<Self, HttpError> {
        let body = serde_json::to_vec(body).map_err(|error| {
            HttpError::new(Exchange::new(&Method::POST, &url), Failure::Unsendable(error.to_string()))
        })?;
        let mut request = Self::new(Method::POST, url, Repeats::WhenTurnedAway)
            .header(header::CONTENT_TYPE, "application/json");
        request.body = Payload::Whole(body.into());
        Ok(request)
    }

    /// A `POST` of a form, repeated only where it was turned away.
    pub fn post_form(url: Url, fields: &[(&str, &str)]) -> Self {
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let mut request = Self::new(Method::POST, url, Repeats::WhenTurnedAway)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded;charset=UTF-8");
        request.body = Payload::Whole(form.into());
        request
    }

    /// A `POST` of bytes, not repeated unless it was certainly not processed.
    pub fn post_bytes(url: Url, bytes: Bytes) -> Self {
        let mut request = Self::new(Method::POST, url, Repeats::WhenTurnedAway)
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
        let mut request = Self::new(Method::POST, url, Repeats::WhenTurnedAway)
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

    /// The same call, with a header that is kept out of every log.
    #[must_use]
    pub fn secret_header(mut self, name: HeaderName, mut value: HeaderValue) -> Self {
        value.set_sensitive(true);
        self.headers.insert(name, value);
        self
    }

    /// The same call, with credentials for those hosts that they are for.
    #[must_use]
    pub fn authorized_by(mut self, authorizer: Arc<dyn Authorizer>) -> Self {
        self.authorizer = Some(authorizer);
        self
    }

    /// The same call, each try of which passes a gate first. What it waits there is no part of the try's time.
    #[must_use]
    pub fn through(mut self, gate: Arc<dyn Gate>) -> Self {
        self.gate = Some(gate);
        self
    }

    /// The same call, declared safe to repeat.
    #[must_use]
    pub fn idempotent(mut self) -> Self {
        self.repeats = Repeats::Freely;
        self
    }

    /// The same call, made once: whatever becomes of it is told to the caller. Only a 401 has it sent again, with a
    /// token that is renewed: a call that was not let in has done nothing.
    #[must_use]
    pub fn once(mut self) -> Self {
        self.repeats = Repeats::Never;
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

    fn is_reading(&self) -> bool {
        self.method.is_safe()
    }

    fn at(&self, url: &Url) -> reqwest::Request {
        let mut request = reqwest::Request::new(self.method.clone(), url.clone());
        *request.headers_mut() = self.headers.clone();
        *request.body_mut() = self.body.body();
        request
    }
}

/// An answer of success, read whole.
#[derive(Clone)]
pub struct Answer {
    exchange: Exchange,
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    redactor: Redactor,
}

impl fmt::Debug for Answer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} to {} ({} bytes)", self.status, self.exchange, self.body.len())
    }
}

impl Answer {
    /// The body as what it should be. A web page, another type, a missing field are errors that say so.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, HttpError> {
        self.parse().map_err(|failure| HttpError::new(self.exchange.clone(), failure))
    }

    fn parse<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        let kind = media_type(&self.headers);
        if is_page_type(kind.as_deref()) || redact::looks_like_a_page(&self.body) {
            return Err(Failure::WebPage { wanted: "JSON" });
        }
        match kind {
            // A type that is missing is not one that is wrong.
            None => {}
            Some(kind) if kind == "application/json" || kind == "text/json" || kind.ends_with("+json") => {}
            Some(kind) => return Err(Failure::NotJson(self.redactor.text(&kind))),
        }
        let mut deserializer = serde_json::Deserializer::from_slice(&self.body);
        let value = serde_path_to_error::deserialize(&mut deserializer)
            .map_err(|error| self.misfit(&error.path().to_string(), &error.into_inner().to_string()))?;
        deserializer.end().map_err(|error| self.misfit(".", &error.to_string()))?;
        Ok(value)
    }

    /// When it was made, by the server's clock, where it says so.
    pub fn told_time(&self) -> Option<Timestamp> {
        told_time(&self.headers)
    }

    /// An error about this answer: it has another form than it should.
    pub fn malformed(&self, field: &str, reason: &str) -> HttpError {
        HttpError::new(self.exchange.clone(), self.misfit(field, reason))
    }

    /// The path holds names that the server chose: they are its words as much as the reason is.
    fn misfit(&self, field: &str, reason: &str) -> Failure {
        Failure::Malformed { field: self.redactor.text(field), reason: self.redactor.text(reason) }
    }
}

/// When an answer was made, by the server's clock (RFC 9110, 6.6.1).
fn told_time(headers: &HeaderMap) -> Option<Timestamp> {
    let told = headers.get(header::DATE)?.to_str().ok()?;
    jiff::fmt::rfc2822::parse(told).ok().map(|told| told.timestamp())
}

/// The type of a body without its parameters, in lower case.
pub(super) fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = String::from_utf8_lossy(headers.get(header::CONTENT_TYPE)?.as_bytes()).into_owned();
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    (!essence.is_empty()).then_some(essence)
}

pub(super) fn is_page_type(kind: Option<&str>) -> bool {
    matches!(kind, Some("text/html" | "application/xhtml+xml"))
}

/// What became of a call's credentials so far.
#[derive(Debug, Default)]
pub(super) struct Login {
    used: Option<Credential>,
    is_renewed: bool,
}

/// The client of one connection. Clones share its connections, its policy and what it redacts.
#[derive(Debug, Clone)]
pub struct Client {
    transport: Arc<dyn Transport>,
    policy: HostPolicy,
    retry: RetrySettings,
    pub(super) timeout: Duration,
    pub(super) clock: Arc<dyn Clock>,
    redactor: Redactor,
    jitter: Arc<Mutex<fastrand::Rng>>,
    told: Arc<Mutex<Option<Timestamp>>>,
}

impl Client {
    /// A client that calls what the policy allows, as patiently as the settings say.
    pub fn new(
        policy: HostPolicy,
        settings: &HttpSettings,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, reqwest::Error> {
        let timeout = Duration::from_secs(settings.timeout_seconds.max(1));
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("landfall/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .connect_timeout(CONNECT_TIMEOUT.min(timeout))
            .pool_idle_timeout(IDLE_TIMEOUT)
            .dns_resolver(GuardedResolver(policy.clone()));
        // A proxy looks names up itself, where the guard of addresses does not see what they lead to.
        if policy.is_local() || settings.proxy == Proxy::None {
            builder = builder.no_proxy();
        }
        Ok(Self {
            transport: Arc::new(builder.build()?),
            policy,
            retry: settings.into(),
            timeout,
            clock,
            redactor: Redactor::default(),
            jitter: Arc::new(Mutex::new(fastrand::Rng::new())),
            told: Arc::default(),
        })
    }

    /// The same client, with delays that repeat.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.jitter = Arc::new(Mutex::new(fastrand::Rng::with_seed(seed)));
        self
    }

    /// The same client for other servers of the same system: it shares what is kept out of texts, and the time told.
    #[must_use]
    pub fn beside(mut self, other: &Self) -> Self {
        self.redactor = other.redactor.clone();
        self.told = Arc::clone(&other.told);
        self
    }

    /// The time by the server's clock in the last answer that told it, be it a refusal.
    pub fn told_time(&self) -> Option<Timestamp> {
        *self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same client, sending through something of a test's own.
    #[must_use]
    pub fn wrapped(mut self, wrap: impl FnOnce(Arc<dyn Transport>) -> Arc<dyn Transport>) -> Self {
        self.transport = wrap(self.transport);
        self
    }

    /// The same client, less patient: the settings know only whole seconds.
    #[cfg(test)]
    #[must_use]
    pub(crate) fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The time by the client's clock.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// What this client keeps out of texts.
    pub fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// Which hosts this client calls.
    pub fn policy(&self) -> &HostPolicy {
        &self.policy
    }

    /// Makes a call, again where that is safe and makes sense, and returns its answer of success.
    ///
    /// How far that goes is said by the request; where it is not known whether a call was processed,
    /// [`HttpError::outcome_is_unknown`] says so.
    pub async fn call(&self, request: &Request) -> Result<Answer, HttpError> {
        let mut budget = self.budget();
        let mut login = Login::default();
        loop {
            if let Some(gate) = &request.gate {
                gate.pass().await.map_err(|held| {
                    HttpError::new(self.exchange(request, &budget), Failure::HeldBack(held))
                })?;
            }
            match self.attempt(request, &mut login).await {
                Ok((response, body)) => {
                    let exchange = self.exchange(request, &budget);
                    let (status, headers) = (response.status, response.headers);
                    return Ok(Answer { exchange, status, headers, body, redactor: self.redactor.clone() });
                }
                Err(failure) => self.recover(request, failure, &mut budget, &mut login).await?,
            }
        }
    }

    /// Makes a call and reads its answer as JSON.
    pub async fn json<T: DeserializeOwned>(&self, request: &Request) -> Result<T, HttpError> {
        self.call(request).await?.json()
    }

    async fn attempt(&self, request: &Request, login: &mut Login) -> Result<(Head, Bytes), Failure> {
        let whole = async {
            let response = self.send(request, login).await?;
            if !response.status().is_success() {
                return Err(self.status_failure(response).await);
            }
            let head = Head { status: response.status(), headers: response.headers().clone() };
            Ok((head, read_whole(response, request.limit).await?))
        };
        let patience = request.patience.unwrap_or(self.timeout);
        tokio::time::timeout(patience, whole).await.unwrap_or(Err(Failure::TimedOut(patience)))
    }

    /// Sends a request, following redirects where the policy allows it, and returns the last answer's head.
    pub(super) async fn send(
        &self,
        request: &Request,
        login: &mut Login,
    ) -> Result<reqwest::Response, Failure> {
        self.policy.check(&request.url).map_err(Failure::Refused)?;
        let mut url = request.url.clone();
        let mut is_trusted = true;
        for _ in 0..=MOST_REDIRECTS {
            self.redactor.remember_link(&url);
            let mut hop = request.at(&url);
            if is_trusted {
                authorize(request, &mut hop, login).await?;
            } else {
                strip_secrets(hop.headers_mut());
            }
            let response = self.transport.execute(hop).await.map_err(transport_failure)?;
            check_headers(response.headers())?;
            if let Some(told) = told_time(response.headers()) {
                *self.told.lock().unwrap_or_else(PoisonError::into_inner) = Some(told);
            }
            if !is_redirect(response.status()) {
                return Ok(response);
            }
            let next = self.redirected(request, &url, response.headers()).map_err(Failure::Redirect)?;
            is_trusted &= next.origin() == url.origin();
            url = next;
        }
        Err(Failure::Redirect(RedirectRefused::TooMany(MOST_REDIRECTS)))
    }

    fn redirected(&self, request: &Request, from: &Url, headers: &HeaderMap) -> Result<Url, RedirectRefused> {
        let location = headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
        let next =
            location.and_then(|location| from.join(location).ok()).ok_or(RedirectRefused::NoLocation)?;
        if !request.is_reading() {
            return Err(RedirectRefused::NotReading(self.redactor.text(&redact::url(&next))));
        }
        if from.scheme() == "https" && next.scheme() != "https" {
            return Err(RedirectRefused::Downgrade(self.redactor.text(&redact::url(&next))));
        }
        self.policy.check(&next)?;
        Ok(next)
    }

    /// What an answer that is no success says.
    pub(super) async fn status_failure(&self, response: reqwest::Response) -> Failure {
        let status = response.status();
        let retry_after = retry::retry_after(response.headers(), self.clock.now());
        let problem = match read_whole(response, MOST_PROBLEM_BYTES).await {
            Ok(body) => self.redactor.problem(&body),
            // The status says enough.
            Err(_) => None,
        };
        Failure::Status { status, problem, retry_after }
    }

    pub(super) fn budget(&self) -> Budget {
        Budget::new(self.retry, self.clock.now())
    }

    pub(super) fn exchange(&self, request: &Request, budget: &Budget) -> Exchange {
        let mut exchange = Exchange::new(&request.method, &request.url);
        exchange.attempts = budget.tries();
        exchange.elapsed = budget.elapsed(self.clock.now());
        exchange
    }

    /// Does what makes another try sensible: renews credentials once, or waits. An error where none is.
    pub(super) async fn recover(
        &self,
        request: &Request,
        failure: Failure,
        budget: &mut Budget,
        login: &mut Login,
    ) -> Result<(), HttpError> {
        if self.renewed(request, &failure, login).await {
            return Ok(());
        }
        let may_repeat = match request.repeats {
            Repeats::Freely => failure.is_transient(),
            Repeats::WhenTurnedAway => failure.was_turned_away(),
            Repeats::Never => false,
        };
        if may_repeat && self.pause(budget, failure.retry_after()).await {
            tracing::debug!(call = ?request, %failure, tries = budget.tries(), "trying again");
            return Ok(());
        }
        Err(HttpError::new(self.exchange(request, budget), failure))
    }

    async fn renewed(&self, request: &Request, failure: &Failure, login: &mut Login) -> bool {
        let is_unauthorized =
            matches!(failure, Failure::Status { status, .. } if *status == StatusCode::UNAUTHORIZED);
        let (Some(authorizer), Some(used)) = (&request.authorizer, login.used.take()) else { return false };
        if !is_unauthorized || login.is_renewed {
            return false;
        }
        login.is_renewed = true;
        authorizer.refused(&used).await;
        authorizer.renews()
    }

    /// Waits before another try; `false` where there is none left.
    pub(super) async fn pause(&self, budget: &mut Budget, retry_after: Option<Duration>) -> bool {
        let delay = {
            let mut jitter = self.jitter.lock().unwrap_or_else(PoisonError::into_inner);
            budget.next_delay(self.clock.now(), retry_after, &mut jitter)
        };
        match delay {
            Some(delay) => {
                self.clock.sleep(delay).await;
                true
            }
            None => false,
        }
    }
}

struct Head {
    status: StatusCode,
    headers: HeaderMap,
}

async fn authorize(request: &Request, hop: &mut reqwest::Request, login: &mut Login) -> Result<(), Failure> {
    if let Some(authorizer) = request.authorizer.as_ref().filter(|authorizer| authorizer.covers(hop.url())) {
        let credential = authorizer.credential().await.map_err(|error| Failure::Token(Box::new(error)))?;
        for (name, value) in credential.headers() {
            hop.headers_mut().insert(name, value.clone());
        }
        login.used = Some(credential);
    }
    Ok(())
}

/// Takes out whatever is kept out of logs: a server that was not called by its own name must not see it either.
fn strip_secrets(headers: &mut HeaderMap) {
    let names: Vec<HeaderName> = headers
        .iter()
        .filter(|(name, value)| value.is_sensitive() || *name == header::AUTHORIZATION)
        .map(|(name, _)| name.clone())
        .collect();
    for name in names {
        headers.remove(name);
    }
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

fn check_headers(headers: &HeaderMap) -> Result<(), Failure> {
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if bytes > MOST_HEADER_BYTES {
        let limit = u64::try_from(MOST_HEADER_BYTES).unwrap_or(u64::MAX);
        return Err(Failure::TooLarge { what: "headers", limit });
    }
    Ok(())
}

async fn read_whole(mut response: reqwest::Response, limit: u64) -> Result<Bytes, Failure> {
    let too_large = || Failure::TooLarge { what: "body", limit };
    if response.content_length().is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(transport_failure)? {
        let length = body.len().saturating_add(chunk.len());
        if u64::try_from(length).unwrap_or(u64::MAX) > limit {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// What an error of the transport means for another try.
pub(super) fn transport_failure(error: reqwest::Error) -> Failure {
    let error = error.without_url();
    if let Some(refused) = cause_of::<HostRefused>(&error) {
        return Failure::Refused(refused.clone());
    }
    match cause_of::<rustls::Error>(&error) {
        Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented) => {
            Failure::Certificate(error)
        }
        _ if error.is_connect() => Failure::Unreachable(error),
        _ if error.is_builder() => Failure::Unsendable(error.to_string()),
        _ => Failure::Interrupted(error),
    }
}

/// The first cause of this type. An `io::Error` hides what it wraps from the chain, so it is looked into.
fn cause_of<'a, T: std::error::Error + 'static>(
    error: &'a (dyn std::error::Error + 'static),
) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(cause) = next {
        if let Some(found) = cause.downcast_ref::<T>() {
            return Some(found);
        }
        if let Some(inner) = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref)
            && let Some(found) = cause_of::<T>(inner)
        {
            return Some(found);
        }
        next = cause.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use futures::StreamExt as _;
    use serde::Deserialize;
    use serde_json::json;

    use super::*;
    use crate::ErrorKind;
    use crate::scripted::{Reply, Scripted};

    #[derive(Debug, PartialEq, Deserialize)]
    struct Thing {
        id: u32,
    }

    async fn refusal(reply: Reply) -> (HttpError, usize) {
        let server = Scripted::replies(vec![reply]).await;
        let (client, _) = server.client();
        let error = client.json::<Thing>(&Request::get(server.url("/thing?secret=plain"))).await.unwrap_err();
        assert!(!error.line().contains("plain"), "the query is shown: {}", error.line());
        (error, server.count())
    }

    /// Promise 6: bytes are sent as they are read, with their length said before, and read anew for another try.
    #[tokio::test]
    async fn a_stream_is_sent_with_its_length() {
        let server = Scripted::replies(vec![Reply::status(503), Reply::status(200)]).await;
        let (client, _) = server.client();
        let open = || futures::stream::iter(["one ", "two"]).map(|part| Ok(Bytes::from(part))).boxed();
        let request = Request::post_stream(server.url("/upload"), 7, open);
        client.call(&request).await.unwrap();
        for seen in server.seen() {
            assert_eq!((seen.body.as_str(), seen.header("content-length")), ("one two", "7"));
            assert_eq!(
                (seen.header("content-type"), seen.header("transfer-encoding")),
                ("application/octet-stream", "")
            );
        }
        assert_eq!(server.count(), 2);
    }

    async fn post(replies: Vec<Reply>) -> (Result<Answer, HttpError>, usize) {
        post_as(replies, |request| request).await
    }

    async fn post_as(
        replies: Vec<Reply>,
        declared: fn(Request) -> Request,
    ) -> (Result<Answer, HttpError>, usize) {
        let server = Scripted::replies(replies).await;
        let (client, _) = server.client();
        let request = Request::post_json(server.url("/jobs"), &json!({ "run": 1 })).unwrap();
        (client.call(&declared(request)).await, server.count())
    }

    /// Every status, its name in the contract, and how often a reading call is made.
    #[tokio::test]
    async fn statuses_become_the_contracts_names() {
        for (status, name, calls) in [
            (400, ErrorKind::Rejected, 1),
            (401, ErrorKind::AuthRejected, 1),
            (403, ErrorKind::AuthRejected, 1),
            (404, ErrorKind::NotFound, 1),
            (408, ErrorKind::Unavailable, 6),
            (409, ErrorKind::Rejected, 1),
            (410, ErrorKind::NotFound, 1),
            (429, ErrorKind::Throttled, 6),
            (500, ErrorKind::Unavailable, 6),
            (501, ErrorKind::Unavailable, 1),
            (503, ErrorKind::Unavailable, 6),
        ] {
            let body = json!({ "title": "Odd", "detail": "because of x" }).to_string();
            let (error, seen) = refusal(Reply::status(status).body(body)).await;
            assert_eq!((error.kind(), seen), (name, calls), "{status}");
            assert!(error.line().contains("Odd: because of x"), "{}", error.line());
            assert!(error.line().contains(&status.to_string()), "{}", error.line());
        }
    }

    /// An error says which call, how often, for how long.
    #[tokio::test]
    async fn an_error_names_the_call() {
        let server = Scripted::replies(vec![Reply::status(503).header("Retry-After", "20")]).await;
        let (client, clock) = server.client();
        let error = client.call(&Request::get(server.url("/a/b?c=d"))).await.unwrap_err();
        assert!(
            error.to_string().starts_with(&format!("GET {} (6 tries in 10", server.url("/a/b"))),
            "{error}"
        );
        // Promise 6, and what the server asked for: five times 20 s and a little.
        let waited = clock.now().as_second();
        assert!((100..=103).contains(&waited), "{waited}");
    }

    /// Transient failures of a reading call are outlived, a broken answer included.
    #[tokio::test]
    async fn a_reading_call_is_repeated() {
        let broken = Reply::status(200).header("Content-Type", "application/json").body("{\"id\"").cut_of(9);
        let good = Reply::json(json!({ "id": 7 }));
        let server = Scripted::replies(vec![Reply::nothing(), broken, Reply::status(502), good]).await;
        let (client, _) = server.client();
        let thing = client.json::<Thing>(&Request::get(server.url("/"))).await.unwrap();
        assert_eq!((thing, server.count()), (Thing { id: 7 }, 4));
        assert_eq!(server.seen()[0].header("user-agent"), concat!("landfall/", env!("CARGO_PKG_VERSION")));
    }

    /// A server that asks for more patience than there is, is not waited for: the caller is told.
    #[tokio::test]
    async fn a_long_retry_after_is_given_back() {
        let server = Scripted::replies(vec![Reply::status(429).header("Retry-After", "86400")]).await;
        let (client, clock) = server.client();
        let error = client.call(&Request::get(server.url("/"))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Throttled);
        assert_eq!((server.count(), clock.now().as_second()), (1, 0));
    }

    /// Promise 1: a call that is to be made once is made once. A 503 can come from a balancer whose server has
    /// accepted it: only 429, 4xx and 401 say that it was certainly not processed.
    #[tokio::test]
    async fn a_call_that_is_made_once_is_never_repeated() {
        let accepted = Reply::status(202).header("Location", "/jobs/1");
        for lost in [500, 502, 503, 504, 408].map(Reply::status).into_iter().chain([Reply::nothing()]) {
            let (answer, calls) = post_as(vec![lost.clone(), accepted.clone()], Request::once).await;
            assert!(answer.unwrap_err().outcome_is_unknown(), "{lost:?}");
            assert_eq!(calls, 1, "{lost:?}");
        }
        for refused in [400, 401, 403, 404, 409, 422, 429] {
            let reply = Reply::status(refused).header("Retry-After", "1");
            let (answer, calls) = post_as(vec![reply, accepted.clone()], Request::once).await;
            assert!(!answer.unwrap_err().outcome_is_unknown(), "{refused}");
            assert_eq!(calls, 1, "{refused}");
        }
    }

    /// What changes something is repeated only where it was turned away.
    #[tokio::test]
    async fn a_change_is_repeated_only_when_turned_away() {
        let accepted = Reply::status(202).header("Location", "/jobs/1");
        for status in [429, 503] {
            let (answer, calls) = post(vec![Reply::status(status), accepted.clone()]).await;
            assert_eq!((answer.unwrap().status.as_u16(), calls), (202, 2), "{status}");
        }
        for lost in
            [Reply::nothing(), Reply::status(500), Reply::status(502), Reply::status(504), Reply::status(408)]
        {
            let (answer, calls) = post(vec![lost.clone(), accepted.clone()]).await;
            assert!(answer.unwrap_err().outcome_is_unknown(), "{lost:?}");
            assert_eq!(calls, 1, "{lost:?}");
        }
        for refused in [400, 401, 403, 404, 409, 422] {
            let (answer, calls) = post(vec![Reply::status(refused), accepted.clone()]).await;
            assert!(!answer.unwrap_err().outcome_is_unknown(), "{refused}");
            assert_eq!(calls, 1, "{refused}");
        }
    }

    /// No connection: nothing was sent, so even a change is tried again, and its outcome is known.
    #[tokio::test]
    async fn a_refused_connection_is_retried_and_unambiguous() {
        let server = Scripted::replies(vec![Reply::nothing()]).await;
        let (client, clock) = server.client();
        let url = server.url("/jobs");
        drop(server);
        // The port is free once the server's task has ended.
        while tokio::net::TcpStream::connect(url.socket_addrs(|| None).unwrap()[0]).await.is_ok() {
            tokio::task::yield_now().await;
        }
        let request = Request::post_json(url, &1).unwrap();
        let error = client.call(&request.clone().once()).await.unwrap_err();
        assert!(!error.outcome_is_unknown(), "{error}");
        assert_eq!((error.exchange().attempts, clock.now().as_second()), (1, 0));
        let error = client.call(&request).await.unwrap_err();
        assert!(!error.outcome_is_unknown(), "{error}");
        assert_eq!(error.exchange().attempts, 6);
        assert!(clock.now().as_second() > 0);
        assert_eq!(error.kind(), ErrorKind::Unavailable);
    }

    /// A call that gets no answer ends.
    #[tokio::test]
    async fn a_silent_server_is_given_up() {
        let server = Scripted::replies(vec![Reply::status(200).cut_of(9).then_hang()]).await;
        let client = server.client().0.with_timeout(Duration::from_millis(50));
        let error = client.call(&Request::post_json(server.url("/"), &1).unwrap()).await.unwrap_err();
        assert!(error.outcome_is_unknown() && error.to_string().contains("no complete answer"), "{error}");
    }

    /// Promise 5: a login page is not data, whatever its status and its type say.
    #[tokio::test]
    async fn a_login_page_is_named() {
        let lying = Reply::status(200).header("Content-Type", "application/json").body("\n<html><body>");
        for page in [Reply::page(), lying] {
            let (error, calls) = refusal(page).await;
            assert_eq!((error.kind(), calls), (ErrorKind::ContractBroken, 1));
            assert!(error.line().contains("a web page instead of JSON: a login page?"), "{}", error.line());
        }
    }

    /// Another type is not parsed; an answer that does not fit names the field.
    #[tokio::test]
    async fn what_does_not_fit_is_named() {
        let xml = Reply::status(200).header("Content-Type", "application/xml").body("{\"id\":1}");
        assert!(refusal(xml).await.0.line().contains("answered \"application/xml\" instead of JSON"));
        let (error, _) = refusal(Reply::json(json!({ "id": "seven" }))).await;
        assert!(error.line().contains("does not fit at id: invalid type"), "{}", error.line());
        let (error, _) = refusal(Reply::json(json!({}))).await;
        assert!(error.line().contains("missing field `id`"), "{}", error.line());
        let behind = Reply::status(200).header("Content-Type", "application/json").body("{\"id\":1} x");
        assert_eq!(refusal(behind).await.0.kind(), ErrorKind::ContractBroken);
        let vendor = Reply::status(200)
            .header("Content-Type", "application/vnd.oracle.adf.resourceitem+json; charset=utf-8")
            .body("{\"id\":1}");
        let server = Scripted::replies(vec![vendor]).await;
        assert_eq!(server.client().0.json::<Thing>(&Request::get(server.url("/"))).await.unwrap().id, 1);
    }

    /// Promise 6: neither headers nor answers are read without end, declared or not.
    #[tokio::test]
    async fn answers_are_bounded() {
        let long = "x".repeat(2000);
        for reply in [
            Reply::status(200).body(long.clone()),
            Reply::status(200).body(long.clone()).chunked(),
            Reply::status(200).cut_of(usize::MAX / 2),
        ] {
            let server = Scripted::replies(vec![reply]).await;
            let error =
                server.client().0.call(&Request::get(server.url("/")).at_most(1999)).await.unwrap_err();
            assert!(error.to_string().contains("the body of the answer exceeds 1999 bytes"), "{error}");
            assert_eq!(error.kind(), ErrorKind::TooLarge);
        }
        let headers =
            (0..40).fold(Reply::status(200), |reply, number| reply.header(&format!("X-{number}"), &long));
        let server = Scripted::replies(vec![headers]).await;
        let error = server.client().0.call(&Request::get(server.url("/"))).await.unwrap_err();
        assert!(error.to_string().contains("the headers of the answer exceed 65536 bytes"), "{error}");
    }

    #[derive(Debug)]
    struct Fixed(url::Origin);

    #[async_trait]
    impl Authorizer for Fixed {
        fn covers(&self, url: &Url) -> bool {
            url.origin() == self.0
        }

        async fn credential(&self) -> Result<Credential, HttpError> {
            Ok(Credential::new(HeaderValue::from_static("Bearer known"), 1))
        }

        async fn refused(&self, _: &Credential) {}
    }

    fn authorized(server: &Scripted, url: Url) -> Request {
        Request::get(url).authorized_by(Arc::new(Fixed(server.url("/").origin())))
    }

    /// Promise 7: redirects lead only to hosts that the connection allows, and no credentials with them.
    #[tokio::test]
    async fn redirects_carry_no_credentials_to_another_host() {
        let other = Scripted::replies(vec![Reply::json(json!({ "id": 1 }))]).await;
        let there = other.url("/elsewhere?sig=x");
        let server = Scripted::start(move |seen, _| match seen.path() {
            "/start" => Reply::status(302).header("Location", "/same"),
            _ => Reply::status(307).header("Location", &there),
        })
        .await;
        let (client, _) = server.client_allowing(&[other.host()]);
        let thing = client.json::<Thing>(&authorized(&server, server.url("/start"))).await.unwrap();
        assert_eq!(thing.id, 1);
        let tokens: Vec<_> =
            server.seen().iter().map(|seen| seen.header("authorization").to_owned()).collect();
        assert_eq!(tokens, ["Bearer known", "Bearer known"]);
        assert_eq!(other.seen()[0].header("authorization"), "");
        // Nor does a call that goes straight to a host that the credentials are not for.
        client.call(&authorized(&server, other.url("/"))).await.unwrap();
        assert_eq!(other.seen()[1].header("authorization"), "");

        let (strict, _) = server.client();
        let error = strict.call(&authorized(&server, server.url("/start"))).await.unwrap_err();
        assert_eq!(other.count(), 2, "a host that is not allowed was called");
        assert!(
            error.to_string().contains(&format!("{} is not a host of this connection", other.host())),
            "{error}"
        );
        assert!(!error.to_string().contains("sig=x"));
        assert_eq!(error.kind(), ErrorKind::ContractBroken);
    }

    /// Promise 7: nor does any other secret go where a redirect leads, be it under a name of the source's own.
    #[tokio::test]
    async fn redirects_carry_no_secret_header_to_another_host() {
        let other = Scripted::replies(vec![Reply::status(200)]).await;
        let there = other.url("/elsewhere");
        let server = Scripted::start(move |_, _| Reply::status(302).header("Location", &there)).await;
        let (client, _) = server.client_allowing(&[other.host()]);
        let key = HeaderName::from_static("x-api-key");
        let request = Request::get(server.url("/")).secret_header(key, HeaderValue::from_static("word"));
        client.call(&request).await.unwrap();
        assert_eq!(server.seen()[0].header("x-api-key"), "word");
        assert_eq!(other.seen()[0].header("x-api-key"), "");
        assert_eq!(other.seen()[0].header("accept"), "application/json");
    }

    /// Promise 7: where a server sends us, and what it calls its fields, are its words: they may hold a secret.
    #[tokio::test]
    async fn paths_that_a_server_chose_are_masked() {
        let token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl";
        let (answer, _) = post(vec![Reply::status(302).header("Location", format!("/sso/{token}"))]).await;
        let error = answer.unwrap_err().to_string();
        assert!(error.contains("/sso/[redacted]") && !error.contains("eyJ"), "{error}");

        let server = Scripted::replies(vec![Reply::json(json!({ token: "x", "y": 1 }))]).await;
        let request = Request::get(server.url("/"));
        let error = server.client().0.json::<BTreeMap<String, u32>>(&request).await.unwrap_err().to_string();
        assert!(error.contains("at [redacted]: invalid type") && !error.contains("eyJ"), "{error}");
        let long = json!({ "k".repeat(9_000): "x" });
        let server = Scripted::replies(vec![Reply::json(long)]).await;
        let request = Request::get(server.url("/"));
        let error = server.client().0.json::<BTreeMap<String, u32>>(&request).await.unwrap_err().to_string();
        assert!(error.len() < 1_500, "{}", error.len());

        let (client, _) = server.client();
        let mut headers = HeaderMap::new();
        headers.insert(header::LOCATION, format!("http://127.0.0.1/{token}").parse().unwrap());
        let from = Url::parse("https://127.0.0.1/").unwrap();
        let refused = client.redirected(&Request::get(from.clone()), &from, &headers).unwrap_err();
        assert!(!refused.to_string().contains("eyJ"), "{refused}");
    }

    /// Redirects end, lead somewhere, and are for reading calls alone.
    #[tokio::test]
    async fn redirects_are_bounded() {
        let circle = Scripted::replies(vec![Reply::status(302).header("Location", "/again")]).await;
        let error = circle.client().0.call(&Request::get(circle.url("/"))).await.unwrap_err();
        assert!(error.to_string().contains("more than 5 redirects"), "{error}");
        assert_eq!(circle.count(), 6);
        let (answer, calls) = post(vec![Reply::status(307).header("Location", "/other")]).await;
        let error = answer.unwrap_err();
        assert!(error.to_string().contains("goes nowhere else"), "{error}");
        assert_eq!(calls, 1);
        let nowhere = Scripted::replies(vec![Reply::status(302)]).await;
        let error = nowhere.client().0.call(&Request::get(nowhere.url("/"))).await.unwrap_err();
        assert!(error.to_string().contains("no usable Location"), "{error}");
    }

    /// Promise 7: never from https to http, not even to an allowed host.
    #[tokio::test]
    async fn a_redirect_does_not_leave_https() {
        let server = Scripted::replies(vec![Reply::nothing()]).await;
        let (client, _) = server.client();
        let mut headers = HeaderMap::new();
        headers.insert(header::LOCATION, server.url("/").as_str().parse().unwrap());
        let from = Url::parse("https://127.0.0.1/").unwrap();
        let refused = client.redirected(&Request::get(from.clone()), &from, &headers).unwrap_err();
        assert!(matches!(refused, RedirectRefused::Downgrade(_)), "{refused}");
    }

    /// A certificate that is not trusted is not asked for again and again; what an `io::Error` wraps is seen.
    #[test]
    fn a_certificate_is_found_among_the_causes() {
        let refused = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let error = std::io::Error::other(std::io::Error::other(refused));
        assert!(matches!(cause_of(&error), Some(rustls::Error::InvalidCertificate(_))));
        assert!(cause_of::<HostRefused>(&error).is_none());
    }

    /// Promise 7: a secret that a server repeats reaches no error.
    #[tokio::test]
    async fn a_repeated_secret_is_masked() {
        let server = Scripted::replies(vec![Reply::status(400).body("user sesame-open-42 is unknown")]).await;
        let (client, _) = server.client();
        client.redactor().remember(&"sesame-open-42".into());
        let error = client.call(&Request::get(server.url("/"))).await.unwrap_err();
        assert!(error.to_string().contains("user [redacted] is unknown"), "{error}");
    }
}
