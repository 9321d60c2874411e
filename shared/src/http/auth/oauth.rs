//! OAuth 2.0 tokens (RFC 6749, 7523): one a scope, cached until shortly before it expires.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::{HeaderValue, header};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::{Origin, Url};

use super::assertion::Signer;
use super::{Authorizer, Credential};
use crate::config::{ClientAuth, Grant, OAuth};
use crate::error::{Error, Result};
use crate::http::client::{Client, Request};
use crate::http::error::{Exchange, Failure, HttpError};

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const CLIENT_ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// How long a refused login is not tried again: a few wrong passwords lock an account.
const REFUSAL_REMEMBERED: Duration = Duration::from_secs(300);
/// How long a token is used of which the server does not say how long it lives.
const UNSTATED_LIFETIME: Duration = Duration::from_secs(300);
/// Beyond this, a lifetime was told in milliseconds: Fusion's own token relay does that.
const ABSURD_SECONDS: f64 = 7.0 * 86_400.0;
/// The longest that a token is used, whatever it says.
const LONGEST_LIFETIME: Duration = Duration::from_secs(12 * 3600);
/// How long before its end a token is renewed, at most; a fifth of its life for short-lived ones.
const RENEWED_BEFORE: Duration = Duration::from_secs(60);

/// The tokens of one OAuth client.
///
/// Callers who need a token at once share one call for it. What the token endpoint refuses is not tried
/// again for some minutes, by no caller: parallel callers must not lock an account.
pub struct OAuthTokens {
    settings: OAuth,
    client: Client,
    signer: Option<Signer>,
    state: Mutex<State>,
    /// Held while a token is fetched: callers behind it find the token in the cache.
    fetching: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    tokens: HashMap<String, Token>,
    refusal: Option<Refusal>,
    issued: u64,
}

#[derive(Clone)]
struct Token {
    credential: Credential,
    renew_at: Timestamp,
}

#[derive(Clone)]
struct Refusal {
    until: Timestamp,
    /// Only this scope is refused; otherwise it is the client or the user.
    scope: Option<String>,
    said: String,
}

impl fmt::Debug for OAuthTokens {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("OAuthTokens")
            .field("client_id", &self.settings.client_id)
            .finish_non_exhaustive()
    }
}

impl OAuthTokens {
    /// The tokens of a client. `client` calls the token endpoint and nothing else.
    ///
    /// `InvalidConfig` where the grant or the client's authentication lacks what it needs.
    pub fn new(settings: &OAuth, client: Client) -> Result<Arc<Self>> {
        let lacks =
            |key: &str, by: &str| Error::invalid_config(format!("auth.{key} is missing: {by} needs it"));
        if settings.grant == Grant::Password {
            settings.username.as_ref().ok_or_else(|| lacks("username", "the grant password"))?;
            settings.password.as_ref().ok_or_else(|| lacks("password", "the grant password"))?;
        }
        if settings.client_auth != ClientAuth::PrivateKeyJwt {
            settings.client_secret.as_ref().ok_or_else(|| lacks("client_secret", "this client_auth"))?;
        }
        let needs_key =
            settings.grant == Grant::JwtBearer || settings.client_auth == ClientAuth::PrivateKeyJwt;
        let signer = match &settings.private_key {
            Some(pem) => Some(signer(settings, pem)?),
            None if needs_key => return Err(lacks("private_key", "signing assertions")),
            None => None,
        };
        for secret in
            [&settings.client_secret, &settings.password, &settings.private_key].into_iter().flatten()
        {
            client.redactor().remember(secret);
        }
        Ok(Arc::new(Self {
            settings: settings.clone(),
            client,
            signer,
            state: Mutex::default(),
            fetching: tokio::sync::Mutex::default(),
        }))
    }

    /// The tokens of one scope, for the servers of one origin.
    pub fn scope(self: &Arc<Self>, scope: &str, audience: &Url) -> Arc<ScopedToken> {
        Arc::new(ScopedToken {
            tokens: Arc::clone(self),
            scope: scope.to_owned(),
            audience: audience.origin(),
        })
    }

    async fn token(&self, scope: &str) -> Result<Credential, HttpError> {
        if let Some(credential) = self.cached(scope)? {
            return Ok(credential);
        }
        let _turn = self.fetching.lock().await;
        if let Some(credential) = self.cached(scope)? {
            return Ok(credential);
        }
        let issued = self.fetch(scope).await.map_err(|error| self.note_refusal(scope, error))?;
        Ok(self.keep(scope, issued))
    }

    fn cached(&self, scope: &str) -> Result<Option<Credential>, HttpError> {
        let now = self.client.clock.now();
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(token) = state.tokens.get(scope).filter(|token| now < token.renew_at) {
            return Ok(Some(token.credential.clone()));
        }
        let refused = state.refusal.as_ref().filter(|refusal| {
            now < refusal.until && refusal.scope.as_deref().is_none_or(|refused| refused == scope)
        });
        match refused {
            Some(refusal) => {
                let said = format!("{} (not tried again before {})", refusal.said, seconds(refusal.until));
                Err(self.refused_login(said))
            }
            None => Ok(None),
        }
    }

    async fn fetch(&self, scope: &str) -> Result<Issued, HttpError> {
        let answer = self.client.call(&self.request(scope)?).await?;
        let answered: Answered = answer.json()?;
        let kind = answered.token_type.as_deref().unwrap_or("Bearer");
        // Fusion's relay says JWT and means a bearer token.
        if !kind.eq_ignore_ascii_case("bearer") && !kind.eq_ignore_ascii_case("jwt") {
            return Err(answer.malformed("token_type", &format!("{kind:?} is not Bearer")));
        }
        self.client.redactor().remember(&answered.access_token);
        let token = answered.access_token.expose_secret();
        match HeaderValue::from_str(&format!("Bearer {token}")) {
            Ok(bearer) if !token.trim().is_empty() => {
                Ok(Issued { bearer, lifetime: lifetime(answered.expires_in.as_ref()) })
            }
            _ => Err(answer.malformed("access_token", "it is not one line of visible characters")),
        }
    }

    /// The request for a token of this scope. It changes nothing that matters, so a lost answer is asked
    /// for again; not so with an assertion, which a server takes only once.
    fn request(&self, scope: &str) -> Result<Request, HttpError> {
        let settings = &self.settings;
        let now = self.client.clock.now();
        let sign = |subject: &str| match &self.signer {
            Some(signer) => signer.sign(subject, now).map_err(|error| self.unsendable(&error.to_string())),
            None => Err(self.unsendable("there is no private key")),
        };
        let mut secrets: Vec<(&str, SecretString)> = Vec::new();
        let mut fields: Vec<(&str, &str)> = vec![("scope", scope)];
        match settings.grant {
            Grant::ClientCredentials => fields.push(("grant_type", "client_credentials")),
            Grant::Password => {
                fields.push(("grant_type", "password"));
                fields.push(("username", settings.username.as_deref().unwrap_or_default()));
                secrets.push(("password", settings.password.clone().unwrap_or_default()));
            }
            Grant::JwtBearer => {
                fields.push(("grant_type", JWT_BEARER));
                let subject = settings.username.as_deref().unwrap_or(&settings.client_id);
                secrets.push(("assertion", sign(subject)?));
            }
        }
        match settings.client_auth {
            ClientAuth::Basic => {}
            ClientAuth::Body => {
                fields.push(("client_id", &settings.client_id));
                secrets.push(("client_secret", settings.client_secret.clone().unwrap_or_default()));
            }
            ClientAuth::PrivateKeyJwt => {
                fields.push(("client_id", &settings.client_id));
                fields.push(("client_assertion_type", CLIENT_ASSERTION));
                secrets.push(("client_assertion", sign(&settings.client_id)?));
            }
        }
        fields.extend(secrets.iter().map(|(name, secret)| (*name, secret.expose_secret())));
        let is_signed =
            settings.grant == Grant::JwtBearer || settings.client_auth == ClientAuth::PrivateKeyJwt;
        let request = Request::post_form(settings.token_url.clone(), &fields);
        let request = if is_signed { request } else { request.idempotent() };
        if settings.client_auth == ClientAuth::Basic {
            return Ok(request.secret_header(header::AUTHORIZATION, self.basic()?));
        }
        Ok(request)
    }

    fn basic(&self) -> Result<HeaderValue, HttpError> {
        let secret =
            self.settings.client_secret.as_ref().map(|secret| secret.expose_secret()).unwrap_or_default();
        let pair = BASE64.encode(format!("{}:{secret}", self.settings.client_id));
        HeaderValue::from_str(&format!("Basic {pair}")).map_err(|error| self.unsendable(&error.to_string()))
    }

    fn keep(&self, scope: &str, issued: Issued) -> Credential {
        let used_for = issued.lifetime.saturating_sub(RENEWED_BEFORE.min(issued.lifetime / 5));
        let renew_at = later(self.client.clock.now(), used_for);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.issued = state.issued.saturating_add(1);
        state.refusal = None;
        let credential = Credential::new(issued.bearer, state.issued);
        state.tokens.insert(scope.to_owned(), Token { credential: credential.clone(), renew_at });
        credential
    }

    /// Remembers a refusal of the token endpoint, and names it as one.
    fn note_refusal(&self, scope: &str, error: HttpError) -> HttpError {
        let Failure::Status { status, problem, .. } = error.failure() else { return error };
        if !status.is_client_error() || crate::http::retry::is_transient(*status) {
            return error;
        }
        let said = match problem {
            Some(problem) => format!("{status}, {problem}"),
            None => status.to_string(),
        };
        let concerns_scope = problem.as_ref().is_some_and(|problem| problem.contains("invalid_scope"));
        let until = later(self.client.clock.now(), REFUSAL_REMEMBERED);
        let refusal = Refusal { until, scope: concerns_scope.then(|| scope.to_owned()), said: said.clone() };
        self.state.lock().unwrap_or_else(PoisonError::into_inner).refusal = Some(refusal);
        self.refused_login(said)
    }

    fn refused_login(&self, said: String) -> HttpError {
        HttpError::new(self.exchange(), Failure::LoginRefused(said))
    }

    fn unsendable(&self, reason: &str) -> HttpError {
        HttpError::new(self.exchange(), Failure::Unsendable(reason.to_owned()))
    }

    fn exchange(&self) -> Exchange {
        Exchange::new(&http::Method::POST, &self.settings.token_url)
    }

    fn forget(&self, scope: &str, refused: &Credential) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // Another caller may have renewed it already.
        if state.tokens.get(scope).is_some_and(|token| token.credential.serial() == refused.serial()) {
            state.tokens.remove(scope);
        }
    }
}

fn signer(settings: &OAuth, pem: &SecretString) -> Result<Signer> {
    Signer::new(pem, settings.key_id.as_deref(), &settings.client_id, &settings.assertion_audience)
        .map_err(|error| Error::invalid_config(format!("auth.private_key is not an RSA key in PEM: {error}")))
}

fn later(now: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by).ok().and_then(|by| now.checked_add(by).ok()).unwrap_or(Timestamp::MAX)
}

fn seconds(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

/// The token endpoint's answer (RFC 6749, 5.1).
#[derive(Deserialize)]
struct Answered {
    access_token: SecretString,
    token_type: Option<String>,
    expires_in: Option<Lifetime>,
}

/// What becomes a credential.
struct Issued {
    bearer: HeaderValue,
    lifetime: Duration,
}

/// Servers write `expires_in` as a number and as a text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Lifetime {
    Number(f64),
    Text(String),
}

/// How long a token may be used, whatever the server says about it.
fn lifetime(stated: Option<&Lifetime>) -> Duration {
    let seconds = match stated {
        Some(Lifetime::Number(number)) => Some(*number),
        Some(Lifetime::Text(text)) => text.trim().parse().ok(),
        None => None,
    };
    match seconds {
        Some(seconds) if seconds.is_finite() && seconds > 0.0 => {
            let seconds = if seconds > ABSURD_SECONDS { seconds / 1000.0 } else { seconds };
            Duration::try_from_secs_f64(seconds).unwrap_or(LONGEST_LIFETIME).min(LONGEST_LIFETIME)
        }
        _ => UNSTATED_LIFETIME,
    }
}

/// Tokens of one scope, shown to the servers of one origin only.
#[derive(Debug)]
pub struct ScopedToken {
    tokens: Arc<OAuthTokens>,
    scope: String,
    audience: Origin,
}

#[async_trait]
impl Authorizer for ScopedToken {
    fn covers(&self, url: &Url) -> bool {
        url.origin() == self.audience
    }

    async fn credential(&self) -> Result<Credential, HttpError> {
        self.tokens.token(&self.scope).await
    }

    async fn refused(&self, credential: &Credential) {
        self.tokens.forget(&self.scope, credential);
    }
}
