//! What the EPM jobs hold when nothing is wrong with them.

use serde::{Deserialize, Serialize};

/// The data of the EPM jobs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EpmScenario {}
