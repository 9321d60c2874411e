//! What an org holds when nothing is wrong with it.

use serde::{Deserialize, Serialize};

/// The data of an org.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SalesforceScenario {
    /// Records that a query finds.
    pub records: u32,
    /// Records on a page of results, if no fewer are asked for.
    pub records_per_page: u32,
}

impl Default for SalesforceScenario {
    fn default() -> Self {
        Self { records: 500, records_per_page: 200 }
    }
}
