//! What a FHIR server remembers of its exports.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

const FIRST_ID: u64 = 7_001;

/// All that a FHIR server remembers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct FhirState {
    pub(super) next_id: u64,
    pub(super) exports: BTreeMap<u64, FhirExport>,
    /// Manifests so far: each has links of its own, where these are open.
    pub(super) manifests: u64,
}

impl Default for FhirState {
    fn default() -> Self {
        Self { next_id: FIRST_ID, exports: BTreeMap::new(), manifests: 0 }
    }
}

impl FhirState {
    /// An export that is there.
    pub(super) fn export(&self, id: u64) -> Option<&FhirExport> {
        self.exports.get(&id).filter(|export| export.deletions == 0)
    }

    /// Starts an export; its id.
    pub(super) fn accept(&mut self, request: String, types: Vec<String>, now: Timestamp) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.exports.insert(id, FhirExport { request, types, submitted_at: now, polls: 0, deletions: 0 });
        id
    }
}

/// An export.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct FhirExport {
    /// The path and the query of the kick-off.
    pub(super) request: String,
    pub(super) types: Vec<String>,
    pub(super) submitted_at: Timestamp,
    pub(super) polls: u32,
    /// How often it was deleted: once, it is gone.
    #[serde(default)]
    pub(super) deletions: u32,
}
