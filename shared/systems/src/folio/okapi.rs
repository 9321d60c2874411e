//! The tokens of a FOLIO tenant, sent in `x-okapi-token` beside `x-okapi-tenant`.
//!
//! `POST /authn/login-with-expiry` gives the token in a cookie and nowhere else (mod-login, `login.raml`); the older
//! `POST /authn/login` in a header and in the body. Refresh tokens are not used: one is good for a single use, and using
//! it twice revokes all tokens of the user, so that two processes must never share one.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::json;
use url::Url;

use crate::folio::settings::{FolioConnection, FolioLogin, LoginForm};
use crate::server::url_below;
use landfall::error::{Error, Result};
use landfall_http::auth::{Authorizer, Credential, Issued, TokenCache};
use landfall_http::{Answer, Client, HttpError, Request};

const TENANT: HeaderName = HeaderName::from_static("x-okapi-tenant");
const TOKEN: HeaderName = HeaderName::from_static("x-okapi-token");
const ACCESS_COOKIE: &str = "folioAccessToken";

/// A token is good for all of the tenant.
const SCOPE: &str = "";
/// How long a token lives of which the server does not say so: ten minutes are FOLIO's default.
const UNSTATED_LIFETIME: Duration = Duration::from_secs(600);
/// No token has fewer bytes.
const MIN_TOKEN: usize = 12;

/// The tokens of one user of one tenant.
pub(super) struct OkapiTokens {
    client: Client,
    base_url: Url,
    tenant: HeaderValue,
    way: Way,
    cache: TokenCache,
}

/// How a token is come by.
enum Way {
    Login(FolioLogin),
    Given(Issued),
}

/// The body of a login's answer; which fields it has depends on the login's form.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Answered {
    okapi_token: Option<SecretString>,
    access_token_expiration: Option<Timestamp>,
}

impl fmt::Debug for OkapiTokens {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("OkapiTokens")
            .field("base_url", &self.base_url.as_str())
            .finish_non_exhaustive()
    }
}

impl OkapiTokens {
    /// The tokens of a connection. `client` calls the connection's gateway.
    ///
    /// `InvalidConfig` where there is not one way to come by a token, but none or two.
    pub(super) fn new(connection: &FolioConnection, client: Client) -> Result<Arc<Self>> {
        let tenant = HeaderValue::from_str(&connection.tenant)
            .ok()
            .filter(|tenant| !tenant.is_empty())
            .ok_or_else(|| Error::invalid_config("tenant is not the name of a tenant"))?;
        let way = match (&connection.login, &connection.token) {
            (Some(login), None) => {
                client.redactor().remember(&login.password);
                Way::Login(login.clone())
            }
            (None, Some(token)) => {
                client.redactor().remember(token);
                let issued = issued(&tenant, token.clone(), TokenCache::MAX_LIFETIME);
                Way::Given(
                    issued.ok_or_else(|| {
                        Error::invalid_config("token is not one line of visible characters")
                    })?,
                )
            }
            (None, None) => {
                return Err(Error::invalid_config("login is missing (or token, for a token that lasts)"));
            }
            (Some(_), Some(_)) => return Err(Error::invalid_config("login and token exclude each other")),
        };
        let base_url = connection.base_url.clone();
        let login_url = match &way {
            Way::Login(login) => login_url(&base_url, login.form),
            Way::Given(_) => base_url.clone(),
        };
        let cache = TokenCache::new(&client, login_url);
        Ok(Arc::new(Self { client, base_url, tenant, way, cache }))
    }

    async fn token(&self) -> Result<Issued, HttpError> {
        let login = match &self.way {
            Way::Given(issued) => return Ok(issued.clone()),
            Way::Login(login) => login,
        };
        let answer = self.log_in(login).await.map_err(|error| self.advised(login.form, error))?;
        self.remember_cookies(&answer);
        let (token, lifetime) = self.answered(&answer)?;
        self.client.redactor().remember_issued(&token);
        issued(&self.tenant, token, lifetime.unwrap_or(UNSTATED_LIFETIME))
            .ok_or_else(|| answer.malformed(ACCESS_COOKIE, "it is not one line of visible characters"))
    }

    /// A login changes nothing that matters: one whose answer is lost is made again. One that is refused is not.
    async fn log_in(&self, login: &FolioLogin) -> Result<Answer, HttpError> {
        let body = json!({ "username": login.username, "password": login.password.expose_secret() });
        let request = Request::post_json(login_url(&self.base_url, login.form), &body)?
            .secret_header(TENANT, self.tenant.clone())
            .idempotent();
        self.client.call(&request).await
    }

    /// Not only the token is a secret: a cookie that is of no use here, as the refresh token's, is one to others. What is
    /// shorter than any token is a setting, and a word of other texts.
    fn remember_cookies(&self, answer: &Answer) {
        for (_, value, _) in cookies(&answer.headers).filter(|(_, value, _)| value.len() >= MIN_TOKEN) {
            self.client.redactor().remember_issued(&SecretString::from(value.to_owned()));
        }
    }

    /// The token, from wherever the answer has it, and how long it lives, where the answer says so.
    fn answered(&self, answer: &Answer) -> Result<(SecretString, Option<Duration>), HttpError> {
        let now = self.client.now();
        let body: Answered = if answer.body.is_empty() { Answered::default() } else { answer.json()? };
        let until = |end: Timestamp| Duration::try_from(end.duration_since(now)).ok();
        let found = match access_cookie(&answer.headers, now) {
            Some((token, lifetime)) => {
                Some((token, lifetime.or_else(|| body.access_token_expiration.and_then(until))))
            }
            None => {
                let header = answer.headers.get(TOKEN).and_then(|value| value.to_str().ok());
                let token = header.map(|token| SecretString::from(token.to_owned())).or(body.okapi_token);
                token.map(|token| (token, None))
            }
        };
        found.filter(|(token, _)| !token.expose_secret().is_empty()).ok_or_else(|| {
            answer.malformed(".", "no token is there: neither in a cookie, nor in a header, nor in the body")
        })
    }

    /// A login that is not there says which other one may be.
    fn advised(&self, form: LoginForm, error: HttpError) -> HttpError {
        let Some(said) = error.refusal().filter(|_| error.status() == Some(StatusCode::NOT_FOUND)) else {
            return error;
        };
        let advice = match form {
            LoginForm::Expiry => "a FOLIO before 2023 has only login.form = \"legacy\"",
            LoginForm::Legacy => "the tenant issues no legacy tokens: set login.form = \"expiry\"",
        };
        let url = login_url(&self.base_url, form);
        HttpError::login_refused(&Method::POST, &url, format!("{said}; {advice}"))
    }
}

#[async_trait]
impl Authorizer for OkapiTokens {
    fn covers(&self, url: &Url) -> bool {
        url.origin() == self.base_url.origin()
    }

    fn renews(&self) -> bool {
        !matches!(self.way, Way::Given(_))
    }

    fn is_asked_again(&self) -> bool {
        true
    }

    async fn credential(&self) -> Result<Credential, HttpError> {
        self.cache.credential(SCOPE, self.token()).await
    }

    async fn refused(&self, credential: &Credential) {
        let is_forgotten = self.cache.forget(SCOPE, credential).is_some();
        if is_forgotten && matches!(self.way, Way::Given(_)) {
            self.cache.refuse("401: the connection's token is no longer valid, replace it".to_owned());
        }
    }
}

fn login_url(base_url: &Url, form: LoginForm) -> Url {
    url_below(base_url, &["authn", form.endpoint()])
}

/// A token as the cache keeps it, for half of its life, as FOLIO's own clients do; nothing where it is not one line of
/// visible characters.
fn issued(tenant: &HeaderValue, secret: SecretString, lifetime: Duration) -> Option<Issued> {
    let token = HeaderValue::from_str(secret.expose_secret()).ok()?;
    let used_for = lifetime.min(TokenCache::MAX_LIFETIME) / 2;
    Some(Issued { secret, headers: vec![(TENANT, tenant.clone()), (TOKEN, token)], used_for })
}

/// The access token among the cookies that an answer sets. A cookie store would not do: the cookie is `Secure`, and
/// what is sent is a header of another name.
fn access_cookie(headers: &HeaderMap, now: Timestamp) -> Option<(SecretString, Option<Duration>)> {
    let (_, token, attributes) = cookies(headers).find(|(name, ..)| *name == ACCESS_COOKIE)?;
    let attribute = |wanted: &str| {
        let mut attributes = attributes.split(';').filter_map(|part| part.split_once('='));
        let (_, value) = attributes.find(|(name, _)| name.trim().eq_ignore_ascii_case(wanted))?;
        Some(value.trim())
    };
    let age = attribute("max-age").and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs);
    let end = || attribute("expires").and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
    let lifetime =
        age.or_else(|| end().and_then(|end| Duration::try_from(end.timestamp().duration_since(now)).ok()));
    Some((SecretString::from(token.to_owned()), lifetime))
}

/// The cookies that an answer sets: name, value, and the attributes as they stand.
fn cookies(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str, &str)> {
    let cookies = headers.get_all(header::SET_COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    cookies.filter_map(|cookie| {
        let (pair, attributes) = cookie.split_once(';').unwrap_or((cookie, ""));
        let (name, value) = pair.split_once('=')?;
        Some((name.trim(), value.trim().trim_matches('"'), attributes))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::read;
    use landfall::clock::ManualClock;
    use landfall_http::scripted::{Reply, Scripted, Seen};

    const COOKIES: [&str; 2] = [
        "folioRefreshToken=refresh-token; Max-Age=604800; Path=/authn; Secure; HTTPOnly",
        "folioAccessToken=\"access-token\"; Max-Age=600; Path=/; Secure; HTTPOnly; SameSite=None",
    ];

    fn login_answer() -> Reply {
        let body = r#"{"accessTokenExpiration":"1970-01-01T00:10:00Z"}"#;
        let reply = Reply::status(201).header("Content-Type", "application/json").body(body);
        COOKIES.iter().fold(reply, |reply, cookie| reply.header("Set-Cookie", cookie))
    }

    async fn tokens(
        more: serde_json::Value,
        handler: impl Fn(&Seen, usize) -> Reply + Send + Sync + 'static,
    ) -> (Arc<OkapiTokens>, Scripted, Arc<ManualClock>) {
        let server = Scripted::start(handler).await;
        let settings = json!({ "base_url": server.url("/okapi/"), "tenant": "diku" });
        let connection: FolioConnection = read(settings, more).unwrap();
        let (client, clock) = server.client();
        (OkapiTokens::new(&connection, client).unwrap(), server, clock)
    }

    fn login() -> serde_json::Value {
        json!({ "login": { "username": "u", "password": "hush-hush" } })
    }

    fn sent(credential: &Credential) -> Vec<(String, String)> {
        let shown = credential.headers().map(|(name, value)| {
            assert!(value.is_sensitive());
            (name.to_string(), value.to_str().unwrap().to_owned())
        });
        shown.collect()
    }

    /// The token is in a cookie and nowhere else; it is sent beside the tenant, and for half of its life.
    #[tokio::test]
    async fn a_token_is_taken_from_its_cookie_and_kept_for_half_of_its_life() {
        let (tokens, server, clock) = tokens(login(), |_, _| login_answer()).await;
        let credential = tokens.credential().await.unwrap();
        let wanted = [("x-okapi-tenant", "diku"), ("x-okapi-token", "access-token")];
        assert_eq!(sent(&credential), wanted.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let asked = &server.seen()[0];
        assert_eq!((asked.method.as_str(), asked.path()), ("POST", "/okapi/authn/login-with-expiry"));
        assert_eq!(asked.header("x-okapi-tenant"), "diku");
        assert_eq!(asked.body, r#"{"username":"u","password":"hush-hush"}"#);
        clock.advance(Duration::from_secs(299));
        tokens.credential().await.unwrap();
        assert_eq!(server.count(), 1);
        clock.advance(Duration::from_secs(2));
        tokens.credential().await.unwrap();
        assert_eq!(server.count(), 2);
        assert!(tokens.covers(&server.url("/data-export/logs")));
        assert!(!tokens.covers(&"https://storage.example/x".parse().unwrap()));
    }

    /// Promise 7: what a server issues is not repeated after it, be it of use here or not.
    #[tokio::test]
    async fn every_cookie_of_a_login_is_masked() {
        let (tokens, _server, _) = tokens(login(), |_, _| login_answer()).await;
        tokens.credential().await.unwrap();
        let shown = tokens.client.redactor().text("got access-token and refresh-token");
        assert_eq!(shown, "got [redacted] and [redacted]");
    }

    /// A cookie that is shorter than any token is a setting: a word that others use is not masked for it.
    #[tokio::test]
    async fn a_short_cookie_of_a_login_is_no_secret() {
        let (tokens, _server, _) =
            tokens(login(), |_, _| login_answer().header("Set-Cookie", "lang=english; Path=/")).await;
        tokens.credential().await.unwrap();
        let shown = tokens.client.redactor().text("english, and access-token");
        assert_eq!(shown, "english, and [redacted]");
    }

    /// Where a cookie does not say how long it lives, its date or the body does.
    #[tokio::test]
    async fn a_life_is_told_in_three_ways() {
        for (cookie, lives) in [
            ("folioAccessToken=a1b2; Expires=Thu, 01 Jan 1970 00:02:00 GMT", 60),
            ("folioAccessToken=a1b2; Path=/", 300),
        ] {
            let body = r#"{"accessTokenExpiration":"1970-01-01T00:10:00Z"}"#;
            let reply = Reply::status(201).header("Set-Cookie", cookie).body(body);
            let (tokens, server, clock) = tokens(login(), move |_, _| reply.clone()).await;
            for (moved, calls) in [(0, 1), (lives - 1, 1), (2, 2)] {
                clock.advance(Duration::from_secs(moved));
                tokens.credential().await.unwrap();
                assert_eq!(server.count(), calls, "{cookie}");
            }
        }
    }

    /// The older login: the token in a header, or in the body alone.
    #[tokio::test]
    async fn a_legacy_token_is_taken_from_header_or_body() {
        let legacy = json!({ "login": { "username": "u", "password": "hush-hush", "form": "legacy" } });
        for reply in [
            Reply::status(201).header("x-okapi-token", "legacy-token").body("{}"),
            Reply::status(201).body(r#"{"okapiToken":"legacy-token"}"#),
        ] {
            let (tokens, server, _) = tokens(legacy.clone(), move |_, _| reply.clone()).await;
            assert_eq!(sent(&tokens.credential().await.unwrap())[1].1, "legacy-token");
            assert_eq!(server.seen()[0].path(), "/okapi/authn/login");
        }
        let (tokens, _server, _) = tokens(legacy, |_, _| Reply::json(json!({}))).await;
        let error = Error::from(tokens.credential().await.unwrap_err());
        assert!(error.line().contains("no token is there"), "{}", error.line());
    }

    /// Five refusals block an account: one is remembered, and every caller is refused by it for a while.
    #[tokio::test]
    async fn a_refused_login_is_not_made_again() {
        let refusal = r#"{"errors":[{"message":"Password hush-hush is wrong","code":"wrong.username.or.wrong.password.or.account.blocked"}]}"#;
        let (tokens, server, clock) = tokens(login(), move |_, _| Reply::status(422).body(refusal)).await;
        for _ in 0..5 {
            let error = Error::from(tokens.credential().await.unwrap_err());
            assert_eq!(error.error_type().name(), "AuthRejected");
            assert!(
                error.line().contains("account.blocked") && !error.line().contains("hush"),
                "{}",
                error.line()
            );
        }
        assert_eq!(server.count(), 1);
        clock.advance(TokenCache::REFUSAL_REMEMBERED);
        tokens.credential().await.unwrap_err();
        assert_eq!(server.count(), 2);
    }

    /// A tenant that the gateway does not know is refused in its words, which are remembered as a refused login's are.
    #[tokio::test]
    async fn a_tenant_that_is_not_known_is_named() {
        let eureka = r#"{"errors":[{"message":"Application is not enabled for tenant","code":"tenant_not_enabled","type":"TenantNotEnabledException"}],"total_records":1}"#;
        for (reply, said) in [
            (
                Reply::status(400).header("Content-Type", "text/plain").body("No such Tenant diku"),
                "No such Tenant diku",
            ),
            (
                Reply::status(400).header("Content-Type", "application/json").body(eureka),
                "tenant_not_enabled",
            ),
        ] {
            let (tokens, server, _) = tokens(login(), move |_, _| reply.clone()).await;
            for _ in 0..2 {
                let error = Error::from(tokens.credential().await.unwrap_err());
                assert_eq!(error.error_type().name(), "AuthRejected");
                assert!(error.line().contains(said), "{}", error.line());
            }
            assert_eq!(server.count(), 1);
        }
    }

    /// Callers who need a token at once share one login; one that a server has refused is replaced once.
    #[tokio::test]
    async fn callers_share_a_login() {
        let (tokens, server, _) = tokens(login(), |_, _| login_answer()).await;
        let (one, other) = tokio::join!(tokens.credential(), tokens.credential());
        let (one, other) = (one.unwrap(), other.unwrap());
        assert_eq!((one.serial(), server.count()), (other.serial(), 1));
        tokens.refused(&one).await;
        let next = tokens.credential().await.unwrap();
        tokens.refused(&other).await;
        assert_eq!(tokens.credential().await.unwrap().serial(), next.serial());
        assert_eq!(server.count(), 2);
    }

    /// A token that was given is good until a server says otherwise.
    #[tokio::test]
    async fn a_given_token_is_refused_once() {
        let (tokens, server, _) = tokens(json!({ "token": "given-token" }), |_, _| Reply::status(500)).await;
        let credential = tokens.credential().await.unwrap();
        assert_eq!(sent(&credential)[1].1, "given-token");
        tokens.refused(&credential).await;
        let error = Error::from(tokens.credential().await.unwrap_err());
        assert_eq!(error.error_type().name(), "AuthRejected");
        assert_eq!(server.count(), 0);
    }

    /// There is one way to come by a token.
    #[tokio::test]
    async fn a_connection_has_a_login_or_a_token() {
        let server = Scripted::replies(vec![Reply::status(500)]).await;
        let both = json!({ "login": { "username": "u", "password": "p" }, "token": "t" });
        for (settings, said) in [(json!({}), "login is missing"), (both, "exclude")] {
            let gateway = json!({ "base_url": server.url("/"), "tenant": "diku" });
            let connection: FolioConnection = read(gateway, settings).unwrap();
            let error = OkapiTokens::new(&connection, server.client().0).unwrap_err();
            assert_eq!(error.error_type().name(), "InvalidConfig");
            assert!(error.line().contains(said), "{}", error.line());
        }
    }
}
