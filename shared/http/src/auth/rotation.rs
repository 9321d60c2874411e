//! Refresh tokens that are good for one use: the next one is kept in the work bucket, for whichever process needs it.
//!
//! Two processes must never spend one token: many servers then take both for thieves and revoke everything. So a
//! process claims the token by a conditional write before it spends it, and stores what it got by another one; who
//! comes second waits, and takes the access token that the first one stored.
//!
//! What is stored is encrypted (AES-256-GCM) under a key that is derived from the first refresh token, which only
//! the configuration has (HKDF, RFC 5869). A new first token in the configuration begins anew.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};
use ring::rand::{self, SystemRandom};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::clock::{Clock, elapsed};
use crate::error::BoxError;

/// How long a claimant may take to spend its token and store the next one.
const LEASE: Duration = Duration::from_secs(180);
/// How long is waited before a token that another process is spending is looked at again.
const PAUSE: Duration = Duration::from_secs(2);
/// How often a record that others are changing is tried to be changed.
const TRIES: usize = 200;
/// How long before its end a stored access token is not used any more.
const MARGIN: Duration = Duration::from_secs(60);

/// A document that several processes change, one at a time.
#[async_trait]
pub trait SharedDocument: Send + Sync + fmt::Debug {
    /// What it is called, for people; nothing else is called so.
    fn name(&self) -> String;

    /// The document, and the version to change it by; `None` if there is none.
    async fn read(&self) -> std::result::Result<Option<(Vec<u8>, String)>, DocumentError>;

    /// Writes it if nobody has changed it: with no version if there is none yet. Whether it is written.
    async fn write(
        &self,
        document: Vec<u8>,
        unchanged_since: Option<&str>,
    ) -> std::result::Result<bool, DocumentError>;
}

/// A document that could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{cause}")]
pub struct DocumentError {
    /// Whether calling again can help.
    pub is_retryable: bool,
    /// What its store says.
    #[source]
    pub cause: BoxError,
}

/// Why a refresh token could not be taken from where it is kept, or not be put there.
#[derive(Debug, thiserror::Error)]
pub enum TokenStoreError {
    /// The store's own failure.
    #[error(transparent)]
    Store(#[from] DocumentError),
    /// What is kept is no record of this kind.
    #[error("{name} does not hold what it should")]
    Unreadable {
        /// What is kept.
        name: String,
        /// Why it does not fit.
        #[source]
        source: serde_json::Error,
    },
    /// Others have changed it at every try.
    #[error("{0} keeps changing: call again")]
    KeepsChanging(String),
    /// Another process has claimed it meanwhile.
    #[error("{0} was changed by another process meanwhile: call again")]
    TakenOver(String),
    /// The next refresh token is lost, if the server took the one before it.
    #[error(
        "the refresh token was spent and the next one could not be kept (if the token endpoint refuses the old one \
         from now on, authorise the connection again)"
    )]
    NextNotKept(#[source] Box<TokenStoreError>),
    /// The first refresh token gives no key.
    #[error("no key can be derived from auth.refresh_token")]
    NoKey,
    /// What was to be kept could not be encrypted.
    #[error("{0} cannot be encrypted")]
    NotEncrypted(String),
    /// What is kept cannot be decrypted.
    #[error(
        "{0} is damaged, and with it the refresh token: authorise the connection again and put the new token into \
         auth.refresh_token"
    )]
    Damaged(String),
}

impl TokenStoreError {
    /// Whether calling again can help.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Store(error) => error.is_retryable,
            Self::KeepsChanging(_) | Self::TakenOver(_) | Self::NotEncrypted(_) => true,
            Self::NextNotKept(cause) => cause.is_retryable(),
            Self::Unreadable { .. } | Self::NoKey | Self::Damaged(_) => false,
        }
    }
}

type Result<T, E = TokenStoreError> = std::result::Result<T, E>;

/// `tokens/<connection>.json`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    /// Which first refresh token of the configuration this began with: its SHA-256.
    first: String,
    /// What is kept, encrypted; none before the first token has been spent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sealed: Option<String>,
    /// Who is spending the refresh token now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    claim: Option<Claimed>,
    /// Whether the refresh token may have been spent by a process that could not store the next one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    may_be_spent: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Claimed {
    by: String,
    at: Timestamp,
}

/// What is encrypted.
#[derive(Serialize, Deserialize)]
struct StoredTokens {
    refresh_token: String,
    access_token: String,
    scope: String,
    expires_at: Timestamp,
}

/// The refresh token of a connection, wherever it stands.
pub(super) struct Rotation {
    store: Arc<dyn SharedDocument>,
    clock: Arc<dyn Clock>,
    first: SecretString,
}

impl fmt::Debug for Rotation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Rotation").field("store", &self.store).finish_non_exhaustive()
    }
}

/// What comes of asking for an access token.
pub(super) enum TokenOrClaim {
    /// Another process has obtained one, which is good until then.
    Token(SecretString, Timestamp),
    /// It is ours to spend the refresh token.
    Claim(Box<Claim>),
}

/// A refresh token that is ours to spend.
pub(super) struct Claim {
    pub(super) refresh_token: SecretString,
    /// Whether it may have been spent already, by a process that could not store the next one.
    pub(super) may_be_spent: bool,
    record: Record,
}

impl Rotation {
    /// The rotation that begins with the first refresh token and is kept in a document.
    pub(super) fn new(store: Arc<dyn SharedDocument>, clock: Arc<dyn Clock>, first: SecretString) -> Self {
        Self { store, clock, first }
    }

    /// An access token for a scope, other than one that has been refused; or the claim to obtain one.
    pub(super) async fn token_or_claim(
        &self,
        scope: &str,
        refused: Option<&SecretString>,
    ) -> Result<TokenOrClaim> {
        for _ in 0..TRIES {
            let now = self.clock.now();
            let found = self.read().await?;
            let (record, etag) = match found {
                Some((record, etag)) if record.first == self.fingerprint() => (record, Some(etag)),
                // The connection has been authorised anew.
                Some((_, etag)) => (self.beginning(), Some(etag)),
                None => (self.beginning(), None),
            };
            let kept = record.sealed.as_deref().map(|sealed| self.open(sealed)).transpose()?;
            if let Some(kept) = &kept
                && kept.scope == scope
                && refused.is_none_or(|refused| refused.expose_secret() != kept.access_token)
                && elapsed(now, kept.expires_at) > MARGIN
            {
                return Ok(TokenOrClaim::Token(kept.access_token.clone().into(), kept.expires_at));
            }
            if record.claim.as_ref().is_some_and(|claim| elapsed(claim.at, now) < LEASE) {
                self.clock.sleep(PAUSE).await;
                continue;
            }
            let may_be_spent = record.may_be_spent || record.claim.is_some();
            let claim = Claimed { by: Uuid::new_v4().to_string(), at: now };
            let record = Record { claim: Some(claim), may_be_spent, ..record };
            if self.write(&record, etag.as_deref()).await? {
                let refresh_token = kept.map_or_else(|| self.first.clone(), |kept| kept.refresh_token.into());
                return Ok(TokenOrClaim::Claim(Box::new(Claim { refresh_token, may_be_spent, record })));
            }
        }
        Err(TokenStoreError::KeepsChanging(self.store.name()))
    }

    /// Keeps what the refresh token was spent for. The next refresh token is the same where the server gave none.
    pub(super) async fn keep(
        &self,
        claim: &Claim,
        scope: &str,
        access_token: &SecretString,
        expires_at: Timestamp,
        next: Option<&SecretString>,
    ) -> Result<()> {
        let kept = StoredTokens {
            refresh_token: next.unwrap_or(&claim.refresh_token).expose_secret().to_owned(),
            access_token: access_token.expose_secret().to_owned(),
            scope: scope.to_owned(),
            expires_at,
        };
        let record = Record {
            first: claim.record.first.clone(),
            sealed: Some(self.seal(&kept)?),
            claim: None,
            may_be_spent: false,
        };
        self.settle(claim, record).await.map_err(|error| TokenStoreError::NextNotKept(Box::new(error)))
    }

    /// Gives the turn up. `may_be_spent` says that it is not known whether the server took the refresh token.
    pub(super) async fn give_up(&self, claim: &Claim, may_be_spent: bool) -> Result<()> {
        let may_be_spent = may_be_spent || claim.may_be_spent;
        let record = Record { claim: None, may_be_spent, ..claim.record.clone() };
        self.settle(claim, record).await
    }

    /// Writes over our own claim, and over nobody else's.
    async fn settle(&self, claim: &Claim, record: Record) -> Result<()> {
        match self.read().await? {
            Some((found, etag)) if found == claim.record => match self.write(&record, Some(&etag)).await? {
                true => Ok(()),
                false => Err(self.taken_over()),
            },
            Some((found, _)) if found == record => Ok(()),
            _ => Err(self.taken_over()),
        }
    }

    fn taken_over(&self) -> TokenStoreError {
        TokenStoreError::TakenOver(self.store.name())
    }

    async fn read(&self) -> Result<Option<(Record, String)>> {
        let Some((bytes, version)) = self.store.read().await? else { return Ok(None) };
        let record = serde_json::from_slice(&bytes);
        let record =
            record.map_err(|source| TokenStoreError::Unreadable { name: self.store.name(), source })?;
        Ok(Some((record, version)))
    }

    async fn write(&self, record: &Record, unchanged_since: Option<&str>) -> Result<bool> {
        let bytes = serde_json::to_vec_pretty(record);
        let bytes =
            bytes.map_err(|source| TokenStoreError::Unreadable { name: self.store.name(), source })?;
        if self.store.write(bytes, unchanged_since).await? {
            return Ok(true);
        }
        // Our own write may be there though its answer was lost.
        let found = self.read().await?;
        Ok(found.is_some_and(|(found, _)| found == *record))
    }

    fn beginning(&self) -> Record {
        Record { first: self.fingerprint(), sealed: None, claim: None, may_be_spent: false }
    }

    fn fingerprint(&self) -> String {
        hex::encode(Sha256::digest(self.first.expose_secret()))
    }

    fn cipher(&self) -> Result<LessSafeKey> {
        Salt::new(HKDF_SHA256, b"landfall refresh token")
            .extract(self.first.expose_secret().as_bytes())
            .expand(&[self.store.name().as_bytes()], &AES_256_GCM)
            .map(|key| LessSafeKey::new(UnboundKey::from(key)))
            .map_err(|_| TokenStoreError::NoKey)
    }

    fn seal(&self, kept: &StoredTokens) -> Result<String> {
        let failed = || TokenStoreError::NotEncrypted(self.store.name());
        let mut bytes = serde_json::to_vec(kept).map_err(|_| failed())?;
        let nonce: [u8; NONCE_LEN] = rand::generate(&SystemRandom::new()).map_err(|_| failed())?.expose();
        self.cipher()?
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(self.store.name().as_bytes()),
                &mut bytes,
            )
            .map_err(|_| failed())?;
        Ok(BASE64.encode([nonce.as_slice(), &bytes].concat()))
    }

    fn open(&self, sealed: &str) -> Result<StoredTokens> {
        let unreadable = || TokenStoreError::Damaged(self.store.name());
        let bytes = BASE64.decode(sealed).map_err(|_| unreadable())?;
        let (nonce, text) = bytes.split_at_checked(NONCE_LEN).ok_or_else(unreadable)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| unreadable())?;
        let mut text = text.to_vec();
        let text = self
            .cipher()?
            .open_in_place(nonce, Aad::from(self.store.name().as_bytes()), &mut text)
            .map_err(|_| unreadable())?;
        serde_json::from_slice(text).map_err(|_| unreadable())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    /// A document of this name, which is never read or written.
    #[derive(Debug)]
    struct Named(&'static str);

    #[async_trait]
    impl SharedDocument for Named {
        fn name(&self) -> String {
            self.0.to_owned()
        }

        async fn read(&self) -> std::result::Result<Option<(Vec<u8>, String)>, DocumentError> {
            Ok(None)
        }

        async fn write(&self, _: Vec<u8>, _: Option<&str>) -> std::result::Result<bool, DocumentError> {
            Ok(false)
        }
    }

    fn rotation(name: &'static str, first: &str) -> Rotation {
        Rotation::new(Arc::new(Named(name)), Arc::new(SystemClock), first.into())
    }

    /// What a release that encrypted by another library (aws-lc) has kept is read; and nothing but under its own name and
    /// its own first token. A nonce is used once.
    #[test]
    fn what_was_kept_before_is_read() {
        const KEPT: &str = "9WXN/XWc/sAB4XoPVIsWoaJejKqTtzdR/tCpfEnmtiBAgN2JBvnEd5TAxThRVTwrXO8DGsPspBBdeTOtmCYUMlXkPzozEdku\
                            kCSk3cCBYSx/5nxps9HSOKfkXpBIoH2IB/QScvuWuqnod9FfZmafDkg5/KHGOHnWSZDUBWs9ejWIuUOTLDtKUMYUhf87wSaE\
                            fyxZFA==";
        let own = rotation("tokens/oracle.json", "first-refresh-token");
        let kept = own.open(KEPT).unwrap();
        assert_eq!(
            (kept.refresh_token.as_str(), kept.access_token.as_str(), kept.scope.as_str()),
            ("next-refresh-token", "access-token", "urn:b")
        );
        assert_eq!(kept.expires_at.as_second(), 1_800_000_000);
        for other in
            [rotation("tokens/other.json", "first-refresh-token"), rotation("tokens/oracle.json", "another")]
        {
            assert!(matches!(other.open(KEPT), Err(TokenStoreError::Damaged(_))));
        }
        let (once, again) = (own.seal(&kept).unwrap(), own.seal(&kept).unwrap());
        assert_eq!(own.open(&once).unwrap().refresh_token, "next-refresh-token");
        assert_ne!(once[..16], again[..16]);
    }
}
