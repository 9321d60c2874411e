//! Member names: decoded, brought into one form, and checked, here.
//!
//! A name is what its Unicode path says (APPNOTE 4.6.9), where it has one that was written for it. Otherwise its bytes
//! are UTF-8 where flag 11 says so. Where nothing says what they are, bytes of a writer on Unix or macOS that are UTF-8
//! are taken for it, as text in another encoding hardly ever is by chance; all others are in the encoding that is known
//! of the archive's source, or else in IBM code page 437 (APPNOTE appendix D), which maps each byte to a character of its
//! own, so that names stay distinct and land the same every time.
//!
//! Two things are rewritten, whose meaning no reader doubts: a backslash of a writer on Windows, where it cannot be part
//! of a name, is a slash; and `./` at the beginning is nothing. Then a name that is not a safe key is refused, and the
//! others land as they are. `A` and `a` are two keys, as object stores have them. Two names that differ only in how
//! their characters are composed (Unicode's form NFC) would be two keys as well, which nobody can tell apart: they are
//! refused as one.

use std::borrow::Cow;

use super::encoding::NameEncoding;
use super::error::{ArchiveError, NameFault, shown};
use super::host::Host;
use crate::characters::{is_bidirectional, is_invisible};

/// The folder that all members are in, as archives of a whole folder list it.
const ROOT: &str = "./";

/// A header's name, and what says how it is to be read.
#[derive(Debug, Clone, Copy)]
pub(super) struct RawName<'a> {
    /// The bytes of the header.
    pub(super) bytes: &'a [u8],
    /// Whether flag 11 says that they are UTF-8.
    pub(super) is_utf8: bool,
    /// What the archive was made on.
    pub(super) host: Host,
    /// The name in UTF-8 from the extra field, where it was written for these bytes.
    pub(super) unicode_path: Option<&'a [u8]>,
}

impl<'a> RawName<'a> {
    fn decode(&self, encoding: NameEncoding) -> Result<Cow<'a, str>, NameFault> {
        if let Some(path) = self.unicode_path {
            return utf8(path);
        }
        if self.is_utf8 {
            return utf8(self.bytes);
        }
        match str::from_utf8(self.bytes) {
            Ok(name) if self.host.is_unix() => Ok(Cow::Borrowed(name)),
            _ => encoding.decode(self.bytes),
        }
    }
}

fn utf8(bytes: &[u8]) -> Result<Cow<'_, str>, NameFault> {
    let name = str::from_utf8(bytes).map_err(|error| NameFault::InvalidUtf8 { at: error.valid_up_to() })?;
    Ok(Cow::Borrowed(name))
}

/// A decoded name that is a safe key, relative to any prefix; a folder's ends with `/`. The folder that all members are
/// in is `./`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberName(Box<str>);

impl MemberName {
    /// Decodes and checks the name of a header.
    pub(super) fn read(
        raw: RawName<'_>,
        encoding: NameEncoding,
        max_bytes: usize,
    ) -> Result<Self, ArchiveError> {
        let refuse = |member: &str, fault| ArchiveError::Name { member: shown(member), fault };
        let decoded = raw.decode(encoding);
        let decoded = decoded.map_err(|fault| refuse(&String::from_utf8_lossy(raw.bytes), fault))?;
        let name = normalized(&decoded, raw.host);
        check(&name, max_bytes).map_err(|fault| refuse(&decoded, fault))?;
        Ok(Self(name.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is a folder's.
    pub fn is_directory(&self) -> bool {
        self.0.ends_with('/')
    }

    /// Whether this Unicode path of an archive that was made on `host` is this name.
    pub(super) fn is_path(&self, path: &[u8], host: Host) -> bool {
        str::from_utf8(path).is_ok_and(|path| normalized(path, host) == *self.0)
    }
}

/// The one form of a name.
fn normalized(name: &str, host: Host) -> Cow<'_, str> {
    match host.is_windows() && name.contains('\\') {
        true => Cow::Owned(without_dots(&name.replace('\\', "/")).to_owned()),
        false => Cow::Borrowed(without_dots(name)),
    }
}

/// The name without `./` at its beginning, unless that is all it is.
fn without_dots(name: &str) -> &str {
    match name.trim_start_matches(ROOT) {
        "" if !name.is_empty() => ROOT,
        rest => rest,
    }
}

fn check(name: &str, max_bytes: usize) -> Result<(), NameFault> {
    if name.is_empty() {
        return Err(NameFault::Empty);
    }
    if name == ROOT {
        return Ok(());
    }
    if name.len() > max_bytes {
        return Err(NameFault::TooLong { found: name.len(), limit: max_bytes });
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
        // XML 1.0, 2.2; it lacks no others that are not refused as control characters.
        '\u{fffe}' | '\u{ffff}' => Some(NameFault::NotInXml(code)),
        _ if character.is_control() => Some(NameFault::Control(code)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNIX: u16 = 3 << 8;
    const FAT: u16 = 0;

    /// A name that nothing is said of, made on a host.
    fn on(made_by: u16, bytes: &[u8]) -> RawName<'_> {
        RawName { bytes, is_utf8: false, host: Host::of(made_by), unicode_path: None }
    }

    fn flagged(bytes: &[u8]) -> RawName<'_> {
        RawName { is_utf8: true, ..on(UNIX, bytes) }
    }

    fn named(label: &str) -> NameEncoding {
        label.to_owned().try_into().unwrap()
    }

    fn read_in(encoding: NameEncoding, raw: RawName<'_>) -> Result<String, NameFault> {
        match MemberName::read(raw, encoding, 1024) {
            Ok(name) => Ok(name.as_str().to_owned()),
            Err(ArchiveError::Name { fault, .. }) => Err(fault),
            Err(other) => panic!("{other}"),
        }
    }

    fn read(raw: RawName<'_>) -> Result<String, NameFault> {
        read_in(NameEncoding::default(), raw)
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
            (".", NameFault::Relative(".".into())),
            ("a/./b", NameFault::Relative(".".into())),
            ("./../a", NameFault::Relative("..".into())),
            ("././..", NameFault::Relative("..".into())),
            ("./.", NameFault::Relative(".".into())),
            (".//a", NameFault::Absolute),
            ("./C:/a", NameFault::Drive),
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
            ("a\u{fffe}.csv", NameFault::NotInXml(0xfffe)),
            ("\u{ffff}", NameFault::NotInXml(0xffff)),
        ] {
            assert_eq!(read(flagged(name.as_bytes())), Err(expected.clone()), "{name:?}");
            // Nor does a name that another field tells.
            let told = RawName { unicode_path: Some(name.as_bytes()), ..on(UNIX, b"a") };
            assert_eq!(read(told), Err(expected), "{name:?}");
        }
    }

    /// Promise 7: what a backslash means on Windows is checked as what it means.
    #[test]
    fn no_backslash_escapes_its_prefix() {
        for (name, expected) in [
            ("..\\a", NameFault::Relative("..".into())),
            ("a\\..\\b", NameFault::Relative("..".into())),
            ("a/..\\b", NameFault::Relative("..".into())),
            (".\\..\\a", NameFault::Relative("..".into())),
            ("\\a", NameFault::Absolute),
            ("\\\\server\\share", NameFault::Absolute),
            ("/\\server", NameFault::Absolute),
            ("C:\\a", NameFault::Drive),
            ("c:a", NameFault::Drive),
            ("a\\\\b", NameFault::EmptyComponent),
            ("a\\/b", NameFault::EmptyComponent),
        ] {
            for host in [0, 10, 11, 14] {
                let read = read(RawName { is_utf8: true, ..on(host << 8, name.as_bytes()) });
                assert_eq!(read, Err(expected.clone()), "{name:?}");
            }
        }
    }

    /// Archives of Windows PowerShell 5.1 and older .NET have backslashes for slashes; on Unix a backslash is a character
    /// of a name, which everybody on Windows takes for a separator.
    #[test]
    fn a_backslash_of_windows_is_a_slash() {
        for (name, expected) in [
            ("export\\sub\\a.csv", "export/sub/a.csv"),
            ("a/b\\c", "a/b/c"),
            (".\\a", "a"),
            ("d\\e\\", "d/e/"),
        ] {
            for host in [0, 10, 11, 14] {
                assert_eq!(read(on(host << 8, name.as_bytes())).as_deref(), Ok(expected), "{name:?}");
            }
            for host in [3, 6, 19, 30] {
                assert_eq!(read(on(host << 8, name.as_bytes())), Err(NameFault::Backslash), "{name:?}");
            }
        }
    }

    /// `tar`-like writers name members from the folder that they were called in.
    #[test]
    fn the_folder_that_a_writer_was_in_is_nothing() {
        for (name, expected) in
            [("./a", "a"), ("././a/b", "a/b"), ("./d/", "d/"), ("./", "./"), ("././", "./")]
        {
            assert_eq!(read(flagged(name.as_bytes())).as_deref(), Ok(expected), "{name:?}");
        }
        for name in ["...", ".a", "..a", ".a/b"] {
            assert_eq!(read(flagged(name.as_bytes())).as_deref(), Ok(name));
        }
    }

    #[test]
    fn ordinary_names_are_kept_as_they_are() {
        // Persian and emoji need joiners.
        let joined = ["\u{645}\u{6cc}\u{200c}\u{62e}", "\u{1f469}\u{200d}\u{1f52c}"];
        let plain = ["a", "a/b.csv", "dir/", "...", "a..b", "ab:c", "a/b:c", " a ", "-", "世界", "e\u{301}"];
        for name in plain.into_iter().chain(joined) {
            assert_eq!(read(flagged(name.as_bytes())).as_deref(), Ok(name));
        }
    }

    #[test]
    fn a_name_has_at_most_the_bytes_of_a_key() {
        let too_long = |found| Err(NameFault::TooLong { found, limit: 1024 });
        assert_eq!(read(on(FAT, &[b'a'; 1024])).map(|name| name.len()), Ok(1024));
        assert_eq!(read(on(FAT, &[b'a'; 1025])), too_long(1025));
        // Each of these is one byte in the archive and three in the key.
        assert_eq!(read(on(FAT, &[0xb0; 400])), too_long(1200));
        assert_eq!(read(on(FAT, &[&b"./".repeat(1000)[..], b"a"].concat())).as_deref(), Ok("a"));
    }

    /// APPNOTE appendix D, and what writers do who do not know of it.
    #[test]
    fn flag_11_decides_the_encoding_and_then_the_writers_system() {
        assert_eq!(read(flagged(b"a\xff")), Err(NameFault::InvalidUtf8 { at: 1 }));
        let unflagged = "é".as_bytes();
        for host in [3, 19] {
            assert_eq!(read(on(host << 8, unflagged)).as_deref(), Ok("é"));
            assert_eq!(read(on(host << 8, b"fran\x87ais")).as_deref(), Ok("français"));
        }
        for host in [0, 6, 10, 11, 14] {
            assert_eq!(read(on(host << 8, unflagged)).as_deref(), Ok("├⌐"));
        }
        assert_eq!(read(on(FAT, b"fran\x87ais")).as_deref(), Ok("français"));
    }

    /// Names of programs that write them in the encoding of their user's system, and say nothing of it.
    #[test]
    fn an_encoding_that_is_known_is_used_for_names_that_do_not_say_theirs() {
        for (label, bytes, name) in [
            ("shift_jis", &b"\x8c\xda\x8bq\x95\\.csv"[..], "顧客表.csv"),
            ("gbk", b"\xcd\xcb\xbb\xf5/\x8c\x5c.csv", "退货/孿.csv"),
            ("big5", b"\xa5\x5c\xaf\xe0.csv", "功能.csv"),
            ("euc-kr", b"\xc7\xd1\xb1\xdb.csv", "한글.csv"),
            ("ibm866", b"\x8e\xe2\xe7\xf1\xe2.csv", "Отчёт.csv"),
            ("windows-1252", b"\xdcbersicht \x80.csv", "Übersicht €.csv"),
            ("utf-8", "é.csv".as_bytes(), "é.csv"),
            ("cp437", b"\x81\\a.csv", "ü/a.csv"),
        ] {
            assert_eq!(read_in(named(label), on(FAT, bytes)).as_deref(), Ok(name), "{label}");
        }
        let japanese = named("shift_jis");
        // What says its encoding, or is UTF-8 where that is usual, is not in it.
        assert_eq!(read_in(japanese, flagged("表".as_bytes())).as_deref(), Ok("表"));
        assert_eq!(read_in(japanese, on(UNIX, "表".as_bytes())).as_deref(), Ok("表"));
        // Decoded first, then looked at.
        assert_eq!(read_in(japanese, on(FAT, b"\x95\x5c\\..\\a")), Err(NameFault::Relative("..".into())));
        assert_eq!(read_in(japanese, on(UNIX, b"\x95\x5c\\a")), Err(NameFault::Backslash));
        assert_eq!(read_in(japanese, on(FAT, b"\x81.csv")), Err(NameFault::InvalidEncoding("Shift_JIS")));
    }

    /// Half of a character is no folder: where the encoding is not known, a person has to say it.
    #[test]
    fn a_backslash_that_may_be_half_of_a_character_is_no_separator() {
        for host in [FAT, UNIX] {
            let read = read(on(host, b"\x8c\xda\x8bq\x95\\.csv"));
            assert_eq!(read, Err(NameFault::HalfCharacter));
        }
    }

    /// APPNOTE 4.6.9: the path is the name, whatever the header's bytes are.
    #[test]
    fn a_unicode_path_is_the_name() {
        let with = |path| RawName { unicode_path: Some(path), ..on(FAT, b"_____.csv") };
        assert_eq!(read(with("顧客表.csv".as_bytes())).as_deref(), Ok("顧客表.csv"));
        assert_eq!(read(with(b"d\\a.csv")).as_deref(), Ok("d/a.csv"));
        assert_eq!(read(with(b"\xff")), Err(NameFault::InvalidUtf8 { at: 0 }));
    }
}
