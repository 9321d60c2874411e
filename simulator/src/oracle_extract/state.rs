//! What a pod remembers of its extract requests.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

const FIRST_ID: u64 = 135_315;

/// All that a pod remembers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct OracleState {
    pub(super) next_id: u64,
    pub(super) requests: BTreeMap<u64, OracleRequest>,
}

impl Default for OracleState {
    fn default() -> Self {
        Self { next_id: FIRST_ID, requests: BTreeMap::new() }
    }
}

impl OracleState {
    /// Submits a request; its id.
    pub(super) fn accept(&mut self, request: Map<String, Value>) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.requests.insert(id, OracleRequest { request, polls: 0 });
        id
    }
}

/// A request.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct OracleRequest {
    /// The request as it was sent.
    pub(super) request: Map<String, Value>,
    pub(super) polls: u32,
}
