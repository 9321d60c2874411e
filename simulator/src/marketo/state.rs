//! What an instance remembers of its extracts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

const FIRST_ID: u64 = 1;

/// All that an instance remembers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct MarketoState {
    pub(super) next_id: u64,
    pub(super) extracts: BTreeMap<u64, MarketoExtract>,
}

impl Default for MarketoState {
    fn default() -> Self {
        Self { next_id: FIRST_ID, extracts: BTreeMap::new() }
    }
}

impl MarketoState {
    /// Makes an extract, which does not run yet; its number.
    pub(super) fn accept(&mut self, request: Map<String, Value>, gives_ids_back: bool) -> u64 {
        if gives_ids_back {
            self.extracts.retain(|_, extract| extract.enqueued > 0);
            self.next_id = self.extracts.keys().last().map_or(FIRST_ID, |last| last + 1);
        }
        let number = self.next_id;
        self.next_id += 1;
        self.extracts
            .insert(number, MarketoExtract { request, enqueued: 0, polls: 0, lists: 0, cancelled: false });
        number
    }
}

/// An extract.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct MarketoExtract {
    /// The request as it was sent.
    pub(super) request: Map<String, Value>,
    /// How often it was started.
    pub(super) enqueued: u32,
    pub(super) polls: u32,
    pub(super) lists: u32,
    #[serde(default)]
    pub(super) cancelled: bool,
}
