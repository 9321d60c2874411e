//! Landed forms: whatever an archive holds, its content lands in the form that the destination asks for, to the byte,
//! once it is verified; and what the store can copy by itself does not travel.

use std::collections::BTreeMap;
use std::io::{Cursor, Write as _};
use std::sync::{Arc, Mutex};

use embedded_store::{After, Before, Call, Intercept, Options};
use http::StatusCode;
use landfall::clock::Deadline;
use landfall::form::LandedForm;
use landfall_store::MIN_PART_BYTES;
use landfall_tests::cut::{At, Cut, Ended, Line, Moment};
use landfall_tests::staged::{event, land_staged, stage, unpack};
use landfall_tests::{Setup, World, assert_holds, assert_landed, land, run_event};
use zip::CompressionMethod;
use zip::write::SimpleFileOptions;

const FORMS: [LandedForm; 3] = [LandedForm::Raw, LandedForm::Gzip, LandedForm::Zstd];
const MIB: usize = 1 << 20;

fn setup(form: LandedForm) -> Setup {
    let name = serde_json::to_value(form).unwrap();
    Setup { destination: format!("form = {name}"), ..Setup::default() }
}

/// Rows that compress as an ERP's do, or hardly.
fn rows(bytes: usize, compressible: bool) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(7);
    let mut rows = b"ID,AMOUNT,NOTE\n".to_vec();
    while rows.len() < bytes {
        let note: String = match compressible {
            true => "paid by the usual bank on time ".repeat(3),
            false => std::iter::repeat_with(|| random.alphanumeric()).take(120).collect(),
        };
        writeln!(rows, "{},{},{note}", random.u64(..), random.u16(..)).unwrap();
    }
    rows
}

/// An archive, and what lands of it by name.
struct Archive {
    bytes: Vec<u8>,
    members: Vec<(String, Vec<u8>)>,
}

fn archive(members: &[(&str, CompressionMethod, Vec<u8>)]) -> Archive {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    zip.add_directory("inner/", SimpleFileOptions::default()).unwrap();
    for (name, method, bytes) in members {
        zip.start_file(*name, SimpleFileOptions::default().compression_method(*method)).unwrap();
        zip.write_all(bytes).unwrap();
    }
    let members = members.iter().map(|(name, _, bytes)| ((*name).to_owned(), bytes.clone()));
    Archive { members: members.collect(), bytes: zip.finish().unwrap().into_inner() }
}

/// Stored, deflated, empty, and names that would meet if only what needs it got a suffix.
fn mixed() -> Archive {
    archive(&[
        ("a.csv", CompressionMethod::Deflated, rows(300_000, true)),
        ("a.csv.gz", CompressionMethod::Stored, rows(200_000, true)),
        ("a.csv.zst", CompressionMethod::Stored, b"not really".to_vec()),
        ("inner/stored.csv", CompressionMethod::Stored, rows(700_000, false)),
        ("inner/empty-deflated", CompressionMethod::Deflated, Vec::new()),
        ("inner/empty-stored", CompressionMethod::Stored, Vec::new()),
    ])
}

/// One member of 13 MiB and more as the archive keeps it, in both ways.
fn large() -> Archive {
    archive(&[
        ("deflated.csv", CompressionMethod::Deflated, rows(18 * MIB, false)),
        ("stored.csv", CompressionMethod::Stored, rows(14 * MIB, false)),
    ])
}

/// Promises 3 to 5: every member's content is there in the form, under a key of its own, and told of truly.
#[tokio::test]
async fn every_member_of_a_mixed_archive_lands_in_every_form() {
    let archive = mixed();
    for form in FORMS {
        let world = World::new(setup(form)).await;
        stage(&world.context, &[("mixed.zip", &archive.bytes)]).await;
        let (manifest, landed) = land_staged(&world, 1).await;
        assert_eq!(manifest.objects.len(), archive.members.len());
        assert_eq!(landed.len(), archive.members.len());
        for (object, (name, content)) in std::iter::zip(&manifest.objects, &archive.members) {
            assert_eq!(object.key, format!("forms/1/mixed/{name}{}", form.suffix()));
            assert_eq!(object.form, Some(form).filter(|form| !form.is_raw()));
            assert_holds(object, &landed[&object.key], content, &format!("{form:?}"));
        }
        world.end().await;
    }
}

/// Promise 5: where columns are looked at, the manifest tells every table with the types that keep all of its values,
/// whatever the form, and which object is of which table.
#[tokio::test]
async fn the_manifest_tells_the_columns_of_every_value() {
    let member = |name, text: &str| (name, CompressionMethod::Deflated, text.as_bytes().to_vec());
    let archive = archive(&[
        member("a.csv", "ID,AMOUNT,DAY\n1,10.50,2026-01-31\n2,,2026-02-01\n"),
        member("b.csv", "ID,AMOUNT,DAY\n3,-200.25,2026-02-02\n4,1.5,2026-02-03\n"),
        member("codes.csv", "CODE;TEXT\n007;\"a;b\"\n8;\n"),
        member("bytes.bin", "no rows"),
    ]);
    let lines = b"{\"Id\":300100001,\"At\":\"2026-01-31T10:00:00.000+00:00\"}\n{\"Id\":2,\"Lines\":[1]}\n";
    for form in FORMS {
        let mut setup = setup(form);
        setup.destination.push_str("\nobserve_columns = true");
        let world = World::new(setup).await;
        stage(&world.context, &[("views.zip", &archive.bytes), ("page.ndjson", lines)]).await;
        let (manifest, _) = land_staged(&world, 2).await;
        let told: BTreeMap<String, String> = manifest.tables.iter().map(told).collect();
        let of_objects: Vec<_> = manifest
            .objects
            .iter()
            .map(|object| object.table.map(|id| told[&id.to_string()].as_str()))
            .collect();
        let amounts = "ID BIGINT, AMOUNT DECIMAL(18,2) from 1 missing, DAY DATE";
        assert_eq!(
            of_objects,
            [
                Some(amounts),
                Some(amounts),
                Some("CODE VARCHAR, TEXT VARCHAR missing"),
                None,
                Some("Id BIGINT, At TIMESTAMP WITH TIME ZONE missing, Lines JSON missing"),
            ],
            "{form:?}"
        );
        assert_eq!(manifest.tables.len(), 3);
        world.end().await;
    }
    let world = World::new(Setup::default()).await;
    stage(&world.context, &[("views.zip", &archive.bytes)]).await;
    let (manifest, _) = land_staged(&world, 1).await;
    assert!(manifest.tables.is_empty() && manifest.objects.iter().all(|object| object.table.is_none()));
    world.end().await;
}

/// A table's id, and its columns in short.
fn told(table: &publish::ManifestTable) -> (String, String) {
    let column = |column: &publish::ManifestColumn| {
        let min_scale = column.min_scale.map(|scale| format!(" from {scale}")).unwrap_or_default();
        let missing = if column.may_be_missing { " missing" } else { "" };
        format!("{} {}{min_scale}{missing}", column.name, column.r#type)
    };
    (table.id.to_string(), table.columns.iter().map(column).collect::<Vec<_>>().join(", "))
}

/// Promise 5: what was looked at only in part is not told: its types would be those of the part.
#[tokio::test]
async fn columns_are_told_only_of_what_was_looked_at_as_a_whole() {
    let archive = archive(&[
        ("a.csv", CompressionMethod::Deflated, b"ID\n1\n".to_vec()),
        ("b.csv", CompressionMethod::Deflated, b"ID\n2.5\n".to_vec()),
    ]);
    let world =
        World::new(Setup { destination: "observe_columns = true".to_owned(), ..Setup::default() }).await;
    stage(&world.context, &[("views.zip", &archive.bytes)]).await;
    assert!(unpack(&world.context, 0).await.unwrap().complete);
    // Landed again, it is not looked at as a whole any more; what is recorded stays.
    world.landing().await.delete("forms/1/views/b.csv").await.unwrap();
    let (manifest, _) = land_staged(&world, 1).await;
    assert_eq!(manifest.tables[0].columns[0].r#type, "DECIMAL(18,1)".parse().unwrap());
    world.end().await;
}

/// Promise 5: rows are counted in the dialect and encoding that a file is in, whatever it becomes; what is something else
/// under a text's name has no rows, which is not the same as none.
#[tokio::test]
async fn rows_are_counted_as_files_are_written_or_not_at_all() {
    let wide: Vec<u8> =
        "\u{feff}id,name\r\n1,Ann\r\n2,Bob\r\n3,Cy\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let compressed = [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 3][..], b"\x03\0\0\0\0\0\0\0\0\0"].concat();
    let files = [
        ("wide.csv", &wide[..], Some(3)),
        ("semicolons.csv", b"id;text\n1;\"a\nb\"\n2;c\n", Some(2)),
        ("bars.tsv", b"id|text\n1|'a\nb'\n2|'c'\n", Some(2)),
        ("compressed.csv", &compressed, None),
        ("plain.csv.gz", &compressed, None),
    ];
    for form in FORMS {
        let world = World::new(setup(form)).await;
        let staged: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes, _)| (*name, *bytes)).collect();
        stage(&world.context, &staged).await;
        let (manifest, _) = land_staged(&world, 5).await;
        for (object, (name, _, rows)) in std::iter::zip(&manifest.objects, &files) {
            assert_eq!(object.rows, *rows, "{name} as {form:?}");
        }
        assert_eq!(manifest.totals.rows, Some(7));
        world.end().await;
    }
    let said = "csv = { delimiter = \"~\", quote = \"^\" }".to_owned();
    for (destination, file, rows) in [
        (String::new(), ("compressed.csv", &compressed[..]), None),
        (said, ("said.csv", &b"id~text\n1~^a\nb^\n2~\"c\n"[..]), Some(2)),
    ] {
        let world = World::new(Setup { destination, ..Setup::default() }).await;
        stage(&world.context, &[file]).await;
        let (manifest, _) = land_staged(&world, 1).await;
        assert_eq!(manifest.totals.rows, rows, "{}", file.0);
        let published = publish::publish(&world.anew(), event(), &Deadline::none(world.clock.clone())).await;
        assert_eq!(published.unwrap().totals.rows, rows, "as it is read back");
        world.end().await;
    }
}

/// Promise 4: a member that is compressed already lands as it is, by whatever way it goes and after whatever interruption;
/// where another member lands under its name, it is compressed again. Either way its bytes are told of truly.
#[tokio::test]
async fn members_are_compressed_once() {
    let gzip = |csv: &[u8]| {
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        writer.write_all(csv).unwrap();
        writer.finish().unwrap()
    };
    let (small, large) = (gzip(&rows(60_000, true)), gzip(&rows(9 * MIB, false)));
    let zstd = zstd::encode_all(&rows(60_000, true)[..], 1).unwrap();
    // Large as it is, and small as the archive keeps it.
    let sparse = [&small[..], &vec![0; 3 * MIB]].concat();
    assert!(large.len() > 5 * MIB);
    let inner =
        self::archive(&[("[Content_Types].xml", CompressionMethod::Deflated, rows(60_000, true))]).bytes;
    let empty = self::archive(&[]).bytes;
    let archive = archive(&[
        ("plain.csv", CompressionMethod::Deflated, rows(60_000, true)),
        ("book.xlsx", CompressionMethod::Deflated, inner.clone()),
        ("inner.zip", CompressionMethod::Stored, inner.clone()),
        ("segment.zip", CompressionMethod::Deflated, [b"PK00", &inner[..]].concat()),
        ("empty.zip", CompressionMethod::Stored, empty),
        ("postcodes.csv", CompressionMethod::Deflated, b"PK00 1AB\nPK\n".to_vec()),
        ("named-otherwise.tsv", CompressionMethod::Deflated, inner),
        ("small.csv.gz", CompressionMethod::Deflated, small.clone()),
        ("stored.csv.gz", CompressionMethod::Stored, small.clone()),
        ("named-otherwise.csv", CompressionMethod::Deflated, small.clone()),
        ("small.zst", CompressionMethod::Deflated, zstd),
        ("large.csv.gz", CompressionMethod::Deflated, large.clone()),
        ("large-stored.csv.gz", CompressionMethod::Stored, large),
        ("sparse.gz", CompressionMethod::Deflated, sparse),
        ("only-named.gz", CompressionMethod::Deflated, rows(1_000, true)),
        ("met.csv", CompressionMethod::Deflated, rows(1_000, true)),
        ("met.csv.gz", CompressionMethod::Deflated, small),
        ("tiny", CompressionMethod::Stored, b"\x1f".to_vec()),
    ]);
    for form in FORMS {
        let world = World::new(setup(form)).await;
        stage(&world.context, &[("a.zip", &archive.bytes)]).await;
        let (manifest, landed) = land_staged(&world, 1).await;
        assert_eq!(landed.len(), archive.members.len());
        for (object, (name, content)) in std::iter::zip(&manifest.objects, &archive.members) {
            let marks = [&b"\x1f\x8b"[..], b"\x28\xb5", b"PK\x03\x04", b"PK00PK", b"PK\x05\x06"];
            let is_compressed = marks.iter().any(|mark| content.starts_with(mark));
            let meets = form == LandedForm::Gzip && name == "met.csv.gz";
            let lands_in = if is_compressed && !meets { LandedForm::Raw } else { form };
            assert_eq!(object.key, format!("forms/1/a/{name}{}", lands_in.suffix()), "{form:?}");
            assert_eq!(object.form.unwrap_or_default(), lands_in, "{name} in {form:?}");
            assert_holds(object, &landed[&object.key], content, &format!("{name} in {form:?}"));
            assert_eq!(object.rows.is_some(), name.ends_with(".csv") && !is_compressed, "{name}");
        }
        world.end().await;
    }
}

/// Promise 3: of an archive with a name that does not fit, or that no store can list, nothing is written.
#[tokio::test]
async fn names_that_cannot_be_keys_are_refused_before_anything_lands() {
    let deflated = |name| {
        archive(&[
            ("good.csv", CompressionMethod::Deflated, rows(100, true)),
            (name, CompressionMethod::Deflated, rows(100, true)),
        ])
    };
    for (form, limits, name, expected) in [
        ("raw", "", "a\u{fffe}.csv", ("UnsafeArchive", "U+FFFE")),
        ("gzip", "", "a\u{ffff}", ("UnsafeArchive", "U+FFFF")),
        (
            "gzip",
            "limits = { name_bytes = 10 }",
            "12345678",
            ("LimitExceeded", "has 11 bytes with the form's suffix .gz"),
        ),
    ] {
        let world =
            World::new(Setup { destination: format!("form = \"{form}\"\n{limits}"), ..Setup::default() })
                .await;
        stage(&world.context, &[("a.zip", &deflated(name).bytes)]).await;
        let error = unpack(&world.context, 0).await.unwrap_err();
        assert_eq!(error.error_type().name(), expected.0, "{}", error.line());
        assert!(error.line().contains(expected.1), "{}", error.line());
        assert!(world.landed().await.is_empty());
        world.end().await;
    }
    let fits = World::new(Setup {
        destination: "form = \"gzip\"\nlimits = { name_bytes = 11 }".to_owned(),
        ..Setup::default()
    })
    .await;
    stage(&fits.context, &[("a.zip", &deflated("12345678").bytes)]).await;
    assert!(unpack(&fits.context, 0).await.unwrap().complete);
    fits.end().await;
}

/// A deflated member is not compressed again: its stream is in the gzip file as it was in the archive.
#[tokio::test]
async fn a_deflate_stream_is_kept_byte_for_byte() {
    let archive = mixed();
    let world = World::new(setup(LandedForm::Gzip)).await;
    stage(&world.context, &[("mixed.zip", &archive.bytes)]).await;
    let (_, landed) = land_staged(&world, 1).await;
    let landed = &landed["forms/1/mixed/a.csv.gz"];
    assert_eq!(landed[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
    let stream = &landed[10..landed.len() - 8];
    assert!(archive.bytes.windows(stream.len()).any(|window| window == stream));
    world.end().await;
}

/// Files that are no archives land in the form too, but for those that are compressed already; no two meet.
#[tokio::test]
async fn files_are_compressed_once() {
    let csv = rows(600_000, true);
    let gzip = {
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        writer.write_all(&csv).unwrap();
        writer.finish().unwrap()
    };
    let zstd = zstd::encode_all(&csv[..], 1).unwrap();
    let given: [(&str, &[u8]); 5] =
        [("a.csv", &csv), ("a.csv.gz", &gzip), ("b.csv", &csv), ("c.zst", &zstd), ("empty.log", b"")];
    for form in FORMS {
        let world = World::new(setup(form)).await;
        stage(&world.context, &given).await;
        let (manifest, landed) = land_staged(&world, 5).await;
        assert_eq!(landed.len(), 5);
        let suffix = form.suffix();
        let a = if form == LandedForm::Gzip { ("a.csv~0", "a.csv.gz~1") } else { ("a.csv", "a.csv.gz") };
        let expected = [
            format!("{}{suffix}", a.0),
            a.1.to_owned(),
            format!("b.csv{suffix}"),
            "c.zst".to_owned(),
            format!("empty.log{suffix}"),
        ];
        for ((object, name), (_, content)) in
            std::iter::zip(std::iter::zip(&manifest.objects, expected), given)
        {
            assert_eq!(object.key, format!("forms/1/{name}"));
            assert_holds(object, &landed[&object.key], content, &format!("{form:?}"));
        }
        let rows = manifest.objects[2].rows.unwrap();
        assert_eq!(rows + 1, csv.iter().filter(|byte| **byte == b'\n').count() as u64);
        world.end().await;
    }
}

/// A whole run of a source in each form: what is compressed does not disturb what is told of rows and files.
#[tokio::test]
async fn a_run_lands_in_every_form() {
    for form in FORMS {
        let world = World::new(setup(form)).await;
        land(&world.context, run_event()).await.unwrap();
        let manifest = assert_landed(&world, world.simulator.jobs()[0].id, &format!("{form:?}")).await;
        assert!(manifest.objects.iter().all(|object| object.form.unwrap_or_default() == form));
        world.end().await;
    }
}

/// Promise 4: the form is the one that the job was begun with, whatever the setting is by now.
#[tokio::test]
async fn a_job_goes_on_in_the_form_that_it_was_begun_in() {
    let archive = mixed();
    let world = World::new(Setup::default()).await;
    stage(&world.context, &[("mixed.zip", &archive.bytes), ("again.zip", &archive.bytes)]).await;
    unpack(&world.context, 0).await.unwrap();
    let changed = world.configured_otherwise("form = \"zstd\"\nzstd_level = 9");
    unpack(&changed, 1).await.unwrap();
    let landed = world.landed().await;
    assert_eq!(landed.len(), 2 * archive.members.len());
    for (name, content) in &archive.members {
        assert!(landed[&format!("forms/1/again/{name}")] == *content, "{name}");
    }
    world.end().await;
}

/// Promise 3: nothing of a member is visible whose data is not what the archive says, in whatever form, and by
/// whatever way it would have come.
#[tokio::test]
async fn a_corrupt_member_lands_nothing() {
    for form in FORMS {
        for (archive, stored_name) in [(mixed(), "inner/stored.csv"), (large(), "stored.csv")] {
            let mut bytes = archive.bytes;
            let (_, content) = archive.members.iter().find(|(name, _)| name == stored_name).unwrap();
            let at = bytes.windows(64).position(|window| *window == content[..64]).unwrap();
            bytes[at + content.len() - 3] ^= 1;
            let world = World::new(setup(form)).await;
            stage(&world.context, &[("corrupt.zip", &bytes)]).await;
            let error = unpack(&world.context, 0).await.unwrap_err();
            assert_eq!(error.error_type().name(), "IntegrityError", "{form:?}: {}", error.line());
            assert!(world.landed().await.is_empty(), "{form:?}");
            assert_eq!(world.unfinished_uploads().await, 0, "{form:?}");
            world.end().await;
        }
    }
}

/// An operation, and the key that it is about.
type Asked = (&'static str, String);
/// Requests, and the bytes of their bodies.
type Counted = (u64, u64);

/// What goes up.
#[derive(Default)]
struct Uploads {
    made: Mutex<BTreeMap<Asked, Counted>>,
    refuses_copies: bool,
}

impl Uploads {
    fn of(&self, operation: &'static str, key: &str) -> Counted {
        self.made.lock().unwrap().get(&(operation, key.to_owned())).copied().unwrap_or_default()
    }
}

impl Intercept for Uploads {
    fn before(&self, call: &Call) -> Before {
        let key = call.key.clone().unwrap_or_default();
        let mut made = self.made.lock().unwrap();
        let (requests, bytes) = made.entry((call.operation, key)).or_default();
        *requests += 1;
        *bytes += call.body_bytes;
        match call.operation {
            "UploadPartCopy" if self.refuses_copies => Before::Answer(StatusCode::NOT_IMPLEMENTED),
            _ => Before::Proceed,
        }
    }

    fn after(&self, _: &Call, _: StatusCode) -> After {
        After::Proceed
    }
}

async fn watched(form: LandedForm, uploads: Uploads) -> (World, Arc<Uploads>) {
    let uploads = Arc::new(uploads);
    let intercept = Some(Arc::clone(&uploads) as Arc<dyn Intercept>);
    (World::with_store(setup(form), Options { fsync: false, intercept }).await, uploads)
}

/// Inside one store only the edges of what lands as the archive keeps it travel: for gzip the header with what makes
/// it a part, and the trailer; for stored members nothing.
#[tokio::test]
async fn inside_one_store_only_the_edges_are_uploaded() {
    let archive = large();
    let (gzip, uploads) = watched(LandedForm::Gzip, Uploads::default()).await;
    stage(&gzip.context, &[("large.zip", &archive.bytes)]).await;
    let (manifest, landed) = land_staged(&gzip, 1).await;
    for (object, (_, content)) in std::iter::zip(&manifest.objects, &archive.members) {
        assert_holds(object, &landed[&object.key], content, "gzip");
    }
    let key = "forms/1/large/deflated.csv.gz";
    assert_eq!(uploads.of("UploadPart", key), (2, MIN_PART_BYTES as u64 + 8));
    assert_eq!(uploads.of("UploadPartCopy", key), (1, 0));
    assert_eq!(uploads.of("UploadPartCopy", "forms/1/large/stored.csv.gz"), (0, 0));
    gzip.end().await;

    let (raw, uploads) = watched(LandedForm::Raw, Uploads::default()).await;
    stage(&raw.context, &[("large.zip", &archive.bytes)]).await;
    let (manifest, landed) = land_staged(&raw, 1).await;
    for (object, (_, content)) in std::iter::zip(&manifest.objects, &archive.members) {
        assert_holds(object, &landed[&object.key], content, "raw");
    }
    assert_eq!(uploads.of("UploadPart", "forms/1/large/stored.csv"), (0, 0));
    assert_eq!(uploads.of("UploadPartCopy", "forms/1/large/stored.csv"), (1, 0));
    assert_eq!(uploads.of("UploadPartCopy", "forms/1/large/deflated.csv"), (0, 0));
    raw.end().await;
}

/// A store that cannot copy ranges is asked once; then everything is uploaded, to the same bytes.
#[tokio::test]
async fn a_store_that_does_not_copy_is_asked_once() {
    let archive = archive(&[
        ("1.csv", CompressionMethod::Stored, rows(6 * MIB, false)),
        ("2.csv", CompressionMethod::Stored, rows(6 * MIB, true)),
    ]);
    let (world, uploads) =
        watched(LandedForm::Raw, Uploads { refuses_copies: true, ..Uploads::default() }).await;
    stage(&world.context, &[("one.zip", &archive.bytes), ("two.zip", &archive.bytes)]).await;
    let (manifest, landed) = land_staged(&world, 2).await;
    for (object, (_, content)) in std::iter::zip(&manifest.objects, archive.members.iter().cycle()) {
        assert_holds(object, &landed[&object.key], content, "uploaded");
    }
    assert!(uploads.of("UploadPartCopy", "forms/1/one/1.csv").0 <= 1);
    assert_eq!(uploads.of("UploadPartCopy", "forms/1/two/1.csv").0, 0);
    assert_eq!(uploads.of("UploadPartCopy", "forms/1/two/2.csv").0, 0);
    assert_eq!(world.unfinished_uploads().await, 0);
    world.end().await;
}

/// Promises 2 and 4: cut in the middle of the data and started again, the same bytes land, and no upload stays.
#[tokio::test]
async fn cut_in_the_middle_and_started_again_the_same_bytes_land() {
    let archive = large();
    for form in FORMS {
        let undisturbed = World::new(setup(form)).await;
        stage(&undisturbed.context, &[("large.zip", &archive.bytes)]).await;
        let (_, expected) = land_staged(&undisturbed, 1).await;
        undisturbed.end().await;

        let line = Arc::new(Line::default());
        let intercept = Some(Arc::clone(&line) as Arc<dyn Intercept>);
        let world = World::with_store(setup(form), Options { fsync: false, intercept }).await;
        stage(&world.context, &[("large.zip", &archive.bytes)]).await;
        let key = format!("landing/forms/1/large/stored.csv{}", form.suffix());
        let operation = if form == LandedForm::Raw { "UploadPartCopy" } else { "UploadPart" };
        for cut in [
            (operation, Moment::Before),
            (operation, Moment::AnswerLost),
            ("CompleteMultipartUpload", Moment::AnswerLost),
        ] {
            let context = world.anew();
            let cut = Cut { at: At::Named(format!("{} {key}", cut.0), 1), moment: cut.1 };
            let ended = line.run(Some(cut.clone()), async { unpack(&context, 0).await }).await;
            assert!(matches!(ended, Ended::Cut), "{form:?}: {cut}: {ended:?} after {:?}", line.made());
        }
        let (_, landed) = land_staged(&world, 1).await;
        assert!(landed == expected, "{form:?}: other bytes");
        assert_eq!(world.unfinished_uploads().await, 0, "{form:?}");
        world.end().await;
    }
}
