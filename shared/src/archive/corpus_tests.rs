//! Archives from other projects' test suites: what must land does, and their verdicts are ours or explained.

#![expect(clippy::print_stdout, reason = "the counts are what a corpus run is read for")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures::executor::block_on;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::*;

/// Beside the workspace, as the design has it.
const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/corpus/zip");

/// Archives that four other readers take and this one does not.
const REFUSED_ON_PURPOSE: [(&str, &str); 1] = [(
    "go-archive-zip/testdata__dupdir.zip",
    "`a/b` is a file and the folder of `a/b/c`: a store of plain files cannot hold both",
)];

/// Labels that are not followed.
const DIFFERENCES: [(&str, &str); 9] = [
    (
        "libzip-regress/regress__data__incons-archive-comment-shorter.zip",
        "a few stray bytes behind the end that hold no record; four readers agree on the members of others like it",
    ),
    (
        "libzip-regress/regress__data__incons-central-date.zip",
        "only the times disagree, and times do not land",
    ),
    (
        "libzip-regress/regress__data__incons-data.zip",
        "the label is for opening; the data has another CRC-32 than declared",
    ),
    (
        "libzip-regress/regress__data__incons-ef-local-dupe-zip64-v2.zip",
        "two ZIP64 fields with different sizes: readers take one or the other",
    ),
    (
        "libzip-regress/regress__data__incons-gap-before-eocd.zip",
        "bytes between directory and end record: some readers shift every offset by them",
    ),
    (
        "pypi-warehouse/tests__unit__utils__zipdata__accept__short_usize.zip",
        "the label is for headers alone; the data inflates to more than declared",
    ),
    (
        "pypi-warehouse/tests__unit__utils__zipdata__accept__short_usize_zip64.zip",
        "the ZIP64 field and the header give different sizes: readers take one or the other",
    ),
    (
        "pypi-warehouse/tests__unit__utils__zipdata__reject__non_ascii_original_name.zip",
        "the unicode path is the name, in another encoding",
    ),
    (
        "pypi-warehouse/tests__unit__utils__zipdata__reject__suffix_not_comment.zip",
        "a few stray bytes behind the end that hold no record; four readers agree on the members of others like it",
    ),
];

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
    crc32: u32,
    #[serde(default)]
    sha256: Option<String>,
}

fn corpus() -> Option<PathBuf> {
    let corpus = PathBuf::from(CORPUS);
    if corpus.is_dir() {
        return Some(corpus);
    }
    println!("skipped: no corpus at {CORPUS}");
    None
}

fn files(corpus: &Path) -> Vec<String> {
    let folders = std::fs::read_dir(corpus).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<String> = folders
        .filter(|path| path.is_dir())
        .flat_map(|folder| std::fs::read_dir(folder).unwrap())
        .map(|file| file.unwrap().path().strip_prefix(corpus).unwrap().to_str().unwrap().to_owned())
        .collect();
    files.sort();
    files
}

/// Reads an archive whole: what landed, in the form of the expectations.
fn land(bytes: &Bytes) -> Result<Vec<ExpectedMember>, String> {
    let describe = |error: &dyn std::error::Error| match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    };
    let limits = Limits::default();
    let directory = block_on(read_directory(bytes, &limits)).map_err(|error| describe(&error))?;
    let mut landed = Vec::new();
    for member in directory.members() {
        let range = member.data_range();
        let data = bytes.slice(usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap());
        let mut hash = Sha256::new();
        let mut decoder = MemberDecoder::new(member, &limits);
        for chunk in data.chunks(1000) {
            decoder
                .push(chunk, |piece| {
                    hash.update(piece);
                    Ok::<_, ArchiveError>(())
                })
                .map_err(|error| describe(&error))?;
        }
        let decoded = decoder.finish().map_err(|error| describe(&error))?;
        landed.push(ExpectedMember {
            name: member.name().to_owned(),
            size: decoded.size,
            crc32: decoded.crc32,
            sha256: (!member.is_directory()).then(|| hex::encode(hash.finalize())),
        });
    }
    Ok(landed)
}

fn read(corpus: &Path, file: &str) -> Bytes {
    std::fs::read(corpus.join(file)).unwrap().into()
}

/// Issue E: every archive that four readers read alike lands, to the byte.
#[test]
fn what_all_readers_agree_on_lands() {
    let Some(corpus) = corpus() else { return };
    let exceptions: BTreeMap<&str, &str> = REFUSED_ON_PURPOSE.into();
    let (mut landed, mut refused) = (0, Vec::new());
    for line in std::fs::read_to_string(corpus.join("expected.jsonl")).unwrap().lines() {
        let mut expected: Expected = serde_json::from_str(line).unwrap();
        for member in expected.members.iter_mut().filter(|member| member.name.ends_with('/')) {
            *member = ExpectedMember { name: member.name.clone(), size: 0, crc32: 0, sha256: None };
        }
        match (land(&read(&corpus, &expected.file)), exceptions.get(expected.file.as_str())) {
            (Ok(found), None) => {
                assert_eq!(found, expected.members, "{}", expected.file);
                landed += 1;
            }
            (Err(refusal), Some(reason)) => {
                println!("refused on purpose: {}: {refusal} ({reason})", expected.file);
            }
            (Ok(_), Some(_)) => refused.push(format!("{} lands after all", expected.file)),
            (Err(refusal), None) => refused.push(format!("{}: {refusal}", expected.file)),
        }
    }
    println!("{landed} landed to the byte, {} refused on purpose", exceptions.len());
    assert!(refused.is_empty(), "{refused:#?}");
    assert!(landed > 100, "{landed}");
}

/// Issue E: every label is followed, or a difference with a reason.
#[test]
fn labels_are_followed_or_explained() {
    let Some(corpus) = corpus() else { return };
    let differences: BTreeMap<&str, &str> = DIFFERENCES.into();
    let mut seen = BTreeSet::new();
    let (mut followed, mut unexplained) = (0, Vec::new());
    for line in std::fs::read_to_string(corpus.join("labels.tsv")).unwrap().lines().skip(1) {
        let mut columns = line.split('\t');
        let (file, label) = (columns.next().unwrap(), columns.next().unwrap());
        let bytes = read(&corpus, file);
        if !matches!(sniff(&bytes), Kind::Zip | Kind::EmptyZip) && label.starts_with("reject") {
            followed += 1;
            continue;
        }
        let result = land(&bytes);
        let is_followed = result.is_ok() == label.starts_with("accept");
        match (is_followed, differences.get(file)) {
            (true, _) => followed += 1,
            (false, Some(reason)) => println!("differs: {file}: {reason}"),
            (false, None) => {
                unexplained.push(format!("{file}: {label}, but {:?}", result.map(|members| members.len())));
            }
        }
        if !is_followed {
            seen.insert(file.to_owned());
        }
    }
    println!("{followed} labels followed, {} differences", seen.len());
    assert!(unexplained.is_empty(), "{unexplained:#?}");
    let stale: Vec<_> = differences.keys().filter(|file| !seen.contains(**file)).collect();
    assert!(stale.is_empty(), "no longer differences: {stale:?}");
}

/// Promise 7: no file of the corpus makes the reader panic, and each is either landed or refused in one line.
#[test]
fn every_file_is_landed_or_refused() {
    let Some(corpus) = corpus() else { return };
    let (mut landed, mut refused) = (0, 0);
    for file in files(&corpus) {
        let bytes = read(&corpus, &file);
        match land(&bytes) {
            Ok(_) => landed += 1,
            Err(refusal) => {
                refused += 1;
                println!("{file}: {refusal}");
                assert!(!refusal.contains('\n'), "{refusal}");
            }
        }
    }
    println!("{landed} landed, {refused} refused");
}
