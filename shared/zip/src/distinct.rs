//! Whether the members of an archive can all land: no two at one key, and no file where another needs a folder.
//!
//! Two names that differ only in how their characters are composed (Unicode's form NFC) would be two keys, which nobody
//! can tell apart: they are refused as one.

use std::borrow::Cow;
use std::cmp::Ordering;

use unicode_normalization::{IsNormalized, UnicodeNormalization as _, is_nfc_quick};

use super::error::{ArchiveError, shown};
use super::member::Member;

/// Checks that every file has a key of its own, and that none is a folder of another member too.
///
/// A folder listed twice lands nothing twice, which many writers do. A file without a byte beside a folder of its
/// name is how some of them mark the folder: it hides nothing, and its key is not the folder's.
pub(super) fn check_distinct<'a>(members: impl Iterator<Item = &'a Member>) -> Result<(), ArchiveError> {
    let mut paths: Vec<Path<'_>> = members.map(Path::of).collect();
    paths.sort_unstable_by(|a, b| {
        by_path(&a.composed, &b.composed).then(a.member.index().cmp(&b.member.index()))
    });
    // Whatever would share a file's key, or need it for a folder, stands directly behind it.
    paths.windows(2).try_for_each(|pair| match pair {
        [file, next] => check_neighbours(file, next),
        _ => Ok(()),
    })
}

/// A member under the name that it is compared by.
struct Path<'a> {
    composed: Cow<'a, str>,
    member: &'a Member,
}

impl<'a> Path<'a> {
    fn of(member: &'a Member) -> Self {
        let name = member.name();
        let composed = match name.is_ascii() || is_nfc_quick(name.chars()) == IsNormalized::Yes {
            true => Cow::Borrowed(name),
            false => Cow::Owned(name.nfc().collect()),
        };
        Self { composed, member }
    }
}

fn check_neighbours(path: &Path<'_>, next: &Path<'_>) -> Result<(), ArchiveError> {
    let (file, other) = (path.member, next.member);
    if file.is_directory() {
        return Ok(());
    }
    match next.composed.strip_prefix(&*path.composed) {
        Some("") => Err(ArchiveError::DuplicateName {
            member: shown(file.name()),
            first: file.index(),
            second: other.index(),
            alike: file.name() != other.name(),
        }),
        Some(rest) if rest.starts_with('/') && file.size() > 0 => {
            Err(ArchiveError::FileAndFolder { member: shown(file.name()), other: shown(other.name()) })
        }
        _ => Ok(()),
    }
}

/// Orders names byte for byte, but `/` before all else: no name holds a lower one. So a folder's members follow its
/// name with nothing in between.
fn by_path(a: &str, b: &str) -> Ordering {
    /// Names of deep folders share much: what is alike is passed in blocks.
    const BLOCK: usize = 64;
    let rank = |byte: &u8| if *byte == b'/' { 0 } else { *byte };
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let alike = a.chunks(BLOCK).zip(b.chunks(BLOCK)).take_while(|(a, b)| a == b).count();
    let rest = |name: &'_ [u8]| name.len().min(alike.saturating_mul(BLOCK));
    let (a, b) = (a.get(rest(a)..).unwrap_or_default(), b.get(rest(b)..).unwrap_or_default());
    a.iter().map(rank).cmp(b.iter().map(rank))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Method;
    use crate::encoding::NameEncoding;
    use crate::host::Host;
    use crate::name::{MemberName, RawName};

    fn member(index: u32, name: &str, size: u64) -> Member {
        let raw =
            RawName { bytes: name.as_bytes(), is_utf8: true, host: Host::of(3 << 8), unicode_path: None };
        Member {
            name: MemberName::read(raw, NameEncoding::default(), 1024).unwrap(),
            index,
            crc32: 0,
            compressed_size: size,
            size,
            header_offset: 0,
            data_offset: 0,
            method: Method::Stored,
            has_data_descriptor: false,
        }
    }

    fn distinct(names: &[&str]) -> Result<(), ArchiveError> {
        let members: Vec<Member> = (0..).zip(names).map(|(index, name)| member(index, name, 1)).collect();
        check_distinct(members.iter())
    }

    /// A folder's members are found wherever they are listed, whatever sorts between them byte for byte.
    #[test]
    fn a_file_that_is_a_folder_too_is_found_among_names_like_it() {
        for names in [
            ["a", "a b", "a!", "a-", "a.", "a/b"],
            ["a/b/c", "a.", "a-", "a b", "a!", "a"],
            ["a/", "a0", "a.b", "a-b", "a b", "a"],
        ] {
            assert!(matches!(distinct(&names), Err(ArchiveError::FileAndFolder { .. })), "{names:?}");
        }
        let refused = distinct(&["b", "a/b", "a", "a/a"]).unwrap_err().to_string();
        assert_eq!(refused, r#""a" is a file, and a folder of "a/a""#);
        distinct(&["a b", "a/b", "a.", "a-", "ab", "a/c", "a/b.c", "a/b-c/d"]).unwrap();
        assert!(matches!(
            distinct(&["b", "a", "c", "a"]),
            Err(ArchiveError::DuplicateName { first: 1, second: 3, .. })
        ));
    }

    /// Promise 4: two keys that no person can tell apart are one; how a single name is composed is its own affair.
    #[test]
    fn names_that_differ_only_in_their_composition_are_one() {
        let (composed, decomposed) = ("caf\u{e9}", "cafe\u{301}");
        let refused = distinct(&["x", decomposed, composed]).unwrap_err();
        assert!(matches!(refused, ArchiveError::DuplicateName { first: 1, second: 2, alike: true, .. }));
        assert!(refused.to_string().contains("differ only in how"), "{refused}");
        let same = distinct(&[composed, composed]).unwrap_err();
        assert!(matches!(same, ArchiveError::DuplicateName { alike: false, .. }));
        // A sign that stands for another one: the kelvin sign is a K.
        assert!(distinct(&["\u{212a}", "K"]).is_err());
        let below = format!("{decomposed}/a.csv");
        assert!(matches!(distinct(&[&below, composed]), Err(ArchiveError::FileAndFolder { .. })));
        distinct(&[decomposed, "cafe", "caf\u{e8}", "CAF\u{c9}"]).unwrap();
        distinct(&["\u{e9}/", "e\u{301}/", "e\u{301}/a", "\u{e9}/b"]).unwrap();
    }

    /// Blocks that are alike end anywhere in a name, or with it.
    #[test]
    fn long_names_are_ordered_as_short_ones() {
        for shared in [0, 1, 62, 63, 64, 65, 127, 128, 129, 1000] {
            let head = "x".repeat(shared);
            let order = ["", "/", "/b", " ", "-", "0"].map(|tail| format!("{head}{tail}"));
            for (at, a) in order.iter().enumerate() {
                for (other, b) in order.iter().enumerate() {
                    assert_eq!(by_path(a, b), at.cmp(&other), "{a:?} {b:?}");
                }
            }
        }
    }

    /// Promise 6: 60,000 folders of 500 levels fit a directory of the usual limit. Looking at each ancestor of each
    /// was 15 gigabytes to hash.
    #[test]
    fn deep_names_cost_no_more_than_long_ones() {
        let folders = "d/".repeat(497);
        let members: Vec<Member> =
            (0..60_000).map(|index| member(index, &format!("{folders}{index:05}/"), 0)).collect();
        check_distinct(members.iter()).unwrap();
    }
}
