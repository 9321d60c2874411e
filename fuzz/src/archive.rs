//! Archives: the reader's promises, and another reader's opinion of all that is accepted.

use std::collections::HashSet;
use std::io::{Cursor, Read as _};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::LazyLock;

use bytes::Bytes;
use futures::executor::block_on;
use landfall_zip::{
    ArchiveError, Directory, Limits, Member, MemberDecoder, Method, NameEncoding, is_document,
    read_directory, reread_directory, sniff,
};
use sha2::{Digest as _, Sha256};

use crate::memory::{self, MIB};
use crate::text::chain_is_told;

/// Where accepted archives are put, with what is said of them, for readers that do not run in this process.
const ACCEPTED: &str = "LANDFALL_FUZZ_ACCEPTED";

/// Small enough that each of them is met.
fn limits() -> Limits {
    Limits {
        entries: 1000,
        member_bytes: 1 << 20,
        total_bytes: 2 << 20,
        ratio: 100,
        ratio_floor_bytes: 64 << 10,
        name_bytes: 1024,
        directory_bytes: 256 << 10,
    }
}

/// Reads a directory: refused in one line, or every promise that is made of it holds.
pub fn directory(bytes: &[u8]) {
    read(&Bytes::copy_from_slice(bytes));
}

/// Reads an archive whole: what lands of it is what another reader finds in it.
pub fn archive(bytes: &[u8]) {
    let archive = Bytes::copy_from_slice(bytes);
    let _ = sniff(bytes);
    let Some(directory) = read(&archive) else { return };
    let members: Vec<Landed<'_>> =
        directory.members().iter().filter_map(|member| land(&archive, member)).collect();
    if members.len() == directory.members().len() {
        keep(bytes, &members);
    }
    another_reader_agrees(bytes, &directory, &members);
}

fn read(archive: &Bytes) -> Option<Directory> {
    let limits = limits();
    let read = memory::within(MIB + 32 * archive.len(), || {
        block_on(read_directory(archive, &limits, NameEncoding::default()))
    });
    let is_document = memory::within(MIB + 32 * archive.len(), || block_on(is_document(archive, &limits)));
    let is_document = is_document.expect("memory can be read");
    match read {
        Ok(directory) => {
            holds(&directory, archive, &limits);
            assert!(is_document || !directory.is_document(), "a document is one however it is looked at");
            Some(directory)
        }
        Err(refused) => {
            chain_is_told(&refused);
            None
        }
    }
}

/// What is promised of a directory that is accepted.
fn holds(directory: &Directory, archive: &Bytes, limits: &Limits) {
    let members = directory.members();
    assert!(members.len() <= limits.entries as usize);
    assert!(directory.total_size() <= limits.total_bytes);
    assert_eq!(directory.total_size(), members.iter().map(Member::size).sum::<u64>());
    let mut ranges: Vec<Range<u64>> = members.iter().map(Member::data_range).collect();
    ranges.sort_by_key(|range| (range.start, range.end));
    assert!(ranges.iter().all(|range| range.end <= archive.len() as u64), "data beyond the archive");
    assert!(ranges.windows(2).all(|pair| pair[0].end <= pair[1].start), "data of two members overlaps");
    let mut keys = HashSet::new();
    for (member, index) in members.iter().zip(0..) {
        assert_eq!(member.index(), index);
        is_safe(member.name(), limits);
        assert!(member.is_directory() || keys.insert(member.name()), "two members {:?}", member.name());
    }
    for file in directory.files() {
        let folder = format!("{}/", file.name());
        let is_folder_too = members.iter().any(|member| member.name().starts_with(&folder));
        assert!(!is_folder_too || file.size() == 0, "{:?} is a file and a folder", file.name());
    }
    let again = block_on(reread_directory(archive, limits, NameEncoding::default(), |_| true))
        .expect("what was accepted stays so");
    assert_eq!(again.members(), members);
}

/// An independent list of what no key may hold.
fn is_safe(name: &str, limits: &Limits) {
    let path = name.strip_suffix('/').unwrap_or(name);
    let is_odd = |c: char| {
        c.is_control()
            || c == '\\'
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    assert!(!name.contains(is_odd), "{name:?}");
    assert!(name.len() <= limits.name_bytes, "{name:?}");
    let is_root = name == "./";
    assert!(is_root || path.split('/').all(|part| !matches!(part, "" | "." | "..")), "{name:?}");
}

/// A member that has passed every check.
struct Landed<'a> {
    member: &'a Member,
    data: Vec<u8>,
}

/// Lands a member as the unpacker does; how its data is cut makes no difference.
fn land<'a>(archive: &Bytes, member: &'a Member) -> Option<Landed<'a>> {
    let range = member.data_range();
    let compressed = archive.slice(range.start as usize..range.end as usize);
    let mut decoder = MemberDecoder::new(member, &limits());
    let whole = pushed(&mut decoder, member, compressed.chunks(usize::MAX));
    decoder.restart(member);
    let piece = 1 + compressed.len() % 97;
    let cut = pushed(&mut decoder, member, compressed.chunks(piece));
    decoder.restart(member);
    let drawn = drawn(&mut decoder, &compressed, 1 + piece % 31);
    assert_eq!(whole, cut, "{:?} depends on where its compressed data is cut", member.name());
    assert_eq!(whole, drawn, "{:?} depends on where its data is cut", member.name());
    whole.map(|data| Landed { member, data })
}

fn pushed<'a>(
    decoder: &mut MemberDecoder,
    member: &Member,
    pieces: impl Iterator<Item = &'a [u8]>,
) -> Option<Vec<u8>> {
    let mut landed = Vec::new();
    for piece in pieces {
        let result = decoder.push(piece, |data| {
            landed.extend_from_slice(data);
            Ok::<_, ArchiveError>(())
        });
        assert!(landed.len() as u64 <= member.size(), "more than declared: {:?}", member.name());
        result.inspect_err(|refused| chain_is_told(refused)).ok()?;
    }
    let decoded = decoder.finish().inspect_err(|refused| chain_is_told(refused)).ok()?;
    assert_eq!((decoded.size, decoded.crc32), (member.size(), member.crc32()));
    assert_eq!(crc32fast::hash(&landed), member.crc32());
    Some(landed)
}

fn drawn(decoder: &mut MemberDecoder, mut compressed: &[u8], room: usize) -> Option<Vec<u8>> {
    let (mut landed, mut output) = (Vec::new(), vec![0; room]);
    loop {
        let step = decoder.decode(compressed, &mut output).ok()?;
        landed.extend_from_slice(&output[..step.produced]);
        compressed = &compressed[step.consumed..];
        if step.consumed == 0 && step.produced == 0 {
            break;
        }
    }
    decoder.finish().ok()?;
    Some(landed)
}

fn another_reader_agrees(bytes: &[u8], directory: &Directory, members: &[Landed<'_>]) {
    if members.is_empty() {
        return;
    }
    let mut archive = match zip::ZipArchive::new(Cursor::new(bytes)) {
        Ok(archive) => archive,
        // A stale Unicode path is not looked at here, and an error there.
        Err(refused) if refused.to_string().contains("Unicode extra field") => return,
        Err(refused) => panic!("another reader does not open it: {refused}"),
    };
    // It lists folders of one name once.
    let has_all = archive.len() == directory.members().len();
    // Of those it tells one, and they land nothing.
    let is_told = |landed: &&Landed<'_>| has_all || !landed.member.is_directory();
    for Landed { member, data } in members.iter().filter(is_told) {
        let name = member.name();
        let index = match has_all {
            true => member.index() as usize,
            false => match index_of(&mut archive, name) {
                Some(index) => index,
                None if has_unicode_path(bytes) => continue,
                None => panic!("nobody else finds {name:?}"),
            },
        };
        let mut file = archive.by_index(index).expect("another reader opens the member too");
        // It guesses the encoding of a name that says nothing of it, and the second reader does not.
        let is_alike = file.name().is_ok_and(|other| is_another_form(&other, name));
        let is_explained = !file.name_raw().is_ascii() || has_unicode_path(bytes);
        assert!(is_alike || is_explained, "{name:?} is {:?} elsewhere", file.name());
        assert_eq!((file.size(), file.crc32()), (member.size(), member.crc32()), "{name:?}");
        // Only here it is looked whether what is called Deflate64 is stored.
        if member.method() == Method::Stored && file.compression() != zip::CompressionMethod::Stored {
            continue;
        }
        let mut found = Vec::new();
        file.read_to_end(&mut found).expect("another reader reads the member too");
        assert_eq!(&found, data, "another reader reads {name:?} otherwise");
    }
}

/// Whether two names are one: the other reader keeps backslashes of Windows, and `./`.
fn is_another_form(other: &str, name: &str) -> bool {
    let slashes = other.replace('\\', "/");
    let path = slashes.trim_start_matches("./");
    path == name || (path.is_empty() && name == "./")
}

/// Whether some name may be told by a Unicode path: the other reader also takes one that is empty or of a version that
/// is not known. The second one does not.
fn has_unicode_path(bytes: &[u8]) -> bool {
    bytes.windows(2).any(|id| id == b"up")
}

/// Where the other reader has a member of this name.
fn index_of(archive: &mut zip::ZipArchive<Cursor<&[u8]>>, name: &str) -> Option<usize> {
    archive.index_for_name(name).or_else(|| {
        (0..archive.len()).find(|&index| {
            let file = archive.by_index_raw(index).expect("another reader finds the member too");
            file.name().is_ok_and(|other| is_another_form(&other, name))
        })
    })
}

/// Keeps an archive and what landed of it, where that is asked for.
fn keep(bytes: &[u8], members: &[Landed<'_>]) {
    static FOLDER: LazyLock<Option<PathBuf>> =
        LazyLock::new(|| std::env::var_os(ACCEPTED).map(PathBuf::from));
    let Some(folder) = &*FOLDER else { return };
    let listed: Vec<_> = members
        .iter()
        .map(|Landed { member, data }| {
            serde_json::json!({
                "name": member.name(),
                "size": data.len(),
                "crc32": member.crc32(),
                "sha256": hex::encode(Sha256::digest(data)),
            })
        })
        .collect();
    let name = hex::encode(Sha256::digest(bytes));
    std::fs::write(folder.join(format!("{name}.zip")), bytes).expect("the archive is kept");
    let listed = serde_json::to_vec(&listed).expect("a list serialises");
    std::fs::write(folder.join(format!("{name}.json")), listed).expect("what landed is kept");
}
