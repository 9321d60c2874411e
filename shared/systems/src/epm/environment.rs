//! An EPM environment, as its APIs are called.

use std::fmt;
use std::sync::Arc;

use http::StatusCode;
use url::Url;

use crate::epm::settings::EpmConnection;
use crate::server::{client, identity_client, url_below};
use landfall::clock::Clock;
use landfall::contract::Wrap;
use landfall::error::{Error, Result};
use landfall::job::ConnectionName;
use landfall_http::auth::{Authorizer, FixedCredential, OAuthTokens, SharedDocument};
use landfall_http::retry::is_transient;
use landfall_http::{Answer, Client, Failure, HttpError, Request};

/// An environment, and who calls it. Clones share its connections.
#[derive(Clone)]
pub(super) struct Environment {
    pub(super) client: Client,
    pub(super) clock: Arc<dyn Clock>,
    base_url: Url,
    authorizer: Arc<dyn Authorizer>,
    user: String,
    has_password: bool,
}

impl fmt::Debug for Environment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Environment")
            .field("base_url", &self.base_url.as_str())
            .finish_non_exhaustive()
    }
}

impl Environment {
    /// An environment as a connection describes it; `InvalidConfig` where that cannot be. A refresh token is kept in
    /// that document.
    pub(super) fn new(
        name: &ConnectionName,
        connection: &EpmConnection,
        clock: Arc<dyn Clock>,
        kept: Arc<dyn SharedDocument>,
        wrap: Option<Wrap<'_>>,
    ) -> Result<Self> {
        let (base_url, http) = (&connection.base_url, &connection.http);
        let own = client(name, base_url, http, Arc::clone(&clock), wrap)?;
        let (own, authorizer, user): (Client, Arc<dyn Authorizer>, &str) =
            match (&connection.basic, &connection.auth) {
                (Some(user), None) => {
                    let basic =
                        FixedCredential::basic(&user.username, &user.password, base_url, own.redactor())?;
                    (own, basic, &user.username)
                }
                (None, Some(auth)) => {
                    let scope = connection.scope.as_ref().ok_or_else(|| {
                        Error::invalid_config("scope is missing: auth needs the environment's OAuth scope")
                    })?;
                    // The identity domain is another server: it is called for tokens, and nowhere else.
                    let identity = identity_client(&auth.token_url, http, Arc::clone(&clock), wrap)?;
                    let own = own.beside(&identity);
                    let user = auth.username.as_deref().unwrap_or(&auth.client_id);
                    let tokens = OAuthTokens::keeping_at(kept, auth, identity)?;
                    (own, tokens.scope("scope", scope, base_url), user)
                }
                (None, None) | (Some(_), Some(_)) => {
                    let reason = "either basic, a user's name and password, or auth with scope must be given";
                    return Err(Error::invalid_config(reason));
                }
            };
        Ok(Self {
            client: own,
            clock,
            base_url: base_url.clone(),
            authorizer,
            user: user.to_owned(),
            has_password: connection.basic.is_some(),
        })
    }

    /// Whom EPM takes us for, as its list of processes shows it.
    pub(super) fn user(&self) -> &str {
        &self.user
    }

    /// Who calls are made as.
    pub(super) fn authorizer(&self) -> Arc<dyn Authorizer> {
        Arc::clone(&self.authorizer)
    }

    /// The URL of a resource below the base URL. Each segment is encoded as a whole: a slash in it is `%2F`.
    pub(super) fn url(&self, segments: &[&str]) -> Url {
        url_below(&self.base_url, segments)
    }

    /// Makes a call as the connection's user.
    pub(super) async fn call(&self, request: Request) -> Result<Answer, HttpError> {
        self.client.call(&request.authorized_by(self.authorizer())).await
    }

    /// A call's error under its stable name. Where a password was refused, or led to a login page, it says what that
    /// mostly means.
    pub(super) fn named(&self, error: HttpError) -> Error {
        let is_about_login = error.status() == Some(StatusCode::UNAUTHORIZED)
            || error.is_web_page()
            || matches!(error.failure(), Failure::Redirect(_));
        let error = Error::from(error);
        if is_about_login && self.has_password {
            return error.while_doing(
                "EPM refused this user's password (with multi-factor authentication it accepts OAuth only)",
            );
        }
        error
    }

    /// A text of the server's as it may be repeated.
    pub(super) fn redacted(&self, text: Option<&str>) -> Option<String> {
        text.map(|text| self.client.redactor().text(text)).filter(|text| !text.is_empty())
    }
}

/// Whether a refusal says something of the resource that was asked for, and nothing of the environment.
pub(super) fn is_about_resource_alone(error: &HttpError) -> bool {
    error.status().is_some_and(|status| {
        status.is_client_error() && status != StatusCode::UNAUTHORIZED && !is_transient(status)
    })
}
