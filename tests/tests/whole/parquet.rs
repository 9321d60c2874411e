//! The form `parquet`: what is a table lands as one Parquet file, every value in a type that it comes back from as the text
//! that it was; all else lands as it is.

use std::io::{Cursor, Write as _};
use std::sync::Arc;

use embedded_store::{Intercept, Options};
use landfall::form::LandedForm;
use landfall_tests::cut::{At, Cut, Ended, Line, Moment};
use landfall_tests::staged::{land_staged, stage, unpack};
use landfall_tests::{Setup, World, assert_holds, assert_landed, land, run_event};
use zip::CompressionMethod;
use zip::write::SimpleFileOptions;

const MIB: usize = 1 << 20;

fn setup() -> Setup {
    Setup { destination: "form = \"parquet\"".to_owned(), ..Setup::default() }
}

/// A ledger of about so many bytes, of which some do not compress.
fn ledger(bytes: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(7);
    let mut rows = b"ID,AMOUNT,DAY,CODE,NOTE\n".to_vec();
    let mut id = 300_100_000_000_u64;
    while rows.len() < bytes {
        id += random.u64(1..5);
        let (amount, day, code) = (random.u32(..), random.u8(1..=28), random.u8(..));
        let note: String = std::iter::repeat_with(|| random.alphanumeric()).take(90).collect();
        writeln!(rows, "{id},{}.{:02},2026-02-{day:02},{code:03},\"{note}, so\"", amount / 100, amount % 100)
            .unwrap();
    }
    rows
}

fn utf16(text: &str) -> Vec<u8> {
    format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn archive(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (place, (name, bytes)) in members.iter().enumerate() {
        let method = if place % 2 == 0 { CompressionMethod::Deflated } else { CompressionMethod::Stored };
        zip.start_file(*name, SimpleFileOptions::default().compression_method(method)).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// Tables and others: the name, the content, and the rows where it is a table.
fn mixed() -> Vec<(&'static str, Vec<u8>, Option<u64>)> {
    let ledger_rows = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b'\n').count() as u64 - 1;
    let (small, large) = (ledger(50_000), ledger(2 * MIB));
    let (small_rows, large_rows) = (ledger_rows(&small), ledger_rows(&large));
    let lines = "{\"Id\":300100001,\"Lines\":[1],\"At\":\"2026-01-31T10:00:00.000+00:00\"}\n{\"Id\":2.5,\"At\":null}\n";
    let many_lines: String =
        (0..20_000).map(|id| format!("{{\"Id\":{id},\"Name\":\"n\\u00e9 {id}\"}}\n")).collect();
    let wider = |rows: usize| format!("a,b\n{}1,2,3\n", "1,2\n".repeat(rows)).into_bytes();
    let mut compressed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    compressed.write_all(&small).unwrap();
    vec![
        ("small.csv", small.clone(), Some(small_rows)),
        ("large.csv", large.clone(), Some(large_rows)),
        ("inner/large-stored.csv", large, Some(large_rows)),
        ("lines.tsv", b"a\tb\r\n1\t\"x\ny\"\r\n".to_vec(), Some(1)),
        ("semicolons.CSV", b"a;b\n1,5;\"\"\n2,5;\n".to_vec(), Some(2)),
        ("values.ndjson", lines.into(), Some(2)),
        ("many.jsonl", many_lines.into(), Some(20_000)),
        ("header.csv", b"a,b\n".to_vec(), Some(0)),
        ("empty.csv", Vec::new(), None),
        ("bytes.bin", b"a,b\n1,2\n".to_vec(), None),
        ("wider.csv", wider(3), None),
        ("much-wider.csv", wider(200_000), None),
        ("wide.csv", utf16("id,name\r\n1,Ann\r\n"), None),
        ("pretty.ndjson", b"{\n\"a\": 1\n}\n".to_vec(), None),
        ("compressed.csv", compressed.finish().unwrap(), None),
        ("noise.csv", vec![0; MIB], None),
    ]
}

/// Promises 3 to 5: what is a table lands as Parquet under a name that says so, with all of its values; what is none lands
/// as it is, under its own name. Both are told of truly.
#[tokio::test]
async fn tables_land_as_parquet_and_all_else_as_it_is() {
    let all = mixed();
    let members: Vec<_> = all.iter().map(|(name, bytes, _)| (*name, bytes.clone())).collect();
    let files: Vec<_> = all.iter().map(|(name, bytes, _)| (*name, bytes.as_slice())).collect();
    let archive = archive(&members);
    for as_files in [false, true] {
        let world = World::new(setup()).await;
        let count = match as_files {
            true => files.len(),
            false => 1,
        };
        let archived = [("a.zip", archive.as_slice())];
        stage(&world.context, if as_files { &files } else { &archived }).await;
        let (manifest, landed) = land_staged(&world, u32::try_from(count).unwrap()).await;
        assert_eq!(manifest.objects.len(), all.len());
        assert_eq!(landed.len(), all.len());
        for (object, (name, content, rows)) in std::iter::zip(&manifest.objects, &all) {
            let suffix = if rows.is_some() { ".parquet" } else { "" };
            let name = if as_files { name.replace('/', "_") } else { format!("a/{name}") };
            assert_eq!(object.key, format!("forms/1/{name}{suffix}"));
            assert_eq!(object.form, rows.map(|_| LandedForm::Parquet), "{name}");
            assert_eq!(object.table.is_some(), rows.is_some(), "{name}");
            if rows.is_some() {
                assert_eq!(object.rows, *rows, "{name}");
            }
            assert_holds(object, &landed[&object.key], content, &name);
        }
        let others = manifest.objects.iter().filter(|it| it.rows > Some(0) && it.form.is_none()).count();
        let warning = format!("{others} of the objects with rows are no tables, and landed as they are");
        assert!(others > 0 && manifest.warnings == [warning], "{:?}", manifest.warnings);
        let ledger = manifest.objects[0].table.unwrap();
        let ledger = manifest.tables.iter().find(|table| table.id == ledger).unwrap();
        let types: Vec<_> = ledger.columns.iter().map(|column| column.r#type.to_string()).collect();
        assert_eq!(types, ["BIGINT", "DECIMAL(18,2)", "DATE", "VARCHAR", "VARCHAR"]);
        assert!(ledger.duckdb.contains("read_parquet(getvariable('objects'), union_by_name = true)"));
        // The schema of the export is kept, whose types the files have.
        assert!(
            manifest.schema.is_some() && manifest.tables.iter().all(|table| table.schema_table.is_some())
        );
        world.end().await;
    }
}

/// Promise 5: a dialect that a person says is that of the whole run: two characters between two fields, and quotes around
/// nothing that are nothing.
#[tokio::test]
async fn a_dialect_that_is_said_holds_throughout() {
    let text = b"ID||AMOUNT||NOTE\n1||\"2.50\"||\"a||b\"\n\"\"||10.00||\"\"\n3||||c|d\n";
    for form in ["raw", "parquet"] {
        let said = "observe_columns = true\ncsv.delimiter = '||'\ncsv.quoted_empty = 'null'";
        let world =
            World::new(Setup { destination: format!("form = '{form}'\n{said}"), ..Setup::default() }).await;
        stage(&world.context, &[("rows.csv", text)]).await;
        let (manifest, landed) = land_staged(&world, 1).await;
        let table = &manifest.tables[0];
        let columns =
            table.columns.iter().map(|it| (it.r#type.to_string(), it.may_be_missing, it.may_be_empty));
        let types = ["BIGINT", "DECIMAL(18,2)", "VARCHAR"];
        assert_eq!(columns.collect::<Vec<_>>(), types.map(|of_type| (of_type.to_owned(), true, false)));
        if form == "raw" {
            assert!(table.duckdb.contains("delim = '||'"), "{}", table.duckdb);
        } else {
            let file = bytes::Bytes::copy_from_slice(&landed[&manifest.objects[0].key]);
            let texts = |column: landfall_parquet::TextColumn| {
                let text =
                    |text: Option<Vec<u8>>| text.map_or("-".to_owned(), |it| String::from_utf8(it).unwrap());
                column.texts.into_iter().map(text).collect::<Vec<_>>()
            };
            let read: Vec<_> = landfall_parquet::read_texts(file).unwrap().into_iter().map(texts).collect();
            assert_eq!(read, [["1", "-", "3"], ["2.50", "10.00", "-"], ["a||b", "-", "c|d"]]);
        }
        world.end().await;
    }
}

/// Promise 4: two members never share a key: a table whose file another member's name is taken for lands as it is.
#[tokio::test]
async fn a_table_does_not_meet_a_file_of_its_name() {
    let (table, other) = (b"a\n1\n".to_vec(), b"not really".to_vec());
    let archive =
        archive(&[("a.csv", table.clone()), ("a.csv.parquet", other.clone()), ("b.csv", table.clone())]);
    let world = World::new(setup()).await;
    stage(&world.context, &[("a.zip", &archive), ("b.csv", &table), ("b.csv.parquet", &other)]).await;
    let (manifest, landed) = land_staged(&world, 3).await;
    let keys: Vec<_> =
        manifest.objects.iter().map(|object| object.key.trim_start_matches("forms/1/")).collect();
    assert_eq!(keys, ["a/a.csv", "a/a.csv.parquet", "a/b.csv.parquet", "b.csv~1.parquet", "b.csv.parquet~2"]);
    assert!(landed["forms/1/a/a.csv"] == table && landed["forms/1/a/a.csv.parquet"] == other);
    world.end().await;
}

/// A whole run of a source, whose files lie one in the other.
#[tokio::test]
async fn a_run_lands_as_parquet() {
    let world = World::new(setup()).await;
    land(&world.context, run_event()).await.unwrap();
    let manifest = assert_landed(&world, world.simulator.jobs()[0].id, "parquet").await;
    let (tables, others): (Vec<_>, Vec<_>) =
        manifest.objects.iter().partition(|object| object.form == Some(LandedForm::Parquet));
    assert!(!tables.is_empty() && others.iter().all(|object| object.table.is_none()));
    assert!(!manifest.tables.is_empty());
    world.end().await;
}

/// Promise 3: nothing of a member is visible whose data is not what the archive says, which may show only by its end.
#[tokio::test]
async fn a_corrupt_table_lands_nothing() {
    for size in [50_000, 2 * MIB] {
        let content = ledger(size);
        let mut bytes = archive(&[("first.bin", b"x".to_vec()), ("stored.csv", content.clone())]);
        let at = bytes.windows(64).position(|window| *window == content[..64]).unwrap();
        bytes[at + content.len() - 3] ^= 1;
        let world = World::new(setup()).await;
        stage(&world.context, &[("corrupt.zip", &bytes)]).await;
        let error = unpack(&world.context, 0).await.unwrap_err();
        assert_eq!(error.error_type().name(), "IntegrityError", "{}", error.line());
        assert!(world.landed().await.is_empty());
        assert_eq!(world.unfinished_uploads().await, 0);
        world.end().await;
    }
}

/// Promises 2 and 4: cut in the middle of the data and started again, the same bytes land, and no upload stays.
#[tokio::test]
async fn cut_in_the_middle_and_started_again_the_same_bytes_land() {
    let archive = archive(&[("deflated.csv", ledger(18 * MIB)), ("stored.csv", ledger(20 * MIB))]);
    let undisturbed = World::new(setup()).await;
    stage(&undisturbed.context, &[("large.zip", &archive)]).await;
    let (_, expected) = land_staged(&undisturbed, 1).await;
    undisturbed.end().await;

    let line = Arc::new(Line::default());
    let intercept = Some(Arc::clone(&line) as Arc<dyn Intercept>);
    let world = World::with_store(setup(), Options { fsync: false, intercept }).await;
    stage(&world.context, &[("large.zip", &archive)]).await;
    let key = "landing/forms/1/large/stored.csv.parquet";
    for (operation, number, moment) in [
        ("UploadPart", 1, Moment::Before),
        ("UploadPart", 2, Moment::AnswerLost),
        ("CompleteMultipartUpload", 1, Moment::AnswerLost),
    ] {
        let context = world.anew();
        let cut = Cut { at: At::Named(format!("{operation} {key}"), number), moment };
        let ended = line.run(Some(cut), async { unpack(&context, 0).await }).await;
        assert!(matches!(ended, Ended::Cut), "{operation}: {ended:?}");
    }
    let (manifest, landed) = land_staged(&world, 1).await;
    assert!(landed == expected, "other bytes");
    assert_eq!(manifest.objects.len(), 2);
    assert_eq!(world.unfinished_uploads().await, 0);
    world.end().await;
}
