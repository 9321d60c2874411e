//! Types in SQL's words, as manifests, kept schemas and events have them.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::value::{ColumnType, MAX_PRECISION};

/// Text that names no type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no type of a column: it is one of VARCHAR, BIGINT, DECIMAL(p,s) with p up to 38 and s up to p, BOOLEAN, DATE, \
     TIMESTAMP, TIMESTAMP WITH TIME ZONE, JSON and BLOB"
)]
pub struct UnknownType(String);

/// The types without parameters.
const PLAIN: [(&str, ColumnType); 8] = [
    ("VARCHAR", ColumnType::Text),
    ("BIGINT", ColumnType::Integer),
    ("BOOLEAN", ColumnType::Boolean),
    ("DATE", ColumnType::Date),
    ("TIMESTAMP", ColumnType::Timestamp),
    ("TIMESTAMP WITH TIME ZONE", ColumnType::TimestampWithZone),
    ("JSON", ColumnType::Json),
    ("BLOB", ColumnType::Binary),
];

impl fmt::Display for ColumnType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decimal { precision, scale } => write!(formatter, "DECIMAL({precision},{scale})"),
            plain => {
                let name =
                    PLAIN.iter().find(|(_, of_type)| of_type == plain).map_or("VARCHAR", |(name, _)| name);
                formatter.write_str(name)
            }
        }
    }
}

impl FromStr for ColumnType {
    type Err = UnknownType;

    fn from_str(text: &str) -> Result<Self, UnknownType> {
        let upper = text.trim().to_ascii_uppercase();
        let plain = PLAIN.iter().find(|(name, _)| *name == upper).map(|(_, of_type)| *of_type);
        let decimal = || {
            let (precision, scale) = upper.strip_prefix("DECIMAL(")?.strip_suffix(')')?.split_once(',')?;
            let (precision, scale): (u8, u8) = (precision.trim().parse().ok()?, scale.trim().parse().ok()?);
            let is_one = (1..=MAX_PRECISION).contains(&precision) && scale <= precision;
            is_one.then_some(Self::Decimal { precision, scale })
        };
        plain.or_else(decimal).ok_or_else(|| UnknownType(text.chars().take(100).collect()))
    }
}

impl Serialize for ColumnType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ColumnType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for ColumnType {
    fn schema_name() -> Cow<'static, str> {
        "ColumnType".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "description": "A type as SQL has it: VARCHAR, BIGINT, DECIMAL(p,s), BOOLEAN, DATE, TIMESTAMP, \
                            TIMESTAMP WITH TIME ZONE, JSON or BLOB.",
            "type": "string",
        })
    }
}

/// A type that a release has kept: one that this one does not know is text to it.
pub(crate) fn kept_type<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ColumnType, D::Error> {
    Ok(String::deserialize(deserializer)?.parse().unwrap_or(ColumnType::Text))
}

/// The same, where there may be none.
pub(crate) fn kept_types<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ColumnType>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.map(|text| text.parse().unwrap_or(ColumnType::Text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is written is read, and what is no type is refused with what there is.
    #[test]
    fn types_are_read_as_they_are_written() {
        for (_, plain) in PLAIN {
            assert_eq!(plain.to_string().parse(), Ok(plain));
        }
        let decimal = ColumnType::Decimal { precision: 18, scale: 2 };
        assert_eq!(decimal.to_string(), "DECIMAL(18,2)");
        assert_eq!("decimal(18, 2)".parse(), Ok(decimal));
        for none in ["DOUBLE", "DECIMAL(39,2)", "DECIMAL(2,3)", "DECIMAL(0,0)", "DECIMAL", "", "DECIMAL(18,2"]
        {
            let refused = none.parse::<ColumnType>().unwrap_err().to_string();
            assert!(refused.contains("DECIMAL(p,s)"), "{refused}");
        }
    }
}
