//! What an EPM environment holds when nothing is wrong with it.

use serde::{Deserialize, Serialize};

/// The data of an EPM environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EpmScenario {
    /// Rows of a job's output, besides a header.
    pub rows: u64,
    /// What a job's output is written as.
    pub format: EpmFormat,
    /// Lines of a job's log before those that tell how it ended.
    pub log_lines: u32,
    /// Files that the repository holds from the start.
    pub files: Vec<PlantedFile>,
    /// The applications of Planning.
    pub applications: Vec<String>,
}

impl Default for EpmScenario {
    fn default() -> Self {
        Self {
            rows: 500,
            format: EpmFormat::default(),
            log_lines: 40,
            files: Vec::new(),
            applications: vec!["Vision".to_owned()],
        }
    }
}

/// What a job's output is written as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EpmFormat {
    /// A table with commas.
    #[default]
    Csv,
    /// A JSON object, its media type that of JSON.
    Json,
    /// A JSON object with the fields of an outcome (`status`, `details`), which is a file all the same.
    JsonLikeAnOutcome,
    /// A ZIP archive of one table.
    Zip,
}

/// A file that the repository holds from the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PlantedFile {
    /// Its path.
    pub name: String,
    /// What it holds.
    pub text: String,
}
