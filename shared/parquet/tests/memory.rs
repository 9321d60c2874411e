//! Promise 6, of tables: what a Parquet file takes in memory while it is made does not grow with it. In a process of its
//! own, whose memory is that of nothing else.

use std::fmt::Write as _;

use landfall::rows::{
    CsvSettings, OnBrokenRecord, QuotedEmpty, RowCounter, RowFormat, RowReader, RowSettings,
};
use landfall_parquet::{RowWriter, typed_columns};

const FORMAT: RowFormat = RowFormat::Csv {
    usual_delimiter: b',',
    settings: RowSettings {
        has_header: true,
        csv: CsvSettings { delimiter: None, quote: None, quoted_empty: QuotedEmpty::Text },
        on_broken_record: OnBrokenRecord::Refuse,
    },
};

const ROWS_AT_ONCE: u64 = 10_000;
/// Some 50 MB, and some six row groups.
const FIRST: u64 = 40;
/// Four times as much.
const LAST: u64 = 160;
/// A row group's values, should one of them be kept.
const A_ROW_GROUP: u64 = 8 << 20;

/// Rows whose texts and numbers are all different: a long text, an amount that takes more than 64 bits.
fn rows(chunk: u64) -> String {
    let mut text = String::new();
    for row in chunk * ROWS_AT_ONCE..(chunk + 1) * ROWS_AT_ONCE {
        let mixed = row.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let _ = writeln!(text, "{mixed:016x}{mixed:064b},1{:018}.{:02}", mixed >> 5, row % 100);
    }
    text
}

fn peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(peak.trim().strip_suffix(" kB")?.parse::<u64>().ok()? << 10)
}

#[test]
fn memory_does_not_grow_with_the_file() {
    let mut counter = RowCounter::new(FORMAT).observing_columns();
    counter.push(format!("note,amount\n{}", rows(0)).as_bytes()).unwrap();
    let table = counter.finish().unwrap().unwrap().table.unwrap();
    let mut writer = RowWriter::new(Vec::new(), typed_columns(&table), 1);
    let mut reader = RowReader::new(FORMAT);
    reader.push(b"note,amount\n", &mut writer).unwrap();
    let mut written = 0;
    let mut chunks = |until: u64, from: u64| {
        for chunk in from..until {
            reader.push(rows(chunk).as_bytes(), &mut writer).unwrap();
            if let Some(made) = writer.sink() {
                written += made.len();
                made.clear();
            }
        }
        peak_bytes().unwrap()
    };
    let before = chunks(FIRST, 0);
    let after = chunks(LAST, FIRST);
    assert!(after < before + A_ROW_GROUP, "{} KiB, then {} KiB", before >> 10, after >> 10);
    reader.finish(&mut writer).unwrap();
    assert_eq!(writer.rows(), LAST * ROWS_AT_ONCE);
    assert!(written > 20 << 20, "{written} bytes: too few to show anything");
}
