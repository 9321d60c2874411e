//! Calls that are signed by one identity that does not change.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use url::{Origin, Url};

use super::error::PrincipalError;
use super::identity::Identity;
use super::signature::{Covers, sign};
use crate::auth::{Authorizer, Credential};
use crate::clock::Clock;
use crate::error::HttpError;

/// Signs the calls to one server.
#[derive(Debug)]
pub(super) struct FixedSigner {
    pub(super) identity: Identity,
    pub(super) covers: Covers,
    pub(super) origin: Origin,
    pub(super) clock: Arc<dyn Clock>,
}

#[async_trait]
impl Authorizer for FixedSigner {
    fn covers(&self, url: &Url) -> bool {
        url.origin() == self.origin
    }

    fn renews(&self) -> bool {
        false
    }

    async fn credential(&self) -> Result<Credential, HttpError> {
        Ok(Credential::in_headers(Vec::new(), 1))
    }

    async fn authorize(&self, request: &mut reqwest::Request) -> Result<Credential, HttpError> {
        signed(request, &self.identity, self.covers, self.clock.now()).await?;
        self.credential().await
    }

    async fn refused(&self, _credential: &Credential) {}
}

/// Signs a request, or says why it cannot be.
pub(super) async fn signed(
    request: &mut reqwest::Request,
    identity: &Identity,
    covers: Covers,
    now: Timestamp,
) -> Result<(), HttpError> {
    let signed = sign(request, identity, covers, now).await;
    signed.map_err(|error| unsigned(request, error))
}

/// A call that was not made, since nothing is there to sign it with.
pub(super) fn unsigned(request: &reqwest::Request, error: PrincipalError) -> HttpError {
    HttpError::unsigned(request.method(), request.url(), error)
}
