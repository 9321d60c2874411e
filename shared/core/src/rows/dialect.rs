//! How delimited text is written: what is between two fields, what is around one, and what a person says of it.

use serde::Deserialize;

/// The delimiters that are recognised.
pub const DELIMITERS: [u8; 4] = *b",;\t|";

/// How one text is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialect {
    /// The byte between two fields.
    pub delimiter: u8,
    /// The byte around a field that may hold delimiters and line breaks, where there is one. Doubled, it is one of the
    /// field's.
    pub quote: Option<u8>,
    /// Whether a quote behind a backslash is the field's, too.
    pub has_backslashes: bool,
    /// Whether a record has one field: then an empty line behind the first is a record, whose field is empty.
    pub has_one_column: bool,
}

impl Dialect {
    /// Text as RFC 4180 has it, with this delimiter.
    pub fn delimited_by(delimiter: u8) -> Self {
        Self { delimiter, quote: Some(b'"'), has_backslashes: false, has_one_column: false }
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
}

/// The byte between two fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Delimiter(u8);

/// The byte around a field, if any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Quote(Option<u8>);

/// What cannot be a part of a dialect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDialect {
    /// A delimiter that is not one character of ASCII, or is a line break.
    #[error("csv.delimiter {0:?} is not one character of ASCII such as \";\" or \"\\t\"")]
    Delimiter(String),
    /// A quote likewise.
    #[error(
        "csv.quote {0:?} is neither one character of ASCII such as \"'\" nor \"\", which is no quote at all"
    )]
    Quote(String),
    /// One character for both.
    #[error("csv.delimiter and csv.quote are the same character")]
    Same,
}

impl Delimiter {
    /// The byte.
    pub fn byte(self) -> u8 {
        self.0
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
        one_byte(&text).map(Self).ok_or(InvalidDialect::Delimiter(text))
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
        match self.delimiter.zip(quote).is_some_and(|(delimiter, quote)| delimiter.byte() == quote) {
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
        assert_eq!(read("quote = \"\"").unwrap().quote.map(Quote::byte), Some(None));
        for (wrong, said) in [
            ("delimiter = \"\"", "csv.delimiter \"\""),
            ("delimiter = \"||\"", "csv.delimiter \"||\""),
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
}
