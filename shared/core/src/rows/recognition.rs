//! Recognises how delimited text is written, from its beginning.
//!
//! Of the readings that are possible, that one is taken by which most records have as many fields as most others, and of
//! those by which all do, that with the most fields. So does DuckDB, whose count this one is to be.

use std::cmp::Reverse;
use std::collections::HashMap;

use memchr::{memchr, memchr2, memmem};

use super::dialect::{CsvSettings, DELIMITERS, Delimiter, Dialect, Folding, QuotedEmpty};
use super::fields::FieldScanner;

/// How fields are quoted.
type Quoting = (Option<u8>, bool);

/// The quotings that are recognised, the most common first.
const QUOTINGS: [Quoting; 5] =
    [(Some(b'"'), false), (Some(b'"'), true), (Some(b'\''), false), (Some(b'\''), true), (None, false)];

/// The dialect of text that begins so; where the beginning does not tell, that of RFC 4180 with the usual delimiter.
/// `is_whole` says whether the beginning is all there is.
pub(super) fn recognise(beginning: &[u8], is_whole: bool, usual: u8, settings: CsvSettings) -> Dialect {
    let pair = settings.delimiter.and_then(Delimiter::pair);
    let folded = pair.map(|pair| Folding::of_all(pair, beginning));
    let recognised = recognised(folded.as_deref().unwrap_or(beginning), is_whole, usual, settings);
    Dialect { pair, quoted_empty_is_null: settings.quoted_empty == QuotedEmpty::Null, ..recognised }
}

fn recognised(beginning: &[u8], is_whole: bool, usual: u8, settings: CsvSettings) -> Dialect {
    let delimiters = delimiters(beginning, usual, settings.delimiter);
    let quotings = quotings(beginning, settings);
    let plain = quotings.first().copied().unwrap_or_default();
    if let Some(delimiter) = only_delimiter(beginning, &delimiters)
        && quotings.len() == 1
        && !has_quote(beginning, plain)
    {
        return dialect(delimiter, plain, false);
    }
    let mut best: Option<(Dialect, Reading)> = None;
    for (rank, quoting) in quotings.iter().enumerate() {
        for delimiter in &delimiters {
            let candidate = dialect(*delimiter, *quoting, false);
            let reading = Reading::of(beginning, is_whole, candidate);
            // An unusual quote, or none, is only believed where all is as it should be then.
            let is_credible = rank == 0 || reading.is_perfect();
            if is_credible && best.as_ref().is_none_or(|(_, best)| reading.rank() > best.rank()) {
                best = Some((candidate, reading));
            }
        }
        // Text of one column is perfect in any delimiter that it lacks: another quote may show that it has more.
        if best.as_ref().is_some_and(|(_, best)| best.is_perfect() && best.fields > 1) {
            break;
        }
    }
    match best {
        Some((dialect, reading)) => Dialect { has_one_column: reading.fields <= 1, ..dialect },
        None => dialect(usual, plain, false),
    }
}

fn dialect(delimiter: u8, (quote, has_backslashes): Quoting, has_one_column: bool) -> Dialect {
    Dialect { quote, has_backslashes, has_one_column, ..Dialect::delimited_by(delimiter) }
}

/// The delimiters that it may have, the usual one first.
fn delimiters(beginning: &[u8], usual: u8, said: Option<Delimiter>) -> Vec<u8> {
    match said {
        Some(said) => vec![said.byte()],
        None => {
            let others = DELIMITERS.into_iter().filter(|other| *other != usual);
            let others = others.filter(|other| memchr(*other, beginning).is_some());
            std::iter::once(usual).chain(others).collect()
        }
    }
}

/// The quotings that it may have: the most common one, and those that would make a difference.
fn quotings(beginning: &[u8], settings: CsvSettings) -> Vec<Quoting> {
    let makes_a_difference = |(quote, has_backslashes): &Quoting| match quote {
        Some(quote) if *has_backslashes => memmem::find(beginning, &[b'\\', *quote]).is_some(),
        Some(quote) => memchr(*quote, beginning).is_some(),
        None => memchr2(b'"', b'\'', beginning).is_some(),
    };
    let possible: Vec<Quoting> = match settings.quote.map(super::dialect::Quote::byte) {
        Some(None) => return vec![(None, false)],
        Some(said) => vec![(said, false), (said, true)],
        None => QUOTINGS.to_vec(),
    };
    let (first, others) = possible.split_at(1);
    first.iter().chain(others.iter().filter(|quoting| makes_a_difference(quoting))).copied().collect()
}

fn has_quote(beginning: &[u8], (quote, _): Quoting) -> bool {
    quote.is_some_and(|quote| memchr(quote, beginning).is_some())
}

/// The one of these delimiters that the first line has, if it has no other.
fn only_delimiter(beginning: &[u8], delimiters: &[u8]) -> Option<u8> {
    let end = memchr2(b'\n', b'\r', beginning).unwrap_or(beginning.len());
    let line = beginning.get(..end).unwrap_or_default();
    let mut there = delimiters.iter().copied().filter(|delimiter| memchr(*delimiter, line).is_some());
    there.next().filter(|_| there.next().is_none())
}

/// What a dialect makes of a beginning.
#[derive(Debug, Clone, Copy, Default)]
struct Reading {
    /// The fields of most records.
    fields: u32,
    /// How many records have so many.
    consistent: usize,
    /// How many records there are.
    records: usize,
    has_stray_quotes: bool,
}

impl Reading {
    fn of(beginning: &[u8], is_whole: bool, dialect: Dialect) -> Self {
        let mut scanner = FieldScanner::new(dialect);
        let mut records: HashMap<u32, usize> = HashMap::new();
        let mut see = |fields: u32| *records.entry(fields).or_default() += 1;
        let mut last_end = 0;
        for (at, byte) in beginning.iter().enumerate() {
            if let Some(fields) = scanner.push(*byte) {
                see(fields);
                last_end = at;
            }
        }
        // A quote that nothing closes; a long field may go on where the beginning ends.
        let is_unclosed = scanner.is_quoted()
            && (is_whole || beginning.len().saturating_sub(last_end) > beginning.len() / 2);
        if let Some(fields) = scanner.open_record().filter(|_| is_whole && !is_unclosed) {
            see(fields);
        }
        let most = records.iter().max_by_key(|(fields, count)| (**count, Reverse(**fields)));
        let (fields, consistent) = most.map_or((0, 0), |(fields, count)| (*fields, *count));
        let records = records.values().sum::<usize>().saturating_add(usize::from(is_unclosed));
        Self { fields, consistent, records, has_stray_quotes: scanner.has_stray_quotes() }
    }

    fn is_perfect(&self) -> bool {
        self.records > 0 && self.consistent == self.records && !self.has_stray_quotes
    }

    /// The better, the higher. Of two that are alike otherwise, the one that finds line breaks in fields is better.
    fn rank(&self) -> (bool, usize, u32, Reverse<usize>) {
        let share = self.consistent.saturating_mul(1000).checked_div(self.records).unwrap_or(0);
        (self.fields > 1 && share >= 500, share, self.fields, Reverse(self.records))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Dialect {
        recognise(text.as_bytes(), true, b',', CsvSettings::default())
    }

    /// Promise 5: rows are counted in the dialect that text is written in.
    #[test]
    fn delimiters_and_quotes_are_recognised() {
        let plain = Dialect::delimited_by;
        for (text, dialect) in [
            ("id,name\n1,a\n", plain(b',')),
            ("id;text\n1;\"a\nb\"\n2;c\n", plain(b';')),
            ("id\ttext\n1\t\"a\nb\"\n2\tc\n", plain(b'\t')),
            ("id|text\n1|\"a\nb\"\n2|c\n", plain(b'|')),
            ("id;amount\n1;1,5\n2;2,5\n3;\"3,5\n\"\n", plain(b';')),
            ("id;\"name, first\"\n1;\"a\nb\"\n", plain(b';')),
            ("Report of March\nid;text\n1;\"a\nb\"\n2;c\n", plain(b';')),
            ("id,p\n1,\"C:\\dir\\\"\n2,\"D:\\x\\\"\n", plain(b',')),
            ("id,t\n1,'tis\n2,'twas\n3,ok\n", plain(b',')),
            ("id;text\n1;'a\nb'\n2;'c'\n", Dialect { quote: Some(b'\''), ..plain(b';') }),
            ("id,text\n1,\"a\\\"b\nc\"\n2,\"d\"\n", Dialect { has_backslashes: true, ..plain(b',') }),
            (
                "id;text\n1;'it\\'s\na b'\n2;'c'\n",
                Dialect { quote: Some(b'\''), has_backslashes: true, ..plain(b';') },
            ),
            ("id,t\n1,\"abc\n2,d\n", Dialect { quote: None, ..plain(b',') }),
            ("a;b;c\n1;'2\n2';\"q\"\n", Dialect { quote: Some(b'\''), ..plain(b';') }),
            ("text\n'a\nb'\nc\n", Dialect { quote: Some(b'\''), has_one_column: true, ..plain(b',') }),
            ("text\n'tis a\nb\nc'\nd\n'e\n", Dialect { has_one_column: true, ..plain(b',') }),
            ("text\n\"a\nb\"\nc\n", Dialect { has_one_column: true, ..plain(b',') }),
            ("id\n1\n\n2\n", Dialect { has_one_column: true, ..plain(b',') }),
        ] {
            assert_eq!(of(text), dialect, "{text:?}");
        }
    }

    /// Text that quotes every field may be cut within one: that is no reason to read it without quotes.
    #[test]
    fn a_beginning_that_ends_within_quotes_tells_as_much() {
        let line = "\"1\",\"some text\",\"x\"\n";
        let text = line.repeat(50);
        for cut in text.len() - line.len()..text.len() {
            let beginning = text.as_bytes().get(..cut).unwrap();
            let dialect = recognise(beginning, false, b',', CsvSettings::default());
            assert_eq!(dialect, Dialect::delimited_by(b','), "{cut}");
        }
    }

    /// What a person says is not asked of the text.
    #[test]
    fn what_is_said_is_not_recognised() {
        let said = CsvSettings {
            delimiter: Some(":".to_owned().try_into().unwrap()),
            quote: Some("'".to_owned().try_into().unwrap()),
            ..CsvSettings::default()
        };
        let dialect = recognise(b"a,b:c\n1,2:'3\n'\n", true, b',', said);
        assert_eq!(dialect, Dialect { quote: Some(b'\''), ..Dialect::delimited_by(b':') });
        let unquoted =
            CsvSettings { quote: Some(String::new().try_into().unwrap()), ..CsvSettings::default() };
        assert_eq!(recognise(b"a,b\n1,\"x\n2,y\"\n", true, b',', unquoted).quote, None);
    }
}
