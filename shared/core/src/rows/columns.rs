//! The columns of text, told from all of its values as they pass: which there are, and the type that keeps each value.

mod delimited;
mod json;
mod sql;
mod value;

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashSet};
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::dialect::Dialect;
use crate::checksum::{Crc64Nvme, Hasher};

pub(super) use self::delimited::DelimitedColumns;
pub(super) use self::json::{JsonColumns, Row as JsonRow};
pub use self::sql::UnknownType;
pub(crate) use self::sql::{kept_type, kept_types};
use self::value::MAX_TYPED_BYTES;
pub use self::value::{Case, ColumnType, Digits, Pattern, ValueKind};

/// Text with more columns is not looked at.
const MAX_COLUMNS: usize = 1_000;

/// A column's name of more bytes is none: the text has no header, or is no table.
const MAX_NAME_BYTES: usize = 128;

/// So many tables of a job are told, and no more: those of the lowest ids.
const MAX_TABLES: usize = 32;

/// How a table's text is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "as", rename_all = "snake_case")]
pub enum TableFormat {
    /// Delimited text with a header.
    Csv {
        /// The byte between two fields.
        delimiter: u8,
        /// The one behind that, where two are between them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        second: Option<u8>,
        /// The byte around a field, where there is one.
        quote: Option<u8>,
        /// Whether a quote behind a backslash is the field's.
        has_backslashes: bool,
    },
    /// One object of JSON a line.
    Ndjson,
}

/// A column, and what its values are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its name in the text.
    pub name: String,
    /// The first place that it has in a row.
    pub place: u32,
    /// What its values are.
    pub kind: ValueKind,
    /// Whether a row lacks it: a field without anything, `null`, a key that is not there.
    pub may_be_missing: bool,
    /// Whether a value is the empty text: a field that is only its quotes.
    pub may_be_empty: bool,
    /// Whether a value of delimited text is not UTF-8.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_other_bytes: bool,
    /// Whether a value in JSON lines is something else than a string of characters.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_bare_values: bool,
    /// The type by which it was written, where its rows have landed in a form that has types.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "kept_types")]
    pub written_as: Option<ColumnType>,
    /// Its first value that does not fit what was known of it before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub misfit: Option<Misfit>,
}

/// Where a value is that does not fit what was known of its column.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Misfit {
    /// The object that its row has landed in.
    pub key: String,
    /// The row, from 1; a header is none.
    pub row: u64,
}

/// What is known of columns before any of their values is seen.
pub trait Expectations: fmt::Debug + Send + Sync {
    /// Whether a value of a kind fits what is known of a column.
    fn takes(&self, column: &str, kind: &ValueKind) -> bool;
}

/// Rows of the same columns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// How they are written.
    pub format: TableFormat,
    /// Their columns.
    pub columns: Vec<Column>,
    /// Whether a row has fewer fields than the header.
    pub has_shorter_rows: bool,
    /// Whether a row has more.
    pub has_longer_rows: bool,
}

/// By what a table is known: its format, and of delimited text its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct TableId(Crc64Nvme);

/// The tables of several texts, joined. Like the values' kinds, they may be joined in any order, and more than once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Table>", into = "Vec<Table>")]
pub struct Tables(BTreeMap<TableId, Table>);

impl From<Vec<Table>> for Tables {
    fn from(several: Vec<Table>) -> Self {
        let mut tables = Self::default();
        several.iter().for_each(|table| tables.add(table));
        tables
    }
}

impl From<Tables> for Vec<Table> {
    fn from(Tables(tables): Tables) -> Self {
        tables.into_values().collect()
    }
}

impl TableId {
    /// The id of what was looked at and is no table.
    pub fn none() -> Self {
        Self(0.into())
    }
}

impl Ord for TableId {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.bytes().cmp(other.0.bytes())
    }
}

impl PartialOrd for TableId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for TableId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl Column {
    fn named(name: String, place: usize) -> Self {
        let place = u32::try_from(place).unwrap_or(u32::MAX);
        Self { name, place, ..Self::default() }
    }

    /// The type that keeps each of its values where a reader is not told how the text was written: other than the one that
    /// is known to take them, or the one of their kind, it tells what is missing from the empty text, text from other bytes,
    /// and JSON's strings from its other values.
    pub fn exact_type(&self, format: TableFormat, known: Option<ColumnType>) -> ColumnType {
        let untyped = match format {
            TableFormat::Ndjson if self.has_bare_values => ColumnType::Json,
            TableFormat::Csv { .. } if self.has_other_bytes => ColumnType::Binary,
            _ => ColumnType::Text,
        };
        match known.unwrap_or(self.kind.column_type()) {
            ColumnType::Text | ColumnType::Binary => untyped,
            ColumnType::Json => ColumnType::Json,
            _ if self.may_be_empty && self.may_be_missing => untyped,
            of_type => of_type,
        }
    }

    /// Notes where a value is that has changed what the column's are, if it is the first that does not fit.
    fn hold(&mut self, expected: Option<&dyn Expectations>, kind: Option<&ValueKind>, row: u64) {
        let (Some(expected), Some(kind), None) = (expected, kind, &self.misfit) else { return };
        if !expected.takes(&self.name, kind) {
            self.misfit = Some(Misfit { key: String::new(), row });
        }
    }

    fn join(&mut self, other: &Self) {
        self.place = self.place.min(other.place);
        self.kind.join(&other.kind);
        self.may_be_missing |= other.may_be_missing;
        self.may_be_empty |= other.may_be_empty;
        self.has_other_bytes |= other.has_other_bytes;
        self.has_bare_values |= other.has_bare_values;
        let written_as = |of_type: ColumnType| other.written_as.map_or(of_type, |other| of_type.with(other));
        self.written_as = self.written_as.map(written_as).or(other.written_as);
        self.misfit = [self.misfit.take(), other.misfit.clone()].into_iter().flatten().min();
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "row {} of {:?}", self.row, self.key)
    }
}

impl TableFormat {
    /// What is between two fields of delimited text.
    pub fn delimiter(self) -> Option<String> {
        match self {
            Self::Csv { delimiter, second, .. } => {
                Some([Some(delimiter), second].into_iter().flatten().map(char::from).collect())
            }
            Self::Ndjson => None,
        }
    }

    fn of(dialect: Dialect) -> Self {
        let Dialect { delimiter, pair, quote, has_backslashes, .. } = dialect;
        let (delimiter, second) = pair.map_or((delimiter, None), |[first, second]| (first, Some(second)));
        Self::Csv { delimiter, second, quote, has_backslashes }
    }
}

impl Table {
    /// That of a header, whose columns have no values yet.
    pub(super) fn headed(dialect: Dialect, names: Vec<String>) -> Self {
        let columns = names.into_iter().enumerate().map(|(place, name)| Column::named(name, place)).collect();
        let format = TableFormat::of(dialect);
        Self { format, columns, has_shorter_rows: false, has_longer_rows: false }
    }

    /// By what it is known.
    pub fn id(&self) -> TableId {
        let mut hasher = Hasher::new(false);
        match self.format {
            TableFormat::Csv { delimiter, second, quote, has_backslashes } => {
                let quote = quote.unwrap_or(b'\n');
                hasher.update(&[b'c', delimiter, quote, u8::from(has_backslashes)]);
                hasher.update(second.as_slice());
                for column in &self.columns {
                    hasher.update(column.name.as_bytes());
                    hasher.update(b"\n\0");
                }
            }
            // A key that no row of one file has is still a column.
            TableFormat::Ndjson => hasher.update(b"j"),
        }
        TableId(hasher.finish().crc64nvme)
    }

    /// Its columns' names as most readers want them.
    pub fn unique_names(&self) -> Vec<String> {
        unique_names(self.columns.iter().map(|column| column.name.as_str()))
    }

    fn join(&mut self, other: &Self) {
        self.has_shorter_rows |= other.has_shorter_rows;
        self.has_longer_rows |= other.has_longer_rows;
        match self.format {
            TableFormat::Csv { .. } => {
                self.columns.iter_mut().zip(&other.columns).for_each(|(column, other)| column.join(other));
            }
            TableFormat::Ndjson => self.join_by_name(&other.columns),
        }
    }

    fn join_by_name(&mut self, others: &[Column]) {
        let mut others: BTreeMap<&str, &Column> =
            others.iter().map(|column| (column.name.as_str(), column)).collect();
        for column in &mut self.columns {
            match others.remove(column.name.as_str()) {
                Some(other) => column.join(other),
                None => column.may_be_missing = true,
            }
        }
        self.columns
            .extend(others.into_values().map(|column| Column { may_be_missing: true, ..column.clone() }));
        self.columns.sort_by(|one, other| (one.place, &one.name).cmp(&(other.place, &other.name)));
    }
}

/// Names as most readers want them: each column has one, and no two are alike without regard to case.
pub fn unique_names<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut taken = HashSet::new();
    let unique = |name: &str| {
        let base = if name.is_empty() { "column" } else { name };
        let further = (2_u32..).map(|number| format!("{base}_{number}"));
        let mut names = std::iter::once(base.to_owned()).chain(further);
        names.find(|name| taken.insert(name.to_lowercase())).unwrap_or_default()
    };
    names.map(unique).collect()
}

impl Tables {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The tables by their ids.
    pub fn iter(&self) -> impl Iterator<Item = (TableId, &Table)> {
        self.0.iter().map(|(id, table)| (*id, table))
    }

    /// Whether there is a table of this id.
    pub fn has(&self, id: TableId) -> bool {
        self.0.contains_key(&id)
    }

    /// Adds a table, or what more is known of it.
    pub fn add(&mut self, table: &Table) {
        self.add_by_id(table.id(), table);
    }

    /// Adds all of others.
    pub fn join(&mut self, others: &Self) {
        others.iter().for_each(|(id, table)| self.add_by_id(id, table));
    }

    fn add_by_id(&mut self, id: TableId, table: &Table) {
        match self.0.get_mut(&id) {
            Some(known) => known.join(table),
            None => {
                self.0.insert(id, table.clone());
            }
        }
        while self.0.len() > MAX_TABLES {
            self.0.pop_last();
        }
    }
}

/// Whether a value is UTF-8; it may be cut anywhere.
#[derive(Debug, Clone, Default)]
struct Utf8Check {
    /// The beginning of a character.
    cut: [u8; 4],
    cut_bytes: usize,
    is_broken: bool,
}

impl Utf8Check {
    fn push(&mut self, mut bytes: &[u8]) {
        if self.cut_bytes == 0 && bytes.is_ascii() {
            return;
        }
        while let (1.., Some((byte, rest))) = (self.cut_bytes, bytes.split_first()) {
            let Some(place) = self.cut.get_mut(self.cut_bytes) else { break };
            *place = *byte;
            self.cut_bytes = self.cut_bytes.saturating_add(1);
            bytes = rest;
            match std::str::from_utf8(self.cut.get(..self.cut_bytes).unwrap_or_default()) {
                Err(error) if error.error_len().is_none() => {}
                whole => {
                    self.is_broken |= whole.is_err();
                    self.cut_bytes = 0;
                }
            }
        }
        if let Err(error) = std::str::from_utf8(bytes) {
            let cut = bytes.get(error.valid_up_to()..).unwrap_or_default();
            self.is_broken |= error.error_len().is_some();
            if let Some(place) = self.cut.get_mut(..cut.len()).filter(|_| error.error_len().is_none()) {
                place.copy_from_slice(cut);
                self.cut_bytes = cut.len();
            }
        }
    }

    /// Whether what has passed since the last end is whole.
    fn end(&mut self) -> bool {
        let Self { cut_bytes, is_broken, .. } = std::mem::take(self);
        cut_bytes == 0 && !is_broken
    }
}

/// The beginning of a value: all of it, if it may have a type.
#[derive(Debug, Clone)]
struct ValueText {
    bytes: [u8; MAX_TYPED_BYTES],
    length: usize,
}

impl Default for ValueText {
    fn default() -> Self {
        Self { bytes: [0; MAX_TYPED_BYTES], length: 0 }
    }
}

impl ValueText {
    fn push(&mut self, bytes: &[u8]) {
        let room = self.bytes.get_mut(self.length..).unwrap_or_default();
        room.iter_mut().zip(bytes).for_each(|(place, byte)| *place = *byte);
        self.length = self.length.saturating_add(bytes.len());
    }

    fn clear(&mut self) {
        self.length = 0;
    }

    /// What it is; nothing, where it has no bytes.
    fn kind(&self) -> ValueKind {
        match self.bytes.get(..self.length) {
            Some([]) => ValueKind::Nothing,
            Some(text) => ValueKind::of_text(text),
            None => ValueKind::Text,
        }
    }
}
