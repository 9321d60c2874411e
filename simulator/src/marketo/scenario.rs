//! What an instance holds when nothing is wrong with it.

use serde::{Deserialize, Serialize};

/// The data of an instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MarketoScenario {
    /// Leads that a filter finds.
    pub leads: u32,
    /// Whether an extract that was not started gives its id to the next, so that runs which were cut are alike.
    pub gives_ids_back: bool,
}

impl Default for MarketoScenario {
    fn default() -> Self {
        Self { leads: 300, gives_ids_back: false }
    }
}
