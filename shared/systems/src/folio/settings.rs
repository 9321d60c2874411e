//! What a connection to a FOLIO tenant consists of.

use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

use landfall::config::JobSettings;
use landfall_http::{HttpSettings};

/// A tenant of a FOLIO system, behind Okapi or behind Eureka's gateway.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FolioConnection {
    /// The gateway, for instance `https://folio-okapi.example.edu`.
    pub base_url: Url,
    /// The tenant (`x-okapi-tenant`).
    pub tenant: String,
    /// The user that exports; a token instead excludes it.
    pub login: Option<FolioLogin>,
    /// An Okapi token that lasts, where no user logs in.
    pub token: Option<SecretString>,
    /// Hosts of the object storage that links to exported files lead to, `host` or `host:port`; `*.host` for any below
    /// it. The gateway's own host is always one.
    #[serde(default)]
    pub storage_hosts: Vec<String>,
    /// Whether those hosts are called over plain http too: a `MinIO` inside one's own network, say.
    #[serde(default)]
    pub allow_http: bool,
    /// Polling and time-outs of jobs.
    #[serde(default)]
    pub job: JobSettings,
    /// Time-outs, retries and hosts of calls.
    #[serde(default)]
    pub http: HttpSettings,
}

/// A user of a tenant.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FolioLogin {
    /// The user's name.
    pub username: String,
    /// The user's password.
    pub password: SecretString,
    /// Which login the system offers.
    #[serde(default)]
    pub form: LoginForm,
}

/// A form of login.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoginForm {
    /// `POST /authn/login-with-expiry`: a token that lives some minutes.
    #[default]
    Expiry,
    /// `POST /authn/login`: a token that lasts, which a tenant can forbid.
    Legacy,
}

impl LoginForm {
    /// The last segment of the login's path.
    pub fn endpoint(self) -> &'static str {
        match self {
            Self::Expiry => "login-with-expiry",
            Self::Legacy => "login",
        }
    }
}
