//! A file read back as the texts that its rows were: whoever doubts that nothing was lost can look.

use bytes::Bytes;
use parquet::column::reader::ColumnReader;
use parquet::data_type::{ByteArray, DataType, FixedLenByteArray};
use parquet::file::reader::{FileReader as _, SerializedFileReader};

use crate::column::{ColumnKind, TypedColumn};
use crate::error::ParquetError;
use crate::moment::Format;
use crate::{number, schema};

/// A column read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextColumn {
    /// What it is.
    pub column: TypedColumn,
    /// The text of each row's value; none where it was missing. Of JSON lines' strings, what is between the quotes.
    pub texts: Vec<Option<Vec<u8>>>,
}

/// Reads all of a file that a [`RowWriter`](crate::RowWriter) has written, which is in memory.
pub fn read_texts(file: Bytes) -> Result<Vec<TextColumn>, ParquetError> {
    let reader = SerializedFileReader::new(file)?;
    let metadata = reader.metadata().file_metadata().key_value_metadata();
    let said = metadata
        .and_then(|pairs| pairs.iter().find(|pair| pair.key == schema::COLUMNS_KEY)?.value.as_deref());
    let columns: Vec<TypedColumn> = serde_json::from_str(said.ok_or(ParquetError::Metadata(None))?)
        .map_err(|error| ParquetError::Metadata(Some(error)))?;
    let mut read: Vec<TextColumn> =
        columns.into_iter().map(|column| TextColumn { column, texts: Vec::new() }).collect();
    for group in 0..reader.num_row_groups() {
        let group = reader.get_row_group(group)?;
        for (place, column) in read.iter_mut().enumerate() {
            column.read(group.get_column_reader(place)?)?;
        }
    }
    Ok(read)
}

impl TextColumn {
    fn read(&mut self, reader: ColumnReader) -> Result<(), ParquetError> {
        let kind = self.column.kind;
        match reader {
            ColumnReader::BoolColumnReader(reader) => self.read_all(reader, |value| match kind {
                ColumnKind::Boolean { case } => case.text(*value).into(),
                _ => Vec::new(),
            }),
            ColumnReader::Int32ColumnReader(reader) => {
                let text = number_text(kind);
                self.read_all(reader, |value| text(i128::from(*value)))
            }
            ColumnReader::Int64ColumnReader(reader) => {
                let text = number_text(kind);
                self.read_all(reader, |value| text(i128::from(*value)))
            }
            ColumnReader::ByteArrayColumnReader(reader) => {
                self.read_all(reader, |value: &ByteArray| value.data().to_vec())
            }
            ColumnReader::FixedLenByteArrayColumnReader(reader) => {
                let text = number_text(kind);
                self.read_all(reader, |value: &FixedLenByteArray| text(signed(value.data())))
            }
            _ => Err(ParquetError::Metadata(None)),
        }
    }

    fn read_all<T: DataType>(
        &mut self,
        mut reader: parquet::column::reader::ColumnReaderImpl<T>,
        text: impl Fn(&T::T) -> Vec<u8>,
    ) -> Result<(), ParquetError> {
        loop {
            let (mut levels, mut values) = (Vec::new(), Vec::new());
            let (rows, _, _) = reader.read_records(1 << 16, Some(&mut levels), None, &mut values)?;
            if rows == 0 {
                return Ok(());
            }
            let mut values = values.iter();
            for level in levels {
                self.texts.push(match level {
                    0 if self.column.null_is_empty => Some(Vec::new()),
                    0 => None,
                    _ => values.next().map(&text),
                });
            }
        }
    }
}

/// The number that a value of some bytes is, the highest first.
fn signed(bytes: &[u8]) -> i128 {
    let sign = if bytes.first().is_some_and(|byte| *byte > 0x7f) { -1 } else { 0 };
    bytes.iter().fold(sign, |number: i128, byte| (number << 8) | i128::from(*byte))
}

/// What the number is of which a column stores each value.
fn number_text(kind: ColumnKind) -> impl Fn(i128) -> Vec<u8> {
    let format = match kind {
        ColumnKind::Date { pattern }
        | ColumnKind::Timestamp { pattern }
        | ColumnKind::TimestampWithZone { pattern } => Some(Format::of(pattern)),
        _ => None,
    };
    let is_date = matches!(kind, ColumnKind::Date { .. });
    let (scale, max_scale) = match kind {
        ColumnKind::Decimal { scale, max_scale, .. } => (scale, max_scale),
        _ => (0, 0),
    };
    let zeros = 10_i128.checked_pow(u32::from(scale.saturating_sub(max_scale))).unwrap_or(1);
    move |number| {
        let text = match &format {
            Some(format) if is_date => format.date_text(i32::try_from(number).unwrap_or_default()),
            Some(format) => format.text(i64::try_from(number).unwrap_or_default()),
            None => number::text(number / zeros, max_scale),
        };
        text.into_bytes()
    }
}
