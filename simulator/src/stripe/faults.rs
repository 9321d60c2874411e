//! What goes wrong with the report runs of an account.

use serde::{Deserialize, Serialize};

use crate::switches::{Outage, Times};

/// Switches of Stripe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StripeFaults {
    /// The run is made, then the connection is closed without an answer.
    pub create_then_drop: Times,
    /// The call fails within, and its key is answered 500 from then on.
    pub create_fails_for_good: Times,
    /// So many repetitions come while the first call is still at work: 409.
    pub key_in_use: Times,
    /// What happens before `POST report_runs` is looked at.
    pub create: Outage,
    /// How many polls see a run pending.
    pub running_polls: u32,
    /// The status that runs end in.
    pub final_status: String,
    /// A run that has succeeded has no result.
    pub no_result: bool,
    /// What happens before a run is looked at.
    pub status: Outage,
    /// The file is told to have a byte more than it has.
    pub wrong_size: bool,
    /// What happens before a file is looked at.
    pub file: Outage,
    /// A file breaks off in its middle.
    pub cut: Times,
    /// An error as JSON under 200 instead of a file.
    pub error_for_file: Times,
    /// Files are at this host.
    pub file_host: Option<String>,
}

impl Default for StripeFaults {
    fn default() -> Self {
        Self {
            create_then_drop: Times::default(),
            create_fails_for_good: Times::default(),
            key_in_use: Times::default(),
            create: Outage::default(),
            running_polls: 2,
            final_status: "succeeded".to_owned(),
            no_result: false,
            status: Outage::default(),
            wrong_size: false,
            file: Outage::default(),
            cut: Times::default(),
            error_for_file: Times::default(),
            file_host: None,
        }
    }
}
