//! A table of the configuration, and where it stands: errors name both, and never a value, which may be a secret.

use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{Error, Result};

/// A table of the configuration.
#[derive(Clone)]
pub(super) struct Document {
    /// The keys that lead to it, with slashes between them.
    path: String,
    /// The place where the configuration is.
    place: String,
    value: Value,
}

impl fmt::Debug for Document {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} in {}", self.path.replace('/', "."), self.place)
    }
}

impl Document {
    pub(super) fn new(path: &str, place: &str, value: Value) -> Self {
        Self { path: path.to_owned(), place: place.to_owned(), value }
    }

    pub(super) fn value_mut(&mut self) -> &mut Value {
        &mut self.value
    }

    /// The table's `type`, and the table without it.
    pub(super) fn split_type(mut self) -> Result<(String, Self)> {
        let kind = self.value.as_object_mut().and_then(|table| table.shift_remove("type"));
        match kind.as_ref().and_then(Value::as_str) {
            Some(kind) => Ok((kind.to_owned(), self)),
            None => Err(self.invalid("has no `type`")),
        }
    }

    /// The table below a key, where there is one.
    pub(super) fn part<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        let Some(value) = self.value.get(key) else { return Ok(None) };
        Self::new(&format!("{}/{key}", self.path), &self.place, value.clone()).fit().map(Some)
    }

    /// Whether a value stands at a path (RFC 6901).
    pub(super) fn has(&self, pointer: &str) -> bool {
        self.value.pointer(pointer).is_some_and(|value| !value.is_null())
    }

    /// The text at a path (RFC 6901).
    pub(super) fn text(&self, pointer: &str) -> Option<&str> {
        self.value.pointer(pointer)?.as_str()
    }

    /// The table as a type.
    pub(super) fn fit<T: DeserializeOwned>(&self) -> Result<T> {
        serde_path_to_error::deserialize(self.value.clone()).map_err(|error| {
            let within = match error.path().to_string().as_str() {
                "." => String::new(),
                within => format!(".{within}"),
            };
            // Serde quotes a value that does not fit, which may be a secret: only what it expected is kept.
            let reason = error.into_inner().to_string();
            let reason = match reason.starts_with("invalid ") {
                true => format!(
                    "expected{}",
                    reason.rsplit_once("expected").map_or(" another value", |(_, what)| what)
                ),
                false => reason,
            };
            Self::new(&format!("{}{within}", self.path), &self.place, Value::Null).invalid(reason)
        })
    }

    /// An `InvalidConfig` about it.
    pub(super) fn invalid(&self, reason: impl fmt::Display) -> Error {
        Error::invalid_config(format!("{self:?}: {reason}"))
    }
}
