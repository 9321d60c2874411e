//! The columns of delimited text: its header names them, and every field behind it counts.

use std::sync::Arc;

use super::{
    Column, Expectations, MAX_COLUMNS, MAX_NAME_BYTES, Table, TableFormat, Utf8Check, ValueKind, ValueText,
};
use crate::rows::dialect::Dialect;
use crate::rows::fields::{FieldScanner, Scanned, WholeField};

/// Looks at every field of text with a header; the text may be cut anywhere.
#[derive(Debug, Clone)]
pub(in crate::rows) struct DelimitedColumns {
    dialect: Dialect,
    scanner: FieldScanner,
    header: Header,
    value: ValueText,
    utf8: Utf8Check,
    is_quoted: bool,
    /// Whether something stood outside the quotes of a quoted field.
    is_odd: bool,
    field: usize,
    /// The records behind the header.
    rows: u64,
    columns: Vec<Column>,
    expected: Option<Arc<dyn Expectations>>,
    has_shorter_rows: bool,
    has_longer_rows: bool,
}

/// How far the header has come.
#[derive(Debug, Clone)]
enum Header {
    /// The name that is being read.
    Name(Vec<u8>),
    Read,
    /// It is none, or names too much.
    Unusable,
}

impl DelimitedColumns {
    pub(in crate::rows) fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            scanner: FieldScanner::new(dialect),
            header: Header::Name(Vec::new()),
            value: ValueText::default(),
            utf8: Utf8Check::default(),
            is_quoted: false,
            is_odd: false,
            field: 0,
            rows: 0,
            columns: Vec::new(),
            expected: None,
            has_shorter_rows: false,
            has_longer_rows: false,
        }
    }

    /// The same, where something is known of the columns before.
    pub(in crate::rows) fn expecting(self, expected: Option<Arc<dyn Expectations>>) -> Self {
        Self { expected, ..self }
    }

    pub(in crate::rows) fn push(&mut self, mut bytes: &[u8]) {
        while !matches!(self.header, Header::Unusable) {
            // Of a field that has begun, what came before is its, too.
            if matches!(self.header, Header::Read) && self.value.length == 0 {
                while let Some(field) = self.scanner.whole_field(bytes) {
                    self.see_whole(&field);
                    bytes = field.rest;
                }
            }
            let (content, rest) = bytes.split_at(self.scanner.content_run(bytes).min(bytes.len()));
            self.take(content);
            let Some((byte, rest)) = rest.split_first() else { return };
            self.step(*byte);
            bytes = rest;
        }
    }

    /// Most fields are seen as a whole.
    fn see_whole(&mut self, field: &WholeField<'_>) {
        match self.scanner.pass(field) {
            Scanned::Nothing | Scanned::Content | Scanned::Opened => {}
            Scanned::FieldEnd => self.see_field(field),
            Scanned::RecordEnd(_) => {
                self.see_field(field);
                self.end_record();
            }
            Scanned::EmptyLine => self.see_empty_line(),
        }
    }

    fn see_field(&mut self, field: &WholeField<'_>) {
        match self.columns.get_mut(self.field) {
            None => self.has_longer_rows = true,
            Some(column) => match (field.content.is_empty(), field.is_quoted) {
                (true, true) if !self.dialect.quoted_empty_is_null => column.may_be_empty = true,
                (true, _) => column.may_be_missing = true,
                (false, _) => {
                    let changed = column.kind.see(field.content);
                    column.hold(self.expected.as_deref(), changed.as_ref(), self.rows.saturating_add(1));
                    // Whatever has another type is ASCII.
                    if column.kind.is_settled() && !column.has_other_bytes {
                        let content = self.dialect.unfolded(field.content);
                        column.has_other_bytes = std::str::from_utf8(&content).is_err();
                    }
                }
            },
        }
        self.field = self.field.saturating_add(1);
    }

    fn step(&mut self, byte: u8) {
        match self.scanner.step(byte) {
            Scanned::Nothing => {}
            Scanned::Content => self.take(&[byte]),
            Scanned::Opened => {
                // What stood before a quote were spaces.
                self.clear();
                self.is_quoted = true;
            }
            Scanned::FieldEnd => self.end_field(),
            Scanned::RecordEnd(_) => {
                self.end_field();
                self.end_record();
            }
            Scanned::EmptyLine => self.see_empty_line(),
        }
    }

    fn take(&mut self, content: &[u8]) {
        self.is_odd |= self.is_quoted && !self.scanner.is_quoted() && !content.is_empty();
        match &mut self.header {
            Header::Name(name) if name.len().saturating_add(content.len()) <= MAX_NAME_BYTES => {
                name.extend_from_slice(content);
            }
            Header::Name(_) => self.header = Header::Unusable,
            Header::Read => {
                self.value.push(content);
                self.utf8.push(&self.dialect.unfolded(content));
            }
            Header::Unusable => {}
        }
    }

    fn clear(&mut self) {
        match &mut self.header {
            Header::Name(name) => name.clear(),
            Header::Read | Header::Unusable => self.value.clear(),
        }
    }

    fn end_field(&mut self) {
        match &mut self.header {
            Header::Name(name) => match String::from_utf8(self.dialect.unfolded(name).into_owned()) {
                Ok(text) if self.columns.len() < MAX_COLUMNS => {
                    name.clear();
                    self.columns.push(Column::named(text, self.columns.len()));
                }
                _ => self.header = Header::Unusable,
            },
            Header::Read => self.see(),
            Header::Unusable => {}
        }
        self.value.clear();
        self.field = self.field.saturating_add(1);
        (self.is_quoted, self.is_odd) = (false, false);
    }

    fn see(&mut self) {
        let is_utf8 = self.utf8.end();
        let Some(column) = self.columns.get_mut(self.field) else {
            self.has_longer_rows = true;
            return;
        };
        column.has_other_bytes |= !is_utf8;
        let kind = match self.value.kind() {
            ValueKind::Nothing if self.is_quoted && !self.dialect.quoted_empty_is_null => {
                return column.may_be_empty = true;
            }
            ValueKind::Nothing => return column.may_be_missing = true,
            _ if self.is_odd => ValueKind::Text,
            kind => kind,
        };
        let changed = column.kind.join(&kind).then_some(&kind);
        column.hold(self.expected.as_deref(), changed, self.rows.saturating_add(1));
    }

    fn end_record(&mut self) {
        if matches!(self.header, Header::Name(_)) {
            self.header = Header::Read;
        } else {
            self.rows = self.rows.saturating_add(1);
            let missing = self.columns.get_mut(self.field..).unwrap_or_default();
            self.has_shorter_rows |= !missing.is_empty();
            missing.iter_mut().for_each(|column| column.may_be_missing = true);
        }
        self.field = 0;
    }

    /// A record without anything, where such are counted: of the only column, most often.
    fn see_empty_line(&mut self) {
        if matches!(self.header, Header::Read) && self.dialect.has_one_column {
            self.rows = self.rows.saturating_add(1);
            self.has_shorter_rows |= self.columns.len() > 1;
            self.columns.iter_mut().for_each(|column| column.may_be_missing = true);
        }
    }

    /// The rows so far, the one that has begun among them, once the header has been read: those that are counted without a
    /// look at their fields.
    pub(in crate::rows) fn rows(&self) -> Option<u64> {
        let open = u64::from(self.scanner.open_record().is_some());
        matches!(self.header, Header::Read).then(|| self.rows.saturating_add(open))
    }

    /// The table, once all of the text has passed; `None` where its header names none.
    pub(in crate::rows) fn finish(mut self) -> Option<Table> {
        if self.scanner.open_record().is_some() {
            self.end_field();
            self.end_record();
        }
        let is_usable = matches!(self.header, Header::Read) && !self.scanner.is_quoted();
        is_usable.then(|| Table {
            format: TableFormat::of(self.dialect),
            columns: self.columns,
            has_shorter_rows: self.has_shorter_rows,
            has_longer_rows: self.has_longer_rows,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::ColumnType;
    use super::*;
    use crate::rows::delimited::CsvRecords;

    fn table(text: &str, cut: usize) -> Option<Table> {
        let mut columns = DelimitedColumns::new(Dialect::delimited_by(b','));
        text.as_bytes().chunks(cut).for_each(|piece| columns.push(piece));
        columns.finish()
    }

    fn told(text: &str) -> Vec<(String, ColumnType, bool, bool)> {
        let columns = table(text, 1_000).unwrap().columns;
        let told = |it: Column| (it.name, it.kind.column_type(), it.may_be_missing, it.may_be_empty);
        columns.into_iter().map(told).collect()
    }

    /// Every value of a column counts, and whether one is missing, or the empty text.
    #[test]
    fn columns_are_what_all_their_values_are() {
        let text = "ID,Amount,\"Na\"\"me\",Day,Note\r\n\
                    1,10.50,\"a, \"\"b\"\"\",2026-01-31,\r\n\
                    2,-3.25,\"\",2026-02-01,\"\"\r\n\
                    3,,c,,x\n";
        let decimal = ColumnType::Decimal { precision: 4, scale: 2 };
        let column = |name: &str, of_type, missing, empty| (name.to_owned(), of_type, missing, empty);
        assert_eq!(
            told(text),
            [
                column("ID", ColumnType::Integer, false, false),
                column("Amount", decimal, true, false),
                column("Na\"me", ColumnType::Text, false, true),
                column("Day", ColumnType::Date, true, false),
                column("Note", ColumnType::Text, true, true),
            ]
        );
    }

    /// What is not surely a number is none: a space that is the field's, something beside the quotes.
    #[test]
    fn what_stands_beside_a_value_is_its() {
        for odd in [" 1", "1 ", "\"1\"x", "\"1\" 2"] {
            assert_eq!(told(&format!("a,b\n{odd},2\n"))[0].1, ColumnType::Text, "{odd:?}");
        }
        assert_eq!(told("a,b\n \"1\",2\n")[0].1, ColumnType::Integer);
    }

    /// Rows that are shorter lack values; those that are longer are told.
    #[test]
    fn rows_of_another_length_are_told() {
        let short = table("a,b\n1\n", 9).unwrap();
        assert!(short.columns[1].may_be_missing && short.has_shorter_rows && !short.has_longer_rows);
        assert!(table("a,b\n1,2,3\n", 9).unwrap().has_longer_rows);
    }

    /// Text without a usable header has no columns, and is no reason to fail.
    #[test]
    fn without_a_header_there_are_no_columns() {
        assert_eq!(table("", 1), None);
        assert_eq!(table(&format!("{}\n1\n", "x".repeat(5_000)), 700), None);
        assert_eq!(table(&format!("{}\n", ",".repeat(10_000)), 700), None);
        assert_eq!(table("a,\"b\n1,2\n", 3), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

        /// Promise 5: rows are those that are counted without a look at their fields, and fields those that a close look
        /// finds, however the text is cut.
        #[test]
        fn rows_and_fields_are_those_of_a_close_look(
            text in "([ab ,\"\\\\\n\r]|1|,\"\",|a{7,50}|[b\u{e9}\u{20ac}]){0,40}",
            cut in 1_usize..60,
            has_backslashes in any::<bool>(),
            has_one_column in any::<bool>(),
        ) {
            let dialect = Dialect { has_backslashes, has_one_column, ..Dialect::delimited_by(b',') };
            // Some of it is no UTF-8.
            let text = text.bytes().map(|byte| if byte == b'b' { 0xe9 } else { byte });
            let text: Vec<u8> = b"a,b,c\n".iter().copied().chain(text).collect();
            let mut records = CsvRecords::new(dialect, true);
            let mut columns = DelimitedColumns::new(dialect);
            let mut closely = DelimitedColumns::new(dialect);
            for piece in text.chunks(cut) {
                records.push(piece);
                columns.push(piece);
            }
            // A byte at a time, no field is there as a whole.
            text.chunks(1).for_each(|byte| closely.push(byte));
            if let Some(rows) = columns.rows() {
                prop_assert_eq!(rows, records.finish());
            }
            prop_assert_eq!(columns.finish(), closely.finish());
        }

        /// Promise 4: how content is cut on its way makes no difference.
        #[test]
        fn pieces_make_no_difference(text in "(a,b\n)?[0-9a,\" \r\n.-]{0,60}", cut in 1_usize..20) {
            prop_assert_eq!(table(&text, cut), table(&text, 1));
        }
    }
}
