//! The columns of lines that are objects of JSON: their keys.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use memchr::memchr;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{
    Column, Expectations, MAX_COLUMNS, MAX_NAME_BYTES, MAX_TYPED_BYTES, Table, TableFormat, ValueKind,
};

/// A longer line is not looked at, and nor are the columns then.
const MAX_LINE_BYTES: usize = 4 << 20;

/// Looks at every key of every line; the text may be cut anywhere.
#[derive(Debug, Clone, Default)]
pub(in crate::rows) struct JsonColumns {
    line: Vec<u8>,
    columns: BTreeMap<String, Counted>,
    expected: Option<Arc<dyn Expectations>>,
    rows: u64,
    is_unusable: bool,
}

#[derive(Debug, Clone)]
struct Counted {
    column: Column,
    rows: u64,
}

impl JsonColumns {
    /// None yet, where perhaps something is known of them before.
    pub(in crate::rows) fn expecting(expected: Option<Arc<dyn Expectations>>) -> Self {
        Self { expected, ..Self::default() }
    }

    pub(in crate::rows) fn push(&mut self, mut bytes: &[u8]) {
        while !self.is_unusable {
            let Some(at) = memchr(b'\n', bytes) else { break };
            let (line, rest) = bytes.split_at(at);
            self.keep(line);
            self.end_line();
            bytes = rest.get(1..).unwrap_or_default();
        }
        self.keep(bytes);
    }

    fn keep(&mut self, part: &[u8]) {
        self.is_unusable |= self.line.len().saturating_add(part.len()) > MAX_LINE_BYTES;
        if !self.is_unusable {
            self.line.extend_from_slice(part);
        }
    }

    fn end_line(&mut self) {
        let mut line = std::mem::take(&mut self.line);
        if !line.trim_ascii().is_empty() && !self.is_unusable {
            match serde_json::from_slice::<Row<'_>>(&line) {
                Ok(row) => self.see(&row),
                Err(_) => self.is_unusable = true,
            }
        }
        line.clear();
        self.line = line;
    }

    fn see(&mut self, Row(fields): &Row<'_>) {
        self.rows = self.rows.saturating_add(1);
        for (place, (name, value)) in fields.iter().enumerate() {
            let is_new = !self.columns.contains_key(name.as_ref());
            if name.len() > MAX_NAME_BYTES || (is_new && self.columns.len() >= MAX_COLUMNS) {
                self.is_unusable = true;
                return;
            }
            let new = || Counted { column: Column::named(name.to_string(), place), rows: 0 };
            let counted = match self.columns.get_mut(name.as_ref()) {
                Some(counted) => counted,
                None => self.columns.entry(name.to_string()).or_insert_with(new),
            };
            let changed = counted.see(place, value.get().as_bytes());
            counted.column.hold(self.expected.as_deref(), changed.as_ref(), self.rows);
        }
    }

    /// The table, once all of the text has passed; `None` where a line is no object.
    pub(in crate::rows) fn finish(mut self) -> Option<Table> {
        self.end_line();
        if self.is_unusable || self.rows == 0 {
            return None;
        }
        let rows = self.rows;
        let column = |Counted { mut column, rows: seen }| {
            column.may_be_missing |= seen < rows;
            column
        };
        let mut columns: Vec<Column> = self.columns.into_values().map(column).collect();
        columns.sort_by(|one, other| (one.place, &one.name).cmp(&(other.place, &other.name)));
        Some(Table { format: TableFormat::Ndjson, columns, has_shorter_rows: false, has_longer_rows: false })
    }
}

impl Counted {
    /// Takes a value; returns what it is, if that changes what the column's are.
    fn see(&mut self, place: usize, value: &[u8]) -> Option<ValueKind> {
        let column = &mut self.column;
        column.place = column.place.min(u32::try_from(place).unwrap_or(u32::MAX));
        self.rows = self.rows.saturating_add(1);
        column.has_bare_values |= !(value == b"null" || is_text(value));
        let kind = match value {
            b"null" => {
                column.may_be_missing = true;
                return None;
            }
            [b'"', b'"'] => {
                column.may_be_empty = true;
                return None;
            }
            [b'{' | b'[', ..] => ValueKind::Json,
            [b'"', text @ .., b'"'] => ValueKind::of_string(text),
            number if number.len() > MAX_TYPED_BYTES => ValueKind::Text,
            other => ValueKind::of_text(other),
        };
        column.kind.join(&kind).then_some(kind)
    }
}

/// Whether a value is a string of characters: one that names half a character outside the first 65,536 is none.
fn is_text(value: &[u8]) -> bool {
    let is_string = value.starts_with(b"\"");
    is_string
        && (memchr::memmem::find(value, b"\\u").is_none() || serde_json::from_slice::<String>(value).is_ok())
}

/// An object's fields, in its order.
pub(in crate::rows) struct Row<'a>(pub Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Row<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(RowVisitor)
    }
}

struct RowVisitor;

impl<'de> Visitor<'de> for RowVisitor {
    type Value = Row<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Vec::new();
        while let Some(Name(name)) = map.next_key()? {
            fields.push((name, map.next_value()?));
        }
        Ok(Row(fields))
    }
}

#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{ColumnType, Tables};
    use super::*;

    fn table(text: &str, cut: usize) -> Option<Table> {
        let mut columns = JsonColumns::default();
        text.as_bytes().chunks(cut).for_each(|piece| columns.push(piece));
        columns.finish()
    }

    /// Every key of every line is a column, with the type that keeps each of its values.
    #[test]
    fn keys_are_columns() {
        let text = "{\"Id\":300100001,\"Amount\":1234.50,\"Lines\":[1],\"Number\":\"007\",\"At\":\"2026-01-31T10:00:00+00:00\"}\n\
                    {\"Amount\":-1.5,\"Id\":2,\"Open\":true,\"Number\":\"\",\"At\":null}\r\n\n";
        let columns = table(text, 7).unwrap().columns;
        let told: Vec<_> = columns
            .iter()
            .map(|it| (it.name.as_str(), it.kind.column_type(), it.may_be_missing, it.may_be_empty))
            .collect();
        let decimal = ColumnType::Decimal { precision: 6, scale: 2 };
        assert_eq!(
            told,
            [
                ("Amount", decimal, false, false),
                ("Id", ColumnType::Integer, false, false),
                ("Lines", ColumnType::Json, true, false),
                ("Open", ColumnType::Boolean, true, false),
                ("Number", ColumnType::Text, false, true),
                ("At", ColumnType::TimestampWithZone, true, false),
            ]
        );
    }

    /// A number is one in JSON only without quotes; one with an exponent keeps its text.
    #[test]
    fn numbers_between_quotes_are_text() {
        for (text, of_type) in [
            ("{\"a\":1}\n{\"a\":\"1\"}", ColumnType::Text),
            ("{\"a\":\"1\"}", ColumnType::Text),
            ("{\"a\":1e3}", ColumnType::Text),
            ("{\"a\":{}}\n{\"a\":1}", ColumnType::Text),
        ] {
            assert_eq!(table(text, 3).unwrap().columns[0].kind.column_type(), of_type, "{text}");
        }
        for none in ["", "[1]\n", "{\"a\":1}\n1\n", "{\"a\":\n"] {
            assert_eq!(table(none, 3), None, "{none:?}");
        }
    }

    proptest! {
        /// Promise 4: into which files rows are divided, and in which order those come, makes no difference.
        #[test]
        fn files_make_no_difference(
            rows in prop::collection::vec("\\{(\"a\":(1|\"x\"|null))?\\}|\\{\"b\":2\\.5,\"a\":true\\}", 2..6),
            at in 1_usize..5,
        ) {
            let lines = |rows: &[String]| rows.iter().map(|row| format!("{row}\n")).collect::<String>();
            let (one, other) = rows.split_at(at.min(rows.len() - 1));
            let mut joined = Tables::default();
            [other, one, other].iter().for_each(|rows| joined.add(&table(&lines(rows), 5).unwrap()));
            let mut whole = Tables::default();
            whole.add(&table(&lines(&rows), 5).unwrap());
            prop_assert_eq!(joined, whole);
        }
    }
}
