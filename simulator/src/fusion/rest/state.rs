//! What the REST resources remember.

use serde::{Deserialize, Serialize};

/// All that the REST resources remember.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct RestState {}
