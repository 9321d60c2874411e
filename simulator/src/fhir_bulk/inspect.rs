//! What tests ask of a FHIR server past its API.

use super::content;
use super::state::FhirExport;
use crate::simulator::Simulator;

/// An export that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FhirJob {
    /// Its id.
    pub id: u64,
    /// The path and the query of its kick-off.
    pub request: String,
    /// How often a client has asked to delete it.
    pub deletions: u32,
}

/// A file of an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FhirFile {
    /// Where a manifest lists it: `output`, `deleted` or `error`.
    pub list: &'static str,
    /// The type of its resources.
    pub kind: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// How many resources it has.
    pub rows: u64,
}

impl Simulator {
    /// The exports that were accepted, in their order, whether or not the client heard of it.
    pub fn fhir_jobs(&self) -> Vec<FhirJob> {
        let job = |(id, export): (&u64, &FhirExport)| FhirJob {
            id: *id,
            request: export.request.clone(),
            deletions: export.deletions,
        };
        self.context.store.read(|state| state.fhir.exports.iter().map(job).collect())
    }

    /// The files of an export, in the order of its manifest; none of one that is not there.
    pub fn fhir_files(&self, id: u64) -> Vec<FhirFile> {
        let scenario = &self.context.scenario;
        let export = self.context.store.read(|state| state.fhir.exports.get(&id).cloned());
        let listed = export.map(|export| content::files(scenario, &export)).unwrap_or_default();
        let file = |listed: content::Listed| FhirFile {
            list: listed.list,
            bytes: content::bytes(scenario, id, &listed),
            rows: u64::from(listed.count),
            kind: listed.kind,
        };
        listed.into_iter().map(file).collect()
    }
}
