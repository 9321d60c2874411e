//! What a shop holds when nothing is wrong with it.

use serde::{Deserialize, Serialize};

/// The data of a shop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ShopifyScenario {
    /// Objects that a query finds.
    pub objects: u32,
    /// Operations on each page of the list.
    pub operations_per_page: usize,
}

impl Default for ShopifyScenario {
    fn default() -> Self {
        Self { objects: 300, operations_per_page: 10 }
    }
}
