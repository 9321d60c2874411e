//! Who a call is made as.

mod assertion;
mod fixed;
mod oauth;
pub mod oci;
mod rotation;
mod token_cache;

use std::fmt;

use async_trait::async_trait;
use http::{HeaderName, HeaderValue, header};
use url::Url;

use super::error::HttpError;

pub use fixed::FixedCredential;
pub use oauth::{OAuthTokens, ScopedToken};
pub use rotation::{DocumentError, SharedDocument, TokenStoreError};
pub use token_cache::{Issued, TokenCache};

/// The headers that say who calls, mostly `Authorization`, and which issue of them this is.
#[derive(Clone)]
pub struct Credential {
    headers: Vec<(HeaderName, HeaderValue)>,
    serial: u64,
}

impl fmt::Debug for Credential {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Credential({})", self.serial)
    }
}

impl Credential {
    /// A credential under the number of its issue, by which a refused one is told from its successor.
    pub fn new(authorization: HeaderValue, serial: u64) -> Self {
        Self::in_headers(vec![(header::AUTHORIZATION, authorization)], serial)
    }

    /// The same, for a server that looks into other headers than `Authorization`.
    pub fn in_headers(mut headers: Vec<(HeaderName, HeaderValue)>, serial: u64) -> Self {
        headers.iter_mut().for_each(|(_, value)| value.set_sensitive(true));
        Self { headers, serial }
    }

    /// The headers, their values marked as sensitive.
    pub fn headers(&self) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
        self.headers.iter().map(|(name, value)| (name, value))
    }

    /// The value of the `Authorization` header, where there is one.
    #[cfg(test)]
    pub(crate) fn header(&self) -> HeaderValue {
        let mut authorization = self.headers.iter().filter(|(name, _)| *name == header::AUTHORIZATION);
        authorization.next().map(|(_, value)| value.clone()).unwrap()
    }

    /// The number of its issue.
    pub fn serial(&self) -> u64 {
        self.serial
    }
}

/// A setting of credentials that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidSetting(String);

impl InvalidSetting {
    /// A setting that cannot be used; the reason names its key.
    pub fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

/// Gives calls their credentials.
#[async_trait]
pub trait Authorizer: Send + Sync + fmt::Debug {
    /// Whether the credentials are for this URL's server. No other server sees them.
    fn covers(&self, url: &Url) -> bool;

    /// Credentials that are good now.
    async fn credential(&self) -> Result<Credential, HttpError>;

    /// Gives a request its credentials: headers that are the same for every one, unless each is signed.
    async fn authorize(&self, request: &mut reqwest::Request) -> Result<Credential, HttpError> {
        let credential = self.credential().await?;
        for (name, value) in credential.headers() {
            request.headers_mut().insert(name, value.clone());
        }
        Ok(credential)
    }

    /// Whether other credentials can be had once a server has refused these: if not, asking again only locks an account.
    fn renews(&self) -> bool {
        true
    }

    /// Whether a call that was refused asks for credentials once more: for others, or for why there are none.
    fn is_asked_again(&self) -> bool {
        self.renews()
    }

    /// Takes note that a server refused these, so that the next ones are others, or none.
    async fn refused(&self, credential: &Credential);
}
