//! Delimited text by its fields: record by record, a byte at a time. It is for looking closely at a little text;
//! records alone are counted faster.

use memchr::{memchr, memchr2, memchr3};

use super::dialect::Dialect;

/// Where in a record the last byte left the reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Before the first byte of a record.
    RecordStart,
    /// The same, behind a carriage return: a line feed belongs to it.
    BehindReturn,
    /// Behind a delimiter, and perhaps spaces: a quote opens a quoted field here.
    FieldStart,
    /// Within a field: a quote means nothing.
    Field,
    /// Between quotes: a line break means nothing.
    Quoted,
    /// Between quotes, behind a backslash: a quote means nothing.
    Escaped,
    /// Behind a quote between quotes: it closed the field unless another one follows.
    QuoteInQuoted,
}

impl Place {
    pub(super) fn is_before_record(self) -> bool {
        matches!(self, Self::RecordStart | Self::BehindReturn)
    }
}

/// What a byte is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scanned {
    /// A part of how the text is written.
    Nothing,
    /// A part of a field. Spaces before a quote are none, as the quote shows.
    Content,
    /// The quote that begins a field.
    Opened,
    /// The end of a field, behind which another one comes.
    FieldEnd,
    /// The end of a record of so many fields.
    RecordEnd(u32),
    /// The end of a line without anything.
    EmptyLine,
}

/// A field that is there from its beginning to its end.
#[derive(Debug, Clone, Copy)]
pub(super) struct WholeField<'a> {
    /// What is in it; between its quotes, where it has them.
    pub(super) content: &'a [u8],
    pub(super) is_quoted: bool,
    /// The byte that ends it.
    end: u8,
    /// What comes behind that.
    pub(super) rest: &'a [u8],
}

/// Where an unquoted field ends. Most are short, and a search costs more than to look at eight bytes at a time.
fn find_end(delimiter: u8, bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGH: u64 = u64::from_le_bytes([0x80; 8]);
    let zeros = |word: u64, byte: u8| {
        let differs = word ^ u64::from_le_bytes([byte; 8]);
        differs.wrapping_sub(ONES) & !differs & HIGH
    };
    let mut rest = bytes;
    let mut seen: usize = 0;
    while let Some((word, after)) = rest.split_first_chunk::<8>() {
        if seen == 32 {
            break;
        }
        let word = u64::from_le_bytes(*word);
        // The lowest high bit that is left is that of the first byte that ends it.
        let ends = zeros(word, delimiter) | zeros(word, b'\n') | zeros(word, b'\r');
        if ends != 0 {
            return Some(seen.saturating_add(usize::try_from(ends.trailing_zeros() / 8).unwrap_or_default()));
        }
        rest = after;
        seen = seen.saturating_add(8);
    }
    memchr3(delimiter, b'\n', b'\r', rest).map(|at| seen.saturating_add(at))
}

/// Reads delimited text, and counts the fields of its records.
#[derive(Debug, Clone)]
pub struct FieldScanner {
    dialect: Dialect,
    place: Place,
    fields: u32,
    has_stray_quotes: bool,
}

impl FieldScanner {
    /// A scanner at the start of a text.
    pub fn new(dialect: Dialect) -> Self {
        Self { dialect, place: Place::RecordStart, fields: 0, has_stray_quotes: false }
    }

    /// Takes the next byte; returns the fields of the record that it ends, if it ends one.
    pub fn push(&mut self, byte: u8) -> Option<u32> {
        match self.step(byte) {
            Scanned::RecordEnd(fields) => Some(fields),
            _ => None,
        }
    }

    /// Takes the next byte, and says what it is.
    pub(super) fn step(&mut self, byte: u8) -> Scanned {
        let is_quote = self.dialect.quote == Some(byte);
        let (place, scanned) = match self.place {
            Place::Quoted if is_quote => (Place::QuoteInQuoted, Scanned::Nothing),
            Place::Quoted if byte == b'\\' && self.dialect.has_backslashes => {
                (Place::Escaped, Scanned::Content)
            }
            Place::Quoted | Place::Escaped => (Place::Quoted, Scanned::Content),
            Place::QuoteInQuoted if is_quote => (Place::Quoted, Scanned::Content),
            Place::RecordStart | Place::BehindReturn | Place::FieldStart if is_quote => {
                self.begin_record();
                (Place::Quoted, Scanned::Opened)
            }
            place if matches!(byte, b'\n' | b'\r') => self.end_line(place, byte),
            place => self.step_plain(place, byte),
        };
        self.place = place;
        scanned
    }

    fn end_line(&mut self, place: Place, byte: u8) -> (Place, Scanned) {
        let next = if byte == b'\r' { Place::BehindReturn } else { Place::RecordStart };
        let fields = std::mem::take(&mut self.fields);
        match place {
            Place::BehindReturn if byte == b'\n' => (next, Scanned::Nothing),
            place if place.is_before_record() => (next, Scanned::EmptyLine),
            _ => (next, Scanned::RecordEnd(fields)),
        }
    }

    /// Takes a byte that is no part of what is between quotes.
    fn step_plain(&mut self, place: Place, byte: u8) -> (Place, Scanned) {
        self.begin_record();
        match (place, byte) {
            (_, byte) if byte == self.dialect.delimiter => {
                self.fields = self.fields.saturating_add(1);
                (Place::FieldStart, Scanned::FieldEnd)
            }
            // A space before a quote, or behind one, is not the field's.
            (Place::RecordStart | Place::BehindReturn | Place::FieldStart, b' ') => {
                (Place::FieldStart, Scanned::Content)
            }
            (Place::QuoteInQuoted, b' ') => (Place::Field, Scanned::Nothing),
            (Place::QuoteInQuoted, _) => {
                self.has_stray_quotes = true;
                (Place::Field, Scanned::Content)
            }
            _ => (Place::Field, Scanned::Content),
        }
    }

    /// How many of the next bytes are surely content, and change nothing.
    pub(super) fn content_run(&self, bytes: &[u8]) -> usize {
        let end = match (self.place, self.dialect.quote) {
            (Place::Field, _) => memchr3(self.dialect.delimiter, b'\n', b'\r', bytes),
            (Place::Quoted, Some(quote)) if self.dialect.has_backslashes => memchr2(quote, b'\\', bytes),
            (Place::Quoted, Some(quote)) => memchr(quote, bytes),
            _ => Some(0),
        };
        end.unwrap_or(bytes.len())
    }

    /// The field that begins here, as far as it can be told at a glance: its content, whether it is between quotes, and the
    /// byte that ends it. None where it does not end here, or has what needs a closer look. Nothing is taken yet.
    pub(super) fn whole_field<'a>(&self, bytes: &'a [u8]) -> Option<WholeField<'a>> {
        let is_start = matches!(self.place, Place::RecordStart | Place::BehindReturn | Place::FieldStart);
        let first = *bytes.first().filter(|_| is_start)?;
        let (is_quoted, at) = match self.dialect.quote {
            Some(quote) if first == quote => {
                let content = bytes.get(1..)?;
                let at = match self.dialect.has_backslashes {
                    true => memchr2(quote, b'\\', content)?,
                    false => memchr(quote, content)?,
                };
                // A doubled quote, or a backslash, shows in what is behind it.
                (true, at.checked_add(2).filter(|_| content.get(at) == Some(&quote))?)
            }
            _ if first == b' ' => return None,
            _ => (false, find_end(self.dialect.delimiter, bytes)?),
        };
        let end = *bytes.get(at)?;
        if is_quoted && end != self.dialect.delimiter && !matches!(end, b'\n' | b'\r') {
            return None;
        }
        let content = if is_quoted { bytes.get(1..at.checked_sub(1)?)? } else { bytes.get(..at)? };
        Some(WholeField { content, is_quoted, end, rest: bytes.get(at.checked_add(1)?..)? })
    }

    /// Takes a field that was told at a glance, to behind the byte that ends it.
    pub(super) fn pass(&mut self, field: &WholeField<'_>) -> Scanned {
        if field.is_quoted || !field.content.is_empty() {
            self.begin_record();
            self.place = if field.is_quoted { Place::QuoteInQuoted } else { Place::Field };
        }
        self.step(field.end)
    }

    fn begin_record(&mut self) {
        self.fields = self.fields.max(1);
    }

    /// The fields of the record that has begun and has not ended; none between two records.
    pub fn open_record(&self) -> Option<u32> {
        (self.fields > 0).then_some(self.fields)
    }

    /// Whether a field that a quote has begun has not ended.
    pub fn is_quoted(&self) -> bool {
        matches!(self.place, Place::Quoted | Place::Escaped)
    }

    /// Whether something stood between a quote that ends a field and the field's end: then it did not end it.
    pub fn has_stray_quotes(&self) -> bool {
        self.has_stray_quotes
    }
}
