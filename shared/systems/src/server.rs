//! What all sources have in common in calling their servers.

use std::sync::Arc;

use url::Url;

use landfall::clock::Clock;
use landfall::contract::{SubmitRequest, Wrap};
use landfall::error::{Error, Result};
use landfall::job::{ConnectionName, JobRequestId};
use landfall_http::HttpSettings;
use landfall_http::{Client, HostPolicy, HostRefused};

/// The client of a connection's own server, and of the hosts that the connection allows besides.
pub(super) fn client(
    connection: &ConnectionName,
    base_url: &Url,
    settings: &HttpSettings,
    clock: Arc<dyn Clock>,
    wrap: Option<Wrap<'_>>,
) -> Result<Client> {
    let http = format!("connections.{connection}.http");
    let policy = policy("base_url", base_url, "http.allowed_hosts", &settings.allowed_hosts)?;
    let policy = policy
        .with_names_of_its_own(base_url, &settings.same_as)
        .map_err(|refused| Error::invalid_config("http.same_as cannot be used").because(refused))?;
    let policy = policy.advising(format!(
        "if it is another name of base_url's own server, add it to {http}.same_as, and it is called under base_url with \
         credentials; if it is somebody else's storage, to {http}.allowed_hosts, and it is called without"
    ));
    client_of(policy, settings, clock, wrap)
}

/// The client of an identity domain, which is called for tokens and nothing else.
pub(super) fn identity_client(
    token_url: &Url,
    settings: &HttpSettings,
    clock: Arc<dyn Clock>,
    wrap: Option<Wrap<'_>>,
) -> Result<Client> {
    client_of(policy("auth.token_url", token_url, "", &[])?, settings, clock, wrap)
}

/// The client of the hosts of a policy.
pub(super) fn client_of(
    policy: HostPolicy,
    settings: &HttpSettings,
    clock: Arc<dyn Clock>,
    wrap: Option<Wrap<'_>>,
) -> Result<Client> {
    let client = Client::new(policy, settings, clock)?;
    Ok(match wrap {
        Some(wrap) => client.wrapped(wrap),
        None => client,
    })
}

/// Which hosts may be called: `InvalidConfig` names the setting, of the two, that cannot be used.
pub(super) fn policy(
    server_key: &str,
    server: &Url,
    hosts_key: &str,
    hosts: &[String],
) -> Result<HostPolicy> {
    HostPolicy::new(server, hosts).map_err(|refused| {
        let key = if matches!(refused, HostRefused::Entry(_)) { hosts_key } else { server_key };
        Error::invalid_config(format!("{key} cannot be used")).because(refused)
    })
}

/// A job that is not a run's, as it exports something else: `what` says what it is.
pub(super) fn not_of_run(
    job: &JobRequestId,
    connection: &ConnectionName,
    order: &SubmitRequest<'_>,
    what: &str,
) -> Error {
    let run_key = order.run_key;
    Error::conflict(format!(
        "job {job} on {connection} is not that of run {run_key}, whose export is another: {what}"
    ))
}

/// The URL of a resource below a base URL. Each segment is encoded as a whole: a slash in it is `%2F`.
pub(super) fn url_below(base_url: &Url, segments: &[&str]) -> Url {
    let mut url = base_url.clone();
    url.set_query(None);
    url.set_fragment(None);
    // The base URL has a host, as the host policy has checked: it can be a base.
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}
