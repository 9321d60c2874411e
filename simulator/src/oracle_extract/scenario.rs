//! What a pod holds when nothing is wrong with it.

use serde::{Deserialize, Serialize};

/// The data of a pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OracleScenario {
    /// The extract definitions that there are.
    pub definitions: Vec<String>,
    /// The user-defined queries that there are.
    pub queries: Vec<String>,
    /// Output files of a request.
    pub chunks: u32,
    /// Rows in each.
    pub rows: u32,
}

impl Default for OracleScenario {
    fn default() -> Self {
        let names = |name: &str| vec![name.to_owned()];
        Self { definitions: names("SalesExtract"), queries: names("PendingInvoice"), chunks: 2, rows: 300 }
    }
}
