//! The services that give a machine, or a pod on one, its identity: how they are asked.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

use super::error::PrincipalError;
use crate::client::{Client, Request};
use crate::clock::Clock;
use crate::error::{ErrorKind, HttpError};
use crate::policy::HostPolicy;
use crate::redact::Redactor;
use crate::settings::{HttpSettings, Proxy};

/// What asking takes besides the question.
#[derive(Debug, Clone)]
pub(super) struct Asking {
    /// The time.
    pub(super) clock: Arc<dyn Clock>,
    /// Is told of every token and key.
    pub(super) redactor: Redactor,
}

type Result<T, E = PrincipalError> = std::result::Result<T, E>;

impl Asking {
    /// A client of the cloud's own service of this machine, which has no name and no certificate.
    pub(super) fn of_this_machine(&self, what: &'static str, url: &Url) -> Result<Client> {
        let settings =
            HttpSettings { timeout_seconds: 10, attempts: 4, retry_seconds: 30, ..HttpSettings::default() };
        self.client(what, HostPolicy::of_own_service(url), &settings)
    }

    /// A client of a service that has both.
    pub(super) fn of_service(
        &self,
        what: &'static str,
        url: &Url,
        ca_file: Option<PathBuf>,
    ) -> Result<Client> {
        let proxy = if ca_file.is_some() { Proxy::None } else { Proxy::Environment };
        let settings = HttpSettings {
            timeout_seconds: 30,
            retry_seconds: 60,
            ca_file,
            proxy,
            ..HttpSettings::default()
        };
        self.client(what, HostPolicy::new(url, &[]), &settings)
    }

    fn client(
        &self,
        what: &'static str,
        policy: std::result::Result<HostPolicy, crate::policy::HostRefused>,
        settings: &HttpSettings,
    ) -> Result<Client> {
        let policy = policy.map_err(|error| odd(what, error.to_string()))?;
        let client = Client::new(policy, settings, Arc::clone(&self.clock));
        Ok(client.map_err(|error| odd(what, error.to_string()))?.redacting_by(&self.redactor))
    }

    /// What a call answers.
    pub(super) async fn ask(
        &self,
        what: &'static str,
        client: &Client,
        request: &Request,
    ) -> Result<Vec<u8>> {
        let answer = client.call(request).await.map_err(|error| failed(what, error))?;
        Ok(answer.body.to_vec())
    }

    /// A token as a service tells it: `{"token": …}`.
    pub(super) fn token(&self, what: &'static str, answer: &[u8]) -> Result<SecretString> {
        #[derive(Deserialize)]
        struct Told {
            token: SecretString,
        }
        let told: Told =
            serde_json::from_slice(answer).map_err(|_| odd(what, "it answered no token".to_owned()))?;
        self.redactor.remember_issued(&told.token);
        Ok(told.token)
    }
}

/// Gives a question up after this long where all that is asked is whether somebody is there.
pub(super) const IS_ANYBODY_THERE: Duration = Duration::from_secs(2);

/// A URL from its parts.
pub(super) fn url(what: &'static str, written: &str) -> Result<Url> {
    Url::parse(written).map_err(|error| odd(what, format!("{written:?} is no URL: {error}")))
}

/// An answer that is none.
pub(super) fn odd(what: &'static str, reason: String) -> PrincipalError {
    PrincipalError::Service { what, reason, is_retryable: false, source: None }
}

fn failed(what: &'static str, error: HttpError) -> PrincipalError {
    let is_retryable = matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Throttled);
    let reason = error.exchange().to_string();
    PrincipalError::Service { what, reason, is_retryable, source: Some(Box::new(error)) }
}
