//! A Fusion pod, as its APIs are called.

use std::sync::Arc;

use jiff::Timestamp;
use url::Url;

use crate::clock::Clock;
use crate::config::{FusionConnection, HttpSettings};
use crate::error::{Error, Result};
use crate::http::auth::{Authorizer, OAuthTokens};
use crate::http::{Client, HostPolicy, Transport};
use crate::store::WorkState;

/// A pod, and who calls it.
#[derive(Debug, Clone)]
pub(super) struct Pod {
    pub(super) client: Client,
    base_url: Url,
    clock: Arc<dyn Clock>,
    tokens: Option<Arc<OAuthTokens>>,
}

/// Puts something of a test's own between a client and the wire.
pub type Wrap<'a> = &'a (dyn Fn(Arc<dyn Transport>) -> Arc<dyn Transport> + Sync);

impl Pod {
    /// A pod as a connection describes it; `InvalidConfig` where that cannot be. `kept` is where a refresh token is
    /// kept.
    pub(super) fn new(
        connection: &FusionConnection,
        clock: Arc<dyn Clock>,
        kept: Option<(String, WorkState)>,
        wrap: Option<Wrap<'_>>,
    ) -> Result<Self> {
        let http = &connection.http;
        let pod =
            client("base_url", &connection.base_url, &http.allowed_hosts, http, Arc::clone(&clock), wrap)?;
        let Some(auth) = &connection.auth else {
            return Ok(Self { client: pod, base_url: connection.base_url.clone(), clock, tokens: None });
        };
        // The identity domain is another server: it is called for tokens, and nowhere else.
        let identity = client("auth.token_url", &auth.token_url, &[], http, Arc::clone(&clock), wrap)?
            .with_redactor(pod.redactor().clone());
        let tokens = match kept {
            Some((key, work)) => OAuthTokens::keeping_at(key, work, auth, identity)?,
            None => OAuthTokens::new(auth, identity)?,
        };
        Ok(Self { client: pod, base_url: connection.base_url.clone(), clock, tokens: Some(tokens) })
    }

    /// The time by our clock.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Tokens of a scope, for this pod alone; none where the connection has no `auth`.
    pub(super) fn scope(&self, scope: &str) -> Option<Arc<dyn Authorizer>> {
        let tokens = self.tokens.as_ref()?;
        Some(tokens.scope(scope, &self.base_url))
    }

    /// The pod's own address.
    pub(super) fn base_url(&self) -> &Url {
        &self.base_url
    }

    /// The URL of a resource below the base URL; each segment is encoded.
    pub(super) fn url(&self, segments: &[&str]) -> Url {
        let mut url = self.base_url.clone();
        url.set_query(None);
        url.set_fragment(None);
        // The base URL has a host, as the host policy has checked: it can be a base.
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }
}

/// The client of one server, and of the hosts that its connection allows besides; `key` is the setting that names the
/// server.
pub(in crate::source) fn client(
    key: &str,
    base_url: &Url,
    allowed_hosts: &[String],
    settings: &HttpSettings,
    clock: Arc<dyn Clock>,
    wrap: Option<Wrap<'_>>,
) -> Result<Client> {
    let policy = HostPolicy::new(base_url, allowed_hosts).map_err(|refused| {
        let key =
            if matches!(refused, crate::http::HostRefused::Entry(_)) { "http.allowed_hosts" } else { key };
        Error::invalid_config(format!("{key} cannot be used")).because(refused)
    })?;
    let client = Client::new(policy, settings, clock)
        .map_err(|error| Error::invalid_config("the HTTP client cannot be set up").because(error))?;
    Ok(match wrap {
        Some(wrap) => client.wrapped(wrap),
        None => client,
    })
}
