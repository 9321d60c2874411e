//! Who signs, until when; and the tokens that say so.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::error::PrincipalError;
use crate::rsa::RsaKey;

/// How long before its end a token is renewed, at most; a fifth of its life for short-lived ones.
const RENEWED_BEFORE: SignedDuration = SignedDuration::from_secs(120);

/// Who signs: a key, and what OCI knows it by.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    /// The `keyId` of signatures.
    pub(super) key_id: SecretString,
    /// The key that signs.
    pub(super) key: Arc<RsaKey>,
    /// How long it is good for; an API key is until somebody deletes it.
    pub(super) life: Option<Life>,
}

/// From when to when a token is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Life {
    /// When another is to be had.
    renew_at: Timestamp,
    /// When it is over.
    pub(super) ends: Timestamp,
}

impl Life {
    /// Whether another is to be had by now.
    pub(super) fn is_to_be_renewed(self, now: Timestamp) -> bool {
        now >= self.renew_at
    }

    /// Whether it is over.
    pub(super) fn is_over(self, now: Timestamp) -> bool {
        now >= self.ends
    }
}

impl Identity {
    /// A token, and the key that it vouches for.
    ///
    /// # Errors
    /// The token is none, or is over.
    pub(super) fn of_token(
        token: &SecretString,
        key: RsaKey,
        (of, advice): (&str, &'static str),
        now: Timestamp,
    ) -> Result<Self, PrincipalError> {
        let token = token.expose_secret().trim();
        let token = token.strip_prefix("ST$").unwrap_or(token);
        let life = life_of(token, now).ok_or_else(|| PrincipalError::Token(of.to_owned()))?;
        if life.is_over(now) {
            return Err(PrincipalError::Expired { of: of.to_owned(), at: life.ends, advice });
        }
        Ok(Self { key_id: format!("ST${token}").into(), key: Arc::new(key), life: Some(life) })
    }
}

/// When a JWT's life ends by its own words, and when another is to be had.
fn life_of(token: &str, now: Timestamp) -> Option<Life> {
    #[derive(Deserialize)]
    struct Claims {
        exp: f64,
    }
    let payload = token.split('.').nth(1)?;
    let payload = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    let claims: Claims = serde_json::from_slice(&payload).ok()?;
    let ends = Timestamp::UNIX_EPOCH.checked_add(SignedDuration::try_from_secs_f64(claims.exp).ok()?).ok()?;
    let before = (ends.duration_since(now) / 5).min(RENEWED_BEFORE);
    Some(Life { renew_at: ends.checked_sub(before).ok()?, ends })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A token that is good until then.
    pub(in crate::auth::oci) fn token(ends: Timestamp, of: &str) -> String {
        let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let claims = serde_json::json!({"exp": ends.as_second(), "sub": of});
        format!("{}.{}.c2lnbmF0dXJl", part(serde_json::json!({"alg": "RS256"})), part(claims))
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// A token is renewed before it ends, however short its life is, and never used behind its end.
    #[test]
    fn a_token_is_renewed_before_it_ends() {
        let life = life_of(&token(at(3600), "a"), at(0)).unwrap();
        assert!(!life.is_to_be_renewed(at(3479)) && life.is_to_be_renewed(at(3480)));
        assert!(!life.is_over(at(3599)) && life.is_over(at(3600)));
        let short = life_of(&token(at(50), "a"), at(0)).unwrap();
        assert!(!short.is_to_be_renewed(at(39)) && short.is_to_be_renewed(at(40)));
    }

    /// What is no token is said to be none, without its words.
    #[test]
    fn what_is_no_token_is_named() {
        for odd in ["", "hunter2", "a.b.c", "a.e30.c"] {
            assert_eq!(life_of(odd, at(0)), None, "{odd}");
        }
    }
}
