//! What goes wrong with the bulk operations of a shop.

use serde::{Deserialize, Serialize};

use crate::switches::{Outage, Times};

/// Switches of Shopify.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ShopifyFaults {
    /// The operation is made, then the connection is closed without an answer.
    pub create_then_drop: Times,
    /// The operation is made, then the answer is 503.
    pub create_then_unavailable: Times,
    /// So many mutations find as many operations running as there may be at once.
    pub busy: Times,
    /// `THROTTLED` under 200, whatever was asked.
    pub throttled: Times,
    /// What happens before GraphQL is looked at.
    pub graphql: Outage,
    /// After it was made, so many lists lack an operation.
    pub unlisted: u32,
    /// How many polls see an operation running.
    pub running_polls: u32,
    /// The status that operations end in.
    pub final_status: String,
    /// The error code of an operation that has failed.
    pub error_code: String,
    /// The operation counts one object more than its file has.
    pub wrong_count: bool,
    /// So many links have expired when they are used: 400.
    pub expired_links: Times,
    /// A file breaks off in its middle.
    pub cut: Times,
    /// Links lead to this host.
    pub link_host: Option<String>,
}

impl Default for ShopifyFaults {
    fn default() -> Self {
        Self {
            create_then_drop: Times::default(),
            create_then_unavailable: Times::default(),
            busy: Times::default(),
            throttled: Times::default(),
            graphql: Outage::default(),
            unlisted: 0,
            running_polls: 2,
            final_status: "COMPLETED".to_owned(),
            error_code: "TIMEOUT".to_owned(),
            wrong_count: false,
            expired_links: Times::default(),
            cut: Times::default(),
            link_host: None,
        }
    }
}
