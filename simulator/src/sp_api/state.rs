//! What a seller's account remembers of its reports.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

const FIRST_ID: u64 = 50_001;

/// All that a seller's account remembers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct SpApiState {
    pub(super) next_id: u64,
    pub(super) reports: BTreeMap<u64, SpApiReport>,
    pub(super) links_made: u64,
    /// Links that are good no more.
    pub(super) expired_links: BTreeSet<u64>,
    /// When each link was made.
    pub(super) links: BTreeMap<u64, Timestamp>,
}

impl Default for SpApiState {
    fn default() -> Self {
        Self {
            next_id: FIRST_ID,
            reports: BTreeMap::new(),
            links_made: 0,
            expired_links: BTreeSet::new(),
            links: BTreeMap::new(),
        }
    }
}

impl SpApiState {
    /// Makes a report; its id.
    pub(super) fn accept(&mut self, request: Map<String, Value>, now: Timestamp) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.reports
            .insert(id, SpApiReport { request, created_at: now, polls: 0, lists: 0, cancelled: false });
        id
    }
}

/// A report.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SpApiReport {
    /// The request as it was sent.
    pub(super) request: Map<String, Value>,
    pub(super) created_at: Timestamp,
    pub(super) polls: u32,
    pub(super) lists: u32,
    #[serde(default)]
    pub(super) cancelled: bool,
}
