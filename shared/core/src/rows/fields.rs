//! Delimited text by its fields: record by record, a byte at a time. It is for looking closely at a little text;
//! records alone are counted faster.

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
        let is_quote = self.dialect.quote == Some(byte);
        match self.place {
            Place::Escaped => self.place = Place::Quoted,
            Place::Quoted if is_quote => self.place = Place::QuoteInQuoted,
            Place::Quoted if byte == b'\\' && self.dialect.has_backslashes => self.place = Place::Escaped,
            Place::Quoted => {}
            Place::QuoteInQuoted if is_quote => self.place = Place::Quoted,
            Place::RecordStart | Place::BehindReturn | Place::FieldStart if is_quote => {
                self.begin_record();
                self.place = Place::Quoted;
            }
            place => return self.push_plain(place, byte),
        }
        None
    }

    /// Takes a byte that is no part of what is between quotes.
    fn push_plain(&mut self, place: Place, byte: u8) -> Option<u32> {
        if matches!(byte, b'\n' | b'\r') {
            let is_empty_line = place.is_before_record();
            self.place = if byte == b'\r' { Place::BehindReturn } else { Place::RecordStart };
            let fields = std::mem::take(&mut self.fields);
            return (!is_empty_line).then_some(fields);
        }
        self.begin_record();
        self.place = match (place, byte) {
            (_, byte) if byte == self.dialect.delimiter => {
                self.fields = self.fields.saturating_add(1);
                Place::FieldStart
            }
            // A space before a quote, or behind one, is not the field's.
            (Place::RecordStart | Place::BehindReturn | Place::FieldStart, b' ') => Place::FieldStart,
            (Place::QuoteInQuoted, byte) => {
                self.has_stray_quotes |= byte != b' ';
                Place::Field
            }
            _ => Place::Field,
        };
        None
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
