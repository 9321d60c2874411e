//! What goes wrong with the queries of an org.

use serde::{Deserialize, Serialize};

use crate::switches::{Outage, Times};

/// Switches of Salesforce.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SalesforceFaults {
    /// The job is made, then the connection is closed without an answer.
    pub create_then_drop: Times,
    /// The job is made, then the answer is 503.
    pub create_then_unavailable: Times,
    /// The job is made, and the answer does not name it.
    pub no_id: Times,
    /// What happens before `POST jobs/query` is looked at.
    pub create: Outage,
    /// `REQUEST_LIMIT_EXCEEDED` instead of a job.
    pub create_limit: Times,
    /// How many polls see a job in progress.
    pub running_polls: u32,
    /// The state that jobs end in.
    pub final_state: String,
    /// What happens before a job is looked at.
    pub status: Outage,
    /// `REQUEST_LIMIT_EXCEEDED` instead of a job's state.
    pub status_limit: Times,
    /// The job counts one record more than its results have.
    pub wrong_count: bool,
    /// What happens before results are looked at.
    pub results: Outage,
    /// `REQUEST_LIMIT_EXCEEDED` instead of results.
    pub results_limit: Times,
    /// Results lack the header that leads on.
    pub no_locator: Times,
    /// The header leads to the page that it stands on.
    pub circle: bool,
    /// 204 instead of results.
    pub no_content: Times,
    /// A page of results breaks off in its middle.
    pub cut: Times,
    /// What happens before `PATCH` of a job is looked at.
    pub abort: Outage,
    /// The job was deleted before its results were read.
    pub deleted: bool,
}

impl Default for SalesforceFaults {
    fn default() -> Self {
        Self {
            create_then_drop: Times::default(),
            create_then_unavailable: Times::default(),
            no_id: Times::default(),
            create: Outage::default(),
            create_limit: Times::default(),
            running_polls: 2,
            final_state: "JobComplete".to_owned(),
            status: Outage::default(),
            status_limit: Times::default(),
            wrong_count: false,
            results: Outage::default(),
            results_limit: Times::default(),
            no_locator: Times::default(),
            circle: false,
            no_content: Times::default(),
            cut: Times::default(),
            abort: Outage::default(),
            deleted: false,
        }
    }
}
