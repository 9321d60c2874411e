//! How columns are stored, and how the file is written.

use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as Physical, ZstdLevel};
use parquet::errors::ParquetError as FileError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::{ColumnPath, Type};

use crate::column::{ColumnKind, TypedColumn};

/// Under which key of the file's metadata its columns are said.
pub(crate) const COLUMNS_KEY: &str = "landfall.columns";

/// The same for ever: the bytes of a file follow from its rows. Readers tell old writers' faults from it.
const CREATED_BY: &str = "landfall version 1.0.0 (build 1)";

/// The schema of a file with these columns. Any of them may be null, so that files of the same columns have the same.
pub(crate) fn schema(columns: &[TypedColumn]) -> Result<Arc<Type>, FileError> {
    let fields = columns.iter().map(|column| field(column).map(Arc::new));
    let fields = fields.collect::<Result<Vec<_>, _>>()?;
    Type::group_type_builder("schema").with_fields(fields).build().map(Arc::new)
}

fn field(column: &TypedColumn) -> Result<Type, FileError> {
    let (physical, logical) = match column.kind {
        ColumnKind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        ColumnKind::Bytes => (Physical::BYTE_ARRAY, None),
        ColumnKind::Json => (Physical::BYTE_ARRAY, Some(LogicalType::Json)),
        ColumnKind::Integer => (Physical::INT64, None),
        ColumnKind::Decimal { precision, scale, .. } => {
            let logical = LogicalType::decimal(i32::from(scale), i32::from(precision));
            (decimal_physical(precision), Some(logical))
        }
        ColumnKind::Boolean { .. } => (Physical::BOOLEAN, None),
        ColumnKind::Date { .. } => (Physical::INT32, Some(LogicalType::Date)),
        ColumnKind::Timestamp { .. } => {
            (Physical::INT64, Some(LogicalType::timestamp(false, TimeUnit::MICROS)))
        }
        ColumnKind::TimestampWithZone { .. } => {
            (Physical::INT64, Some(LogicalType::timestamp(true, TimeUnit::MICROS)))
        }
    };
    let mut field = Type::primitive_type_builder(&column.name, physical)
        .with_repetition(Repetition::OPTIONAL)
        .with_logical_type(logical);
    if let ColumnKind::Decimal { precision, scale, .. } = column.kind {
        field = field.with_precision(i32::from(precision)).with_scale(i32::from(scale));
        if physical == Physical::FIXED_LEN_BYTE_ARRAY {
            field = field.with_length(i32::try_from(decimal_bytes(precision)).unwrap_or(i32::MAX));
        }
    }
    field.build()
}

/// What numbers of so many digits are stored as: 32 bits hold nine, 64 hold 18.
pub(crate) fn decimal_physical(precision: u8) -> Physical {
    match precision {
        0..=9 => Physical::INT32,
        10..=18 => Physical::INT64,
        _ => Physical::FIXED_LEN_BYTE_ARRAY,
    }
}

/// The fewest bytes that hold every number of so many digits, with its sign.
pub(crate) fn decimal_bytes(precision: u8) -> usize {
    let largest = 10_u128.checked_pow(u32::from(precision)).unwrap_or(u128::MAX);
    // One bit more for the sign.
    let bits = u128::BITS.saturating_sub(largest.leading_zeros()).saturating_add(1);
    usize::try_from(bits.div_ceil(8)).unwrap_or(16).min(16)
}

/// How the file is written. Which columns have a dictionary was decided by their first values.
pub(crate) fn properties(
    columns: &[TypedColumn],
    has_dictionary: impl Fn(usize) -> bool,
    level: i32,
) -> Result<WriterProperties, FileError> {
    let mut properties = WriterProperties::builder()
        .set_created_by(CREATED_BY.to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(level)?))
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_dictionary_enabled(false);
    for (place, column) in columns.iter().enumerate() {
        if has_dictionary(place) {
            let path = ColumnPath::new(vec![column.name.clone()]);
            properties = properties.set_column_dictionary_enabled(path, true);
        }
    }
    Ok(properties.build())
}

/// What the file's metadata says of its columns, once all of their values are there.
pub(crate) fn metadata(columns: &[TypedColumn]) -> Result<KeyValue, FileError> {
    let said = serde_json::to_string(columns).map_err(|error| FileError::External(Box::new(error)))?;
    Ok(KeyValue::new(COLUMNS_KEY.to_owned(), said))
}
