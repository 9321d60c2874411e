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

/// A field that was passed as a whole.
#[derive(Debug)]
pub(super) struct WholeField<'a> {
    /// What it holds, without its quotes.
    pub value: &'a [u8],
    /// Whether it has quotes.
    pub is_quoted: bool,
    /// Whether the record ends with it.
    pub ends_record: bool,
    /// What comes behind its end.
    pub rest: &'a [u8],
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

    /// The whole field that the next bytes begin with, and the byte that ends it, where they show both: then it is passed,
    /// and so is that byte.
    pub(super) fn whole_field<'a>(&mut self, bytes: &'a [u8]) -> Option<WholeField<'a>> {
        let Dialect { delimiter, quote, has_backslashes, .. } = self.dialect;
        let is_start = self.place.is_before_record() || self.place == Place::FieldStart;
        let first = *bytes.first().filter(|_| is_start)?;
        let is_quoted = quote == Some(first);
        let (value, rest) = match is_quoted {
            true if has_backslashes => return None,
            true => {
                let inner = bytes.get(1..)?;
                let (value, rest) = inner.split_at_checked(memchr(first, inner)?)?;
                (value, rest.get(1..)?)
            }
            // Whether a quote comes behind a space, shows only there.
            false if first == b' ' => return None,
            false => bytes.split_at_checked(memchr3(delimiter, b'\n', b'\r', bytes)?)?,
        };
        let (end, rest) = rest.split_first()?;
        let is_empty_line = value.is_empty() && !is_quoted && self.place.is_before_record();
        let (place, fields) = match *end {
            end if end == delimiter => (Place::FieldStart, self.fields.max(1).saturating_add(1)),
            b'\n' if !is_empty_line => (Place::RecordStart, 0),
            b'\r' if !is_empty_line => (Place::BehindReturn, 0),
            _ => return None,
        };
        (self.place, self.fields) = (place, fields);
        Some(WholeField { value, is_quoted, ends_record: fields == 0, rest })
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
