//! What an account holds when nothing is wrong with it.

use serde::{Deserialize, Serialize};

/// The data of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StripeScenario {
    /// Rows of a report, besides a header.
    pub rows: u32,
}

impl Default for StripeScenario {
    fn default() -> Self {
        Self { rows: 300 }
    }
}
