//! The columns of landed files, and the table's schema that holds them: columns are added and widened, never narrowed.

use std::collections::HashSet;
use std::sync::Arc;

use iceberg::spec::{NestedField, PrimitiveType, Schema, Type};
use parquet::basic::{LogicalType, TimeUnit, Type as Physical};
use parquet::schema::types::{SchemaDescriptor, Type as FileType};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A column that no file has: the day of the run, by which a table may be partitioned. Its values are the partitions'.
pub(crate) const DAY: &str = "landfall_day";

/// A column as files have it, or as a table is to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    pub name: String,
    pub kind: PrimitiveType,
}

/// Why the columns of files are not those of a table.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ColumnError {
    /// Something that landfall does not write.
    #[error("its column {0:?} is of a type that landfall does not write")]
    Unknown(String),
    /// Types that Iceberg does not make one of.
    #[error(
        "column {column:?} is {there} in the table and {comes} in what has landed, and Iceberg makes neither the other: declare \
         the column in the export's `columns` with a type that holds both, and have the jobs from then on in a table of \
         another name"
    )]
    Other { column: String, there: PrimitiveType, comes: PrimitiveType },
    /// A column that holds more than values.
    #[error("column {0:?} of the table is nested, and what has landed has values in it: name another table")]
    Nested(String),
    /// A column that must have a value.
    #[error(
        "column {0:?} of the table is required, and any column of what lands may lack values: make it optional"
    )]
    Required(String),
    /// What Iceberg's crate says of a schema.
    #[error("the table's schema cannot hold the columns")]
    Invalid(#[from] iceberg::Error),
}

/// The columns of a Parquet file.
pub(crate) fn of_file(schema: &SchemaDescriptor) -> Result<Vec<Column>, ColumnError> {
    schema.root_schema().get_fields().iter().map(|field| of_field(field)).collect()
}

fn of_field(field: &FileType) -> Result<Column, ColumnError> {
    let name = field.name().to_owned();
    let FileType::PrimitiveType { physical_type, precision, scale, .. } = field else {
        return Err(ColumnError::Unknown(name));
    };
    let kind = match (physical_type, field.get_basic_info().logical_type_ref()) {
        (Physical::BOOLEAN, None) => PrimitiveType::Boolean,
        (Physical::INT32, None) => PrimitiveType::Int,
        (Physical::INT64, None) => PrimitiveType::Long,
        (Physical::INT32, Some(LogicalType::Date)) => PrimitiveType::Date,
        (Physical::INT64, Some(LogicalType::Timestamp { is_adjusted_to_u_t_c, unit: TimeUnit::MICROS })) => {
            match is_adjusted_to_u_t_c {
                true => PrimitiveType::Timestamptz,
                false => PrimitiveType::Timestamp,
            }
        }
        (
            Physical::INT32 | Physical::INT64 | Physical::FIXED_LEN_BYTE_ARRAY,
            Some(LogicalType::Decimal { .. }),
        ) => match (u32::try_from(*precision), u32::try_from(*scale)) {
            (Ok(precision), Ok(scale)) => PrimitiveType::Decimal { precision, scale },
            _ => return Err(ColumnError::Unknown(name)),
        },
        (Physical::BYTE_ARRAY, Some(LogicalType::String | LogicalType::Json)) => PrimitiveType::String,
        (Physical::BYTE_ARRAY, None) => PrimitiveType::Binary,
        _ => return Err(ColumnError::Unknown(name)),
    };
    Ok(Column { name, kind })
}

/// The type that holds what two hold, by Iceberg's rules of promotion.
fn joined(one: &PrimitiveType, other: &PrimitiveType) -> Option<PrimitiveType> {
    match (one, other) {
        (one, other) if one == other => Some(one.clone()),
        (PrimitiveType::Int, PrimitiveType::Long) | (PrimitiveType::Long, PrimitiveType::Int) => {
            Some(PrimitiveType::Long)
        }
        (
            PrimitiveType::Decimal { precision: one, scale },
            PrimitiveType::Decimal { precision: other, scale: same },
        ) if scale == same => Some(PrimitiveType::Decimal { precision: *one.max(other), scale: *scale }),
        _ => None,
    }
}

/// The columns of several files, in the order in which they first come.
pub(crate) fn of_all<'a>(files: impl IntoIterator<Item = &'a [Column]>) -> Result<Vec<Column>, ColumnError> {
    let mut all: Vec<Column> = Vec::new();
    for column in files.into_iter().flatten() {
        match all.iter_mut().find(|there| there.name == column.name) {
            None => all.push(column.clone()),
            Some(there) => {
                there.kind = joined(&there.kind, &column.kind).ok_or_else(|| ColumnError::Other {
                    column: column.name.clone(),
                    there: there.kind.clone(),
                    comes: column.kind.clone(),
                })?;
            }
        }
    }
    Ok(all)
}

/// The schema of a table that is made, with the day of the run where that partitions it.
pub(crate) fn first_schema(columns: &[Column], with_day: bool) -> Result<Schema, ColumnError> {
    let day = with_day.then(|| Column { name: DAY.to_owned(), kind: PrimitiveType::Date });
    let fields = (1..).zip(columns.iter().chain(day.as_ref())).map(|(id, column)| field(id, column));
    Ok(Schema::builder().with_fields(fields).build()?)
}

fn field(id: i32, column: &Column) -> Arc<NestedField> {
    Arc::new(NestedField::optional(id, &column.name, Type::Primitive(column.kind.clone())))
}

/// The schema that a table needs to hold the columns, under an id that none of its schemas has: some catalogs take one for the
/// schema that they know by its id. `None` where the one that it has does.
pub(crate) fn evolved(
    schema: &Schema,
    last_schema_id: i32,
    last_column_id: i32,
    columns: &[Column],
) -> Result<Option<Schema>, ColumnError> {
    let names: HashSet<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    let mut fields = schema.as_struct().fields().to_vec();
    if let Some(required) = fields.iter().find(|field| field.required) {
        return Err(ColumnError::Required(required.name.clone()));
    }
    let mut has_changed = false;
    for field in fields.iter_mut().filter(|field| names.contains(field.name.as_str())) {
        let Some(there) = field.field_type.as_primitive_type() else {
            return Err(ColumnError::Nested(field.name.clone()));
        };
        for column in columns.iter().filter(|column| column.name == field.name) {
            let kind = joined(there, &column.kind).ok_or_else(|| ColumnError::Other {
                column: column.name.clone(),
                there: there.clone(),
                comes: column.kind.clone(),
            })?;
            if kind != *there {
                *field = Arc::new(NestedField {
                    field_type: Box::new(Type::Primitive(kind)),
                    ..(**field).clone()
                });
                has_changed = true;
                break;
            }
        }
    }
    let new = columns.iter().filter(|column| schema.field_by_name(&column.name).is_none());
    let new: Vec<_> =
        new.zip(1..).map(|(column, place)| field(last_column_id.saturating_add(place), column)).collect();
    if !has_changed && new.is_empty() {
        return Ok(None);
    }
    fields.extend(new);
    let evolved = Schema::builder()
        .with_schema_id(last_schema_id.saturating_add(1))
        .with_fields(fields)
        .with_identifier_field_ids(schema.identifier_field_ids())
        .build()?;
    Ok(Some(evolved))
}

/// The property of a table by which the columns of files are known that have no ids, as landfall's: by their names.
pub(crate) const NAME_MAPPING: &str = "schema.name-mapping.default";

/// Which names in files are which of the table's columns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Mapped {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    field_id: Option<i32>,
    names: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    fields: Vec<Value>,
}

/// The mapping that a table needs to know the columns by their names; `None` where the one that it has does.
pub(crate) fn name_mapping(
    schema: &Schema,
    there: Option<&str>,
    columns: &[Column],
) -> Result<Option<String>, serde_json::Error> {
    let mut mapping: Vec<Mapped> = there.map_or(Ok(Vec::new()), serde_json::from_str)?;
    let mut has_changed = false;
    for column in columns {
        let Some(id) = schema.field_id_by_name(&column.name) else { continue };
        if mapping.iter().any(|mapped| mapped.field_id == Some(id) && mapped.names.contains(&column.name)) {
            continue;
        }
        has_changed = true;
        match mapping.iter_mut().find(|mapped| mapped.field_id == Some(id)) {
            Some(mapped) => mapped.names.push(column.name.clone()),
            None => mapping.push(Mapped {
                field_id: Some(id),
                names: vec![column.name.clone()],
                fields: Vec::new(),
            }),
        }
    }
    has_changed.then(|| serde_json::to_string(&mapping)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, kind: PrimitiveType) -> Column {
        Column { name: name.to_owned(), kind }
    }

    fn decimal(precision: u32, scale: u32) -> PrimitiveType {
        PrimitiveType::Decimal { precision, scale }
    }

    /// What is registered stays readable: a column keeps its id, and what it holds only grows.
    #[test]
    fn a_schema_grows_and_its_columns_keep_their_ids() {
        let first = [column("id", PrimitiveType::Int), column("amount", decimal(8, 2))];
        let schema = first_schema(&first, true).unwrap();
        assert_eq!(evolved(&schema, 0, 3, &first).unwrap(), None);
        // Fewer digits, or a column less, fit as they are.
        assert_eq!(evolved(&schema, 0, 3, &[column("amount", decimal(5, 2))]).unwrap(), None);

        let wider = [
            column("note", PrimitiveType::String),
            column("amount", decimal(12, 2)),
            column("id", PrimitiveType::Long),
        ];
        let grown = evolved(&schema, 4, 7, &wider).unwrap().unwrap();
        let names: Vec<_> =
            grown.as_struct().fields().iter().map(|field| (field.id, field.name.as_str())).collect();
        assert_eq!(names, [(1, "id"), (2, "amount"), (3, DAY), (8, "note")]);
        let kind =
            |name: &str| grown.field_by_name(name).unwrap().field_type.as_primitive_type().unwrap().clone();
        assert_eq!((kind("id"), kind("amount")), (PrimitiveType::Long, decimal(12, 2)));
        assert_eq!(grown.schema_id(), 5);
        assert_eq!(evolved(&grown, 5, 8, &wider).unwrap(), None);
    }

    /// What Iceberg cannot evolve is an error that names the column and what helps.
    #[test]
    fn what_iceberg_does_not_widen_is_refused_by_name() {
        let schema = first_schema(&[column("amount", decimal(8, 2))], false).unwrap();
        for kind in [decimal(8, 3), PrimitiveType::Long, PrimitiveType::String] {
            let error = evolved(&schema, 0, 1, &[column("amount", kind)]).unwrap_err().to_string();
            assert!(error.starts_with("column \"amount\" is decimal(8, 2) in the table"), "{error}");
            assert!(error.contains("declare the column"), "{error}");
        }
        let files = [vec![column("a", PrimitiveType::Date)], vec![column("a", PrimitiveType::String)]];
        assert!(of_all(files.iter().map(Vec::as_slice)).is_err());
        let required = NestedField::required(1, "a", Type::Primitive(PrimitiveType::Long));
        let required = Schema::builder().with_fields([Arc::new(required)]).build().unwrap();
        let error = evolved(&required, 0, 1, &[column("a", PrimitiveType::Long)]).unwrap_err();
        assert!(error.to_string().contains("make it optional"), "{error}");
    }

    /// Files without ids are read by a mapping, which knows what others have mapped before.
    #[test]
    fn names_are_added_to_what_is_mapped() {
        let columns = [column("a", PrimitiveType::Long), column("b", PrimitiveType::Long)];
        let schema = first_schema(&columns, false).unwrap();
        let first = name_mapping(&schema, None, &columns).unwrap().unwrap();
        assert_eq!(first, r#"[{"field-id":1,"names":["a"]},{"field-id":2,"names":["b"]}]"#);
        assert_eq!(name_mapping(&schema, Some(&first), &columns).unwrap(), None);
        let theirs =
            r#"[{"field-id":1,"names":["A"]},{"names":["x"],"fields":[{"field-id":9,"names":["y"]}]}]"#;
        let both = name_mapping(&schema, Some(theirs), &columns).unwrap().unwrap();
        assert_eq!(
            both,
            r#"[{"field-id":1,"names":["A","a"]},{"names":["x"],"fields":[{"field-id":9,"names":["y"]}]},{"field-id":2,"names":["b"]}]"#
        );
    }
}
