//! A Fusion pod, as its APIs are called.

use std::sync::Arc;

use jiff::Timestamp;
use url::Url;

use crate::fusion::settings::FusionConnection;
use crate::server::{client, identity_client, url_below};
use landfall::clock::Clock;
use landfall::contract::Wrap;
use landfall::error::Result;
use landfall::job::ConnectionName;
use landfall_http::Client;
use landfall_http::auth::{Authorizer, OAuthTokens, SharedDocument};

/// A pod, and who calls it.
#[derive(Debug, Clone)]
pub(super) struct Pod {
    pub(super) client: Client,
    base_url: Url,
    clock: Arc<dyn Clock>,
    tokens: Option<Arc<OAuthTokens>>,
}

impl Pod {
    /// A pod as a connection describes it; `InvalidConfig` where that cannot be. `kept` is where a refresh token is
    /// kept.
    pub(super) fn new(
        name: &ConnectionName,
        connection: &FusionConnection,
        clock: Arc<dyn Clock>,
        kept: Option<Arc<dyn SharedDocument>>,
        wrap: Option<Wrap<'_>>,
    ) -> Result<Self> {
        let http = &connection.http;
        let pod = client(name, &connection.base_url, http, Arc::clone(&clock), wrap)?;
        let Some(auth) = &connection.auth else {
            return Ok(Self { client: pod, base_url: connection.base_url.clone(), clock, tokens: None });
        };
        // The identity domain is another server: it is called for tokens, and nowhere else.
        let identity = identity_client(&auth.token_url, http, Arc::clone(&clock), wrap)?.beside(&pod);
        let tokens = match kept {
            Some(kept) => OAuthTokens::keeping_at(kept, auth, identity)?,
            None => OAuthTokens::new(auth, identity)?,
        };
        Ok(Self { client: pod, base_url: connection.base_url.clone(), clock, tokens: Some(tokens) })
    }

    /// The time by our clock.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Tokens of the scope that a key of the connection names, for this pod alone; none where the connection has no `auth`.
    pub(super) fn scope(&self, key: &'static str, scope: &str) -> Option<Arc<dyn Authorizer>> {
        let tokens = self.tokens.as_ref()?;
        Some(tokens.scope(key, scope, &self.base_url))
    }

    /// The pod's own address.
    pub(super) fn base_url(&self) -> &Url {
        &self.base_url
    }

    /// The URL of a resource of the pod.
    pub(super) fn url(&self, segments: &[&str]) -> Url {
        url_below(&self.base_url, segments)
    }
}
