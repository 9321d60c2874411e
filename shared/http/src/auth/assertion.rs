//! Assertions: short-lived statements that a client signs with its own key (RFC 7523).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64_URL;
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::json;
use uuid::Uuid;

use crate::rsa::{RsaKey, RsaKeyError};
use crate::settings::AssertionAlgorithm;

/// How long an assertion is good for: it is used at once.
const LIFETIME: Duration = Duration::from_secs(300);

/// The key that a client signs its assertions with.
pub(super) struct Signer {
    key: RsaKey,
    algorithm: AssertionAlgorithm,
    /// In base64url, as it begins each assertion.
    header: String,
    issuer: String,
    audience: String,
}

impl Signer {
    /// A signer for a client, from an RSA key in PEM.
    pub(super) fn new(
        pem: &SecretString,
        key_id: Option<&str>,
        issuer: &str,
        audience: &str,
        algorithm: AssertionAlgorithm,
    ) -> Result<Self, RsaKeyError> {
        let header = match key_id {
            Some(id) => json!({ "typ": "JWT", "alg": algorithm.name(), "kid": id }),
            None => json!({ "typ": "JWT", "alg": algorithm.name() }),
        };
        Ok(Self {
            key: RsaKey::from_pem(pem)?,
            algorithm,
            header: BASE64_URL.encode(header.to_string()),
            issuer: issuer.to_owned(),
            audience: audience.to_owned(),
        })
    }

    /// A statement about a subject: the client itself, or the user that it acts for.
    pub(super) fn sign(&self, subject: &str, now: Timestamp) -> Result<SecretString, RsaKeyError> {
        let issued = now.as_second();
        let lifetime = i64::try_from(LIFETIME.as_secs()).unwrap_or(i64::MAX);
        let claims = json!({
            "iss": self.issuer,
            "sub": subject,
            "aud": self.audience,
            "iat": issued,
            "exp": issued.saturating_add(lifetime),
            // Identity domains refuse an assertion that they have seen before.
            "jti": Uuid::new_v4().to_string(),
        });
        let signed = format!("{}.{}", self.header, BASE64_URL.encode(claims.to_string()));
        let signature = match self.algorithm {
            AssertionAlgorithm::RS256 => self.key.sign_sha256(signed.as_bytes())?,
            AssertionAlgorithm::RS384 => self.key.sign_sha384(signed.as_bytes())?,
        };
        Ok(format!("{signed}.{}", BASE64_URL.encode(signature)).into())
    }
}
