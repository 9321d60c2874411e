//! Whether values of one type fit into another, and the type that keeps both.

use super::{ColumnType, KnownFrom, SchemaColumn};
use crate::rows::{Column, ValueKind};

/// So many digits fit into 64 bits.
const DIGITS_OF_64_BITS: u8 = 18;

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
    /// The digits before and behind the point that its numbers were seen to have: fewer, perhaps, than their type has.
    digits: Option<(u8, u8)>,
    /// How its days, moments or truth values are written.
    pub(super) format: Option<String>,
    pub(super) known_from: KnownFrom,
}

impl Seen {
    /// What all values of a column show, and what its source says, where they fit that.
    pub(super) fn of(column: &Column, source: Option<ColumnType>) -> Self {
        let observed = Self::of_kind(&column.kind);
        let fits = |source: &ColumnType| {
            observed.of_type.is_none_or(|seen| fit(*source, seen, observed.digits) == Fit::Same)
        };
        match source.filter(fits) {
            Some(ColumnType::Text) => Self {
                of_type: Some(ColumnType::Text),
                format: None,
                known_from: KnownFrom::Source,
                ..observed
            },
            Some(of_type) => {
                Self { of_type: Some(of_type), digits: None, known_from: KnownFrom::Source, ..observed }
            }
            None => observed,
        }
    }

    /// What values of a kind show.
    pub(super) fn of_kind(kind: &ValueKind) -> Self {
        let format = match kind {
            ValueKind::Moment { pattern } => Some(pattern.as_str().to_owned()),
            ValueKind::Boolean { case } => Some(case.text(true).to_owned()),
            _ => None,
        };
        let digits = match kind {
            ValueKind::Number(digits) => Some((digits.integer, digits.max_scale)),
            _ => None,
        };
        let of_type = Some(kind.column_type()).filter(|_| *kind != ValueKind::Nothing);
        Self { of_type, digits, format, known_from: KnownFrom::Observed }
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
    match fit(kept, of_type, seen.digits) {
        Fit::Same if is_written_otherwise => Fit::Other,
        fit => fit,
    }
}

/// Whether values of a type fit into another, and if they are numbers, of so many digits.
fn fit(kept: ColumnType, seen: ColumnType, digits: Option<(u8, u8)>) -> Fit {
    match (kept.digits(), seen.digits().and(digits).or(seen.digits())) {
        (Some((integer, scale)), Some(seen)) if seen.0 <= integer && seen.1 <= scale => Fit::Same,
        (Some((integer, scale)), Some(seen)) => {
            Fit::Wider(with_room(ColumnType::of_digits(integer.max(seen.0), scale.max(seen.1))))
        }
        _ if kept == seen || kept == ColumnType::Text => Fit::Same,
        _ => Fit::Other,
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
        ] {
            assert_eq!(fit(of(kept), of(seen), None), expected, "{kept} and {seen}");
        }
    }
}
