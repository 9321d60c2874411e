//! The system behind a connection, as its API is called.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use landfall::clock::Clock;
use landfall::contract::Wrap;
use landfall::error::{AskAgain, Error, Result};
use landfall::job::ConnectionName;
use landfall_http::auth::{Authorizer, FixedCredential, OAuthTokens, SharedDocument};
use landfall_http::retry::retry_after;
use landfall_http::{Client, HostPolicy, HttpError, Opened, Request};
use url::Url;

use super::call::Call;
use super::credentials::Placed;
use super::description::Description;
use super::settings::DeclaredConnection;
use super::table::Meaning;
use super::take::{Answered, Take};
use super::template::Values;
use crate::server::{client, identity_client, policy};

/// How long is waited where a source says to wait, and not how long.
const WAIT: Duration = Duration::from_secs(60);
/// How long a quota that is spent is taken to stay so.
const QUOTA: Duration = Duration::from_secs(3600);
/// How much of what a source says is told.
const MAX_SAID: usize = 500;
/// The largest answer that is read to see why a download was refused.
const MAX_REFUSAL: u64 = 64 << 10;

/// The server behind a connection, and who calls it.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) client: Client,
    pub(super) base_url: Url,
    pub(super) clock: Arc<dyn Clock>,
    authorizer: Option<Arc<dyn Authorizer>>,
    /// Whether its credentials are a token, which may go into a header of its own.
    has_token: bool,
    /// The hosts that get the credentials besides its own.
    also: Option<HostPolicy>,
}

impl fmt::Debug for Server {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Server").field("base_url", &self.base_url.as_str()).finish_non_exhaustive()
    }
}

/// A server, called as a description says.
#[derive(Debug)]
pub(super) struct Api {
    server: Server,
    pub(super) description: Arc<Description>,
}

impl Deref for Api {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
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

impl Server {
    /// The server as a connection has it; `InvalidConfig` where that cannot be. A refresh token is kept in that document.
    pub(super) fn new(
        name: &ConnectionName,
        connection: &DeclaredConnection,
        kept: Arc<dyn SharedDocument>,
        clock: Arc<dyn Clock>,
        wrap: Option<Wrap<'_>>,
    ) -> Result<Self> {
        let DeclaredConnection { base_url, credential_hosts, .. } = connection;
        let mut http = connection.http.clone();
        http.allowed_hosts.extend(credential_hosts.iter().cloned());
        let http = &http;
        let also = match credential_hosts.is_empty() {
            true => None,
            false => Some(policy("base_url", base_url, "credential_hosts", credential_hosts)?),
        };
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
        let has_token = connection.basic.is_none();
        Ok(Self { client: own, base_url: base_url.clone(), clock, authorizer, has_token, also })
    }

    /// The same server, called as a description says.
    pub(super) fn by(&self, description: Arc<Description>) -> Arc<Api> {
        Arc::new(Api { server: self.clone(), description })
    }

    /// Whether there are credentials; an error where they cannot be had.
    pub(super) async fn has_credentials(&self) -> Result<bool> {
        match &self.authorizer {
            Some(authorizer) => Ok(authorizer.credential().await.map(|_| true)?),
            None => Ok(false),
        }
    }

    /// The time by the source's clock, as an answer has told it last; that to a login, where none has yet.
    pub(super) async fn time(&self) -> Result<Option<Timestamp>> {
        if let (None, Some(authorizer)) = (self.client.told_time(), &self.authorizer) {
            authorizer.credential().await?;
        }
        Ok(self.client.told_time())
    }
}

impl Api {
    /// Who calls are made as.
    pub(super) fn authorizer(&self) -> Option<Arc<dyn Authorizer>> {
        let inner = self.authorizer.clone()?;
        let header = self.description.token_header.clone().filter(|_| self.has_token);
        match (&header, &self.also) {
            (None, None) => Some(inner),
            _ => Some(Arc::new(Placed { inner, header, also: self.also.clone() })),
        }
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
        let request = call.request(&self.base_url, values, at)?;
        self.ask(request, url, call.is_for_its_head, mode, expected).await
    }

    /// Makes a call, and looks whether its answer says that a limit is reached.
    async fn ask(
        &self,
        mut request: Request,
        url: Url,
        is_for_its_head: bool,
        mode: Mode,
        expected: Expected,
    ) -> Result<Result<Answered, HttpError>> {
        let authorizer = self.authorizer();
        if let Some(authorizer) = &authorizer {
            request = request.authorized_by(Arc::clone(authorizer));
        }
        let limits = &self.description.limits;
        let taken = Expected { refusals: expected.refusals || limits.is_some(), ..expected };
        let mut may_renew = authorizer.filter(|authorizer| authorizer.renews());
        loop {
            let answered = match self.send(request.clone(), url.clone(), is_for_its_head, mode, taken).await {
                Ok(answered) => answered,
                Err(error) => return Ok(Err(error)),
            };
            let reached = limits.as_ref().and_then(|limits| limits.reached(&answered));
            match (reached, may_renew.take()) {
                // Whom a call was not let in for has had nothing done.
                (Some(Meaning::Login), Some(authorizer)) => {
                    let credential = authorizer.credential().await?;
                    authorizer.refused(&credential).await;
                }
                (Some(meaning), _) => return Err(self.refusal(&answered, meaning, None)),
                (None, _) if answered.status.is_success() || expected.refusals => return Ok(Ok(answered)),
                (None, _) => return Err(self.refusal(&answered, Meaning::Refused, None)),
            }
        }
    }

    async fn send(
        &self,
        mut request: Request,
        url: Url,
        is_for_its_head: bool,
        mode: Mode,
        expected: Expected,
    ) -> Result<Answered, HttpError> {
        if mode == Mode::Once {
            request = request.once();
        } else if expected.json && !is_for_its_head {
            // What only reads may be asked again, be it by a POST.
            request = request.idempotent().reading_json();
        }
        if expected.refusals {
            request = request.taking_refusals(|_| false);
        }
        if !is_for_its_head {
            return Answered::new(self.client.call(&request).await?, url);
        }
        match self.client.open(&request).await? {
            Opened::Body(begun) => Ok(Answered::of_head(begun.status, begun.headers, url)),
            Opened::Refused(answer) => Answered::new(answer, url),
        }
    }

    /// The error of a download that was refused, if what its server says is that a limit is reached.
    pub(super) async fn limit_behind(&self, url: &Url) -> Option<Error> {
        let request = Request::get(url.clone()).at_most(MAX_REFUSAL);
        let expected = Expected { refusals: true, json: false };
        self.ask(request, url.clone(), false, Mode::Usual, expected).await.err()
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
            Meaning::Login => Error::auth_rejected(line),
            Meaning::Ok | Meaning::Already | Meaning::Refused => match status.as_u16() {
                401 | 403 => Error::auth_rejected(line),
                404 | 410 => Error::not_found(line),
                _ => Error::rejected(line),
            },
        }
    }
}
