//! What an org remembers of its query jobs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

const FIRST_ID: u64 = 1;

/// All that an org remembers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct SalesforceState {
    pub(super) next_id: u64,
    pub(super) jobs: BTreeMap<String, SalesforceQuery>,
}

impl Default for SalesforceState {
    fn default() -> Self {
        Self { next_id: FIRST_ID, jobs: BTreeMap::new() }
    }
}

impl SalesforceState {
    /// Makes a job; its number and its id.
    pub(super) fn accept(&mut self, version: String, request: Map<String, Value>) -> (u64, String) {
        let number = self.next_id;
        let id = format!("750R0000{number:07}IAQ");
        self.next_id += 1;
        self.jobs.insert(id.clone(), SalesforceQuery { version, request, polls: 0, aborted: false });
        (number, id)
    }
}

/// A query job.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SalesforceQuery {
    /// The version of the API that it was made by.
    pub(super) version: String,
    /// The request as it was sent.
    pub(super) request: Map<String, Value>,
    pub(super) polls: u32,
    #[serde(default)]
    pub(super) aborted: bool,
}
