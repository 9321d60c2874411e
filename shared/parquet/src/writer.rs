//! Rows as a file: gathered by columns, and written one row group at a time.

use std::collections::HashMap;
use std::io::Write;
use std::sync::Arc;

use landfall::rows::RowSink;
use parquet::file::writer::SerializedFileWriter;
use serde_json::value::RawValue;

use crate::column::{ColumnKind, TypedColumn};
use crate::error::ParquetError;
use crate::schema;
use crate::values::{Unfit, Values};

/// A row of more bytes is not taken: a row group has whole rows.
const MAX_ROW_BYTES: usize = 32 << 20;

/// So many bytes of values are a row group: some 100,000 rows of ten columns.
const ROW_GROUP_BYTES: usize = 8 << 20;

/// With many columns a row group has at least so many bytes a column: each of them has a header, and an entry in the
/// footer, in every row group.
const MIN_COLUMN_BYTES: usize = 32 << 10;

/// Writes rows of text as a Parquet file into a sink. What comes of the same columns and rows is the same to the byte.
pub struct RowWriter<W: Write + Send> {
    columns: Vec<TypedColumn>,
    /// The places of the columns by their names in the text.
    places: HashMap<String, usize>,
    values: Vec<Values>,
    output: Output<W>,
    level: i32,
    /// The place of the column that the next key of JSON probably is.
    next_place: usize,
    rows: u64,
    group_rows: usize,
    group_bytes: usize,
    row_bytes: usize,
    max_group_bytes: usize,
}

/// The file is begun once the first row group shows how it is best written.
enum Output<W: Write + Send> {
    Sink(W),
    File(SerializedFileWriter<W>),
    Broken,
}

impl<W: Write + Send> RowWriter<W> {
    /// Writes rows of these columns, compressed by Zstandard at a level.
    pub fn new(sink: W, columns: Vec<TypedColumn>, level: i32) -> Self {
        let name = |(place, column): (usize, &TypedColumn)| {
            (column.name_in_text.clone().unwrap_or_else(|| column.name.clone()), place)
        };
        Self {
            places: columns.iter().enumerate().map(name).collect(),
            values: columns.iter().map(|column| Values::new(column.kind)).collect(),
            max_group_bytes: columns.len().saturating_mul(MIN_COLUMN_BYTES).max(ROW_GROUP_BYTES),
            columns,
            output: Output::Sink(sink),
            level,
            next_place: 0,
            rows: 0,
            group_rows: 0,
            group_bytes: 0,
            row_bytes: 0,
        }
    }

    /// How many rows have ended.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The sink, once something has gone to it.
    pub fn sink(&mut self) -> Option<&mut W> {
        match &mut self.output {
            Output::File(file) => Some(file.inner_mut()),
            Output::Sink(_) | Output::Broken => None,
        }
    }

    /// Writes the last rows and the footer; returns the sink.
    pub fn finish(mut self) -> Result<W, ParquetError> {
        self.begin()?;
        if self.group_rows > 0 {
            self.write_group()?;
        }
        for (column, values) in std::iter::zip(&mut self.columns, &self.values) {
            column.complete(values.seen());
        }
        match self.output {
            // That writes the footer first.
            Output::File(mut file) => {
                file.append_key_value_metadata(schema::metadata(&self.columns)?);
                Ok(file.into_inner()?)
            }
            Output::Sink(sink) => Ok(sink),
            Output::Broken => Err(ended()),
        }
    }

    /// The number of the row that has not ended.
    fn row(&self) -> u64 {
        self.rows.saturating_add(1)
    }

    fn set(&mut self, place: usize, text: Option<&[u8]>) -> Result<(), ParquetError> {
        let row = self.row();
        let (Some(column), Some(values)) = (self.columns.get(place), self.values.get_mut(place)) else {
            // An empty field too many has nothing that could be lost, but is not what the header says, either.
            return Err(ParquetError::TooManyFields { row, columns: self.columns.len() });
        };
        if values.rows() > self.group_rows {
            return Err(ParquetError::Twice { row, column: column.name.clone() });
        }
        let stored = match text {
            None => values.push_null(),
            Some(text) => values.push(text),
        };
        let bytes = stored.map_err(|Unfit| self.unfit(place))?;
        self.row_bytes = self.row_bytes.saturating_add(bytes);
        match self.row_bytes > MAX_ROW_BYTES {
            true => Err(ParquetError::RowTooLong { row, mib: MAX_ROW_BYTES >> 20 }),
            false => Ok(()),
        }
    }

    /// Where the column of a key is.
    fn place(&mut self, key: &str) -> Option<usize> {
        let is_next = |place: &usize| {
            self.columns.get(*place).is_some_and(|column| column.name_in_text.is_none() && column.name == key)
        };
        let place = Some(self.next_place).filter(is_next).or_else(|| self.places.get(key).copied());
        self.next_place = place.map_or(0, |place| place.saturating_add(1));
        place
    }

    fn begin(&mut self) -> Result<(), ParquetError> {
        if let Output::Sink(_) = &self.output {
            let repeats = |place: usize| self.values.get(place).is_some_and(Values::repeats);
            let properties = Arc::new(schema::properties(&self.columns, repeats, self.level)?);
            let schema = schema::schema(&self.columns)?;
            let Output::Sink(sink) = std::mem::replace(&mut self.output, Output::Broken) else {
                return Err(ended());
            };
            self.output = Output::File(SerializedFileWriter::new(sink, schema, properties)?);
        }
        Ok(())
    }

    fn write_group(&mut self) -> Result<(), ParquetError> {
        self.begin()?;
        let Output::File(file) = &mut self.output else { return Err(ended()) };
        let mut group = file.next_row_group()?;
        self.values.iter_mut().try_for_each(|values| values.write(&mut group))?;
        group.close()?;
        (self.group_rows, self.group_bytes) = (0, 0);
        Ok(())
    }
}

impl<W: Write + Send> RowSink for RowWriter<W> {
    type Error = ParquetError;

    fn field(&mut self, place: usize, value: Option<&[u8]>) -> Result<(), ParquetError> {
        self.set(place, value)
    }

    fn value(&mut self, _: usize, key: &str, value: &RawValue) -> Result<(), ParquetError> {
        let row = self.row();
        let place = self.place(key);
        let place = place.ok_or_else(|| ParquetError::UnknownKey { row, key: key.to_owned() })?;
        let kind = self.columns.get(place).map(|column| column.kind);
        let written = value.get();
        match (kind, written) {
            (_, "null") => self.set(place, None),
            (Some(ColumnKind::Json), written) => self.set(place, Some(written.as_bytes())),
            (Some(kind), written) if written.starts_with('"') => {
                let inner = written.get(1..written.len().saturating_sub(1)).unwrap_or_default();
                // A number between quotes is no number.
                let fits = !matches!(
                    kind,
                    ColumnKind::Integer | ColumnKind::Decimal { .. } | ColumnKind::Boolean { .. }
                ) || inner.is_empty();
                if !fits {
                    return Err(self.unfit(place));
                }
                match inner.contains('\\') {
                    false => self.set(place, Some(inner.as_bytes())),
                    true => match serde_json::from_str::<String>(written) {
                        Ok(text) => self.set(place, Some(text.as_bytes())),
                        Err(_) => Err(self.unfit(place)),
                    },
                }
            }
            (
                Some(ColumnKind::Integer | ColumnKind::Decimal { .. } | ColumnKind::Boolean { .. }),
                written,
            ) => self.set(place, Some(written.as_bytes())),
            // In a column of texts only what is between quotes is one.
            _ => Err(self.unfit(place)),
        }
    }

    fn end_row(&mut self) -> Result<(), ParquetError> {
        let rows = self.group_rows.saturating_add(1);
        for place in 0..self.values.len() {
            if self.values.get(place).is_some_and(|values| values.rows() < rows) {
                self.set(place, None)?;
            }
        }
        self.group_rows = rows;
        self.rows = self.rows.saturating_add(1);
        self.next_place = 0;
        self.group_bytes = self.group_bytes.saturating_add(std::mem::take(&mut self.row_bytes));
        if self.group_bytes >= self.max_group_bytes { self.write_group() } else { Ok(()) }
    }
}

impl<W: Write + Send> RowWriter<W> {
    fn unfit(&self, place: usize) -> ParquetError {
        let column = self.columns.get(place);
        ParquetError::Unfit {
            row: self.row(),
            column: column.map(|column| column.name.clone()).unwrap_or_default(),
            kind: column.map(|column| column.kind.to_string()).unwrap_or_default(),
        }
    }
}

/// Nothing is written behind an error.
fn ended() -> ParquetError {
    ParquetError::File(parquet::errors::ParquetError::General("the file has ended".to_owned()))
}
