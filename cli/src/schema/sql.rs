//! Statements that make an export's tables and read what has landed of them, in the words of those who read it.
//!
//! They read text, and give it its type by casts that fail where a value does not have it: no reader's guess comes
//! between. Parquet files have types of their own, which are cast likewise to those of the schema.

use std::fmt::Write as _;

use clap::ValueEnum;
use landfall::rows::{ColumnType, TableFormat, unique_names};
use landfall::schema::{SchemaColumn, SchemaTable, SchemaVersion};

/// Whose SQL it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Dialect {
    /// DuckDB
    Duckdb,
    /// Spark SQL
    Spark,
    /// Amazon Athena: Hive's words for the table, Trino's for the view
    Athena,
    /// Snowflake
    Snowflake,
    /// Apache Iceberg, by Spark SQL
    Iceberg,
}

/// What is read.
pub(crate) struct Place {
    /// What leads every key: `s3://bucket/`.
    pub(crate) bucket: String,
    /// The folder of a job, or a pattern of all such folders.
    pub(crate) folder: String,
    /// Whether it is of one job.
    pub(crate) is_of_a_job: bool,
    /// Whether tables are Parquet files there.
    pub(crate) are_parquet: bool,
}

/// The statements for all tables.
pub(crate) fn statements(dialect: Dialect, version: &SchemaVersion, place: &Place) -> String {
    let names = |table: &SchemaTable| unique_names(table.columns.iter().map(|column| column.name.as_str()));
    let one = |table| Statements { dialect, version, table, names: names(table), place }.all();
    version.tables.iter().map(one).collect::<Vec<_>>().join("\n")
}

struct Statements<'a> {
    dialect: Dialect,
    version: &'a SchemaVersion,
    table: &'a SchemaTable,
    /// The columns' names as SQL wants them: told apart without regard to case.
    names: Vec<String>,
    place: &'a Place,
}

/// How delimited text is written.
struct Delimited {
    delimiter: String,
    quote: String,
    escape: String,
}

impl Statements<'_> {
    fn all(&self) -> String {
        let name = self.name();
        let mut text = format!(
            "-- {} on {}, version {} of its schema, table {}\n",
            one_line(&self.version.export),
            self.version.connection,
            self.version.number,
            self.table.number
        );
        if self.version.tables.len() > 1 && self.dialect != Dialect::Duckdb {
            text.push_str("-- A job's folder has several tables: read the objects that its manifest names for this one.\n");
        }
        match self.dialect {
            Dialect::Duckdb => text.push_str(&self.duckdb(&name)),
            Dialect::Spark => text.push_str(&self.spark(&name, "")),
            Dialect::Iceberg => text.push_str(&self.spark(&name, " USING iceberg")),
            Dialect::Athena => text.push_str(&self.athena(&name)),
            Dialect::Snowflake => text.push_str(&self.snowflake(&name)),
        }
        text
    }

    /// The export's name, as a table can have it.
    fn name(&self) -> String {
        let last = self.version.export.rsplit('/').next().unwrap_or_default();
        let mut name: String =
            last.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
            name.insert_str(0, "t_");
        }
        match self.table.number {
            1 => name,
            number => format!("{name}_{number}"),
        }
    }

    fn columns(&self) -> impl Iterator<Item = (&String, &SchemaColumn)> {
        std::iter::zip(&self.names, &self.table.columns)
    }

    fn are_lines(&self) -> bool {
        !self.place.are_parquet && matches!(self.table.format, Some(TableFormat::Ndjson))
    }

    fn create(&self, head: &str, tail: &str) -> String {
        // Not that a column is never missing: an empty text is a missing value to some readers.
        let column = |(name, column): (&String, &SchemaColumn)| {
            format!("  {} {}", self.identifier(name), self.of_type(column.r#type))
        };
        let columns: Vec<_> = self.columns().map(column).collect();
        format!("{head} (\n{}\n){tail};\n", columns.join(",\n"))
    }

    fn of_type(&self, of_type: Option<ColumnType>) -> String {
        let of_type = of_type.unwrap_or(ColumnType::Text);
        let is_hive = matches!(self.dialect, Dialect::Spark | Dialect::Iceberg);
        match (self.dialect, of_type) {
            (Dialect::Snowflake, ColumnType::Integer) => "NUMBER(18,0)".to_owned(),
            (Dialect::Snowflake, ColumnType::Decimal { precision, scale }) => {
                format!("NUMBER({precision},{scale})")
            }
            (Dialect::Snowflake, ColumnType::Timestamp) => "TIMESTAMP_NTZ".to_owned(),
            (Dialect::Snowflake, ColumnType::TimestampWithZone) => "TIMESTAMP_TZ".to_owned(),
            (Dialect::Snowflake, ColumnType::Json) => "VARIANT".to_owned(),
            (Dialect::Athena, ColumnType::Binary) => "VARBINARY".to_owned(),
            (Dialect::Spark | Dialect::Iceberg | Dialect::Snowflake, ColumnType::Binary) => {
                "BINARY".to_owned()
            }
            (_, ColumnType::Text | ColumnType::Json) if is_hive => "STRING".to_owned(),
            (_, ColumnType::Timestamp) if is_hive => "TIMESTAMP_NTZ".to_owned(),
            (_, ColumnType::TimestampWithZone) if is_hive => "TIMESTAMP".to_owned(),
            (_, other) => other.to_string(),
        }
    }

    /// A column's text as its type. What is not of it fails.
    fn cast(&self, text: &str, column: &SchemaColumn) -> String {
        let of_type = column.r#type.unwrap_or(ColumnType::Text);
        let typed = self.of_type(column.r#type);
        let format = column.format.as_deref().unwrap_or_default();
        match (self.dialect, of_type) {
            (_, ColumnType::Text) => text.to_owned(),
            (Dialect::Duckdb, ColumnType::Date) if format.contains('/') => {
                format!("CAST(strptime({text}, '%Y/%m/%d') AS DATE)")
            }
            (Dialect::Duckdb, ColumnType::Timestamp | ColumnType::TimestampWithZone)
                if format.contains('/') =>
            {
                format!("CAST(replace({text}, '/', '-') AS {typed})")
            }
            (
                Dialect::Spark | Dialect::Iceberg,
                ColumnType::Date | ColumnType::Timestamp | ColumnType::TimestampWithZone,
            ) if format.contains('/') => {
                format!("CAST(replace({text}, '/', '-') AS {typed})")
            }
            (Dialect::Athena, ColumnType::Date) => format!("CAST(replace({text}, '/', '-') AS DATE)"),
            (Dialect::Athena, ColumnType::Timestamp) => {
                format!("CAST(replace(replace({text}, '/', '-'), 'T', ' ') AS TIMESTAMP(6))")
            }
            (Dialect::Athena, ColumnType::TimestampWithZone) => {
                format!("from_iso8601_timestamp(replace(replace({text}, '/', '-'), ' ', 'T'))")
            }
            (Dialect::Athena, ColumnType::Json) => format!("json_parse({text})"),
            (Dialect::Snowflake, ColumnType::Json) => format!("PARSE_JSON({text})"),
            (Dialect::Snowflake, ColumnType::Date) if format.contains('/') => {
                format!("TO_DATE({text}, 'YYYY/MM/DD')")
            }
            (Dialect::Snowflake, ColumnType::Timestamp | ColumnType::TimestampWithZone)
                if format.contains('/') =>
            {
                format!("CAST(REPLACE({text}, '/', '-') AS {typed})")
            }
            _ => format!("CAST({text} AS {typed})"),
        }
    }

    /// A column of Parquet files as its type. Where a value is missing in some rows and the empty text in others, it is text
    /// there, whatever its type is.
    fn cast_typed(&self, name: &str, column: &SchemaColumn) -> String {
        let name = self.identifier(name);
        let typed = self.of_type(column.r#type);
        match (self.dialect, column.r#type.unwrap_or(ColumnType::Text)) {
            (Dialect::Duckdb, ColumnType::Text | ColumnType::Json | ColumnType::Binary) => {
                format!("CAST({name} AS {typed})")
            }
            (Dialect::Duckdb, _) => format!("CAST(NULLIF(CAST({name} AS VARCHAR), '') AS {typed})"),
            _ => format!("CAST({name} AS {typed})"),
        }
    }

    fn delimited(&self) -> Delimited {
        let byte = |byte: u8| char::from(byte).to_string();
        match self.table.format {
            Some(format @ TableFormat::Csv { quote, has_backslashes, .. }) => {
                let quote = quote.map(byte).unwrap_or_default();
                let escape = if has_backslashes { "\\".to_owned() } else { quote.clone() };
                Delimited { delimiter: format.delimiter().unwrap_or_default(), quote, escape }
            }
            _ => Delimited { delimiter: ",".to_owned(), quote: "\"".to_owned(), escape: "\"".to_owned() },
        }
    }

    fn url(&self, of: &str) -> String {
        literal(&format!("{}{}{of}", self.place.bucket, self.place.folder))
    }

    /// All jobs that have landed, or one: manifests say which objects there are of a table, whatever the jobs' headers.
    fn duckdb(&self, name: &str) -> String {
        let mut text = self.create(&format!("CREATE TABLE {}", self.identifier(name)), "");
        let columns: Vec<_> = self
            .columns()
            .map(|(name, column)| {
                let quoted = self.identifier(name);
                let typed = match self.place.are_parquet {
                    true => self.cast_typed(name, column),
                    false => self.cast(&quoted, column),
                };
                format!("{typed} AS {quoted}")
            })
            .collect();
        let manifests = "objects: 'STRUCT(\"key\" VARCHAR, \"table\" VARCHAR)[]', \
                         tables: 'STRUCT(id VARCHAR, schema_table INTEGER)[]'";
        let _ = writeln!(
            text,
            "SET VARIABLE objects = (WITH manifests AS (SELECT objects, tables FROM read_json({}, columns = {{{manifests}}})), \
             landed AS (SELECT unnest(objects) AS o FROM manifests), known AS (SELECT unnest(tables) AS t FROM manifests) \
             SELECT list({} || o.key ORDER BY o.key) FROM landed WHERE o.\"table\" IN (SELECT t.id FROM known WHERE \
             t.schema_table = {}));",
            self.url("_manifest.json"),
            literal(&self.place.bucket),
            self.table.number
        );
        let reader = if self.place.are_parquet {
            "read_parquet(getvariable('objects'), union_by_name = true)".to_owned()
        } else if self.are_lines() {
            let typed = self.columns().map(|(_, column)| {
                format!("{}: {}", literal(&column.name), literal(&self.of_type(column.r#type)))
            });
            let typed: Vec<_> = typed.collect();
            format!(
                "read_json(getvariable('objects'), format = 'newline_delimited', columns = {{{}}})",
                typed.join(", ")
            )
        } else {
            let Delimited { delimiter, quote, escape } = self.delimited();
            format!(
                "read_csv(getvariable('objects'), header = true, all_varchar = true, {}, delim = {}, quote = {}, escape = {})",
                self.duckdb_names(),
                literal(&delimiter),
                literal(&quote),
                literal(&escape)
            )
        };
        // Typed already, lines of JSON are not cast.
        let selected = if self.are_lines() { "*".to_owned() } else { columns.join(", ") };
        let _ =
            writeln!(text, "INSERT INTO {} BY NAME SELECT {selected} FROM {reader};", self.identifier(name));
        text
    }

    /// By their names, in whatever header; by their places, where names differ in case alone or not at all.
    fn duckdb_names(&self) -> String {
        if self.columns().all(|(name, column)| *name == column.name) {
            return "union_by_name = true".to_owned();
        }
        let mut columns: Vec<_> = self.columns().collect();
        columns.sort_by_key(|(_, column)| column.place);
        let names: Vec<_> = columns.iter().map(|(name, _)| literal(name)).collect();
        format!("names = [{}]", names.join(", "))
    }

    fn spark(&self, name: &str, using: &str) -> String {
        let table = self.identifier(name);
        let landed = self.identifier(&format!("{name}_landed"));
        // Without it, a cast that fails is a missing value in Spark before version 4.
        let mut text = "SET spark.sql.ansi.enabled = true;\n".to_owned();
        text.push_str(&self.create(&format!("CREATE TABLE {table}"), using));
        let (format, options) = if self.place.are_parquet {
            text.push_str(
                "-- Spark merges types of files that are DECIMAL with the same scale, and refuses others.\n",
            );
            ("parquet", "pathGlobFilter '*.parquet', mergeSchema 'true'".to_owned())
        } else if self.are_lines() {
            ("json", "primitivesAsString 'true'".to_owned())
        } else {
            let Delimited { delimiter, quote, escape } = self.delimited();
            let options = format!(
                "header 'true', sep {}, quote {}, escape {}, multiLine 'true', mode 'FAILFAST'",
                hive_literal(&delimiter),
                hive_literal(&quote),
                hive_literal(&escape)
            );
            ("csv", options)
        };
        let path = hive_literal(&format!("{}{}", self.place.bucket, self.folder()));
        let _ = writeln!(
            text,
            "CREATE TEMPORARY VIEW {landed} USING {format} OPTIONS (path {path}, recursiveFileLookup 'true', {options});"
        );
        let _ = writeln!(text, "INSERT INTO {table} SELECT {} FROM {landed};", self.selected());
        text
    }

    /// A table of text that Hive's reader gives, and a view of it with types.
    fn athena(&self, name: &str) -> String {
        if self.place.are_parquet {
            return self.athena_parquet(name);
        }
        let landed = format!("{name}_landed").to_ascii_lowercase();
        let columns = self.columns().map(|(name, _)| format!("  `{}` string", name.replace('`', "``")));
        let columns: Vec<_> = columns.collect();
        let reader = if self.are_lines() {
            "ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'".to_owned()
        } else {
            let Delimited { delimiter, quote, escape } = self.delimited();
            format!(
                "ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.OpenCSVSerde'\nWITH SERDEPROPERTIES ('separatorChar' = {}, \
                 'quoteChar' = {}, 'escapeChar' = {})",
                hive_literal(&delimiter),
                hive_literal(&quote),
                hive_literal(&escape)
            )
        };
        let header = if self.are_lines() { "" } else { "\nTBLPROPERTIES ('skip.header.line.count' = '1')" };
        let path = hive_literal(&format!("{}{}", self.place.bucket, self.folder()));
        let mut text = String::new();
        if self.delimited().delimiter.len() > 1 {
            text.push_str(
                "-- OpenCSVSerde reads text with one character between two fields, and this has two.\n",
            );
        }
        if !self.are_lines() {
            text.push_str(
                "-- OpenCSVSerde takes columns by their places, and reads no line breaks in fields.\n",
            );
        }
        let _ = writeln!(
            text,
            "CREATE EXTERNAL TABLE `{landed}` (\n{}\n)\n{reader}\nLOCATION {path}{header};",
            columns.join(",\n")
        );
        let empty = |name: &str| format!("NULLIF({}, '')", quoted(&name.to_ascii_lowercase()));
        let typed = self.columns().map(|(name, column)| {
            format!("{} AS {}", self.cast(&empty(name), column), quoted(&name.to_ascii_lowercase()))
        });
        let typed: Vec<_> = typed.collect();
        let _ = writeln!(
            text,
            "CREATE VIEW {} AS SELECT {} FROM {};",
            quoted(&name.to_ascii_lowercase()),
            typed.join(", "),
            quoted(&landed)
        );
        text
    }

    /// Athena itself makes the table's types of those of the files.
    fn athena_parquet(&self, name: &str) -> String {
        let of_type = |column: &SchemaColumn| match column.r#type.unwrap_or(ColumnType::Text) {
            ColumnType::Text | ColumnType::Json => "string".to_owned(),
            ColumnType::Timestamp | ColumnType::TimestampWithZone => "timestamp".to_owned(),
            ColumnType::Binary => "binary".to_owned(),
            other => other.to_string().to_ascii_lowercase(),
        };
        let columns = self
            .columns()
            .map(|(name, column)| format!("  `{}` {}", name.replace('`', "``"), of_type(column)));
        let columns: Vec<_> = columns.collect();
        format!(
            "-- Athena refuses files whose types are others than it can make these of.\nCREATE EXTERNAL TABLE `{}` (\n{}\n)\n\
             STORED AS PARQUET\nLOCATION {};\n",
            name.to_ascii_lowercase(),
            columns.join(",\n"),
            hive_literal(&format!("{}{}", self.place.bucket, self.folder()))
        )
    }

    /// From a stage of the bucket: Snowflake takes columns by their places, or by their keys.
    fn snowflake(&self, name: &str) -> String {
        let table = self.identifier(name);
        let mut text = self.create(&format!("CREATE TABLE {table}"), "");
        let are_named = self.are_lines() || self.place.are_parquet;
        let mut columns: Vec<_> =
            self.columns().filter(|(_, column)| are_named || !column.may_be_absent).collect();
        columns.sort_by_key(|(_, column)| column.place);
        let names: Vec<_> = columns.iter().map(|(name, _)| self.identifier(name)).collect();
        let typed: Vec<_> = columns
            .iter()
            .zip(1..)
            .map(|((name, column), place): (_, usize)| {
                let key = if self.place.are_parquet { name } else { &column.name };
                match are_named {
                    true => format!("$1:{}::{}", self.identifier(key), self.of_type(column.r#type)),
                    false => self.cast(&format!("${place}"), column),
                }
            })
            .collect();
        let format = if self.place.are_parquet {
            "TYPE = PARQUET USE_LOGICAL_TYPE = TRUE BINARY_AS_TEXT = FALSE".to_owned()
        } else if self.are_lines() {
            "TYPE = JSON".to_owned()
        } else {
            let Delimited { delimiter, quote, .. } = self.delimited();
            let enclosed = match quote.is_empty() {
                true => "NONE".to_owned(),
                false => hive_literal(&quote),
            };
            format!(
                "TYPE = CSV SKIP_HEADER = 1 FIELD_DELIMITER = {} FIELD_OPTIONALLY_ENCLOSED_BY = {enclosed} \
                 EMPTY_FIELD_AS_NULL = TRUE",
                hive_literal(&delimiter)
            )
        };
        let pattern = if self.place.are_parquet { ".*[.]parquet" } else { ".*/[^_][^/]*" };
        let _ = writeln!(text, "-- @landing is a stage of {}.", one_line(&self.place.bucket));
        let _ = writeln!(
            text,
            "COPY INTO {table} ({}) FROM (SELECT {} FROM @landing/{}) FILE_FORMAT = ({format}) PATTERN = '{pattern}';",
            names.join(", "),
            typed.join(", "),
            one_line(&self.folder())
        );
        text
    }

    /// The folder of one job, which is left open where none is named: what no manifest names has not landed.
    fn folder(&self) -> String {
        match self.place.is_of_a_job {
            true => self.place.folder.clone(),
            false => self.place.folder.replace('*', "JOB"),
        }
    }

    fn selected(&self) -> String {
        let typed = self.columns().map(|(name, column)| {
            let typed = match self.place.are_parquet {
                true => self.cast_typed(name, column),
                false => self.cast(&self.identifier(&column.name), column),
            };
            format!("{typed} AS {}", self.identifier(name))
        });
        typed.collect::<Vec<_>>().join(", ")
    }

    fn identifier(&self, name: &str) -> String {
        match self.dialect {
            Dialect::Spark | Dialect::Iceberg => format!("`{}`", name.replace('`', "``")),
            Dialect::Duckdb | Dialect::Athena | Dialect::Snowflake => quoted(name),
        }
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Where a backslash leads an escape.
fn hive_literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'").replace('\t', "\\t"))
}

/// What stands in a comment cannot end it.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
