//! What is said of columns before a value of them is seen: by a person, or by the source.

use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::rows::{ColumnType, kept_type};

/// What becomes of a job whose columns do not fit the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnSchemaChange {
    /// It is not published.
    Fail,
    /// The schema gets a version that keeps the new values as well as the old ones.
    Widen,
    /// Likewise, and whatever has changed is text from then on.
    Text,
}

/// A column as a person declares it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeclaredColumn {
    /// Its name in the text.
    pub name: String,
    /// Its type; `BLOB` cannot be declared.
    #[serde(deserialize_with = "declared_type")]
    pub r#type: ColumnType,
    /// Whether rows may lack it; they may, if not said.
    #[serde(default = "yes")]
    pub may_be_missing: bool,
}

/// A column as the source describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceColumn {
    /// Its name in the text.
    pub name: String,
    /// Its type. One that this release does not know is text.
    #[serde(deserialize_with = "kept_type")]
    pub r#type: ColumnType,
}

/// What is text in its source is not declared to be bytes: no reader of text takes it for them.
fn declared_type<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ColumnType, D::Error> {
    match ColumnType::deserialize(deserializer)? {
        ColumnType::Binary => Err(D::Error::custom("BLOB cannot be declared: declare VARCHAR")),
        of_type => Ok(of_type),
    }
}

fn yes() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Only what has landed is bytes.
    #[test]
    fn bytes_are_not_declared() {
        let declared = |of_type: &str| {
            serde_json::from_str::<DeclaredColumn>(&format!(r#"{{"name":"A","type":"{of_type}"}}"#))
        };
        assert_eq!(declared("VARCHAR").unwrap().r#type, ColumnType::Text);
        let refused = declared("BLOB").unwrap_err().to_string();
        assert!(refused.contains("declare VARCHAR"), "{refused}");
    }
}
