//! Each refusal, provoked by an archive that is legal but for one thing; and what looks odd but is legal.

use bytes::Bytes;
use futures::executor::block_on;

use super::fixture::{Archive, Entry, TEXT, Zip64End, block, deflate, unicode_path_block, zip64_block};
use super::*;

fn read(bytes: Vec<u8>) -> Result<Directory, ArchiveError> {
    read_within(bytes, &Limits::default())
}

fn read_within(bytes: Vec<u8>, limits: &Limits) -> Result<Directory, ArchiveError> {
    block_on(read_directory(&Bytes::from(bytes), limits, NameEncoding::default())).map_err(
        |error| match error {
            ReadDirectoryError::Refused(refusal) => refusal,
            other => panic!("{other}"),
        },
    )
}

/// Reads the directory and all data, as landing does.
fn land(bytes: &[u8]) -> Result<Vec<(String, Vec<u8>)>, ArchiveError> {
    let directory = read(bytes.to_vec())?;
    directory.files().map(|member| Ok((member.name().to_owned(), decode(bytes, member)?))).collect()
}

fn decode(bytes: &[u8], member: &Member) -> Result<Vec<u8>, ArchiveError> {
    let range = member.data_range();
    let data = &bytes[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()];
    let mut decoder = MemberDecoder::new(member, &Limits::default());
    let mut landed = Vec::new();
    for chunk in data.chunks(7) {
        decoder.push(chunk, |piece| {
            landed.extend_from_slice(piece);
            Ok::<_, ArchiveError>(())
        })?;
    }
    decoder.finish()?;
    Ok(landed)
}

/// The archive lands these names, each with [`TEXT`].
#[track_caller]
fn lands(archive: &Archive, names: &[&str]) {
    let landed = land(&archive.build()).unwrap();
    assert_eq!(landed.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), names);
    assert!(landed.iter().all(|(_, data)| data == TEXT));
}

macro_rules! refused {
    ($archive:expr, $pattern:pat) => {
        let error = land(&$archive.build()).expect_err("lands");
        assert!(matches!(error, $pattern), "{error:?}");
    };
}

fn file() -> Entry {
    Entry::deflated(b"a.csv", TEXT)
}

fn other() -> Entry {
    Entry::stored(b"b.csv", TEXT)
}

#[test]
fn plain_archives_land() {
    lands(&Archive::of([file(), other()]), &["a.csv", "b.csv"]);
    lands(&Archive::of([Entry::stored(b"d/", b""), Entry::deflated(b"d/a", TEXT)]), &["d/a"]);
    lands(&Archive { comment: b"comment".to_vec(), ..Archive::of([file()]) }, &["a.csv"]);
}

#[test]
fn an_archive_without_members_is_an_empty_directory() {
    let directory = read(Archive::default().build()).unwrap();
    assert!(directory.members().is_empty());
    assert_eq!(sniff(&Archive::default().build()), Kind::EmptyZip);
}

#[test]
fn every_form_of_data_descriptor_lands() {
    let signature = b"PK\x07\x08";
    let entry = Entry::streamed(b"a.csv", TEXT);
    for descriptor in [
        entry.descriptor_32(signature),
        entry.descriptor_32(b""),
        entry.descriptor_64(signature),
        entry.descriptor_64(b""),
    ] {
        let first = Entry { descriptor, ..entry.clone() };
        lands(&Archive::of([first.clone(), other()]), &["a.csv", "b.csv"]);
        lands(&Archive::of([other(), first]), &["b.csv", "a.csv"]);
    }
}

#[test]
fn a_local_header_before_a_descriptor_may_be_filled_all_the_same() {
    let mut entry = Entry::streamed(b"a.csv", TEXT);
    entry.local = entry.central.clone();
    lands(&Archive::of([entry.clone()]), &["a.csv"]);
    entry.local.compressed_size = 0;
    lands(&Archive::of([entry]), &["a.csv"]);
}

#[test]
fn descriptors_that_say_otherwise_are_refused() {
    let good = Entry::streamed(b"a.csv", TEXT);
    for byte in [4, 8, 12] {
        let mut entry = good.clone();
        entry.descriptor[byte] ^= 1;
        refused!(Archive::of([entry, other()]), ArchiveError::Descriptor { .. });
    }
    let none = Entry { descriptor: Vec::new(), ..good };
    refused!(Archive::of([none.clone(), other()]), ArchiveError::Descriptor { .. });
    refused!(Archive::of([none]), ArchiveError::Descriptor { .. });
}

#[test]
fn every_form_of_zip64_lands() {
    let sizes = |entry: &Entry| [entry.central.size.into(), entry.central.compressed_size.into()];
    let wide = |mut entry: Entry, extra: Vec<u8>| {
        entry.central.size = u32::MAX;
        entry.central.compressed_size = u32::MAX;
        entry.central.extra = extra;
        entry
    };
    let [size, compressed] = sizes(&file());
    // Only what is a sentinel.
    lands(&Archive::of([wide(file(), zip64_block(&[size, compressed]))]), &["a.csv"]);
    // All values although the offset is none.
    lands(&Archive::of([wide(file(), zip64_block(&[size, compressed, 0]))]), &["a.csv"]);
    // Sentinel in one field alone.
    let mut one = file();
    one.central.compressed_size = u32::MAX;
    one.central.extra = zip64_block(&[compressed]);
    lands(&Archive::of([one]), &["a.csv"]);
    // In the local header, beside values that are no sentinels.
    let mut local = file();
    local.local.extra = zip64_block(&[size, compressed]);
    lands(&Archive::of([local.clone()]), &["a.csv"]);
    local.local.size = u32::MAX;
    local.local.compressed_size = u32::MAX;
    lands(&Archive::of([local]), &["a.csv"]);
    // The offset and the disk.
    let mut far = file();
    far.offset = Some(u32::MAX);
    far.disk = u16::MAX;
    far.central.extra = block(1, &[&[0; 8][..], &[0; 4]].concat());
    lands(&Archive::of([far]), &["a.csv"]);
    // Streamed with zeros in 64 bits.
    let mut streamed = Entry::streamed(b"a.csv", TEXT);
    streamed.local.size = u32::MAX;
    streamed.local.compressed_size = u32::MAX;
    streamed.local.extra = zip64_block(&[0, 0]);
    streamed.descriptor = streamed.descriptor_64(b"PK\x07\x08");
    lands(&Archive::of([streamed]), &["a.csv"]);
}

#[test]
fn zip64_end_records_land_with_and_without_sentinels() {
    let mut archive = Archive { zip64: Some(Zip64End::default()), ..Archive::of([file()]) };
    lands(&archive, &["a.csv"]);
    archive.end.entries = Some(u16::MAX);
    archive.end.directory_size = Some(u32::MAX);
    archive.end.directory_offset = Some(u32::MAX);
    lands(&archive, &["a.csv"]);
}

#[test]
fn zip64_fields_that_do_not_fit_are_refused() {
    let with = |bend: &dyn Fn(&mut Entry)| {
        let mut entry = file();
        bend(&mut entry);
        Archive::of([entry])
    };
    let size = u64::from(file().central.size);
    refused!(with(&|entry| entry.central.size = u32::MAX), ArchiveError::Zip64Extra { .. });
    refused!(
        with(&|entry| {
            entry.central.size = u32::MAX;
            entry.central.extra = block(1, &size.to_le_bytes()[..4]);
        }),
        ArchiveError::Zip64Extra { .. }
    );
    refused!(
        with(&|entry| entry.central.extra = block(1, &[0; 40])),
        ArchiveError::Zip64ExtraDisagrees { .. } | ArchiveError::Zip64Extra { .. }
    );
    refused!(
        with(&|entry| {
            entry.central.size = u32::MAX;
            entry.central.extra = zip64_block(&[size, 1]);
        }),
        ArchiveError::Zip64ExtraDisagrees { header: Header::Central, .. }
    );
    refused!(
        with(&|entry| entry.local.extra = zip64_block(&[size + 1, 1])),
        ArchiveError::Zip64ExtraDisagrees { header: Header::Local, .. }
    );
    refused!(
        with(&|entry| entry.local.extra = zip64_block(&[0]).repeat(2)),
        ArchiveError::DuplicateExtra { id: 1, .. }
    );
}

#[test]
fn zip64_end_records_that_disagree_are_refused() {
    let with = |zip64| Archive { zip64: Some(zip64), ..Archive::of([file()]) };
    refused!(
        with(Zip64End { entries: Some(2), ..Zip64End::default() }),
        ArchiveError::Zip64EndDisagrees { field: "entries", zip64: 2, end: 1 }
    );
    refused!(
        with(Zip64End { locator_offset: Some(0), ..Zip64End::default() }),
        ArchiveError::Zip64Locator { found: 0, .. }
    );
    refused!(
        with(Zip64End { locator_offset: Some(1 << 40), ..Zip64End::default() }),
        ArchiveError::Zip64Locator { .. }
    );
    refused!(with(Zip64End { disks: Some(2), ..Zip64End::default() }), ArchiveError::SplitArchive { .. });
    let mut bytes = with(Zip64End::default()).build();
    let record = memchr::memmem::find(&bytes, b"PK\x06\x06").unwrap();
    bytes[record + 4] = 45;
    assert!(matches!(read(bytes.clone()), Err(ArchiveError::Zip64RecordSize { found: 45 })));
    bytes[record] = 0;
    assert!(matches!(read(bytes), Err(ArchiveError::Zip64RecordMissing { .. })));
}

/// A legal form that is not supported (APPNOTE 4.3.14.2) is not taken for a crafted archive.
#[test]
fn a_zip64_end_record_with_an_extensible_data_sector_is_named() {
    let with = |length: usize| {
        let zip64 = Zip64End { extensible: vec![0; length], ..Zip64End::default() };
        read(Archive { zip64: Some(zip64), ..Archive::of([file()]) }.build()).unwrap_err()
    };
    for length in [1, 8, 4096] {
        let refusal = with(length);
        assert!(matches!(refusal, ArchiveError::Zip64RecordSize { .. }), "{refusal:?}");
        assert_eq!(refusal.kind(), RefusalKind::Unsupported);
    }
}

/// A value that is there twice is the same twice, the disk too, and a field holds nothing that its header lacks.
#[test]
fn zip64_fields_that_say_more_than_their_header_are_refused() {
    let [size, compressed] = [file().central.size.into(), file().central.compressed_size.into()];
    let with_disk = |disk: u32| [&zip64_block(&[size, compressed, 0])[4..], &disk.to_le_bytes()].concat();
    let central = |field: &[u8]| {
        let mut entry = file();
        entry.central.extra = block(1, field);
        Archive::of([entry])
    };
    lands(&central(&with_disk(0)), &["a.csv"]);
    refused!(
        central(&with_disk(7)),
        ArchiveError::Zip64ExtraDisagrees { header: Header::Central, zip64: 7, own: 0, .. }
    );
    refused!(central(&[&with_disk(0)[..], &[0; 4]].concat()), ArchiveError::Zip64Extra { .. });
    let local = |field: &[u8]| {
        let mut entry = file();
        entry.local.extra = block(1, field);
        Archive::of([entry])
    };
    lands(&local(&with_disk(0)[..16]), &["a.csv"]);
    for length in [24, 28] {
        refused!(local(&with_disk(0)[..length]), ArchiveError::Zip64Extra { header: Header::Local, .. });
    }
    // Who takes the sentinel's value alone takes the first one, which is another's.
    let mut one = file();
    one.central.compressed_size = u32::MAX;
    one.central.extra = zip64_block(&[size, compressed]);
    refused!(Archive::of([one]), ArchiveError::Zip64ExtraDisagrees { header: Header::Central, .. });
}

/// Each value may be the only one that ZIP64 holds.
#[test]
fn one_sentinel_alone_lands() {
    let offset = Entry { offset: Some(u32::MAX), ..file() };
    let offset = Entry { central: fixture::Header { extra: zip64_block(&[0]), ..file().central }, ..offset };
    lands(&Archive::of([offset]), &["a.csv"]);
    let disk = Entry { disk: u16::MAX, ..file() };
    let disk = Entry { central: fixture::Header { extra: block(1, &[0; 4]), ..file().central }, ..disk };
    lands(&Archive::of([disk.clone()]), &["a.csv"]);
    let elsewhere = fixture::Header { extra: block(1, &[1, 0, 0, 0]), ..file().central };
    refused!(
        Archive::of([Entry { central: elsewhere, ..disk }]),
        ArchiveError::MemberOnOtherDisk { disk: 1, .. }
    );
}

/// 0xFFFF as a disk says that the ZIP64 record has it. Without one, or where no other field sends a reader to it, it is
/// the number of a disk.
#[test]
fn a_disk_is_left_only_to_a_zip64_record() {
    let mut archive = Archive { zip64: Some(Zip64End::default()), ..Archive::of([file()]) };
    archive.end.disk = u16::MAX;
    archive.end.directory_offset = Some(u32::MAX);
    lands(&archive, &["a.csv"]);
    archive.end.directory_offset = None;
    refused!(archive, ArchiveError::SplitArchive { disk: 0xffff, .. });
    archive.zip64 = None;
    refused!(archive, ArchiveError::SplitArchive { disk: 0xffff, .. });
}

/// 65,535 is the sentinel of a count (APPNOTE 4.4.1.4), and a count like others where no ZIP64 record follows.
#[test]
fn as_many_members_as_a_plain_end_record_counts_land() {
    let entries = (0..65_535).map(|at| Entry::stored(format!("{at}").as_bytes(), b""));
    let mut archive = Archive::of(entries);
    assert_eq!(read(archive.build()).unwrap().members().len(), 65_535);
    archive.end.entries = Some(0xfffe);
    archive.end.disk_entries = Some(0xfffe);
    let refusal = read(archive.build()).unwrap_err();
    assert!(matches!(refusal, ArchiveError::EntryCount { expected: 65_534, found: 65_535 }), "{refusal:?}");
}

/// Some writers count disks from 0.
#[test]
fn a_locator_may_count_no_disks() {
    let zip64 = Zip64End { disks: Some(0), ..Zip64End::default() };
    lands(&Archive { zip64: Some(zip64), ..Archive::of([file()]) }, &["a.csv"]);
}

/// A streamed member of more than 4 GiB: sizes and checksum behind the data, in 64 bits, and a directory that only
/// ZIP64 can place.
#[test]
fn a_streamed_member_beyond_4_gib_is_found() {
    const HOLE: u64 = 5 << 30;
    let mut entry = Entry::streamed(b"a.csv", b"");
    entry.data = Vec::new();
    for header in [&mut entry.local, &mut entry.central] {
        header.size = u32::MAX;
        header.compressed_size = u32::MAX;
    }
    entry.local.extra = zip64_block(&[0, 0]);
    entry.central.extra = zip64_block(&[HOLE + 1, HOLE]);
    let sizes = [HOLE, HOLE + 1].map(u64::to_le_bytes).concat();
    entry.descriptor = [b"PK\x07\x08", &entry.central.crc32.to_le_bytes()[..], &sizes].concat();
    let mut archive = Archive { zip64: Some(Zip64End::default()), ..Archive::of([entry]) };
    archive.end.directory_offset = Some(u32::MAX);
    let bytes = archive.build();
    let moved = |signature: &[u8]| {
        Some(HOLE + u64::try_from(memchr::memmem::find(&bytes, signature).unwrap()).unwrap())
    };
    let record = |directory_offset, locator_offset| {
        Some(Zip64End { directory_offset, locator_offset, ..Zip64End::default() })
    };
    let hole_at = memchr::memmem::find(&bytes, b"PK\x07\x08").unwrap();
    let whole = |zip64| {
        let bytes = Archive { zip64, ..archive.clone() }.build();
        Sparse { head: bytes[..hole_at].to_vec(), hole: HOLE, tail: bytes[hole_at..].to_vec() }
    };
    let sparse = whole(record(moved(b"PK\x01\x02"), moved(b"PK\x06\x06")));
    let directory = block_on(read_directory(&sparse, &Limits::default(), NameEncoding::default())).unwrap();
    let member = &directory.members()[0];
    assert_eq!((member.size(), member.compressed_size()), (HOLE + 1, HOLE));
    assert_eq!(member.data_range(), 55..55 + HOLE);
    let misplaced = whole(record(moved(b"PK\x01\x02").map(|at| at - 1), moved(b"PK\x06\x06")));
    let refusal =
        block_on(read_directory(&misplaced, &Limits::default(), NameEncoding::default())).unwrap_err();
    assert!(
        matches!(refusal, ReadDirectoryError::Refused(ArchiveError::DirectoryPlace { .. })),
        "{refusal:?}"
    );
}

/// An archive with a hole of zeros that takes no memory.
struct Sparse {
    head: Vec<u8>,
    hole: u64,
    tail: Vec<u8>,
}

impl ReadAt for Sparse {
    type Error = std::convert::Infallible;

    fn size(&self) -> u64 {
        u64::try_from(self.head.len() + self.tail.len()).unwrap() + self.hole
    }

    async fn read_at(&self, offset: u64, length: usize) -> Result<Bytes, Self::Error> {
        let head = u64::try_from(self.head.len()).unwrap();
        let byte = |at: u64| match at.checked_sub(head) {
            None => self.head[usize::try_from(at).unwrap()],
            Some(at) => match at.checked_sub(self.hole) {
                None => 0,
                Some(at) => self.tail[usize::try_from(at).unwrap()],
            },
        };
        Ok((offset..).take(length).map(byte).collect())
    }
}

#[test]
fn a_file_without_an_end_is_refused() {
    let whole = Archive::of([file()]).build();
    assert!(matches!(read(Vec::new()), Err(ArchiveError::NoEndRecord { size: 0 })));
    assert!(matches!(read(b"not an archive".to_vec()), Err(ArchiveError::NoEndRecord { .. })));
    for length in 0..whole.len() {
        let refusal = read(whole[..length].to_vec()).unwrap_err();
        assert_eq!(refusal.kind(), RefusalKind::Integrity, "{length}: {refusal}");
    }
    assert!(matches!(
        read(whole[..whole.len() - 1].to_vec()),
        Err(ArchiveError::TruncatedEndRecord { found: 21, .. })
    ));
}

#[test]
fn the_comment_has_the_length_that_it_says() {
    let mut archive = Archive { comment: b"comment".to_vec(), ..Archive::of([file()]) };
    archive.end.comment_length = Some(8);
    refused!(archive, ArchiveError::CommentLength { expected: 8, found: 7 });
}

#[test]
fn behind_the_end_there_is_zero_padding_or_a_few_stray_bytes() {
    let with = |trailing: &[u8]| Archive { trailing: trailing.to_vec(), ..Archive::of([file()]) };
    lands(&with(&[0; 4096]), &["a.csv"]);
    lands(&with(b"\r\n"), &["a.csv"]);
    assert_eq!(read(with(b"\r\n").build()).unwrap().trailing_bytes(), 2);
    // Whatever part of the records and of the comment the zeros begin behind.
    for zeros in (65_400..65_800).chain([70_000, 131_000, 131_100, 131_200, 1 << 20]) {
        let padded = read(with(&vec![0; zeros]).build()).unwrap();
        assert_eq!(padded.trailing_bytes(), u64::try_from(zeros).unwrap());
    }
    let commented = Archive { comment: vec![b'!'; 65_535], ..with(&[0; 70_000]) };
    lands(&commented, &["a.csv"]);
    let blank = Archive { comment: vec![0; 65_535], ..with(&[0; 70_000]) };
    assert_eq!(read(blank.build()).unwrap().trailing_bytes(), 70_000);
    // What a broken transfer leaves.
    refused!(with(&vec![0; (1 << 20) + (1 << 17)]), ArchiveError::NoEndRecord { .. });
    assert!(matches!(read(vec![0; 100]), Err(ArchiveError::NoEndRecord { size: 100 })));
    assert!(matches!(read(vec![0; 200_000]), Err(ArchiveError::NoEndRecord { size: 200_000 })));
    refused!(with(&[b' '; 65]), ArchiveError::TrailingBytes { found: 65, .. });
}

#[test]
fn two_ends_are_refused() {
    let one = Archive::of([file()]).build();
    // A whole archive in the comment of another, and behind it.
    let in_comment = Archive { comment: one.clone(), ..Archive::of([other()]) };
    refused!(in_comment, ArchiveError::AmbiguousEnd { .. } | ArchiveError::DirectoryPlace { .. });
    let behind = Archive { trailing: one.clone(), ..Archive::of([other()]) };
    refused!(behind, ArchiveError::DirectoryPlace { .. } | ArchiveError::AmbiguousEnd { .. });
    // Two archives whose offsets are right for the file that holds both.
    let mut second = Archive { prefix: one, ..Archive::of([other()]) };
    refused!(second, ArchiveError::AmbiguousEnd { .. });
    second.prefix = vec![0; 10];
    refused!(second, ArchiveError::Prefix { found: 10 });
}

#[test]
fn an_archive_within_an_archive_is_a_member() {
    let inner = Archive::of([file()]).build();
    let outer = Archive::of([Entry::stored(b"inner.zip", &inner)]);
    assert_eq!(land(&outer.build()).unwrap(), [("inner.zip".to_owned(), inner)]);
}

#[test]
fn split_archives_are_refused() {
    let mut archive = Archive::of([file()]);
    archive.end.disk = 1;
    refused!(archive, ArchiveError::SplitArchive { disk: 1, .. });
    refused!(Archive::of([Entry { disk: 1, ..file() }]), ArchiveError::MemberOnOtherDisk { disk: 1, .. });
    refused!(Archive { prefix: b"XXXX".to_vec(), ..Archive::of([file()]) }, ArchiveError::Prefix { .. });
}

/// Info-ZIP begins with the mark of a split archive, and leaves it there if the archive fits one segment.
#[test]
fn an_archive_that_was_to_be_split_and_was_not_lands() {
    for mark in [b"PK00", b"PK\x07\x08"] {
        let archive = Archive { prefix: mark.to_vec(), ..Archive::of([file(), other()]) };
        assert_eq!(sniff(&archive.build()), Kind::Zip);
        lands(&archive, &["a.csv", "b.csv"]);
        let twice = Archive { prefix: mark.repeat(2), ..Archive::of([file()]) };
        refused!(twice, ArchiveError::Prefix { .. });
    }
}

/// An archive is called split only if it is: counts that disagree on the one disk there is are something else.
#[test]
fn counts_that_disagree_are_no_split_archive() {
    let mut archive = Archive::of([file(), other()]);
    archive.end.disk_entries = Some(1);
    refused!(archive, ArchiveError::DiskEntries { here: 1, all: 2 });
    let wide = Archive { zip64: Some(Zip64End::default()), ..Archive::of([file(), other()]) };
    let mut bytes = wide.build();
    let record = memchr::memmem::find(&bytes, b"PK\x06\x06").unwrap();
    bytes[record + 24] = 1;
    assert!(matches!(read(bytes), Err(ArchiveError::DiskEntries { here: 1, all: 2 })));
}

#[test]
fn the_directory_is_where_the_end_says() {
    let with = |bend: &dyn Fn(&mut Archive)| {
        let mut archive = Archive::of([file(), other()]);
        bend(&mut archive);
        archive
    };
    refused!(with(&|archive| archive.end.directory_size = Some(1)), ArchiveError::DirectoryPlace { .. });
    refused!(with(&|archive| archive.end.directory_offset = Some(1)), ArchiveError::DirectoryPlace { .. });
    refused!(with(&|archive| archive.directory_gap = vec![0]), ArchiveError::DirectoryPlace { .. });
    refused!(
        with(&|archive| archive.end.entries = Some(1)),
        ArchiveError::EntryCount { expected: 1, found: 2 }
    );
    refused!(
        with(&|archive| archive.end.entries = Some(3)),
        ArchiveError::EntryCount { expected: 3, found: 2 }
    );
    let mut bytes = with(&|_| ()).build();
    let header = memchr::memmem::find(&bytes, b"PK\x01\x02").unwrap();
    bytes[header] = 0;
    assert!(matches!(read(bytes.clone()), Err(ArchiveError::CentralSignature { offset: 0, .. })));
    bytes[header] = b'P';
    bytes[header + 32] = 0xff;
    assert!(matches!(
        read(bytes),
        Err(ArchiveError::CentralSignature { .. } | ArchiveError::TruncatedCentral { .. })
    ));
}

#[test]
fn headers_that_disagree_are_refused() {
    let with = |bend: &dyn Fn(&mut Entry)| {
        let mut entry = file();
        bend(&mut entry);
        Archive::of([other(), entry])
    };
    refused!(with(&|entry| entry.local.name = b"b.csv".to_vec()), ArchiveError::LocalName { .. });
    refused!(with(&|entry| entry.local.flags = 8), ArchiveError::LocalFlags { .. });
    refused!(with(&|entry| entry.central.flags = 8), ArchiveError::LocalFlags { .. });
    refused!(with(&|entry| entry.central.flags = 1 << 11), ArchiveError::LocalFlags { .. });
    refused!(with(&|entry| entry.local.flags = 1), ArchiveError::LocalFlags { .. });
    refused!(with(&|entry| entry.local.method = 0), ArchiveError::LocalMethod { central: 8, local: 0, .. });
    refused!(with(&|entry| entry.local.crc32 ^= 1), ArchiveError::LocalCrc { .. });
    refused!(with(&|entry| entry.local.crc32 = 0), ArchiveError::LocalCrc { .. });
    refused!(with(&|entry| entry.local.size += 1), ArchiveError::LocalSize { .. });
    refused!(with(&|entry| entry.local.compressed_size -= 1), ArchiveError::LocalCompressedSize { .. });
    refused!(with(&|entry| entry.offset = Some(1)), ArchiveError::Overlap { .. });
    let mut bytes = Archive::of([file()]).build();
    bytes[2] = 0;
    assert!(matches!(
        read(bytes),
        Err(ArchiveError::LocalSignature { offset: 0, found: [b'P', b'K', 0, 4], .. })
    ));
}

#[test]
fn how_hard_the_writer_compressed_may_differ() {
    let mut entry = file();
    entry.central.flags = 0b010;
    lands(&Archive::of([entry]), &["a.csv"]);
}

#[test]
fn extra_fields_are_well_formed() {
    let with = |extra: &[u8]| Archive::of([file().both(|header| header.extra = extra.to_vec())]);
    lands(&with(&block(0xcafe, b"")), &["a.csv"]);
    lands(&with(&[0; 3]), &["a.csv"]);
    refused!(with(b"   "), ArchiveError::ExtraField { offset: 0, .. });
    refused!(with(&[0xfe, 0xca, 9, 0, 1]), ArchiveError::ExtraField { offset: 0, .. });
    let mut local = file();
    local.local.extra = vec![0xfe, 0xca, 9, 0, 1];
    refused!(Archive::of([local]), ArchiveError::ExtraField { header: Header::Local, .. });
    // Longer than the window was planned for.
    let mut aligned = file();
    aligned.local.extra = block(0xd935, &[0; 60_000]);
    lands(&Archive::of([aligned, other()]), &["a.csv", "b.csv"]);
}

#[test]
fn overlapping_members_are_refused() {
    let second = Entry { offset: Some(0), ..file() }.both(|header| header.name = b"c.csv".to_vec());
    refused!(Archive::of([file(), second]), ArchiveError::Overlap { .. });
    // Reaches into the next one only by its local extra field, which the directory does not know.
    let mut long = other();
    long.local.extra = block(0xcafe, &[0; 40]);
    let next = Entry { offset: Some(30 + 5 + 52 + 20), ..file() };
    refused!(
        Archive { end: Default::default(), ..Archive::of([long, next]) },
        ArchiveError::Overlap { .. } | ArchiveError::LocalSignature { .. }
    );
    let mut far = other();
    far.central.size = 5000;
    far.central.compressed_size = 5000;
    refused!(Archive::of([far]), ArchiveError::OutOfRange { .. });
    let mut behind = Entry { offset: Some(500_000), ..other() };
    behind.central.size = 10;
    refused!(
        Archive::of([file(), behind]),
        ArchiveError::OutOfRange { .. } | ArchiveError::StoredSize { .. }
    );
}

#[test]
fn gaps_hide_nothing() {
    let gap = |bytes: &[u8]| Entry { gap: bytes.to_vec(), ..file() };
    lands(&Archive::of([gap(b"X"), other()]), &["a.csv", "b.csv"]);
    lands(&Archive { gap: vec![b'X'; 5000], ..Archive::of([file()]) }, &["a.csv"]);
    for signature in [
        b"PK\x03\x04",
        b"PK\x07\x08",
        b"PK\x06\x08",
        b"PK\x01\x02",
        b"PK\x05\x05",
        b"PK\x06\x06",
        b"PK\x06\x07",
        b"PK\x05\x06",
    ] {
        refused!(
            Archive::of([gap(&[b"XX", &signature[..]].concat()), other()]),
            ArchiveError::HiddenRecord { .. }
        );
    }
    refused!(
        Archive::of([gap(&[0; 40_000]), Entry { gap: vec![0; 40_000], ..other() }]),
        ArchiveError::GapTooLarge { found: 40_000, .. }
    );
    // A member that the directory leaves out.
    let unlisted = Entry { is_listed: false, ..file() };
    refused!(Archive::of([other(), unlisted.clone()]), ArchiveError::HiddenRecord { .. });
    refused!(Archive::of([unlisted, other()]), ArchiveError::Prefix { .. });
}

#[test]
fn every_key_is_one_members() {
    refused!(Archive::of([file(), file()]), ArchiveError::DuplicateName { first: 0, second: 1, .. });
    let named = |name: &str| Entry::stored(name.as_bytes(), TEXT).both(|header| header.flags = 1 << 11);
    refused!(
        Archive::of([named("\u{e9}"), named("e\u{301}")]),
        ArchiveError::DuplicateName { first: 0, second: 1, alike: true, .. }
    );
    let folder = || Entry::stored(b"a/", b"");
    lands(&Archive::of([folder(), folder(), Entry::stored(b"a/b", TEXT)]), &["a/b"]);
    lands(&Archive::of([Entry::stored(b"A", TEXT), Entry::stored(b"a", TEXT)]), &["A", "a"]);
    let marked = Archive::of([Entry::stored(b"a", b""), folder(), Entry::stored(b"a/b", TEXT)]);
    assert_eq!(land(&marked.build()).unwrap().len(), 2);
    refused!(Archive::of([Entry::stored(b"a", TEXT), folder()]), ArchiveError::FileAndFolder { .. });
    refused!(
        Archive::of([Entry::stored(b"a/b/c", TEXT), Entry::stored(b"a/b", TEXT)]),
        ArchiveError::FileAndFolder { .. }
    );
}

#[test]
fn unsafe_names_are_refused() {
    for name in [&b"../a"[..], b"/a", b"C:\\a", b"a\\b", b"a/../b", b"a//b", b"", b"a\0b", b"\xc3\x28"] {
        let is_utf8 = |header: &mut fixture::Header| header.flags = 1 << 11;
        refused!(Archive::of([Entry::stored(name, TEXT).both(is_utf8)]), ArchiveError::Name { .. });
    }
    let long = Archive::of([Entry::stored(&[b'a'; 1025], TEXT)]);
    assert_eq!(read(long.build()).unwrap_err().kind(), RefusalKind::LimitExceeded);
}

/// An entry with the same extra field in both headers.
fn with_extra(raw: &[u8], extra: &[u8]) -> Entry {
    Entry::stored(raw, TEXT).both(|header| header.extra = extra.to_vec())
}

/// APPNOTE 4.6.9: names in a code page of the writer's, or of none, are told by their Unicode path.
#[test]
fn the_unicode_path_is_the_name() {
    for (raw, path) in [
        (&b"fran\x87ais"[..], "français"),
        (b"\xb7 payer.csv", "À payer.csv"),
        ("顧客表.csv".as_bytes(), "顧客表.csv"),
        (b"___.csv", "顧客表.csv"),
        (b"#U00dc.csv", "Ü.csv"),
    ] {
        let central = unicode_path_block(raw, path);
        lands(&Archive::of([with_extra(raw, &central)]), &[path]);
        // The directory decides, whatever a local header lacks.
        let mut alone = with_extra(raw, &central);
        alone.local.extra.clear();
        lands(&Archive::of([alone.clone()]), &[path]);
        alone.local.extra = unicode_path_block(b"stale", "other");
        lands(&Archive::of([alone]), &[path]);
    }
}

/// A path that was written for another name is stale, and one that is empty or of another version says nothing.
#[test]
fn a_unicode_path_that_is_not_the_names_is_not_looked_at() {
    let raw = b"fran\x87ais";
    let current = unicode_path_block(raw, "other");
    let version = [&current[..4], &[2], &current[5..]].concat();
    for extra in [unicode_path_block(b"stale", "other"), unicode_path_block(raw, ""), version] {
        lands(&Archive::of([with_extra(raw, &extra)]), &["français"]);
    }
    let mut stale = current;
    *stale.last_mut().unwrap() = 0xff;
    stale[5] ^= 1;
    lands(&Archive::of([with_extra(raw, &stale)]), &["français"]);
}

/// Promise 7: what is read in two ways is refused, and a path is checked like any name.
#[test]
fn unicode_paths_that_disagree_or_are_unsafe_are_refused() {
    let raw = b"fran\x87ais";
    refused!(
        Archive::of([with_extra(raw, &unicode_path_block(raw, "français").repeat(2))]),
        ArchiveError::DuplicateExtra { id: 0x7075, .. }
    );
    for length in 0..5 {
        refused!(
            Archive::of([with_extra(raw, &block(0x7075, &[1; 5][..length]))]),
            ArchiveError::ExtraField { .. }
        );
    }
    let mut local = with_extra(raw, &[]);
    local.local.extra = unicode_path_block(raw, "other");
    refused!(Archive::of([local]), ArchiveError::UnicodePath { header: Header::Local, .. });
    let mut two = with_extra(raw, &unicode_path_block(raw, "one"));
    two.local.extra = unicode_path_block(raw, "other");
    refused!(Archive::of([two]), ArchiveError::UnicodePath { header: Header::Local, .. });
    let flagged = with_extra(b"a", &unicode_path_block(b"a", "b")).both(|header| header.flags = 1 << 11);
    refused!(Archive::of([flagged]), ArchiveError::UnicodePath { header: Header::Central, .. });
    for path in ["../a", "/a", "C:/a", "a\\b", "a\0", "a//b", "\u{202e}a", "."] {
        refused!(Archive::of([with_extra(b"a", &unicode_path_block(b"a", path))]), ArchiveError::Name { .. });
    }
    let invalid = block(0x7075, &[&[1][..], &crc32fast::hash(b"a").to_le_bytes(), b"\xff"].concat());
    refused!(Archive::of([with_extra(b"a", &invalid)]), ArchiveError::Name { .. });
    // The keys are those of the names that are used.
    let same =
        [with_extra(b"a", &unicode_path_block(b"a", "c")), with_extra(b"b", &unicode_path_block(b"b", "c"))];
    refused!(Archive::of(same), ArchiveError::DuplicateName { .. });
}

/// Names that say nothing are in the encoding that is known of them, in both headers alike.
#[test]
fn names_are_read_in_the_encoding_that_is_given() {
    let names = [&b"\x95\x5c.csv"[..], b"\x83\x5c/\x95\x5c.csv"];
    let archive = Archive::of(names.map(|name| Entry { made_by: 20, ..Entry::stored(name, TEXT) }));
    let refusal = read(archive.build()).unwrap_err();
    assert!(
        std::error::Error::source(&refusal).unwrap().to_string().contains("name_encoding"),
        "{refusal:?}"
    );
    let bytes = Bytes::from(archive.build());
    let japanese = NameEncoding::try_from("shift_jis".to_owned()).unwrap();
    let directory = block_on(read_directory(&bytes, &Limits::default(), japanese)).unwrap();
    assert_eq!(directory.files().map(Member::name).collect::<Vec<_>>(), ["表.csv", "ソ/表.csv"]);
    let mut other = Entry { made_by: 20, ..Entry::stored(names[0], TEXT) };
    other.local.name = b"\x95\x5d.csv".to_vec();
    let bytes = Bytes::from(Archive::of([other]).build());
    assert!(matches!(
        block_on(read_directory(&bytes, &Limits::default(), japanese)),
        Err(ReadDirectoryError::Refused(ArchiveError::LocalName { .. }))
    ));
}

/// What `bsdtar --format zip -cf x.zip .` writes: every name from the folder itself.
#[test]
fn names_from_the_folder_that_the_writer_was_in_land_without_it() {
    let entries = [
        Entry::stored(b"./", b""),
        Entry::deflated(b"./a.csv", TEXT),
        Entry::stored(b"./sub/", b""),
        Entry::stored(b"././sub/b.csv", TEXT),
    ];
    lands(&Archive::of(entries), &["a.csv", "sub/b.csv"]);
    lands(&Archive::of([Entry::stored(b"./", b""), Entry::stored(b"././", b""), other()]), &["b.csv"]);
    for (first, second) in [("a", "./a"), ("./a", "././a"), ("d/a", "./d/a")] {
        let both = [first, second].map(|name| Entry::stored(name.as_bytes(), TEXT));
        refused!(Archive::of(both), ArchiveError::DuplicateName { first: 0, second: 1, .. });
    }
    refused!(
        Archive::of([Entry::stored(b"./a", TEXT), Entry::stored(b"a/b", TEXT)]),
        ArchiveError::FileAndFolder { .. }
    );
    refused!(Archive::of([Entry::stored(b"./", TEXT)]), ArchiveError::FolderWithData { .. });
}

/// What Compress-Archive of Windows PowerShell 5.1 writes, and older .NET.
#[test]
fn backslashes_of_an_archive_made_on_windows_land_as_slashes() {
    let on_windows = |name: &[u8], data: &[u8]| Entry {
        made_by: 20,
        external_attributes: 0x20,
        ..Entry::stored(name, data)
    };
    let folder = Entry { external_attributes: 0x10, ..on_windows(b"export\\", b"") };
    let files = [on_windows(b"export\\a.csv", TEXT), on_windows(b"export\\sub/b.csv", TEXT)];
    lands(&Archive::of([folder].into_iter().chain(files)), &["export/a.csv", "export/sub/b.csv"]);
    let same = [on_windows(b"d\\a", TEXT), on_windows(b"d/a", TEXT)];
    refused!(Archive::of(same), ArchiveError::DuplicateName { .. });
    for name in [&b"..\\a"[..], b"C:\\a", b"\\\\server\\a", b"a\\..\\..\\b"] {
        refused!(Archive::of([on_windows(name, TEXT)]), ArchiveError::Name { .. });
    }
}

#[test]
fn what_is_not_a_file_or_folder_is_refused() {
    let mode = |mode: u32| Archive::of([Entry { external_attributes: mode << 16, ..file() }]);
    for special in [0o120_777, 0o020_600, 0o060_600, 0o140_600, 0o040_755] {
        refused!(mode(special), ArchiveError::SpecialFile { .. });
    }
    // Info-ZIP's mark of data from a pipe.
    lands(&mode(0o010_600), &["a.csv"]);
    // An upper half that is no mode on OS/2.
    let mut os2 = mode(0o120_777);
    os2.entries[0].made_by = 0x0614;
    lands(&os2, &["a.csv"]);
    refused!(Archive::of([Entry::stored(b"d/", TEXT)]), ArchiveError::FolderWithData { .. });
    // The mark that DOS and Windows have for a folder, and nobody else.
    for (made_by, is_held) in [(20, true), (0x0a14, true), (0x0b14, true), (0x0e14, true), (0x0314, false)] {
        let marked = |name: &[u8], data: &[u8]| {
            Archive::of([Entry { made_by, external_attributes: 0x10, ..Entry::stored(name, data) }])
        };
        assert!(land(&marked(b"d/", b"").build()).unwrap().is_empty());
        if is_held {
            refused!(marked(b"d", TEXT), ArchiveError::DirectoryWithoutSlash { .. });
            refused!(marked(b"d", b""), ArchiveError::DirectoryWithoutSlash { .. });
        } else {
            lands(&marked(b"d", TEXT), &["d"]);
        }
    }
    // An empty stream, as jar writes for a folder.
    assert!(land(&Archive::of([Entry::streamed(b"d/", b"")]).build()).unwrap().is_empty());
}

#[test]
fn encryption_and_other_methods_are_named() {
    for flags in [1, 1 << 6, 1 << 13] {
        refused!(Archive::of([file().both(|header| header.flags = flags)]), ArchiveError::Encrypted { .. });
    }
    refused!(Archive::of([file().both(|header| header.flags = 32)]), ArchiveError::PatchData { .. });
    refused!(Archive::of([file().both(|header| header.method = 99)]), ArchiveError::Encrypted { .. });
    let others = [
        (1, "shrunk"),
        (6, "imploded"),
        (14, "lzma"),
        (93, "zstd"),
        (95, "xz"),
        (98, "ppmd"),
        (10, "unknown"),
    ];
    for (method, name) in others {
        let refusal = read(Archive::of([file().both(|header| header.method = method)]).build()).unwrap_err();
        assert_eq!(refusal.kind(), RefusalKind::Unsupported);
        assert!(refusal.to_string().contains(name), "{refusal}");
    }
}

/// Bits as deflate packs them (RFC 1951, 3.1.1).
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    used: usize,
}

impl Bits {
    /// A number, the lowest bit first.
    fn number(&mut self, value: u32, bits: u32) {
        for bit in 0..bits {
            if self.used.is_multiple_of(8) {
                self.bytes.push(0);
            }
            *self.bytes.last_mut().unwrap() |= u8::from(value >> bit & 1 == 1) << (self.used % 8);
            self.used += 1;
        }
    }

    /// A Huffman code, the highest bit first.
    fn code(&mut self, code: u32, bits: u32) {
        (0..bits).rev().for_each(|bit| self.number(code >> bit & 1, 1));
    }
}

/// A stream with what only Deflate64 has: a match of 65,538 bytes, and one from 60,000 bytes before. And its content.
fn deflate64() -> (Vec<u8>, Vec<u8>) {
    let mut bits = Bits::default();
    bits.number(1, 1);
    bits.number(1, 2);
    let mut content = b"xyz".to_vec();
    content.iter().for_each(|&literal| bits.code(0x30 + u32::from(literal), 8));
    // Length code 285 has 16 extra bits; distance code 2 is 3.
    bits.code(0xc0 + 5, 8);
    bits.number(65_538 - 3, 16);
    bits.code(2, 5);
    bits.code(0x30 + u32::from(b'!'), 8);
    // Length code 264 is 10; distance code 31 begins at 49,153 and has 14 extra bits.
    bits.code(8, 7);
    bits.code(31, 5);
    bits.number(60_000 - 49_153, 14);
    bits.code(0, 7);
    for (length, distance) in [(65_538, 3), (0, 0), (10, 60_000)] {
        match length {
            0 => content.push(b'!'),
            _ => (0..length).for_each(|_| content.push(content[content.len() - distance])),
        }
    }
    (bits.bytes, content)
}

fn bzip2(data: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

/// What does not compress well, and more of it than a block of bzip2 or a window of deflate64 holds.
fn long_text() -> Vec<u8> {
    (0..400_000_u32).flat_map(|row| format!("{},", row.wrapping_mul(2_654_435_761)).into_bytes()).collect()
}

/// What Windows writes for large files, and some backup programs for all.
#[test]
fn deflate64_and_bzip2_members_land() {
    let (stream, content) = deflate64();
    let long = long_text();
    let entries = [
        Entry::new(b"a.csv", 9, &content, stream),
        // A deflate stream is one of deflate64, unless it has matches of 258 bytes.
        Entry::new(b"b.csv", 9, TEXT, deflate(TEXT)),
        Entry::new(b"c.csv", 12, TEXT, bzip2(TEXT)),
        Entry::new(b"d.csv", 12, &long, bzip2(&long)),
        Entry::new(b"e.csv", 12, b"", bzip2(b"")),
        Entry::new(b"f.csv", 9, b"", deflate(b"")),
        Entry::deflated(b"g.csv", TEXT),
    ];
    let landed = land(&Archive::of(entries).build()).unwrap();
    let expected = [&content[..], TEXT, TEXT, &long, b"", b"", TEXT];
    for ((name, data), expected) in landed.iter().zip(expected) {
        assert!(data == expected, "{name}");
    }
    assert_eq!(landed.len(), expected.len());
}

/// A file of no bytes may have no stream either: nothing can be missing of it, if its checksum says the same.
#[test]
fn a_file_of_no_bytes_needs_no_stream() {
    for method in [8, 9, 12] {
        let nothing = Entry::new(b"empty.csv", method, b"", Vec::new());
        let landed = land(&Archive::of([nothing.clone()]).build()).unwrap();
        assert_eq!(landed, [("empty.csv".to_owned(), Vec::new())]);
        let wrong = nothing.both(|header| header.crc32 = 7);
        refused!(Archive::of([wrong]), ArchiveError::Crc { .. });
    }
}

/// A writer that stores what it calls Deflate64: the CRC-32 of the data as it is says so.
#[test]
fn what_is_called_deflate64_and_is_stored_lands() {
    let long = long_text();
    lands(&Archive::of([Entry::new(b"a.csv", 9, TEXT, TEXT.to_vec()), other()]), &["a.csv", "b.csv"]);
    let archive = Archive::of([Entry::new(b"a.csv", 9, &long, long.clone())]).build();
    assert!(land(&archive).unwrap() == [("a.csv".to_owned(), long)]);
    let other_content = Entry::new(b"a.csv", 9, TEXT, TEXT.to_vec()).both(|header| header.crc32 ^= 1);
    refused!(Archive::of([other_content]), ArchiveError::Inflate { .. });
}

/// Promise 5: no part of a stream passes for all of it, whatever the method.
#[test]
fn deflate64_and_bzip2_data_that_is_otherwise_than_declared_is_refused() {
    let (stream, content) = deflate64();
    for entry in [Entry::new(b"a", 9, &content, stream), Entry::new(b"a", 12, TEXT, bzip2(TEXT))] {
        for cut in [1, 3, entry.data.len() / 2, entry.data.len() - 1] {
            let left = entry.data.len() - cut;
            let mut cut = entry.clone().both(|header| header.compressed_size = u32::try_from(left).unwrap());
            cut.data.truncate(left);
            let refusal = land(&Archive::of([cut]).build()).unwrap_err();
            assert_eq!(refusal.kind(), RefusalKind::Integrity, "{refusal:?}");
        }
        let both = |bend: &dyn Fn(&mut fixture::Header)| Archive::of([entry.clone().both(bend)]);
        refused!(both(&|header| header.crc32 ^= 1), ArchiveError::Crc { .. });
        refused!(both(&|header| header.size -= 1), ArchiveError::TooMuchData { .. });
        refused!(both(&|header| header.size = 0), ArchiveError::TooMuchData { .. });
        refused!(both(&|header| header.size += 1), ArchiveError::TooLittleData { .. });
        let noise = Entry { data: vec![0xff; entry.data.len()], ..entry };
        refused!(Archive::of([noise]), ArchiveError::Inflate { .. });
    }
    let trailing = Entry::new(b"a", 12, TEXT, [bzip2(TEXT), bzip2(TEXT)].concat());
    refused!(Archive::of([trailing]), ArchiveError::TrailingData { .. });
}

/// Promise 6: bzip2 makes 45 bytes of 45 million zeros: limits and what is declared hold for it, too.
#[test]
fn a_bomb_of_bzip2_is_stopped() {
    let zeros = vec![0; 16 << 20];
    let bomb = Entry::new(b"bomb", 12, &zeros, bzip2(&zeros));
    assert!(bomb.data.len() < 100);
    let low = Limits { ratio_floor_bytes: 1 << 20, ..Limits::default() };
    let honest = Archive::of([bomb.clone()]).build();
    assert!(matches!(read_within(honest, &low), Err(ArchiveError::RatioTooHigh { .. })));
    let lying = Archive::of([bomb.both(|header| header.size = 1000)]).build();
    let directory = read(lying.clone()).unwrap();
    let member = &directory.members()[0];
    let range = member.data_range();
    let data = &lying[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()];
    let mut landed = 0;
    let mut decoder = MemberDecoder::new(member, &Limits::default());
    let result = decoder.push(data, |piece| {
        landed += piece.len();
        Ok::<_, ArchiveError>(())
    });
    assert!(matches!(result, Err(ArchiveError::TooMuchData { expected: 1000, .. })));
    assert!(landed <= 1000);
}

#[test]
fn limits_are_checked_before_any_data() {
    let bytes = Archive::of([file(), other()]).build();
    let refusal = |bend: &dyn Fn(&mut Limits)| {
        let mut limits = Limits::default();
        bend(&mut limits);
        let error = read_within(bytes.clone(), &limits).unwrap_err();
        assert_eq!(error.kind(), RefusalKind::LimitExceeded);
        error
    };
    assert!(matches!(refusal(&|limits| limits.entries = 1), ArchiveError::TooManyEntries { found: 2, .. }));
    assert!(matches!(refusal(&|limits| limits.directory_bytes = 9), ArchiveError::DirectoryTooLarge { .. }));
    assert!(matches!(refusal(&|limits| limits.member_bytes = 9), ArchiveError::MemberTooLarge { .. }));
    assert!(matches!(refusal(&|limits| limits.total_bytes = 99), ArchiveError::TotalTooLarge { .. }));
    assert!(matches!(
        refusal(&|limits| {
            limits.ratio = 1;
            limits.ratio_floor_bytes = 9;
        }),
        ArchiveError::RatioTooHigh { .. }
    ));
    assert!(matches!(
        refusal(&|limits| {
            limits.ratio = 1;
            limits.ratio_floor_bytes = 60;
        }),
        ArchiveError::TotalRatioTooHigh { .. }
    ));
    assert!(matches!(refusal(&|limits| limits.name_bytes = 4), ArchiveError::Name { .. }));
}

#[test]
fn data_that_is_otherwise_than_declared_is_refused() {
    let with = |bend: &dyn Fn(&mut Entry)| {
        let mut entry = file();
        bend(&mut entry);
        Archive::of([entry])
    };
    let both = |bend: &dyn Fn(&mut fixture::Header)| Archive::of([file().both(bend)]);
    refused!(both(&|header| header.crc32 ^= 1), ArchiveError::Crc { .. });
    refused!(both(&|header| header.size -= 1), ArchiveError::TooMuchData { .. });
    refused!(both(&|header| header.size = 0), ArchiveError::TooMuchData { .. });
    refused!(both(&|header| header.size += 1), ArchiveError::TooLittleData { .. });
    refused!(with(&|entry| entry.data[0] |= 0b110), ArchiveError::Inflate { .. });
    let trailing = Entry { data: [deflate(TEXT), vec![0; 3]].concat(), ..file() };
    let trailing = trailing.both(|header| header.compressed_size += 3);
    refused!(Archive::of([trailing]), ArchiveError::TrailingData { .. });
    let cut = file().both(|header| header.compressed_size -= 1);
    let cut = Entry { data: cut.data[..cut.data.len() - 1].to_vec(), ..cut };
    refused!(Archive::of([cut]), ArchiveError::UnfinishedStream { .. });
    let stored = Archive::of([other().both(|header| header.size += 1)]);
    refused!(stored, ArchiveError::StoredSize { .. });
}

/// Promise 6: a member whose header lies is stopped at what it declares, whatever it would inflate to.
#[test]
fn a_lying_bomb_gives_no_byte_beyond_its_declared_size() {
    let bomb = Entry::deflated(b"bomb", &vec![0; 8 << 20]).both(|header| header.size = 1000);
    let bytes = Archive::of([bomb]).build();
    let directory = read(bytes.clone()).unwrap();
    let member = &directory.members()[0];
    let range = member.data_range();
    let mut decoder = MemberDecoder::new(member, &Limits::default());
    let mut landed = 0;
    let data = &bytes[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()];
    let result = decoder.push(data, |piece| {
        landed += piece.len();
        Ok::<_, ArchiveError>(())
    });
    assert!(matches!(result, Err(ArchiveError::TooMuchData { expected: 1000, .. })));
    assert!(landed <= 1000);
}

/// The limits hold for counted bytes too, should a decoder be started with tighter ones.
#[test]
fn limits_hold_while_inflating() {
    let bytes = Archive::of([Entry::deflated(b"zeros", &vec![0; 4 << 20])]).build();
    let directory = read(bytes.clone()).unwrap();
    let member = &directory.members()[0];
    let range = member.data_range();
    let data = &bytes[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()];
    let verify = |limits: &Limits| MemberDecoder::new(member, limits).verify(data).unwrap_err();
    let tight = Limits { member_bytes: 1 << 20, ..Limits::default() };
    assert!(matches!(verify(&tight), ArchiveError::MemberTooLarge { size, .. } if size <= 2 << 20));
    let low = Limits { ratio: 100, ratio_floor_bytes: 1 << 20, ..Limits::default() };
    assert!(matches!(verify(&low), ArchiveError::RatioTooHigh { size, .. } if size <= 2 << 20));
}

/// A file whose first columns are empty and whose last ones are not has an honest ratio in all, and lands.
#[test]
fn a_member_that_begins_sparse_passes() {
    let mut noise = 1_u32;
    let noise = std::iter::repeat_with(|| {
        noise ^= noise << 13;
        noise ^= noise >> 17;
        noise ^= noise << 5;
        noise.to_le_bytes()[3]
    });
    let data: Vec<u8> = std::iter::repeat_n(b',', 4 << 20).chain(noise.take(64 << 10)).collect();
    let limits = Limits { ratio: 100, ratio_floor_bytes: 1 << 20, ..Limits::default() };
    let bytes = Archive::of([Entry::deflated(b"sparse.csv", &data)]).build();
    let directory = read_within(bytes.clone(), &limits).unwrap();
    let member = &directory.members()[0];
    let range = member.data_range();
    let compressed = &bytes[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()];
    let mut decoder = MemberDecoder::new(member, &limits);
    for chunk in compressed.chunks(100) {
        decoder.verify(chunk).unwrap();
    }
    assert_eq!(decoder.finish().unwrap().size, member.size());
}

#[test]
fn a_decoder_serves_member_after_member_into_any_buffer() {
    let rare = [Entry::new(b"d.csv", 12, TEXT, bzip2(TEXT)), Entry::new(b"e.csv", 9, TEXT, deflate(TEXT))];
    let entries = [file(), other(), Entry::streamed(b"c.csv", TEXT)]
        .into_iter()
        .chain(rare)
        .chain([Entry::deflated(b"f.csv", TEXT)]);
    let bytes = Archive::of(entries).build();
    let directory = read(bytes.clone()).unwrap();
    let mut decoder = MemberDecoder::new(&directory.members()[0], &Limits::default());
    // Left in the middle of a member.
    let start = usize::try_from(directory.members()[0].data_range().start).unwrap();
    decoder.decode(&bytes[start..start + 10], &mut [0; 8]).unwrap();
    for (member, room) in directory.files().zip([1, 3, 1000, 1, 1, 7]) {
        decoder.restart(member);
        let range = member.data_range();
        let mut input = &bytes[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()];
        let mut landed = Vec::new();
        let mut buffer = vec![0; room];
        while !decoder.is_complete() {
            let step = decoder.decode(input, &mut buffer).unwrap();
            input = &input[step.consumed..];
            landed.extend_from_slice(&buffer[..step.produced]);
        }
        assert_eq!(landed, TEXT);
        let decoded = decoder.finish().unwrap();
        assert_eq!(decoded, Decoded { size: member.size(), crc32: crc32fast::hash(TEXT) });
    }
}

#[test]
fn data_beyond_or_short_of_the_member_is_refused() {
    let bytes = Archive::of([file(), other()]).build();
    let directory = read(bytes.clone()).unwrap();
    for member in directory.files() {
        let start = usize::try_from(member.data_range().start).unwrap();
        let length = usize::try_from(member.compressed_size()).unwrap();
        let mut decoder = MemberDecoder::new(member, &Limits::default());
        let refusal = decoder.verify(&bytes[start..=start + length]).unwrap_err();
        assert!(matches!(refusal, ArchiveError::TrailingData { .. }), "{refusal}");
        decoder.restart(member);
        decoder.verify(&bytes[start..start + length - 1]).unwrap();
        assert!(matches!(decoder.finish(), Err(ArchiveError::TruncatedData { .. })));
    }
}

/// Every refusal is one line that names the member, so that a person can act on it.
#[test]
fn a_refusal_is_one_line() {
    let refusal = read(Archive::of([Entry::stored(b"a\nb\xe2", TEXT)]).build()).unwrap_err();
    assert!(!refusal.to_string().contains('\n'));
    assert!(refusal.to_string().contains("a\\nb"));
    let source = std::error::Error::source(&refusal).unwrap();
    assert_eq!(source.to_string(), "the name contains the control character U+000A");
}

#[test]
fn a_short_read_is_the_stores_fault() {
    struct Short(Bytes);
    impl ReadAt for Short {
        type Error = std::convert::Infallible;
        fn size(&self) -> u64 {
            self.0.size() + 1
        }
        async fn read_at(&self, offset: u64, length: usize) -> Result<Bytes, Self::Error> {
            self.0.read_at(offset, length).await
        }
    }
    let short = Short(Bytes::from(Archive::of([file()]).build()));
    let error = block_on(read_directory(&short, &Limits::default(), NameEncoding::default())).unwrap_err();
    assert!(matches!(error, ReadDirectoryError::ShortRead { .. }), "{error}");
}

/// An archive that counts how it is read.
struct Counting(Bytes, std::sync::Mutex<Vec<usize>>);

impl ReadAt for Counting {
    type Error = std::convert::Infallible;

    fn size(&self) -> u64 {
        self.0.size()
    }

    async fn read_at(&self, offset: u64, length: usize) -> Result<Bytes, Self::Error> {
        self.1.lock().unwrap().push(length);
        self.0.read_at(offset, length).await
    }
}

/// Promise 6: who lands a few members of a known archive does not pay for the headers of all others, and is told the
/// same of those few.
#[test]
fn a_known_archive_is_read_for_what_is_wanted() {
    let member = |at: u8| {
        let name = format!("{at}.csv");
        if at.is_multiple_of(2) {
            Entry::stored(name.as_bytes(), &vec![at; 1 << 20])
        } else {
            Entry::streamed(name.as_bytes(), TEXT)
        }
    };
    let bytes = Bytes::from(Archive::of((0..20).map(member)).build());
    let whole = read(bytes.to_vec()).unwrap();
    let archive = Counting(bytes, std::sync::Mutex::default());
    let is_wanted = |member: &Member| [4, 11].contains(&member.index());
    let again =
        block_on(reread_directory(&archive, &Limits::default(), NameEncoding::default(), is_wanted)).unwrap();
    for (member, before) in std::iter::zip(again.members(), whole.members()) {
        match is_wanted(member) {
            true => assert_eq!(member, before),
            false => assert!(member.data_range().is_empty(), "{member:?}"),
        }
    }
    assert_eq!((again.members().len(), again.total_size()), (whole.members().len(), whole.total_size()));
    let reads = archive.1.into_inner().unwrap();
    assert_eq!(reads.len(), 2 + 2, "the end, the directory, and one header each: {reads:?}");
}

/// Promise 6: small members share reads, large ones cost one small read each.
#[test]
fn reads_are_few_and_small() {
    use std::sync::Mutex;
    let read = |entries: Vec<Entry>| {
        let archive = Counting(Archive::of(entries).build().into(), Mutex::default());
        block_on(read_directory(&archive, &Limits::default(), NameEncoding::default())).unwrap();
        archive.1.into_inner().unwrap()
    };
    let small = (0..5000).map(|at| Entry::stored(format!("member-{at}").as_bytes(), &[0; 300])).collect();
    let reads = read(small);
    assert!(reads.len() <= 5, "{reads:?}");
    assert!(reads.iter().all(|&length| length <= 1 << 20), "{reads:?}");
    let large = (0..4).map(|at| Entry::stored(format!("{at}").as_bytes(), &vec![0; 1 << 20])).collect();
    let reads = read(large);
    assert_eq!(reads.len(), 2 + 4 + 1, "{reads:?}");
    assert!(reads[2..].iter().all(|&length| length < 300), "{reads:?}");
}

/// The `zip` crate writes what we read.
#[test]
fn archives_of_another_writer_land() {
    use std::io::Write;
    let options = zip::write::SimpleFileOptions::default;
    let mut writer = zip::ZipWriter::new_stream(Vec::new());
    writer
        .start_file("streamed.csv", options().compression_method(zip::CompressionMethod::Deflated))
        .unwrap();
    writer.write_all(TEXT).unwrap();
    writer.start_file("large.csv", options().large_file(true)).unwrap();
    writer.write_all(TEXT).unwrap();
    writer.add_directory("folder", options()).unwrap();
    let bytes = writer.finish().unwrap().into_inner();
    let landed = land(&bytes).unwrap();
    assert_eq!(
        landed.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
        ["streamed.csv", "large.csv"]
    );
    assert!(landed.iter().all(|(_, data)| data == TEXT));
}
