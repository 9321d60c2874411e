//! The encodings of names that do not say theirs.

use std::borrow::Cow;

use encoding_rs::Encoding;
use serde::Deserialize;

use super::error::NameFault;

/// How the names of an archive are read that have no flag for UTF-8 and no Unicode path, and are not UTF-8 from a writer
/// on Unix or macOS.
///
/// In configuration it is the label of an encoding in the WHATWG's Encoding Standard, such as `shift_jis`, `gbk`, `big5`,
/// `euc-kr`, `ibm866` or `windows-1252`, or `cp437`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(try_from = "String")]
pub struct NameEncoding(Known);

/// What is known of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Known {
    /// Nothing: IBM code page 437, unless that may break a character in two.
    #[default]
    Nothing,
    /// It is IBM code page 437.
    Cp437,
    /// It is one of the WHATWG's.
    Whatwg(&'static Encoding),
}

/// A label that names no encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "no label of an encoding in the WHATWG's Encoding Standard, such as shift_jis, gbk, big5 or ibm866, nor cp437"
)]
pub struct UnknownEncoding;

impl TryFrom<String> for NameEncoding {
    type Error = UnknownEncoding;

    fn try_from(label: String) -> Result<Self, UnknownEncoding> {
        if ["cp437", "ibm437"].iter().any(|name| label.trim().eq_ignore_ascii_case(name)) {
            return Ok(Self(Known::Cp437));
        }
        let encoding = Encoding::for_label_no_replacement(label.as_bytes()).ok_or(UnknownEncoding)?;
        Ok(Self(Known::Whatwg(encoding)))
    }
}

impl NameEncoding {
    /// Its name, where one was given.
    pub fn name(self) -> Option<&'static str> {
        match self.0 {
            Known::Nothing => None,
            Known::Cp437 => Some("cp437"),
            Known::Whatwg(encoding) => Some(encoding.name()),
        }
    }

    pub(super) fn decode(self, bytes: &[u8]) -> Result<Cow<'_, str>, NameFault> {
        match self.0 {
            Known::Nothing if has_half_character(bytes) => Err(NameFault::HalfCharacter),
            Known::Nothing | Known::Cp437 => Ok(decode_cp437(bytes)),
            Known::Whatwg(encoding) => encoding
                .decode_without_bom_handling_and_without_replacement(bytes)
                .ok_or(NameFault::InvalidEncoding(encoding.name())),
        }
    }
}

/// Whether a backslash may be the second byte of a character, as in `Shift_JIS`, GBK and Big5. Taken for a separator, it
/// would land the file in a folder that nobody has made.
fn has_half_character(bytes: &[u8]) -> bool {
    bytes.windows(2).any(|pair| matches!(pair, [0x81..=0xfe, b'\\']))
}

fn decode_cp437(bytes: &[u8]) -> Cow<'_, str> {
    match str::from_utf8(bytes) {
        Ok(ascii) if ascii.is_ascii() => Cow::Borrowed(ascii),
        _ => Cow::Owned(bytes.iter().map(|&byte| cp437(byte)).collect()),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn encoding(label: &str) -> Option<NameEncoding> {
        NameEncoding::try_from(label.to_owned()).ok()
    }

    /// Promise 4: names stay distinct.
    #[test]
    fn code_page_437_is_one_to_one() {
        let characters: std::collections::BTreeSet<char> = (0..=255).map(cp437).collect();
        assert_eq!(characters.len(), 256);
    }

    /// What a user writes is one of the labels of the standard; what is none is refused before anything is read.
    #[test]
    fn an_encoding_is_named_by_any_of_its_labels() {
        for label in ["shift_jis", "Windows-31J", "MS_Kanji", " sjis "] {
            assert_eq!(encoding(label).and_then(NameEncoding::name), Some("Shift_JIS"), "{label}");
        }
        for (label, name) in
            [("cp866", "IBM866"), ("gb2312", "GBK"), ("korean", "EUC-KR"), ("CP437", "cp437")]
        {
            assert_eq!(encoding(label).and_then(NameEncoding::name), Some(name));
        }
        for label in ["", "cp850", "iso-2022-kr", "replacement", "klingon"] {
            assert_eq!(encoding(label), None, "{label}");
        }
        assert_eq!(NameEncoding::default().name(), None);
    }
}
