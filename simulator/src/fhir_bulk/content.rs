//! What the files of an export hold. It depends on the scenario and the export's id, and nothing else.

use std::fmt::Write as _;

use fastrand::Rng;
use serde_json::json;

use super::state::FhirExport;
use crate::scenario::Scenario;

/// A file of an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    /// `output`, `deleted` or `error`: where a manifest lists it.
    pub(super) list: &'static str,
    /// The type of its resources.
    pub(super) kind: String,
    /// Its number among all, from 1: what its link is made of.
    pub(super) number: u32,
    /// How many resources it has.
    pub(super) count: u32,
}

/// The files of an export, in the order of its manifest.
pub(super) fn files(scenario: &Scenario, export: &FhirExport) -> Vec<Listed> {
    let fhir = &scenario.fhir;
    let has = |kind: &&String| export.types.is_empty() || export.types.contains(kind);
    let output =
        fhir.types.iter().filter(has).flat_map(|kind| {
            (0..fhir.files_per_type).map(move |_| ("output", kind.as_str(), fhir.resources))
        });
    let deleted = fhir.deleted.then_some(("deleted", "Bundle", 1));
    let errors = (0..fhir.error_files).map(|_| ("error", "OperationOutcome", 1));
    let listed = output.chain(deleted).chain(errors).zip(1..);
    listed
        .map(|((list, kind, count), number)| Listed { list, kind: kind.to_owned(), number, count })
        .collect()
}

/// A file's bytes.
pub(super) fn bytes(scenario: &Scenario, id: u64, file: &Listed) -> Vec<u8> {
    let mut rng =
        Rng::with_seed(scenario.seed ^ id.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(file.number));
    let mut text = String::new();
    for number in 1..=file.count {
        let resource = match file.list {
            "output" => json!({
                "resourceType": file.kind,
                "id": format!("{}-{}-{number}", file.kind.to_lowercase(), file.number),
                "meta": { "lastUpdated": "2026-11-20T06:00:00Z" },
                "text": { "status": "generated", "div": format!("Zürich \"{}\"", rng.u32(..)) },
            }),
            "deleted" => json!({
                "resourceType": "Bundle", "type": "transaction",
                "entry": [{ "request": { "method": "DELETE", "url": format!("Patient/{}", rng.u32(..)) } }],
            }),
            _ => outcome("exception", &format!("Patient/{} could not be exported", rng.u32(..))),
        };
        let _ = writeln!(text, "{resource}");
    }
    text.into_bytes()
}

/// An `OperationOutcome`.
pub(super) fn outcome(code: &str, text: &str) -> serde_json::Value {
    json!({
        "resourceType": "OperationOutcome",
        "issue": [{ "severity": "error", "code": code, "diagnostics": text }],
    })
}
