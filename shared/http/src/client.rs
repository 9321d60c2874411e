//! Calls whose answer is read whole, and what they share with downloads: sending, redirects, retries.

mod answer;
mod body;
mod login;
mod rate_limiter;
mod recover;
mod request;
mod send;
mod stream;
mod transport;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use serde::de::DeserializeOwned;

pub use self::answer::Answer;
pub(crate) use self::answer::{Odd, is_page_type, media_type};
pub(crate) use self::body::{GZIP, codings, unreadable};
use self::body::{Text, decoded, in_utf8};
pub(crate) use self::login::Login;
pub use self::rate_limiter::RateLimiter;
pub use self::request::Request;
pub use self::stream::{Opened, Streamed};
pub use self::transport::Transport;
use self::transport::read_whole;
pub(crate) use self::transport::transport_failure;
use crate::auth::InvalidSetting;
use crate::clock::Clock;
use crate::error::{Failure, HttpError};
use crate::policy::{GuardedResolver, HostPolicy};
use crate::redact::Redactor;
use crate::retry::RetrySettings;
use crate::settings::{HttpSettings, Proxy};
use crate::tls;

/// The longest that a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Servers and balancers drop idle connections at 60 s and later: ours must be gone before.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// The client of one connection. Clones share its connections, its policy and what it redacts.
#[derive(Debug, Clone)]
pub struct Client {
    transport: Arc<dyn Transport>,
    policy: HostPolicy,
    retry: RetrySettings,
    pub(crate) timeout: Duration,
    pub(crate) clock: Arc<dyn Clock>,
    redactor: Redactor,
    jitter: Arc<Mutex<fastrand::Rng>>,
    server_time: Arc<Mutex<Option<Timestamp>>>,
}

impl Client {
    /// A client that calls what the policy allows, as patiently as the settings say; an error where `ca_file` holds no
    /// certificates.
    pub fn new(
        policy: HostPolicy,
        settings: &HttpSettings,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, InvalidSetting> {
        let timeout = Duration::from_secs(settings.timeout_seconds.max(1));
        let mut builder = tls::client_builder()
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
        if let Some(file) = &settings.ca_file {
            builder = builder.tls_backend_preconfigured(tls::trusting_also(file)?);
        }
        let transport = builder.build().map_err(|error| {
            InvalidSetting::new(format!("the HTTP client cannot be set up: {}", crate::chain(&error)))
        })?;
        Ok(Self {
            transport: Arc::new(transport),
            policy,
            retry: settings.into(),
            timeout,
            clock,
            redactor: Redactor::default(),
            jitter: Arc::new(Mutex::new(fastrand::Rng::new())),
            server_time: Arc::default(),
        })
    }

    /// The same client, with delays that repeat.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.jitter = Arc::new(Mutex::new(fastrand::Rng::with_seed(seed)));
        self
    }

    /// The same client for other servers of the same system: it shares what is kept out of texts, and the server's time.
    #[must_use]
    pub fn beside(mut self, other: &Self) -> Self {
        self.redactor = other.redactor.clone();
        self.server_time = Arc::clone(&other.server_time);
        self
    }

    /// The same client, which keeps out of texts what somebody else has learnt, too.
    #[must_use]
    pub fn redacting_by(mut self, redactor: &Redactor) -> Self {
        self.redactor = redactor.clone();
        self
    }

    /// The time by the server's clock in the last answer that had it, be it a refusal.
    pub fn told_time(&self) -> Option<Timestamp> {
        *self.server_time.lock().unwrap_or_else(PoisonError::into_inner)
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
        let (answer, ()) = self.read(request, |_| Ok(())).await?;
        Ok(answer)
    }

    /// Makes a call and reads its answer as JSON. One to a [`get_json`](Request::get_json) that is JSON of another form is
    /// asked for once more.
    pub async fn json<T: DeserializeOwned>(&self, request: &Request) -> Result<T, HttpError> {
        let (_, read) = self.read(request, Answer::json).await?;
        Ok(read)
    }

    /// Makes a call and reads its answer; an odd one is asked for again, where the request reads JSON.
    async fn read<T>(
        &self,
        request: &Request,
        read: impl Fn(&Answer) -> Result<T, HttpError>,
    ) -> Result<(Answer, T), HttpError> {
        let mut budget = self.budget();
        let mut login = Login::default();
        let mut odd_answers = 0;
        loop {
            if let Some(rate_limiter) = &request.rate_limiter {
                rate_limiter.acquire().await.map_err(|why| {
                    HttpError::new(self.exchange(request, &budget), Failure::RateLimited(why))
                })?;
            }
            match self.attempt(request, &mut login).await {
                Ok((response, body)) => {
                    let exchange = self.exchange(request, &budget);
                    let (status, headers) = (response.status, response.headers);
                    let Text { bytes: body, is_guessed } = in_utf8(body, &headers);
                    let redactor = self.redactor.clone();
                    let answer = Answer { exchange, status, headers, body, is_guessed, redactor };
                    if self.is_refused_for_now(request, &answer, &mut budget).await {
                        continue;
                    }
                    let read = read(&answer);
                    let odd = answer.oddness().or_else(|| read.is_err().then_some(Odd::Misfit));
                    odd_answers += 1;
                    match odd.filter(|odd| request.reads_json && odd_answers <= odd.repeats()) {
                        Some(odd) if self.asks_again(request, odd, &mut budget, &mut login).await => {}
                        _ => return Ok((answer, read?)),
                    }
                }
                Err(failure) => self.recover(request, failure, &mut budget, &mut login).await?,
            }
        }
    }

    async fn attempt(&self, request: &Request, login: &mut Login) -> Result<(Head, Bytes), Failure> {
        let whole = async {
            let response = self.send(request, login).await?;
            if !response.status().is_success() && !request.takes_refusal(response.status()) {
                return Err(self.status_failure(request, login, response).await);
            }
            let head = Head { status: response.status(), headers: response.headers().clone() };
            let body = read_whole(response, request.limit).await?;
            let body = decoded(body, &head.headers, request.limit)?;
            Ok((head, body))
        };
        let patience = request.patience.unwrap_or(self.timeout);
        tokio::time::timeout(patience, whole).await.unwrap_or(Err(Failure::TimedOut(patience)))
    }
}

struct Head {
    status: StatusCode,
    headers: HeaderMap,
}

#[cfg(test)]
mod tests;
