//! What the name of an EPM connection stands for.

use serde::Deserialize;
use url::Url;

use landfall::config::JobSettings;
use landfall_http::{BasicLogin, HttpSettings, OAuth};

/// An Oracle EPM Cloud environment. It has either `basic`, or `auth` with `scope`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EpmConnection {
    /// The environment, for instance `https://epm-example.epm.us-phoenix-1.ocs.oraclecloud.com`; a path of its own
    /// (`/gateway`, say) is kept.
    pub base_url: Url,
    /// A user, `identitydomain.username` where the environment belongs to an identity domain. An environment with
    /// multi-factor authentication takes `auth` alone.
    pub basic: Option<BasicLogin>,
    /// How OAuth tokens are obtained. A public client, which has no secret, has the grant `refresh_token`.
    pub auth: Option<OAuth>,
    /// The OAuth scope of the environment; needed with `auth`.
    pub scope: Option<String>,
    /// The API by which files are downloaded.
    #[serde(default)]
    pub download: EpmDownload,
    /// Polling and time-outs of jobs.
    #[serde(default)]
    pub job: JobSettings,
    /// Time-outs, retries and hosts of calls.
    #[serde(default)]
    pub http: HttpSettings,
}

/// The API by which files are downloaded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EpmDownload {
    /// Three calls: the download is prepared, looked at until it is ready, and fetched.
    #[default]
    V2,
    /// One call (11.1.2.3.600).
    V1,
}
