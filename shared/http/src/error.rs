//! What can go wrong between a call and its answer, one variant a cause.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use http::{Method, StatusCode};
use url::Url;

use super::policy::HostRefused;
use super::redact;
use crate::auth::TokenStoreError;
use crate::auth::oci::PrincipalError;
pub use crate::text::BoxError;

/// A call, as an error shows it: nothing of its query, its headers or its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// The method.
    pub method: Method,
    /// The URL without its query.
    pub url: String,
    /// How often it was tried.
    pub attempts: u32,
    /// How long all of that took.
    pub elapsed: Duration,
}

impl Exchange {
    pub(super) fn new(method: &Method, url: &Url) -> Self {
        Self { method: method.clone(), url: redact::url(url), attempts: 1, elapsed: Duration::ZERO }
    }
}

impl fmt::Display for Exchange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.method, self.url)?;
        if self.attempts > 1 {
            write!(formatter, " ({} tries in {:.1} s)", self.attempts, self.elapsed.as_secs_f64())?;
        }
        Ok(())
    }
}

/// A call that did not get the answer that it was made for.
#[derive(Debug)]
pub struct HttpError {
    exchange: Box<Exchange>,
    failure: Failure,
}

impl HttpError {
    pub(super) fn new(exchange: Exchange, failure: Failure) -> Self {
        Self { exchange: Box::new(exchange), failure }
    }

    /// A call that was not made, since the login that it needs is refused; what is said holds no secret.
    pub fn login_refused(method: &Method, url: &Url, said: String) -> Self {
        Self::new(Exchange::new(method, url), Failure::LoginRefused(said))
    }

    /// A call that was not made, since nothing is there to sign it with.
    pub(super) fn unsigned(method: &Method, url: &Url, error: PrincipalError) -> Self {
        Self::new(Exchange::new(method, url), Failure::Unsigned(Box::new(error)))
    }

    /// The call.
    pub fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    /// What went wrong.
    pub fn failure(&self) -> &Failure {
        &self.failure
    }

    /// The status of the answer, where it is the answer's status that is wrong.
    pub fn status(&self) -> Option<StatusCode> {
        match &self.failure {
            Failure::Status { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Whether the server does not know what was asked for: 404, or 410 for what is no more.
    pub fn is_gone(&self) -> bool {
        matches!(self.status(), Some(StatusCode::NOT_FOUND | StatusCode::GONE))
    }

    /// Whether the server says that what was asked for was there, and will not be again: 410.
    pub fn has_expired(&self) -> bool {
        self.status() == Some(StatusCode::GONE)
    }

    /// Why a call is not made whose credentials cannot be had, this being what came of asking for them.
    pub(super) fn without_credentials(self) -> Failure {
        match self.failure {
            failure @ Failure::CredentialRefused(_) => failure,
            _ => Failure::Token(Box::new(self)),
        }
    }

    /// Whether the URL is not one that the connection calls, so that nothing was.
    pub fn is_host_refused(&self) -> bool {
        matches!(self.failure, Failure::Refused(_))
    }

    /// Whether a web page came where data should be: mostly a login page.
    pub fn is_web_page(&self) -> bool {
        matches!(self.failure, Failure::WebPage { .. })
    }

    /// What the server said of a call that it refuses and would refuse again, a login's above all.
    pub fn refusal(&self) -> Option<String> {
        match &self.failure {
            Failure::LoginRefused(said) => Some(said.clone()),
            Failure::Status { status, problem, .. }
                if status.is_client_error() && !crate::retry::is_transient(*status) =>
            {
                let problem = problem.as_ref().map(|problem| format!(", {problem}")).unwrap_or_default();
                Some(format!("{status}{problem}"))
            }
            _ => None,
        }
    }

    /// Whether the server may have done what it was asked to do, and the answer is lost.
    pub fn outcome_is_unknown(&self) -> bool {
        self.failure.outcome_is_unknown()
    }

    /// How long the server asks to be left alone, where it says so: longer than the call was ready to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self.deciding() {
            Failure::Stopped { source: Some(source), .. } => source.retry_after(),
            failure => failure.retry_after(),
        }
    }

    /// Whether there is no way to the server at all, so that it says nothing of what was asked: no connection, or the word
    /// of what stands before it. A server that takes too long, or fails, may do so over this very request.
    pub fn is_out_of_reach(&self) -> bool {
        match self.deciding() {
            Failure::Unreachable(_) => true,
            Failure::Status { status, .. } => {
                matches!(*status, StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE)
            }
            Failure::Stopped { source: Some(source), .. } => source.is_out_of_reach(),
            _ => false,
        }
    }

    /// The failure that says what kind this is: the token endpoint's own, where there is no token; the call around it says
    /// what for.
    fn deciding(&self) -> &Failure {
        match &self.failure {
            Failure::Token(inner) => inner.deciding(),
            failure => failure,
        }
    }
}

impl fmt::Display for HttpError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.exchange, self.failure)
    }
}

impl StdError for HttpError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.failure.source()
    }
}

/// A machine that trusts no authority, and why: whoever answers over TLS cannot prove who it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "no server's certificate can be checked, as this machine trusts no authority ({0}): install the package \
     ca-certificates, or name a file of certificates in SSL_CERT_FILE"
)]
pub struct NoAuthorities(pub(crate) String);

/// Why a call did not get the answer that it was made for.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The URL is not one that the connection calls.
    #[error("refused to call it")]
    Refused(#[source] HostRefused),
    /// A request that cannot be put on the wire.
    #[error("the request cannot be formed: {0}")]
    Unsendable(String),
    /// No connection: the server has seen nothing of the request.
    #[error("could not connect")]
    Unreachable(#[source] reqwest::Error),
    /// The server does not prove who it is.
    #[error(
        "the server's certificate is not trusted (if a private authority has issued it, name its root in http.ca_file)"
    )]
    Certificate(#[source] reqwest::Error),
    /// No server could prove who it is.
    #[error(transparent)]
    NoAuthorities(NoAuthorities),
    /// The connection broke after the request began to travel.
    #[error("the connection broke before the answer was complete")]
    Interrupted(#[source] reqwest::Error),
    /// No whole answer in time.
    #[error("no complete answer within {:.1} s", .0.as_secs_f64())]
    TimedOut(Duration),
    /// A status that is none of success.
    #[error("answered {status}{}", said(.problem.as_deref()))]
    Status {
        /// The status.
        status: StatusCode,
        /// What the server said about it, redacted.
        problem: Option<String>,
        /// How long it asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// 401 to a call that no credentials went with, since it led to another server than the connection's own.
    #[error("answered 401 Unauthorized, and was called without credentials, which are for base_url's host alone{}{}",
        said(.advice.as_deref()), said(.problem.as_deref()))]
    NoCredentials {
        /// What the server said about it, redacted.
        problem: Option<String>,
        /// Which setting the host belongs into.
        advice: Option<String>,
    },
    /// A web page where data should be: mostly a login page.
    #[error("answered a web page instead of {wanted}: a login page? check the URL, the user and the scope")]
    WebPage {
        /// What should have come.
        wanted: &'static str,
    },
    /// Something else than JSON.
    #[error("answered {0:?} instead of JSON")]
    NotJson(String),
    /// JSON that lacks something, or has it in another form.
    #[error("the answer does not fit{}: {reason}", at(.field))]
    Malformed {
        /// The path to what does not fit.
        field: String,
        /// Why, redacted.
        reason: String,
    },
    /// More than any such answer has.
    #[error("the {what} of the answer exceed{} {limit} bytes", if *.what == "headers" { "" } else { "s" })]
    TooLarge {
        /// `headers` or `body`.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// A redirect that is not followed.
    #[error("redirected, and not followed: {0}")]
    Redirect(RedirectRefused),
    /// No token: the credentials were refused, now or a while ago.
    #[error("the token endpoint refused the credentials{}", said(Some(.0)))]
    LoginRefused(String),
    /// Not sent: what does not change was refused before, by the server itself.
    #[error("not sent: the server has refused {0}, and a few wrong tries may lock the user")]
    CredentialRefused(&'static str),
    /// No token, for another reason.
    #[error("no access token")]
    Token(#[source] Box<HttpError>),
    /// No token: where the refresh token is kept cannot be used now, or holds what it should not.
    #[error("no refresh token: {0}")]
    TokenKept(#[source] Box<TokenStoreError>),
    /// Not sent: nothing is there to sign it with.
    #[error("not sent, since it cannot be signed")]
    Unsigned(#[source] Box<PrincipalError>),
    /// The request's rate limiter did not let it go: nothing was sent.
    #[error("not sent: {0}")]
    RateLimited(#[source] BoxError),
    /// An answer to a download that breaks HTTP's own rules.
    #[error("the download cannot be trusted: {0}")]
    Range(String),
    /// A download that ended before the file did, and cannot be continued.
    #[error("the download stopped after {position}{} bytes: {reason}", of(*.size))]
    Stopped {
        /// How far it came.
        position: u64,
        /// The file's size, where it is known.
        size: Option<u64>,
        /// Why it stopped, or was not continued.
        reason: &'static str,
        /// What stopped it last.
        #[source]
        source: Option<Box<HttpError>>,
    },
}

/// Why a redirect is not followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RedirectRefused {
    /// Only reading calls follow.
    #[error("a call that changes something is not redirected ({0})")]
    NotReading(String),
    /// A redirect that says not where to.
    #[error("no usable Location")]
    NoLocation,
    /// In a circle, or nearly.
    #[error("more than {0} redirects")]
    TooMany(usize),
    /// From https to http.
    #[error("{0} is not https any more")]
    Downgrade(String),
    /// To a host that the connection does not allow.
    #[error("{0}: a login page, or a host to allow?")]
    Host(#[from] HostRefused),
}

impl Failure {
    /// Whether the server may have done what it was asked to do, and the answer is lost.
    fn outcome_is_unknown(&self) -> bool {
        match self {
            // A redirect too: whoever answered it may have handed the call on first, or send to what came of it (303).
            Self::Interrupted(_)
            | Self::TimedOut(_)
            | Self::Malformed { .. }
            | Self::NotJson(_)
            | Self::TooLarge { .. }
            | Self::Redirect(RedirectRefused::NotReading(_)) => true,
            Self::Status { status, .. } => {
                // A 503 too: a balancer says it of a server that went away while it was at work.
                *status == StatusCode::REQUEST_TIMEOUT || !status.is_client_error()
            }
            _ => false,
        }
    }

    /// Whether another try can help a call that is safe to repeat.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Interrupted(_) | Self::TimedOut(_) => true,
            Self::Status { status, .. } => super::retry::is_transient(*status),
            _ => false,
        }
    }

    /// Whether the request was turned away, and another try can help.
    pub(super) fn was_turned_away(&self) -> bool {
        match self {
            Self::Unreachable(_) => true,
            Self::Status { status, .. } => super::retry::is_turned_away(*status),
            _ => false,
        }
    }

    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

fn said(problem: Option<&str>) -> String {
    problem.map(|problem| format!(": {problem}")).unwrap_or_default()
}

fn at(field: &str) -> String {
    if field == "." { String::new() } else { format!(" at {field}") }
}

fn of(size: Option<u64>) -> String {
    size.map(|size| format!(" of {size}")).unwrap_or_default()
}

/// What a failed call is to whoever made it, whatever its cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The server asks to be called less often.
    Throttled,
    /// The server could not be reached, or cannot serve now.
    Unavailable,
    /// What is kept of the credentials could not be reached, or keeps changing: calling again can help.
    TokenStoreUnavailable,
    /// The request cannot be formed.
    InvalidSettings,
    /// Credentials were refused, or do not allow what was asked.
    AuthRejected,
    /// The server does not know what was asked for.
    NotFound,
    /// The server understood the request and refused it.
    Rejected,
    /// The server answered something that it should not.
    ContractBroken,
    /// An answer is larger than it may be.
    TooLarge,
    /// The call was held back by its rate limiter before it left, which says why, and that is the failure's own cause.
    RateLimited,
}

impl HttpError {
    /// What this is to whoever made the call.
    pub fn kind(&self) -> ErrorKind {
        match self.deciding() {
            // A server that wants to be left alone will be there again.
            Failure::Status { status, retry_after: Some(after), .. }
                if super::retry::is_turned_away(*status) && *after > super::retry::LEFT_ALONE_FROM =>
            {
                ErrorKind::Throttled
            }
            Failure::Status { status, .. } => by_status(*status),
            Failure::Unreachable(_)
            | Failure::Interrupted(_)
            | Failure::TimedOut(_)
            | Failure::Stopped { .. } => ErrorKind::Unavailable,
            Failure::LoginRefused(_) | Failure::CredentialRefused(_) | Failure::NoCredentials { .. } => {
                ErrorKind::AuthRejected
            }
            Failure::Unsendable(_) | Failure::NoAuthorities(_) => ErrorKind::InvalidSettings,
            Failure::TokenKept(kept) if kept.is_retryable() => ErrorKind::TokenStoreUnavailable,
            Failure::TokenKept(_) => ErrorKind::AuthRejected,
            Failure::Unsigned(error) if error.is_retryable() => ErrorKind::Unavailable,
            Failure::Unsigned(error) if error.is_about_settings() => ErrorKind::InvalidSettings,
            Failure::Unsigned(_) => ErrorKind::AuthRejected,
            Failure::Refused(_)
            | Failure::Certificate(_)
            | Failure::WebPage { .. }
            | Failure::NotJson(_)
            | Failure::Malformed { .. }
            | Failure::Redirect(_)
            | Failure::Range(_)
            | Failure::Token(_) => ErrorKind::ContractBroken,
            Failure::TooLarge { .. } => ErrorKind::TooLarge,
            Failure::RateLimited(_) => ErrorKind::RateLimited,
        }
    }

    /// What held the call back, where something did; the error itself otherwise.
    pub fn into_rate_limited(self) -> Result<BoxError, Self> {
        match self.failure {
            Failure::RateLimited(held) => Ok(held),
            failure => Err(Self { exchange: self.exchange, failure }),
        }
    }

    /// The error and its causes in one line.
    pub fn line(&self) -> String {
        crate::chain(self)
    }
}

fn by_status(status: StatusCode) -> ErrorKind {
    match status.as_u16() {
        429 => ErrorKind::Throttled,
        401 | 403 => ErrorKind::AuthRejected,
        404 | 410 => ErrorKind::NotFound,
        408 => ErrorKind::Unavailable,
        400..=499 => ErrorKind::Rejected,
        500..=599 => ErrorKind::Unavailable,
        _ => ErrorKind::ContractBroken,
    }
}
