//! Credentials as a described system wants them: where they stand in a call, and which hosts get them.

use std::sync::Arc;

use async_trait::async_trait;
use http::{HeaderName, HeaderValue, header};
use landfall_http::auth::{Authorizer, Credential};
use landfall_http::{HostPolicy, HttpError};
use url::Url;

const BEARER: &[u8] = b"Bearer ";

/// Credentials of a connection.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) inner: Arc<dyn Authorizer>,
    /// The header that a token goes into, as it is.
    pub(super) header: Option<HeaderName>,
    /// The hosts that get them besides the connection's own.
    pub(super) also: Option<HostPolicy>,
}

#[async_trait]
impl Authorizer for Placed {
    fn covers(&self, url: &Url) -> bool {
        self.inner.covers(url) || self.also.as_ref().is_some_and(|also| also.check(url).is_ok())
    }

    async fn credential(&self) -> Result<Credential, HttpError> {
        let credential = self.inner.credential().await?;
        let Some(place) = &self.header else { return Ok(credential) };
        let moved = credential.headers().map(|(name, value)| {
            let token = value.as_bytes().strip_prefix(BEARER).filter(|_| name == header::AUTHORIZATION);
            match token.and_then(|token| HeaderValue::from_bytes(token).ok()) {
                Some(token) => (place.clone(), token),
                None => (name.clone(), value.clone()),
            }
        });
        Ok(Credential::in_headers(moved.collect(), credential.serial()))
    }

    fn renews(&self) -> bool {
        self.inner.renews()
    }

    fn is_asked_again(&self) -> bool {
        self.inner.is_asked_again()
    }

    async fn refused(&self, credential: &Credential) {
        self.inner.refused(credential).await;
    }
}
