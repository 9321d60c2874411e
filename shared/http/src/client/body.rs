//! Bodies as servers send them: coded on the way, though nothing of the kind was asked for (RFC 9110, 12.5.3 allows that),
//! and JSON in another charset than its own.

use std::borrow::Cow;
use std::io::{self, Read};

use brotli_decompressor::Decompressor;
use bytes::Bytes;
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};
use flate2::bufread::GzDecoder;
use flate2::read::{DeflateDecoder, ZlibDecoder};
use http::{HeaderMap, header};

use super::answer::media_type;
use crate::error::Failure;

/// How many codings may be on top of each other.
const MAX_CODINGS: usize = 3;
/// The window of zstd up to which it is decoded, as a power of two: 8 MiB, as for every answer in it (RFC 9659).
const MAX_ZSTD_WINDOW: u32 = 23;
const BROTLI_BUFFER: usize = 4096;

/// The first bytes of gzip (RFC 1952, 2.3.1): those of no JSON.
pub(crate) const GZIP: [u8; 2] = [0x1f, 0x8b];

/// The codings that HTTP knows besides none at all. `Content-Encoding: UTF-8`, as some send it, names none of them, and
/// changes no byte.
const CODINGS: [&str; 11] = [
    "gzip",
    "x-gzip",
    "deflate",
    "br",
    "zstd",
    "compress",
    "x-compress",
    "exi",
    "pack200-gzip",
    "dcb",
    "dcz",
];

/// A body without the codings that its headers name, of at most so many bytes. JSON that is gzip all the same, as what a
/// proxy has taken the header off, is read as such.
pub(super) fn decoded(body: Bytes, headers: &HeaderMap, limit: u64) -> Result<Bytes, Failure> {
    let codings = codings(headers);
    if codings.len() > MAX_CODINGS {
        return Err(undecodable("it names too many codings"));
    }
    let is_json = media_type(headers).is_some_and(|kind| kind.ends_with("json"));
    let unsaid = |body: &[u8]| is_json && body.starts_with(&GZIP);
    // They were applied in the order in which they are named.
    let decoded = codings.iter().rev().try_fold(body, |body, coding| decode(body, coding, limit))?;
    match unsaid(&decoded) {
        true => decode(decoded, "gzip", limit),
        false => Ok(decoded),
    }
}

/// What the headers say that was done to a body, in the order in which it was.
pub(crate) fn codings(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all(header::CONTENT_ENCODING).iter();
    let texts = values.map(|value| String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase());
    let named =
        texts.flat_map(|text| text.split(',').map(|coding| coding.trim().to_owned()).collect::<Vec<_>>());
    named.filter(|coding| CODINGS.contains(&coding.as_str())).collect()
}

fn decode(body: Bytes, coding: &str, limit: u64) -> Result<Bytes, Failure> {
    if body.is_empty() {
        return Ok(body);
    }
    let decoded = match coding {
        // It was taken off on the way, and its name was left.
        "gzip" | "x-gzip" if !body.starts_with(&GZIP) => return Ok(body),
        "gzip" | "x-gzip" => gunzip(&body, limit),
        // Some send bare deflate under that name, which stands for zlib's frame.
        "deflate" => match read(ZlibDecoder::new(&*body), limit) {
            Err(Failure::Malformed { .. }) => read(DeflateDecoder::new(&*body), limit),
            decoded => decoded,
        },
        "br" => read(Decompressor::new(&*body, BROTLI_BUFFER), limit),
        "zstd" => {
            let mut decoder = zstd::Decoder::with_buffer(&*body).map_err(unreadable)?;
            decoder.window_log_max(MAX_ZSTD_WINDOW).map_err(unreadable)?;
            read(decoder, limit)
        }
        _ => Err(undecodable("it is none of gzip, deflate, br and zstd")),
    };
    decoded.map(Bytes::from)
}

/// The members of a gzip file. What follows them and is none is padding.
fn gunzip(body: &[u8], limit: u64) -> Result<Vec<u8>, Failure> {
    let mut decoded = Vec::new();
    let mut rest = body;
    while rest.starts_with(&GZIP) {
        let mut member = GzDecoder::new(rest);
        let left = limit.saturating_sub(u64::try_from(decoded.len()).unwrap_or(u64::MAX));
        decoded.append(&mut read(&mut member, left)?);
        rest = member.into_inner();
    }
    Ok(decoded)
}

fn read(decoder: impl Read, limit: u64) -> Result<Vec<u8>, Failure> {
    let mut decoded = Vec::new();
    decoder.take(limit.saturating_add(1)).read_to_end(&mut decoded).map_err(unreadable)?;
    match u64::try_from(decoded.len()).unwrap_or(u64::MAX) > limit {
        true => Err(Failure::TooLarge { what: "body", limit }),
        false => Ok(decoded),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "what map_err gives")]
pub(crate) fn unreadable(error: io::Error) -> Failure {
    undecodable(&error.to_string())
}

fn undecodable(reason: &str) -> Failure {
    Failure::Malformed { field: "Content-Encoding".to_owned(), reason: reason.to_owned() }
}

/// A text in UTF-8.
#[derive(Debug)]
pub(super) struct Text {
    pub(super) bytes: Bytes,
    /// Whether its charset was guessed: then what is not ASCII may be wrong.
    pub(super) is_guessed: bool,
}

/// A text in UTF-8, whatever charset it is in: what its byte order mark says, or its type, or else UTF-8 (RFC 8259). What
/// is not, and says nothing, is taken for what Western Europe writes.
///
/// What its type says is no text stays as it is.
pub(super) fn in_utf8(body: Bytes, headers: &HeaderMap) -> Text {
    let kind = media_type(headers);
    let is_text = |kind: &str| kind.starts_with("text/") || kind.ends_with("json") || kind.ends_with("xml");
    if !kind.as_deref().is_none_or(is_text) {
        return Text { bytes: body, is_guessed: false };
    }
    let (bytes, is_guessed) = match Encoding::for_bom(&body).or_else(|| Some((utf16_of_json(&body)?, 0))) {
        Some((encoding, mark)) if encoding == UTF_8 => {
            return Text { bytes: body.slice(mark..), is_guessed: false };
        }
        Some((encoding, _)) => (encoding.decode(&body).0, false),
        None => match declared(headers) {
            Some(encoding) if encoding != UTF_8 => (encoding.decode_without_bom_handling(&body).0, false),
            _ if std::str::from_utf8(&body).is_ok() => return Text { bytes: body, is_guessed: false },
            _ => (WINDOWS_1252.decode_without_bom_handling(&body).0, true),
        },
    };
    let bytes = match bytes {
        Cow::Borrowed(text) => body.slice_ref(text.as_bytes()),
        Cow::Owned(text) => text.into(),
    };
    Text { bytes, is_guessed }
}

/// The order of the bytes of JSON in UTF-16 without a mark: it begins with a character of ASCII, and holds no NUL
/// otherwise (RFC 4627, 3).
fn utf16_of_json(body: &[u8]) -> Option<&'static Encoding> {
    match body {
        [first @ 1..=127, 0, ..] if !first.is_ascii_control() || first.is_ascii_whitespace() => {
            Some(UTF_16LE)
        }
        [0, first @ 1..=127, ..] if !first.is_ascii_control() || first.is_ascii_whitespace() => {
            Some(UTF_16BE)
        }
        _ => None,
    }
}

/// The charset that a type names, if it is one.
fn declared(headers: &HeaderMap) -> Option<&'static Encoding> {
    let kind = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let parameters = kind.split(';').skip(1).filter_map(|parameter| parameter.split_once('='));
    let mut charsets = parameters.filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset"));
    Encoding::for_label(charsets.next()?.1.trim().trim_matches(['"', '\'']).as_bytes())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    const TEXT: &[u8] = b"{\"jobDetails\": {\"jobStatus\": \"RUNNING\"}}";

    fn headers(name: header::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    fn coded(coding: &str) -> Vec<u8> {
        use flate2::Compression;
        use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
        match coding {
            "gzip" => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
                encoder.write_all(TEXT).unwrap();
                encoder.finish().unwrap()
            }
            "zlib" => {
                let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
                encoder.write_all(TEXT).unwrap();
                encoder.finish().unwrap()
            }
            "bare" => {
                let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
                encoder.write_all(TEXT).unwrap();
                encoder.finish().unwrap()
            }
            "zstd" => zstd::encode_all(TEXT, 1).unwrap(),
            // A meta-block that is not compressed, and the empty last one (RFC 7932, 9.2).
            "br" => {
                let length = u32::try_from(TEXT.len() - 1).unwrap();
                // WBITS 16 (0), ISLAST 0, MNIBBLES 4 (00), MLEN - 1, ISUNCOMPRESSED 1; the bytes; ISLAST, ISLASTEMPTY.
                let head = (length << 4) | (1 << 20);
                [&head.to_le_bytes()[..3], TEXT, &[3]].concat()
            }
            other => panic!("{other}"),
        }
    }

    /// RFC 9110, 12.5.3: whoever names no coding takes any. A coded body is read within the bound of what it becomes.
    #[test]
    fn coded_bodies_are_read_within_bounds() {
        for (name, coding) in [
            ("gzip", "gzip"),
            ("X-GZIP", "gzip"),
            ("deflate", "zlib"),
            ("deflate", "bare"),
            ("br", "br"),
            ("zstd", "zstd"),
            ("identity, gzip", "gzip"),
        ] {
            let headers = headers(header::CONTENT_ENCODING, name);
            let body = Bytes::from(coded(coding));
            let limit = u64::try_from(TEXT.len()).unwrap();
            assert_eq!(decoded(body.clone(), &headers, limit).unwrap(), TEXT, "{name} {coding}");
            let too_large = decoded(body.clone(), &headers, limit - 1);
            assert!(matches!(too_large, Err(Failure::TooLarge { .. })), "{name} {coding}: {too_large:?}");
            let cut = decoded(body.slice(..body.len() / 2), &headers, limit);
            assert!(matches!(cut, Err(Failure::Malformed { .. })), "{name} {coding}: {cut:?}");
        }
        let twice = zstd::encode_all(coded("gzip").as_slice(), 1).unwrap();
        let both = headers(header::CONTENT_ENCODING, "gzip, zstd");
        assert_eq!(decoded(twice.into(), &both, 1000).unwrap(), TEXT);
        let padded = [coded("gzip"), coded("gzip"), vec![0; 3]].concat();
        let gzip = headers(header::CONTENT_ENCODING, "gzip");
        assert_eq!(decoded(padded.into(), &gzip, 1000).unwrap(), [TEXT, TEXT].concat());
        for unknown in ["compress", "gzip, gzip, gzip, gzip"] {
            let headers = headers(header::CONTENT_ENCODING, unknown);
            assert!(decoded(Bytes::from_static(TEXT), &headers, 1000).is_err(), "{unknown}");
        }
        for nothing in ["gzip", "UTF-8", "none", "aws-chunked", "binary, identity", ""] {
            let headers = headers(header::CONTENT_ENCODING, nothing);
            assert_eq!(decoded(Bytes::from_static(TEXT), &headers, 1000).unwrap(), TEXT, "{nothing}");
        }
        assert!(decoded(Bytes::new(), &gzip, 10).unwrap().is_empty());
        let unsaid =
            |kind: &str| decoded(coded("gzip").into(), &headers(header::CONTENT_TYPE, kind), 1000).unwrap();
        assert_eq!(unsaid("application/json"), TEXT);
        assert_eq!(unsaid("application/octet-stream"), coded("gzip"));
    }

    /// JSON in the charset that its mark or its type names; what names none is guessed, and known to be.
    #[test]
    fn texts_come_in_their_charset() {
        let utf16 = |text: &str, mark: &[u8]| -> Vec<u8> {
            mark.iter().copied().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect()
        };
        for (kind, body, is_guessed) in [
            ("application/json", "\u{feff}terminé".as_bytes().to_vec(), false),
            ("application/json", "terminé".as_bytes().to_vec(), false),
            ("application/json;charset=ISO-8859-1", b"termin\xe9".to_vec(), false),
            ("application/json; Charset=\"windows-1252\"", b"termin\xe9".to_vec(), false),
            ("application/json;charset=utf-16le", utf16("terminé", b""), false),
            ("application/json", utf16("terminé", b"\xff\xfe"), false),
            ("application/json", utf16("terminé", b""), false),
            ("application/json;charset=utf-8", utf16("terminé", b""), false),
            ("application/json", b"termin\xe9".to_vec(), true),
            ("application/json;charset=utf-8", b"termin\xe9".to_vec(), true),
            ("application/json;charset=none", "terminé".as_bytes().to_vec(), false),
            ("application/octet-stream;charset=latin1", "terminé".as_bytes().to_vec(), false),
        ] {
            let text = in_utf8(body.into(), &headers(header::CONTENT_TYPE, kind));
            assert_eq!((&text.bytes[..], text.is_guessed), ("terminé".as_bytes(), is_guessed), "{kind}");
        }
    }
}
