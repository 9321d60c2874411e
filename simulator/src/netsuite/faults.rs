//! What goes wrong with the asynchronous requests of an account.

use serde::{Deserialize, Serialize};

use crate::switches::{Outage, Times};

/// Switches of `NetSuite`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NetsuiteFaults {
    /// The request is taken, then the connection is closed without an answer.
    pub take_then_drop: Times,
    /// The request is taken, then the answer is 503.
    pub take_then_unavailable: Times,
    /// The request is taken, and the answer does not say where its job is.
    pub no_location: Times,
    /// What happens before a request is looked at.
    pub request: Outage,
    /// How many polls see a job pending.
    pub running_polls: u32,
    /// The progress that jobs end with.
    pub final_progress: String,
    /// What happens before a job is looked at.
    pub status: Outage,
    /// A task has no link to its result.
    pub no_result: bool,
    /// What happens before a result is looked at.
    pub result: Outage,
    /// A result breaks off in its middle.
    pub cut: Times,
}

impl Default for NetsuiteFaults {
    fn default() -> Self {
        Self {
            take_then_drop: Times::default(),
            take_then_unavailable: Times::default(),
            no_location: Times::default(),
            request: Outage::default(),
            running_polls: 2,
            final_progress: "succeeded".to_owned(),
            status: Outage::default(),
            no_result: false,
            result: Outage::default(),
            cut: Times::default(),
        }
    }
}
