//! What the data exports of FOLIO hold when nothing is wrong with them.

use serde::{Deserialize, Serialize};

/// The data of the data exports of FOLIO.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FolioScenario {}
