//! What the fields of exports may hold, whatever the system.

use jiff::Timestamp;
use landfall::error::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The longest name that a source is given, in bytes.
const MAX_NAME: usize = 200;

/// The time of a backfill: rows whose time is in `[from, until)`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// The first moment that is in it; none for all rows before its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// The first moment after it.
    pub until: Timestamp,
}

/// Refuses what no source takes for a name, as `InvalidEvent` that names the export's field.
pub(crate) fn check_name(field: &str, name: &str) -> Result<()> {
    if name.trim().is_empty() {
        Err(invalid(field, "it is empty"))
    } else if name.chars().any(char::is_control) {
        Err(invalid(field, "it has control characters"))
    } else if name.len() > MAX_NAME {
        Err(invalid(field, &format!("it is longer than {MAX_NAME} bytes")))
    } else {
        Ok(())
    }
}

/// An export whose field cannot be.
pub(crate) fn invalid(field: &str, reason: &str) -> Error {
    Error::invalid_event(format!("the event does not fit at export.{field}: {reason}"))
}
