//! Tokens that are kept until shortly before they expire, and refused logins that are not repeated, whatever the login.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method};
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use url::Url;

use super::Credential;
use crate::client::Client;
use crate::clock::Clock;
use crate::error::HttpError;

/// The tokens of one client or user, one a scope.
///
/// Callers who need a token at once share one login for it. A login that is refused is not tried again for some
/// minutes, by no caller: parallel callers must not lock an account.
pub struct TokenCache {
    clock: Arc<dyn Clock>,
    login_url: Url,
    state: Mutex<State>,
    /// Held while a login is under way: callers behind it find the token in the cache.
    logging_in: tokio::sync::Mutex<()>,
}

/// A token as a login gave it.
#[derive(Clone)]
pub struct Issued {
    /// The token.
    pub secret: SecretString,
    /// The headers that carry it.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// How long it is used before another is asked for.
    pub used_for: Duration,
}

#[derive(Default)]
struct State {
    tokens: HashMap<String, Token>,
    refusal: Option<Refusal>,
    issued: u64,
}

struct Token {
    credential: Credential,
    secret: SecretString,
    renew_at: Timestamp,
}

struct Refusal {
    until: Timestamp,
    /// Only this scope is refused; otherwise it is the client or the user.
    scope: Option<String>,
    said: String,
}

impl Refusal {
    fn concerns(&self, scope: &str) -> bool {
        self.scope.as_deref().is_none_or(|refused| refused == scope)
    }
}

impl TokenCache {
    /// How long a refused login is not tried again: a few wrong passwords lock an account.
    pub const REFUSAL_REMEMBERED: Duration = Duration::from_secs(300);
    /// The longest that a token is believed to live, whatever it says.
    pub const MAX_LIFETIME: Duration = Duration::from_secs(12 * 3600);

    /// The tokens that a client gets at a URL.
    pub fn new(client: &Client, login_url: Url) -> Self {
        Self {
            clock: Arc::clone(&client.clock),
            login_url,
            state: Mutex::default(),
            logging_in: tokio::sync::Mutex::default(),
        }
    }

    /// The credential for a scope: from the token that is kept, or else from the one that `log_in` gives, which is
    /// not begun before. What `log_in` was refused with is remembered, and so named.
    pub async fn credential(
        &self,
        scope: &str,
        log_in: impl Future<Output = Result<Issued, HttpError>> + Send,
    ) -> Result<Credential, HttpError> {
        if let Some(credential) = self.kept(scope)? {
            return Ok(credential);
        }
        let _turn = self.logging_in.lock().await;
        if let Some(credential) = self.kept(scope)? {
            return Ok(credential);
        }
        match log_in.await {
            Ok(issued) => Ok(self.keep(scope, issued)),
            Err(error) => Err(self.note_refusal(scope, error)),
        }
    }

    /// Forgets the token that a server has refused, and returns it; nothing where another caller has renewed it
    /// already.
    pub fn forget(&self, scope: &str, refused: &Credential) -> Option<SecretString> {
        let mut state = self.state();
        state.tokens.get(scope).filter(|token| token.credential.serial() == refused.serial())?;
        state.tokens.remove(scope).map(|token| token.secret)
    }

    /// Remembers that whoever logs in is refused, and why.
    pub fn refuse(&self, said: String) {
        self.remember(None, said);
    }

    fn kept(&self, scope: &str) -> Result<Option<Credential>, HttpError> {
        let now = self.clock.now();
        let state = self.state();
        if let Some(token) = state.tokens.get(scope).filter(|token| now < token.renew_at) {
            return Ok(Some(token.credential.clone()));
        }
        match state.refusal.as_ref().filter(|refusal| now < refusal.until && refusal.concerns(scope)) {
            Some(Refusal { said, until, .. }) => {
                let until = Timestamp::from_second(until.as_second()).unwrap_or(*until);
                Err(self.refused(format!("{said} (not tried again before {until})")))
            }
            None => Ok(None),
        }
    }

    fn keep(&self, scope: &str, issued: Issued) -> Credential {
        let renew_at = later(self.clock.now(), issued.used_for);
        let mut state = self.state();
        state.issued = state.issued.saturating_add(1);
        state.refusal.take_if(|refusal| refusal.concerns(scope));
        let credential = Credential::in_headers(issued.headers, state.issued);
        let token = Token { credential: credential.clone(), secret: issued.secret, renew_at };
        state.tokens.insert(scope.to_owned(), token);
        credential
    }

    fn note_refusal(&self, scope: &str, error: HttpError) -> HttpError {
        let Some(said) = error.refusal() else { return error };
        // RFC 6749, 5.2: other scopes may be given.
        let is_scope = said.contains("invalid_scope");
        self.remember(is_scope.then(|| scope.to_owned()), said.clone());
        self.refused(said)
    }

    fn remember(&self, scope: Option<String>, said: String) {
        let until = later(self.clock.now(), Self::REFUSAL_REMEMBERED);
        self.state().refusal = Some(Refusal { until, scope, said });
    }

    fn refused(&self, said: String) -> HttpError {
        HttpError::login_refused(&Method::POST, &self.login_url, said)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A moment so much later, or the last one that there is.
pub(super) fn later(now: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by).ok().and_then(|by| now.checked_add(by).ok()).unwrap_or(Timestamp::MAX)
}
