//! HTTP Basic (RFC 7617): a user's name and password with every call.

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use url::{Origin, Url};

use super::{Authorizer, Credential};
use crate::error::{Error, Result};
use crate::http::Redactor;
use crate::http::error::HttpError;

/// A user's name and password, shown to the servers of one origin only.
#[derive(Debug)]
pub struct BasicAuthorizer {
    credential: Credential,
    audience: Origin,
}

impl BasicAuthorizer {
    /// The credentials of a user; what they look like on the wire is kept out of texts too.
    ///
    /// `InvalidConfig` where the name cannot be one: a colon would end it (RFC 7617, 2).
    pub fn new(username: &str, password: &SecretString, audience: &Url, redactor: &Redactor) -> Result<Self> {
        if username.is_empty() || username.contains(':') || username.chars().any(char::is_control) {
            return Err(Error::invalid_config(
                "basic.username cannot be used: it is empty, or has a colon or a control character",
            ));
        }
        let pair = SecretString::from(BASE64.encode(format!("{username}:{}", password.expose_secret())));
        redactor.remember(password);
        redactor.remember(&pair);
        let header = HeaderValue::from_str(&format!("Basic {}", pair.expose_secret()))
            .map_err(|error| Error::invalid_config("basic.password cannot be sent").because(error))?;
        Ok(Self { credential: Credential::new(header, 1), audience: audience.origin() })
    }
}

#[async_trait]
impl Authorizer for BasicAuthorizer {
    fn covers(&self, url: &Url) -> bool {
        url.origin() == self.audience
    }

    fn renews(&self) -> bool {
        false
    }

    async fn credential(&self) -> Result<Credential, HttpError> {
        Ok(self.credential.clone())
    }

    async fn refused(&self, _credential: &Credential) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Request;
    use crate::http::scripted::{Reply, Scripted};

    fn user(server: &Scripted, name: &str, redactor: &Redactor) -> Result<BasicAuthorizer> {
        BasicAuthorizer::new(name, &SecretString::from("pä:ss wörd"), &server.url("/"), redactor)
    }

    /// RFC 7617, 2 and 2.1: colons belong to the password alone, and text is UTF-8.
    #[tokio::test]
    async fn a_name_and_a_password_travel_as_the_standard_has_them() {
        let server = Scripted::replies(vec![Reply::status(200)]).await;
        let (client, _) = server.client();
        let user = std::sync::Arc::new(user(&server, "domain.ann", client.redactor()).unwrap());
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
        let user = std::sync::Arc::new(user(&server, "ann", client.redactor()).unwrap());
        let request = Request::get(server.url("/x")).authorized_by(user.clone());
        let error = Error::from(client.call(&request).await.unwrap_err());
        assert_eq!((error.error_type().name(), server.count()), ("AuthRejected", 1));
        client.call(&Request::get(other.url("/x")).authorized_by(user)).await.unwrap();
        assert_eq!(other.seen()[0].header("authorization"), "");
    }

    /// A name that Basic cannot carry is found before anything is called.
    #[tokio::test]
    async fn a_name_with_a_colon_is_refused() {
        let server = Scripted::replies(vec![Reply::status(200)]).await;
        for name in ["", "a:b", "a\nb"] {
            let error = user(&server, name, &Redactor::default()).unwrap_err();
            assert!(error.line().contains("basic.username"), "{}", error.line());
        }
    }
}
