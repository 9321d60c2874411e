//! What the name of a connection to a described system stands for.

use std::path::PathBuf;

use serde::Deserialize;
use url::Url;

use landfall::config::JobSettings;
use landfall_http::{BasicLogin, BearerToken, HttpSettings, OAuth};

/// A system that is described in a file. It has at most one of `basic`, `bearer` and `auth`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclaredConnection {
    /// The system, by the name of its description.
    pub system: String,
    /// The description, where it does not come with landfall.
    pub description: Option<String>,
    /// A file of this machine that has it.
    pub description_file: Option<PathBuf>,
    /// An object of the work bucket that has it, below `systems/`.
    pub description_object: Option<String>,
    /// Where its API is; a path of its own is kept.
    pub base_url: Url,
    /// A user's name and password, sent with each call.
    pub basic: Option<BasicLogin>,
    /// A token or a key that somebody else keeps fresh.
    pub bearer: Option<BearerToken>,
    /// How OAuth tokens are obtained.
    pub auth: Option<OAuth>,
    /// The OAuth scope; none is asked for, if not said.
    pub scope: Option<String>,
    /// Hosts that get the credentials besides that of `base_url`, such as a host of its own for files.
    #[serde(default)]
    pub credential_hosts: Vec<String>,
    /// Polling and time-outs of jobs.
    #[serde(default)]
    pub job: JobSettings,
    /// Time-outs, retries and hosts of calls.
    #[serde(default)]
    pub http: HttpSettings,
}
