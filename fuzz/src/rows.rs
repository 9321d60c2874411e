//! Rows: their count is that of the text, not of how it came.

use landfall::rows::{CsvSettings, OnBrokenRecord, RowCount, RowCounter, RowError, RowFormat, RowSettings};

use crate::memory::{self, MIB};
use crate::text::chain_is_told;

/// Counts the rows of a text in several cuts. The first byte is the format, the second one where it is cut.
pub fn rows(bytes: &[u8]) {
    let [format, cut, text @ ..] = bytes else { return };
    let csv = |usual_delimiter, has_header, csv| RowFormat::Csv {
        usual_delimiter,
        settings: RowSettings { has_header, csv, ..RowSettings::default() },
    };
    let said = CsvSettings { delimiter: "\"".to_owned().try_into().ok(), ..CsvSettings::default() };
    let pair = CsvSettings { delimiter: "||".to_owned().try_into().ok(), ..CsvSettings::default() };
    let format = match format % 8 {
        0 => csv(b',', true, CsvSettings::default()),
        1 => csv(b',', false, CsvSettings::default()),
        2 => csv(b'\t', true, CsvSettings::default()),
        3 => csv(b',', false, said),
        4 => RowFormat::Ndjson,
        5 => RowFormat::Marc { on_broken_record: OnBrokenRecord::Refuse },
        6 => RowFormat::Marc { on_broken_record: OnBrokenRecord::LandAndList },
        _ => csv(b',', true, pair),
    };
    let whole = memory::within(MIB, || counted(format, [text]));
    if let Err(broken) = &whole {
        chain_is_told(broken);
    }
    let (head, tail) = text.split_at(usize::from(*cut).min(text.len()));
    assert_eq!(whole, counted(format, [head, tail]), "cut at {cut}");
    assert_eq!(whole, counted(format, text.chunks(1)), "byte by byte");
    assert_eq!(
        whole,
        counted(format, text.chunks(1 + usize::from(*cut))),
        "by {} bytes",
        1 + usize::from(*cut)
    );
    // Text without zero bytes is in no encoding of two bytes.
    if let (Ok(Some(rows)), RowFormat::Ndjson) = (&whole, format)
        && !text.contains(&0)
        && text.is_ascii()
    {
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).count();
        assert_eq!(rows.rows, lines as u64);
    }
}

fn counted<'a>(
    format: RowFormat,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Option<RowCount>, RowError> {
    let mut counter = RowCounter::new(format);
    for piece in pieces {
        counter.push(piece)?;
    }
    counter.finish()
}
