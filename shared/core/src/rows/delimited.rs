//! Counts the records of delimited text, in a known dialect.

use memchr::{memchr, memchr2, memchr3, memrchr};

use super::dialect::Dialect;
use super::fields::Place;

/// How much text is glanced at together: what can be counted in it fits into a byte, so that a processor counts in many
/// bytes at once.
const GLANCE_BYTES: usize = 240;
/// How much text is read closely before it is worth glancing again: quotes are seldom alone.
const CLOSE_BYTES: usize = 4096;

/// Counts records in constant memory; the text may be cut anywhere.
#[derive(Debug, Clone)]
pub(super) struct CsvRecords {
    dialect: Dialect,
    has_header: bool,
    place: Place,
    records: u64,
}

impl CsvRecords {
    pub(super) fn new(dialect: Dialect, has_header: bool) -> Self {
        Self { dialect, has_header, place: Place::RecordStart, records: 0 }
    }

    pub(super) fn dialect(&self) -> Dialect {
        self.dialect
    }

    pub(super) fn push(&mut self, mut bytes: &[u8]) {
        let mut glances_below = usize::MAX;
        while !bytes.is_empty() {
            if bytes.len() <= glances_below {
                bytes = self.glance(bytes);
                glances_below = bytes.len().saturating_sub(CLOSE_BYTES);
            }
            bytes = match self.place {
                Place::Quoted => self.skip_quoted(bytes),
                Place::Escaped => self.skip_escaped(bytes),
                Place::QuoteInQuoted => self.after_quote(bytes),
                _ => self.skip_plain(bytes),
            };
        }
    }

    pub(super) fn finish(self) -> u64 {
        let records = self.records.saturating_add(u64::from(!self.place.is_before_record()));
        records.saturating_sub(u64::from(self.has_header))
    }

    fn is_quote(&self, byte: u8) -> bool {
        self.dialect.quote == Some(byte)
    }

    /// Counts the lines of text in which nothing matters but where lines end, and returns what is to be read closely.
    fn glance<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let is_plain = matches!(self.place, Place::RecordStart | Place::FieldStart | Place::Field);
        let quote = self.dialect.quote.unwrap_or(b'\r');
        let is_close = |byte: u8| byte == quote || byte == b'\r';
        let Some(first) = bytes.first().filter(|first| is_plain && !is_close(**first)) else { return bytes };
        if self.dialect.has_one_column {
            return bytes;
        }
        let mut ended = u64::from(*first == b'\n' && self.place != Place::RecordStart);
        let mut seen: usize = 0;
        // Each with the byte before its first: a line feed behind another ends no record.
        while let Some(glanced) = bytes.get(seen..).and_then(|rest| rest.get(..=GLANCE_BYTES)) {
            let (mut ends, mut closer) = (0_u8, 0_u8);
            for (before, byte) in glanced.iter().zip(glanced.iter().skip(1)) {
                ends = ends.wrapping_add(u8::from(*byte == b'\n') & u8::from(*before != b'\n'));
                closer |= u8::from(is_close(*byte));
            }
            if closer > 0 {
                break;
            }
            ended = ended.saturating_add(u64::from(ends));
            seen = seen.saturating_add(GLANCE_BYTES);
        }
        let (counted, rest) = bytes.split_at_checked(seen.saturating_add(1)).unwrap_or((bytes, &[]));
        self.records = self.records.saturating_add(ended);
        let line = match memrchr(b'\n', counted) {
            Some(end) => {
                self.place = Place::RecordStart;
                counted.get(end.saturating_add(1)..).unwrap_or_default()
            }
            None => counted,
        };
        self.place = self.place_at(line, line.len());
        rest
    }

    /// Skips to behind the quote that may close the field, or behind a backslash. The two that surely keep a quote open,
    /// a doubled one and one that ends a field right before the next, are passed here: text that quotes every field is
    /// full of them.
    fn skip_quoted<'a>(&mut self, mut bytes: &'a [u8]) -> &'a [u8] {
        let Some(quote) = self.dialect.quote else { return &[] };
        while let Some(at) = self.find_in_quotes(quote, bytes) {
            let rest = bytes.get(at.saturating_add(1)..).unwrap_or_default();
            if bytes.get(at) != Some(&quote) {
                self.place = Place::Escaped;
                return rest;
            }
            bytes = match rest {
                [next, after @ ..] if *next == quote => after,
                [between, next, after @ ..] if *between == self.dialect.delimiter && *next == quote => after,
                _ => {
                    self.place = Place::QuoteInQuoted;
                    return rest;
                }
            };
        }
        &[]
    }

    fn find_in_quotes(&self, quote: u8, bytes: &[u8]) -> Option<usize> {
        match self.dialect.has_backslashes {
            true => memchr2(quote, b'\\', bytes),
            false => find_quote(quote, bytes),
        }
    }

    fn skip_escaped<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        self.place = Place::Quoted;
        bytes.get(1..).unwrap_or_default()
    }

    /// The byte behind a quote decides what the quote was; any but a second quote is read as a field's.
    fn after_quote<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        match bytes.split_first() {
            Some((byte, rest)) if self.is_quote(*byte) => {
                self.place = Place::Quoted;
                rest
            }
            _ => {
                self.place = Place::Field;
                bytes
            }
        }
    }

    /// Skips to the next line break, or behind the next quote that opens a field.
    fn skip_plain<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let quote = self.dialect.quote.unwrap_or(b'\n');
        let mut from = 0;
        while let Some(at) = bytes.get(from..).and_then(|rest| memchr3(quote, b'\n', b'\r', rest)) {
            let at = from.saturating_add(at);
            from = at.saturating_add(1);
            let before = self.place_at(bytes, at);
            match bytes.get(at) {
                Some(b'\n') => self.end_line(before, Place::RecordStart),
                Some(b'\r') => self.end_line(before, Place::BehindReturn),
                _ if before == Place::Field => {
                    self.place = Place::Field;
                    continue;
                }
                _ => self.place = Place::Quoted,
            }
            return bytes.get(from..).unwrap_or_default();
        }
        self.place = self.place_at(bytes, bytes.len());
        &[]
    }

    /// Ends a line by a byte behind which the next one begins at `next`.
    fn end_line(&mut self, before: Place, next: Place) {
        self.place = next;
        let is_one_break = before == Place::BehindReturn && next == Place::RecordStart;
        let is_empty_record = self.dialect.has_one_column && self.records > 0 && !is_one_break;
        self.records = self.records.saturating_add(u64::from(!before.is_before_record() || is_empty_record));
    }

    /// The place before the byte at `at`, if all bytes before it are plain.
    fn place_at(&self, bytes: &[u8], at: usize) -> Place {
        let before = bytes.get(..at).unwrap_or_default();
        if before.last() == Some(&self.dialect.delimiter) {
            return Place::FieldStart;
        }
        match before.iter().rfind(|byte| **byte != b' ') {
            Some(&last) if last == self.dialect.delimiter => Place::FieldStart,
            Some(_) => Place::Field,
            None if !before.is_empty() && self.place.is_before_record() => Place::FieldStart,
            None => self.place,
        }
    }
}

/// Where the next quote is. Quoted fields are short, and a call of `memchr` costs more than to look at eight bytes.
fn find_quote(quote: u8, bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGH: u64 = u64::from_le_bytes([0x80; 8]);
    let quotes = u64::from_le_bytes([quote; 8]);
    let mut rest = bytes;
    let mut seen: usize = 0;
    while let Some((word, after)) = rest.split_first_chunk::<8>() {
        if seen == 32 {
            break;
        }
        // The lowest high bit that is left is that of the first zero byte.
        let differs = u64::from_le_bytes(*word) ^ quotes;
        let zeros = differs.wrapping_sub(ONES) & !differs & HIGH;
        if zeros != 0 {
            return Some(
                seen.saturating_add(usize::try_from(zeros.trailing_zeros() / 8).unwrap_or_default()),
            );
        }
        rest = after;
        seen = seen.saturating_add(8);
    }
    memchr(quote, rest).map(|at| seen.saturating_add(at))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::fields::FieldScanner;
    use super::*;

    fn dialect() -> impl Strategy<Value = Dialect> {
        let quote = prop::option::weighted(0.8, Just(b'"'));
        (quote, any::<bool>()).prop_map(|(quote, has_backslashes)| Dialect {
            quote,
            has_backslashes,
            ..Dialect::delimited_by(b',')
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

        /// Promise 5: in any dialect, the fast reading finds the records that the close one finds, however the text is cut.
        #[test]
        fn records_are_those_that_a_close_look_finds(
            text in "([ab ,\"\\\\\n\r]|a{7,50}|[ab, \n]{250,900}){0,40}",
            cut in prop_oneof![1_usize..60, 200_usize..9000],
            dialect in dialect(),
        ) {
            let mut scanner = FieldScanner::new(dialect);
            let ended = text.bytes().filter_map(|byte| scanner.push(byte)).count();
            let open = usize::from(scanner.open_record().is_some());
            let mut records = CsvRecords::new(dialect, false);
            text.as_bytes().chunks(cut).for_each(|piece| records.push(piece));
            prop_assert_eq!(records.finish(), u64::try_from(ended + open).unwrap());
        }
    }
}
