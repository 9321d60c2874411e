//! What goes wrong with the extract requests of a pod.

use serde::{Deserialize, Serialize};

use crate::switches::{Outage, Times};

/// Switches of `runExtract`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OracleFaults {
    /// The request is submitted, then the connection is closed without an answer.
    pub submit_then_drop: Times,
    /// The request is submitted, then the answer is 503.
    pub submit_then_unavailable: Times,
    /// The request is submitted, and the answer does not name it.
    pub no_id: Times,
    /// The extract definition has an active schedule: 400, and nothing is submitted.
    pub active_schedule: Times,
    /// 200 with another status than `Success`, and nothing is submitted.
    pub fails_under_200: Times,
    /// What happens before `runExtract` is looked at.
    pub submit: Outage,
    /// How many polls see a request in progress.
    pub running_polls: u32,
    /// The status that requests end in.
    pub final_status: String,
    /// After a request has succeeded, so many polls find `outputFilesUrl` null.
    pub url_late: u32,
    /// So many of a request's extracts have not succeeded.
    pub failed_extracts: u32,
    /// What happens before `getExtractStatus` is looked at.
    pub status: Outage,
    /// Lists of output files that lack their last, though they count it.
    pub short_list: Times,
    /// Output files have another checksum than they are said to have.
    pub wrong_checksum: bool,
    /// What happens before a list of output files is looked at.
    pub list: Outage,
    /// What happens before an output file is looked at.
    pub content: Outage,
    /// An output file breaks off in its middle.
    pub cut: Times,
}

impl Default for OracleFaults {
    fn default() -> Self {
        Self {
            submit_then_drop: Times::default(),
            submit_then_unavailable: Times::default(),
            no_id: Times::default(),
            active_schedule: Times::default(),
            fails_under_200: Times::default(),
            submit: Outage::default(),
            running_polls: 2,
            final_status: "Succeeded".to_owned(),
            url_late: 0,
            failed_extracts: 0,
            status: Outage::default(),
            short_list: Times::default(),
            wrong_checksum: false,
            list: Outage::default(),
            content: Outage::default(),
            cut: Times::default(),
        }
    }
}
