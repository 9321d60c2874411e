//! Broken archives of every kind: no panic, no hang, and what lands is what was written.

use bytes::Bytes;
use futures::executor::block_on;
use proptest::prelude::*;

use super::fixture::{Archive, Entry, TEXT, Zip64End, zip64_block};
use super::*;

/// An archive with something of everything, so that a mutation may hit any code.
fn varied() -> Vec<u8> {
    let mut wide = Entry::deflated(b"wide.csv", TEXT);
    let sizes = [wide.central.size.into(), wide.central.compressed_size.into()];
    wide.central.size = u32::MAX;
    wide.central.compressed_size = u32::MAX;
    wide.central.extra = zip64_block(&sizes);
    wide.local.extra = zip64_block(&sizes);
    let entries = [
        Entry::stored(b"d/", b""),
        Entry::streamed(b"d/streamed.csv", TEXT),
        Entry { gap: b"gap".to_vec(), ..Entry::stored(b"d/stored.csv", TEXT) },
        wide,
    ];
    Archive { zip64: Some(Zip64End::default()), comment: b"!".to_vec(), ..Archive::of(entries) }.build()
}

/// Lands everything; whatever is accepted is checked against the `zip` crate.
fn land(bytes: &[u8]) {
    let archive = Bytes::copy_from_slice(bytes);
    let Ok(directory) = block_on(read_directory(&archive, &Limits::default(), NameEncoding::default()))
    else {
        return;
    };
    for member in directory.files() {
        let range = member.data_range();
        let data = &bytes[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()];
        let mut decoder = MemberDecoder::new(member, &Limits::default());
        let mut landed = Vec::new();
        let pushed = decoder.push(data, |piece| {
            landed.extend_from_slice(piece);
            Ok::<_, ArchiveError>(())
        });
        assert!(u64::try_from(landed.len()).unwrap() <= member.size());
        if pushed.is_ok() && decoder.finish().is_ok() {
            assert_eq!(crc32fast::hash(&landed), member.crc32());
            if let Some(other) = other_reader(bytes, member) {
                assert_eq!(landed, other, "{}", member.name());
            }
        }
    }
}

/// What another reader reads of a member; it does not look whether what is called Deflate64 is stored.
fn other_reader(bytes: &[u8], member: &Member) -> Option<Vec<u8>> {
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
    let mut landed = Vec::new();
    let mut file = archive.by_index(usize::try_from(member.index()).unwrap()).unwrap();
    let is_stored_elsewhere = file.compression() == zip::CompressionMethod::Stored;
    if member.method() == Method::Stored && !is_stored_elsewhere {
        return None;
    }
    std::io::Read::read_to_end(&mut file, &mut landed).unwrap();
    Some(landed)
}

#[test]
fn the_archive_that_is_mutated_lands() {
    let archive = Bytes::from(varied());
    let directory = block_on(read_directory(&archive, &Limits::default(), NameEncoding::default())).unwrap();
    assert_eq!(directory.files().count(), 3);
    land(&archive);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, ..ProptestConfig::default() })]

    #[test]
    fn mutated_archives_are_refused_or_read_as_others_read_them(
        mutations in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = varied();
        for (at, value) in mutations {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        land(&bytes);
    }

    #[test]
    fn cut_and_spliced_archives_are_refused_or_read_as_others_read_them(
        cut in any::<prop::sample::Index>(),
        length in 0_usize..64,
        insert in prop::collection::vec(any::<u8>(), 0..32),
    ) {
        let mut bytes = varied();
        let start = cut.index(bytes.len());
        let end = bytes.len().min(start + length);
        bytes.splice(start..end, insert);
        land(&bytes);
    }

    #[test]
    fn noise_is_refused(noise in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(block_on(read_directory(&Bytes::from(noise), &Limits::default(), NameEncoding::default())).is_err());
    }
}
