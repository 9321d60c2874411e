use std::collections::BTreeSet;
use std::io::{BufReader, Cursor, Read};

use serde_json::Value;
use tempfile::TempDir;
use zip::ZipArchive;

use super::*;
use crate::fusion_extract::scenario::{Format, MemberSize};

fn scenario() -> Scenario {
    Scenario { member_size: MemberSize::Rows(40), ..Scenario::default() }
}

fn request() -> OutputRequest {
    OutputRequest {
        job_id: 44_055,
        extract: "SimpleCarriers".to_owned(),
        incremental: false,
        window: 0,
        submitted_at: "2026-11-21T06:00:00.123456Z".parse().unwrap(),
        name: NameForm::Documented,
        archive: ArchiveFaults::default(),
        is_described: true,
    }
}

fn make(scenario: &Scenario, request: &OutputRequest) -> (TempDir, Vec<ExpectedFile>) {
    let folder = tempfile::tempdir().unwrap();
    let files = produce(folder.path(), scenario, request).unwrap();
    (folder, files)
}

fn with_archive(kind: ArchiveKind) -> (TempDir, Vec<ExpectedFile>) {
    make(&scenario(), &OutputRequest { archive: ArchiveFaults { kind, file: None }, ..request() })
}

fn bytes_of(folder: &TempDir, ordinal: u32) -> Vec<u8> {
    fs::read(path_in(folder.path(), ordinal)).unwrap()
}

fn open(folder: &TempDir, ordinal: u32) -> ZipArchive<BufReader<File>> {
    ZipArchive::new(BufReader::new(File::open(path_in(folder.path(), ordinal)).unwrap())).unwrap()
}

fn members(file: &ExpectedFile) -> &[ExpectedMember] {
    match &file.landing {
        Landing::Members(members) => members,
        other => panic!("not an archive: {other:?}"),
    }
}

fn read(mut reader: impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).unwrap();
    bytes
}

fn little_endian_at(bytes: &[u8], at: usize, length: usize) -> u64 {
    bytes[at..at + length].iter().rev().fold(0, |value, byte| (value << 8) | u64::from(*byte))
}

/// What is expected is what another reader of archives finds, member by member, whoever wrote them.
#[test]
fn every_producers_archive_holds_the_expected_bytes() {
    for producer in Producer::ALL {
        let scenario = Scenario { producers: vec![producer], members_per_chunk: 2, ..scenario() };
        let (folder, files) = make(&scenario, &request());
        for file in &files {
            let mut archive = open(&folder, file.ordinal);
            let expected = members(file);
            assert_eq!(archive.len(), expected.len(), "{producer:?}");
            for (index, member) in expected.iter().enumerate() {
                let mut found = archive.by_index(index).unwrap();
                assert_eq!(found.name().unwrap(), member.name);
                assert_eq!(found.crc32(), member.crc32);
                assert_eq!(found.size(), member.size);
                let bytes = read(&mut found);
                assert_eq!(bytes, read(member.reader()), "{producer:?}, {}", member.name);
                assert_eq!(hex::encode(Sha256::digest(&bytes)), member.sha256);
            }
        }
    }
}

/// Each producer writes what makes it one: otherwise a test with all of them proves little.
#[test]
fn producers_differ_in_their_local_headers() {
    let (folder, files) = make(&scenario(), &request());
    assert_eq!(files.len(), 6);
    let heads: Vec<Vec<u8>> = (1..=5).map(|ordinal| bytes_of(&folder, ordinal)).collect();
    let flags = |head: &[u8]| little_endian_at(head, 6, 2);
    let method = |head: &[u8]| little_endian_at(head, 8, 2);
    let size = |head: &[u8]| little_endian_at(head, 22, 4);
    let member = |ordinal: usize| &members(&files[ordinal - 1])[0];

    assert_eq!(flags(&heads[0]) & 8, 0);
    assert_eq!(size(&heads[0]), member(1).size);
    assert_eq!((flags(&heads[1]) & 8, size(&heads[1])), (8, 0));
    assert_eq!(size(&heads[2]), u64::from(u32::MAX));
    assert_eq!((method(&heads[3]), size(&heads[3])), (0, member(4).size));
    assert_eq!((flags(&heads[4]) & 8, size(&heads[4])), (8, 0));

    let signature = 0x0807_4b50_u32.to_le_bytes();
    let has_signature = |bytes: &[u8], member: &ExpectedMember| {
        let descriptor = [&signature[..], &member.crc32.to_le_bytes()].concat();
        bytes.windows(descriptor.len()).any(|window| window == descriptor)
    };
    assert!(has_signature(&heads[1], member(2)));
    assert!(!has_signature(&heads[4], member(5)));
}

/// Oracle: "Extract Output File and Manifest Details": the metadata file is in the last chunk alone.
#[test]
fn the_metadata_file_is_in_the_last_chunk_alone() {
    let (_folder, files) = make(&scenario(), &request());
    let with_metadata: Vec<u32> = files
        .iter()
        .filter(|file| members(file).iter().any(|member| member.name == "SimpleCarriers_metadata.json"))
        .map(|file| file.ordinal)
        .collect();
    assert_eq!(with_metadata, [6]);
}

/// Promise 4: two files of one job never share a key, though chunks share member names.
#[test]
fn chunks_of_a_view_share_member_names_and_no_bytes() {
    let (_folder, files) = make(&scenario(), &request());
    let first: BTreeSet<&str> = files[..3].iter().map(|file| members(file)[0].name.as_str()).collect();
    assert_eq!(first, BTreeSet::from(["carriersExtract.csv"]));
    let distinct: BTreeSet<&str> = files.iter().map(|file| members(file)[0].sha256.as_str()).collect();
    assert_eq!(distinct.len(), 6);
    let names: BTreeSet<&str> = files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names.len(), 6);
}

#[test]
fn file_names_follow_the_documented_pattern() {
    let (_folder, files) = make(&scenario(), &request());
    assert_eq!(
        files[0].name,
        "44055_S_SimpleCarriers_carriersExtract_1795240800123_20261121_060000.123456_1.zip"
    );
}

#[test]
fn the_same_job_gives_the_same_files_and_another_one_others() {
    let (folder, files) = make(&scenario(), &request());
    let (again, files_again) = make(&scenario(), &request());
    assert_eq!(files, files_again);
    assert_eq!(bytes_of(&folder, 3), bytes_of(&again, 3));
    for other in [
        OutputRequest { job_id: 44_066, ..request() },
        OutputRequest { incremental: true, ..request() },
        OutputRequest { incremental: true, window: 1, ..request() },
    ] {
        let (_folder, files_of_other) = make(&scenario(), &other);
        assert_ne!(members(&files[0])[0].sha256, members(&files_of_other[0])[0].sha256, "{other:?}");
    }
}

/// A folder keeps its files: what was expected before a restart is expected after it.
#[test]
fn a_folder_that_holds_output_is_left_as_it_is() {
    let (folder, files) = make(&scenario(), &request());
    let other = Scenario { seed: 99, ..scenario() };
    assert_eq!(produce(folder.path(), &other, &request()).unwrap(), files);
}

#[test]
fn what_is_served_is_described_to_the_byte() {
    let (folder, files) = make(&scenario(), &request());
    for file in files {
        let bytes = bytes_of(&folder, file.ordinal);
        assert_eq!(u64::try_from(bytes.len()).unwrap(), file.size);
        assert_eq!(hex::encode(Sha256::digest(&bytes)), file.sha256);
    }
}

#[test]
fn a_scenario_without_views_has_no_files() {
    let (_folder, files) = make(&Scenario { views: Vec::new(), ..scenario() }, &request());
    assert!(files.is_empty());
}

#[test]
fn json_members_are_named_and_written_as_json() {
    let (_folder, files) = make(&Scenario { format: Format::Json, ..scenario() }, &request());
    let member = &members(&files[0])[0];
    assert_eq!(member.name, "carriersExtract.json");
    assert_eq!(member.rows, Some(40));
    let rows: Vec<Value> = serde_json::from_slice(&read(member.reader())).unwrap();
    assert_eq!(rows.len(), 40);
}

#[test]
fn names_of_the_first_file_can_be_awkward() {
    let name = |name| make(&scenario(), &OutputRequest { name, ..request() }).1[0].name.clone();
    assert!(name(NameForm::Traversal).starts_with("../../44055_S_"));
    assert!(name(NameForm::Absolute).starts_with("/44055_S_"));
    assert!(name(NameForm::Spaces).contains("44055 S SimpleCarriers"));
    assert!(name(NameForm::Percent).starts_with("100%_a%2Fb_"));
    assert!(name(NameForm::Unicode).starts_with("Größe_北京_"));
    assert_eq!(name(NameForm::Json), "result_44055.json");
    assert_eq!(name(NameForm::Long).len(), 300);
}

fn names(folder: &TempDir) -> Vec<String> {
    let mut archive = open(folder, 1);
    (0..archive.len())
        .map(|index| archive.by_index_raw(index).unwrap().name().unwrap().into_owned())
        .collect()
}

/// Hostile archives are what they say they are, so that a refusal of one is a refusal for its reason.
#[test]
fn hostile_names_are_in_the_archive() {
    for (kind, name) in [
        (ArchiveKind::ZipSlip, "../../outside.csv"),
        (ArchiveKind::AbsolutePath, "/etc/outside.csv"),
        (ArchiveKind::BackslashPath, "..\\outside.csv"),
    ] {
        let (folder, files) = with_archive(kind);
        assert_eq!(files[0].landing, Landing::Refused);
        assert!(names(&folder).iter().any(|found| found == name), "{kind:?}: {:?}", names(&folder));
    }
}

#[test]
fn a_name_can_be_there_twice() {
    let (folder, files) = with_archive(ArchiveKind::DuplicateNames);
    assert_eq!(files[0].landing, Landing::Refused);
    let bytes = bytes_of(&folder, 1);
    let central = [&0x0201_4b50_u32.to_le_bytes()[..]].concat();
    let entries = bytes.windows(4).filter(|window| *window == central).count();
    assert_eq!(entries, 3);
}

#[test]
fn directories_and_empty_members_are_sound() {
    let (folder, files) = with_archive(ArchiveKind::DirectoryEntries);
    assert_eq!(names(&folder), ["data/", "data/empty/", "data/carriersExtract.csv"]);
    assert_eq!(members(&files[0]).len(), 1);
    let (folder, files) = with_archive(ArchiveKind::ZeroByteMember);
    assert_eq!(names(&folder), ["carriersExtract.csv", "empty.csv"]);
    assert_eq!(members(&files[0])[1].size, 0);
}

#[test]
fn a_bomb_is_a_gibibyte_in_about_a_megabyte() {
    let (folder, files) = with_archive(ArchiveKind::Bomb);
    assert_eq!(files[0].landing, Landing::Refused);
    assert!(files[0].size < 2_000_000, "{}", files[0].size);
    assert_eq!(open(&folder, 1).by_index(1).unwrap().size(), 1 << 30);
}

#[test]
fn sizes_and_checksums_can_lie() {
    let (folder, files) = with_archive(ArchiveKind::UnderstatedSize);
    assert_eq!(files[0].landing, Landing::Refused);
    assert_eq!(open(&folder, 1).by_index(1).unwrap().size(), 1_000);
    let (folder, files) = with_archive(ArchiveKind::BadCrc);
    assert_eq!(files[0].landing, Landing::Refused);
    let mut archive = open(&folder, 1);
    let mut member = archive.by_index(1).unwrap();
    assert!(member.read_to_end(&mut Vec::new()).unwrap_err().to_string().to_lowercase().contains("checksum"));
}

#[test]
fn members_can_be_encrypted_or_links() {
    let (folder, files) = with_archive(ArchiveKind::Encrypted);
    assert_eq!(files[0].landing, Landing::Refused);
    assert!(open(&folder, 1).by_index_raw(1).unwrap().encrypted());
    let (folder, files) = with_archive(ArchiveKind::Symlink);
    assert_eq!(files[0].landing, Landing::Refused);
    assert!(open(&folder, 1).by_index(1).unwrap().is_symlink());
}

#[test]
fn two_entries_can_share_their_bytes() {
    let (folder, files) = with_archive(ArchiveKind::Overlapping);
    assert_eq!(files[0].landing, Landing::Refused);
    let mut archive = open(&folder, 1);
    let start = archive.by_index_raw(1).unwrap().header_start();
    assert_eq!(archive.by_index_raw(2).unwrap().header_start(), start);
}

#[test]
fn the_central_directory_can_be_cut_off() {
    let (folder, files) = with_archive(ArchiveKind::TruncatedCentralDirectory);
    assert_eq!(files[0].landing, Landing::Refused);
    let bytes = bytes_of(&folder, 1);
    assert!(bytes.starts_with(b"PK\x03\x04"));
    assert!(ZipArchive::new(Cursor::new(bytes)).is_err());
}

/// What a file is, its first bytes say: a copy or a refusal, never an archive.
#[test]
fn what_is_no_archive_is_described_as_such() {
    let cases: [(ArchiveKind, &[u8], Landing); 5] = [
        (ArchiveKind::NotAZip, b"RESULT\n", Landing::Copied),
        (ArchiveKind::Gzip, b"\x1f\x8b", Landing::Copied),
        (ArchiveKind::HtmlPage, b"<!DOCTYPE html>", Landing::Refused),
        (ArchiveKind::EmptyArchive, b"PK\x05\x06", Landing::Refused),
        (ArchiveKind::EmptyFile, b"", Landing::Refused),
    ];
    for (kind, start, landing) in cases {
        let (folder, files) = with_archive(kind);
        assert!(bytes_of(&folder, 1).starts_with(start), "{kind:?}");
        assert!(files[0].name.ends_with("_1.zip"), "{kind:?}");
        assert_eq!(files[0].landing, landing, "{kind:?}");
    }
    assert_eq!(bytes_of(&with_archive(ArchiveKind::EmptyArchive).0, 1).len(), 22);
}

#[test]
fn an_archive_can_have_another_name_and_another_place() {
    let (folder, files) = with_archive(ArchiveKind::ZipNamedJson);
    assert!(files[0].name.ends_with("_1.json"));
    assert_eq!(open(&folder, 1).len(), members(&files[0]).len());
    let archive = ArchiveFaults { kind: ArchiveKind::NotAZip, file: Some(4) };
    let (_folder, files) = make(&scenario(), &OutputRequest { archive, ..request() });
    let copied: Vec<u32> =
        files.iter().filter(|file| file.landing == Landing::Copied).map(|file| file.ordinal).collect();
    assert_eq!(copied, [4]);
}
