//! How large the parts of an object are: every figure that a store sets, in one place.

use std::ops::Range;

/// The size of a part that is uploaded.
pub const PART_BYTES: usize = 8 << 20;

/// The same at OCI Object Storage, whose own API wants more than 10 MiB of every part that is not the last one.
pub const OCI_PART_BYTES: usize = 16 << 20;

/// The least size of a part that is not the last one (Amazon S3 User Guide, "multipart upload limits"). No part that
/// landfall makes is smaller, nor any object that it makes of parts.
pub const MIN_PART_BYTES: usize = 5 << 20;

/// The most parts that an object may have.
pub(super) const MAX_PARTS: u64 = 10_000;

/// The largest object whose size is not known when its upload begins: its parts cannot be made larger then.
pub const MAX_BYTES_UNANNOUNCED: u64 = MAX_PARTS * PART_BYTES as u64;

/// The largest object that is copied in one call; a part that is copied has the same limit.
pub(super) const MAX_COPY: u64 = 5 << 30;

/// The size of a part that is copied inside the store. Larger ones are allowed, and slower: a store copies several at
/// once.
const COPIED_PART_BYTES: u64 = 1 << 30;

/// The size of the parts of an object: what it needs where that is less, and more than usual where 10,000 of the
/// usual ones would not hold it.
pub(super) fn part_bytes(usual: usize, object_bytes: Option<u64>) -> usize {
    let Some(object_bytes) = object_bytes else { return usual };
    let least = usize::try_from(object_bytes.div_ceil(MAX_PARTS)).unwrap_or(usize::MAX);
    let whole = usize::try_from(object_bytes).unwrap_or(usize::MAX);
    // One byte more than a small object has, so that its only part never counts as a full one.
    usual.max(least.div_ceil(1 << 20) << 20).min(whole.saturating_add(1))
}

/// Whether an object of this size may have been made of parts, so that unfinished uploads of it may be there.
pub fn may_be_of_parts(object_bytes: u64) -> bool {
    usize::try_from(object_bytes).map_or(true, |bytes| bytes >= MIN_PART_BYTES)
}

/// A range of an object, divided into parts to be copied, all of about one size: none is below the least one unless
/// the range itself is.
pub(super) fn copied_parts(range: Range<u64>) -> impl Iterator<Item = Range<u64>> {
    let length = range.end.saturating_sub(range.start);
    let part = length.div_ceil(length.div_ceil(COPIED_PART_BYTES).max(1)).max(1);
    let starts = (0..length.div_ceil(part)).map(move |index| range.start + index * part);
    starts.map(move |start| start..range.end.min(start + part))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Promise 6: an object of any size fits into the parts that a store takes.
    #[test]
    fn parts_grow_where_ten_thousand_would_not_hold_the_object() {
        for usual in [PART_BYTES, OCI_PART_BYTES] {
            assert_eq!(part_bytes(usual, None), usual);
            assert_eq!(part_bytes(usual, Some(10)), 11);
            assert_eq!(part_bytes(usual, Some(1 << 30)), usual);
            let five_tebibytes = 5u64 << 40;
            let part = part_bytes(usual, Some(five_tebibytes)) as u64;
            assert!(part * MAX_PARTS >= five_tebibytes && part.is_multiple_of(1 << 20));
        }
    }

    /// Promise 4: copied parts make up the range, each byte once, and a store takes every one of them.
    #[test]
    fn a_range_is_copied_in_parts_that_a_store_takes() {
        let least = MIN_PART_BYTES as u64;
        for length in [least, COPIED_PART_BYTES, COPIED_PART_BYTES + 1, (5 << 30) + 12_345, 1 << 42] {
            let mut at = 77;
            for part in copied_parts(77..77 + length) {
                assert_eq!(part.start, at);
                assert!((least..=COPIED_PART_BYTES).contains(&(part.end - part.start)), "{part:?}");
                at = part.end;
            }
            assert_eq!(at, 77 + length);
        }
        assert_eq!(copied_parts(5..5).count(), 0);
    }
}
