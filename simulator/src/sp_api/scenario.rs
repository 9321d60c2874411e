//! What a seller's account holds when nothing is wrong with it.

use serde::{Deserialize, Serialize};

/// The data of a seller's account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SpApiScenario {
    /// Rows of a report, besides a header.
    pub rows: u32,
    /// Whether documents are compressed (`compressionAlgorithm`).
    pub gzip: bool,
    /// Reports on each page of the list.
    pub reports_per_page: usize,
}

impl Default for SpApiScenario {
    fn default() -> Self {
        Self { rows: 300, gzip: false, reports_per_page: 10 }
    }
}
