//! Credentials that do not change while a connection is open: HTTP Basic (RFC 7617), and a token obtained elsewhere.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::{HeaderValue, Method};
use secrecy::{ExposeSecret as _, SecretString};
use url::{Origin, Url};

use super::{Authorizer, Credential, InvalidSetting};
use crate::error::{Exchange, Failure, HttpError};
use crate::redact::Redactor;

/// One credential for the servers of one origin. Once refused it is not sent again: there is no other to try, and a
/// few wrong passwords lock an account.
pub struct FixedCredential {
    credential: Credential,
    server: Url,
    key: &'static str,
    is_refused: AtomicBool,
}

impl fmt::Debug for FixedCredential {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("FixedCredential").field("key", &self.key).finish_non_exhaustive()
    }
}

impl FixedCredential {
    /// A user's name and password. `InvalidConfig` where the name cannot be one: a colon would end it (RFC 7617, 2).
    pub fn basic(
        username: &str,
        password: &SecretString,
        server: &Url,
        redactor: &Redactor,
    ) -> Result<Arc<Self>, InvalidSetting> {
        if username.is_empty() || username.contains(':') || username.chars().any(char::is_control) {
            return Err(InvalidSetting::new(
                "basic.username cannot be used: it is empty, or has a colon or a control character",
            ));
        }
        redactor.remember(password);
        let pair = SecretString::from(BASE64.encode(format!("{username}:{}", password.expose_secret())));
        Self::new("basic.password", "Basic", &pair, server, redactor)
    }

    /// A token. `InvalidConfig` where it is not one line of visible characters.
    pub fn bearer(
        token: &SecretString,
        server: &Url,
        redactor: &Redactor,
    ) -> Result<Arc<Self>, InvalidSetting> {
        let token = SecretString::from(token.expose_secret().trim());
        Self::new("bearer.token", "Bearer", &token, server, redactor)
    }

    fn new(
        key: &'static str,
        scheme: &str,
        secret: &SecretString,
        server: &Url,
        redactor: &Redactor,
    ) -> Result<Arc<Self>, InvalidSetting> {
        redactor.remember(secret);
        let header = HeaderValue::from_str(&format!("{scheme} {}", secret.expose_secret()))
            .ok()
            .filter(|_| !secret.expose_secret().is_empty())
            .ok_or_else(|| InvalidSetting::new(format!("{key} cannot be sent in a header")))?;
        Ok(Arc::new(Self {
            credential: Credential::new(header, 1),
            server: server.clone(),
            key,
            is_refused: AtomicBool::new(false),
        }))
    }

    fn origin(&self) -> Origin {
        self.server.origin()
    }
}

#[async_trait]
impl Authorizer for FixedCredential {
    fn covers(&self, url: &Url) -> bool {
        url.origin() == self.origin()
    }

    fn renews(&self) -> bool {
        false
    }

    async fn credential(&self) -> Result<Credential, HttpError> {
        if self.is_refused.load(Ordering::Relaxed) {
            let exchange = Exchange::new(&Method::GET, &self.server);
            return Err(HttpError::new(exchange, Failure::CredentialRefused(self.key)));
        }
        Ok(self.credential.clone())
    }

    async fn refused(&self, _credential: &Credential) {
        self.is_refused.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;
    use crate::client::Request;
    use crate::scripted::{Reply, Scripted};

    /// Promise 7: a password goes to its own server alone, and a refused one is sent once.
    #[tokio::test]
    async fn a_refused_password_is_sent_once() {
        let server = Scripted::start(|_, _| Reply::status(401)).await;
        let (client, _) = server.client();
        let basic =
            FixedCredential::basic("user", &"pass-word".into(), &server.url("/"), client.redactor()).unwrap();
        assert!(!basic.covers(&Url::parse("https://elsewhere.example.com/").unwrap()));
        for said in ["answered 401 Unauthorized", "not sent: the server has refused basic.password"] {
            let request = Request::get(server.url("/a")).authorized_by(basic.clone());
            let error = client.call(&request).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::AuthRejected, "{}", error.line());
            assert!(error.line().contains(&format!("/a: {said}")), "{}", error.line());
            assert!(!error.line().contains("token"), "{}", error.line());
            assert!(!error.line().contains("pass-word"), "{}", error.line());
        }
        assert_eq!(server.count(), 1);
        assert_eq!(server.seen()[0].header("authorization"), "Basic dXNlcjpwYXNzLXdvcmQ=");
    }

    /// What cannot be sent is found before anything is.
    #[test]
    fn what_cannot_be_a_credential_is_a_wrong_configuration() {
        let (server, redactor) = (Url::parse("https://pod.example.com/").unwrap(), Redactor::default());
        for refused in [
            FixedCredential::basic("a:b", &"secret".into(), &server, &redactor),
            FixedCredential::bearer(&"".into(), &server, &redactor),
            FixedCredential::bearer(&"two\nlines".into(), &server, &redactor),
        ] {
            let error = refused.unwrap_err();
            assert!(!error.to_string().contains("lines"), "{}", error.to_string());
        }
    }

    fn user(
        server: &Scripted,
        name: &str,
        redactor: &Redactor,
    ) -> Result<Arc<FixedCredential>, InvalidSetting> {
        FixedCredential::basic(name, &SecretString::from("pä:ss wörd"), &server.url("/"), redactor)
    }

    /// RFC 7617, 2 and 2.1: colons belong to the password alone, and text is UTF-8.
    #[tokio::test]
    async fn a_name_and_a_password_travel_as_the_standard_has_them() {
        let server = Scripted::replies(vec![Reply::status(200)]).await;
        let (client, _) = server.client();
        let user = user(&server, "domain.ann", client.redactor()).unwrap();
        client.call(&Request::get(server.url("/x")).authorized_by(user)).await.unwrap();
        let sent = server.seen().remove(0).header("authorization").to_owned();
        let pair = BASE64.decode(sent.strip_prefix("Basic ").unwrap()).unwrap();
        assert_eq!(String::from_utf8(pair).unwrap(), "domain.ann:pä:ss wörd");
        let told = client.redactor().text(&format!("you sent {} and pä:ss wörd", &sent[6..]));
        assert_eq!(told, "you sent [redacted] and [redacted]");
    }

    /// A wrong password is told to the server once a call, and to no other server.
    #[tokio::test]
    async fn a_refused_password_is_not_repeated() {
        let server = Scripted::replies(vec![Reply::status(401)]).await;
        let other = Scripted::replies(vec![Reply::status(200)]).await;
        let (client, _) = server.client_allowing(&[other.host()]);
        let user = user(&server, "ann", client.redactor()).unwrap();
        let request = Request::get(server.url("/x")).authorized_by(user.clone());
        let error = client.call(&request).await.unwrap_err();
        assert_eq!((error.kind(), server.count()), (ErrorKind::AuthRejected, 1));
        client.call(&Request::get(other.url("/x")).authorized_by(user)).await.unwrap();
        assert_eq!(other.seen()[0].header("authorization"), "");
    }

    /// A name that Basic cannot carry is found before anything is called.
    #[tokio::test]
    async fn a_name_with_a_colon_is_refused() {
        let server = Scripted::replies(vec![Reply::status(200)]).await;
        for name in ["", "a:b", "a\nb"] {
            let error = user(&server, name, &Redactor::default()).unwrap_err();
            assert!(error.to_string().contains("basic.username"), "{}", error.to_string());
        }
    }
}
