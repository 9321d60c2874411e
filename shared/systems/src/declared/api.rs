//! The system behind a connection, as its API is called.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::{HeaderName, HeaderValue, header};
use jiff::Timestamp;
use landfall::clock::Clock;
use landfall::contract::Wrap;
use landfall::error::{AskAgain, Error, Result};
use landfall::job::ConnectionName;
use landfall_http::auth::{Authorizer, Credential, FixedCredential, OAuthTokens, SharedDocument};
use landfall_http::retry::retry_after;
use landfall_http::{Client, HttpError, Request};
use url::Url;

use super::call::Call;
use super::settings::DeclaredConnection;
use super::table::Meaning;
use super::take::{Answered, Take};
use super::template::Values;
use crate::server::{client, identity_client};

/// How long is waited where a source says to wait, and not how long.
const WAIT: Duration = Duration::from_secs(60);
/// How long a quota that is spent is taken to stay so.
const QUOTA: Duration = Duration::from_secs(3600);
/// How much of what a source says is told.
const MAX_SAID: usize = 500;
const BEARER: &[u8] = b"Bearer ";

/// The API, and who calls it.
pub(super) struct Api {
    pub(super) client: Client,
    pub(super) base_url: Url,
    pub(super) clock: Arc<dyn Clock>,
    authorizer: Option<Arc<dyn Authorizer>>,
}

impl fmt::Debug for Api {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Api").field("base_url", &self.base_url.as_str()).finish_non_exhaustive()
    }
}

/// How a call is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Once, whatever becomes of it.
    Once,
    /// As its method allows.
    Usual,
}

/// What is expected of an answer.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Expected {
    /// A refusal may be an answer like any other.
    pub(super) refusals: bool,
    /// It is JSON: what is none in passing is asked for again.
    pub(super) json: bool,
}

impl Api {
    /// The API as a connection describes it; `InvalidConfig` where that cannot be. A refresh token is kept in that document.
    pub(super) fn new(
        name: &ConnectionName,
        connection: &DeclaredConnection,
        token_header: Option<HeaderName>,
        kept: Arc<dyn SharedDocument>,
        clock: Arc<dyn Clock>,
        wrap: Option<Wrap<'_>>,
    ) -> Result<Self> {
        let DeclaredConnection { base_url, http, .. } = connection;
        let own = client(name, base_url, http, Arc::clone(&clock), wrap)?;
        let redactor = own.redactor().clone();
        let (own, authorizer): (Client, Option<Arc<dyn Authorizer>>) =
            match (&connection.basic, &connection.bearer, &connection.auth) {
                (None, None, None) => (own, None),
                (Some(user), None, None) => {
                    let basic = FixedCredential::basic(&user.username, &user.password, base_url, &redactor)?;
                    (own, Some(basic))
                }
                (None, Some(bearer), None) => {
                    (own, Some(FixedCredential::bearer(&bearer.token, base_url, &redactor)?))
                }
                (None, None, Some(auth)) => {
                    // The token endpoint is another server: it is called for tokens, and nowhere else.
                    let identity = identity_client(&auth.token_url, http, Arc::clone(&clock), wrap)?;
                    let own = own.beside(&identity);
                    let tokens = OAuthTokens::keeping_at(kept, auth, identity)?;
                    let scope = connection.scope.as_deref().unwrap_or_default();
                    (own, Some(tokens.scope("scope", scope, base_url)))
                }
                _ => return Err(Error::invalid_config("at most one of basic, bearer and auth is given")),
            };
        let authorizer = authorizer.map(|inner| match token_header {
            Some(name) if connection.basic.is_none() => {
                Arc::new(InHeader { inner, name }) as Arc<dyn Authorizer>
            }
            _ => inner,
        });
        Ok(Self { client: own, base_url: base_url.clone(), clock, authorizer })
    }

    /// Who calls are made as.
    pub(super) fn authorizer(&self) -> Option<Arc<dyn Authorizer>> {
        self.authorizer.clone()
    }

    /// The time by the source's clock, as an answer has told it last; that to a login, where none has yet.
    pub(super) async fn time(&self) -> Result<Option<Timestamp>> {
        if let (None, Some(authorizer)) = (self.client.told_time(), &self.authorizer) {
            authorizer.credential().await?;
        }
        Ok(self.client.told_time())
    }

    /// Makes a call, of a page of its own if a URL is given. The error of what cannot be formed is the outer one.
    pub(super) async fn call(
        &self,
        call: &Call,
        values: &Values,
        at: Option<&Url>,
        mode: Mode,
        expected: Expected,
    ) -> Result<Result<Answered, HttpError>> {
        let url = match at {
            Some(url) => url.clone(),
            None => call.url(&self.base_url, values)?,
        };
        let mut request = call.request(&self.base_url, values, at)?;
        if let Some(authorizer) = self.authorizer() {
            request = request.authorized_by(authorizer);
        }
        Ok(self.send(request, url, mode, expected).await)
    }

    async fn send(
        &self,
        mut request: Request,
        url: Url,
        mode: Mode,
        expected: Expected,
    ) -> Result<Answered, HttpError> {
        if mode == Mode::Once {
            request = request.once();
        } else if expected.json {
            // What only reads may be asked again, be it by a POST.
            request = request.idempotent().reading_json();
        }
        if expected.refusals {
            request = request.taking_refusals(|_| false);
        }
        Answered::new(self.client.call(&request).await?, url)
    }

    /// A call that only reads, and whose answer is JSON.
    pub(super) async fn read(&self, call: &Call, values: &Values, at: Option<&Url>) -> Result<Answered> {
        let expected = Expected { json: true, refusals: false };
        Ok(self.call(call, values, at, Mode::Usual, expected).await??)
    }

    /// What a source says, as it may be repeated.
    pub(super) fn told(&self, answered: &Answered, message: Option<&Take>) -> Option<String> {
        let said = message.and_then(|message| message.text(answered));
        let said = said.map(|said| self.client.redactor().text(&said));
        said.map(|said| said.chars().take(MAX_SAID).collect()).filter(|said: &String| !said.is_empty())
    }

    /// The error that an answer stands for which means that the call was not done.
    pub(super) fn refusal(&self, answered: &Answered, meaning: Meaning, message: Option<&Take>) -> Error {
        let problem = || self.client.redactor().problem(answered.body());
        let said = self.told(answered, message).or_else(problem);
        let said = said.map(|said| format!(": {said}")).unwrap_or_default();
        let (status, path) = (answered.status, answered.url.path());
        let line = format!("{path} answered {status}{said}");
        let asks = retry_after(&answered.headers, self.clock.now());
        let later = |usual| AskAgain { after: asks.filter(|asked| !asked.is_zero()).unwrap_or(usual) };
        match meaning {
            Meaning::Wait => Error::throttled(line).because(later(WAIT)),
            Meaning::Quota => {
                Error::throttled(format!("the source's quota is spent: {line}")).because(later(QUOTA))
            }
            Meaning::Absent => Error::not_found(line),
            Meaning::Ok | Meaning::Already | Meaning::Refused => match status.as_u16() {
                401 | 403 => Error::auth_rejected(line),
                404 | 410 => Error::not_found(line),
                _ => Error::rejected(line),
            },
        }
    }
}

/// Credentials whose token goes into a header of its own, as it is.
#[derive(Debug)]
struct InHeader {
    inner: Arc<dyn Authorizer>,
    name: HeaderName,
}

#[async_trait]
impl Authorizer for InHeader {
    fn covers(&self, url: &Url) -> bool {
        self.inner.covers(url)
    }

    async fn credential(&self) -> std::result::Result<Credential, HttpError> {
        let credential = self.inner.credential().await?;
        let moved = credential.headers().map(|(name, value)| {
            let token = value.as_bytes().strip_prefix(BEARER).filter(|_| name == header::AUTHORIZATION);
            match token.and_then(|token| HeaderValue::from_bytes(token).ok()) {
                Some(token) => (self.name.clone(), token),
                None => (name.clone(), value.clone()),
            }
        });
        Ok(Credential::in_headers(moved.collect(), credential.serial()))
    }

    fn renews(&self) -> bool {
        self.inner.renews()
    }

    fn is_asked_again(&self) -> bool {
        self.inner.is_asked_again()
    }

    async fn refused(&self, credential: &Credential) {
        self.inner.refused(credential).await;
    }
}
