//! Calls by AWS's JSON protocol: a signed `POST` to one URL, whose header says what is to be done.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningError, SigningSettings, sign};
use aws_sigv4::sign::v4;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::endpoint::Target;
use crate::clock::Clock;
use landfall_http::Redactor;
use landfall_http::retry::{self, Budget, RetrySettings};

const CONTENT_TYPE: &str = "application/x-amz-json-1.1";
/// A secret has at most 64 KiB, and each of its bytes at most six in JSON.
const MAX_ANSWER_BYTES: usize = 512 * 1024;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// From finding credentials to the last byte of the answer.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(15);
const RETRY: RetrySettings = RetrySettings { attempts: 5, within: Duration::from_secs(45) };

/// The codes by which services of AWS say that they are called too often, or were too slow: with a status of 400, which
/// alone would mean that the request is wrong.
const TRANSIENT_CODES: &[&str] = &[
    "BandwidthLimitExceeded",
    "LimitExceededException",
    "PriorRequestNotComplete",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "RequestTimeout",
    "RequestTimeoutException",
    "SlowDown",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
];

/// A client of one service. Its calls must be safe to repeat.
#[derive(Debug)]
pub(super) struct JsonClient {
    http: reqwest::Client,
    target: Target,
    credentials: Option<SharedCredentialsProvider>,
    clock: Arc<dyn Clock>,
    attempt_timeout: Duration,
}

/// Why a call got no answer that can be used. Nothing of an answer of success is in it: that is a secret.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// Nothing says who calls.
    #[error("there are no AWS credentials")]
    NoCredentials,
    /// Credentials could not be had.
    #[error("cannot get AWS credentials")]
    Credentials(#[source] CredentialsError),
    /// The request cannot be written or signed.
    #[error("cannot form the request")]
    Request(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The service could not be reached, or the connection broke.
    #[error("the service could not be reached")]
    Connection(#[source] reqwest::Error),
    /// No whole answer in time.
    #[error("no complete answer within {} s", .0.as_secs_f64())]
    TimedOut(Duration),
    /// The service answered that it does not do it.
    #[error("{0}")]
    Refused(Refusal),
    /// More than any answer has.
    #[error("the answer has more than {} bytes", MAX_ANSWER_BYTES)]
    TooLarge,
    /// The answer of success is none of the documented form.
    #[error("the answer is not the expected JSON at line {line}, column {column}")]
    Malformed {
        /// Where it goes wrong.
        line: usize,
        /// Where it goes wrong.
        column: usize,
    },
}

/// What a service says of a call that it does not do.
#[derive(Debug)]
pub struct Refusal {
    status: StatusCode,
    code: Option<String>,
    message: Option<String>,
    request_id: Option<String>,
    retry_after: Option<Duration>,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.code {
            Some(code) => formatter.write_str(code)?,
            None => write!(formatter, "answered {}", self.status)?,
        }
        if let Some(message) = &self.message {
            write!(formatter, ": {message}")?;
        }
        if let Some(id) = &self.request_id {
            write!(formatter, " (request id {id})")?;
        }
        Ok(())
    }
}

impl From<SigningError> for CallError {
    fn from(error: SigningError) -> Self {
        Self::Request(Box::new(error))
    }
}

impl CallError {
    /// AWS's code of the refusal.
    pub(super) fn code(&self) -> Option<&str> {
        match self {
            Self::Refused(refusal) => refusal.code.as_deref(),
            _ => None,
        }
    }

    fn is_transient(&self) -> bool {
        match self {
            Self::Connection(_) | Self::TimedOut(_) => true,
            Self::Refused(Refusal { status, code, .. }) => {
                retry::is_transient(*status)
                    || code.as_deref().is_some_and(|code| TRANSIENT_CODES.contains(&code))
            }
            _ => false,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused(refusal) => refusal.retry_after,
            _ => None,
        }
    }
}

impl JsonClient {
    pub(super) fn new(
        target: Target,
        credentials: Option<SharedCredentialsProvider>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, reqwest::Error> {
        let mut http = landfall_http::client_builder()
            .user_agent(concat!("landfall/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .connect_timeout(CONNECT_TIMEOUT);
        // A proxy's own loopback is not ours.
        if is_this_machine(&target.endpoint) {
            http = http.no_proxy();
        }
        Ok(Self { http: http.build()?, target, credentials, clock, attempt_timeout: ATTEMPT_TIMEOUT })
    }

    /// The same client, less patient.
    #[cfg(test)]
    pub(super) fn impatient(&mut self) {
        self.attempt_timeout = Duration::from_millis(50);
    }

    /// Makes a call, again where another try can help, and reads its answer.
    pub(super) async fn call<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        input: &impl Serialize,
    ) -> Result<T, CallError> {
        let body = serde_json::to_vec(input).map_err(|error| CallError::Request(Box::new(error)))?;
        let body = Bytes::from(body);
        let mut budget = Budget::new(RETRY, self.clock.now());
        loop {
            let attempt = tokio::time::timeout(self.attempt_timeout, self.attempt(operation, &body));
            let error = match attempt.await.unwrap_or(Err(CallError::TimedOut(self.attempt_timeout))) {
                Ok(answer) => return parse(&answer),
                Err(error) => error,
            };
            let delay = if error.is_transient() {
                budget.next_delay(self.clock.now(), error.retry_after(), &mut fastrand::Rng::new())
            } else {
                None
            };
            let Some(delay) = delay else { return Err(error) };
            tracing::debug!(operation, %error, tries = budget.tries(), "trying again");
            self.clock.sleep(delay).await;
        }
    }

    async fn attempt(&self, operation: &'static str, body: &Bytes) -> Result<Bytes, CallError> {
        let provider = self.credentials.as_ref().ok_or(CallError::NoCredentials)?;
        let credentials = provider.provide_credentials().await.map_err(CallError::Credentials)?;
        let request = self.signed(operation, body, credentials.clone())?;
        let response = self.http.execute(request).await.map_err(CallError::Connection)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let answer = read_bounded(response).await?;
        if status.is_success() {
            return Ok(answer);
        }
        let retry_after = retry::retry_after(&headers, self.clock.now());
        Err(CallError::Refused(refusal(status, &headers, &answer, retry_after, &credentials)))
    }

    fn signed(
        &self,
        operation: &'static str,
        body: &Bytes,
        credentials: Credentials,
    ) -> Result<reqwest::Request, CallError> {
        let identity = credentials.into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.target.region)
            .name(self.target.signing_name)
            .time(SystemTime::from(self.clock.now()))
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| CallError::Request(Box::new(error)))?
            .into();
        let headers = [("content-type", CONTENT_TYPE), ("x-amz-target", operation)];
        let url = self.target.endpoint.clone();
        let signable = SignableRequest::new(
            Method::POST.as_str(),
            url.as_str(),
            headers.into_iter(),
            SignableBody::Bytes(body),
        )?;
        let (instructions, _) = sign(signable, &params)?.into_parts();

        let mut request = reqwest::Request::new(Method::POST, url);
        for (name, value) in headers {
            request.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        for signed in instructions.into_parts().0 {
            let mut value =
                HeaderValue::from_str(signed.value()).map_err(|error| CallError::Request(Box::new(error)))?;
            value.set_sensitive(true);
            request.headers_mut().insert(HeaderName::from_static(signed.name()), value);
        }
        *request.body_mut() = Some(body.clone().into());
        Ok(request)
    }
}

fn is_this_machine(endpoint: &url::Url) -> bool {
    match endpoint.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

async fn read_bounded(mut response: reqwest::Response) -> Result<Bytes, CallError> {
    let mut answer = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(CallError::Connection)? {
        if answer.len().saturating_add(chunk.len()) > MAX_ANSWER_BYTES {
            return Err(CallError::TooLarge);
        }
        answer.extend_from_slice(&chunk);
    }
    Ok(answer.freeze())
}

fn parse<T: DeserializeOwned>(answer: &[u8]) -> Result<T, CallError> {
    // Serde's text may quote the answer: only where it broke is kept.
    serde_json::from_slice(answer)
        .map_err(|error| CallError::Malformed { line: error.line(), column: error.column() })
}

fn refusal(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    retry_after: Option<Duration>,
    credentials: &Credentials,
) -> Refusal {
    // What a signature should have been is told with the session's token in it.
    let redactor = Redactor::default();
    redactor.remember(&credentials.secret_access_key().into());
    if let Some(token) = credentials.session_token() {
        redactor.remember(&token.into());
    }
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let problem: Value = serde_json::from_slice(body).unwrap_or_default();
    // Services write these either way, and some leave the code to a header.
    let field = |names: [&str; 2]| names.iter().find_map(|name| problem.get(name)?.as_str());
    let code = header("x-amzn-errortype").or_else(|| field(["__type", "code"]).map(str::to_owned));
    let request_id = header("x-amzn-requestid").or_else(|| header("x-amz-request-id"));
    Refusal {
        status,
        code: code.map(|code| redactor.text(bare_code(&code))).filter(|code| !code.is_empty()),
        message: field(["message", "Message"]).map(|text| redactor.text(text)),
        request_id: request_id.map(|id| redactor.text(&id)),
        retry_after,
    }
}

/// The code in `com.amazonaws.ssm#ParameterNotFound:http://…`: a namespace may lead it, an address may follow.
fn bare_code(code: &str) -> &str {
    let code = code.split(':').next().unwrap_or_default();
    code.rsplit('#').next().unwrap_or_default().trim()
}
