//! OAuth 2.0 tokens (RFC 6749, 7522, 7523): one a scope, cached until shortly before it expires.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD as BASE64, URL_SAFE_NO_PAD as BASE64_URL};
use http::{HeaderValue, header};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::{Origin, Url};

use super::assertion::Signer;
use super::rotation::{Claim, Rotation, SharedDocument, TokenOrClaim, TokenStoreError};
use super::token_cache::{Issued, TokenCache, later};
use super::{Authorizer, Credential, InvalidSetting};
use crate::client::{Client, Request};
use crate::error::{Exchange, Failure, HttpError};
use crate::settings::{ClientAuth, Grant, OAuth};

const SAML2_BEARER: &str = "urn:ietf:params:oauth:grant-type:saml2-bearer";
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const CLIENT_ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// How long a token is used of which the server does not say how long it lives.
const UNSTATED_LIFETIME: Duration = Duration::from_secs(300);
/// Beyond this, a lifetime was given in milliseconds: Fusion's own token relay does that.
const ABSURD_SECONDS: f64 = 7.0 * 86_400.0;
/// How long before its end a token is renewed, at most; a fifth of its life for short-lived ones.
const RENEWED_BEFORE: Duration = Duration::from_secs(60);

/// The tokens of one OAuth client.
pub struct OAuthTokens {
    settings: OAuth,
    client: Client,
    signer: Option<Signer>,
    rotation: Option<Rotation>,
    cache: TokenCache,
    /// The token that a server refused last: one that is kept for other processes may be the same.
    refused: Mutex<Option<SecretString>>,
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
    pub fn new(settings: &OAuth, client: Client) -> Result<Arc<Self>, InvalidSetting> {
        if settings.grant == Grant::RefreshToken {
            return Err(InvalidSetting::new(
                "auth.grant refresh_token is not one that this connection takes",
            ));
        }
        Self::build(settings, client, None)
    }

    /// The same, for a connection that has a place where its refresh token is kept: the grant `refresh_token` too.
    pub fn keeping_at(
        store: Arc<dyn SharedDocument>,
        settings: &OAuth,
        client: Client,
    ) -> Result<Arc<Self>, InvalidSetting> {
        let rotation = match (&settings.refresh_token, settings.grant) {
            (Some(first), Grant::RefreshToken) => {
                Some(Rotation::new(store, Arc::clone(&client.clock), first.clone()))
            }
            _ => None,
        };
        Self::build(settings, client, rotation)
    }

    fn build(
        settings: &OAuth,
        client: Client,
        rotation: Option<Rotation>,
    ) -> Result<Arc<Self>, InvalidSetting> {
        let lacks =
            |key: &str, by: &str| InvalidSetting::new(format!("auth.{key} is missing: {by} needs it"));
        if settings.grant == Grant::Password {
            settings.username.as_ref().ok_or_else(|| lacks("username", "the grant password"))?;
            settings.password.as_ref().ok_or_else(|| lacks("password", "the grant password"))?;
        }
        if settings.grant == Grant::Saml2Bearer {
            settings.assertion.as_ref().ok_or_else(|| lacks("assertion", "the grant saml2_bearer"))?;
        }
        if settings.grant == Grant::RefreshToken {
            settings
                .refresh_token
                .as_ref()
                .ok_or_else(|| lacks("refresh_token", "the grant refresh_token"))?;
        }
        if settings.client_auth != ClientAuth::PrivateKeyJwt && !is_public(settings) {
            settings.client_secret.as_ref().ok_or_else(|| lacks("client_secret", "this client_auth"))?;
        }
        let needs_key =
            settings.grant == Grant::JwtBearer || settings.client_auth == ClientAuth::PrivateKeyJwt;
        let signer = match &settings.private_key {
            Some(pem) => Some(signer(settings, pem)?),
            None if needs_key => return Err(lacks("private_key", "signing assertions")),
            None => None,
        };
        let secrets = [
            &settings.client_secret,
            &settings.password,
            &settings.private_key,
            &settings.assertion,
            &settings.refresh_token,
        ];
        for secret in secrets.into_iter().flatten() {
            client.redactor().remember(secret);
        }
        if settings.client_secret.is_some() {
            client.redactor().remember(&basic_pair(settings));
        }
        Ok(Arc::new(Self {
            settings: settings.clone(),
            cache: TokenCache::new(&client, settings.token_url.clone()),
            client,
            signer,
            rotation,
            refused: Mutex::default(),
        }))
    }

    /// The tokens of one scope, which a key of the connection names, for the servers of one origin.
    pub fn scope(self: &Arc<Self>, key: &'static str, scope: &str, audience: &Url) -> Arc<ScopedToken> {
        Arc::new(ScopedToken {
            tokens: Arc::clone(self),
            key,
            scope: scope.to_owned(),
            audience: audience.origin(),
        })
    }

    async fn token(&self, scope: &str) -> Result<Credential, HttpError> {
        self.cache.credential(scope, self.fetch(scope)).await
    }

    async fn fetch(&self, scope: &str) -> Result<Issued, HttpError> {
        match &self.rotation {
            Some(rotation) => self.rotate(rotation, scope).await,
            None => Ok(self.ask(scope, None).await?.0),
        }
    }

    /// Takes the token that another process has obtained, or obtains one with the refresh token.
    async fn rotate(&self, rotation: &Rotation, scope: &str) -> Result<Issued, HttpError> {
        let kept =
            |error: TokenStoreError| HttpError::new(self.exchange(), Failure::TokenKept(Box::new(error)));
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let claim = match rotation.token_or_claim(scope, refused.as_ref()).await.map_err(kept)? {
            TokenOrClaim::Claim(claim) => claim,
            TokenOrClaim::Token(secret, until) => {
                self.client.redactor().remember_issued(&secret);
                let lifetime = until.duration_since(self.client.clock.now()).try_into().unwrap_or_default();
                return issued(&secret, lifetime)
                    .ok_or_else(|| self.unsendable("the stored token is not one line"));
            }
        };
        self.client.redactor().remember_issued(&claim.refresh_token);
        match self.ask(scope, Some(&claim.refresh_token)).await {
            Ok((issued, Answered { expires_in, refresh_token, .. })) => {
                let expires_at = later(self.client.clock.now(), lifetime(expires_in.as_ref()));
                let next = refresh_token.as_ref();
                rotation.keep(&claim, scope, &issued.secret, expires_at, next).await.map_err(kept)?;
                Ok(issued)
            }
            Err(error) => {
                let given_up = rotation.give_up(&claim, error.outcome_is_unknown()).await;
                let error = self.explained(error, &claim);
                match given_up {
                    Ok(()) => Err(error),
                    // What the token endpoint said matters more; a claim that stays is taken over after its lease.
                    Err(left) => {
                        tracing::warn!(error = crate::chain(&left), "the claim on the refresh token stays");
                        Err(error)
                    }
                }
            }
        }
    }

    /// A refused refresh token cannot be helped by calling again: it says what a person must do.
    fn explained(&self, error: HttpError, claim: &Claim) -> HttpError {
        let Some(said) = error.refusal() else { return error };
        let why = match claim.may_be_spent {
            true => "a process that used the refresh token before could not keep the next one",
            false => "the refresh token is not accepted",
        };
        let said = format!(
            "{said}; {why}: authorise the connection again and put the new refresh token into auth.refresh_token"
        );
        HttpError::new(self.exchange(), Failure::LoginRefused(said))
    }

    /// A refusal says which setting may be why, by the words of RFC 6749, 5.2.
    fn advised(&self, error: HttpError, scope_key: &str, scope: &str) -> HttpError {
        let Some(said) = error.refusal() else { return error };
        let advice = match self.settings.client_auth {
            _ if said.contains("invalid_scope") => format!("check {scope_key}, which asks for {scope:?}"),
            ClientAuth::Basic if said.contains("invalid_client") => {
                "check auth.client_id and auth.client_secret; some servers take them only as auth.client_auth = \"body\" has \
                 them sent, above all a secret with characters other than letters and digits"
                    .to_owned()
            }
            ClientAuth::Body if said.contains("invalid_client") => {
                "check auth.client_id and auth.client_secret; some servers take them only as auth.client_auth = \"basic\" has \
                 them sent"
                    .to_owned()
            }
            _ => return error,
        };
        HttpError::new(self.exchange(), Failure::LoginRefused(format!("{said}; {advice}")))
    }

    /// Asks the token endpoint; returns the whole answer too, which may give the next refresh token.
    async fn ask(
        &self,
        scope: &str,
        refresh_token: Option<&SecretString>,
    ) -> Result<(Issued, Answered), HttpError> {
        let answer = self.client.call(&self.request(scope, refresh_token)?).await?;
        let answered: Answered = answer.json().map_err(|error| match answer.json::<Refused>() {
            Ok(refused) if REFUSALS.contains(&refused.error.as_str()) => {
                let said = refused.error_description.map(|why| format!(": {why}")).unwrap_or_default();
                let said = self.client.redactor().text(&format!("{}{said}", refused.error));
                HttpError::new(self.exchange(), Failure::LoginRefused(said))
            }
            _ => error,
        })?;
        let kind = answered.token_type.as_deref().unwrap_or("Bearer");
        // Fusion's relay says JWT and means a bearer token.
        if !kind.eq_ignore_ascii_case("bearer") && !kind.eq_ignore_ascii_case("jwt") {
            return Err(answer.malformed("token_type", &format!("{kind:?} is not Bearer")));
        }
        for secret in [Some(&answered.access_token), answered.refresh_token.as_ref()].into_iter().flatten() {
            self.client.redactor().remember_issued(secret);
        }
        match issued(&answered.access_token, lifetime(answered.expires_in.as_ref())) {
            Some(issued) => Ok((issued, answered)),
            None => Err(answer.malformed("access_token", "it is not one line of visible characters")),
        }
    }

    /// The request for a token of this scope. It changes nothing that matters, so a lost answer is asked
    /// for again; not so with an assertion or a refresh token, which a server takes only once.
    fn request(&self, scope: &str, refresh_token: Option<&SecretString>) -> Result<Request, HttpError> {
        let settings = &self.settings;
        let now = self.client.clock.now();
        let sign = |subject: &str| match &self.signer {
            Some(signer) => signer.sign(subject, now).map_err(|error| self.unsendable(&error.to_string())),
            None => Err(self.unsendable("there is no private key")),
        };
        let mut secrets: Vec<(&str, SecretString)> = Vec::new();
        let mut fields: Vec<(&str, &str)> = Vec::new();
        if !scope.is_empty() {
            fields.push(("scope", scope));
        }
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
            Grant::Saml2Bearer => {
                fields.push(("grant_type", SAML2_BEARER));
                secrets.push(("assertion", encoded(&settings.assertion.clone().unwrap_or_default())));
            }
            Grant::RefreshToken => {
                fields.push(("grant_type", "refresh_token"));
                secrets.push(("refresh_token", refresh_token.cloned().unwrap_or_default()));
            }
        }
        match settings.client_auth {
            _ if is_public(settings) => fields.push(("client_id", &settings.client_id)),
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
        let is_good_once =
            matches!(settings.grant, Grant::JwtBearer | Grant::Saml2Bearer | Grant::RefreshToken)
                || settings.client_auth == ClientAuth::PrivateKeyJwt;
        let request = Request::post_form(settings.token_url.clone(), &fields);
        let request = if is_good_once { request } else { request.idempotent().reading_json() };
        if settings.client_auth == ClientAuth::Basic && !is_public(settings) {
            return Ok(request.secret_header(header::AUTHORIZATION, self.basic()?));
        }
        Ok(request)
    }

    fn basic(&self) -> Result<HeaderValue, HttpError> {
        let pair = basic_pair(&self.settings);
        HeaderValue::from_str(&format!("Basic {}", pair.expose_secret()))
            .map_err(|error| self.unsendable(&error.to_string()))
    }

    fn unsendable(&self, reason: &str) -> HttpError {
        HttpError::new(self.exchange(), Failure::Unsendable(reason.to_owned()))
    }

    fn exchange(&self) -> Exchange {
        Exchange::new(&http::Method::POST, &self.settings.token_url)
    }
}

/// Whether the client is a public one: it has no secret, only names itself, and what it was authorised for is in its
/// refresh token alone (RFC 6749, 2.1 and 6).
fn is_public(settings: &OAuth) -> bool {
    settings.grant == Grant::RefreshToken
        && settings.client_secret.is_none()
        && settings.client_auth != ClientAuth::PrivateKeyJwt
}

/// A token as the cache keeps it; nothing where it is not one line of visible characters.
fn issued(token: &SecretString, lifetime: Duration) -> Option<Issued> {
    let text = token.expose_secret();
    let bearer = HeaderValue::from_str(&format!("Bearer {text}")).ok().filter(|_| !text.trim().is_empty())?;
    let used_for = lifetime.saturating_sub(RENEWED_BEFORE.min(lifetime / 5));
    Some(Issued { secret: token.clone(), headers: vec![(header::AUTHORIZATION, bearer)], used_for })
}

/// An assertion in base64url (RFC 7522, 2.1), which it may be in already.
fn encoded(assertion: &SecretString) -> SecretString {
    let text = assertion.expose_secret().trim();
    match text.starts_with('<') {
        true => BASE64_URL.encode(text).into(),
        false => text.into(),
    }
}

fn signer(settings: &OAuth, pem: &SecretString) -> Result<Signer, InvalidSetting> {
    let OAuth { key_id, client_id, assertion_audience, assertion_algorithm, .. } = settings;
    Signer::new(pem, key_id.as_deref(), client_id, assertion_audience, *assertion_algorithm)
        .map_err(|error| InvalidSetting::new(format!("auth.private_key cannot be used: {error}")))
}

/// The token endpoint's answer (RFC 6749, 5.1).
#[derive(Deserialize)]
struct Answered {
    access_token: SecretString,
    token_type: Option<String>,
    expires_in: Option<Lifetime>,
    refresh_token: Option<SecretString>,
}

/// A refusal, as some servers send it under 200.
#[derive(Deserialize)]
struct Refused {
    error: String,
    error_description: Option<String>,
}

/// The words of RFC 6749, 5.2.
const REFUSALS: [&str; 6] = [
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
];

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
            Duration::try_from_secs_f64(seconds)
                .unwrap_or(TokenCache::MAX_LIFETIME)
                .min(TokenCache::MAX_LIFETIME)
        }
        _ => UNSTATED_LIFETIME,
    }
}

/// Tokens of one scope, shown to the servers of one origin only.
#[derive(Debug)]
pub struct ScopedToken {
    tokens: Arc<OAuthTokens>,
    key: &'static str,
    scope: String,
    audience: Origin,
}

#[async_trait]
impl Authorizer for ScopedToken {
    fn covers(&self, url: &Url) -> bool {
        url.origin() == self.audience
    }

    async fn credential(&self) -> Result<Credential, HttpError> {
        self.tokens
            .token(&self.scope)
            .await
            .map_err(|error| self.tokens.advised(error, self.key, &self.scope))
    }

    async fn refused(&self, credential: &Credential) {
        if let Some(secret) = self.tokens.cache.forget(&self.scope, credential) {
            *self.tokens.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(secret);
        }
    }
}

/// The client's id and secret as `Authorization: Basic` has them (RFC 7617).
fn basic_pair(settings: &OAuth) -> SecretString {
    let secret = settings.client_secret.as_ref().map(|secret| secret.expose_secret()).unwrap_or_default();
    BASE64.encode(format!("{}:{secret}", settings.client_id)).into()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::ErrorKind;
    use crate::clock::ManualClock;
    use crate::rsa::RsaKey;
    use crate::rsa::tests::TEST_KEY;
    use crate::scripted::{Reply, Scripted, Seen};

    #[expect(clippy::needless_pass_by_value, reason = "a value made on the spot reads best")]
    fn settings(server: &Scripted, more: Value) -> OAuth {
        let mut settings = json!({
            "token_url": server.url("/oauth2/v1/token"), "client_id": "landfall client", "client_secret": "s3cr3t:+/",
            "grant": "client_credentials",
        });
        for (name, value) in more.as_object().unwrap() {
            settings[name] = value.clone();
        }
        serde_json::from_value(settings).unwrap()
    }

    fn tokens_of(server: &Scripted, more: Value) -> (Arc<OAuthTokens>, Arc<ManualClock>) {
        let (client, clock) = server.client();
        (OAuthTokens::new(&settings(server, more), client).unwrap(), clock)
    }

    /// A server that numbers its tokens, and what they live.
    async fn issuing(expires_in: Value) -> Scripted {
        Scripted::start(move |_, number| {
            Reply::json(json!({ "access_token": format!("token-{number}"), "token_type": "Bearer", "expires_in": expires_in }))
        })
        .await
    }

    /// Promise 7: a token endpoint that repeats the client's credentials as they were sent makes us repeat nothing.
    #[tokio::test]
    async fn a_repeated_basic_credential_is_masked() {
        let pair = BASE64.encode("landfall client:s3cr3t:+/");
        let server = Scripted::replies(vec![Reply::status(400).body(format!("no client {pair} here"))]).await;
        let (tokens, _) = tokens_of(&server, json!({}));
        let error = tokens.scope("scope", "s", &server.url("/")).credential().await.unwrap_err();
        assert!(error.to_string().contains("no client [redacted]"), "{error}");
        assert!(!error.to_string().contains(pair.trim_end_matches('=')), "{error}");
    }

    async fn bearer(tokens: &Arc<OAuthTokens>, server: &Scripted, scope: &str) -> String {
        let credential = tokens.scope("scope", scope, &server.url("/")).credential().await.unwrap();
        assert!(credential.header().is_sensitive());
        assert!(!format!("{credential:?}").contains("token-"));
        credential.header().to_str().unwrap().to_owned()
    }

    async fn asked(more: Value) -> Seen {
        let server = issuing(json!(3600)).await;
        let (tokens, _) = tokens_of(&server, more);
        bearer(&tokens, &server, "urn:opc:resource:fusion:pod:saas-batch/").await;
        server.seen().remove(0)
    }

    /// RFC 7522, 2.1: the assertion travels in base64url, and only once, as a server takes it only once.
    #[tokio::test]
    async fn a_saml_assertion_is_sent_in_base64url_and_once() {
        let xml = json!({ "grant": "saml2_bearer", "assertion": "<saml2:Assertion>é?</saml2:Assertion>" });
        let seen = asked(xml.clone()).await;
        let form = seen.form();
        assert_eq!(form["grant_type"], "urn:ietf:params:oauth:grant-type:saml2-bearer");
        assert_eq!(form["assertion"], "PHNhbWwyOkFzc2VydGlvbj7DqT88L3NhbWwyOkFzc2VydGlvbj4");
        let encoded = json!({ "grant": "saml2_bearer", "assertion": form["assertion"] });
        assert_eq!(asked(encoded).await.form()["assertion"], form["assertion"]);

        let server = Scripted::start(|_, _| Reply::nothing()).await;
        let (tokens, _) = tokens_of(&server, xml);
        tokens.scope("scope", "a", &server.url("/")).credential().await.unwrap_err();
        assert_eq!(server.count(), 1);
    }

    /// What a grant needs is named before anything is called.
    #[tokio::test]
    async fn a_grant_that_lacks_what_it_needs_is_a_wrong_configuration() {
        let server = issuing(json!(3600)).await;
        for (grant, lacks) in [
            ("saml2_bearer", "auth.assertion is missing"),
            ("refresh_token", "auth.grant refresh_token is not one that this connection takes"),
            ("password", "auth.username is missing"),
        ] {
            let (client, _) = server.client();
            let error = OAuthTokens::new(&settings(&server, json!({ "grant": grant })), client).unwrap_err();
            assert!(error.to_string().contains(lacks), "{}", error.to_string());
        }
    }

    /// RFC 6749, 4.4 and 2.3.1: the set-up that Oracle names for data extraction.
    #[tokio::test]
    async fn client_credentials_with_basic() {
        let seen = asked(json!({})).await;
        assert_eq!((seen.method.as_str(), seen.path()), ("POST", "/oauth2/v1/token"));
        assert_eq!(
            seen.header("authorization"),
            format!("Basic {}", BASE64.encode("landfall client:s3cr3t:+/"))
        );
        let form = seen.form();
        assert_eq!(form["grant_type"], "client_credentials");
        assert_eq!(form["scope"], "urn:opc:resource:fusion:pod:saas-batch/");
        assert_eq!(form.len(), 2);
    }

    /// RFC 6749, 4.3, and the client in the form.
    #[tokio::test]
    async fn password_with_the_client_in_the_body() {
        let seen = asked(json!({
            "grant": "password", "username": "ann", "password": "p&w=1", "client_auth": "body"
        }))
        .await;
        let form = seen.form();
        assert_eq!((form["grant_type"].as_str(), form["username"].as_str()), ("password", "ann"));
        assert_eq!((form["password"].as_str(), form["client_secret"].as_str()), ("p&w=1", "s3cr3t:+/"));
        assert_eq!(form["client_id"], "landfall client");
        assert_eq!(seen.header("authorization"), "");
    }

    /// RFC 6749, 3.2.1 and 6: a public client has no secret, and names itself. Oracle documents such clients for EPM.
    #[tokio::test]
    async fn a_public_client_names_itself_and_sends_no_secret() {
        for client_auth in ["basic", "body"] {
            let server = Scripted::start(|_, _| Reply::status(400)).await;
            let (client, _) = server.client();
            let public = settings(
                &server,
                json!({
                    "grant": "refresh_token", "refresh_token": "first", "client_secret": null, "client_auth": client_auth
                }),
            );
            let tokens = OAuthTokens::build(&public, client, None).unwrap();
            let refresh_token = SecretString::from("first");
            assert!(tokens.ask("s", Some(&refresh_token)).await.is_err());
            let seen = server.seen().remove(0);
            assert_eq!(seen.header("authorization"), "", "{client_auth}");
            let expected = [
                ("client_id", "landfall client"),
                ("grant_type", "refresh_token"),
                ("refresh_token", "first"),
                ("scope", "s"),
            ];
            let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
            assert_eq!(seen.form(), expected.into_iter().collect(), "{client_auth}");
        }
    }

    /// RFC 7523: a user's assertion, and the client's instead of a secret; each is used once.
    #[tokio::test]
    async fn assertions_are_signed_and_single() {
        let more = json!({
            "grant": "jwt_bearer", "username": "ann", "client_auth": "private_key_jwt", "client_secret": null,
            "private_key": TEST_KEY, "key_id": "key-1",
        });
        let form = asked(more.clone()).await.form();
        assert_eq!(form["grant_type"], JWT_BEARER);
        assert_eq!(form["client_assertion_type"], CLIENT_ASSERTION);
        assert!(!form.contains_key("client_secret"));
        let key = RsaKey::from_pem(&TEST_KEY.into()).unwrap();
        let claims = |assertion: &str| {
            let (signed, signature) = assertion.rsplit_once('.').unwrap();
            assert_eq!(signature, BASE64_URL.encode(key.sign_sha256(signed.as_bytes()).unwrap()));
            let (header, claims) = signed.split_once('.').unwrap();
            let read = |part| serde_json::from_slice::<Value>(&BASE64_URL.decode(part).unwrap()).unwrap();
            assert_eq!(read(header), json!({ "typ": "JWT", "alg": "RS256", "kid": "key-1" }));
            read(claims)
        };
        let user = claims(&form["assertion"]);
        let client = claims(&form["client_assertion"]);
        for (claims, subject) in [(&user, "ann"), (&client, "landfall client")] {
            let expected = json!({
                "iss": "landfall client", "sub": subject, "aud": "https://identity.oraclecloud.com/", "iat": 0, "exp": 300,
                "jti": claims["jti"],
            });
            assert_eq!(claims, &expected);
        }
        assert!(user["jti"].is_string() && user["jti"] != client["jti"]);
        // A lost answer is not asked for with the same assertion.
        let server = Scripted::replies(vec![Reply::nothing()]).await;
        let (tokens, _) = tokens_of(&server, more);
        tokens.token("s").await.unwrap_err();
        assert_eq!(server.count(), 1);
    }

    /// SMART Backend Services takes a client's assertion by RS384 alone, and a form without a scope has no such field.
    #[tokio::test]
    async fn an_assertion_is_signed_by_the_algorithm_that_is_set() {
        let more = json!({
            "client_auth": "private_key_jwt", "client_secret": null, "private_key": TEST_KEY, "assertion_algorithm": "RS384",
        });
        let server = issuing(json!(300)).await;
        let (tokens, _) = tokens_of(&server, more);
        bearer(&tokens, &server, "").await;
        let form = server.seen().remove(0).form();
        assert!(!form.contains_key("scope"));
        let (signed, signature) = form["client_assertion"].rsplit_once('.').unwrap();
        let key = RsaKey::from_pem(&TEST_KEY.into()).unwrap();
        assert_eq!(signature, BASE64_URL.encode(key.sign_sha384(signed.as_bytes()).unwrap()));
        let header = BASE64_URL.decode(signed.split('.').next().unwrap()).unwrap();
        assert_eq!(
            serde_json::from_slice::<Value>(&header).unwrap(),
            json!({ "typ": "JWT", "alg": "RS384" })
        );
    }

    /// One token a scope, kept until shortly before it expires.
    #[tokio::test]
    async fn a_token_is_cached_by_scope_until_shortly_before_its_end() {
        let server = issuing(json!(3600)).await;
        let (tokens, clock) = tokens_of(&server, json!({}));
        assert_eq!(bearer(&tokens, &server, "batch").await, "Bearer token-0");
        assert_eq!(bearer(&tokens, &server, "boss").await, "Bearer token-1");
        clock.advance(Duration::from_secs(3539));
        assert_eq!(bearer(&tokens, &server, "batch").await, "Bearer token-0");
        clock.advance(Duration::from_secs(1));
        assert_eq!(bearer(&tokens, &server, "batch").await, "Bearer token-2");
    }

    /// However absurd a lifetime is, a token is neither asked for at every call nor used for ever.
    #[test]
    fn lifetimes_are_clamped() {
        let of = |value: Value| {
            lifetime(serde_json::from_value::<Option<Lifetime>>(value).unwrap().as_ref()).as_secs()
        };
        assert_eq!(of(json!(3600)), 3600);
        assert_eq!(of(json!("3600")), 3600);
        assert_eq!(of(json!(14_400_000)), 14_400, "milliseconds, as Fusion's token relay has them");
        assert_eq!(of(json!(86_400)), 43_200);
        assert_eq!(of(json!(1e300)), 43_200);
        for unusable in [json!(null), json!(0), json!(-5), json!("soon")] {
            assert_eq!(of(unusable.clone()), 300, "{unusable}");
        }
    }

    /// Many callers, one call.
    #[tokio::test]
    async fn parallel_callers_share_one_call() {
        let server = issuing(json!(3600)).await;
        let (tokens, _) = tokens_of(&server, json!({}));
        let scope = tokens.scope("scope", "batch", &server.url("/"));
        let all = futures::future::join_all((0..20).map(|_| scope.credential())).await;
        assert!(all.into_iter().all(|credential| credential.unwrap().serial() == 1));
        assert_eq!(server.count(), 1);
    }

    /// A wrong secret is told to the server once, whoever asks, for a while: accounts get locked.
    #[tokio::test]
    async fn a_refused_login_is_not_repeated() {
        for status in [400, 401, 403] {
            let body = json!({ "error": "invalid_grant", "error_description": "Wrong password s3cr3t:+/" });
            let server = Scripted::replies(vec![Reply::status(status).body(body.to_string())]).await;
            let (tokens, clock) = tokens_of(&server, json!({}));
            let all = futures::future::join_all(["a", "b", "a"].map(|scope| tokens.token(scope))).await;
            for error in all {
                let error = error.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::AuthRejected);
                assert!(
                    error.line().contains("invalid_grant: Wrong password [redacted]"),
                    "{}",
                    error.line()
                );
            }
            assert_eq!(server.count(), 1, "{status}");
            clock.advance(TokenCache::REFUSAL_REMEMBERED);
            tokens.token("a").await.unwrap_err();
            assert_eq!(server.count(), 2, "{status}");
        }
    }

    /// A scope that is refused does not keep the other scope's callers out.
    #[tokio::test]
    async fn a_refused_scope_is_refused_alone() {
        for status in [400, 200] {
            let server = Scripted::start(move |seen, _| match seen.form()["scope"].as_str() {
                "bad" => Reply::status(status).body(json!({ "error": "invalid_scope" }).to_string()),
                _ => Reply::json(json!({ "access_token": "t", "expires_in": "60" })),
            })
            .await;
            let (tokens, _) = tokens_of(&server, json!({}));
            tokens.token("bad").await.unwrap_err();
            tokens.token("good").await.unwrap();
            tokens.token("bad").await.unwrap_err();
            assert_eq!(server.count(), 2, "{status}");
        }
    }

    /// Who is refused is told which setting may be why, also by a refusal that is remembered.
    #[tokio::test]
    async fn a_refusal_names_the_setting() {
        for (refusal, more, named) in [
            ("invalid_client", json!({}), "auth.client_auth = \"body\""),
            ("invalid_client", json!({ "client_auth": "body" }), "auth.client_auth = \"basic\""),
            ("invalid_scope", json!({}), "check scopes.batch, which asks for \"urn:b\""),
        ] {
            let body = json!({ "error": refusal, "error_description": "s3cr3t:+/ it is not" });
            for status in [401, 400, 200] {
                let server = Scripted::replies(vec![Reply::status(status).body(body.to_string())]).await;
                let (tokens, _) = tokens_of(&server, more.clone());
                let scope = tokens.scope("scopes.batch", "urn:b", &server.url("/"));
                for _ in 0..2 {
                    let line = scope.credential().await.unwrap_err().line();
                    assert!(line.contains(named) && !line.contains("s3cr3t"), "{status}: {line}");
                }
                assert_eq!(server.count(), 1, "{status}");
            }
        }
    }

    /// An overloaded token endpoint is waited for; that is no refusal.
    #[tokio::test]
    async fn a_throttled_token_endpoint_is_asked_again() {
        let token = Reply::json(json!({ "access_token": "t", "token_type": "JWT", "expires_in": 60 }));
        let server =
            Scripted::replies(vec![Reply::status(429), Reply::status(500), Reply::nothing(), token]).await;
        let (tokens, _) = tokens_of(&server, json!({}));
        assert_eq!(bearer(&tokens, &server, "s").await, "Bearer t");
        assert_eq!(server.count(), 4);
    }

    /// A refusal under 200 is one, and no answer that does not fit.
    #[tokio::test]
    async fn a_refusal_is_one_whatever_its_status() {
        let refusal = json!({ "error": "invalid_client", "error_description": "unknown client" });
        let server = Scripted::replies(vec![Reply::json(refusal)]).await;
        let tokens = tokens_of(&server, json!({})).0;
        let error = tokens.token("s").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AuthRejected);
        assert!(error.line().contains("invalid_client: unknown client"), "{}", error.line());
        let passing = Reply::json(json!({ "error": "server_error" }));
        let server = Scripted::replies(vec![passing]).await;
        let error = tokens_of(&server, json!({})).0.token("s").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ContractBroken);
    }

    /// Promise 5: what is no token is not used as one, and what it was does not leak.
    #[tokio::test]
    async fn an_answer_without_a_token_is_named() {
        for (reply, said) in [
            (Reply::page(), "a web page instead of JSON"),
            (Reply::json(json!({})), "missing field `access_token`"),
            (Reply::json(json!({ "access_token": "" })), "at access_token"),
            (Reply::json(json!({ "access_token": "a\r\nX: y" })), "at access_token"),
            (Reply::json(json!({ "access_token": "t", "token_type": "mac" })), "at token_type"),
        ] {
            let server = Scripted::replies(vec![reply.clone(), reply]).await;
            let error = tokens_of(&server, json!({})).0.token("s").await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ContractBroken);
            assert!(error.line().contains(said), "{}", error.line());
        }
    }

    /// A page of maintenance in the place of a token passes: the token is asked for once more, where that is safe.
    #[tokio::test]
    async fn a_page_in_the_place_of_a_token_is_asked_again() {
        let token = Reply::json(json!({ "access_token": "t", "expires_in": 60 }));
        let server = Scripted::replies(vec![Reply::page(), token]).await;
        let (tokens, _) = tokens_of(&server, json!({}));
        assert_eq!(bearer(&tokens, &server, "s").await, "Bearer t");
        assert_eq!(server.count(), 2);
    }

    /// An API's 401 renews the token once, as does a 403 to what is read: gateways answer it to a token that has expired. A
    /// second refusal does not.
    #[tokio::test]
    async fn a_refusal_renews_the_token_once() {
        for (statuses, is_reading, calls, issued) in [
            (vec![401, 200], true, 2, 2),
            (vec![401, 200], false, 2, 2),
            (vec![401, 401, 200], true, 2, 2),
            (vec![403, 200], true, 2, 2),
            (vec![403, 403, 200], true, 2, 2),
            (vec![403, 200], false, 1, 1),
        ] {
            let identity = issuing(json!(3600)).await;
            let (tokens, _) = tokens_of(&identity, json!({}));
            let api = Scripted::replies(statuses.iter().map(|status| Reply::status(*status)).collect()).await;
            let request = match is_reading {
                true => Request::get(api.url("/x")),
                false => Request::post_json(api.url("/x"), &json!({})).unwrap(),
            };
            let request = request.authorized_by(tokens.scope("scope", "s", &api.url("/")));
            let answer = api.client().0.call(&request).await;
            assert_eq!((api.count(), identity.count()), (calls, issued), "{statuses:?}");
            match statuses.get(calls - 1) {
                Some(200) => assert_eq!(api.seen()[1].header("authorization"), "Bearer token-1"),
                _ => assert_eq!(answer.unwrap_err().kind(), ErrorKind::AuthRejected),
            }
        }
    }

    /// A login that fails is the call's failure too, under its own name, with the endpoint in it.
    #[tokio::test]
    async fn a_call_without_a_token_says_why() {
        let identity =
            Scripted::replies(vec![Reply::status(401).body("{\"error\":\"invalid_client\"}")]).await;
        let (tokens, _) = tokens_of(&identity, json!({}));
        let api = Scripted::replies(vec![Reply::status(200)]).await;
        let request = Request::get(api.url("/x")).authorized_by(tokens.scope("scope", "s", &api.url("/")));
        let error = api.client().0.call(&request).await.unwrap_err();
        assert_eq!((error.kind(), api.count()), (ErrorKind::AuthRejected, 0));
        let line = error.line();
        assert!(line.contains("/x: no access token") && line.contains("/oauth2/v1/token"), "{line}");
        assert!(line.contains("invalid_client"), "{line}");
    }

    /// What a grant lacks is found before anything is called, and named.
    #[tokio::test]
    async fn missing_settings_are_named() {
        let server = issuing(json!(1)).await;
        for (more, key) in [
            (json!({ "grant": "password", "password": "x" }), "auth.username"),
            (json!({ "grant": "password", "username": "x" }), "auth.password"),
            (json!({ "client_secret": null }), "auth.client_secret"),
            (
                json!({ "client_secret": null, "grant": "password", "username": "x", "password": "y" }),
                "auth.client_secret",
            ),
            (json!({ "grant": "jwt_bearer" }), "auth.private_key"),
            (json!({ "client_auth": "private_key_jwt" }), "auth.private_key"),
            (json!({ "grant": "jwt_bearer", "private_key": "no PEM" }), "auth.private_key"),
        ] {
            let error = OAuthTokens::new(&settings(&server, more), server.client().0).unwrap_err();
            assert!(error.to_string().contains(key), "{}", error.to_string());
        }
    }
}
