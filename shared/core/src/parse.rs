//! Reading what a person wrote into an event: what does not fit is named by its path.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{Error, Result};

/// Characters of an event that an error repeats: enough to find what does not fit.
const MAX_REPEATED: usize = 500;

/// Reads a part of an event, which lies at a path of it; what does not fit is an `InvalidEvent` that names the field.
pub(crate) fn below<E: DeserializeOwned>(at: &str, part: Value) -> Result<E> {
    serde_path_to_error::deserialize(part).map_err(|error| {
        let path = match (at, error.path().to_string().as_str()) {
            (at, ".") => at.to_owned(),
            (".", path) => path.to_owned(),
            (at, path) => format!("{at}.{path}"),
        };
        let path = beginning(&path);
        let reason = beginning(&error.into_inner().to_string());
        match path.as_str() {
            "." => Error::invalid_event(format!("the event does not fit: {reason}")),
            path => Error::invalid_event(format!("the event does not fit at {path}: {reason}")),
        }
    })
}

fn beginning(text: &str) -> String {
    match text.char_indices().nth(MAX_REPEATED) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
