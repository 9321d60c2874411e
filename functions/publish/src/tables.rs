//! What the manifest tells of the columns: each table with its columns' types, and a statement that reads it by them.

use landfall::rows::{Column, ColumnType, Table, TableFormat, TableId, ValueKind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Rows of the same columns, in one or more of the objects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ManifestTable {
    /// What its objects have as `table`.
    pub id: TableId,
    /// Its columns, in the order of the header, or in which a row first has them.
    pub columns: Vec<ManifestColumn>,
    /// Whether a row has more fields than the header names.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_longer_rows: bool,
    /// Statements by which DuckDB reads all of its rows, each value exactly.
    pub duckdb: String,
}

/// A column, as all of its values show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ManifestColumn {
    /// Its name.
    pub name: String,
    /// The type that keeps each of its values, as SQL has it: `VARCHAR`, `BIGINT`, `DECIMAL(p,s)`, `BOOLEAN`, `DATE`,
    /// `TIMESTAMP`, `TIMESTAMP WITH TIME ZONE`, `JSON`, or, in Parquet files, `BLOB`.
    pub r#type: String,
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

impl ManifestTable {
    pub(crate) fn of(id: TableId, table: &Table, location: &Location) -> Self {
        Self {
            id,
            columns: table
                .columns
                .iter()
                .map(|column| ManifestColumn::of(column, location.are_parquet.then_some(table.format)))
                .collect(),
            has_longer_rows: table.has_longer_rows,
            duckdb: duckdb(id, table, location),
        }
    }
}

impl ManifestColumn {
    /// A column; where it is in Parquet files, of text in this format.
    fn of(column: &Column, in_parquet: Option<TableFormat>) -> Self {
        let of_type = in_parquet.map_or(column.kind.column_type(), |format| column.exact_type(format));
        let is_number = matches!(of_type, ColumnType::Integer | ColumnType::Decimal { .. });
        let min_scale = match &column.kind {
            ValueKind::Number(digits) if is_number && digits.min_scale < digits.max_scale => {
                Some(digits.min_scale)
            }
            _ => None,
        };
        let format = match &column.kind {
            ValueKind::Moment { pattern } if of_type != ColumnType::Text => Some(pattern.as_str().to_owned()),
            _ => None,
        };
        Self {
            name: column.name.clone(),
            r#type: sql(of_type),
            format,
            min_scale,
            may_be_missing: column.may_be_missing,
            may_be_empty: column.may_be_empty,
            is_always_missing: column.kind == ValueKind::Nothing && !column.may_be_empty,
        }
    }
}

fn sql(of_type: ColumnType) -> String {
    match of_type {
        ColumnType::Text => "VARCHAR".to_owned(),
        ColumnType::Integer => "BIGINT".to_owned(),
        ColumnType::Decimal { precision, scale } => format!("DECIMAL({precision},{scale})"),
        ColumnType::Boolean => "BOOLEAN".to_owned(),
        ColumnType::Date => "DATE".to_owned(),
        ColumnType::Timestamp => "TIMESTAMP".to_owned(),
        ColumnType::TimestampWithZone => "TIMESTAMP WITH TIME ZONE".to_owned(),
        ColumnType::Json => "JSON".to_owned(),
        ColumnType::Binary => "BLOB".to_owned(),
    }
}

/// The statements that read a table: which objects it has, the manifest tells.
fn duckdb(id: TableId, table: &Table, location: &Location) -> String {
    let Location { bucket, manifest, are_parquet } = location;
    let (selected, reader) = match are_parquet {
        // Objects of one table may have a column in several types, as their values are: DuckDB finds the one of all.
        true => ("*".to_owned(), "read_parquet(getvariable('objects'), union_by_name = true)".to_owned()),
        false => selected_from_text(table),
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
fn selected_from_text(table: &Table) -> (String, String) {
    let names = table.unique_names();
    let read: Vec<String> = std::iter::zip(&names, &table.columns)
        .map(|(name, column)| format!("{}: {}", text(name), text(&type_as_read(&column.kind))))
        .collect();
    let selected: Vec<String> =
        std::iter::zip(&names, &table.columns).map(|(name, column)| selected(name, &column.kind)).collect();
    let selected =
        match std::iter::zip(&names, &selected).all(|(name, selected)| *selected == identifier(name)) {
            true => "*".to_owned(),
            false => selected.join(", "),
        };
    (selected, format!("{}, columns = {{{}}})", reader(table), read.join(", ")))
}

fn reader(table: &Table) -> String {
    match table.format {
        TableFormat::Csv { delimiter, quote, has_backslashes } => {
            let byte = |byte: u8| text(&char::from(byte).to_string());
            let quote = quote.map_or_else(|| "''".to_owned(), byte);
            let escape = if has_backslashes { text("\\") } else { quote.clone() };
            let padding = if table.has_shorter_rows { ", null_padding = true" } else { "" };
            format!(
                "read_csv(getvariable('objects'), auto_detect = false, header = true, delim = {}, quote = {quote}, \
                 escape = {escape}{padding}",
                byte(delimiter)
            )
        }
        TableFormat::Ndjson => "read_json(getvariable('objects'), format = 'newline_delimited'".to_owned(),
    }
}

fn type_as_read(kind: &ValueKind) -> String {
    match strptime(kind) {
        Some(_) => sql(ColumnType::Text),
        None => sql(kind.column_type()),
    }
}

fn selected(name: &str, kind: &ValueKind) -> String {
    let name = identifier(name);
    match strptime(kind) {
        Some(format) => format!("strptime({name}, {})::{} AS {name}", text(&format), sql(kind.column_type())),
        None => name,
    }
}

/// The format by which DuckDB reads days and moments that are not written as it has them.
fn strptime(kind: &ValueKind) -> Option<String> {
    let ValueKind::Moment { pattern } = kind else { return None };
    let pattern = pattern.as_str();
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
