//! Calls whose answer is read whole, and what they share with downloads: sending, redirects, retries.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

use super::auth::{Authorizer, Credential};
use super::error::{Exchange, Failure, HttpError, RedirectRefused};
use super::policy::{GuardedResolver, HostPolicy, HostRefused};
use super::redact::{self, Redactor};
use super::retry::{self, Budget, RetrySettings};
use crate::clock::Clock;
use crate::config::HttpSettings;

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

/// A call to be made.
#[derive(Clone)]
pub struct Request {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    body: Option<Bytes>,
    is_idempotent: bool,
    pub(super) authorizer: Option<Arc<dyn Authorizer>>,
    limit: u64,
}

impl fmt::Debug for Request {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.method, redact::url(&self.url))
    }
}

impl Request {
    fn new(method: Method, url: Url, is_idempotent: bool) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        Self { method, url, headers, body: None, is_idempotent, authorizer: None, limit: MOST_ANSWER_BYTES }
    }

    /// A `GET`, which is safe to repeat.
    pub fn get(url: Url) -> Self {
        Self::new(Method::GET, url, true)
    }

    /// A `POST` of JSON, which is taken to change something: not repeated unless it was certainly not processed.
    pub fn post_json(url: Url, body: &impl Serialize) -> Result<Self, HttpError> {
        let body = serde_json::to_vec(body).map_err(|error| {
            HttpError::new(Exchange::new(&Method::POST, &url), Failure::Unsendable(error.to_string()))
        })?;
        let mut request =
            Self::new(Method::POST, url, false).header(header::CONTENT_TYPE, "application/json");
        request.body = Some(body.into());
        Ok(request)
    }

    /// A `POST` of a form, not repeated unless it was certainly not processed.
    pub fn post_form(url: Url, fields: &[(&str, &str)]) -> Self {
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let mut request = Self::new(Method::POST, url, false)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded;charset=UTF-8");
        request.body = Some(form.into());
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

    /// The same call, declared safe to repeat.
    #[must_use]
    pub fn idempotent(mut self) -> Self {
        self.is_idempotent = true;
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
        *request.body_mut() = self.body.clone().map(reqwest::Body::from);
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
        let malformed =
            |field: String, reason: String| Failure::Malformed { field, reason: self.redactor.text(&reason) };
        let value = serde_path_to_error::deserialize(&mut deserializer)
            .map_err(|error| malformed(error.path().to_string(), error.into_inner().to_string()))?;
        deserializer.end().map_err(|error| malformed(".".to_owned(), error.to_string()))?;
        Ok(value)
    }

    /// An error about this answer: it has another form than it should.
    pub fn malformed(&self, field: &str, reason: &str) -> HttpError {
        let failure = Failure::Malformed { field: field.to_owned(), reason: self.redactor.text(reason) };
        HttpError::new(self.exchange.clone(), failure)
    }
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
        if policy.is_local() {
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
        })
    }

    /// The same client, with delays that repeat.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.jitter = Arc::new(Mutex::new(fastrand::Rng::with_seed(seed)));
        self
    }

    /// The same client, sharing what another one keeps out of texts.
    #[must_use]
    pub fn with_redactor(mut self, redactor: Redactor) -> Self {
        self.redactor = redactor;
        self
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
    /// A call that changes something is repeated only where it was certainly not processed; where that is
    /// not known, [`HttpError::outcome_is_unknown`] says so.
    pub async fn call(&self, request: &Request) -> Result<Answer, HttpError> {
        let mut budget = self.budget();
        let mut login = Login::default();
        loop {
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
        tokio::time::timeout(self.timeout, whole).await.unwrap_or(Err(Failure::TimedOut(self.timeout)))
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
            let mut hop = request.at(&url);
            if is_trusted {
                authorize(request, &mut hop, login).await?;
            } else {
                hop.headers_mut().remove(header::AUTHORIZATION);
            }
            let response = self.transport.execute(hop).await.map_err(transport_failure)?;
            check_headers(response.headers())?;
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
            return Err(RedirectRefused::NotReading(redact::url(&next)));
        }
        if from.scheme() == "https" && next.scheme() != "https" {
            return Err(RedirectRefused::Downgrade(redact::url(&next)));
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
        let may_repeat =
            if request.is_idempotent { failure.is_transient() } else { failure.was_turned_away() };
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
        let renews = is_unauthorized && !login.is_renewed;
        if renews {
            login.is_renewed = true;
            authorizer.refused(&used).await;
        }
        renews
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
        hop.headers_mut().insert(header::AUTHORIZATION, credential.header());
        login.used = Some(credential);
    }
    Ok(())
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
