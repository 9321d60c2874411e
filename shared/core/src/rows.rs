//! Counts the rows of text, and the records of MARC, as they pass, for the manifest.

mod error;
mod marc;

use memchr::{memchr, memchr3};

pub use self::error::RowError;
use self::marc::MarcRecords;

/// The UTF-8 byte order mark.
const BOM: [u8; 3] = *b"\xef\xbb\xbf";

/// Text whose rows are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowFormat {
    /// Delimited text, quoted as RFC 4180 has it. An empty line is no row.
    Csv {
        /// The byte between two fields.
        delimiter: u8,
        /// Whether the first record names the columns and is no row.
        has_header: bool,
    },
    /// One JSON value a line. A blank line is no row.
    Ndjson,
    /// Records of MARC 21 in their exchange form (ISO 2709), each checked: its length, its directory, its terminators.
    Marc,
}

impl RowFormat {
    /// The format that a file's name promises: `.csv`, `.tsv`, `.ndjson`, `.jsonl` or `.mrc`, in any case. `has_header`
    /// says whether the first record of delimited text names the columns.
    ///
    /// `.json` promises nothing: it may be one value over many lines.
    pub fn from_name(name: &str, has_header: bool) -> Option<Self> {
        let (_, extension) = name.rsplit('/').next()?.rsplit_once('.')?;
        match extension.to_ascii_lowercase().as_str() {
            "csv" => Some(Self::Csv { delimiter: b',', has_header }),
            "tsv" => Some(Self::Csv { delimiter: b'\t', has_header }),
            "ndjson" | "jsonl" => Some(Self::Ndjson),
            "mrc" => Some(Self::Marc),
            _ => None,
        }
    }
}

/// Counts rows incrementally, in constant memory; the text may be cut anywhere.
#[derive(Debug, Clone)]
pub struct RowCounter(Counter);

#[derive(Debug, Clone)]
enum Counter {
    Csv(CsvRecords),
    Ndjson(Lines),
    Marc(MarcRecords),
}

impl RowCounter {
    /// A counter at the start of a file.
    pub fn new(format: RowFormat) -> Self {
        Self(match format {
            RowFormat::Csv { delimiter, has_header } => Counter::Csv(CsvRecords::new(delimiter, has_header)),
            RowFormat::Ndjson => Counter::Ndjson(Lines::default()),
            RowFormat::Marc => Counter::Marc(MarcRecords::default()),
        })
    }

    /// Takes the next bytes; an error where they break what the format promises.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), RowError> {
        match &mut self.0 {
            Counter::Csv(records) => records.push(bytes),
            Counter::Ndjson(lines) => lines.push(bytes),
            Counter::Marc(records) => records.push(bytes)?,
        }
        Ok(())
    }

    /// The rows, once all bytes have been taken. The last one needs no line break; an error where the last record is
    /// not whole.
    pub fn finish(self) -> Result<u64, RowError> {
        match self.0 {
            Counter::Csv(records) => Ok(records.finish()),
            Counter::Ndjson(lines) => Ok(lines.finish()),
            Counter::Marc(records) => records.finish(),
        }
    }
}

/// Where in a record the last byte left the reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CsvState {
    /// Within the first bytes, while they are a byte order mark: that many of it have come.
    Mark(usize),
    /// Before the first byte of a record.
    RecordStart,
    /// Behind a delimiter: a quote opens a quoted field here.
    FieldStart,
    /// Within a field: a quote means nothing.
    Field,
    /// Between quotes: a line break means nothing.
    Quoted,
    /// Behind a quote between quotes: it closed the field unless another one follows.
    QuoteInQuoted,
}

#[derive(Debug, Clone)]
struct CsvRecords {
    delimiter: u8,
    has_header: bool,
    place: CsvState,
    records: u64,
}

impl CsvRecords {
    fn new(delimiter: u8, has_header: bool) -> Self {
        Self { delimiter, has_header, place: CsvState::Mark(0), records: 0 }
    }

    fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            bytes = match self.place {
                CsvState::Mark(seen) => self.skip_mark(bytes, seen),
                CsvState::Quoted => self.skip_quoted(bytes),
                CsvState::QuoteInQuoted => self.after_quote(bytes),
                CsvState::RecordStart | CsvState::FieldStart | CsvState::Field => self.skip_plain(bytes),
            };
        }
    }

    fn finish(self) -> u64 {
        let records = match self.place {
            // A whole mark and nothing else is an empty file; a part of one is text.
            CsvState::Mark(0 | 3) | CsvState::RecordStart => self.records,
            _ => self.records.saturating_add(1),
        };
        records.saturating_sub(u64::from(self.has_header))
    }

    fn skip_mark<'a>(&mut self, bytes: &'a [u8], seen: usize) -> &'a [u8] {
        match (bytes.split_first(), BOM.get(seen)) {
            (Some((byte, rest)), Some(expected)) if byte == expected => {
                self.place = CsvState::Mark(seen.saturating_add(1));
                rest
            }
            (_, expected) => {
                let is_text = seen > 0 && expected.is_some();
                self.place = if is_text { CsvState::Field } else { CsvState::RecordStart };
                bytes
            }
        }
    }

    /// Skips to behind the quote that may close the field. The two that surely keep a quote open, a doubled one and
    /// one that ends a field right before the next, are passed here: text that quotes every field is full of them.
    fn skip_quoted<'a>(&mut self, mut bytes: &'a [u8]) -> &'a [u8] {
        while let Some(rest) = find_quote(bytes).and_then(|at| bytes.get(at.saturating_add(1)..)) {
            bytes = match rest {
                [b'"', after @ ..] => after,
                [between, b'"', after @ ..] if *between == self.delimiter => after,
                _ => {
                    self.place = CsvState::QuoteInQuoted;
                    return rest;
                }
            };
        }
        &[]
    }

    /// The byte behind a quote decides what the quote was; any but a second quote is read as a field's.
    fn after_quote<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        match bytes.split_first() {
            Some((b'"', rest)) => {
                self.place = CsvState::Quoted;
                rest
            }
            _ => {
                self.place = CsvState::Field;
                bytes
            }
        }
    }

    /// Skips to the next line break, or behind the next quote that opens a field.
    fn skip_plain<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let mut from = 0;
        while let Some(at) = bytes.get(from..).and_then(|rest| memchr3(b'"', b'\n', b'\r', rest)) {
            let at = from.saturating_add(at);
            from = at.saturating_add(1);
            let before = self.place_at(bytes, at);
            if bytes.get(at) != Some(&b'"') {
                self.records = self.records.saturating_add(u64::from(before != CsvState::RecordStart));
                self.place = CsvState::RecordStart;
            } else if before == CsvState::Field {
                self.place = CsvState::Field;
                continue;
            } else {
                self.place = CsvState::Quoted;
            }
            return bytes.get(from..).unwrap_or_default();
        }
        self.place = self.place_at(bytes, bytes.len());
        &[]
    }

    /// The place before the byte at `at`, if all bytes before it are plain.
    fn place_at(&self, bytes: &[u8], at: usize) -> CsvState {
        match at.checked_sub(1).and_then(|last| bytes.get(last)) {
            Some(&last) if last == self.delimiter => CsvState::FieldStart,
            Some(_) => CsvState::Field,
            None => self.place,
        }
    }
}

/// Where the next quote is. Quoted fields are short, and a call of `memchr` costs more than to look at eight bytes.
fn find_quote(bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGH: u64 = u64::from_le_bytes([0x80; 8]);
    const QUOTES: u64 = u64::from_le_bytes([b'"'; 8]);
    let mut rest = bytes;
    let mut seen: usize = 0;
    while let Some((word, after)) = rest.split_first_chunk::<8>() {
        if seen == 32 {
            break;
        }
        // The lowest high bit that is left is that of the first zero byte.
        let differs = u64::from_le_bytes(*word) ^ QUOTES;
        let zeros = differs.wrapping_sub(ONES) & !differs & HIGH;
        if zeros != 0 {
            return Some(
                seen.saturating_add(usize::try_from(zeros.trailing_zeros() / 8).unwrap_or_default()),
            );
        }
        rest = after;
        seen = seen.saturating_add(8);
    }
    memchr(b'"', rest).map(|at| seen.saturating_add(at))
}

#[derive(Debug, Clone, Default)]
struct Lines {
    rows: u64,
    has_content: bool,
}

impl Lines {
    fn push(&mut self, mut bytes: &[u8]) {
        while let Some(at) = memchr(b'\n', bytes) {
            self.see(bytes.get(..at).unwrap_or_default());
            self.rows = self.rows.saturating_add(u64::from(self.has_content));
            self.has_content = false;
            bytes = bytes.get(at.saturating_add(1)..).unwrap_or_default();
        }
        self.see(bytes);
    }

    fn see(&mut self, part: &[u8]) {
        self.has_content = self.has_content || part.iter().any(|byte| !byte.is_ascii_whitespace());
    }

    fn finish(self) -> u64 {
        self.rows.saturating_add(u64::from(self.has_content))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn csv(text: &[u8], has_header: bool) -> u64 {
        count(RowFormat::Csv { delimiter: b',', has_header }, &[text])
    }

    fn count(format: RowFormat, chunks: &[&[u8]]) -> u64 {
        let mut counter = RowCounter::new(format);
        chunks.iter().for_each(|chunk| counter.push(chunk).unwrap());
        counter.finish().unwrap()
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
        for text in ["a\nb", "a\nb\n", "a\r\nb\r\n", "a\rb\r", "a\n\n\r\nb\n\n"] {
            assert_eq!(csv(text.as_bytes(), false), 2, "{text:?}");
        }
    }

    #[test]
    fn a_header_alone_is_no_row() {
        for text in ["", "\n", "\u{feff}", "id,name", "id,name\n", "\u{feff}\"id\nof row\",name\r\n"] {
            assert_eq!(csv(text.as_bytes(), true), 0, "{text:?}");
        }
    }

    #[test]
    fn ndjson_rows_are_lines_with_content() {
        let format = RowFormat::Ndjson;
        assert_eq!(count(format, &[b"{}\n", b"\n  \r\n{\"a\":", b"1}\r\n[", b"]"]), 3);
        assert_eq!(count(format, &[]), 0);
    }

    #[test]
    fn a_name_promises_a_format() {
        let format = |name| RowFormat::from_name(name, false);
        assert_eq!(format("a/B.CSV"), Some(RowFormat::Csv { delimiter: b',', has_header: false }));
        assert_eq!(format("b.tsv"), Some(RowFormat::Csv { delimiter: b'\t', has_header: false }));
        assert_eq!(format("b.jsonl"), Some(RowFormat::Ndjson));
        assert_eq!(format("b.ndjson"), Some(RowFormat::Ndjson));
        assert_eq!(format("ids-112.MRC"), Some(RowFormat::Marc));
        assert_eq!(format("b.json"), None);
        assert_eq!(format("dir.csv/readme"), None);
        assert_eq!(format("csv"), None);
        let with_header = RowFormat::Csv { delimiter: b',', has_header: true };
        assert_eq!(RowFormat::from_name("a.csv", true), Some(with_header));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

        #[test]
        fn rows_are_those_of_the_csv_crate_however_the_text_is_cut(
            text in "(\u{feff})?([ab,\"\"\n\r\u{feff}]|a{7,50}){0,40}",
            cuts in prop::collection::vec(0_usize..200, 0..6),
        ) {
            let text = text.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let chunks: Vec<&[u8]> = cuts.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect();
            let format = RowFormat::Csv { delimiter: b',', has_header: false };
            prop_assert_eq!(count(format, &chunks), csv_crate(text, b','));
        }
    }
}
