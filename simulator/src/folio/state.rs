//! What the data exports of FOLIO remember.

use serde::{Deserialize, Serialize};

/// All that the data exports of FOLIO remember.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct FolioState {}
