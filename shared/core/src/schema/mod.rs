//! The schema of an export: the columns that its tables have over all of its jobs, kept in versions.
//!
//! A version is made from the one before it by what a job's tables show, and keeps the values of both. So whatever a
//! version says also holds for the jobs that were landed by an earlier one, but for what a person has declared
//! meanwhile.

mod drift;
mod fit;
mod known;
mod matching;

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::job::{ConnectionName, JobRequestId};
use crate::rows::{ColumnType, Misfit, TableFormat, TableId, kept_type, kept_types};

pub use crate::declaration::{DeclaredColumn, OnSchemaChange, SourceColumn};
pub use drift::{JobColumns, Outcome};
pub use known::KnownColumns;

/// Where what is known of a column is from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KnownFrom {
    /// A person has declared it.
    Declared,
    /// The source describes it so, and all values fit.
    Source,
    /// All values show it.
    #[default]
    #[serde(other)]
    Observed,
}

/// A column of an export.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemaColumn {
    /// Its name in the text.
    pub name: String,
    /// The type that keeps each of its values; none as long as it has had no value.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "kept_types")]
    pub r#type: Option<ColumnType>,
    /// How its days, moments or truth values are written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// Its place in a row, from 0, when the table last changed.
    pub place: u32,
    /// Whether rows lack it.
    #[serde(default)]
    pub may_be_missing: bool,
    /// Whether a job's rows lack it altogether: it came later, or has gone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub may_be_absent: bool,
    /// Where that is from.
    pub known_from: KnownFrom,
    /// What was last declared of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declared: Option<Declaration>,
}

/// What was declared of a column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Declaration {
    /// Its type.
    #[serde(deserialize_with = "kept_type")]
    pub r#type: ColumnType,
    /// Whether rows may lack it.
    pub may_be_missing: bool,
}

/// A table of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemaTable {
    /// What it is called: tables are numbered from 1.
    pub number: u32,
    /// How it is written, as it was when it last changed; none as long as no job has had it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<TableFormat>,
    /// Its columns, in the order of its first header, and the later ones behind.
    pub columns: Vec<SchemaColumn>,
}

/// How a job's columns differ from the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// A table that no job had before.
    NewTable,
    /// A column that the table did not have.
    NewColumn,
    /// A column that the table had.
    Gone,
    /// A column in the place of one that has gone, whose type it fits: it may be the same under another name.
    Renamed,
    /// Numbers with more digits than the type holds.
    Wider,
    /// Rows lack a column that none lacked.
    Missing,
    /// A column that had no value until now.
    FirstValues,
    /// A person has declared it otherwise than it was.
    Declared,
    /// Values of another kind, or written in another way.
    #[serde(other)]
    OtherType,
}

/// A difference between a job's columns and the schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct SchemaChange {
    /// What has changed.
    pub change: ChangeKind,
    /// The table's number in the schema.
    pub table: u32,
    /// The column.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// The column in whose place it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renamed_from: Option<String>,
    /// The type that it had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<ColumnType>,
    /// The type that keeps all of its values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<ColumnType>,
    /// The first of its values that the type before does not take, where that was looked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<Misfit>,
}

/// Which table of the schema a job's table is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobTable {
    /// The job's table.
    pub id: TableId,
    /// Its number in the schema.
    pub table: u32,
}

/// A version of an export's schema: `schemas/<connection>/<export>/<number>.json`, written once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemaVersion {
    /// The connection.
    pub connection: ConnectionName,
    /// The export, by the path that its jobs land below.
    pub export: String,
    /// Which version it is, from 1: each is made from the one before it.
    pub number: u32,
    /// The job whose tables made it.
    pub made_by: JobRequestId,
    /// The tables, by their numbers.
    pub tables: Vec<SchemaTable>,
    /// How it differs from the version before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<SchemaChange>,
    /// Which of the tables those of the job are.
    pub job_tables: Vec<JobTable>,
    /// The versions before it, by number.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<EarlierVersion>,
}

/// A version before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EarlierVersion {
    /// Which one.
    pub number: u32,
    /// The job whose tables made it.
    pub made_by: JobRequestId,
}

/// By which version of the schema a job is told: `jobs/…/schema.json`, written once, before the job is published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobSchema {
    /// The version that its tables were held against; 0 where there was none.
    pub from: u32,
    /// The version that its manifest tells: the same, or the one that was made.
    pub schema_version: u32,
    /// Which of that version's tables its own are.
    pub tables: Vec<JobTable>,
    /// What has changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<SchemaChange>,
}

impl SchemaVersion {
    /// The version that a job has made, be it an earlier one.
    pub fn number_made_by(&self, job: &JobRequestId) -> Option<u32> {
        let earlier =
            || self.earlier.iter().find(|version| version.made_by == *job).map(|version| version.number);
        if self.made_by == *job { Some(self.number) } else { earlier() }
    }

    /// A table by its number.
    pub fn table(&self, number: u32) -> Option<&SchemaTable> {
        self.tables.iter().find(|table| table.number == number)
    }

    /// What is recorded of the job that has made it.
    pub fn record(&self) -> JobSchema {
        JobSchema {
            from: self.number.saturating_sub(1),
            schema_version: self.number,
            tables: self.job_tables.clone(),
            changes: self.changes.clone(),
        }
    }
}

impl ChangeKind {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::NewTable => "new_table",
            Self::NewColumn => "new_column",
            Self::Gone => "gone",
            Self::Renamed => "renamed",
            Self::Wider => "wider",
            Self::Missing => "missing",
            Self::FirstValues => "first_values",
            Self::Declared => "declared",
            Self::OtherType => "other_type",
        }
    }
}

/// In a line that a person can read; names are of the source's making, so they are quoted.
impl fmt::Display for SchemaChange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let column = self.column.as_deref().unwrap_or_default();
        let (before, after) = (or_none(self.before), or_none(self.after));
        let first = self.first.as_ref().map(|misfit| format!(", first in {misfit}")).unwrap_or_default();
        match self.change {
            ChangeKind::NewTable => write!(formatter, "table {} is new", self.table),
            ChangeKind::NewColumn => write!(formatter, "column {column:?} is new, a {after}"),
            ChangeKind::Gone => write!(formatter, "column {column:?} is gone, which was a {before}"),
            ChangeKind::Renamed => {
                let from = self.renamed_from.as_deref().unwrap_or_default();
                write!(formatter, "column {from:?} is gone, and {column:?} is in its place")
            }
            ChangeKind::Wider => {
                write!(formatter, "column {column:?} was {before} and now takes {after}{first}")
            }
            ChangeKind::Missing => write!(formatter, "column {column:?} lacks values, which it never did"),
            ChangeKind::FirstValues => {
                write!(formatter, "column {column:?} has its first values, of {after}")
            }
            ChangeKind::Declared => {
                write!(formatter, "column {column:?} was {before} and is declared as {after}")
            }
            ChangeKind::OtherType => {
                write!(formatter, "column {column:?} was {before} and has values of another kind{first}")
            }
        }
    }
}

fn or_none(of_type: Option<ColumnType>) -> String {
    of_type.map_or_else(|| "column without values".to_owned(), |of_type| of_type.to_string())
}
