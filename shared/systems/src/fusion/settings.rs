//! What the name of a Fusion connection stands for.

use landfall::config::JobSettings;
use landfall_http::{BasicLogin, BearerToken, HttpSettings, OAuth};
use serde::Deserialize;
use url::Url;

/// An Oracle Fusion pod and the identity domain that gives tokens for it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FusionConnection {
    /// The pod, for instance `https://fa-example-saasfaprod1.fa.ocs.oraclecloud.com`.
    pub base_url: Url,
    /// How tokens are obtained. Exports of the kind `fusion_extract` need it.
    pub auth: Option<OAuth>,
    /// One scope an API: a token has one audience.
    #[serde(default)]
    pub scopes: FusionScopes,
    /// A user's name and password, for REST resources where no `scopes.rest` is given.
    pub basic: Option<BasicLogin>,
    /// A token that was obtained elsewhere, for REST resources where no `scopes.rest` is given.
    pub bearer: Option<BearerToken>,
    /// How REST resources are read.
    #[serde(default)]
    pub rest: RestSettings,
    /// Whether the run key is also sent as `clientRequestUuid`; a pod that rejects unknown fields needs `false`.
    #[serde(default = "yes")]
    pub client_request_uuid: bool,
    /// How `runAtTimes` writes dates: Oracle's pages disagree.
    #[serde(default)]
    pub schedule_dates: ScheduleDates,
    /// Polling and time-outs of jobs.
    #[serde(default)]
    pub job: JobSettings,
    /// Time-outs, retries and hosts of calls.
    #[serde(default)]
    pub http: HttpSettings,
}

/// The OAuth scopes of a Fusion pod, for instance `urn:opc:resource:fusion:<pod>:saas-batch/`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FusionScopes {
    /// For `saas-batch`: submitting, polling, files. Exports of the kind `fusion_extract` need it.
    pub batch: Option<String>,
    /// For BOSS: extract definitions and groups. Needed only by exports that name them.
    pub boss: Option<String>,
    /// For REST resources, for instance `urn:opc:resource:consumer::all`.
    pub rest: Option<String>,
}

/// How a pod's REST resources are read.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RestSettings {
    /// How many requests the connection may make in any hour, over all processes; 0 for no limit.
    pub requests_per_hour: u32,
    /// How many pages are asked for at once.
    pub parallel_pages: usize,
}

/// The form of dates in `runAtTimes`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScheduleDates {
    /// `2026-05-15`
    #[default]
    Iso,
    /// `05/15/2026`
    Us,
}

impl Default for RestSettings {
    fn default() -> Self {
        Self { requests_per_hour: 5000, parallel_pages: 4 }
    }
}

fn yes() -> bool {
    true
}
