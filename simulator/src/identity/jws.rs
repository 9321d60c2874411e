//! Signed lists of claims: JSON Web Signatures in their compact form (RFC 7515).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, UnparsedPublicKey};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// What was sent as one. Whether it is good is not known yet.
pub(super) struct Jws<'a> {
    pub(super) header: Header,
    signed: &'a str,
    claims: Vec<u8>,
    signature: Vec<u8>,
}

#[derive(Deserialize)]
pub(super) struct Header {
    alg: String,
    pub(super) kid: Option<String>,
    pub(super) x5t: Option<String>,
}

impl<'a> Jws<'a> {
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let header = serde_json::from_slice(&decoded(header)?).ok()?;
        Some(Self { header, signed, claims: decoded(claims)?, signature: decoded(signature)? })
    }

    /// The claims, where a secret has signed them (HS256).
    pub(super) fn signed_by_secret<T: DeserializeOwned>(&self, secret: &[u8]) -> Option<T> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let is_good = hmac::verify(&key, self.signed.as_bytes(), &self.signature).is_ok();
        (self.header.alg == "HS256" && is_good).then(|| serde_json::from_slice(&self.claims).ok()).flatten()
    }

    /// The claims, where the private half of an RSA key has signed them (RS256 or RS384).
    pub(super) fn signed_by_key<T: DeserializeOwned>(&self, public: &[u8]) -> Option<T> {
        let algorithm = match self.header.alg.as_str() {
            "RS256" => &RSA_PKCS1_2048_8192_SHA256,
            "RS384" => &RSA_PKCS1_2048_8192_SHA384,
            _ => return None,
        };
        let key = UnparsedPublicKey::new(algorithm, public);
        let is_good = key.verify(self.signed.as_bytes(), &self.signature).is_ok();
        is_good.then(|| serde_json::from_slice(&self.claims).ok()).flatten()
    }
}

/// Claims that a secret signs (HS256).
pub(super) fn sign(claims: &impl Serialize, secret: &[u8]) -> serde_json::Result<String> {
    let header = URL_SAFE_NO_PAD.encode(r#"{"typ":"JWT","alg":"HS256"}"#);
    let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(serde_json::to_vec(claims)?));
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), signed.as_bytes());
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

fn decoded(part: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part).ok()
}
