//! The columns of a file: what the values of a table's columns are written as.

use std::fmt;

use landfall::rows::{Case, Column, ColumnType, Pattern, Table, TableFormat, ValueKind};
use serde::{Deserialize, Serialize};

/// What a column's values are written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "are", rename_all = "snake_case")]
pub enum ColumnKind {
    /// Text in UTF-8.
    Text,
    /// Bytes that are not all UTF-8.
    Bytes,
    /// Values of JSON as they are written.
    Json,
    /// Whole numbers of at most 64 bits.
    Integer,
    /// Exact numbers.
    Decimal {
        /// Their digits in all.
        precision: u8,
        /// Those behind the point.
        scale: u8,
        /// The fewest behind the point that a text has: where others have more, it comes back with more zeros.
        min_scale: u8,
        /// The most behind the point that a text has.
        max_scale: u8,
    },
    /// Truth values.
    Boolean {
        /// How they are written.
        case: Case,
    },
    /// Days.
    Date {
        /// How they are written.
        pattern: Pattern,
    },
    /// Moments that do not say their zone.
    Timestamp {
        /// How they are written.
        pattern: Pattern,
    },
    /// Moments, all with the same offset from UTC.
    TimestampWithZone {
        /// How they are written, with that offset.
        pattern: Pattern,
    },
}

/// A column of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypedColumn {
    /// Its name in the file.
    pub name: String,
    /// Its name in the text, where that is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name_in_text: Option<String>,
    /// What its values are written as.
    #[serde(flatten)]
    pub kind: ColumnKind,
    /// Whether null stands for the empty text, which the type has no value for: then no value is missing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub null_is_empty: bool,
}

/// The columns that a table's text is written as, in the table's order: each in the type that it was given, and otherwise in
/// one of its own, if all of its values come back from that.
pub fn typed_columns(table: &Table) -> Vec<TypedColumn> {
    let typed = |(name, column): (String, &Column)| {
        let kind = kind_of(column, table.format);
        TypedColumn {
            name_in_text: Some(column.name.clone()).filter(|of_text| *of_text != name),
            name,
            kind,
            null_is_empty: false,
        }
    };
    std::iter::zip(table.unique_names(), &table.columns).map(typed).collect()
}

/// The kind by which a column is written. Where it has no value, its texts could be written in any way.
fn kind_of(column: &Column, format: TableFormat) -> ColumnKind {
    let of_type = column.written_as.unwrap_or_else(|| column.exact_type(format, None));
    let pattern = match &column.kind {
        ValueKind::Moment { pattern } => *pattern,
        _ => Pattern::default(),
    };
    match of_type {
        ColumnType::Text => ColumnKind::Text,
        ColumnType::Binary => ColumnKind::Bytes,
        ColumnType::Json => ColumnKind::Json,
        ColumnType::Integer => ColumnKind::Integer,
        ColumnType::Decimal { precision, scale } => {
            ColumnKind::Decimal { precision, scale, min_scale: scale, max_scale: scale }
        }
        ColumnType::Boolean => match &column.kind {
            ValueKind::Boolean { case } => ColumnKind::Boolean { case: *case },
            _ => ColumnKind::Boolean { case: Case::Lower },
        },
        ColumnType::Date => ColumnKind::Date { pattern },
        ColumnType::Timestamp => ColumnKind::Timestamp { pattern },
        ColumnType::TimestampWithZone => ColumnKind::TimestampWithZone { pattern },
    }
}

/// What all values of a column so far have shown.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Seen {
    /// Whether one was missing.
    pub(crate) has_null: bool,
    /// Whether one was the empty text, which the type has no value for.
    pub(crate) has_empty: bool,
    /// The fewest and the most digits behind the point of a number.
    pub(crate) scales: Option<(u8, u8)>,
}

impl TypedColumn {
    /// With what all values have shown.
    pub(crate) fn complete(&mut self, seen: Seen) {
        self.null_is_empty = seen.has_empty;
        if let (ColumnKind::Decimal { min_scale, max_scale, .. }, Some(scales)) =
            (&mut self.kind, seen.scales)
        {
            (*min_scale, *max_scale) = scales;
        }
    }
}

impl fmt::Display for ColumnKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text => formatter.write_str("text in UTF-8"),
            Self::Bytes => formatter.write_str("bytes"),
            Self::Json => formatter.write_str("JSON"),
            Self::Integer => formatter.write_str("BIGINT"),
            Self::Decimal { precision, scale, .. } => write!(formatter, "DECIMAL({precision},{scale})"),
            Self::Boolean { case } => write!(formatter, "BOOLEAN, written as {:?}", case.text(true)),
            Self::Date { pattern } => write!(formatter, "DATE, written as {:?}", pattern.as_str()),
            Self::Timestamp { pattern } => write!(formatter, "TIMESTAMP, written as {:?}", pattern.as_str()),
            Self::TimestampWithZone { pattern } => {
                write!(formatter, "TIMESTAMP WITH TIME ZONE, written as {:?}", pattern.as_str())
            }
        }
    }
}
