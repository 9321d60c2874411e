//! Member names: decoded and checked once, here.
//!
//! A name's bytes are UTF-8 where flag 11 says so and IBM code page 437 otherwise (APPNOTE appendix D), as
//! Python's zipfile reads them too. Bytes that merely look like UTF-8 are not guessed at: code page 437 maps
//! each byte to a character of its own, so names stay distinct and land the same every time.
//!
//! Nothing else is rewritten: a name that is not already a safe key is refused, and the others land byte for byte.
//! `A` and `a` are two keys, as object stores have them. Two names that differ only in how their characters are
//! composed (Unicode's form NFC) would be two keys as well, which nobody can tell apart: they are refused as one.

use std::borrow::Cow;
use std::cmp::Ordering;

use unicode_normalization::{IsNormalized, UnicodeNormalization as _, is_nfc_quick};

use super::error::ArchiveError;
use super::limits::shown;
use super::member::Member;
use crate::characters::{is_bidirectional, is_invisible};

/// Why a name is no safe key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameFault {
    /// No bytes at all.
    #[error("the name is empty")]
    Empty,
    /// More bytes than an object key may have.
    #[error("the name has {found} bytes, the limit is {limit}")]
    TooLong {
        /// Bytes in UTF-8.
        found: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// Flagged as UTF-8 and not.
    #[error("the name is flagged as utf-8, byte {at} is not")]
    InvalidUtf8 {
        /// The first byte that is not UTF-8.
        at: usize,
    },
    /// Starts with `/`.
    #[error("the name is absolute")]
    Absolute,
    /// Starts with a letter and a colon.
    #[error("the name starts with a drive letter")]
    Drive,
    /// Some readers take it for a separator.
    #[error("the name contains a backslash")]
    Backslash,
    /// `.` or `..` between separators.
    #[error("the name contains the component {0:?}")]
    Relative(String),
    /// Two separators in a row.
    #[error("the name contains an empty component")]
    EmptyComponent,
    /// NUL, other control characters, and the two Unicode line separators.
    #[error("the name contains the control character U+{0:04X}")]
    Control(u32),
    /// Turns the direction of the text, so that a name reads as another.
    #[error("the name contains the bidirectional control U+{0:04X}")]
    Bidirectional(u32),
    /// Shows nothing, so that two names look alike.
    #[error("the name contains the invisible character U+{0:04X}")]
    Invisible(u32),
}

/// A decoded name that is a safe key, relative to any prefix; a folder's ends with `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberName(Box<str>);

impl MemberName {
    /// Decodes and checks the bytes of a header.
    pub(super) fn decode(raw: &[u8], is_utf8: bool, most_bytes: usize) -> Result<Self, ArchiveError> {
        let refuse = |member: &str, fault| ArchiveError::Name { member: shown(member), fault };
        let name = if is_utf8 {
            let invalid = |error: std::str::Utf8Error| {
                let fault = NameFault::InvalidUtf8 { at: error.valid_up_to() };
                refuse(&String::from_utf8_lossy(raw), fault)
            };
            str::from_utf8(raw).map_err(invalid)?.into()
        } else {
            decode_cp437(raw)
        };
        check(&name, most_bytes).map_err(|fault| refuse(&name, fault))?;
        Ok(Self(name))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is a folder's.
    pub fn is_directory(&self) -> bool {
        self.0.ends_with('/')
    }

    /// Whether these bytes of another header are this name. Both decodings are one to one, so it needs no raw copy.
    pub(super) fn is_spelled(&self, raw: &[u8], is_utf8: bool) -> bool {
        if is_utf8 || raw.is_ascii() { self.0.as_bytes() == raw } else { *self.0 == *decode_cp437(raw) }
    }
}

/// Text of a name that has no flag for UTF-8.
pub(super) fn decode_cp437(raw: &[u8]) -> Box<str> {
    raw.iter().map(|&byte| cp437(byte)).collect::<String>().into_boxed_str()
}

fn cp437(byte: u8) -> char {
    match usize::from(byte).checked_sub(0x80).and_then(|place| CP437_UPPER.get(place)) {
        Some(&upper) => upper,
        None => char::from(byte),
    }
}

/// The upper half of IBM code page 437.
#[rustfmt::skip]
const CP437_UPPER: [char; 128] = [
    'Ç', 'ü', 'é', 'â', 'ä', 'à', 'å', 'ç', 'ê', 'ë', 'è', 'ï', 'î', 'ì', 'Ä', 'Å',
    'É', 'æ', 'Æ', 'ô', 'ö', 'ò', 'û', 'ù', 'ÿ', 'Ö', 'Ü', '¢', '£', '¥', '₧', 'ƒ',
    'á', 'í', 'ó', 'ú', 'ñ', 'Ñ', 'ª', 'º', '¿', '⌐', '¬', '½', '¼', '¡', '«', '»',
    '░', '▒', '▓', '│', '┤', '╡', '╢', '╖', '╕', '╣', '║', '╗', '╝', '╜', '╛', '┐',
    '└', '┴', '┬', '├', '─', '┼', '╞', '╟', '╚', '╔', '╩', '╦', '╠', '═', '╬', '╧',
    '╨', '╤', '╥', '╙', '╘', '╒', '╓', '╫', '╪', '┘', '┌', '█', '▄', '▌', '▐', '▀',
    'α', 'ß', 'Γ', 'π', 'Σ', 'σ', 'µ', 'τ', 'Φ', 'Θ', 'Ω', 'δ', '∞', 'φ', 'ε', '∩',
    '≡', '±', '≥', '≤', '⌠', '⌡', '÷', '≈', '°', '∙', '·', '√', 'ⁿ', '²', '■', '\u{a0}',
];

fn check(name: &str, most_bytes: usize) -> Result<(), NameFault> {
    if name.is_empty() {
        return Err(NameFault::Empty);
    }
    if name.len() > most_bytes {
        return Err(NameFault::TooLong { found: name.len(), limit: most_bytes });
    }
    if let Some(fault) = name.chars().find_map(fault_of_char) {
        return Err(fault);
    }
    if name.starts_with('/') {
        return Err(NameFault::Absolute);
    }
    if let [letter, b':', ..] = name.as_bytes()
        && letter.is_ascii_alphabetic()
    {
        return Err(NameFault::Drive);
    }
    name.strip_suffix('/').unwrap_or(name).split('/').try_for_each(check_component)
}

fn check_component(component: &str) -> Result<(), NameFault> {
    match component {
        "" => Err(NameFault::EmptyComponent),
        "." | ".." => Err(NameFault::Relative(component.to_owned())),
        _ => Ok(()),
    }
}

fn fault_of_char(character: char) -> Option<NameFault> {
    let code = u32::from(character);
    match character {
        '\\' => Some(NameFault::Backslash),
        '\u{2028}' | '\u{2029}' => Some(NameFault::Control(code)),
        _ if is_bidirectional(character) => Some(NameFault::Bidirectional(code)),
        _ if is_invisible(character) => Some(NameFault::Invisible(code)),
        _ if character.is_control() => Some(NameFault::Control(code)),
        _ => None,
    }
}

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

    fn fault(raw: &[u8], is_utf8: bool) -> Option<NameFault> {
        match MemberName::decode(raw, is_utf8, 1024) {
            Ok(_) => None,
            Err(ArchiveError::Name { fault, .. }) => Some(fault),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn no_name_escapes_its_prefix() {
        for (name, expected) in [
            ("", NameFault::Empty),
            ("/etc/passwd", NameFault::Absolute),
            ("/", NameFault::Absolute),
            ("//server/share", NameFault::Absolute),
            ("C:/data.csv", NameFault::Drive),
            ("c:data.csv", NameFault::Drive),
            ("..", NameFault::Relative("..".into())),
            ("../a", NameFault::Relative("..".into())),
            ("a/../b", NameFault::Relative("..".into())),
            ("a/..", NameFault::Relative("..".into())),
            ("a/../", NameFault::Relative("..".into())),
            ("./a", NameFault::Relative(".".into())),
            ("a/.", NameFault::Relative(".".into())),
            ("a//b", NameFault::EmptyComponent),
            ("a//", NameFault::EmptyComponent),
            ("a\\b", NameFault::Backslash),
            ("..\\a", NameFault::Backslash),
            ("a\0b", NameFault::Control(0)),
            ("a\nb", NameFault::Control(10)),
            ("a\u{7f}", NameFault::Control(0x7f)),
            ("a\u{85}", NameFault::Control(0x85)),
            ("a\u{2028}", NameFault::Control(0x2028)),
            ("a\u{202e}vsc.exe", NameFault::Bidirectional(0x202e)),
            ("\u{200f}a", NameFault::Bidirectional(0x200f)),
            ("\u{feff}a", NameFault::Invisible(0xfeff)),
            ("a\u{200b}b", NameFault::Invisible(0x200b)),
            ("a\u{2060}", NameFault::Invisible(0x2060)),
            ("a\u{2064}", NameFault::Invisible(0x2064)),
            ("a\u{206f}", NameFault::Invisible(0x206f)),
            ("a\u{e0041}", NameFault::Invisible(0xe0041)),
        ] {
            assert_eq!(fault(name.as_bytes(), true), Some(expected), "{name:?}");
        }
    }

    #[test]
    fn ordinary_names_are_kept_as_they_are() {
        // Persian and emoji need joiners.
        let joined = ["\u{645}\u{6cc}\u{200c}\u{62e}", "\u{1f469}\u{200d}\u{1f52c}"];
        let plain = ["a", "a/b.csv", "dir/", "...", "a..b", "ab:c", "a/b:c", " a ", "-", "世界", "e\u{301}"];
        for name in plain.into_iter().chain(joined) {
            assert_eq!(MemberName::decode(name.as_bytes(), true, 1024).unwrap().as_str(), name);
        }
    }

    #[test]
    fn a_name_has_at_most_the_bytes_of_a_key() {
        assert_eq!(fault(&[b'a'; 1024], false), None);
        assert_eq!(fault(&[b'a'; 1025], false), Some(NameFault::TooLong { found: 1025, limit: 1024 }));
        // Each of these is one byte in the archive and three in the key.
        assert_eq!(fault(&[0xb0; 400], false), Some(NameFault::TooLong { found: 1200, limit: 1024 }));
    }

    #[test]
    fn flag_11_decides_the_encoding() {
        assert_eq!(fault(b"a\xff", true), Some(NameFault::InvalidUtf8 { at: 1 }));
        assert_eq!(MemberName::decode(b"fran\x87ais", false, 99).unwrap().as_str(), "français");
        assert_eq!(MemberName::decode("é".as_bytes(), false, 99).unwrap().as_str(), "├⌐");
    }

    #[test]
    fn code_page_437_is_one_to_one() {
        let characters: std::collections::BTreeSet<char> = (0..=255).map(cp437).collect();
        assert_eq!(characters.len(), 256);
    }

    #[test]
    fn another_header_is_compared_without_a_raw_copy() {
        let name = MemberName::decode(b"fran\x87ais", false, 99).unwrap();
        assert!(name.is_spelled(b"fran\x87ais", false));
        assert!(!name.is_spelled(b"fran\x88ais", false));
        assert!(!name.is_spelled("français".as_bytes(), false));
        assert!(name.is_spelled("français".as_bytes(), true));
    }

    fn member(index: u32, name: &str, size: u64) -> Member {
        Member {
            name: MemberName(name.into()),
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
