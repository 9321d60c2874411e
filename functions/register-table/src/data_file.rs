//! What a table is told of a landed file: its size, its rows, and of each column how much there is and between which bounds.

use std::collections::HashMap;

use iceberg::spec::{
    DataContentType, DataFile, DataFileBuilder, DataFileFormat, Datum, PrimitiveType, Schema, Struct,
};
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::statistics::Statistics;

/// Readers look at the beginning of a text to pass over files; no bound need be longer.
const BOUND_CHARACTERS: usize = 16;
/// What comes of the largest texts of a file that Parquet has cut already, and no more.
const MAX_BOUND_BYTES: usize = 256;

/// A value that bounds others; its order is that of the type that it is of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Bound {
    Number(i128),
    Bytes(Vec<u8>),
}

/// What is known of a column, over all row groups.
#[derive(Debug, Default)]
struct Measured {
    bytes: u64,
    values: u64,
    /// None once a row group does not tell.
    nulls: Option<u64>,
    bounds: Bounds,
}

/// Between which values a column's are.
#[derive(Debug, Default)]
enum Bounds {
    /// There was no value yet.
    #[default]
    Nothing,
    Between(Bound, Bound),
    /// A row group does not tell.
    Unknown,
}

/// A landed file as a table's manifest has it.
pub(crate) fn describe(
    path: &str,
    size: u64,
    file: &ParquetMetaData,
    schema: &Schema,
    (spec_id, partition): (i32, Struct),
) -> Result<DataFile, String> {
    let rows = u64::try_from(file.file_metadata().num_rows()).map_err(|_| "its rows are fewer than none")?;
    let mut described = DataFileBuilder::default();
    let (mut sizes, mut values, mut nulls) = (HashMap::new(), HashMap::new(), HashMap::new());
    let (mut lower, mut upper) = (HashMap::new(), HashMap::new());
    for (place, column) in file.file_metadata().schema_descr().columns().iter().enumerate() {
        let Some(field) = schema.field_by_name(column.name()) else { continue };
        let Some(kind) = field.field_type.as_primitive_type() else { continue };
        let measured = measure(file.row_groups(), place);
        sizes.insert(field.id, measured.bytes);
        values.insert(field.id, measured.values);
        nulls.extend(measured.nulls.map(|nulls| (field.id, nulls)));
        if let Bounds::Between(least, greatest) = measured.bounds {
            lower.extend(datum(least, kind, true).map(|bound| (field.id, bound)));
            upper.extend(datum(greatest, kind, false).map(|bound| (field.id, bound)));
        }
    }
    described
        .content(DataContentType::Data)
        .file_path(path.to_owned())
        .file_format(DataFileFormat::Parquet)
        .partition(partition)
        .partition_spec_id(spec_id)
        .record_count(rows)
        .file_size_in_bytes(size)
        .column_sizes(sizes)
        .value_counts(values)
        .null_value_counts(nulls)
        .lower_bounds(lower)
        .upper_bounds(upper)
        .split_offsets(Some(file.row_groups().iter().filter_map(begin).collect()))
        .build()
        .map_err(|error| error.to_string())
}

/// Where a row group begins in the file.
fn begin(group: &RowGroupMetaData) -> Option<i64> {
    let first = group.columns().first()?;
    Some(first.dictionary_page_offset().unwrap_or(first.data_page_offset()))
}

fn measure(groups: &[RowGroupMetaData], place: usize) -> Measured {
    let mut measured = Measured { nulls: Some(0), ..Measured::default() };
    for chunk in groups.iter().filter_map(|group| group.columns().get(place)) {
        let values = u64::try_from(chunk.num_values()).unwrap_or_default();
        let nulls = chunk.statistics().and_then(Statistics::null_count_opt);
        measured.bytes =
            measured.bytes.saturating_add(u64::try_from(chunk.compressed_size()).unwrap_or_default());
        measured.values = measured.values.saturating_add(values);
        measured.nulls = measured.nulls.zip(nulls).map(|(sum, nulls)| sum.saturating_add(nulls));
        measured.bounds = match (measured.bounds, chunk.statistics().and_then(bounds)) {
            // It has no value that its bounds would have to hold.
            (known, None) if nulls == Some(values) => known,
            (Bounds::Unknown, _) | (_, None) => Bounds::Unknown,
            (Bounds::Nothing, Some((least, greatest))) => Bounds::Between(least, greatest),
            (Bounds::Between(a, b), Some((least, greatest))) => {
                Bounds::Between(a.min(least), b.max(greatest))
            }
        };
    }
    measured
}

fn bounds(statistics: &Statistics) -> Option<(Bound, Bound)> {
    match statistics {
        Statistics::Boolean(known) => {
            Some((Bound::Number((*known.min_opt()?).into()), Bound::Number((*known.max_opt()?).into())))
        }
        Statistics::Int32(known) => {
            Some((Bound::Number((*known.min_opt()?).into()), Bound::Number((*known.max_opt()?).into())))
        }
        Statistics::Int64(known) => {
            Some((Bound::Number((*known.min_opt()?).into()), Bound::Number((*known.max_opt()?).into())))
        }
        Statistics::ByteArray(known) => Some((
            Bound::Bytes(known.min_opt()?.data().to_vec()),
            Bound::Bytes(known.max_opt()?.data().to_vec()),
        )),
        // Of those that landfall writes, only a number of many digits is of a fixed length.
        Statistics::FixedLenByteArray(known) => Some((
            Bound::Number(signed(known.min_opt()?.data())?),
            Bound::Number(signed(known.max_opt()?.data())?),
        )),
        _ => None,
    }
}

/// The number that a two's complement of some bytes is, the highest first.
fn signed(bytes: &[u8]) -> Option<i128> {
    let sign = if bytes.first()? & 0x80 == 0 { 0 } else { 0xff };
    let mut wide = [sign; 16];
    let from = wide.len().checked_sub(bytes.len())?;
    wide.get_mut(from..)?.copy_from_slice(bytes);
    Some(i128::from_be_bytes(wide))
}

/// A bound in the type that the table has; none where it would be long, or does not fit.
fn datum(bound: Bound, kind: &PrimitiveType, is_lower: bool) -> Option<Datum> {
    let bytes = match (bound, kind) {
        (Bound::Number(number), PrimitiveType::Boolean) => vec![u8::from(number != 0)],
        (Bound::Number(number), PrimitiveType::Int | PrimitiveType::Date) => {
            i32::try_from(number).ok()?.to_le_bytes().to_vec()
        }
        (
            Bound::Number(number),
            PrimitiveType::Long | PrimitiveType::Timestamp | PrimitiveType::Timestamptz,
        ) => i64::try_from(number).ok()?.to_le_bytes().to_vec(),
        (Bound::Number(number), PrimitiveType::Decimal { .. }) => number.to_be_bytes().to_vec(),
        // A beginning is never greater than what it is of.
        (Bound::Bytes(bytes), PrimitiveType::String) if is_lower => {
            String::from_utf8(bytes).ok()?.chars().take(BOUND_CHARACTERS).collect::<String>().into_bytes()
        }
        (Bound::Bytes(mut bytes), PrimitiveType::Binary) if is_lower => {
            bytes.truncate(BOUND_CHARACTERS);
            bytes
        }
        (Bound::Bytes(bytes), PrimitiveType::String | PrimitiveType::Binary)
            if bytes.len() <= MAX_BOUND_BYTES =>
        {
            bytes
        }
        _ => return None,
    };
    Datum::try_from_bytes(&bytes, kind.clone()).ok()
}

#[cfg(test)]
mod tests {
    use iceberg::spec::PrimitiveLiteral;

    use super::*;

    /// A reader passes over a file by its bounds: none may leave a value out.
    #[test]
    fn bounds_hold_what_they_bound() {
        assert_eq!(signed(&[0xff, 0x38]), Some(-200));
        assert_eq!(signed(&[0x00, 0xc8]), Some(200));
        assert_eq!(signed(&[0; 17]), None);

        let long = "é".repeat(100);
        let lower = datum(Bound::Bytes(long.clone().into_bytes()), &PrimitiveType::String, true).unwrap();
        assert_eq!(lower, Datum::string("é".repeat(16)));
        let upper = datum(Bound::Bytes(long.clone().into_bytes()), &PrimitiveType::String, false).unwrap();
        assert_eq!(upper, Datum::string(long));
        assert_eq!(datum(Bound::Bytes(vec![b'x'; 1000]), &PrimitiveType::String, false), None);
        // A column that was widened is bounded in its new type.
        assert_eq!(datum(Bound::Number(-3), &PrimitiveType::Long, true), Some(Datum::long(-3)));
        assert_eq!(datum(Bound::Number(1 << 40), &PrimitiveType::Int, true), None);
        let amount = PrimitiveType::Decimal { precision: 12, scale: 2 };
        assert_eq!(
            datum(Bound::Number(-12_345), &amount, true).unwrap().literal(),
            &PrimitiveLiteral::Int128(-12_345)
        );
    }
}
