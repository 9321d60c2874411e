//! What the EPM jobs remember.

use serde::{Deserialize, Serialize};

/// All that the EPM jobs remember.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct EpmState {}
