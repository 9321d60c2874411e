//! What goes wrong with the REST resources.

use serde::{Deserialize, Serialize};

/// The switches of the REST resources.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RestFaults {}
