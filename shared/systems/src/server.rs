//! What all sources have in common in calling their servers.

use std::sync::Arc;

use url::Url;

use landfall::clock::Clock;
use landfall::contract::{SubmitRequest, Wrap};
use landfall::error::{Error, Result};
use landfall::job::{ConnectionName, JobRequestId};
use landfall_http::HttpSettings;
use landfall_http::{Client, HostPolicy, HostRefused};

/// The client of one server, and of the hosts that its connection allows besides; `key` is the setting that names the
/// server.
pub(super) fn client(
    key: &str,
    base_url: &Url,
    allowed_hosts: &[String],
    settings: &HttpSettings,
    clock: Arc<dyn Clock>,
    wrap: Option<Wrap<'_>>,
) -> Result<Client> {
    let policy = policy(key, base_url, "http.allowed_hosts", allowed_hosts)?;
    client_of(policy, settings, clock, wrap)
}

/// The client of the hosts of a policy.
pub(super) fn client_of(
    policy: HostPolicy,
    settings: &HttpSettings,
    clock: Arc<dyn Clock>,
    wrap: Option<Wrap<'_>>,
) -> Result<Client> {
    let client = Client::new(policy, settings, clock)
        .map_err(|error| Error::invalid_config("the HTTP client cannot be set up").because(error))?;
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
