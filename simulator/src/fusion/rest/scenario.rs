//! What the REST resources hold when nothing is wrong with them.

use serde::{Deserialize, Serialize};

/// The data of the REST resources.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RestScenario {}
