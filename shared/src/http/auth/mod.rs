//! Who a call is made as.

mod assertion;
mod fixed;
mod oauth;
mod rotation;

use std::fmt;

use async_trait::async_trait;
use http::HeaderValue;
use url::Url;

use super::error::HttpError;

pub use fixed::FixedCredential;
pub use oauth::{OAuthTokens, ScopedToken};

/// What an `Authorization` header holds, and which issue of it this is.
#[derive(Clone)]
pub struct Credential {
    header: HeaderValue,
    serial: u64,
}

impl fmt::Debug for Credential {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Credential({})", self.serial)
    }
}

impl Credential {
    /// A credential under the number of its issue, by which a refused one is told from its successor.
    pub fn new(mut header: HeaderValue, serial: u64) -> Self {
        header.set_sensitive(true);
        Self { header, serial }
    }

    /// The value of the `Authorization` header, marked as sensitive.
    pub fn header(&self) -> HeaderValue {
        self.header.clone()
    }

    /// The number of its issue.
    pub fn serial(&self) -> u64 {
        self.serial
    }
}

/// Gives calls their credentials.
#[async_trait]
pub trait Authorizer: Send + Sync + fmt::Debug {
    /// Whether the credentials are for this URL's server. No other server sees them.
    fn covers(&self, url: &Url) -> bool;

    /// Credentials that are good now.
    async fn credential(&self) -> Result<Credential, HttpError>;

    /// Takes note that a server refused these, so that the next ones are others.
    async fn refused(&self, credential: &Credential);
}
