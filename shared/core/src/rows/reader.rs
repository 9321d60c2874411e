//! The rows of text that is a table, one by one: those that are counted, with the values that columns are told from.

use memchr::memchr;
use serde_json::value::RawValue;

use super::beginning::{self, Encoding};
use super::columns::{JsonRow, Table};
use super::dialect::{Dialect, Folding};
use super::fields::{FieldScanner, Scanned, WholeField};
use super::{BEGINNING_BYTES, RowFormat, recognition};

/// A value of more bytes is not read: it is kept in memory as a whole.
const MAX_VALUE_BYTES: usize = 16 << 20;

/// So many names of a header are handed on: nobody has use for more.
const MAX_NAMES: usize = 1 << 12;

/// Takes the rows of a text: the values of each, then its end.
pub trait RowSink {
    /// Why a row is not taken.
    type Error: From<UnreadableRow>;

    /// The header of delimited text, before its rows: a table whose columns have no values yet.
    fn header(&mut self, _header: Table) -> Result<(), Self::Error> {
        Ok(())
    }

    /// A field of delimited text, by its place in the row; none where there is nothing, not even quotes.
    fn field(&mut self, place: usize, value: Option<&[u8]>) -> Result<(), Self::Error>;

    /// A value of a JSON object as it is written, with its key and that key's place in the object.
    fn value(&mut self, place: usize, key: &str, value: &RawValue) -> Result<(), Self::Error>;

    /// The end of a row.
    fn end_row(&mut self) -> Result<(), Self::Error>;
}

/// A row that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnreadableRow {
    /// A line of JSON is no object.
    #[error("row {0} is no object of JSON")]
    NoObject(u64),
    /// A value is longer than what is kept of one in memory.
    #[error("row {0} has a value of more than {limit} MiB", limit = MAX_VALUE_BYTES >> 20)]
    ValueTooLong(u64),
    /// The text is not one that is read by its rows.
    #[error("the text is no table")]
    NoTable,
}

/// Reads the rows of a text of a known format, the way it is written being told by its beginning; the text may be cut
/// anywhere. What stands above the rows of delimited text is its header.
#[derive(Debug)]
pub struct RowReader {
    format: RowFormat,
    state: State,
}

#[derive(Debug)]
enum State {
    Beginning(Vec<u8>),
    Delimited(DelimitedRows),
    Lines(JsonLines),
}

impl RowReader {
    /// A reader at the start of a text.
    pub fn new(format: RowFormat) -> Self {
        Self { format, state: State::Beginning(Vec::new()) }
    }

    /// Takes the next bytes, and hands on the rows that they complete.
    pub fn push<S: RowSink>(&mut self, mut bytes: &[u8], sink: &mut S) -> Result<(), S::Error> {
        if let State::Beginning(beginning) = &mut self.state {
            let missing = BEGINNING_BYTES.saturating_sub(beginning.len()).min(bytes.len());
            let (head, rest) = bytes.split_at(missing);
            beginning.extend_from_slice(head);
            if beginning.len() < BEGINNING_BYTES {
                return Ok(());
            }
            self.begin(false, sink)?;
            bytes = rest;
        }
        self.state.push(bytes, sink)
    }

    /// Hands on the last row, once all bytes have been taken.
    pub fn finish<S: RowSink>(mut self, sink: &mut S) -> Result<(), S::Error> {
        self.begin(true, sink)?;
        match self.state {
            State::Beginning(_) => Ok(()),
            State::Delimited(rows) => rows.finish(sink),
            State::Lines(mut lines) => lines.end_line(sink),
        }
    }

    fn begin<S: RowSink>(&mut self, is_whole: bool, sink: &mut S) -> Result<(), S::Error> {
        let State::Beginning(beginning) = &mut self.state else { return Ok(()) };
        let beginning = std::mem::take(beginning);
        let Some((Encoding::Ascii, mark)) = beginning::encoding(&beginning) else {
            return Err(UnreadableRow::NoTable.into());
        };
        let text = beginning.get(mark..).unwrap_or_default();
        self.state = match self.format {
            RowFormat::Csv { usual_delimiter, settings } => {
                let dialect = recognition::recognise(text, is_whole, usual_delimiter, settings.csv);
                State::Delimited(DelimitedRows::new(dialect))
            }
            RowFormat::Ndjson => State::Lines(JsonLines::default()),
            RowFormat::Marc { .. } => return Err(UnreadableRow::NoTable.into()),
        };
        self.state.push(text, sink)
    }
}

impl State {
    fn push<S: RowSink>(&mut self, bytes: &[u8], sink: &mut S) -> Result<(), S::Error> {
        match self {
            Self::Beginning(_) => Ok(()),
            Self::Delimited(rows) => rows.push(bytes, sink),
            Self::Lines(lines) => lines.push(bytes, sink),
        }
    }
}

/// The rows of delimited text.
#[derive(Debug)]
struct DelimitedRows {
    dialect: Dialect,
    folding: Option<Folding>,
    scanner: FieldScanner,
    /// The field that has begun, as far as it has come.
    value: Vec<u8>,
    has_begun: bool,
    is_quoted: bool,
    place: usize,
    /// The names in the header, as long as it has not ended.
    header: Option<Vec<String>>,
    rows: u64,
}

impl DelimitedRows {
    fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            folding: dialect.pair.map(Folding::new),
            scanner: FieldScanner::new(dialect),
            value: Vec::new(),
            has_begun: false,
            is_quoted: false,
            place: 0,
            header: Some(Vec::new()),
            rows: 0,
        }
    }

    fn push<S: RowSink>(&mut self, bytes: &[u8], sink: &mut S) -> Result<(), S::Error> {
        let Some(mut folding) = self.folding.take() else { return self.scan(bytes, sink) };
        let scanned = self.scan(folding.push(bytes), sink);
        self.folding = Some(folding);
        scanned
    }

    fn scan<S: RowSink>(&mut self, mut bytes: &[u8], sink: &mut S) -> Result<(), S::Error> {
        while !bytes.is_empty() {
            let whole = if self.has_begun { None } else { self.scanner.whole_field(bytes) };
            bytes = match whole {
                Some(field) => self.pass(&field, sink)?,
                None => self.push_slowly(bytes, sink)?,
            };
        }
        Ok(())
    }

    /// Takes a whole field; returns what comes behind it.
    fn pass<'a, S: RowSink>(&mut self, field: &WholeField<'a>, sink: &mut S) -> Result<&'a [u8], S::Error> {
        match self.scanner.pass(field) {
            Scanned::Nothing | Scanned::Content | Scanned::Opened => {}
            Scanned::FieldEnd => self.see(field.content, field.is_quoted, sink)?,
            Scanned::RecordEnd(_) => {
                self.see(field.content, field.is_quoted, sink)?;
                self.end_row(sink)?;
            }
            Scanned::EmptyLine => self.end_empty_line(sink)?,
        }
        Ok(field.rest)
    }

    /// Takes a field's next bytes: up to its end, or all that there are.
    fn push_slowly<'a, S: RowSink>(
        &mut self,
        mut bytes: &'a [u8],
        sink: &mut S,
    ) -> Result<&'a [u8], S::Error> {
        loop {
            let (content, rest) = bytes.split_at(self.scanner.content_run(bytes).min(bytes.len()));
            self.take(content)?;
            let Some((byte, rest)) = rest.split_first() else { return Ok(&[]) };
            bytes = rest;
            match self.scanner.step(*byte) {
                // The second half of a line break.
                Scanned::Nothing if !self.has_begun => return Ok(bytes),
                Scanned::Nothing => {}
                Scanned::Content => self.take(&[*byte])?,
                Scanned::Opened => {
                    // What stood before a quote were spaces.
                    self.value.clear();
                    (self.has_begun, self.is_quoted) = (true, true);
                }
                Scanned::FieldEnd => {
                    self.end_field(sink)?;
                    return Ok(bytes);
                }
                Scanned::RecordEnd(_) => {
                    self.end_field(sink)?;
                    self.end_row(sink)?;
                    return Ok(bytes);
                }
                Scanned::EmptyLine => {
                    self.end_empty_line(sink)?;
                    return Ok(bytes);
                }
            }
        }
    }

    fn take(&mut self, content: &[u8]) -> Result<(), UnreadableRow> {
        self.has_begun |= !content.is_empty();
        append(&mut self.value, content, self.rows)
    }

    fn end_field<S: RowSink>(&mut self, sink: &mut S) -> Result<(), S::Error> {
        let mut value = std::mem::take(&mut self.value);
        if self.is_quoted && self.dialect.has_backslashes {
            unescape(&mut value, self.dialect.quote);
        }
        let seen = self.see(&value, self.is_quoted, sink);
        value.clear();
        self.value = value;
        (self.has_begun, self.is_quoted) = (false, false);
        seen
    }

    fn see<S: RowSink>(&mut self, value: &[u8], is_quoted: bool, sink: &mut S) -> Result<(), S::Error> {
        let place = self.place;
        self.place = place.saturating_add(1);
        let is_null = value.is_empty() && (!is_quoted || self.dialect.quoted_empty_is_null);
        let value = self.dialect.unfolded(value);
        match &mut self.header {
            Some(names) if names.len() < MAX_NAMES => {
                names.push(String::from_utf8_lossy(&value).into_owned())
            }
            Some(_) => {}
            None => sink.field(place, Some(&*value).filter(|_| !is_null))?,
        }
        Ok(())
    }

    /// It is a row where there is one column alone, behind the header.
    fn end_empty_line<S: RowSink>(&mut self, sink: &mut S) -> Result<(), S::Error> {
        if self.dialect.has_one_column && self.header.is_none() { self.end_row(sink) } else { Ok(()) }
    }

    fn end_row<S: RowSink>(&mut self, sink: &mut S) -> Result<(), S::Error> {
        self.place = 0;
        if let Some(names) = self.header.take() {
            return sink.header(Table::headed(self.dialect, names));
        }
        self.rows = self.rows.saturating_add(1);
        sink.end_row()
    }

    fn finish<S: RowSink>(mut self, sink: &mut S) -> Result<(), S::Error> {
        if let Some(mut folding) = self.folding.take() {
            self.scan(folding.finish(), sink)?;
        }
        if self.scanner.open_record().is_some() {
            self.end_field(sink)?;
            self.end_row(sink)?;
        }
        Ok(())
    }
}

/// Takes the backslashes away that only say that a quote, or another backslash, follows.
fn unescape(value: &mut Vec<u8>, quote: Option<u8>) {
    let mut is_escaped = false;
    let mut kept = Vec::with_capacity(value.len());
    for &byte in value.iter() {
        if is_escaped && (byte == b'\\' || Some(byte) == quote) {
            kept.pop();
        }
        is_escaped = byte == b'\\' && !is_escaped;
        kept.push(byte);
    }
    *value = kept;
}

/// The rows of JSON lines.
#[derive(Debug, Default)]
struct JsonLines {
    line: Vec<u8>,
    rows: u64,
}

impl JsonLines {
    fn push<S: RowSink>(&mut self, mut bytes: &[u8], sink: &mut S) -> Result<(), S::Error> {
        while let Some(at) = memchr(b'\n', bytes) {
            let (line, rest) = bytes.split_at(at);
            bytes = rest.get(1..).unwrap_or_default();
            if self.line.is_empty() {
                self.see(line, sink)?;
            } else {
                append(&mut self.line, line, self.rows)?;
                self.end_line(sink)?;
            }
        }
        Ok(append(&mut self.line, bytes, self.rows)?)
    }

    fn end_line<S: RowSink>(&mut self, sink: &mut S) -> Result<(), S::Error> {
        let mut line = std::mem::take(&mut self.line);
        let seen = self.see(&line, sink);
        line.clear();
        self.line = line;
        seen
    }

    fn see<S: RowSink>(&mut self, line: &[u8], sink: &mut S) -> Result<(), S::Error> {
        if line.trim_ascii().is_empty() {
            return Ok(());
        }
        self.rows = self.rows.saturating_add(1);
        let row = serde_json::from_slice::<JsonRow<'_>>(line);
        let JsonRow(fields) = row.map_err(|_| UnreadableRow::NoObject(self.rows))?;
        for (place, (key, value)) in fields.into_iter().enumerate() {
            sink.value(place, &key, value)?;
        }
        sink.end_row()
    }
}

/// Adds to what is kept of the row behind so many, as long as that is of a size that can be kept.
fn append(kept: &mut Vec<u8>, part: &[u8], rows: u64) -> Result<(), UnreadableRow> {
    if kept.len().saturating_add(part.len()) > MAX_VALUE_BYTES {
        return Err(UnreadableRow::ValueTooLong(rows.saturating_add(1)));
    }
    kept.extend_from_slice(part);
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::dialect::{CsvSettings, QuotedEmpty};
    use super::super::{OnBrokenRecord, RowCounter, RowSettings};
    use super::*;

    const SETTINGS: RowSettings = RowSettings {
        has_header: true,
        csv: CsvSettings { delimiter: None, quote: None, quoted_empty: QuotedEmpty::Text },
        on_broken_record: OnBrokenRecord::Refuse,
    };
    const CSV: RowFormat = RowFormat::Csv { usual_delimiter: b',', settings: SETTINGS };

    #[derive(Default)]
    struct Rows {
        row: Vec<Option<String>>,
        rows: Vec<Vec<Option<String>>>,
    }

    impl RowSink for Rows {
        type Error = UnreadableRow;

        fn field(&mut self, place: usize, value: Option<&[u8]>) -> Result<(), UnreadableRow> {
            assert_eq!(place, self.row.len());
            self.row.push(value.map(|value| String::from_utf8(value.to_vec()).unwrap()));
            Ok(())
        }

        fn value(&mut self, place: usize, key: &str, value: &RawValue) -> Result<(), UnreadableRow> {
            self.field(place, Some(format!("{key}={value}").as_bytes()))
        }

        fn end_row(&mut self) -> Result<(), UnreadableRow> {
            self.rows.push(std::mem::take(&mut self.row));
            Ok(())
        }
    }

    fn read(format: RowFormat, text: &[u8], cut: usize) -> Result<Vec<Vec<Option<String>>>, UnreadableRow> {
        let (mut reader, mut rows) = (RowReader::new(format), Rows::default());
        text.chunks(cut).try_for_each(|piece| reader.push(piece, &mut rows))?;
        reader.finish(&mut rows)?;
        Ok(rows.rows)
    }

    fn texts(rows: &[&[Option<&str>]]) -> Vec<Vec<Option<String>>> {
        rows.iter().map(|row| row.iter().map(|value| value.map(ToOwned::to_owned)).collect()).collect()
    }

    /// Every value as it was sent, and nothing told apart from the empty text, in the dialects of the field.
    #[test]
    fn values_are_those_that_were_written() {
        let (none, empty) = (None, Some(""));
        for (text, rows) in [
            ("a,b\n1,\n\"\",x\n", texts(&[&[Some("1"), none], &[empty, Some("x")]])),
            ("a;b\r\n1;\"x; \"\"y\"\"\r\nz\"\r\n", texts(&[&[Some("1"), Some("x; \"y\"\r\nz")]])),
            ("a\tb\r1\t2\r3\t4", texts(&[&[Some("1"), Some("2")], &[Some("3"), Some("4")]])),
            ("a, b\n 1, \"x\" \n", texts(&[&[Some(" 1"), Some("x")]])),
            ("a\n1\n\n2\n", texts(&[&[Some("1")], &[], &[Some("2")]])),
            ("a,b\n\n1,2\n\n", texts(&[&[Some("1"), Some("2")]])),
            ("a,b\n1\n1,2,3\n", texts(&[&[Some("1")], &[Some("1"), Some("2"), Some("3")]])),
            ("a,b\n1,\"x\\\"y\nz\\\\\"\n2,\"w\"\n3,\"w\"\n", {
                texts(&[&[Some("1"), Some("x\"y\nz\\")], &[Some("2"), Some("w")], &[Some("3"), Some("w")]])
            }),
            ("\u{feff}a,b\n\u{e9},2", texts(&[&[Some("\u{e9}"), Some("2")]])),
            ("a,b\n", texts(&[])),
            ("a,b\n\"1\"\"\",\"2\"x\n", texts(&[&[Some("1\""), Some("2x")]])),
        ] {
            for cut in [1, 2, 3, 100] {
                assert_eq!(read(CSV, text.as_bytes(), cut).unwrap(), rows, "{text:?} in pieces of {cut}");
            }
        }
    }

    /// Each key of a JSON line with its value as it is written; a line that is no object says which row it is.
    #[test]
    fn json_values_are_as_they_are_written() {
        let text = b"{\"a\": 1.50,\"b\":\"x\\u0041\"}\n\n{\"b\":[1, 2],\"a\":null}";
        let rows = texts(&[&[Some("a=1.50"), Some("b=\"x\\u0041\"")], &[Some("b=[1, 2]"), Some("a=null")]]);
        for cut in [1, 7, 100] {
            assert_eq!(read(RowFormat::Ndjson, text, cut).unwrap(), rows);
        }
        assert_eq!(read(RowFormat::Ndjson, b"{}\n[]\n", 100), Err(UnreadableRow::NoObject(2)));
    }

    /// Promise 6: a value that memory is not there for is refused, with its row.
    #[test]
    fn a_value_is_kept_up_to_a_limit() {
        let text = [b"a,b\n1,2\n3,\"", &vec![b'x'; MAX_VALUE_BYTES + 1][..], b"\"\n"].concat();
        assert_eq!(read(CSV, &text, 1 << 20), Err(UnreadableRow::ValueTooLong(2)));
        assert_eq!(read(CSV, b"\xff\xfea\0\n\x001\0", 9), Err(UnreadableRow::NoTable));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

        /// Promise 5: the rows that are read are the rows that are counted, however the text is cut, and the fields those
        /// that are found byte by byte.
        #[test]
        fn rows_are_those_that_are_counted(
            text in "[ab]{1,2}(,[ab]{1,2}){0,2}\n([ab, ;\"\"'\\\\\n\r]|a{7,20}|,\"x\",|\n){0,40}",
            cut in 1_usize..50,
        ) {
            let mut counter = RowCounter::new(CSV);
            counter.push(text.as_bytes()).unwrap();
            let counted = counter.finish().unwrap().map(|count| count.rows);
            let rows = read(CSV, text.as_bytes(), cut).unwrap();
            prop_assert_eq!(counted, Some(rows.len() as u64));
            prop_assert_eq!(&read(CSV, text.as_bytes(), 1).unwrap(), &rows);
        }
    }
}
