//! What the manifest tells of the columns: each table with its columns' types, by the version of the export's schema that
//! the job is of, and a statement that reads it by them.

use landfall::rows::{Column, ColumnType, Table, TableFormat, TableId, ValueKind};
use landfall::schema::SchemaTable;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Rows of the same columns, in one or more of the objects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ManifestTable {
    /// What its objects have as `table`.
    pub id: TableId,
    /// Which table of the export's schema it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema_table: Option<u32>,
    /// Its columns, in the order of the header, or in which a row first has them.
    pub columns: Vec<ManifestColumn>,
    /// Whether a row has more fields than the header names.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_longer_rows: bool,
    /// Statements by which DuckDB reads all of its rows, each value exactly.
    pub duckdb: String,
}

/// A column: its type by the export's schema, or in the job's Parquet files, and how it is in this job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ManifestColumn {
    /// Its name.
    pub name: String,
    /// The type that keeps each of its values.
    pub r#type: ColumnType,
    /// How each of its days or moments is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// The fewest digits behind the point, where some values have more: those come back with more zeros than they had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_scale: Option<u8>,
    /// Whether a row lacks it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub may_be_missing: bool,
    /// Whether a value is the empty text.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub may_be_empty: bool,
    /// Whether no row has a value.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_always_missing: bool,
}

/// Where a job's objects are, as DuckDB is told.
pub(crate) struct Location {
    /// What leads every key: `s3://bucket/`.
    pub bucket: String,
    /// The manifest, as a whole.
    pub manifest: String,
    /// Whether those of tables are Parquet files.
    pub are_parquet: bool,
}

/// A column of a job's table, as it is to be read.
struct ReadColumn<'a> {
    column: &'a Column,
    of_type: ColumnType,
    /// How its days and moments are written.
    format: Option<&'a str>,
}

impl<'a> ReadColumn<'a> {
    /// The columns of a table in Parquet files, by the types that these were written with.
    fn in_parquet(table: &'a Table) -> Vec<Self> {
        let written_as = |column: &Column| column.written_as.unwrap_or(column.exact_type(table.format, None));
        table.columns.iter().map(|column| Self::with(column, written_as(column))).collect()
    }

    /// The columns of a table of text, by its schema's types where it has them.
    fn in_text(table: &'a Table, known: Option<&SchemaTable>) -> Vec<Self> {
        let of_type = known.map(|known| known.types_of(table)).unwrap_or_default();
        let types = of_type.into_iter().chain(std::iter::repeat(None));
        std::iter::zip(&table.columns, types)
            .map(|(column, known)| Self::with(column, known.unwrap_or(column.kind.column_type())))
            .collect()
    }

    fn with(column: &'a Column, of_type: ColumnType) -> Self {
        let format = match &column.kind {
            ValueKind::Moment { pattern } if of_type == column.kind.column_type() => Some(pattern.as_str()),
            _ => None,
        };
        Self { column, of_type, format }
    }

    /// The fewest digits behind the point, where the type has more.
    fn min_scale(&self) -> Option<u8> {
        match (&self.column.kind, self.of_type) {
            (ValueKind::Number(digits), ColumnType::Decimal { scale, .. }) => {
                Some(digits.min_scale).filter(|min_scale| *min_scale < scale)
            }
            _ => None,
        }
    }
}

impl ManifestTable {
    pub(crate) fn of(id: TableId, table: &Table, known: Option<&SchemaTable>, location: &Location) -> Self {
        let columns = match location.are_parquet {
            true => ReadColumn::in_parquet(table),
            false => ReadColumn::in_text(table, known),
        };
        Self {
            id,
            schema_table: known.map(|known| known.number),
            has_longer_rows: table.has_longer_rows,
            duckdb: duckdb(id, table, &columns, location),
            columns: columns.iter().map(ManifestColumn::of).collect(),
        }
    }
}

impl ManifestColumn {
    fn of(read: &ReadColumn<'_>) -> Self {
        let ReadColumn { column, of_type, format } = read;
        Self {
            name: column.name.clone(),
            r#type: *of_type,
            format: format.map(ToOwned::to_owned),
            min_scale: read.min_scale(),
            may_be_missing: column.may_be_missing,
            may_be_empty: column.may_be_empty,
            is_always_missing: column.kind == ValueKind::Nothing && !column.may_be_empty,
        }
    }
}

/// The statements that read a table: which objects it has, the manifest tells.
fn duckdb(id: TableId, table: &Table, columns: &[ReadColumn<'_>], location: &Location) -> String {
    let Location { bucket, manifest, are_parquet } = location;
    let (selected, reader) = match are_parquet {
        // Objects of one table may have a column in several types, as their values are: DuckDB finds the one of all.
        true => ("*".to_owned(), "read_parquet(getvariable('objects'), union_by_name = true)".to_owned()),
        false => selected_from_text(table, columns),
    };
    format!(
        "SET VARIABLE objects = (SELECT list({} || o.key) FROM (SELECT unnest(objects) AS o FROM read_json({}, columns = \
         {{objects: 'STRUCT(\"key\" VARCHAR, \"table\" VARCHAR)[]'}})) WHERE o.\"table\" = '{id}'); SELECT {selected} FROM \
         {reader};",
        text(bucket),
        text(manifest),
    )
}

/// What is selected of text, and what reads it.
fn selected_from_text(table: &Table, columns: &[ReadColumn<'_>]) -> (String, String) {
    let names = table.unique_names();
    let read: Vec<String> = std::iter::zip(&names, columns)
        .map(|(name, column)| format!("{}: {}", text(name), text(&type_as_read(column).to_string())))
        .collect();
    let selected: Vec<String> =
        std::iter::zip(&names, columns).map(|(name, column)| selected(name, column)).collect();
    let selected =
        match std::iter::zip(&names, &selected).all(|(name, selected)| *selected == identifier(name)) {
            true => "*".to_owned(),
            false => selected.join(", "),
        };
    (selected, format!("{}, columns = {{{}}})", reader(table), read.join(", ")))
}

fn reader(table: &Table) -> String {
    match table.format {
        TableFormat::Csv { quote, has_backslashes, .. } => {
            let byte = |byte: u8| text(&char::from(byte).to_string());
            let quote = quote.map_or_else(|| "''".to_owned(), byte);
            let escape = if has_backslashes { text("\\") } else { quote.clone() };
            let padding = if table.has_shorter_rows { ", null_padding = true" } else { "" };
            format!(
                "read_csv(getvariable('objects'), auto_detect = false, header = true, delim = {}, quote = {quote}, \
                 escape = {escape}{padding}",
                text(&table.format.delimiter().unwrap_or_default())
            )
        }
        TableFormat::Ndjson => "read_json(getvariable('objects'), format = 'newline_delimited'".to_owned(),
    }
}

fn type_as_read(column: &ReadColumn<'_>) -> ColumnType {
    match column.format.and_then(strptime) {
        Some(_) => ColumnType::Text,
        None => column.of_type,
    }
}

fn selected(name: &str, column: &ReadColumn<'_>) -> String {
    let name = identifier(name);
    match column.format.and_then(strptime) {
        Some(format) => format!("strptime({name}, {})::{} AS {name}", text(&format), column.of_type),
        None => name,
    }
}

/// The format by which DuckDB reads days and moments that are not written as it has them.
fn strptime(pattern: &str) -> Option<String> {
    let has_colon = |at: usize| pattern.as_bytes().get(at) == Some(&b':');
    let zone = pattern.find(['+', 'Z']).or_else(|| pattern.rfind('-').filter(|at| *at > 10));
    let is_plain_zone = zone.is_none_or(|at| pattern.ends_with('Z') || has_colon(at.saturating_add(3)));
    if pattern.starts_with("YYYY-") && is_plain_zone {
        return None;
    }
    let moment = pattern.get(..zone.unwrap_or(pattern.len()))?;
    let fields = [("YYYY", "%Y"), ("MM", "%m"), ("DD", "%d"), ("hh", "%H"), ("mm", "%M"), ("ss", "%S")];
    let mut format = moment.trim_end_matches('S').to_owned();
    if format.len() < moment.len() {
        format.push_str("%f");
    }
    for (field, specifier) in fields {
        format = format.replace(field, specifier);
    }
    Some(if zone.is_some() { format + "%z" } else { format })
}

fn text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
