//! What goes wrong with a FHIR server's exports.

use serde::{Deserialize, Serialize};

use crate::switches::{Outage, Times};

/// Switches of a FHIR server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FhirFaults {
    /// The kick-off.
    pub kick_off: FhirKickOffFaults,
    /// The status, and the manifest.
    pub status: FhirStatusFaults,
    /// The files.
    pub files: FhirFileFaults,
    /// Deleting an export.
    pub delete: FhirDeleteFaults,
}

/// Switches of `DELETE` of a status.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FhirDeleteFaults {
    /// The export is deleted, then the connection is closed without an answer.
    pub then_drop: Times,
    /// What happens before the endpoint looks at the request.
    pub outage: Outage,
}

/// Switches of the kick-off.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FhirKickOffFaults {
    /// The export is started, then the connection is closed without an answer.
    pub accept_then_drop: Times,
    /// The export is started, then a gateway answers 504.
    pub accept_then_gateway_timeout: Times,
    /// The answer has no `Content-Location`.
    pub no_location: Times,
    /// The id of the export has this many characters more.
    pub long_id: usize,
    /// What happens before the endpoint looks at the request.
    pub outage: Outage,
}

/// Switches of the status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FhirStatusFaults {
    /// How many polls see the export in progress (202).
    pub running_polls: u32,
    /// It never ends.
    pub never_ends: bool,
    /// It ends in 400 with an `OperationOutcome`.
    pub fails: bool,
    /// So many polls get 500 with an `OperationOutcome` of the code `transient`.
    pub transient: Times,
    /// Polls get 200 with an `OperationOutcome` in place of the manifest.
    pub outcome_for_manifest: bool,
    /// Polls get a status that the specification does not have: 206.
    pub unknown_status: bool,
    /// The manifest's next page is its first.
    pub circle: bool,
    /// Every other manifest lists its files in reverse.
    pub reversed: bool,
    /// The next page's link leads to this host.
    pub next_host: Option<String>,
    /// Counts are one more than they are.
    pub wrong_counts: bool,
    /// What happens before the endpoint looks at the request.
    pub outage: Outage,
}

impl Default for FhirStatusFaults {
    fn default() -> Self {
        Self {
            running_polls: 2,
            never_ends: false,
            fails: false,
            transient: Times::default(),
            outcome_for_manifest: false,
            unknown_status: false,
            circle: false,
            reversed: false,
            next_host: None,
            wrong_counts: false,
            outage: Outage::default(),
        }
    }
}

/// Switches of the files. Counted by file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FhirFileFaults {
    /// Files are open to whoever has their links (`requiresAccessToken` is false): each manifest has links of its own, and
    /// a token that comes along is refused.
    pub open_links: bool,
    /// So many files are fetched by links that have expired meanwhile: 403.
    pub expired_links: Times,
    /// Files have expired: 410.
    pub expired: bool,
    /// 200 with an `OperationOutcome` in place of the file.
    pub outcome_for_file: Times,
    /// No `Content-Length`.
    pub no_content_length: bool,
    /// The connection is closed in the middle of the body.
    pub cut: Times,
    /// Links lead to this host.
    pub host: Option<String>,
    /// What happens before the endpoint looks at the request.
    pub outage: Outage,
}
