//! The `Range` header, as far as clients of object stores use it (RFC 9110, 14.1.2).

use std::ops::Range;

/// The bytes of an object that a header asks for; all of them where it asks for something that is no single range
/// of bytes, which a server may ignore. `None` where nothing of the object is asked for: 416.
pub(super) fn requested(header: Option<&str>, size: u64) -> Option<Range<u64>> {
    let Some((first, last)) = header.and_then(bounds) else { return Some(0..size) };
    let range = match (first, last) {
        (Some(first), last) => first..last.map_or(size, |last| last.saturating_add(1)).min(size),
        (None, Some(suffix)) => size.saturating_sub(suffix)..size,
        (None, None) => 0..size,
    };
    (range.start < range.end).then_some(range)
}

type Bounds = (Option<u64>, Option<u64>);

fn bounds(header: &str) -> Option<Bounds> {
    let (first, last) = header.trim().strip_prefix("bytes=")?.split_once('-')?;
    let number = |text: &str| match text.trim() {
        "" => Some(None),
        digits => digits.parse().ok().map(Some),
    };
    match (number(first)?, number(last)?) {
        (None, None) => None,
        (Some(first), Some(last)) if last < first => None,
        bounds => Some(bounds),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A wrong range would make every contestant read other bytes than it thinks, and fast.
    #[test]
    fn ranges_are_those_of_the_header() {
        let of = |header: &str| requested(Some(header), 100);
        assert_eq!(requested(None, 100), Some(0..100));
        assert_eq!(of("bytes=0-0"), Some(0..1));
        assert_eq!(of("bytes=10-19"), Some(10..20));
        assert_eq!(of("bytes=90-"), Some(90..100));
        assert_eq!(of("bytes=90-1000"), Some(90..100));
        assert_eq!(of("bytes=-30"), Some(70..100));
        assert_eq!(of("bytes=-1000"), Some(0..100));
        assert_eq!(of("bytes=100-"), None);
        assert_eq!(of("bytes=-0"), None);
        for ignored in ["bytes=5-2", "bytes=-", "bytes=a-b", "rows=1-2", "bytes=0-1,5-6"] {
            assert_eq!(of(ignored), Some(0..100), "{ignored}");
        }
    }
}
