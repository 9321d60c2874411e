//! What goes wrong with the EPM jobs.

use serde::{Deserialize, Serialize};

/// The switches of the EPM jobs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EpmFaults {}
