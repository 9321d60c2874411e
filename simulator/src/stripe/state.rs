//! What an account remembers of its report runs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

const FIRST_ID: u64 = 1;

/// All that an account remembers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct StripeState {
    pub(super) next_id: u64,
    pub(super) runs: BTreeMap<u64, StripeReport>,
    /// What each idempotency key was answered first: a run, or a failure, which is repeated like any other.
    pub(super) keys: BTreeMap<String, Answered>,
}

impl Default for StripeState {
    fn default() -> Self {
        Self { next_id: FIRST_ID, runs: BTreeMap::new(), keys: BTreeMap::new() }
    }
}

impl StripeState {
    /// Makes a run; its id.
    pub(super) fn accept(&mut self, request: Vec<(String, String)>) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.runs.insert(id, StripeReport { request, polls: 0 });
        id
    }
}

/// What a key was answered first.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Answered {
    pub(super) request: Vec<(String, String)>,
    /// The run that was made, if the answer was not a failure.
    pub(super) run: Option<u64>,
}

/// A report run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StripeReport {
    /// The form as it was sent.
    pub(super) request: Vec<(String, String)>,
    pub(super) polls: u32,
}
