//! Promise 4, of tables: what was written comes back as the text that it was.

use bytes::Bytes;
use landfall::rows::{
    CsvSettings, OnBrokenRecord, QuotedEmpty, RowCounter, RowFormat, RowReader, RowSettings, Table,
};
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use proptest::prelude::*;

use crate::{ColumnKind, ParquetError, RowWriter, TextColumn, read_texts, typed_columns};

const SETTINGS: RowSettings = RowSettings {
    has_header: true,
    csv: CsvSettings { delimiter: None, quote: None, quoted_empty: QuotedEmpty::Text },
    on_broken_record: OnBrokenRecord::Refuse,
};
const CSV: RowFormat = RowFormat::Csv { usual_delimiter: b',', settings: SETTINGS };

fn table(format: RowFormat, text: &[u8]) -> Table {
    let mut counter = RowCounter::new(format).observing_columns();
    counter.push(text).unwrap();
    *counter.finish().unwrap().unwrap().table.unwrap()
}

/// The file of a text, in pieces, in the types of a table.
fn file_of(format: RowFormat, text: &[u8], table: &Table, piece: usize) -> Result<Bytes, ParquetError> {
    let mut writer = RowWriter::new(Vec::new(), typed_columns(table), 1);
    let mut reader = RowReader::new(format);
    text.chunks(piece.max(1)).try_for_each(|piece| reader.push(piece, &mut writer))?;
    reader.finish(&mut writer)?;
    writer.finish().map(Bytes::from)
}

fn file(format: RowFormat, text: &[u8]) -> Bytes {
    file_of(format, text, &table(format, text), text.len()).unwrap()
}

fn kinds(read: &[TextColumn]) -> Vec<String> {
    read.iter().map(|column| column.column.kind.to_string()).collect()
}

fn texts(column: &TextColumn) -> Vec<Option<&str>> {
    column.texts.iter().map(|text| Some(std::str::from_utf8(text.as_deref()?).unwrap())).collect()
}

/// Each type, and what keeps a column from having one.
#[test]
fn every_type_comes_back_as_it_was_sent() {
    let text = "i,d,big,b,day,at,zone,t,code\n\
                1,1.50,12345678901234567890.12,TRUE,2026-01-31,2026/01/31 10:00:00.5,2026-01-31T10:00:00-03:30,\"x, \"\"y\"\"\",007\n\
                -2,-0.05,-1.00,FALSE,1969-12-31,0001/01/01 00:00:00.0,9999-12-31T23:59:59-03:30,\"\",8\n\
                ,,,,,,,,\n";
    let read = read_texts(file(CSV, text.as_bytes())).unwrap();
    assert_eq!(
        kinds(&read),
        [
            "BIGINT",
            "DECIMAL(3,2)",
            "DECIMAL(22,2)",
            "BOOLEAN, written as \"TRUE\"",
            "DATE, written as \"YYYY-MM-DD\"",
            "TIMESTAMP, written as \"YYYY/MM/DD hh:mm:ss.S\"",
            "TIMESTAMP WITH TIME ZONE, written as \"YYYY-MM-DDThh:mm:ss-03:30\"",
            "text in UTF-8",
            "text in UTF-8",
        ]
    );
    let columns: Vec<_> = read.iter().map(texts).collect();
    assert_eq!(columns[2], [Some("12345678901234567890.12"), Some("-1.00"), None]);
    assert_eq!(columns[4], [Some("2026-01-31"), Some("1969-12-31"), None]);
    assert_eq!(columns[5], [Some("2026/01/31 10:00:00.5"), Some("0001/01/01 00:00:00.0"), None]);
    assert_eq!(columns[6][1], Some("9999-12-31T23:59:59-03:30"));
    assert_eq!(columns[7], [Some("x, \"y\""), Some(""), None]);
    assert_eq!(columns[8], [Some("007"), Some("8"), None]);
}

/// A column is written by the type that it was given, and its texts come back without what that has more.
#[test]
fn a_given_type_adds_nothing_to_the_texts() {
    let text = "n,m,day,b,at\n5,1.5,,,\n-70,2.25,,,\n";
    let mut table = table(CSV, text.as_bytes());
    let given = ["DECIMAL(18,2)", "DECIMAL(30,10)", "DATE", "BOOLEAN", "TIMESTAMP WITH TIME ZONE"];
    for (column, of_type) in std::iter::zip(&mut table.columns, given) {
        column.written_as = Some(of_type.parse().unwrap());
    }
    let read = read_texts(file_of(CSV, text.as_bytes(), &table, 100).unwrap()).unwrap();
    let kinds = kinds(&read);
    assert!(std::iter::zip(&kinds, given).all(|(kind, given)| kind.starts_with(given)), "{kinds:?}");
    let columns: Vec<_> = read.iter().map(texts).collect();
    assert_eq!(columns[0], [Some("5"), Some("-70")]);
    assert_eq!(columns[1], [Some("1.50"), Some("2.25")]);
    assert!(columns[2..].iter().flatten().all(Option::is_none));
}

/// Nothing and the empty text are told apart: where a type has no empty value, null is one of the two, or the column is
/// text.
#[test]
fn nothing_and_the_empty_text_are_told_apart() {
    for (text, kind, came_back) in [
        ("n,x\n1,\n,\n", "BIGINT", [Some("1"), None]),
        ("n,x\n1,\n\"\",\n", "BIGINT", [Some("1"), Some("")]),
        ("n,x\n\"\",\n,\n", "text in UTF-8", [Some(""), None]),
    ] {
        let read = read_texts(file(CSV, text.as_bytes())).unwrap();
        assert_eq!((kinds(&read)[0].as_str(), texts(&read[0])), (kind, came_back.to_vec()), "{text:?}");
    }
    let both = read_texts(file(CSV, b"n,x\n1,\n,\n\"\",\n")).unwrap();
    assert_eq!(
        (kinds(&both)[0].as_str(), texts(&both[0])),
        ("text in UTF-8", vec![Some("1"), None, Some("")])
    );
}

/// Where a source puts quotes around everything, they say nothing, if a person says so: both are nothing then.
#[test]
fn quotes_around_nothing_may_be_nothing() {
    let csv = CsvSettings { quoted_empty: QuotedEmpty::Null, ..SETTINGS.csv };
    let format = RowFormat::Csv { usual_delimiter: b',', settings: RowSettings { csv, ..SETTINGS } };
    let read = read_texts(file(format, b"n,t\n1,\"\"\n,x\n\"\",\n")).unwrap();
    assert_eq!(kinds(&read), ["BIGINT", "text in UTF-8"]);
    assert_eq!(texts(&read[0]), [Some("1"), None, None]);
    assert_eq!(texts(&read[1]), [None, Some("x"), None]);
}

/// Two characters between two fields are one delimiter, and what they are in quotes is the field's.
#[test]
fn two_characters_delimit_fields() {
    let csv = CsvSettings { delimiter: "||".to_owned().try_into().ok(), ..SETTINGS.csv };
    let format = RowFormat::Csv { usual_delimiter: b',', settings: RowSettings { csv, ..SETTINGS } };
    let text = "id||a|b||\"c||d\"\r\n1||x|y||\"p||q\n\"\r\n2||||z|\r\n".as_bytes();
    let table = table(format, text);
    for piece in 1..text.len() {
        let read = read_texts(file_of(format, text, &table, piece).unwrap()).unwrap();
        let names: Vec<_> = read.iter().map(|column| column.column.name.as_str()).collect();
        assert_eq!(names, ["id", "a|b", "c||d"]);
        let columns: Vec<_> = read.iter().map(texts).collect();
        assert_eq!(columns[0], [Some("1"), Some("2")]);
        assert_eq!(columns[1], [Some("x|y"), None]);
        assert_eq!(columns[2], [Some("p||q\n"), Some("z|")]);
    }
    assert_eq!(table.format.delimiter().as_deref(), Some("||"));
    // A byte that stands for the pair in text that is not UTF-8: then nothing is told of its fields.
    let mut counter = RowCounter::new(format).observing_columns();
    counter.push(b"id||name\n1||a\xff\n").unwrap();
    assert_eq!(counter.finish().unwrap(), None);
}

/// Bytes that are not UTF-8 stay the bytes that they are, and only in the columns that have them.
#[test]
fn other_encodings_stay_bytes() {
    let read = read_texts(file(CSV, b"id,name\n1,caf\xe9\n2,x\n")).unwrap();
    assert_eq!(kinds(&read), ["BIGINT", "bytes"]);
    assert_eq!(read[1].texts[0].as_deref(), Some(&b"caf\xe9"[..]));
}

/// JSON: strings are text, columns of other or of several kinds are JSON as it is written, nested values among them.
#[test]
fn json_values_keep_their_kind() {
    let text = br#"{"n":1.5,"s":"a\n\u00e9","o":{"a": 1},"m":1,"e":"","x":1e5,"b":true,"h":"\ud800"}
{"s":null,"n":-20,"o":[],"m":"1","e":"","x":2,"b":false,"h":"y","k":"late"}
"#;
    let read = read_texts(file(RowFormat::Ndjson, text)).unwrap();
    let named: Vec<_> = read
        .iter()
        .map(|column| (column.column.name.as_str(), column.column.kind.to_string(), texts(column)))
        .collect();
    let text_of = |name: &str| named.iter().find(|(other, _, _)| *other == name).cloned().unwrap();
    let expect = |name: &'static str, kind: &str, texts: [Option<&'static str>; 2]| {
        assert_eq!(text_of(name), (name, kind.to_owned(), texts.to_vec()));
    };
    expect("n", "DECIMAL(3,1)", [Some("1.5"), Some("-20.0")]);
    expect("s", "text in UTF-8", [Some("a\n\u{e9}"), None]);
    expect("o", "JSON", [Some("{\"a\": 1}"), Some("[]")]);
    expect("m", "JSON", [Some("1"), Some("\"1\"")]);
    expect("e", "text in UTF-8", [Some(""), Some("")]);
    expect("x", "JSON", [Some("1e5"), Some("2")]);
    expect("b", "BOOLEAN, written as \"true\"", [Some("true"), Some("false")]);
    expect("h", "JSON", [Some("\"\\ud800\""), Some("\"y\"")]);
    expect("k", "text in UTF-8", [None, Some("late")]);
}

/// Names that meet are told apart, and the file says which each was.
#[test]
fn no_two_columns_share_a_name() {
    let read = read_texts(file(CSV, b"a,A,,a\n1,2,3,4\n")).unwrap();
    let names: Vec<_> =
        read.iter().map(|it| (it.column.name.as_str(), it.column.name_in_text.as_deref())).collect();
    assert_eq!(names, [("a", None), ("A_2", Some("A")), ("column", Some("")), ("a_3", Some("a"))]);
    let twice = read_texts(file(RowFormat::Ndjson, b"{\"A\":1,\"a\":2}\n{\"a\":3,\"A\":4}\n")).unwrap();
    assert_eq!(twice.iter().map(texts).collect::<Vec<_>>(), [[Some("1"), Some("4")], [Some("2"), Some("3")]]);
}

/// Promise 5: a row that does not fit is named, and never written as something else.
#[test]
fn a_row_that_does_not_fit_is_named() {
    let known = |format, text: &str| table(format, text.as_bytes());
    let csv = known(CSV, "id,amount\n1,2.50\n");
    for (text, said) in [
        ("id,amount\n1,2.50\nx,1.00\n", "row 2 has a value of \"id\" that does not fit into BIGINT"),
        ("id,amount\n1,12.50\n", "row 1 has a value of \"amount\" that does not fit into DECIMAL(3,2)"),
        ("id,amount\n007,1.00\n", "row 1 has a value of \"id\" that does not fit into BIGINT"),
        ("id,amount\n\n1,1.00\n1,1.00,\n", "row 2 has more fields than the 2 of the header"),
    ] {
        assert_eq!(file_of(CSV, text.as_bytes(), &csv, 100).unwrap_err().to_string(), said);
    }
    let json = known(RowFormat::Ndjson, "{\"a\":1,\"s\":\"x\"}\n");
    for (text, said) in [
        ("{\"a\":1}\n{\"b\":1}", "row 2 has a key that is no column: \"b\""),
        ("{\"a\":1,\"a\":1}", "row 1 has \"a\" twice"),
        ("{\"a\":\"1\"}", "row 1 has a value of \"a\" that does not fit into BIGINT"),
        ("{\"s\":1}", "row 1 has a value of \"s\" that does not fit into text in UTF-8"),
        ("{}\n[]", "row 2 is no object of JSON"),
    ] {
        assert_eq!(file_of(RowFormat::Ndjson, text.as_bytes(), &json, 100).unwrap_err().to_string(), said);
    }
    let long = format!("id,amount\n1,1.00\n\"{}\",1.00\n", "x".repeat(17 << 20));
    let long = file_of(CSV, long.as_bytes(), &csv, 1 << 20).unwrap_err();
    assert_eq!(long.to_string(), "row 2 has a value of more than 16 MiB");
}

/// Promises 4 and 6: a large text is several row groups of bounded size, with statistics and indexes, and the same bytes
/// in whatever pieces it came. A dictionary is there only where values repeat.
#[test]
fn row_groups_are_bounded_and_the_same() {
    let mut text = b"id,amount,kind,note\n".to_vec();
    for row in 0..400_000_u64 {
        let amount = row.wrapping_mul(2_654_435_761) % 10_000_000;
        let line = format!("{row},{}.{:02},K{},n {amount:x} {row}\n", amount / 100, amount % 100, row % 7);
        text.extend_from_slice(line.as_bytes());
    }
    let table = table(CSV, &text);
    let file = file_of(CSV, &text, &table, text.len()).unwrap();
    for piece in [1009, 65_536, 300_001] {
        assert!(file_of(CSV, &text, &table, piece).unwrap() == file, "in pieces of {piece}");
    }
    let reader = SerializedFileReader::new(file.clone()).unwrap();
    let metadata = reader.metadata();
    assert_eq!(metadata.file_metadata().created_by(), Some("landfall version 1.0.0 (build 1)"));
    assert_eq!(metadata.file_metadata().num_rows(), 400_000);
    assert!(metadata.num_row_groups() > 1);
    for group in metadata.row_groups() {
        assert!(group.total_byte_size() < 9 << 20, "{}", group.total_byte_size());
        for (place, column) in group.columns().iter().enumerate() {
            assert!(column.statistics().is_some() && column.column_index_offset().is_some());
            assert_eq!(column.dictionary_page_offset().is_some(), place == 2, "{place}");
        }
    }
    let read = read_texts(file).unwrap();
    assert_eq!(texts(&read[0])[399_999], Some("399999"));
}

/// A header alone is a table without rows.
#[test]
fn a_header_alone_is_a_file() {
    let read = read_texts(file(CSV, b"id,name\n")).unwrap();
    assert_eq!(kinds(&read), ["text in UTF-8", "text in UTF-8"]);
    assert!(read.iter().all(|column| column.texts.is_empty()));
}

/// A value of a column, most often of its kind.
fn value(kind: usize) -> BoxedStrategy<String> {
    let usual = match kind {
        0 => "-?(0|[1-9][0-9]{0,17})".boxed(),
        1 => "-?(0|[1-9][0-9]{0,30})\\.[0-9]{1,8}".boxed(),
        2 => "(true|false)".boxed(),
        3 => "(0[0-9]{3}|[12][0-9]{3})-[01][0-9]-[0-3][0-9]".boxed(),
        4 => "20[0-9]{2}/0[1-9]/[0-2][0-9] [0-2][0-9]:[0-5][0-9]:[0-5][0-9]\\.[0-9]{3}".boxed(),
        5 => "20[0-9]{2}-0[1-9]-[0-2][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]\\+05:30".boxed(),
        _ => "\\PC{0,12}".boxed(),
    };
    prop_oneof![
        40 => usual,
        1 => prop_oneof![
            Just("007"), Just("-0"), Just("1e5"), Just(" 1"), Just("NULL"), Just("NaN"), Just("TRUE"), Just("2026-02-30"),
            Just("a\"b"), Just("x,y;z"), Just("l\nm\r\nn"), Just("\u{0}"), Just("+1"), Just("1."), Just("'")
        ]
        .prop_map(ToOwned::to_owned),
    ]
    .boxed()
}

#[derive(Debug, Clone)]
enum Field {
    Missing,
    Value(String, bool),
}

fn fields(kind: usize) -> impl Strategy<Value = Vec<Field>> {
    let field = (value(kind), any::<bool>(), 0_u8..20).prop_map(|(value, is_quoted, dice)| match dice {
        0 => Field::Missing,
        1 => Field::Value(String::new(), true),
        _ => Field::Value(value, is_quoted),
    });
    prop::collection::vec(field, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Promise 4: text becomes Parquet becomes the same text, whatever the values are; only a decimal may come back with
    /// the zeros of its column's scale.
    #[test]
    fn text_comes_back_as_the_text_that_it_was(
        columns in prop::collection::vec((0_usize..7).prop_flat_map(fields), 2..6),
        delimiter in prop::sample::select(vec![",", ";", "\t", "|", "||", "~|"]),
        line_break in prop::sample::select(vec!["\n", "\r\n"]),
        has_mark in any::<bool>(),
        piece in 1_usize..5000,
    ) {
        let rows = columns.iter().map(Vec::len).min().unwrap();
        let mut text = String::from(if has_mark { "\u{feff}" } else { "" });
        let names: Vec<String> = (0..columns.len()).map(|place| format!("c{place}")).collect();
        text.push_str(&names.join(delimiter));
        for row in 0..rows {
            text.push_str(line_break);
            for (place, column) in columns.iter().enumerate() {
                if place > 0 {
                    text.push_str(delimiter);
                }
                if let Field::Value(value, is_quoted) = &column[row] {
                    let is_odd = |c: char| delimiter.contains(c) || "\"\n\r '\\".contains(c);
                    let needs = value.is_empty() || value.contains(is_odd);
                    match *is_quoted || needs {
                        true => text.push_str(&format!("\"{}\"", value.replace('"', "\"\""))),
                        false => text.push_str(value),
                    }
                }
            }
        }
        text.push_str(line_break);
        let delimiter = landfall::rows::Delimiter::try_from(delimiter.to_owned()).unwrap();
        let quote = landfall::rows::Quote::try_from("\"".to_owned()).unwrap();
        let settings = RowSettings { csv: CsvSettings { delimiter: Some(delimiter), quote: Some(quote), ..CsvSettings::default() }, ..SETTINGS };
        let format = RowFormat::Csv { usual_delimiter: b',', settings };
        let mut counter = RowCounter::new(format).observing_columns();
        counter.push(text.as_bytes()).unwrap();
        let Some(counted) = counter.finish().unwrap() else { return Ok(()) };
        let table = counted.table.unwrap();
        // A backslash before a quote that only looks like one that escapes it.
        let landfall::rows::TableFormat::Csv { has_backslashes: false, .. } = table.format else { return Ok(()) };
        let whole = file_of(format, text.as_bytes(), &table, text.len()).unwrap();
        prop_assert!(file_of(format, text.as_bytes(), &table, piece).unwrap() == whole);
        let read = read_texts(whole).unwrap();
        for (column, sent) in std::iter::zip(&read, &columns) {
            prop_assert_eq!(column.texts.len(), rows);
            for (text, sent) in std::iter::zip(texts(column), sent) {
                match (sent, column.column.kind) {
                    (Field::Missing, _) => prop_assert_eq!(text, None),
                    (Field::Value(value, _), ColumnKind::Decimal { scale, .. }) if !value.is_empty() => {
                        let digits = value.split_once('.').map_or(0, |(_, digits)| digits.len());
                        let zeros = "0".repeat(usize::from(scale) - digits);
                        let point = if digits == 0 && scale > 0 { "." } else { "" };
                        let padded = format!("{value}{point}{zeros}");
                        prop_assert_eq!(text, Some(padded.as_str()));
                    }
                    (Field::Value(value, _), _) => prop_assert_eq!(text, Some(value.as_str())),
                }
            }
        }
    }
}
