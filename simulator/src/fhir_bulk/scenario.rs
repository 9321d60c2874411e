//! What a FHIR server holds when nothing is wrong with it.

use serde::{Deserialize, Serialize};

/// The data of a FHIR server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FhirScenario {
    /// The types of resources that it has.
    pub types: Vec<String>,
    /// Files of each type.
    pub files_per_type: u32,
    /// Resources in each file.
    pub resources: u32,
    /// Files of what went wrong.
    pub error_files: u32,
    /// Whether a file tells what has been deleted.
    pub deleted: bool,
    /// Files on each page of a manifest; all on one, if 0.
    pub files_per_page: u32,
}

impl Default for FhirScenario {
    fn default() -> Self {
        Self {
            types: ["Patient", "Observation"].map(String::from).to_vec(),
            files_per_type: 2,
            resources: 200,
            error_files: 0,
            deleted: false,
            files_per_page: 0,
        }
    }
}
