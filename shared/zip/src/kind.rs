//! What a file is, by its first bytes: servers name their files as they like.

use super::wire::{END, LOCAL_HEADER, SEGMENT_MARKS, ZIP64_END};

/// First bytes of a file that [`sniff`] wants to see; fewer are enough if the file has no more.
pub const SNIFF_BYTES: usize = 512;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A ZIP archive with at least one member.
    Zip,
    /// A ZIP archive without members: an end record is all there is.
    EmptyZip,
    /// A gzip file (RFC 1952): one compressed file, not an archive.
    Gzip,
    /// A Zstandard file (RFC 8878): likewise.
    Zstd,
    /// A web page: a login form or an error where a file should be.
    HtmlPage,
    /// Anything else: data.
    Other,
}

/// Tells what a file is from its first [`SNIFF_BYTES`] bytes.
pub fn sniff(start: &[u8]) -> Kind {
    if start.starts_with(&LOCAL_HEADER) || is_segment(start) {
        Kind::Zip
    } else if start.starts_with(&END) || start.starts_with(&ZIP64_END) {
        Kind::EmptyZip
    } else if start.starts_with(&[0x1f, 0x8b]) {
        Kind::Gzip
    } else if start.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        Kind::Zstd
    } else if is_html(start) {
        Kind::HtmlPage
    } else {
        Kind::Other
    }
}

/// The mark of a split archive, or of one that was to be split, before the first header (APPNOTE 8.5).
fn is_segment(start: &[u8]) -> bool {
    SEGMENT_MARKS
        .iter()
        .filter_map(|mark| start.strip_prefix(mark))
        .any(|rest| rest.starts_with(&LOCAL_HEADER))
}

fn is_html(start: &[u8]) -> bool {
    let text = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start).trim_ascii_start();
    let begins = |tag: &[u8]| text.get(..tag.len()).is_some_and(|head| head.eq_ignore_ascii_case(tag));
    begins(b"<!doctype html") || begins(b"<html")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_decide() {
        for (start, kind) in [
            (&b"PK\x03\x04\x14\0"[..], Kind::Zip),
            (b"PK00PK\x03\x04", Kind::Zip),
            (b"PK\x07\x08PK\x03\x04", Kind::Zip),
            (b"PK\x05\x06\0\0", Kind::EmptyZip),
            (b"PK\x06\x06\x2c", Kind::EmptyZip),
            (b"PK00 is a postcode", Kind::Other),
            (b"\x1f\x8b\x08", Kind::Gzip),
            (b"\x28\xb5\x2f\xfd\x24", Kind::Zstd),
            (b"<!DOCTYPE html>", Kind::HtmlPage),
            (b"\xef\xbb\xbf\r\n <HTML lang=en>", Kind::HtmlPage),
            (b"<?xml version='1.0'?>", Kind::Other),
            (b"id,name\n", Kind::Other),
            (b"PK", Kind::Other),
            (b"", Kind::Other),
        ] {
            assert_eq!(sniff(start), kind, "{start:?}");
        }
    }
}
