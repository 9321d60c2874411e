//! Whether values of one type fit into another, and the type that keeps both.

use super::{ColumnType, KnownFrom, SchemaColumn};
use crate::rows::{Case, Column, ValueKind};

/// So many digits fit into 64 bits.
const DIGITS_OF_64_BITS: u8 = 18;
/// The most that a decimal has.
const MAX_DIGITS: u8 = 38;

/// What values are to a column that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    /// Each is kept.
    Same,
    /// This type keeps them as well.
    Wider(ColumnType),
    /// Only text does.
    Other,
}

/// What a job shows of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    /// None where it has no value.
    pub(super) of_type: Option<ColumnType>,
    /// How its days, moments or truth values are written.
    pub(super) format: Option<String>,
    pub(super) known_from: KnownFrom,
}

impl Seen {
    /// What all values of a column show, and what its source says, where they fit that.
    pub(super) fn of(column: &Column, source: Option<ColumnType>) -> Self {
        let observed = Some(column.kind.column_type()).filter(|_| column.kind != ValueKind::Nothing);
        let format = match &column.kind {
            ValueKind::Moment { pattern } => Some(pattern.as_str().to_owned()),
            ValueKind::Boolean { case: Case::Lower } => Some("true".to_owned()),
            ValueKind::Boolean { case: Case::Upper } => Some("TRUE".to_owned()),
            ValueKind::Boolean { case: Case::Title } => Some("True".to_owned()),
            _ => None,
        };
        let by_source = source.filter(|source| observed.is_none_or(|seen| fit(*source, seen) == Fit::Same));
        match by_source {
            Some(ColumnType::Text) => {
                Self { of_type: Some(ColumnType::Text), format: None, known_from: KnownFrom::Source }
            }
            Some(of_type) => Self { of_type: Some(of_type), format, known_from: KnownFrom::Source },
            None => Self { of_type: observed, format, known_from: KnownFrom::Observed },
        }
    }

    /// The type of a column that begins so: numbers that were only observed get room for more digits, where that costs
    /// nothing, since the next job's amounts are larger soon.
    pub(super) fn kept_type(&self) -> Option<ColumnType> {
        match self.known_from {
            KnownFrom::Observed => self.of_type.map(with_room),
            KnownFrom::Declared | KnownFrom::Source => self.of_type,
        }
    }
}

/// Whether values of a type, written in this way, fit a column of a known type.
pub(super) fn fit_column(column: &SchemaColumn, kept: ColumnType, seen: &Seen, of_type: ColumnType) -> Fit {
    let is_written_otherwise = kept != ColumnType::Text
        && column.format.is_some()
        && seen.format.is_some()
        && column.format != seen.format;
    match fit(kept, of_type) {
        Fit::Same if is_written_otherwise => Fit::Other,
        fit => fit,
    }
}

fn fit(kept: ColumnType, seen: ColumnType) -> Fit {
    match (digits(kept), digits(seen)) {
        (Some((integer, scale)), Some(seen)) if seen.0 <= integer && seen.1 <= scale => Fit::Same,
        (Some((integer, scale)), Some(seen)) => {
            Fit::Wider(with_room(number(integer.max(seen.0), scale.max(seen.1))))
        }
        // Bytes keep any text, and nothing else keeps bytes.
        _ if kept == seen || kept == ColumnType::Binary => Fit::Same,
        _ if seen == ColumnType::Binary => Fit::Wider(ColumnType::Binary),
        _ if kept == ColumnType::Text => Fit::Same,
        _ => Fit::Other,
    }
}

/// The digits before and behind the point that numbers of a type may have.
fn digits(of_type: ColumnType) -> Option<(u8, u8)> {
    match of_type {
        ColumnType::Integer => Some((DIGITS_OF_64_BITS, 0)),
        ColumnType::Decimal { precision, scale } => Some((precision.saturating_sub(scale), scale)),
        _ => None,
    }
}

fn number(integer: u8, scale: u8) -> ColumnType {
    match integer.saturating_add(scale) {
        precision if scale == 0 && precision <= DIGITS_OF_64_BITS => ColumnType::Integer,
        precision if precision > MAX_DIGITS => ColumnType::Text,
        precision => ColumnType::Decimal { precision: precision.max(1), scale },
    }
}

fn with_room(of_type: ColumnType) -> ColumnType {
    match of_type {
        ColumnType::Decimal { precision, scale } if precision <= DIGITS_OF_64_BITS => {
            ColumnType::Decimal { precision: DIGITS_OF_64_BITS, scale }
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> ColumnType {
        text.parse().unwrap()
    }

    /// A type that is said to fit, or to be wide enough, keeps every number of both.
    #[test]
    fn a_wider_type_keeps_the_digits_of_both() {
        for (kept, seen, expected) in [
            ("DECIMAL(18,2)", "DECIMAL(5,2)", Fit::Same),
            ("DECIMAL(18,2)", "BIGINT", Fit::Wider(of("DECIMAL(20,2)"))),
            ("DECIMAL(18,2)", "DECIMAL(4,3)", Fit::Wider(of("DECIMAL(19,3)"))),
            ("DECIMAL(5,2)", "DECIMAL(7,2)", Fit::Wider(of("DECIMAL(18,2)"))),
            ("BIGINT", "DECIMAL(18,2)", Fit::Wider(of("DECIMAL(20,2)"))),
            ("BIGINT", "DECIMAL(19,0)", Fit::Wider(of("DECIMAL(19,0)"))),
            ("DECIMAL(38,2)", "DECIMAL(18,4)", Fit::Wider(ColumnType::Text)),
            ("DATE", "TIMESTAMP", Fit::Other),
            ("DATE", "VARCHAR", Fit::Other),
            ("VARCHAR", "DATE", Fit::Same),
            ("VARCHAR", "DECIMAL(18,2)", Fit::Same),
            ("JSON", "JSON", Fit::Same),
            ("BOOLEAN", "BIGINT", Fit::Other),
            ("BLOB", "VARCHAR", Fit::Same),
            ("BLOB", "DATE", Fit::Same),
            ("VARCHAR", "BLOB", Fit::Wider(ColumnType::Binary)),
            ("BIGINT", "BLOB", Fit::Wider(ColumnType::Binary)),
        ] {
            assert_eq!(fit(of(kept), of(seen)), expected, "{kept} and {seen}");
        }
    }
}
