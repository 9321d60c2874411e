//! What an account remembers of its asynchronous requests.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

const FIRST_ID: u64 = 123_001;

/// All that an account remembers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct NetsuiteState {
    pub(super) next_id: u64,
    pub(super) jobs: BTreeMap<u64, NetsuiteRequest>,
}

impl Default for NetsuiteState {
    fn default() -> Self {
        Self { next_id: FIRST_ID, jobs: BTreeMap::new() }
    }
}

impl NetsuiteState {
    /// Makes a job; its id.
    pub(super) fn accept(&mut self, request: String, key: Option<String>) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.jobs.insert(id, NetsuiteRequest { request, key, polls: 0 });
        id
    }
}

/// An asynchronous request.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct NetsuiteRequest {
    /// The path and the query.
    pub(super) request: String,
    pub(super) key: Option<String>,
    pub(super) polls: u32,
}
