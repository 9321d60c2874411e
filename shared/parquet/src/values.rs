//! The values of one column in one row group, gathered row by row.

use std::collections::HashSet;
use std::io::Write;

use parquet::basic::Type as Physical;
use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DataType, FixedLenByteArrayType, Int32Type, Int64Type,
};
use parquet::errors::ParquetError as FileError;
use parquet::file::writer::{SerializedColumnWriter, SerializedRowGroupWriter};

use crate::column::{ColumnKind, Seen};
use crate::moment::Format;
use crate::number;
use crate::schema::{decimal_bytes, decimal_physical};

/// So many first values say whether a column gets a dictionary.
const SAMPLE: usize = 4096;

/// So many rows of text are handed on at a time.
const BATCH: usize = 1024;

/// A value that its column's type does not keep.
pub(crate) struct Unfit;

/// What a column's texts are read as.
#[derive(Debug)]
enum Kind {
    Text,
    Bytes,
    Integer,
    Decimal { precision: u8, scale: u8 },
    Boolean { yes: &'static [u8], no: &'static [u8] },
    Date(Format),
    Moment(Format),
}

#[derive(Debug)]
enum Stored {
    Bytes { bytes: Vec<u8>, ends: Vec<usize> },
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Fixed { bytes: Vec<u8>, length: usize },
    Boolean(Vec<bool>),
}

/// The values.
#[derive(Debug)]
pub(crate) struct Values {
    kind: Kind,
    stored: Stored,
    /// Of each row, 1 where it has a value and 0 where that is null.
    levels: Vec<i16>,
    seen: Seen,
}

impl Values {
    pub(crate) fn new(kind: ColumnKind) -> Self {
        let bytes = || Stored::Bytes { bytes: Vec::new(), ends: Vec::new() };
        let (kind, stored) = match kind {
            ColumnKind::Text | ColumnKind::Json => (Kind::Text, bytes()),
            ColumnKind::Bytes => (Kind::Bytes, bytes()),
            ColumnKind::Integer => (Kind::Integer, Stored::Int64(Vec::new())),
            ColumnKind::Decimal { precision, scale, .. } => {
                let stored = match decimal_physical(precision) {
                    Physical::INT32 => Stored::Int32(Vec::new()),
                    Physical::INT64 => Stored::Int64(Vec::new()),
                    _ => Stored::Fixed { bytes: Vec::new(), length: decimal_bytes(precision) },
                };
                (Kind::Decimal { precision, scale }, stored)
            }
            ColumnKind::Boolean { case } => {
                let kind = Kind::Boolean { yes: case.text(true).as_bytes(), no: case.text(false).as_bytes() };
                (kind, Stored::Boolean(Vec::new()))
            }
            ColumnKind::Date { pattern } => (Kind::Date(Format::of(pattern)), Stored::Int32(Vec::new())),
            ColumnKind::Timestamp { pattern } | ColumnKind::TimestampWithZone { pattern } => {
                (Kind::Moment(Format::of(pattern)), Stored::Int64(Vec::new()))
            }
        };
        Self { kind, stored, levels: Vec::new(), seen: Seen::default() }
    }

    /// How many rows there are.
    pub(crate) fn rows(&self) -> usize {
        self.levels.len()
    }

    /// What all values so far have shown.
    pub(crate) fn seen(&self) -> Seen {
        self.seen
    }

    /// A row that has no value; returns the memory that it takes.
    pub(crate) fn push_null(&mut self) -> Result<usize, Unfit> {
        self.seen.has_null = true;
        self.push_level()
    }

    /// A row's value; returns the memory that it takes.
    pub(crate) fn push(&mut self, text: &[u8]) -> Result<usize, Unfit> {
        if text.is_empty() && !matches!(self.kind, Kind::Text | Kind::Bytes) {
            self.seen.has_empty = true;
            return self.push_level();
        }
        let bytes = self.store(text).ok_or(Unfit)?;
        self.levels.push(1);
        Ok(bytes.saturating_add(size_of::<i16>()))
    }

    /// Null stands for one of the two, nothing and the empty text, and not for both.
    fn push_level(&mut self) -> Result<usize, Unfit> {
        self.levels.push(0);
        match self.seen.has_null && self.seen.has_empty {
            true => Err(Unfit),
            false => Ok(size_of::<i16>()),
        }
    }

    fn store(&mut self, text: &[u8]) -> Option<usize> {
        match (&self.kind, &mut self.stored) {
            (Kind::Text, _) if std::str::from_utf8(text).is_err() => None,
            (Kind::Text | Kind::Bytes, Stored::Bytes { bytes, ends }) => {
                bytes.extend_from_slice(text);
                ends.push(bytes.len());
                Some(text.len().saturating_add(size_of::<usize>()))
            }
            (Kind::Integer, Stored::Int64(values)) => {
                values.push(number::integer(text)?);
                Some(size_of::<i64>())
            }
            (Kind::Decimal { precision, scale }, stored) => {
                let bytes = store_decimal(number::unscaled(text, *precision, *scale)?, stored)?;
                let digits = number::scale(text);
                let (min, max) = self.seen.scales.unwrap_or((digits, digits));
                self.seen.scales = Some((min.min(digits), max.max(digits)));
                Some(bytes)
            }
            (Kind::Boolean { yes, no }, Stored::Boolean(values)) => {
                values.push(match text {
                    text if text == *yes => true,
                    text if text == *no => false,
                    _ => return None,
                });
                Some(1)
            }
            (Kind::Date(format), Stored::Int32(values)) => {
                values.push(format.days(text)?);
                Some(size_of::<i32>())
            }
            (Kind::Moment(format), Stored::Int64(values)) => {
                values.push(format.micros(text)?);
                Some(size_of::<i64>())
            }
            _ => None,
        }
    }

    /// Whether its first values come again often enough for a dictionary to be smaller.
    pub(crate) fn repeats(&self) -> bool {
        fn repeats<T: std::hash::Hash + Eq>(values: impl Iterator<Item = T>) -> bool {
            let (mut seen, mut distinct) = (0_usize, HashSet::new());
            for value in values.take(SAMPLE) {
                seen = seen.saturating_add(1);
                distinct.insert(value);
            }
            distinct.len().saturating_mul(2) <= seen && seen > 0
        }
        match &self.stored {
            Stored::Bytes { bytes, ends } => repeats(slices(ends, 0).map(|range| bytes.get(range))),
            Stored::Int32(values) => repeats(values.iter()),
            Stored::Int64(values) => repeats(values.iter()),
            Stored::Fixed { bytes, length } => repeats(bytes.chunks_exact(*length)),
            Stored::Boolean(_) => false,
        }
    }

    /// Writes them as the row group's next column, and forgets them.
    pub(crate) fn write<W: Write + Send>(
        &mut self,
        group: &mut SerializedRowGroupWriter<'_, W>,
    ) -> Result<(), FileError> {
        let Some(mut column) = group.next_column()? else {
            return Err(FileError::General("a column too many".to_owned()));
        };
        match &mut self.stored {
            Stored::Int32(values) => write_all::<Int32Type>(&mut column, values, &self.levels)?,
            Stored::Int64(values) => write_all::<Int64Type>(&mut column, values, &self.levels)?,
            Stored::Boolean(values) => write_all::<BoolType>(&mut column, values, &self.levels)?,
            // Each value has memory of its own: the file keeps the least and the greatest of each row group to its end, and a
            // slice would keep all of them.
            Stored::Bytes { bytes, ends } => {
                let values =
                    slices(ends, 0).map(|range| bytes.get(range).unwrap_or_default().to_vec().into());
                write_batches::<ByteArrayType>(&mut column, values, &self.levels)?;
                bytes.clear();
                ends.clear();
            }
            Stored::Fixed { bytes, length } => {
                let values = bytes.chunks_exact(*length).map(|value| ByteArray::from(value.to_vec()).into());
                write_batches::<FixedLenByteArrayType>(&mut column, values, &self.levels)?;
                bytes.clear();
            }
        }
        self.levels.clear();
        column.close()
    }
}

fn store_decimal(unscaled: i128, stored: &mut Stored) -> Option<usize> {
    match stored {
        Stored::Int32(values) => {
            values.push(i32::try_from(unscaled).ok()?);
            Some(size_of::<i32>())
        }
        Stored::Int64(values) => {
            values.push(i64::try_from(unscaled).ok()?);
            Some(size_of::<i64>())
        }
        Stored::Fixed { bytes, length } => {
            let number = unscaled.to_be_bytes();
            bytes.extend_from_slice(number.get(number.len().checked_sub(*length)?..)?);
            Some(*length)
        }
        _ => None,
    }
}

/// The ranges of values that lie side by side and end there.
fn slices(ends: &[usize], start: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    ends.iter().scan(start, |start, end| Some(std::mem::replace(start, *end)..*end))
}

fn write_all<T: DataType>(
    column: &mut SerializedColumnWriter<'_>,
    values: &mut Vec<T::T>,
    levels: &[i16],
) -> Result<(), FileError> {
    column.typed::<T>().write_batch(values, Some(levels), None)?;
    values.clear();
    Ok(())
}

/// Writes values that are made as they are needed: they are many, and small.
fn write_batches<T: DataType>(
    column: &mut SerializedColumnWriter<'_>,
    mut values: impl Iterator<Item = T::T>,
    levels: &[i16],
) -> Result<(), FileError> {
    let mut batch: Vec<T::T> = Vec::with_capacity(BATCH);
    for levels in levels.chunks(BATCH) {
        let present = levels.iter().filter(|level| **level == 1).count();
        batch.clear();
        batch.extend(values.by_ref().take(present));
        column.typed::<T>().write_batch(&batch, Some(levels), None)?;
    }
    Ok(())
}
