//! What a shop remembers of its bulk operations.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

const FIRST_ID: u64 = 7_001;

/// All that a shop remembers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ShopifyState {
    pub(super) next_id: u64,
    pub(super) operations: BTreeMap<u64, ShopifyOperation>,
    /// Links that were given, and whether they have expired.
    pub(super) links: BTreeMap<u64, bool>,
}

impl Default for ShopifyState {
    fn default() -> Self {
        Self { next_id: FIRST_ID, operations: BTreeMap::new(), links: BTreeMap::new() }
    }
}

impl ShopifyState {
    /// Makes an operation; its id.
    pub(super) fn accept(&mut self, query: String, now: Timestamp) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.operations.insert(id, ShopifyOperation::new(query, now));
        id
    }
}

/// A bulk operation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ShopifyOperation {
    pub(super) query: String,
    pub(super) created_at: Timestamp,
    pub(super) polls: u32,
    pub(super) lists: u32,
    /// So many polls have seen it since it was cancelled.
    #[serde(default)]
    pub(super) cancelled: Option<u32>,
}

impl ShopifyOperation {
    fn new(query: String, created_at: Timestamp) -> Self {
        Self { query, created_at, polls: 0, lists: 0, cancelled: None }
    }
}
