//! Assertions: short-lived statements that a client signs with its own key (RFC 7523).

use std::time::Duration;

use jiff::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use uuid::Uuid;

/// How long an assertion is good for: it is used at once.
const LIFETIME: Duration = Duration::from_secs(300);

/// The key that a client signs its assertions with.
pub(super) struct Signer {
    key: EncodingKey,
    header: Header,
    issuer: String,
    audience: String,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    iat: i64,
    exp: i64,
    /// Identity domains refuse an assertion that they have seen before.
    jti: String,
}

impl Signer {
    /// A signer for a client, from an RSA key in PEM.
    pub(super) fn new(
        pem: &SecretString,
        key_id: Option<&str>,
        issuer: &str,
        audience: &str,
    ) -> Result<Self, jsonwebtoken::errors::Error> {
        let mut header = Header::new(Algorithm::RS256);
        header.kid = key_id.map(str::to_owned);
        Ok(Self {
            key: EncodingKey::from_rsa_pem(pem.expose_secret().as_bytes())?,
            header,
            issuer: issuer.to_owned(),
            audience: audience.to_owned(),
        })
    }

    /// A statement about a subject: the client itself, or the user that it acts for.
    pub(super) fn sign(
        &self,
        subject: &str,
        now: Timestamp,
    ) -> Result<SecretString, jsonwebtoken::errors::Error> {
        let issued = now.as_second();
        let lifetime = i64::try_from(LIFETIME.as_secs()).unwrap_or(i64::MAX);
        let claims = Claims {
            iss: &self.issuer,
            sub: subject,
            aud: &self.audience,
            iat: issued,
            exp: issued.saturating_add(lifetime),
            jti: Uuid::new_v4().to_string(),
        };
        jsonwebtoken::encode(&self.header, &claims, &self.key).map(SecretString::from)
    }
}
