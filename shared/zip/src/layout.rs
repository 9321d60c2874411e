//! Where members lie: in order, apart from each other, with nothing hidden between them.

use memchr::memmem;

use super::central::Entry;
use super::error::{ArchiveError, shown};
use super::local::LOCAL_HEADER_BYTES;
use super::member::Member;
use super::wire::{
    CENTRAL_HEADER, DATA_DESCRIPTOR, DIGITAL_SIGNATURE, END, EXTRA_DATA, LOCAL_HEADER, SEGMENT_MARKS,
    ZIP64_END, ZIP64_LOCATOR,
};

/// Bytes of the longest data descriptor: signature, CRC-32 and two 64-bit sizes.
pub(super) const DESCRIPTOR_BYTES: u64 = 24;

/// Bytes that belong to no member, in the whole archive. Tools that delete or align members leave some.
pub(super) const GAP_BYTES: u64 = 64 << 10;

/// The places of entries in the order in which they lie in the archive, if none overlap even with the shortest
/// local headers and all end before the directory.
pub(super) fn order(entries: &[Entry], directory_offset: u64) -> Result<Vec<u32>, ArchiveError> {
    let mut order: Vec<&Entry> = entries.iter().collect();
    order.sort_by_key(|entry| entry.member.header_offset);
    if let Some(first) = order.first() {
        check_first(first.member.header_offset)?;
    }
    let mut previous: Option<(&Member, u64)> = None;
    for entry in &order {
        let member = &entry.member;
        if let Some((other, end)) = previous
            && end > member.header_offset
        {
            return Err(overlap(member, other, end));
        }
        let end = least_end(entry);
        check_range(member, end, directory_offset)?;
        previous = Some((member, end));
    }
    Ok(order.into_iter().map(|entry| entry.member.index).collect())
}

/// An archive starts with its first member, or with the mark of a split archive that fitted one segment.
fn check_first(offset: u64) -> Result<(), ArchiveError> {
    if offset == 0 || offset == 4 { Ok(()) } else { Err(ArchiveError::Prefix { found: offset }) }
}

fn least_end(entry: &Entry) -> u64 {
    let member = &entry.member;
    member
        .header_offset
        .saturating_add(LOCAL_HEADER_BYTES)
        .saturating_add(length(entry.raw_name()))
        .saturating_add(member.compressed_size)
}

/// Checks that a member ends before the directory starts.
pub(super) fn check_range(member: &Member, end: u64, directory: u64) -> Result<(), ArchiveError> {
    if end <= directory {
        return Ok(());
    }
    Err(ArchiveError::OutOfRange {
        member: shown(member.name()),
        offset: member.header_offset,
        end,
        directory,
    })
}

fn overlap(member: &Member, other: &Member, end: u64) -> ArchiveError {
    ArchiveError::Overlap {
        member: shown(member.name()),
        start: member.header_offset,
        other: shown(other.name()),
        end,
    }
}

/// Follows the members through the archive and accounts for every byte between them.
pub(super) struct Walk {
    directory_offset: u64,
    gap_bytes: u64,
}

impl Walk {
    pub(super) fn new(directory_offset: u64) -> Self {
        Self { directory_offset, gap_bytes: 0 }
    }

    /// The bytes between the data of `previous` and `next`, or the directory, that [`Walk::check`] must see.
    pub(super) fn between(
        &self,
        previous: Option<&Member>,
        next: Option<&Member>,
    ) -> Result<std::ops::Range<u64>, ArchiveError> {
        let start = previous.map_or(0, |member| member.data_range().end);
        let end = next.map_or(self.directory_offset, |member| member.header_offset);
        if let Some(member) = previous {
            check_range(member, start, self.directory_offset)?;
            if let Some(next) = next
                && start > end
            {
                return Err(overlap(next, member, start));
            }
        }
        let found = end.saturating_sub(start);
        let limit = GAP_BYTES.saturating_sub(self.gap_bytes);
        if found > limit.saturating_add(DESCRIPTOR_BYTES) {
            return Err(ArchiveError::GapTooLarge { offset: end, found, limit });
        }
        Ok(start..end)
    }

    /// Checks that these bytes are the data descriptor of `previous`, if it has one, and then nothing that could
    /// be taken for a record.
    pub(super) fn check(
        &mut self,
        previous: Option<&Member>,
        bytes: &[u8],
        start: u64,
    ) -> Result<(), ArchiveError> {
        let Some(member) = previous else { return check_start(bytes) };
        let descriptor = if member.has_data_descriptor { descriptor_length(member, bytes)? } else { 0 };
        let gap = bytes.get(descriptor..).unwrap_or_default();
        self.gap_bytes = self.gap_bytes.saturating_add(length(gap));
        match hidden_record(gap) {
            Some(at) => Err(ArchiveError::HiddenRecord {
                offset: start.saturating_add(length(bytes.get(..descriptor).unwrap_or_default())) + at,
            }),
            None => Ok(()),
        }
    }
}

fn check_start(bytes: &[u8]) -> Result<(), ArchiveError> {
    if bytes.is_empty() || SEGMENT_MARKS.iter().any(|mark| bytes == mark) {
        return Ok(());
    }
    Err(ArchiveError::Prefix { found: length(bytes) })
}

/// Bytes of the data descriptor at the front: with or without a signature, with sizes of 64 or 32 bits
/// (APPNOTE 4.3.9). The directory tells what it must say, so the longest form that says it is the one.
fn descriptor_length(member: &Member, bytes: &[u8]) -> Result<usize, ArchiveError> {
    descriptor_forms(member)
        .into_iter()
        .find(|form| bytes.starts_with(form))
        .map(|form| form.len())
        .ok_or_else(|| ArchiveError::Descriptor {
            member: shown(member.name()),
            crc32: member.crc32,
            compressed: member.compressed_size,
            size: member.size,
            found: bytes.iter().copied().take(24).collect(),
        })
}

fn descriptor_forms(member: &Member) -> Vec<Vec<u8>> {
    let crc = member.crc32.to_le_bytes();
    let wide = [member.compressed_size.to_le_bytes(), member.size.to_le_bytes()].concat();
    let mut sizes = vec![wide];
    if let (Ok(compressed), Ok(size)) = (u32::try_from(member.compressed_size), u32::try_from(member.size)) {
        sizes.push([compressed.to_le_bytes(), size.to_le_bytes()].concat());
    }
    let with = |signature: &[u8], sizes: &[u8]| [signature, &crc, sizes].concat();
    let mut forms: Vec<Vec<u8>> =
        sizes.iter().flat_map(|sizes| [with(&DATA_DESCRIPTOR, sizes), with(&[], sizes)]).collect();
    forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
    forms
}

/// Where in a gap a record could start that some other reader finds by its signature.
fn hidden_record(gap: &[u8]) -> Option<u64> {
    const RECORDS: [[u8; 4]; 8] = [
        LOCAL_HEADER,
        DATA_DESCRIPTOR,
        EXTRA_DATA,
        CENTRAL_HEADER,
        DIGITAL_SIGNATURE,
        ZIP64_END,
        ZIP64_LOCATOR,
        END,
    ];
    RECORDS
        .iter()
        .filter_map(|signature| memmem::find(gap, signature))
        .min()
        .and_then(|at| u64::try_from(at).ok())
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
