//! What goes wrong with the data exports of FOLIO.

use serde::{Deserialize, Serialize};

/// The switches of the data exports of FOLIO.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FolioFaults {}
