//! What the REST resources hold when nothing is wrong with them.

use serde::{Deserialize, Serialize};

/// The data of the REST resources. Rows are computed from their places, so any number of them costs no memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RestScenario {
    /// What the rows are made from.
    pub seed: u64,
    /// How many rows each resource has.
    pub rows: u64,
    /// The lines of every fiftieth invoice; the others have up to three.
    pub long_lines: u64,
}

impl Default for RestScenario {
    fn default() -> Self {
        Self { seed: 1, rows: 1_200, long_lines: 60 }
    }
}
