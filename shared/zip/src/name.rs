//! Member names: decoded and checked once, here.
//!
//! A name's bytes are UTF-8 where flag 11 says so and IBM code page 437 otherwise (APPNOTE appendix D), as
//! Python's zipfile reads them too. Bytes that merely look like UTF-8 are not guessed at: code page 437 maps
//! each byte to a character of its own, so names stay distinct and land the same every time.
//!
//! Nothing else is rewritten: a name that is not already a safe key is refused, and the others land byte for byte.
//! `A` and `a` are two keys, as object stores have them. Two names that differ only in how their characters are
//! composed (Unicode's form NFC) would be two keys as well, which nobody can tell apart: they are refused as one.

use super::error::{ArchiveError, NameFault, shown};
use crate::characters::{is_bidirectional, is_invisible};

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

#[cfg(test)]
mod tests {
    use super::*;

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
}
