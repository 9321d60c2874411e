//! Archives from other projects' test suites: what must land does. Whether their verdicts are followed is tested where
//! archives land, with the project's other whole runs.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;

use bytes::Bytes;
use futures::executor::block_on;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::*;

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

/// Tells what was counted, also where the test runner keeps what passing tests print.
fn say(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// Reads an archive whole: what landed, in the form of the expectations.
fn land(bytes: &Bytes) -> Result<Vec<ExpectedMember>, String> {
    land_in(bytes, NameEncoding::default())
}

/// The same, where names that do not say their encoding are in this one.
fn land_in(bytes: &Bytes, names: NameEncoding) -> Result<Vec<ExpectedMember>, String> {
    let describe = |error: &dyn std::error::Error| match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    };
    let limits = Limits::default();
    let directory = block_on(read_directory(bytes, &limits, names)).map_err(|error| describe(&error))?;
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

/// Whether a name is what its bytes say as UTF-8, and the expected one what the same bytes say in code page 437, as
/// Python's zipfile reads all that has no flag.
fn is_utf8_of(name: &str, expected: &str) -> bool {
    let cp437 = NameEncoding::try_from("cp437".to_owned()).unwrap();
    name != expected && cp437.decode(name.as_bytes()).is_ok_and(|mojibake| mojibake == expected)
}

fn read(file: &Path) -> Bytes {
    std::fs::read(file).unwrap().into()
}

/// Every archive that four readers read alike lands, to the byte.
#[test]
fn what_all_readers_agree_on_lands() {
    let Some(corpus) = corpus::folder() else { return };
    let (mut landed, mut refused, mut renamed) = (0, Vec::new(), BTreeSet::new());
    for line in std::fs::read_to_string(corpus.join("expected.jsonl")).unwrap().lines() {
        let mut expected: Expected = serde_json::from_str(line).unwrap();
        for member in expected.members.iter_mut().filter(|member| member.name.ends_with('/')) {
            *member = ExpectedMember { name: member.name.clone(), size: 0, crc32: 0, sha256: None };
        }
        match land(&read(&corpus.join(&expected.file))) {
            Ok(found) => {
                for (member, found) in expected.members.iter_mut().zip(&found) {
                    if is_utf8_of(&found.name, &member.name) {
                        member.name.clone_from(&found.name);
                        renamed.insert(expected.file.clone());
                    }
                }
                assert_eq!(found, expected.members, "{}", expected.file);
                landed += 1;
            }
            Err(refusal) => refused.push(format!("{}: {refusal}", expected.file)),
        }
    }
    say(&format!("the corpus, read: {landed} archives that four readers agree on, alike to the byte"));
    assert!(refused.is_empty(), "{refused:#?}");
    assert!(landed > 100, "{landed}");
    assert_eq!(renamed.len(), 4, "{renamed:?}");
}

/// Promise 7: no file of the corpus makes the reader panic, and each is either landed or refused in one line.
#[test]
fn every_file_is_landed_or_refused() {
    let Some(corpus) = corpus::folder() else { return };
    let (mut landed, mut refused) = (0, 0);
    for file in corpus::files(&corpus).unwrap() {
        match land(&read(&file)) {
            Ok(_) => landed += 1,
            Err(refusal) => {
                refused += 1;
                assert!(!refusal.contains('\n'), "{refusal}");
            }
        }
    }
    say(&format!("the corpus, read: {landed} archives accepted, {refused} files refused"));
}

#[derive(Deserialize)]
struct Case {
    file: String,
    members: Vec<ExpectedMember>,
}

/// Archives that real programs write, under the names and bytes that they were given there.
#[test]
fn what_real_programs_write_lands_under_its_names() {
    let Some(cases) = corpus::written_by_programs() else { return };
    let mut landed = 0;
    for line in std::fs::read_to_string(cases.join("EXPECTED.jsonl")).unwrap().lines() {
        let case: Case = serde_json::from_str(line).unwrap();
        let encoding = if case.file.contains("ms932") { "windows-31j" } else { "cp437" };
        let encoding = NameEncoding::try_from(encoding.to_owned()).unwrap();
        let found = land_in(&read(&cases.join(&case.file)), encoding);
        let found = found.unwrap_or_else(|refusal| panic!("{}: {refusal}", case.file));
        let files = |members: Vec<ExpectedMember>| {
            let files = members.into_iter().filter_map(|member| Some((member.name, member.sha256?)));
            files.collect::<BTreeSet<_>>()
        };
        assert_eq!(files(found), files(case.members), "{}", case.file);
        landed += 1;
    }
    say(&format!("{landed} archives of real programs, read to the byte"));
    assert!(landed > 0);
}
