//! Counts the rows of text, and the records of MARC, as they pass, for the manifest.

mod beginning;
mod broken;
mod columns;
mod delimited;
mod dialect;
mod error;
mod fields;
mod marc;
mod reader;
mod recognition;

use std::sync::Arc;

use memchr::memchr;

use self::beginning::{Encoding, Narrowing};
pub use self::broken::{BrokenRecord, BrokenRecords, OnBrokenRecord, RowCount};
pub use self::columns::{
    Case, Column, ColumnType, Digits, Expectations, Misfit, Pattern, Table, TableFormat, TableId, Tables,
    UnknownType, ValueKind, unique_names,
};
use self::columns::{DelimitedColumns, JsonColumns};
pub(crate) use self::columns::{kept_type, kept_types};
use self::delimited::CsvRecords;
use self::dialect::Folding;
pub use self::dialect::{CsvSettings, DELIMITERS, Delimiter, Dialect, InvalidDialect, Quote, QuotedEmpty};
pub use self::error::RowError;
pub use self::fields::FieldScanner;
use self::marc::MarcRecords;
pub use self::reader::{RowReader, RowSink, UnreadableRow};

/// So many first bytes say how text is written.
const BEGINNING_BYTES: usize = 16 << 10;

/// Content whose rows are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowFormat {
    /// Delimited text, in a dialect that its beginning tells.
    Csv {
        /// The delimiter that such a file usually has.
        usual_delimiter: u8,
        /// How it is read.
        settings: RowSettings,
    },
    /// One JSON value a line. A blank line is no row, and what has values of several lines is not counted.
    Ndjson,
    /// Records of MARC 21 in their exchange form (ISO 2709), each checked: its length, its directory, its terminators.
    Marc {
        /// What becomes of the file where one of them breaks the rules.
        on_broken_record: OnBrokenRecord,
    },
}

/// What a person says of rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RowSettings {
    /// Whether the first record of delimited text names the columns and is no row.
    pub has_header: bool,
    /// How delimited text is written, where that is not to be recognised.
    pub csv: CsvSettings,
    /// What becomes of a file with a broken record.
    pub on_broken_record: OnBrokenRecord,
}

/// What the rows have for columns, where that is looked at.
#[derive(Debug, Clone)]
enum Columns {
    Delimited(Box<DelimitedColumns>),
    Json(Box<JsonColumns>),
}

impl RowFormat {
    /// Whether rows in it have columns that their text names.
    pub fn has_columns(self) -> bool {
        match self {
            Self::Csv { settings, .. } => settings.has_header,
            Self::Ndjson => true,
            Self::Marc { .. } => false,
        }
    }

    /// The format that a file's name promises: `.csv`, `.tsv`, `.ndjson`, `.jsonl` or `.mrc`, in any case.
    ///
    /// `.json` promises nothing: it may be one value over many lines.
    pub fn from_name(name: &str, settings: RowSettings) -> Option<Self> {
        let (_, extension) = name.rsplit('/').next()?.rsplit_once('.')?;
        match extension.to_ascii_lowercase().as_str() {
            "csv" => Some(Self::Csv { usual_delimiter: b',', settings }),
            "tsv" => Some(Self::Csv { usual_delimiter: b'\t', settings }),
            "ndjson" | "jsonl" => Some(Self::Ndjson),
            "mrc" => Some(Self::Marc { on_broken_record: settings.on_broken_record }),
            _ => None,
        }
    }
}

/// Counts rows incrementally, in constant memory; the content may be cut anywhere.
///
/// Its first bytes say what it is. What is something else under its name, compressed say, or in an encoding whose rows
/// are not known, is not counted.
#[derive(Debug, Clone)]
pub struct RowCounter {
    format: RowFormat,
    observes_columns: bool,
    expected: Option<Arc<dyn Expectations>>,
    state: State,
}

#[derive(Debug, Clone)]
enum State {
    /// As long as it has not been seen what the content is.
    Beginning(Vec<u8>),
    Counting {
        counter: Counter,
        columns: Option<Columns>,
        narrowing: Option<Narrowing>,
        folding: Option<Folding>,
    },
    /// It is something else.
    NotCounted,
}

#[derive(Debug, Clone)]
enum Counter {
    Csv(CsvRecords),
    Ndjson(Lines),
    Marc(MarcRecords),
}

impl RowCounter {
    /// A counter at the start of a file.
    pub fn new(format: RowFormat) -> Self {
        Self { format, observes_columns: false, expected: None, state: State::Beginning(Vec::new()) }
    }

    /// The same, which looks at every value, too, and tells the columns.
    pub fn observing_columns(self) -> Self {
        Self { observes_columns: true, ..self }
    }

    /// The same, where something is known of the columns before: it notes the first value of each that does not fit that.
    pub fn expecting(self, expected: Arc<dyn Expectations>) -> Self {
        Self { expected: Some(expected), ..self.observing_columns() }
    }

    /// Takes the next bytes; an error where they break what the format promises.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<(), RowError> {
        if let State::Beginning(beginning) = &mut self.state {
            let missing = BEGINNING_BYTES.saturating_sub(beginning.len()).min(bytes.len());
            let (head, rest) = bytes.split_at(missing);
            beginning.extend_from_slice(head);
            if beginning.len() < BEGINNING_BYTES {
                return Ok(());
            }
            self.state = self.begin(false)?;
            bytes = rest;
        }
        self.state.push(bytes)
    }

    /// The rows, once all bytes have been taken; `None` where they are not counted. The last row needs no line break; an
    /// error where the last record is not whole.
    pub fn finish(mut self) -> Result<Option<RowCount>, RowError> {
        if let State::Beginning(_) = &self.state {
            self.state = self.begin(true)?;
        }
        self.state.end()?;
        match self.state {
            // Cut in the middle of a character.
            State::Counting { narrowing: Some(narrowing), .. } if !narrowing.is_whole() => Ok(None),
            State::Counting { folding: Some(folding), .. } if folding.is_ambiguous() => Ok(None),
            State::Counting { counter, columns, .. } => {
                let rows = columns.as_ref().and_then(Columns::rows);
                let table = columns.and_then(Columns::finish).map(Box::new);
                let count = match rows {
                    Some(rows) => Some(rows.into()),
                    None => counter.finish()?,
                };
                Ok(count.map(|count| RowCount { table, ..count }))
            }
            State::Beginning(_) | State::NotCounted => Ok(None),
        }
    }

    /// Looks at the beginning, and counts it.
    fn begin(&mut self, is_whole: bool) -> Result<State, RowError> {
        let State::Beginning(beginning) = &self.state else { return Ok(State::NotCounted) };
        if beginning::is_something_else(beginning) {
            return Ok(State::NotCounted);
        }
        let encoding = match self.format {
            RowFormat::Marc { .. } => Some((Encoding::Ascii, 0)),
            RowFormat::Csv { .. } | RowFormat::Ndjson => beginning::encoding(beginning),
        };
        let Some((encoding, mark)) = encoding else { return Ok(State::NotCounted) };
        let text = beginning.get(mark..).unwrap_or_default();
        let mut state = match encoding {
            Encoding::Ascii => {
                let counter = Counter::of(self.format, text, is_whole);
                let columns = Some(self.format).filter(|_| self.observes_columns);
                let columns =
                    columns.and_then(|format| Columns::of(format, &counter, self.expected.as_ref()));
                let folding = counter.folding();
                State::Counting { counter, columns, narrowing: None, folding }
            }
            Encoding::Utf16 { big_endian } => {
                let mut narrow = Vec::with_capacity(text.len() / 2);
                Narrowing::new(big_endian).push(text, |bytes| narrow.extend_from_slice(bytes));
                let counter = Counter::of(self.format, &narrow, is_whole);
                let folding = counter.folding();
                let narrowing = Some(Narrowing::new(big_endian));
                State::Counting { counter, columns: None, narrowing, folding }
            }
        };
        state.push(text)?;
        Ok(state)
    }
}

impl State {
    fn push(&mut self, bytes: &[u8]) -> Result<(), RowError> {
        let Self::Counting { counter, columns, narrowing, folding } = self else { return Ok(()) };
        let Some(narrowing) = narrowing else {
            return see(counter, columns.as_mut(), folding.as_mut(), bytes);
        };
        let mut counted = Ok(());
        narrowing.push(bytes, |narrow| {
            if counted.is_ok() {
                counted = see(counter, None, folding.as_mut(), narrow);
            }
        });
        counted
    }

    /// Takes what is left, once all bytes have been taken.
    fn end(&mut self) -> Result<(), RowError> {
        let Self::Counting { counter, columns, folding: Some(folding), .. } = self else { return Ok(()) };
        see(counter, columns.as_mut(), None, folding.finish())
    }
}

/// Counts text, and looks at its columns.
fn see(
    counter: &mut Counter,
    columns: Option<&mut Columns>,
    folding: Option<&mut Folding>,
    bytes: &[u8],
) -> Result<(), RowError> {
    let bytes = match folding {
        Some(folding) => folding.push(bytes),
        None => bytes,
    };
    if let Some(columns) = columns {
        let counts = columns.rows().is_some();
        columns.push(bytes);
        // Whoever looks at all fields counts the rows, too, once there is a header.
        if counts {
            return Ok(());
        }
    }
    counter.push(bytes)
}

impl Counter {
    /// A counter for content that begins so.
    fn of(format: RowFormat, beginning: &[u8], is_whole: bool) -> Self {
        match format {
            RowFormat::Csv { usual_delimiter, settings: RowSettings { has_header, csv, .. } } => {
                let dialect = recognition::recognise(beginning, is_whole, usual_delimiter, csv);
                Self::Csv(CsvRecords::new(dialect, has_header))
            }
            RowFormat::Ndjson => Self::Ndjson(Lines::default()),
            RowFormat::Marc { on_broken_record } => Self::Marc(MarcRecords::new(on_broken_record)),
        }
    }

    /// What folds the pairs between the fields, where they are pairs.
    fn folding(&self) -> Option<Folding> {
        match self {
            Self::Csv(records) => records.dialect().pair.map(Folding::new),
            Self::Ndjson(_) | Self::Marc(_) => None,
        }
    }

    fn push(&mut self, bytes: &[u8]) -> Result<(), RowError> {
        match self {
            Self::Csv(records) => records.push(bytes),
            Self::Ndjson(lines) => lines.push(bytes),
            Self::Marc(records) => records.push(bytes)?,
        }
        Ok(())
    }

    fn finish(self) -> Result<Option<RowCount>, RowError> {
        match self {
            Self::Csv(records) => Ok(Some(records.finish().into())),
            Self::Ndjson(lines) => Ok(lines.finish().map(RowCount::from)),
            Self::Marc(records) => records.finish().map(Some),
        }
    }
}

impl Columns {
    /// Those of text that a counter is to count; of delimited text, a header names them.
    fn of(format: RowFormat, counter: &Counter, expected: Option<&Arc<dyn Expectations>>) -> Option<Self> {
        match (counter, format) {
            _ if !format.has_columns() => None,
            (Counter::Csv(records), RowFormat::Csv { .. }) => {
                let columns = DelimitedColumns::new(records.dialect()).expecting(expected.cloned());
                Some(Self::Delimited(Box::new(columns)))
            }
            (Counter::Ndjson(_), _) => Some(Self::Json(Box::new(JsonColumns::expecting(expected.cloned())))),
            _ => None,
        }
    }

    /// The rows so far, where they are counted as they are looked at.
    fn rows(&self) -> Option<u64> {
        match self {
            Self::Delimited(columns) => columns.rows(),
            Self::Json(_) => None,
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        match self {
            Self::Delimited(columns) => columns.push(bytes),
            Self::Json(columns) => columns.push(bytes),
        }
    }

    fn finish(self) -> Option<Table> {
        match self {
            Self::Delimited(columns) => columns.finish(),
            Self::Json(columns) => columns.finish(),
        }
    }
}

/// Lines that are JSON values, each whole.
///
/// That one is not whole shows in the end: what begins as an object or a list, and is none at the end of its line or goes
/// on behind it, has a line that begins or ends otherwise, since behind its last bracket a comma or another bracket comes.
#[derive(Debug, Clone, Default)]
struct Lines {
    rows: u64,
    /// The first and the last byte of the current line that are not blank.
    ends: Option<[u8; 2]>,
    has_others: bool,
}

impl Lines {
    fn push(&mut self, mut bytes: &[u8]) {
        while let Some(at) = memchr(b'\n', bytes) {
            self.see(bytes.get(..at).unwrap_or_default());
            match self.ends.take() {
                Some(ends) if is_whole(ends) == Some(true) => self.rows = self.rows.saturating_add(1),
                Some(_) => self.has_others = true,
                None => {}
            }
            bytes = bytes.get(at.saturating_add(1)..).unwrap_or_default();
        }
        self.see(bytes);
    }

    fn see(&mut self, part: &[u8]) {
        let mut content = part.iter().copied().filter(|byte| !byte.is_ascii_whitespace());
        let Some(first) = content.next() else { return };
        let last = content.next_back().unwrap_or(first);
        self.ends = Some([self.ends.map_or(first, |[first, _]| first), last]);
    }

    /// The rows; `None` where a line is none. Of a file that ends within its last line, the lines before it.
    fn finish(self) -> Option<u64> {
        let rows = match self.ends.map(is_whole) {
            None => Some(self.rows),
            Some(Some(true)) => Some(self.rows.saturating_add(1)),
            Some(Some(false)) => Some(self.rows).filter(|rows| *rows > 0),
            Some(None) => None,
        };
        rows.filter(|_| !self.has_others)
    }
}

/// Whether a JSON value that begins with the first of these bytes may end with the last; `None` where none begins so.
fn is_whole([first, last]: [u8; 2]) -> Option<bool> {
    match first {
        b'{' => Some(last == b'}'),
        b'[' => Some(last == b']'),
        b'"' => Some(last == b'"'),
        b't' | b'f' => Some(last == b'e'),
        b'n' => Some(last == b'l'),
        b'-' | b'0'..=b'9' => Some(last.is_ascii_digit()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLAIN: RowSettings = RowSettings {
        has_header: false,
        csv: CsvSettings { delimiter: None, quote: None, quoted_empty: QuotedEmpty::Text },
        on_broken_record: OnBrokenRecord::Refuse,
    };
    const MARC: RowFormat = RowFormat::Marc { on_broken_record: OnBrokenRecord::Refuse };

    fn format(has_header: bool) -> RowFormat {
        RowFormat::Csv { usual_delimiter: b',', settings: RowSettings { has_header, ..PLAIN } }
    }

    fn csv(text: &[u8], has_header: bool) -> u64 {
        count(format(has_header), &[text]).unwrap()
    }

    fn count(format: RowFormat, chunks: &[&[u8]]) -> Option<u64> {
        let mut counter = RowCounter::new(format);
        chunks.iter().for_each(|chunk| counter.push(chunk).unwrap());
        counter.finish().unwrap().map(|count| count.rows)
    }

    /// What the `csv` crate reads, byte order mark and all.
    fn csv_crate(text: &[u8], delimiter: u8) -> u64 {
        let reader = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .has_headers(false)
            .flexible(true)
            .from_reader(text);
        let records = reader.into_byte_records().map(Result::unwrap).count();
        u64::try_from(records).unwrap()
    }

    #[test]
    fn line_breaks_count_only_outside_quotes() {
        assert_eq!(csv(b"id,text\n1,\"a\nb\"\n2,\"say \"\"hi\"\"\r\n\"\n", true), 2);
        assert_eq!(csv(b"1,5\" pipe\n2,6\" pipe\n", false), 2);
        assert_eq!(csv(b"\"a\"\"\n\"\"b\"\n", false), 1);
    }

    #[test]
    fn every_kind_of_line_break_ends_a_row() {
        for text in ["a,x\nb,y", "a,x\nb,y\n", "a,x\r\nb,y\r\n", "a,x\rb,y\r", "a,x\n\n\r\nb,y\n\n"] {
            assert_eq!(csv(text.as_bytes(), false), 2, "{text:?}");
        }
    }

    /// Promise 5: what two characters delimit is counted like other text, in any encoding.
    #[test]
    fn two_characters_may_delimit_fields() {
        let delimiter = "||".to_owned().try_into().ok();
        let settings = RowSettings { csv: CsvSettings { delimiter, ..PLAIN.csv }, has_header: true, ..PLAIN };
        let format = RowFormat::Csv { usual_delimiter: b',', settings };
        let text = "id||text\n1||\"a||\u{e9}\n\"\n2|||c|\n3||d|";
        let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        for text in [text.as_bytes(), &wide] {
            for piece in [1, 3, 100] {
                assert_eq!(
                    count(format, &text.chunks(piece).collect::<Vec<_>>()),
                    Some(3),
                    "in pieces of {piece}"
                );
            }
        }
    }

    #[test]
    fn a_header_alone_is_no_row() {
        for text in ["", "\n", "\u{feff}", "id,name", "id,name\n", "\u{feff}\"id\nof row\",name\r\n"] {
            assert_eq!(csv(text.as_bytes(), true), 0, "{text:?}");
        }
    }

    /// Promise 5: what DuckDB 2.0 counts of the dialects of the field (`read_csv` with `header = true`), and of UTF-16
    /// with its encoding named.
    #[test]
    fn rows_are_those_that_duckdb_counts() {
        let cases = [
            ("id;text\n1;\"a\nb\"\n2;c\n", 2),
            ("id\ttext\n1\t\"a\nb\"\n2\tc\n", 2),
            ("id|text\n1|\"a\nb\"\n2|c\n", 2),
            ("id;x\n1;1,5\n2;\"2,5\n\"\n", 2),
            ("id,text\n1,'a\nb'\n2,'c'\n", 2),
            ("id,text\n1,\"a\\\"b\nc\"\n2,\"d\"\n3,\"e\"\n", 3),
            ("id,p\n1,\"C:\\dir\\\"\n2,\"D:\\x\\\"\n", 2),
            ("id, text\n1, \"a\nb\"\n2, \"c\"\n", 2),
            (" id,t\n \"a\nb\",1\n", 1),
            ("id,t\n1,'tis\n2,'twas\n3,ok\n", 3),
            ("id,t\n1,\"abc\n2,d\n", 2),
            ("id,name\n1,a\n\n2,b\n\n", 2),
            ("id\n1\n\n2\n\n", 4),
            ("id\r\n1\r\n\r\n2\r\n", 3),
            ("\n\nid\n1\n", 1),
            ("id\n\"1\"\n\n\"2\"\n", 3),
            ("text\n\"a\nb\"\nc\n", 2),
            ("id,name\n1,a\0b\n2,c\n", 2),
            ("a,b\n1,x\u{2028}y\n", 1),
        ];
        for (text, rows) in cases {
            assert_eq!(csv(text.as_bytes(), true), rows, "{text:?}");
            let marked = format!("\u{feff}{text}");
            assert_eq!(csv(marked.as_bytes(), true), rows, "{text:?} with a byte order mark");
            let units: Vec<u16> = marked.encode_utf16().collect();
            let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
            let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
            for wide in [&little, &big, &little[2..].to_vec(), &big[2..].to_vec()] {
                let bytes: Vec<&[u8]> = wide.chunks(1).collect();
                assert_eq!(count(format(true), &bytes), Some(rows), "{text:?} in UTF-16");
            }
        }
    }

    /// Promise 5: a dialect that the first bytes tell holds to the end, in any encoding.
    #[test]
    fn what_is_longer_than_its_beginning_is_counted_to_its_end() {
        let rows = 3_000;
        let text: String =
            (0..rows).map(|row| format!("{row};\"a note\nof two lines, {row}\"\r\n")).collect();
        assert!(text.len() > 2 * BEGINNING_BYTES);
        assert_eq!(csv(text.as_bytes(), false), rows);
        let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        for piece in [1, 4095, 100_000] {
            let pieces: Vec<&[u8]> = wide.chunks(piece).collect();
            assert_eq!(count(format(false), &pieces), Some(rows), "in pieces of {piece}");
        }
        let lines: Vec<u8> = "{}\n".repeat(20_000).encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(count(RowFormat::Ndjson, &[&lines]), Some(20_000));
    }

    /// Promise 5: what is something else under the name of text has no rows, not none.
    #[test]
    fn what_is_no_text_is_not_counted() {
        let cut = &b"i\0d\0\n\x001"[..];
        for other in
            [&b"\x1f\x8b\x08\0\n\n\n"[..], b"\x28\xb5\x2f\xfd\n", b"\xff\xfe\0\0i\0\0\0", &[0; 100], cut]
        {
            for format in [format(true), RowFormat::Ndjson] {
                assert_eq!(count(format, &[other]), None, "{other:?}");
            }
        }
        assert_eq!(count(MARC, &[b"\x1f\x8b\x08\0"]), None);
    }

    #[test]
    fn ndjson_rows_are_lines_with_content() {
        let format = RowFormat::Ndjson;
        assert_eq!(count(format, &[b"{}\n", b"\n  \r\n{\"a\":", b" \t", b"1}\r\n[", b"]"]), Some(3));
        assert_eq!(count(format, &[]), Some(0));
        assert_eq!(count(format, &["\u{feff}\n{}".as_bytes()]), Some(1));
    }

    /// Promise 5: JSON of several lines a value has no rows, not as many as it has lines: pretty-printed, as one list, or
    /// with its commas first; nor have other texts.
    #[test]
    fn what_is_not_a_json_value_a_line_is_not_counted() {
        let values = ["{}", "[]", "\"a\"", "-1.5", "1e9", "true", "false", "null", "0", " {\"a\": [1]}\t\r"];
        let whole = values.join("\n");
        assert_eq!(count(RowFormat::Ndjson, &[whole.as_bytes()]), Some(10));
        let value = serde_json::json!({ "a": { "b": [1, {}] }, "c": [], "d": "x", "e": null });
        let pretty = serde_json::to_string_pretty(&value).unwrap();
        for text in [
            pretty.clone(),
            format!("{pretty}\n").repeat(3),
            format!("{{}}\n{pretty}\n{{}}\n"),
            "[\n{}\n,\n{}\n]\n".to_owned(),
            "[{},\n{}]\n".to_owned(),
            "{ \"a\": {}\n, \"b\": {} }\n".to_owned(),
            "[[]\n,[]]".to_owned(),
            "{\"a\":1,".to_owned(),
            "Job 1881 has ended\n".to_owned(),
            "a,b\n1,2\n".to_owned(),
            "{}\n{\"a\":\n{}\n".to_owned(),
        ] {
            for piece in [1, 7, text.len()] {
                let pieces: Vec<&[u8]> = text.as_bytes().chunks(piece).collect();
                assert_eq!(count(RowFormat::Ndjson, &pieces), None, "{text:?}");
            }
        }
        // A file that ends within a line has the rows before it: what its source counts is held against them.
        assert_eq!(count(RowFormat::Ndjson, &[b"{}\n{}\n{\"a\":"]), Some(2));
    }

    #[test]
    fn a_name_promises_a_format() {
        let of = |name| RowFormat::from_name(name, PLAIN);
        assert_eq!(of("a/B.CSV"), Some(format(false)));
        assert_eq!(of("b.tsv"), Some(RowFormat::Csv { usual_delimiter: b'\t', settings: PLAIN }));
        assert_eq!(of("b.jsonl"), Some(RowFormat::Ndjson));
        assert_eq!(of("b.ndjson"), Some(RowFormat::Ndjson));
        assert_eq!(of("ids-112.MRC"), Some(MARC));
        assert_eq!(of("b.json"), None);
        assert_eq!(of("dir.csv/readme"), None);
        assert_eq!(of("csv"), None);
    }

    /// A JSON value of some depth.
    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::json!(null)),
            any::<bool>().prop_map(serde_json::Value::from),
            any::<i32>().prop_map(serde_json::Value::from),
            "[a-z{}\\[\\],\" ]{0,5}".prop_map(serde_json::Value::from),
        ];
        leaf.prop_recursive(4, 20, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
                prop::collection::btree_map("[a-z]", inner, 0..4)
                    .prop_map(|fields| fields.into_iter().collect::<serde_json::Map<_, _>>().into()),
            ]
        })
    }

    proptest! {
        /// Promise 5: values that are broken anywhere are counted only where each is on a line of its own.
        #[test]
        fn json_is_counted_a_line_a_value_or_not_at_all(
            values in prop::collection::vec(json(), 1..4),
            breaks in prop::collection::vec(any::<bool>(), 400),
        ) {
            let mut breaks = breaks.into_iter().cycle();
            let mut text = String::new();
            let mut is_broken = false;
            for value in &values {
                let mut is_text = false;
                let compact = value.to_string();
                for (at, character) in compact.char_indices() {
                    let is_between = at > 0 && !is_text && "{}[],:\"".contains(character);
                    let is_escaped = compact[..at].chars().rev().take_while(|before| *before == '\\').count() % 2 == 1;
                    is_text ^= character == '"' && !is_escaped;
                    if is_between && breaks.next() == Some(true) {
                        text.push('\n');
                        is_broken = true;
                    }
                    text.push(character);
                }
                text.push('\n');
            }
            let rows = count(RowFormat::Ndjson, &[text.as_bytes()]);
            let expected = (!is_broken).then_some(values.len() as u64);
            prop_assert_eq!(rows, expected, "{}", text);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

        #[test]
        fn rows_are_those_of_the_csv_crate_however_the_text_is_cut(
            text in "(\u{feff})?([ab,\"\"\n\r\u{feff}]|a{7,50}){0,40}",
            cuts in prop::collection::vec(0_usize..200, 0..6),
        ) {
            let text = text.as_bytes();
            let mut records = CsvRecords::new(Dialect::delimited_by(b','), false);
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let mark = if text.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
            cuts.windows(2).for_each(|pair| records.push(&text[pair[0].max(mark).min(pair[1])..pair[1]]));
            prop_assert_eq!(records.finish(), csv_crate(text, b','));
        }
    }
}
