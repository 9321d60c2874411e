//! What an account holds when nothing is wrong with it.

use serde::{Deserialize, Serialize};

/// The data of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NetsuiteScenario {
    /// Records that a request finds.
    pub records: u32,
    /// Tasks of a job.
    pub tasks: u32,
}

impl Default for NetsuiteScenario {
    fn default() -> Self {
        Self { records: 100, tasks: 1 }
    }
}
