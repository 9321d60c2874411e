//! Posting to somebody whose address is a secret.

use std::time::Duration;

use http::{HeaderValue, header};
use landfall_http::{Client, Failure, HostPolicy, HttpError, HttpSettings, Request};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;

use crate::config::SecretUrl;
use crate::context::Context;

/// The longest that one try takes, in seconds, and how long and how often it is tried again: telling delays a step by no
/// more than a moment.
const MAX_TIMEOUT_SECONDS: u64 = 5;
const MAX_RETRY_SECONDS: u64 = 6;
const MAX_ATTEMPTS: u32 = 3;

/// The most bytes of an answer, which nobody reads.
const MAX_ANSWER: u64 = 1 << 20;

/// Why somebody was not told: nothing in it but the server's name leads there.
#[derive(Debug, thiserror::Error)]
#[error("{host} was not told: {reason}")]
pub(super) struct PostError {
    host: String,
    reason: String,
}

/// Where to post, and how.
pub(super) struct Post<'a> {
    pub url: &'a SecretUrl,
    pub http: &'a HttpSettings,
    pub token: Option<&'a SecretString>,
}

impl Post<'_> {
    /// Posts a message, again where that can help: it may come twice.
    pub(super) async fn send(&self, context: &Context, body: &impl Serialize) -> Result<(), PostError> {
        let not_told = |reason: String| PostError { host: self.url.host(), reason };
        let url = self.url.expose().map_err(|error| not_told(error.to_string()))?;
        let policy = HostPolicy::new(&url, &[]).map_err(|error| not_told(error.to_string()))?;
        let client = Client::new(policy, &self.settings(), context.clock().clone());
        let client = client.map_err(|error| not_told(error.to_string()))?;
        let request = Request::post_json(url, body).map_err(|error| not_told(reason(&error)))?;
        let request = request.idempotent().to_secret_url().at_most(MAX_ANSWER);
        let request = match self.token {
            Some(token) => {
                let bearer = HeaderValue::try_from(format!("Bearer {}", token.expose_secret()));
                let bearer = bearer.map_err(|_| not_told("the token is none that can be sent".to_owned()))?;
                request.secret_header(header::AUTHORIZATION, bearer)
            }
            None => request,
        };
        let called = context.wrapped(client).call(&request).await;
        called.map(|_| ()).map_err(|error| not_told(reason(&error)))
    }

    fn settings(&self) -> HttpSettings {
        let HttpSettings { timeout_seconds, retry_seconds, attempts, .. } = *self.http;
        HttpSettings {
            timeout_seconds: timeout_seconds.min(MAX_TIMEOUT_SECONDS),
            retry_seconds: retry_seconds.min(MAX_RETRY_SECONDS),
            attempts: attempts.min(MAX_ATTEMPTS),
            ..self.http.clone()
        }
    }
}

/// What went wrong, in words that are all ours: those of the server, or of what is below, may hold the URL.
fn reason(error: &HttpError) -> String {
    match error.failure() {
        Failure::Status { status, .. } => format!("it answered {status}"),
        failure @ (Failure::Unreachable(_)
        | Failure::Certificate(_)
        | Failure::NoAuthorities(_)
        | Failure::Interrupted(_)
        | Failure::TimedOut(_)) => failure.to_string(),
        Failure::Redirect(_) => "it leads elsewhere".to_owned(),
        _ => "it did not answer as a webhook does".to_owned(),
    }
}

/// The longest that it takes to tell somebody.
pub(super) const TOLD_WITHIN: Duration = Duration::from_secs(MAX_TIMEOUT_SECONDS + MAX_RETRY_SECONDS);
