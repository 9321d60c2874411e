//! Archives from other projects' test suites, by the way that a source's archives go: what must land does, to the byte
//! and with its manifest, and of what is refused nothing stays. Where their verdicts are not followed is said in
//! `docs/archives.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Read as _};
use std::path::{Path, PathBuf};

use futures::TryStreamExt as _;
use landfall::job::LandedObject;
use landfall_tests::staged::{publish_for, stage_for, unpack_for};
use landfall_tests::{Setup, World, assert_holds, say};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

const DIFFERENCES: &str = include_str!("../../../docs/archives.md");

#[derive(Deserialize)]
struct Expected {
    file: String,
    members: Vec<ExpectedMember>,
}

#[derive(Deserialize, Debug, PartialEq)]
struct ExpectedMember {
    name: String,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    sha256: String,
}

fn files(corpus: &Path) -> Vec<String> {
    let relative = |path: PathBuf| path.strip_prefix(corpus).unwrap().to_str().unwrap().to_owned();
    corpus::files(corpus).unwrap().into_iter().map(relative).collect()
}

/// What lands of the archives that four readers read alike.
fn expected(corpus: &Path) -> BTreeMap<String, Vec<ExpectedMember>> {
    let lines = std::fs::read_to_string(corpus.join("expected.jsonl")).unwrap();
    let archives = lines.lines().map(|line| serde_json::from_str::<Expected>(line).unwrap());
    let files_of = |mut archive: Expected| {
        archive.members.retain(|member| !member.name.ends_with('/'));
        (archive.file, archive.members)
    };
    archives.map(files_of).collect()
}

/// Whether an archive is to be accepted, as its own project says.
fn labels(corpus: &Path) -> BTreeMap<String, bool> {
    let lines = std::fs::read_to_string(corpus.join("labels.tsv")).unwrap();
    let label = |line: &str| {
        let (file, label) = line.split_once('\t').unwrap();
        (file.to_owned(), label.starts_with("accept"))
    };
    lines.lines().skip(1).map(label).collect()
}

/// The archives whose label is not followed.
fn differences() -> BTreeSet<&'static str> {
    let rows = DIFFERENCES.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    rows.map(|(archive, _)| archive).filter(|archive| archive.contains('/')).collect()
}

/// The archives whose names are not those that Python reads, as their table in the documentation says.
fn named_otherwise() -> BTreeSet<&'static str> {
    let (_, table) = DIFFERENCES.split_once("## By name").expect("the table");
    table.lines().filter_map(|line| line.strip_prefix("| `")?.strip_suffix("` |")).collect()
}

/// What the `zip` crate reads of an archive, if it reads all of it, with names in the form in which they land: it keeps
/// backslashes of Windows.
fn as_zip_reads_it(bytes: &[u8]) -> Option<Vec<(String, Vec<u8>)>> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).ok()?;
    let mut members = Vec::new();
    for index in 0..archive.len() {
        let mut member = archive.by_index(index).ok()?;
        let name = member.name().ok()?.replace('\\', "/");
        let mut content = Vec::new();
        member.read_to_end(&mut content).ok()?;
        if !name.ends_with('/') {
            members.push((name, content));
        }
    }
    Some(members)
}

/// How the corpus came out.
#[derive(Default)]
struct Counts {
    landed: usize,
    as_expected: usize,
    /// Archives of folders alone, as the four readers agree: refused.
    without_files: usize,
    as_zip_reads_them: usize,
    /// The archives whose names are not those that Python reads.
    named_otherwise: BTreeSet<String>,
    as_they_are: usize,
    objects: usize,
    refused: BTreeMap<&'static str, usize>,
    /// The archives whose label was not followed.
    differing: BTreeSet<String>,
    labels_followed: usize,
}

impl Counts {
    fn note_label(&mut self, file: &str, is_accepted: bool, label: Option<&bool>) {
        match label {
            Some(accept) if *accept != is_accepted => {
                self.differing.insert(file.to_owned());
            }
            Some(_) => self.labels_followed += 1,
            None => {}
        }
    }
}

async fn read(world: &World, key: &str) -> Vec<u8> {
    match std::fs::read(world.landing_folder().join(key)) {
        Ok(bytes) => bytes,
        // A key that cannot be a path is another file.
        Err(_) => world.landing().await.read(key, u64::MAX).await.unwrap().unwrap().bytes.to_vec(),
    }
}

async fn keys(world: &World, prefix: &str) -> BTreeSet<String> {
    let landing = world.landing().await;
    landing.list(prefix).map_ok(|object| object.key).try_collect().await.unwrap()
}

/// Holds what has landed of an archive against what is known of it.
async fn assert_is_whole(
    world: &World,
    (id, file): (&str, &str),
    bytes: &[u8],
    expected: Option<&Vec<ExpectedMember>>,
    counts: &mut Counts,
) -> Vec<LandedObject> {
    let manifest_key = format!("forms/{id}/_manifest.json");
    let manifest: publish::Manifest = serde_json::from_slice(&read(world, &manifest_key).await).unwrap();
    let objects = manifest.objects;
    let mut there: BTreeSet<String> = objects.iter().map(|object| object.key.clone()).collect();
    assert_eq!(there.len(), objects.len(), "{file}: two members have one key");
    there.insert(manifest_key);
    assert_eq!(keys(world, &format!("forms/{id}/")).await, there, "{file}");

    let mut landed = Vec::with_capacity(objects.len());
    for object in &objects {
        let content = read(world, &object.key).await;
        assert_holds(object, &content, &content, file);
        landed.push((object.member.clone(), content));
    }
    if let [(None, content)] = &landed[..] {
        assert!(content == bytes, "{file}: no archive, and not as it is either");
        assert!(expected.is_none(), "{file}: landed as a file");
        counts.as_they_are += 1;
        return objects;
    }
    let landed: Vec<(String, Vec<u8>)> =
        landed.into_iter().map(|(member, content)| (member.expect("a member's name"), content)).collect();
    if let Some(expected) = expected {
        let mut found: Vec<ExpectedMember> = landed.iter().map(as_expectations_have_it).collect();
        if named_otherwise().contains(file) {
            assert!(landed == as_zip_reads_it(bytes).unwrap(), "{file}: the zip crate reads something else");
            for (member, expected) in
                found.iter_mut().zip(expected).filter(|(member, it)| member.name != it.name)
            {
                member.name.clone_from(&expected.name);
                counts.named_otherwise.insert(file.to_owned());
            }
        }
        assert_eq!(found, *expected, "{file}");
        counts.as_expected += 1;
    } else if let Some(as_zip_reads_it) = as_zip_reads_it(bytes) {
        assert!(landed == as_zip_reads_it, "{file}: the zip crate reads something else");
        counts.as_zip_reads_them += 1;
    }
    objects
}

fn as_expectations_have_it((name, content): &(String, Vec<u8>)) -> ExpectedMember {
    let sha256 = hex::encode(Sha256::digest(content));
    ExpectedMember { name: name.clone(), size: content.len() as u64, sha256 }
}

/// Promises 3, 4 and 5: every archive of the corpus lands whole and to the byte, or leaves no object, no upload and no
/// manifest; and every verdict of its own project is followed, or is a documented difference.
#[tokio::test]
async fn every_archive_lands_to_the_byte_or_leaves_nothing() {
    let Some(corpus) = corpus::folder() else { return };
    let (expected, labels, differences) = (expected(&corpus), labels(&corpus), differences());
    let world = World::new(Setup::default()).await;
    let mut counts = Counts::default();
    let files = files(&corpus);
    for (number, file) in files.iter().enumerate() {
        let bytes = std::fs::read(corpus.join(file)).unwrap();
        let (id, name) = (number.to_string(), file.rsplit('/').next().unwrap());
        stage_for(&world.context, &id, &[(name, &bytes)]).await;
        let unpacked = unpack_for(&world.context, &id, 0).await;
        let published = publish_for(&world.context, &id).await;
        let is_accepted = match unpacked {
            Ok(unpacked) => {
                assert!(unpacked.complete, "{file}");
                published.unwrap_or_else(|error| panic!("{file}: {}", error.line()));
                let objects =
                    assert_is_whole(&world, (&id, file), &bytes, expected.get(file), &mut counts).await;
                assert_eq!(unpacked.totals.objects, objects.len() as u64, "{file}");
                counts.landed += 1;
                counts.objects += objects.len();
                // What is no archive to anybody lands as it is: its own project, which wants an archive, refuses it.
                objects.iter().all(|object| object.member.is_some())
            }
            Err(error) => {
                let (name, line) = (error.error_type().name(), error.line());
                assert!(
                    ["UnsafeArchive", "Unsupported", "LimitExceeded", "IntegrityError"].contains(&name),
                    "{file}: {name}: {line}"
                );
                assert!(!line.contains('\n'), "{file}: {line}");
                if let Some(members) = expected.get(file) {
                    assert!(members.is_empty(), "{file} must land, and is refused: {line}");
                    assert!(line.contains("the archive holds nothing"), "{file}: {line}");
                    counts.without_files += 1;
                }
                assert!(published.is_err(), "{file}: refused, and published");
                assert_eq!(keys(&world, &format!("forms/{id}/")).await, BTreeSet::new(), "{file}");
                *counts.refused.entry(name).or_default() += 1;
                false
            }
        };
        counts.note_label(file, is_accepted, labels.get(file));
    }
    assert_eq!(world.unfinished_uploads().await, 0);

    let refused: usize = counts.refused.values().sum();
    say(&format!(
        "corpus: {} files: {} landed to the byte ({} objects; {} as four readers agree, {} as the zip crate reads \
         them, {} are no archives), {refused} refused and nothing left of them {:?}; {} labels followed, {} deliberate \
         differences",
        files.len(),
        counts.landed,
        counts.objects,
        counts.as_expected,
        counts.as_zip_reads_them,
        counts.as_they_are,
        counts.refused,
        counts.labels_followed,
        counts.differing.len(),
    ));
    assert_eq!(counts.as_expected + counts.without_files, expected.len());
    let compared = counts.as_expected + counts.as_zip_reads_them + counts.as_they_are;
    assert_eq!(compared, counts.landed, "archives that nobody else has read");
    assert!(counts.as_expected > 100 && refused > 100, "this is not the corpus");
    let differing: BTreeSet<&str> = counts.differing.iter().map(String::as_str).collect();
    assert_eq!(differing, differences, "left: what differs, right: what is documented");
    let named: BTreeSet<&str> = counts.named_otherwise.iter().map(String::as_str).collect();
    assert_eq!(named, named_otherwise(), "left: what is named otherwise, right: what is documented");
    world.end().await;
}
