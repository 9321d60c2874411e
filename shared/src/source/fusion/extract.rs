//! Oracle Fusion Data Extraction.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a Fusion data extraction exports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FusionExtract {
    /// The extract's name.
    pub extract: String,
    /// All rows, or those since the last successful run: the window moves at the source.
    pub mode: Mode,
    /// Whether a job without output is normal; otherwise it is an error.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_empty: bool,
}

/// All rows, or a delta.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// All rows.
    Full,
    /// What has changed since the last successful run.
    Incremental,
}
