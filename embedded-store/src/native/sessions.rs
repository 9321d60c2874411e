//! Sessions: tokens that stand for somebody for a while, and the keys that they vouch for. For tests of principals.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use rsa::pkcs8::DecodePublicKey as _;

use crate::Error;

/// The sessions that are let in besides the user of an [`OciAccess`](super::OciAccess).
#[derive(Debug, Default)]
pub struct Sessions(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// By the `keyId` of their signatures.
    sessions: BTreeMap<String, Session>,
    refused: u64,
}

#[derive(Debug)]
struct Session {
    key: rsa::PublicKey,
    until: Timestamp,
    calls: u64,
}

impl Sessions {
    /// Lets calls in that are signed as this token by the key of this public one (DER), until then.
    ///
    /// # Errors
    /// [`Error::PublicKey`].
    pub fn admit(&self, token: &str, public_key: &[u8], until: Timestamp) -> Result<(), Error> {
        let key = rsa::PublicKey::from_public_key_der(public_key).map_err(|_| Error::PublicKey)?;
        self.known().sessions.insert(format!("ST${token}"), Session { key, until, calls: 0 });
        Ok(())
    }

    /// Lets a token's calls in no longer.
    pub fn revoke(&self, token: &str) {
        if let Some(session) = self.known().sessions.get_mut(&format!("ST${token}")) {
            session.until = Timestamp::MIN;
        }
    }

    /// How many sessions there were, and how many of them have made a call.
    pub fn used(&self) -> (usize, usize) {
        let known = self.known();
        let used = known.sessions.values().filter(|session| session.calls > 0).count();
        (known.sessions.len(), used)
    }

    /// How many calls were refused: of sessions that are over, or that there never were.
    pub fn refused(&self) -> u64 {
        self.known().refused
    }

    /// The key of a session that is good now.
    pub(super) fn key(&self, key_id: &str, now: Timestamp) -> Option<rsa::PublicKey> {
        let mut known = self.known();
        match known.sessions.get_mut(key_id).filter(|session| now < session.until) {
            Some(session) => {
                session.calls += 1;
                Some(session.key.clone())
            }
            None => {
                known.refused += 1;
                None
            }
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
