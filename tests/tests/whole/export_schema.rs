//! The schema of an export: what a later job's columns make of it, by each rule, and that a manifest tells the same one
//! however often, and in whatever order, jobs are published.

use std::collections::BTreeMap;
use std::sync::Arc;

use embedded_store::{Intercept, Options};
use landfall::context::Context;
use landfall::export::Export;
use landfall::schema::{ChangeKind, OnSchemaChange, SchemaVersion};
use landfall_store::Condition;
use landfall_tests::cut::{Cut, Ended, Line};
use landfall_tests::staged::{event_of, publish_for, stage_for, unpack_for};
use landfall_tests::systems;
use landfall_tests::{Setup, World, assert_failed, land, objects};
use serde_json::{Value, json};

/// What the first job lands.
const FIRST: &str = "ID,AMOUNT,DAY,NOTE\n1,10.50,2026-01-31,a\n2,3.25,2026-02-01,b\n";

fn observed() -> Setup {
    Setup { destination: "observe_columns = true".to_owned(), ..Setup::default() }
}

/// Stages a file as a job's, and unpacks it.
async fn unpacked(context: &Context, id: &str, file: (&str, &str)) {
    stage_for(context, id, &[(file.0, file.1.as_bytes())]).await;
    assert!(unpack_for(context, id, 0).await.unwrap().complete);
}

async fn landed(context: &Context, id: &str, csv: &str) -> landfall::Result<publish::Published> {
    unpacked(context, id, ("rows.csv", csv)).await;
    publish_for(context, id).await
}

async fn manifest(world: &World, id: &str) -> publish::Manifest {
    world.manifests().await.remove(&format!("forms/{id}/_manifest.json")).unwrap()
}

fn types(manifest: &publish::Manifest) -> String {
    let columns = manifest.tables.iter().flat_map(|table| &table.columns);
    columns.map(|column| format!("{} {}", column.name, column.r#type)).collect::<Vec<_>>().join(", ")
}

fn changes(manifest: &publish::Manifest) -> Vec<&'static str> {
    manifest.schema_changes.iter().map(|change| change.change.name()).collect()
}

/// The versions that are kept, by key.
async fn versions(world: &World) -> BTreeMap<String, SchemaVersion> {
    let mut kept = objects(&world.work().await).await;
    kept.retain(|key, _| key.starts_with("schemas/"));
    kept.into_iter().map(|(key, bytes)| (key, serde_json::from_slice(&bytes).unwrap())).collect()
}

/// A change, and what becomes of it: the text of the error by the rule `fail`, and types by the two others.
struct Case {
    changes: &'static [&'static str],
    second: &'static str,
    refused: &'static str,
    widened: &'static str,
    as_text: &'static str,
}

const CASES: &[Case] = &[
    Case {
        changes: &["new_column"],
        second: "ID,AMOUNT,DAY,NOTE,MORE\n3,1.25,2026-03-01,c,7\n",
        refused: "column \"MORE\" is new, a BIGINT",
        widened: "ID BIGINT, AMOUNT DECIMAL(18,2), DAY DATE, NOTE VARCHAR, MORE BIGINT",
        as_text: "ID BIGINT, AMOUNT DECIMAL(18,2), DAY DATE, NOTE VARCHAR, MORE VARCHAR",
    },
    Case {
        changes: &["gone"],
        second: "ID,AMOUNT,NOTE\n3,1.25,c\n",
        refused: "column \"DAY\" is gone, which was a DATE",
        widened: "ID BIGINT, AMOUNT DECIMAL(18,2), NOTE VARCHAR",
        as_text: "ID BIGINT, AMOUNT DECIMAL(18,2), NOTE VARCHAR",
    },
    Case {
        changes: &["renamed"],
        second: "ID,TOTAL,DAY,NOTE\n3,1.25,2026-03-01,c\n",
        refused: "column \"AMOUNT\" is gone, and \"TOTAL\" is in its place",
        widened: "ID BIGINT, TOTAL DECIMAL(18,2), DAY DATE, NOTE VARCHAR",
        as_text: "ID BIGINT, TOTAL VARCHAR, DAY DATE, NOTE VARCHAR",
    },
    Case {
        changes: &["wider"],
        second: "ID,AMOUNT,DAY,NOTE\n3,1.25,2026-03-01,\"c\nd\"\n4,1.2575,2026-03-01,c\n5,12345678.9,2026-03-01,e\n",
        refused: "column \"AMOUNT\" was DECIMAL(18,2) and now takes DECIMAL(20,4), first in row 2 of \"forms/2/rows.csv",
        widened: "ID BIGINT, AMOUNT DECIMAL(20,4), DAY DATE, NOTE VARCHAR",
        as_text: "ID BIGINT, AMOUNT VARCHAR, DAY DATE, NOTE VARCHAR",
    },
    Case {
        changes: &["other_type"],
        second: "ID,AMOUNT,DAY,NOTE\n3,1.25,31.01.2026,c\n",
        refused: "column \"DAY\" was DATE and has values of another kind, first in row 1 of \"forms/2/rows.csv",
        widened: "ID BIGINT, AMOUNT DECIMAL(18,2), DAY VARCHAR, NOTE VARCHAR",
        as_text: "ID BIGINT, AMOUNT DECIMAL(18,2), DAY VARCHAR, NOTE VARCHAR",
    },
    Case {
        changes: &["other_type"],
        second: "ID,AMOUNT,DAY,NOTE\n3,1.25,2026/03/01,c\n",
        refused: "column \"DAY\" was DATE and has values of another kind, first in row 1 of \"forms/2/rows.csv",
        widened: "ID BIGINT, AMOUNT DECIMAL(18,2), DAY VARCHAR, NOTE VARCHAR",
        as_text: "ID BIGINT, AMOUNT DECIMAL(18,2), DAY VARCHAR, NOTE VARCHAR",
    },
    Case {
        changes: &["missing"],
        second: "ID,AMOUNT,DAY,NOTE\n3,,2026-03-01,c\n",
        refused: "column \"AMOUNT\" lacks values, which it never did",
        widened: "ID BIGINT, AMOUNT DECIMAL(18,2), DAY DATE, NOTE VARCHAR",
        as_text: "ID BIGINT, AMOUNT DECIMAL(18,2), DAY DATE, NOTE VARCHAR",
    },
    Case {
        changes: &["new_table"],
        second: "CODE,RATE\n007,1.5\n",
        refused: "table 2 is new",
        widened: "CODE VARCHAR, RATE DECIMAL(18,1)",
        as_text: "CODE VARCHAR, RATE VARCHAR",
    },
];

/// The types that a Parquet file has.
fn types_in(file: &[u8]) -> String {
    let read = landfall_parquet::read_texts(bytes::Bytes::copy_from_slice(file)).unwrap();
    let typed = |column: landfall_parquet::TypedColumn| {
        let kind = column.kind.to_string();
        let of_type = kind.split(", written").next().unwrap_or_default();
        format!("{} {}", column.name, of_type.replace("text in UTF-8", "VARCHAR"))
    };
    read.into_iter().map(|read| typed(read.column)).collect::<Vec<_>>().join(", ")
}

fn as_parquet() -> Setup {
    Setup { destination: "form = 'parquet'".to_owned(), ..Setup::default() }
}

/// Promise 5: a change of columns is told by name before it does harm, of text and of Parquet files: in the error that keeps
/// the manifest back, or in the manifest and by a metric; the files have the types that it tells. A job that was refused goes
/// on once the rule is another, in the files that it has.
#[tokio::test]
async fn each_change_is_told_and_goes_by_the_rule() {
    let rules = |case: &Case| [("widen", case.widened), ("text", case.as_text)];
    let cases = CASES.iter().flat_map(|case| rules(case).map(|(rule, expected)| (case, rule, expected)));
    let cases = cases.flat_map(|case| [("raw", case), ("parquet", case)]);
    for (form, (case, rule, expected)) in cases {
        let said = format!("{form}, {rule}: {}", case.second);
        let world = World::new(if form == "raw" { observed() } else { as_parquet() }).await;
        landed(&world.context, "1", FIRST).await.unwrap();
        let first = manifest(&world, "1").await;
        assert_eq!(types(&first), "ID BIGINT, AMOUNT DECIMAL(18,2), DAY DATE, NOTE VARCHAR");
        assert_eq!((first.schema.unwrap().version, first.schema_changes.len()), (1, 0));

        let refusing = world.configured_otherwise("on_schema_change = 'fail'");
        let refused = landed(&refusing, "2", case.second).await;
        assert_failed(refused, ("SchemaChanged", case.refused), &[], &said);
        assert_eq!((world.manifests().await.len(), versions(&world).await.len()), (1, 1), "{said}");

        let other = world.configured_otherwise(&format!("on_schema_change = '{rule}'"));
        let (id, published) = match form {
            "raw" => ("2", publish_for(&other, "2").await),
            _ => ("3", landed(&other, "3", case.second).await),
        };
        let (published, told) = (published.unwrap(), manifest(&world, id).await);
        assert_eq!(types(&told), expected, "{said}");
        assert_eq!(changes(&told), case.changes, "{said}");
        assert_eq!(published.schema_changes, Some(case.changes.len() as u64));
        let measured = landfall::metrics::Measured::measures(&published);
        assert!(measured.iter().any(|measure| measure.name == "schema_changes" && measure.value > 0));
        let schema = told.schema.unwrap();
        assert_eq!((schema.from, schema.version), (1, 2));
        publish_for(&other, "2").await.unwrap();
        // What fits by now is no change any more, nor is what was there before.
        for (id, csv) in [("4", case.second), ("5", FIRST)] {
            landed(&refusing, id, csv).await.unwrap();
            let again = manifest(&world, id).await;
            assert_eq!((changes(&again), again.schema.unwrap().version), (Vec::new(), 2), "{said}");
        }
        if form == "parquet" {
            let files = world.landed().await;
            let types_in = |id: &str| types_in(&files[&format!("forms/{id}/rows.csv.parquet")]);
            assert_eq!((types_in("3").as_str(), types_in("4").as_str()), (expected, expected), "{said}");
            // Of the types that are kept by now, though the values would do with less.
            let kept = versions(&world).await;
            let newest = kept.values().max_by_key(|version| version.number).unwrap();
            let known = |name: &str| newest.tables[0].columns.iter().find(|column| column.name == name);
            let kept = ["ID", "AMOUNT", "DAY", "NOTE"]
                .map(|name| format!("{name} {}", known(name).unwrap().r#type.unwrap()));
            assert_eq!(types_in("5"), kept.join(", "), "{said}");
        }
        world.end().await;
    }
}

/// Promise 4: the types of a job's files are those of the schema as it was when the job's files were listed, whatever other
/// jobs have made of it before they land, or land anew.
#[tokio::test]
async fn a_jobs_files_are_the_same_whatever_becomes_of_the_schema() {
    let second = "ID,AMOUNT,DAY,NOTE\n3,7.25,2026-03-01,c\n";
    let world = World::new(as_parquet()).await;
    landed(&world.context, "1", FIRST).await.unwrap();
    landed(&world.context, "2", second).await.unwrap();
    let before = world.landed().await.remove("forms/2/rows.csv.parquet").unwrap();
    stage_for(&world.context, "3", &[("rows.csv", second.as_bytes())]).await;
    for (id, changed, version) in [("4", "x,1.2575,soon,", 2), ("5", "x,1.2575,soon,y,more", 3)] {
        let header = if version == 3 { "ID,AMOUNT,DAY,NOTE,MORE" } else { "ID,AMOUNT,DAY,NOTE" };
        landed(&world.context, id, &format!("{header}\n{changed}\n")).await.unwrap();
        assert_eq!(versions(&world).await.len(), version);
        assert!(unpack_for(&world.anew(), "3", 0).await.unwrap().complete);
        assert!(world.landed().await["forms/3/rows.csv.parquet"] == before, "after job {id}");
        // What is gone before the job has its manifest lands anew.
        world.landing().await.delete("forms/3/rows.csv.parquet").await.unwrap();
    }
    assert!(unpack_for(&world.anew(), "3", 0).await.unwrap().complete);
    publish_for(&world.anew(), "3").await.unwrap();
    assert!(world.landed().await["forms/3/rows.csv.parquet"] == before);
    assert_eq!(types_in(&before), "ID BIGINT, AMOUNT DECIMAL(18,2), DAY DATE, NOTE VARCHAR");
    world.end().await;
}

/// A ledger of so many rows, of which the last is as said.
fn ledger(rows: u32, last: &str) -> String {
    use std::fmt::Write as _;
    let mut text = "ID,AMOUNT,DAY,NOTE\n".to_owned();
    for id in 0..rows {
        let (euros, cents, day) = (id.wrapping_mul(7919) % 100_000, id % 100, id % 28 + 1);
        writeln!(text, "{id},{euros}.{cents:02},2026-02-{day:02},\"n {id}, {euros}\"").unwrap();
    }
    text + last
}

/// Promises 4 and 5: what is large is read once where the schema has types for all of it, and is the file that it would be
/// if it was looked through before; whatever does not fit, where it is and what it is, lands as if nothing had been expected.
#[tokio::test]
async fn what_fits_the_schema_is_read_once_and_lands_alike() {
    let line = Arc::new(Line::default());
    let intercept = Some(Arc::clone(&line) as Arc<dyn Intercept>);
    let world = World::with_store(as_parquet(), Options { fsync: false, intercept }).await;
    landed(&world.context, "1", &ledger(30_000, "7,1.50,,\n")).await.unwrap();
    for (id, last, reads, types) in [
        ("2", "7,1.5,,\"\"\n", 2, "ID BIGINT, AMOUNT DECIMAL(18,2), DAY DATE, NOTE VARCHAR"),
        ("3", "7,1.505,,x\n", 4, "ID BIGINT, AMOUNT DECIMAL(19,3), DAY DATE, NOTE VARCHAR"),
        ("4", "x,1.50,,x\n", 4, "ID VARCHAR, AMOUNT DECIMAL(19,3), DAY DATE, NOTE VARCHAR"),
        ("5", "7,\"\",,x\n8,,,\n", 4, "ID VARCHAR, AMOUNT VARCHAR, DAY DATE, NOTE VARCHAR"),
        ("6", "7,1.50,2026-02-28,\u{e9}", 2, "ID VARCHAR, AMOUNT DECIMAL(19,3), DAY DATE, NOTE VARCHAR"),
    ] {
        let text = ledger(30_000, last);
        stage_for(&world.context, id, &[("rows.csv", text.as_bytes())]).await;
        let context = world.anew();
        let ended = line.run(None, async { unpack_for(&context, id, 0).await }).await;
        assert!(matches!(ended, Ended::ByItself(Ok(_))), "{last}: {ended:?}");
        // One of them is of its first bytes alone, which say what it is.
        let staged = format!("GetObject work/jobs/local/{id}/staged/0");
        let read = line.made().iter().filter(|made| made.name == staged).count();
        assert_eq!(read, reads, "{last}");
        publish_for(&world.context, id).await.unwrap();
        let file = &world.landed().await[&format!("forms/{id}/rows.csv.parquet")];
        assert_eq!(types_in(file), types, "{last}");
        landfall_tests::assert_holds_rows(file, text.as_bytes(), last);
    }
    // A row that is longer than the header is in no table, as if the schema had known nothing.
    let text = ledger(30_000, "7,1.50,,x,y\n");
    landed(&world.context, "7", &text).await.unwrap();
    assert!(world.landed().await["forms/7/rows.csv"] == text.as_bytes());
    // The same text, looked through, is the same file.
    let text = ledger(30_000, "7,1.5,,\"\"\n");
    let other = World::new(as_parquet()).await;
    landed(&other.context, "1", &text).await.unwrap();
    let (looked, expected) = (other.landed().await, world.landed().await);
    assert!(looked["forms/1/rows.csv.parquet"] == expected["forms/2/rows.csv.parquet"]);
    for world in [world, other] {
        world.end().await;
    }
}

/// Says something of a job's tables, as its event would have.
async fn say(context: &Context, id: &str, said: Value) {
    let work = context.work().await.unwrap();
    let job = event_of(id).job();
    let mut export = serde_json::to_value(work.job(&job).await.unwrap().unwrap().export).unwrap();
    said.as_object().unwrap().iter().for_each(|(field, value)| export[field] = value.clone());
    let export: Export = serde_json::from_value(export).unwrap();
    work.change_export(&job, export, context.clock().as_ref()).await.unwrap();
}

/// Promise 5: what is declared of columns is held against every value, without any setting, and what does not fit keeps
/// the manifest back: of the first job, too. What has landed stays, and the job goes on by what a person says then.
#[tokio::test]
async fn declared_columns_are_held_against_every_value() {
    let columns = json!([
        { "name": "ID", "type": "bigint", "may_be_missing": false },
        { "name": "AMOUNT", "type": "DECIMAL(10,2)" },
        { "name": "DAY", "type": "DATE" },
        { "name": "NOTE", "type": "VARCHAR" },
    ]);
    for (csv, refused) in [
        (FIRST, None),
        (
            "ID,AMOUNT,DAY,NOTE\n1,x,2026-01-31,a\n",
            Some("column \"AMOUNT\" was DECIMAL(10,2) and has values"),
        ),
        (
            "ID,AMOUNT,DAY,NOTE\n1,1.005,2026-01-31,a\n",
            Some("\"AMOUNT\" was DECIMAL(10,2) and now takes DECIMAL(18,3)"),
        ),
        ("ID,AMOUNT,DAY,NOTE\n,1.00,2026-01-31,a\n", Some("column \"ID\" lacks values")),
        ("ID,AMOUNT,NOTE\n1,1.00,a\n", Some("column \"DAY\" is gone, which was a DATE")),
        (
            "Nummer;Betrag\n1;2,50\n",
            Some("column \"ID\" is gone, and \"Nummer\" is in its place; column \"AMOUNT\" is gone"),
        ),
    ] {
        let world = World::new(Setup::default()).await;
        stage_for(&world.context, "1", &[("rows.csv", csv.as_bytes())]).await;
        say(&world.context, "1", json!({ "columns": columns })).await;
        assert!(unpack_for(&world.context, "1", 0).await.unwrap().complete);
        let came = publish_for(&world.context, "1").await;
        let Some(refused) = refused else {
            came.unwrap();
            let manifest = manifest(&world, "1").await;
            assert_eq!(types(&manifest), "ID BIGINT, AMOUNT DECIMAL(10,2), DAY DATE, NOTE VARCHAR");
            assert!(manifest.schema_changes.is_empty());
            world.end().await;
            continue;
        };
        assert_failed(came, ("SchemaChanged", refused), &[], csv);
        assert!(world.manifests().await.is_empty() && versions(&world).await.is_empty(), "{csv}");
        assert!(world.landed().await.contains_key("forms/1/rows.csv"), "{csv}");
        world.context.on_schema_change(&event_of("1"), OnSchemaChange::Widen).await.unwrap();
        publish_for(&world.context, "1").await.unwrap();
        assert!(!manifest(&world, "1").await.schema_changes.is_empty(), "{csv}");
        world.end().await;
    }
}

/// A column that is declared otherwise later is what it is declared as from then on, and that is told.
#[tokio::test]
async fn a_declaration_replaces_what_was_observed() {
    let world = World::new(observed()).await;
    landed(&world.context, "1", "ID,CODE\n1,10\n").await.unwrap();
    unpacked(&world.context, "2", ("rows.csv", "ID,CODE\n2,11\n")).await;
    say(&world.context, "2", json!({ "columns": [{ "name": "CODE", "type": "VARCHAR" }] })).await;
    publish_for(&world.context, "2").await.unwrap();
    let second = manifest(&world, "2").await;
    assert_eq!((types(&second).as_str(), changes(&second)), ("ID BIGINT, CODE VARCHAR", vec!["declared"]));
    landed(&world.context, "3", "ID,CODE\n2,x\n").await.unwrap();
    assert!(manifest(&world, "3").await.schema_changes.is_empty());
    world.end().await;
}

/// Promise 5: where columns are declared and cannot be looked at, the manifest says so.
#[tokio::test]
async fn declared_columns_that_nobody_can_look_at_are_a_warning() {
    let world = World::new(Setup::default()).await;
    let wide: Vec<u8> = "\u{feff}ID\r\n1\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    stage_for(&world.context, "1", &[("rows.csv", &wide)]).await;
    say(&world.context, "1", json!({ "columns": [{ "name": "ID", "type": "BIGINT" }] })).await;
    assert!(unpack_for(&world.context, "1", 0).await.unwrap().complete);
    publish_for(&world.context, "1").await.unwrap();
    let warnings = manifest(&world, "1").await.warnings;
    assert!(warnings.iter().any(|warning| warning.contains("columns are declared")), "{warnings:?}");
    world.end().await;
}

/// Takes a job's manifest away, and returns its bytes.
async fn unpublished(world: &World, id: &str) -> Vec<u8> {
    let key = format!("forms/{id}/_manifest.json");
    let bytes = world.landed().await.remove(&key).unwrap();
    world.landing().await.delete(&key).await.unwrap();
    bytes
}

/// Promise 4: whoever publishes jobs, how often, at once, or a later one before an earlier one: each manifest tells one
/// version, and tells it again to the byte; what is shown to readers is what is kept.
#[tokio::test]
async fn a_manifest_tells_the_same_version_however_often_it_is_published() {
    let world = World::new(observed()).await;
    let jobs = [
        ("1", FIRST),
        ("2", "ID,AMOUNT,DAY,NOTE\n3,1.2575,2026-03-01,c\n"),
        ("3", "ID,AMOUNT,DAY,NOTE,MORE\n3,1.25,2026-03-01,c,7\n"),
        ("4", "ID,AMOUNT,DAY,NOTE\nx,1.25,2026-03-01,\n"),
    ];
    for (id, csv) in jobs {
        unpacked(&world.context, id, ("rows.csv", csv)).await;
    }
    publish_for(&world.context, "3").await.unwrap();
    let contexts: Vec<Context> = (0..8).map(|_| world.anew()).collect();
    let publishing = contexts.iter().zip(["1", "2", "4", "3"].into_iter().cycle());
    let published = publishing.map(|(context, id)| publish_for(context, id));
    for came in futures::future::join_all(published).await {
        came.unwrap();
    }
    let kept = versions(&world).await;
    let newest = kept.values().max_by_key(|version| version.number).unwrap();
    // By order, the last one fits already.
    assert!((3..=4).contains(&kept.len()), "at most one a job: {:?}", kept.keys());
    assert_eq!(newest.earlier.len(), kept.len() - 1);
    let columns: Vec<_> = newest.tables[0]
        .columns
        .iter()
        .map(|column| format!("{} {}", column.name, column.r#type.unwrap()))
        .collect();
    assert_eq!(columns, ["ID VARCHAR", "AMOUNT DECIMAL(20,4)", "DAY DATE", "NOTE VARCHAR", "MORE BIGINT"]);
    for (id, _) in jobs {
        let before = unpublished(&world, id).await;
        publish_for(&world.anew(), id).await.unwrap();
        let landed = world.landed().await;
        assert!(landed[&format!("forms/{id}/_manifest.json")] == before, "job {id}");
        let manifest: publish::Manifest = serde_json::from_slice(&before).unwrap();
        let shown: SchemaVersion = serde_json::from_slice(&landed[&manifest.schema.unwrap().key]).unwrap();
        assert_eq!(shown, kept[&format!("schemas/local/forms/{}.json", shown.number)]);
    }
    world.end().await;
}

/// Promises 2 and 4: cut at any call of the step, and started again, a job that changes the schema makes one version and
/// the manifest that it would have had.
#[tokio::test]
async fn cut_anywhere_a_change_makes_one_version_and_one_manifest() {
    let line = Arc::new(Line::default());
    let intercept = Some(Arc::clone(&line) as Arc<dyn Intercept>);
    let world = World::with_store(observed(), Options { fsync: false, intercept }).await;
    landed(&world.context, "1", FIRST).await.unwrap();
    unpacked(&world.context, "2", ("rows.csv", "ID,AMOUNT,DAY,NOTE,MORE\n3,1.2575,2026-03-01,,7\n")).await;
    let context = world.anew();
    let undisturbed = line.run(None, async { publish_for(&context, "2").await }).await;
    assert!(matches!(undisturbed, Ended::ByItself(Ok(_))), "{undisturbed:?}");
    let made = line.made();
    let expected = world.landed().await;
    let work = world.work().await;
    let history = made.iter().filter_map(|made| made.name.strip_prefix("PutObject work/"));
    let history = history.filter(|key| key.starts_with("history/"));
    let forgotten = ["schemas/local/forms/2.json", "jobs/local/2/schema.json"];
    let forgotten: Vec<&str> = history.chain(forgotten).collect();
    let mut cuts = 0;
    for made in &made {
        for moment in made.moments() {
            for key in ["forms/2/_manifest.json", "local/forms/_schema/000002.json"] {
                world.landing().await.delete(key).await.unwrap();
            }
            for key in &forgotten {
                work.delete(key).await.unwrap();
            }
            let context = world.anew();
            let cut = Cut { at: made.at(), moment };
            let case = format!("cut at {cut}");
            // Where an answer breaks off, the step may end by itself.
            drop(line.run(Some(cut), async { publish_for(&context, "2").await }).await);
            assert!(line.was_cut(), "{case}");
            publish_for(&world.anew(), "2").await.unwrap_or_else(|error| panic!("{case}: {error}"));
            assert!(world.landed().await == expected, "{case}");
            assert_eq!(versions(&world).await.len(), 2, "{case}");
            cuts += 1;
        }
    }
    landfall_tests::say(&format!("publishing a change: {cuts} cuts, 0 deviations"));
    assert!(cuts > 20, "{cuts}");
    world.end().await;
}

/// Promise 2: a version that is gone is named, and no other is told in its place.
#[tokio::test]
async fn a_version_that_is_gone_is_named() {
    let world = World::new(observed()).await;
    landed(&world.context, "1", FIRST).await.unwrap();
    unpublished(&world, "1").await;
    let work = world.work().await;
    let kept = work.read("schemas/local/forms/1.json", u64::MAX).await.unwrap().unwrap().bytes;
    work.delete("schemas/local/forms/1.json").await.unwrap();
    let came = publish_for(&world.anew(), "1").await;
    assert_failed(came, ("NotFound", "schemas/local/forms/1.json"), &[], "gone");
    work.put("schemas/local/forms/1.json", kept, Condition::Always).await.unwrap();
    publish_for(&world.anew(), "1").await.unwrap();
    world.end().await;
}

/// Promise 5: lines of JSON are one table, whose keys need not be in every line; what the source says of a column is
/// known before a value shows it, as long as all values fit.
#[tokio::test]
async fn what_the_source_says_of_columns_is_known() {
    let system = systems::FUSION_REST;
    let destination = "observe_columns = true".to_owned();
    let world = World::new(Setup { scenario: Some((system.small)()), destination, ..Setup::default() }).await;
    let mut event = (system.event)();
    event["export"]["columns"] = json!([{ "name": "InvoiceAmount", "type": "DECIMAL(30,10)" }]);
    land(&world.context, event.clone()).await.unwrap();
    let kept = versions(&world).await;
    let known: BTreeMap<&str, String> = kept["schemas/fusion-demo/invoices/1.json"].tables[0]
        .columns
        .iter()
        .map(|column| {
            let of_type = column.r#type.map_or_else(|| "?".to_owned(), |of_type| of_type.to_string());
            (column.name.as_str(), format!("{of_type} {:?}", column.known_from))
        })
        .collect();
    for (name, expected) in [
        ("InvoiceId", "BIGINT Source"),
        ("InvoiceNumber", "VARCHAR Source"),
        ("InvoiceAmount", "DECIMAL(30,10) Declared"),
        ("InvoiceDate", "DATE Source"),
        ("LastUpdateDate", "TIMESTAMP WITH TIME ZONE Source"),
        ("invoiceLines", "JSON Observed"),
    ] {
        assert_eq!(known[name], expected, "{name}");
    }
    // The next run is held against it, and is another export to nobody.
    event["run_key"] = json!("the-next");
    event["export"]["allow_empty"] = json!(true);
    land(&world.context, event).await.unwrap();
    assert_eq!(versions(&world).await.len(), 1);
    world.end().await;
}

/// An event's declaration is read before anything is submitted.
#[tokio::test]
async fn a_declaration_that_cannot_be_is_refused_by_name() {
    let world = World::new(Setup::default()).await;
    for (said, expected) in [
        (
            json!([{ "name": "A", "type": "DOUBLE" }]),
            "export.columns[0].type: \"DOUBLE\" is no type of a column",
        ),
        (json!([{ "name": "A", "type": "DATE", "x": 1 }]), "unknown field `x`"),
        (json!("A"), "export.columns"),
    ] {
        let mut event = landfall_tests::run_event();
        event["export"]["columns"] = said;
        assert_failed(land(&world.context, event).await, ("InvalidEvent", expected), &[], expected);
    }
    assert_eq!((systems::FUSION_EXTRACT.jobs)(&world.simulator), 0);
    world.end().await;
}

/// Every word that a manifest may have for a change is one of the documented.
#[test]
fn changes_are_named_alike_everywhere() {
    for kind in [
        ChangeKind::NewTable,
        ChangeKind::NewColumn,
        ChangeKind::Gone,
        ChangeKind::Renamed,
        ChangeKind::Wider,
        ChangeKind::Missing,
        ChangeKind::FirstValues,
        ChangeKind::Declared,
        ChangeKind::OtherType,
    ] {
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
    }
}
