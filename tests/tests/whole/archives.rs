//! Archives as real programs write them: under the names that they were given there, whatever they are compressed by;
//! and documents, which are archives only inside, as the files that they are.

use std::collections::BTreeMap;
use std::io::{Cursor, Write as _};
use std::path::Path;

use landfall::context::Context;
use landfall_tests::crafted::{Crafted, DEFLATED, STORED, Saying};
use landfall_tests::staged::{publish_for, stage, stage_for, unpack, unpack_for};
use landfall_tests::{Setup, World, assert_holds, say};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use zip::CompressionMethod;
use zip::write::SimpleFileOptions;

const DEFLATE64: u16 = 9;
const ROWS: &[u8] = b"ID,NAME\n1,one\n2,two\n";

fn world(destination: &str) -> impl Future<Output = World> {
    World::new(Setup { destination: destination.to_owned(), ..Setup::default() })
}

/// What has landed, by key below the job's prefix, without the manifest.
async fn landed(world: &World, id: &str) -> BTreeMap<String, Vec<u8>> {
    let prefix = format!("forms/{id}/");
    let objects = world.landed().await.into_iter();
    let below = objects.filter_map(|(key, bytes)| Some((key.strip_prefix(&prefix)?.to_owned(), bytes)));
    below.filter(|(key, _)| key != "_manifest.json").collect()
}

#[derive(Deserialize)]
struct Case {
    file: String,
    members: Vec<CaseMember>,
}

#[derive(Deserialize)]
struct CaseMember {
    name: String,
    sha256: String,
}

impl Case {
    /// What names no encoding of its own, and is in none that anybody could guess.
    fn destination(&self) -> &'static str {
        if self.file.contains("ms932") { "archive = { name_encoding = \"windows-31j\" }" } else { "" }
    }
}

fn cases(folder: &Path) -> Vec<Case> {
    let lines = std::fs::read_to_string(folder.join("EXPECTED.jsonl")).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Promises 3 to 5: each lands as its writer meant it, and the manifest names it so.
#[tokio::test]
async fn archives_of_real_programs_land_under_their_names_to_the_byte() {
    let Some(folder) = corpus::written_by_programs() else { return };
    let cases = cases(&folder);
    let world = world("").await;
    for (number, case) in cases.iter().enumerate() {
        let bytes = std::fs::read(folder.join(&case.file)).unwrap();
        let id = number.to_string();
        stage_for(&world.context, &id, &[(case.file.as_str(), &bytes)]).await;
        let context = world.configured_otherwise(case.destination());
        let unpacked = unpack_for(&context, &id, 0).await;
        assert!(unpacked.unwrap_or_else(|error| panic!("{}: {}", case.file, error.line())).complete);
        publish_for(&context, &id).await.unwrap();
        let stem = case.file.trim_end_matches(".zip");
        let found = landed(&world, &id).await.into_iter();
        let found: BTreeMap<String, String> =
            found.map(|(key, bytes)| (key, hex::encode(Sha256::digest(bytes)))).collect();
        let members = case.members.iter();
        let expected =
            members.map(|member| (format!("{stem}/{}", member.name), member.sha256.clone())).collect();
        assert_eq!(found, expected, "{}", case.file);
    }
    say(&format!("{} archives of real programs landed under their names, to the byte", cases.len()));
    world.end().await;
}

/// Half of a character is refused as what it may be, and the message says what to configure; then the job goes on.
#[tokio::test]
async fn names_in_an_encoding_of_their_own_land_once_it_is_configured() {
    let world = world("").await;
    let mut archive = Crafted::default();
    archive.add_stored("AB.csv", ROWS);
    // Shift_JIS, of which the second byte is a backslash.
    let bytes = replaced(archive.finish(), b"AB.csv", b"\x95\x5c.csv");
    stage(&world.context, &[("orders.zip", &bytes)]).await;
    let refused = unpack(&world.context, 0).await.unwrap_err();
    assert_eq!(refused.error_type().name(), "UnsafeArchive");
    assert!(refused.line().contains("name_encoding"), "{}", refused.line());
    assert!(world.landed().await.is_empty());
    let unknown = world.configured_otherwise("archive = { name_encoding = \"klingon\" }");
    let refused = unpack(&unknown, 0).await.unwrap_err().line();
    assert!(refused.contains("archive.name_encoding") && refused.contains("shift_jis"), "{refused}");
    let context = world.configured_otherwise("archive = { name_encoding = \"shift_jis\" }");
    unpack(&context, 0).await.unwrap();
    let keys: Vec<String> = landed(&world, "1").await.into_keys().collect();
    assert_eq!(keys, ["orders/表.csv"]);
    world.end().await;
}

fn replaced(bytes: Vec<u8>, from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut replaced = Vec::with_capacity(bytes.len());
    let mut rest = &bytes[..];
    while let Some((first, others)) = rest.split_first() {
        match rest.strip_prefix(from) {
            Some(behind) => {
                replaced.extend_from_slice(to);
                rest = behind;
            }
            None => {
                replaced.push(*first);
                rest = others;
            }
        }
    }
    replaced
}

fn deflated(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// An archive of the `zip` crate.
fn archive(members: &[(&str, CompressionMethod, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, method, bytes) in members {
        zip.start_file(*name, SimpleFileOptions::default().compression_method(*method)).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// What is not compressed by deflate is recoded for every form, and what no form can be made of is refused by name.
#[tokio::test]
async fn deflate64_and_bzip2_land_in_every_form_and_others_are_refused_by_name() {
    let mut deflate64 = Crafted::default();
    let data = deflated(ROWS);
    deflate64.add(&Saying::the_truth("a.csv", DEFLATE64, &data, ROWS), &data);
    let long: Vec<u8> = ROWS.iter().copied().cycle().take(3 << 20).collect();
    let bzip2 =
        archive(&[("b.csv", CompressionMethod::Bzip2, &long), ("c.csv", CompressionMethod::Bzip2, ROWS)]);
    let deflate64 = deflate64.finish();
    for form in ["raw", "gzip", "zstd"] {
        let world = world(&format!("form = \"{form}\"")).await;
        stage(&world.context, &[("x.zip", &deflate64), ("y.zip", &bzip2)]).await;
        for ordinal in 0..2 {
            assert!(unpack(&world.context, ordinal).await.unwrap().complete);
        }
        publish_for(&world.context, "1").await.unwrap();
        let (_, manifest) = world.manifests().await.pop_first().unwrap();
        let stored = world.landed().await;
        let contents = [ROWS, &long, ROWS];
        assert_eq!(manifest.objects.len(), contents.len());
        for (object, content) in manifest.objects.iter().zip(contents) {
            assert_holds(object, &stored[&object.key], content, form);
        }
        world.end().await;
    }

    let world = world("").await;
    for (method, flags, said) in
        [(14, 0, "lzma"), (93, 0, "zstd"), (95, 0, "xz"), (98, 0, "ppmd"), (DEFLATED, 1, "encrypted")]
    {
        let mut archive = Crafted::default();
        archive.add(&Saying { flags, ..Saying::the_truth("a.csv", method, &data, ROWS) }, &data);
        stage_for(&world.context, said, &[("x.zip", &archive.finish())]).await;
        let refused = unpack_for(&world.context, said, 0).await.unwrap_err();
        assert_eq!(refused.error_type().name(), "Unsupported", "{}", refused.line());
        assert!(refused.line().contains(said), "{}", refused.line());
    }
    assert!(world.landed().await.is_empty());
    world.end().await;
}

/// Documents by their parts: of Office Open XML with macros and without, of Open Document, a book, a program.
fn documents() -> [(&'static str, Vec<u8>); 4] {
    use CompressionMethod::{Deflated, Stored};
    let xml = b"<?xml version=\"1.0\"?><x/>";
    let doubled = {
        let mut program = Crafted::default();
        program.add_stored("META-INF/LICENSE", b"one");
        program.add_stored("META-INF/MANIFEST.MF", b"Manifest-Version: 1.0\r\n");
        program.add_stored("META-INF/LICENSE", b"two");
        program.finish()
    };
    [
        (
            "orders.xlsm",
            archive(&[
                ("xl/workbook.xml", Deflated, xml),
                ("xl/vbaProject.bin", Deflated, b"macro"),
                ("[Content_Types].xml", Deflated, xml),
            ]),
        ),
        (
            "orders.ods",
            archive(&[
                ("mimetype", Stored, b"application/vnd.oasis.opendocument.spreadsheet"),
                ("content.xml", Deflated, xml),
            ]),
        ),
        ("book", archive(&[("mimetype", Stored, b"application/epub+zip"), ("c.xhtml", Deflated, xml)])),
        // Two members of one name, as builds leave them, are nothing to who does not open it.
        ("program.zip", doubled),
    ]
}

async fn unpack_all(context: &Context, count: usize) -> Vec<landfall::Result<unpack_upload::Unpacked>> {
    let mut unpacked = Vec::new();
    for ordinal in 0..count {
        unpacked.push(unpack(context, u32::try_from(ordinal).unwrap()).await);
    }
    unpacked
}

/// Who exports a spreadsheet wants the spreadsheet: by what is inside, in no other form, under its own name.
#[tokio::test]
async fn a_document_lands_as_the_file_that_it_is() {
    let documents = documents();
    let staged: Vec<(&str, &[u8])> = documents.iter().map(|(name, bytes)| (*name, &bytes[..])).collect();
    for form in ["raw", "gzip"] {
        let world = world(&format!("form = \"{form}\"")).await;
        stage(&world.context, &staged).await;
        for unpacked in unpack_all(&world.context, documents.len()).await {
            assert!(unpacked.unwrap().complete);
        }
        publish_for(&world.context, "1").await.unwrap();
        let expected = documents.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.clone())).collect();
        assert!(landed(&world, "1").await == expected, "{form}");
        let (_, manifest) = world.manifests().await.pop_first().unwrap();
        assert!(manifest.objects.iter().all(|object| object.member.is_none() && object.form.is_none()));
        world.end().await;
    }
}

/// The switch, for who wants the parts; then what an archive must not hold is refused of a document, too.
#[tokio::test]
async fn a_document_is_unpacked_where_that_is_configured() {
    let documents = documents();
    let staged: Vec<(&str, &[u8])> = documents.iter().map(|(name, bytes)| (*name, &bytes[..])).collect();
    let world = world("archive = { unpack_documents = true }").await;
    stage(&world.context, &staged).await;
    let unpacked = unpack_all(&world.context, documents.len()).await;
    let outcomes: Vec<_> = unpacked
        .iter()
        .map(|unpacked| unpacked.as_ref().map_err(|error| error.error_type().name()))
        .collect();
    assert!(
        outcomes[..3].iter().all(|outcome| outcome.is_ok_and(|unpacked| unpacked.complete)),
        "{outcomes:?}"
    );
    assert_eq!(outcomes[3].unwrap_err(), "UnsafeArchive");
    let keys: Vec<String> = landed(&world, "1").await.into_keys().collect();
    assert_eq!(
        keys,
        [
            "book/c.xhtml",
            "book/mimetype",
            "orders.ods/content.xml",
            "orders.ods/mimetype",
            "orders.xlsm/[Content_Types].xml",
            "orders.xlsm/xl/vbaProject.bin",
            "orders.xlsm/xl/workbook.xml",
        ]
    );
    world.end().await;
}

/// A document within an archive is a member, and what is only called like a part of one makes no document.
#[tokio::test]
async fn a_document_in_an_archive_is_a_member_of_it() {
    let [(name, document), ..] = documents();
    let mut outer = Crafted::default();
    outer.add(&Saying::the_truth(name, STORED, &document, &document), &document);
    outer.add_stored("export/META-INF/MANIFEST.MF", b"deep inside");
    let world = world("").await;
    stage(&world.context, &[("outer.zip", &outer.finish())]).await;
    assert!(unpack(&world.context, 0).await.unwrap().complete);
    let found = landed(&world, "1").await;
    assert_eq!(found.keys().collect::<Vec<_>>(), ["outer/export/META-INF/MANIFEST.MF", "outer/orders.xlsm"]);
    assert!(found["outer/orders.xlsm"] == document);
    world.end().await;
}
