//! What the first bytes of content say: whether it is text, and in which encoding.

use landfall_zip::{Kind, sniff};

/// The marks of content that is no text, besides those that are told from an archive: bzip2, xz, 7z, LZ4, compress, RAR,
/// Avro, PDF, encrypted by PGP.
const OTHERS: [&[u8]; 9] = [
    b"BZh",
    b"\xfd7zXZ\0",
    b"7z\xbc\xaf\x27\x1c",
    b"\x04\x22\x4d\x18",
    b"\x1f\x9d",
    b"Rar!\x1a\x07",
    b"Obj\x01",
    b"%PDF-",
    b"-----BEGIN PGP MESSAGE-----",
];

/// As many different control characters hold no text. One that separates fields or records by such has few.
const BINARY_CONTROLS: usize = 6;

/// How text is encoded, as far as its rows depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// UTF-8, or any other encoding whose ASCII characters are bytes of their own.
    Ascii,
    /// UTF-16.
    Utf16 {
        /// Whether a character's high byte comes first.
        big_endian: bool,
    },
}

/// Whether content is something else under the name of text or records: compressed, an archive, a web page.
pub(super) fn is_something_else(beginning: &[u8]) -> bool {
    let is_marked = OTHERS.iter().any(|mark| match *mark {
        // Letters: a header may begin with them.
        mark @ b"BZh" => beginning.starts_with(mark) && beginning.get(4..10) == Some(b"1AY&SY"),
        mark => beginning.starts_with(mark),
    });
    is_marked || sniff(beginning) != Kind::Other
}

/// The encoding of text that begins so, and the length of its byte order mark; `None` where it is none whose rows can be
/// counted.
pub(super) fn encoding(beginning: &[u8]) -> Option<(Encoding, usize)> {
    match beginning {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => None,
        [0xff, 0xfe, ..] => Some((Encoding::Utf16 { big_endian: false }, 2)),
        [0xfe, 0xff, ..] => Some((Encoding::Utf16 { big_endian: true }, 2)),
        [0xef, 0xbb, 0xbf, ..] => Some((Encoding::Ascii, 3)),
        _ => unmarked(beginning).map(|encoding| (encoding, 0)),
    }
}

/// The encoding of text without a mark: in UTF-16, one of the two bytes of what is in ASCII is zero, always the same one,
/// but for characters that are zero themselves.
fn unmarked(beginning: &[u8]) -> Option<Encoding> {
    let zeros = |place| beginning.iter().skip(place).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd, bytes) = (zeros(0), zeros(1), beginning.len());
    let zero_bytes = even.saturating_add(odd);
    let breaks = beginning.iter().filter(|byte| is_break(**byte)).count();
    let is_utf16 = |big_endian: bool| {
        let is_break_unit = |unit: &[u8]| match unit {
            [0, byte] => big_endian && is_break(*byte),
            [byte, 0] => !big_endian && is_break(*byte),
            _ => false,
        };
        let break_units = beginning.chunks(2).filter(|unit| is_break_unit(unit)).count();
        let high = if big_endian { even } else { odd };
        high > 0
            && zero_bytes.saturating_sub(high).saturating_mul(8) <= high
            && (zero_bytes.saturating_mul(4) >= bytes
                || (break_units > 0 && break_units.saturating_mul(4) >= breaks))
    };
    match (is_utf16(false), is_utf16(true)) {
        (true, _) => Some(Encoding::Utf16 { big_endian: false }),
        (_, true) => Some(Encoding::Utf16 { big_endian: true }),
        // A field may hold a zero byte; text that is full of them is none.
        _ => (zero_bytes.saturating_mul(8) <= bytes && !is_binary(beginning)).then_some(Encoding::Ascii),
    }
}

/// Whether this is what only looks like text in an encoding that contains ASCII: compressed or encrypted without a mark,
/// tables in a binary format.
fn is_binary(beginning: &[u8]) -> bool {
    const TAB: u8 = b'\t';
    const SUBSTITUTE: u8 = 0x1a;
    const ESCAPE: u8 = 0x1b;
    let is_texts = |byte: u8| matches!(byte, 0 | TAB..=b'\r' | SUBSTITUTE | ESCAPE) || byte >= b' ';
    let mut seen = [false; 32];
    for byte in beginning.iter().copied().filter(|byte| !is_texts(*byte)) {
        if let Some(seen) = seen.get_mut(usize::from(byte)) {
            *seen = true;
        }
    }
    seen.iter().filter(|seen| **seen).count() >= BINARY_CONTROLS
}

fn is_break(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

/// UTF-16 as it passes, in a byte a character: rows depend on nothing outside ASCII.
#[derive(Debug, Clone)]
pub(super) struct Narrowing {
    big_endian: bool,
    first: Option<u8>,
}

impl Narrowing {
    pub(super) fn new(big_endian: bool) -> Self {
        Self { big_endian, first: None }
    }

    /// Takes the next bytes, and hands on what they are.
    pub(super) fn push(&mut self, bytes: &[u8], mut take: impl FnMut(&[u8])) {
        const OUTSIDE_ASCII: u8 = 0xfe;
        let mut narrow = Vec::with_capacity(bytes.len().min(4096));
        for &byte in bytes {
            let Some(first) = self.first.take() else {
                self.first = Some(byte);
                continue;
            };
            let (high, low) = if self.big_endian { (first, byte) } else { (byte, first) };
            narrow.push(if high == 0 && low.is_ascii() { low } else { OUTSIDE_ASCII });
            if narrow.len() == 4096 {
                take(&narrow);
                narrow.clear();
            }
        }
        take(&narrow);
    }

    /// Whether what has passed are whole characters.
    pub(super) fn is_whole(&self) -> bool {
        self.first.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, big_endian: bool) -> Vec<u8> {
        let bytes = |unit: u16| if big_endian { unit.to_be_bytes() } else { unit.to_le_bytes() };
        text.encode_utf16().flat_map(bytes).collect()
    }

    /// Promise 5: rows are counted in the encoding that text is in, or not at all.
    #[test]
    fn an_encoding_is_told_from_its_mark_or_its_zero_bytes() {
        let wide = |big_endian| Some((Encoding::Utf16 { big_endian }, 0));
        for text in ["id,name\r\n1,Ann\r\n", "名前,住所\n上田,上海\n", "имя;город\r\nИван;Москва\r\n", "id"]
        {
            assert_eq!(encoding(&utf16(text, false)), wide(false), "{text}");
            assert_eq!(encoding(&utf16(text, true)), wide(true), "{text}");
            assert_eq!(encoding(text.as_bytes()), Some((Encoding::Ascii, 0)), "{text}");
        }
        let marked = utf16("\u{feff}名", false);
        assert_eq!(encoding(&marked), Some((Encoding::Utf16 { big_endian: false }, 2)));
        assert_eq!(encoding(b"\xef\xbb\xbfid"), Some((Encoding::Ascii, 3)));
        // A zero byte in a field makes no other encoding of it.
        assert_eq!(encoding(b"id,name\n1,a\0b\n2,c\n"), Some((Encoding::Ascii, 0)));
        let utf32: Vec<u8> = "id,name\n1,2\n".chars().flat_map(|c| u32::from(c).to_le_bytes()).collect();
        // What separates fields and records by control characters is text; what has all kinds of them is not.
        assert_eq!(encoding(b"id\x01name\x02\x1e1\x01Ann\x1f\x1e"), Some((Encoding::Ascii, 0)));
        let noise: Vec<u8> = (1..=200).collect();
        for none in [&utf32[..], &[&b"\xff\xfe\0\0"[..], &utf32].concat(), &[0; 64], &noise] {
            assert_eq!(encoding(none), None, "{none:?}");
        }
    }

    /// Promise 5: what is compressed has no rows, whatever its name says.
    #[test]
    fn content_that_is_no_text_is_told_from_its_first_bytes() {
        for other in [
            &b"\x1f\x8b\x08"[..],
            b"\x28\xb5\x2f\xfd",
            b"PK\x03\x04",
            b"BZh91AY&SY",
            b"\xfd7zXZ\0",
            b"<html>",
            b"Rar!\x1a\x07\x01\0",
            b"%PDF-1.7\n",
            b"-----BEGIN PGP MESSAGE-----\n\nhQEM\n",
        ] {
            assert!(is_something_else(other), "{other:?}");
        }
        for text in [&b"BZh,name"[..], b"7z,name", b"id", b""] {
            assert!(!is_something_else(text), "{text:?}");
        }
    }
}
