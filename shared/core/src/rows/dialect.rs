//! How delimited text is written: what is between two fields, what is around one, and what a person says of it.

use std::borrow::Cow;

use memchr::memchr;
use serde::Deserialize;

/// The delimiters that are recognised.
pub const DELIMITERS: [u8; 4] = *b",;\t|";

/// How one text is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialect {
    /// The byte between two fields; one that stands for both, where that is a pair.
    pub delimiter: u8,
    /// The two bytes between two fields, where there are two.
    pub pair: Option<[u8; 2]>,
    /// The byte around a field that may hold delimiters and line breaks, where there is one. Doubled, it is one of the
    /// field's.
    pub quote: Option<u8>,
    /// Whether a quote behind a backslash is the field's, too.
    pub has_backslashes: bool,
    /// Whether a record has one field: then an empty line behind the first is a record, whose field is empty.
    pub has_one_column: bool,
    /// Whether quotes around nothing are nothing, too, and not the empty text.
    pub quoted_empty_is_null: bool,
}

impl Dialect {
    /// Text as RFC 4180 has it, with this delimiter.
    pub fn delimited_by(delimiter: u8) -> Self {
        Self {
            delimiter,
            pair: None,
            quote: Some(b'"'),
            has_backslashes: false,
            has_one_column: false,
            quoted_empty_is_null: false,
        }
    }

    /// A field as it was written, where a pair in its quotes was folded.
    pub(super) fn unfolded<'a>(&self, field: &'a [u8]) -> Cow<'a, [u8]> {
        match self.pair.filter(|_| memchr(FOLDED, field).is_some()) {
            None => Cow::Borrowed(field),
            Some(pair) => field.split(|byte| *byte == FOLDED).collect::<Vec<_>>().join(&pair[..]).into(),
        }
    }
}

/// What a pair between two fields is read as: a byte that text in UTF-8 does not have.
const FOLDED: u8 = 0xff;

/// Text whose fields are delimited by a pair, as it passes: with one byte for each pair, it is read like any other.
#[derive(Debug, Clone)]
pub(super) struct Folding {
    pair: [u8; 2],
    /// Whether the last byte was a pair's first.
    is_open: bool,
    has_other: bool,
    folded: Vec<u8>,
}

impl Folding {
    pub(super) fn new(pair: [u8; 2]) -> Self {
        Self { pair, is_open: false, has_other: false, folded: Vec::new() }
    }

    /// All of a text, or of its beginning.
    pub(super) fn of_all(pair: [u8; 2], text: &[u8]) -> Vec<u8> {
        let mut folding = Self::new(pair);
        let mut folded = folding.push(text).to_vec();
        folded.extend_from_slice(folding.finish());
        folded
    }

    /// What the next bytes are.
    pub(super) fn push(&mut self, mut bytes: &[u8]) -> &[u8] {
        let [first, second] = self.pair;
        self.folded.clear();
        self.has_other |= memchr(FOLDED, bytes).is_some();
        while let Some((next, behind)) = bytes.split_first() {
            if std::mem::take(&mut self.is_open) {
                if *next == second {
                    self.folded.push(FOLDED);
                    bytes = behind;
                    continue;
                }
                self.folded.push(first);
            }
            let at = memchr(first, bytes).unwrap_or(bytes.len());
            let (before, rest) = bytes.split_at(at);
            self.folded.extend_from_slice(before);
            self.is_open = !rest.is_empty();
            bytes = rest.get(1..).unwrap_or_default();
        }
        &self.folded
    }

    /// What is left, once all bytes have been taken.
    pub(super) fn finish(&mut self) -> &[u8] {
        self.folded.clear();
        self.folded.extend(std::mem::take(&mut self.is_open).then_some(self.pair[0]));
        &self.folded
    }

    /// Whether the text itself has the byte that stands for a pair: then its fields cannot be told.
    pub(super) fn is_ambiguous(&self) -> bool {
        self.has_other
    }
}

/// What is said of delimited text; what is not is recognised.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CsvSettings {
    /// What is between two fields.
    pub delimiter: Option<Delimiter>,
    /// What is around a field.
    pub quote: Option<Quote>,
    /// What quotes around nothing are.
    pub quoted_empty: QuotedEmpty,
}

/// What quotes around nothing are. Nothing without quotes is always null.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuotedEmpty {
    /// The empty text.
    #[default]
    Text,
    /// Nothing, too: as of a source that puts quotes around everything.
    Null,
}

/// What is between two fields: a byte, or a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Delimiter {
    first: u8,
    second: Option<u8>,
}

/// The byte around a field, if any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Quote(Option<u8>);

/// What cannot be a part of a dialect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDialect {
    /// A delimiter that is not one character of ASCII, nor two, or has a line break.
    #[error(
        "csv.delimiter {0:?} is not one character of ASCII such as \";\" or \"\\t\", nor two such as \"||\""
    )]
    Delimiter(String),
    /// A quote likewise.
    #[error(
        "csv.quote {0:?} is neither one character of ASCII such as \"'\" nor \"\", which is no quote at all"
    )]
    Quote(String),
    /// One character for both.
    #[error("csv.delimiter and csv.quote have the same character")]
    Same,
}

impl Delimiter {
    /// The byte that it is read as.
    pub fn byte(self) -> u8 {
        if self.second.is_some() { FOLDED } else { self.first }
    }

    /// The pair that it is, if it is one.
    pub(super) fn pair(self) -> Option<[u8; 2]> {
        self.second.map(|second| [self.first, second])
    }
}

impl Quote {
    /// The byte, if any.
    pub fn byte(self) -> Option<u8> {
        self.0
    }
}

impl TryFrom<String> for Delimiter {
    type Error = InvalidDialect;

    fn try_from(text: String) -> Result<Self, InvalidDialect> {
        let is_possible = |byte: &u8| byte.is_ascii() && !matches!(byte, b'\n' | b'\r');
        match text.as_bytes() {
            [first, second @ ..] if second.len() < 2 && text.as_bytes().iter().all(is_possible) => {
                Ok(Self { first: *first, second: second.first().copied() })
            }
            _ => Err(InvalidDialect::Delimiter(text)),
        }
    }
}

impl TryFrom<String> for Quote {
    type Error = InvalidDialect;

    fn try_from(text: String) -> Result<Self, InvalidDialect> {
        match one_byte(&text) {
            None if !text.is_empty() => Err(InvalidDialect::Quote(text)),
            byte => Ok(Self(byte)),
        }
    }
}

impl CsvSettings {
    /// Refuses settings that no text can have.
    pub fn check(&self) -> Result<(), InvalidDialect> {
        let quote = self.quote.and_then(Quote::byte);
        let has = |(Delimiter { first, second }, quote)| first == quote || second == Some(quote);
        match self.delimiter.zip(quote).is_some_and(has) {
            true => Err(InvalidDialect::Same),
            false => Ok(()),
        }
    }
}

fn one_byte(text: &str) -> Option<u8> {
    match text.as_bytes() {
        [b'\n' | b'\r'] => None,
        [byte] if byte.is_ascii() => Some(*byte),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(settings: &str) -> Result<CsvSettings, String> {
        let settings: CsvSettings = toml::from_str(settings).map_err(|error| error.to_string())?;
        settings.check().map(|()| settings).map_err(|error| error.to_string())
    }

    /// What a person says of a dialect is one byte each, or refused in words.
    #[test]
    fn a_dialect_is_said_in_single_characters() {
        let said = read("delimiter = \"\\t\"\nquote = \"'\"").unwrap();
        assert_eq!(said.delimiter.map(Delimiter::byte), Some(b'\t'));
        assert_eq!(said.quote.map(Quote::byte), Some(Some(b'\'')));
        let pair = read("delimiter = \"~|\"").unwrap().delimiter.unwrap();
        assert_eq!((pair.byte(), pair.pair()), (FOLDED, Some(*b"~|")));
        assert_eq!(read("quote = \"\"").unwrap().quote.map(Quote::byte), Some(None));
        for (wrong, said) in [
            ("delimiter = \"\"", "csv.delimiter \"\""),
            ("delimiter = \"|||\"", "csv.delimiter \"|||\""),
            ("delimiter = \"|\\n\"", "csv.delimiter"),
            ("delimiter = \"|'\"\nquote = \"'\"", "same character"),
            ("quoted_empty = \"none\"", "unknown variant `none`"),
            ("delimiter = \"§\"", "csv.delimiter \"§\""),
            ("delimiter = \"\\n\"", "csv.delimiter"),
            ("quote = \"''\"", "csv.quote \"''\""),
            ("delimiter = \"|\"\nquote = \"|\"", "same character"),
            ("delimeter = \"|\"", "delimeter"),
        ] {
            let refused = read(wrong).unwrap_err();
            assert!(refused.contains(said), "{refused}");
        }
    }

    /// Each pair is one byte, in whatever pieces text comes, and a field's own come back.
    #[test]
    fn pairs_are_folded_and_come_back() {
        for (pair, text, expected) in
            [(*b"||", "a||b|c|||d|", &b"a\xffb|c\xff|d|"[..]), (*b"~|", "a~~|b|~\n~", b"a~\xffb|~\n~")]
        {
            for cut in 1..text.len() {
                let mut folding = Folding::new(pair);
                let mut folded = Vec::new();
                text.as_bytes().chunks(cut).for_each(|piece| folded.extend_from_slice(folding.push(piece)));
                folded.extend_from_slice(folding.finish());
                assert_eq!(folded, expected, "{text} in pieces of {cut}");
                assert!(!folding.is_ambiguous());
                let dialect = Dialect { pair: Some(pair), ..Dialect::delimited_by(FOLDED) };
                assert_eq!(*dialect.unfolded(&folded), *text.as_bytes());
            }
        }
        let mut folding = Folding::new(*b"||");
        folding.push(b"\xff");
        assert!(folding.is_ambiguous());
    }
}
