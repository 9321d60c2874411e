//! `parquet`: the rows of a table by its columns, each value in a type that it comes back from as the text that it was.
//!
//! The columns' types follow from all values, so they are known only once all of the content has passed. A little content
//! is kept until then. What is larger is written by the types that the export's schema has for its header, as long as all
//! values fit; where they do not, and where there is no such schema, it passes once more, for its columns.

use std::sync::Arc;

use landfall::form::ZstdLevel;
use landfall::rows::{RowCount, RowFormat, RowReader, RowSink, Table, UnreadableRow};
use landfall::schema::KnownColumns;
use landfall::{Error, Result};
use landfall_parquet::{ParquetError, RowWriter, typed_columns};
use serde_json::value::RawValue;

use super::encoder::{ContentDigest, ContentEncoder};
use crate::parts::Parts;

/// Content of no more bytes is kept in memory until its columns are known. What becomes of it is sure to fit into one
/// part.
pub(crate) const KEPT_BYTES: u64 = 256 << 10;

/// What a file takes in memory while it is made: a row group's values, in vectors that grow by doubling, and the pages
/// that become of them.
pub(super) const WORKING_BYTES: u64 = 16 << 20;

/// The most bytes that content of a size can become: of a field of one byte and its delimiter, 16 bytes of a decimal
/// may; and a column has headers, statistics and an entry in the footer, in each row group.
pub(super) fn max_bytes(size: u64) -> u64 {
    size.saturating_mul(18).saturating_add(2 << 20)
}

/// How the rows of some content become a file.
#[derive(Debug, Clone)]
pub(crate) struct TableRows {
    /// How the content is written.
    pub format: RowFormat,
    /// Its columns.
    pub table: Box<Table>,
}

/// The rows of content, as a file.
pub(super) struct Rows {
    reader: RowReader,
    writer: RowWriter<Vec<u8>>,
}

impl Rows {
    pub(super) fn of(rows: &TableRows, level: ZstdLevel) -> Self {
        Self {
            reader: RowReader::new(rows.format),
            writer: RowWriter::new(Vec::new(), typed_columns(&rows.table), level.into()),
        }
    }

    fn take(&mut self, content: &[u8], parts: &mut Parts) -> Result<()> {
        self.reader.push(content, &mut self.writer).map_err(refused)?;
        hand_on(&mut self.writer, parts)
    }

    fn end(mut self, rows: Option<&RowCount>, parts: &mut Parts) -> Result<()> {
        self.reader.finish(&mut self.writer).map_err(refused)?;
        end(self.writer, rows, parts)
    }
}

/// Makes parts of what has been written so far.
fn hand_on(writer: &mut RowWriter<Vec<u8>>, parts: &mut Parts) -> Result<()> {
    if let Some(made) = writer.sink().filter(|made| !made.is_empty()) {
        parts.write(made)?;
        made.clear();
    }
    Ok(())
}

/// Makes parts of the rest, if all rows were written that were counted.
fn end(writer: RowWriter<Vec<u8>>, rows: Option<&RowCount>, parts: &mut Parts) -> Result<()> {
    let written = writer.rows();
    let counted = rows.map_or(0, |rows| rows.rows);
    if written != counted {
        return Err(Error::integrity(format!("{counted} rows were counted, but {written} written")));
    }
    parts.write_last(&writer.finish().map_err(refused)?)
}

/// Content that passes once, by the types that the export's schema has for its header.
pub(super) struct ExpectedRows {
    reader: Option<RowReader>,
    sink: ExpectedSink,
    has_misfit: bool,
}

struct ExpectedSink {
    known: Arc<KnownColumns>,
    level: ZstdLevel,
    written: Option<(Table, RowWriter<Vec<u8>>)>,
}

impl ExpectedRows {
    pub(super) fn of(format: RowFormat, known: &Arc<KnownColumns>, level: ZstdLevel) -> Self {
        let sink = ExpectedSink { known: Arc::clone(known), level, written: None };
        Self { reader: Some(RowReader::new(format)), sink, has_misfit: false }
    }
}

impl ContentEncoder for ExpectedRows {
    fn encode(&mut self, content: &[u8], parts: &mut Parts) -> Result<()> {
        let Some(reader) = self.reader.as_mut().filter(|_| !self.has_misfit) else { return Ok(()) };
        self.has_misfit = reader.push(content, &mut self.sink).is_err();
        self.sink.written.as_mut().map_or(Ok(()), |(_, writer)| hand_on(writer, parts))
    }

    fn has_misfit(&self) -> bool {
        self.has_misfit
    }

    fn finish(&mut self, _: ContentDigest, rows: Option<&RowCount>, parts: &mut Parts) -> Result<()> {
        let read = self.reader.take().map(|reader| reader.finish(&mut self.sink).is_ok());
        let table = rows.and_then(|rows| rows.table.as_deref());
        match (self.sink.written.take(), table) {
            // Values that fit into other types, too, would be written by those now.
            (Some((expected, writer)), Some(table))
                if read == Some(true) && has_types_of(&expected, table) =>
            {
                end(writer, rows, parts)
            }
            _ => {
                self.has_misfit = true;
                Ok(())
            }
        }
    }
}

fn has_types_of(expected: &Table, table: &Table) -> bool {
    let types = |table: &Table| -> Vec<_> { table.columns.iter().map(|column| column.written_as).collect() };
    types(expected) == types(table)
}

impl RowSink for ExpectedSink {
    type Error = ParquetError;

    fn header(&mut self, header: Table) -> Result<(), ParquetError> {
        let table = self.known.expected(header).ok_or(UnreadableRow::NoTable)?;
        let writer = RowWriter::new(Vec::new(), typed_columns(&table), self.level.into());
        self.written = Some((table, writer));
        Ok(())
    }

    fn field(&mut self, place: usize, value: Option<&[u8]>) -> Result<(), ParquetError> {
        self.writer()?.field(place, value)
    }

    fn value(&mut self, place: usize, key: &str, value: &RawValue) -> Result<(), ParquetError> {
        self.writer()?.value(place, key, value)
    }

    fn end_row(&mut self) -> Result<(), ParquetError> {
        self.writer()?.end_row()
    }
}

impl ExpectedSink {
    fn writer(&mut self) -> Result<&mut RowWriter<Vec<u8>>, ParquetError> {
        let written = self.written.as_mut().map(|(_, writer)| writer);
        written.ok_or_else(|| UnreadableRow::NoTable.into())
    }
}

/// Content that passes for the second time: its columns are known.
pub(super) struct KnownRows(pub Option<Rows>);

impl ContentEncoder for KnownRows {
    fn encode(&mut self, content: &[u8], parts: &mut Parts) -> Result<()> {
        self.0.as_mut().map_or(Ok(()), |rows| rows.take(content, parts))
    }

    fn finish(&mut self, _: ContentDigest, rows: Option<&RowCount>, parts: &mut Parts) -> Result<()> {
        self.0.take().map_or(Ok(()), |all| all.end(rows, parts))
    }
}

/// Content that is kept until its columns are known.
pub(super) struct KeptRows {
    pub format: RowFormat,
    pub level: ZstdLevel,
    pub content: Vec<u8>,
}

impl ContentEncoder for KeptRows {
    fn encode(&mut self, content: &[u8], _: &mut Parts) -> Result<()> {
        self.content.extend_from_slice(content);
        Ok(())
    }

    fn finish(&mut self, _: ContentDigest, rows: Option<&RowCount>, parts: &mut Parts) -> Result<()> {
        let Some(table) = rows.and_then(|rows| rows.table.clone()) else { return Ok(()) };
        let mut all = Rows::of(&TableRows { format: self.format, table }, self.level);
        all.take(&self.content, parts)?;
        all.end(rows, parts)
    }
}

/// Whether content becomes a file: it has rows and columns, and no row has more fields than there are columns.
pub(crate) fn is_table(rows: Option<&RowCount>) -> bool {
    rows.and_then(|rows| rows.table.as_deref()).is_some_and(|table| !table.has_longer_rows)
}

fn refused(error: ParquetError) -> Error {
    match error {
        ParquetError::RowTooLong { .. } | ParquetError::Unreadable(_) | ParquetError::Twice { .. } => {
            Error::limit_exceeded(format!(
                "{error}, which the form parquet does not take: land it in another form"
            ))
        }
        // All of it was looked at before.
        _ => Error::integrity("the rows are not those that were looked at").because(error),
    }
}
