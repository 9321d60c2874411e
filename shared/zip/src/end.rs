//! The end of the archive: where the central directory is, told by one end record only.

use memchr::memmem;

use super::error::ArchiveError;
use super::wire::{END, Fields, SENTINEL_16, SENTINEL_32, ZIP64_END, ZIP64_LOCATOR};

/// Bytes of an end record without its comment (APPNOTE 4.3.16).
const END_BYTES: usize = 22;
/// Bytes of a ZIP64 locator (APPNOTE 4.3.15).
const LOCATOR_BYTES: usize = 20;
/// Bytes of a ZIP64 end record without extensible data (APPNOTE 4.3.14).
const ZIP64_END_BYTES: usize = 56;
/// The length that such a record says of itself: all but its signature and this field.
const ZIP64_END_LENGTH: u64 = 44;

/// Bytes from the end of a file in which all end records must be: those of ZIP64, and one with the longest comment.
pub(super) const TAIL_BYTES: u64 = (ZIP64_END_BYTES + LOCATOR_BYTES + END_BYTES) as u64 + 65_535;

/// Zeros tolerated behind the archive: what a device or a transfer by blocks fills its last block with. More of them
/// are what a transfer that broke off leaves of a file whose size it knew.
pub(super) const PADDING_BYTES: u64 = 1 << 20;

/// Stray bytes tolerated behind the archive, such as a line break that a transfer added. They are searched for
/// records like all of the tail, so they can hide nothing; more of them mean that the file is not what was written.
const STRAY_BYTES: u64 = 64;

/// What the end records say, once they agree.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct End {
    pub(super) directory_offset: u64,
    pub(super) directory_size: u64,
    pub(super) entries: u64,
    pub(super) trailing_bytes: u64,
}

impl End {
    /// Where the central directory is.
    pub(super) fn directory_range(&self) -> std::ops::Range<u64> {
        self.directory_offset..self.directory_offset.saturating_add(self.directory_size)
    }

    /// Finds the end records in the bytes from `tail_start` on of a file of `size` bytes. What may be missing of them
    /// at the end are zeros.
    pub(super) fn parse(tail: &[u8], tail_start: u64, size: u64) -> Result<Self, ArchiveError> {
        let at = memmem::rfind(tail, &END).ok_or(ArchiveError::NoEndRecord { size })?;
        let offset = tail_start.saturating_add(position(at));
        let record = EndRecord::parse(tail.get(at..).unwrap_or_default(), offset)?;
        let trailing_bytes = check_trailing(tail.get(at..).unwrap_or_default(), &record, offset, size)?;
        let wide = match locator_before(tail, at) {
            Some(locator) => record.widen(tail, at, locator, tail_start)?,
            None => WideEnd::of(&record, offset)?,
        };
        if let Some(second) = other_end(tail, at, tail_start, size) {
            return Err(ArchiveError::AmbiguousEnd { first: second, second: offset });
        }
        let found = wide.directory_offset.saturating_add(wide.directory_size);
        if found != wide.directory_end {
            return Err(ArchiveError::DirectoryPlace { expected: wide.directory_end, found });
        }
        Ok(Self {
            directory_offset: wide.directory_offset,
            directory_size: wide.directory_size,
            entries: wide.entries,
            trailing_bytes,
        })
    }
}

/// The end record (APPNOTE 4.3.16).
struct EndRecord {
    disk: u16,
    directory_disk: u16,
    entries: u16,
    directory_size: u32,
    directory_offset: u32,
    comment_length: u16,
}

impl EndRecord {
    fn parse(bytes: &[u8], offset: u64) -> Result<Self, ArchiveError> {
        let truncated = || ArchiveError::TruncatedEndRecord { offset, found: length(bytes) };
        let mut fields = Fields::new(bytes);
        fields.signature().ok_or_else(truncated)?;
        let disk = fields.u16().ok_or_else(truncated)?;
        let directory_disk = fields.u16().ok_or_else(truncated)?;
        let disk_entries = fields.u16().ok_or_else(truncated)?;
        let record = Self {
            disk,
            directory_disk,
            entries: fields.u16().ok_or_else(truncated)?,
            directory_size: fields.u32().ok_or_else(truncated)?,
            directory_offset: fields.u32().ok_or_else(truncated)?,
            comment_length: fields.u16().ok_or_else(truncated)?,
        };
        let is_whole = |disk: u16| disk == 0 || disk == SENTINEL_16;
        if !is_whole(disk) || !is_whole(directory_disk) {
            return Err(record.split());
        }
        if disk_entries != record.entries {
            let (here, all) = (disk_entries.into(), record.entries.into());
            return Err(ArchiveError::DiskEntries { here, all });
        }
        Ok(record)
    }

    fn split(&self) -> ArchiveError {
        ArchiveError::SplitArchive {
            disk: u32::from(self.disk),
            directory_disk: u32::from(self.directory_disk),
        }
    }

    /// Takes the values from the ZIP64 record, which must lie directly before its locator and agree.
    fn widen(
        &self,
        tail: &[u8],
        at: usize,
        locator: &[u8],
        tail_start: u64,
    ) -> Result<WideEnd, ArchiveError> {
        let record_at = at.checked_sub(LOCATOR_BYTES + ZIP64_END_BYTES);
        let expected = tail_start.saturating_add(position(record_at.unwrap_or_default()));
        let found = check_locator(locator)?;
        if record_at.is_none() || found != expected {
            return Err(extensible_record(tail, at, found, tail_start)
                .unwrap_or(ArchiveError::Zip64Locator { expected, found }));
        }
        let record = record_at.and_then(|start| tail.get(start..)).unwrap_or_default();
        let wide = WideEnd::parse(record, expected)?;
        let pairs = [
            ("entries", u64::from(self.entries), self.entries == SENTINEL_16, wide.entries),
            (
                "directory size",
                u64::from(self.directory_size),
                self.directory_size == SENTINEL_32,
                wide.directory_size,
            ),
            (
                "directory offset",
                u64::from(self.directory_offset),
                self.directory_offset == SENTINEL_32,
                wide.directory_offset,
            ),
        ];
        // Many readers look for the ZIP64 record only where another field sends them there, and take the archive for a
        // part of a split one otherwise.
        let is_sent_there = pairs.iter().any(|&(_, _, is_sentinel, _)| is_sentinel);
        if !is_sent_there && (self.disk != 0 || self.directory_disk != 0) {
            return Err(self.split());
        }
        match pairs.into_iter().find(|&(_, end, is_sentinel, zip64)| !is_sentinel && end != zip64) {
            Some((field, end, _, zip64)) => Err(ArchiveError::Zip64EndDisagrees { field, zip64, end }),
            None => Ok(wide),
        }
    }
}

/// The values of either end record, and where the directory must end.
struct WideEnd {
    entries: u64,
    directory_size: u64,
    directory_offset: u64,
    directory_end: u64,
}

impl WideEnd {
    /// The values of an archive that has no ZIP64 record, so that nothing stands for a disk of 0xFFFF.
    fn of(record: &EndRecord, offset: u64) -> Result<Self, ArchiveError> {
        if record.disk != 0 || record.directory_disk != 0 {
            return Err(record.split());
        }
        Ok(Self {
            entries: u64::from(record.entries),
            directory_size: u64::from(record.directory_size),
            directory_offset: u64::from(record.directory_offset),
            directory_end: offset,
        })
    }

    fn parse(bytes: &[u8], offset: u64) -> Result<Self, ArchiveError> {
        let missing = || ArchiveError::Zip64RecordMissing { offset };
        let mut fields = Fields::new(bytes);
        if fields.signature() != Some(ZIP64_END) {
            return Err(missing());
        }
        let length = fields.u64().ok_or_else(missing)?;
        if length != ZIP64_END_LENGTH {
            return Err(ArchiveError::Zip64RecordSize { found: length });
        }
        fields.bytes(4).ok_or_else(missing)?;
        let disk = fields.u32().ok_or_else(missing)?;
        let directory_disk = fields.u32().ok_or_else(missing)?;
        let disk_entries = fields.u64().ok_or_else(missing)?;
        let wide = Self {
            entries: fields.u64().ok_or_else(missing)?,
            directory_size: fields.u64().ok_or_else(missing)?,
            directory_offset: fields.u64().ok_or_else(missing)?,
            directory_end: offset,
        };
        if disk != 0 || directory_disk != 0 {
            return Err(ArchiveError::SplitArchive { disk, directory_disk });
        }
        if disk_entries != wide.entries {
            return Err(ArchiveError::DiskEntries { here: disk_entries, all: wide.entries });
        }
        Ok(wide)
    }
}

/// The refusal of a record that ends at the locator and has an extensible data sector (APPNOTE 4.3.14.2): legal, and
/// nothing that any writer of files leaves, so what it says is not guessed at.
fn extensible_record(tail: &[u8], end: usize, found: u64, tail_start: u64) -> Option<ArchiveError> {
    let start = usize::try_from(found.checked_sub(tail_start)?).ok()?;
    let mut fields = Fields::new(tail.get(start..end.checked_sub(LOCATOR_BYTES)?)?);
    let is_record = fields.signature() == Some(ZIP64_END);
    let length = fields.u64()?;
    (is_record && length > ZIP64_END_LENGTH && length == position(fields.rest().len()))
        .then_some(ArchiveError::Zip64RecordSize { found: length })
}

fn locator_before(tail: &[u8], at: usize) -> Option<&[u8]> {
    let locator = tail.get(at.checked_sub(LOCATOR_BYTES)?..at)?;
    locator.starts_with(&ZIP64_LOCATOR).then_some(locator)
}

/// The offset that the locator gives.
fn check_locator(locator: &[u8]) -> Result<u64, ArchiveError> {
    let mut fields = Fields::new(locator);
    fields.signature();
    let disk = fields.u32().unwrap_or_default();
    let offset = fields.u64().unwrap_or_default();
    let disks = fields.u32().unwrap_or_default();
    // Some writers count from 0.
    if disk != 0 || disks > 1 {
        return Err(ArchiveError::SplitArchive { disk: disks.saturating_sub(1), directory_disk: disk });
    }
    Ok(offset)
}

/// How many bytes follow the comment, if they are harmless.
fn check_trailing(
    from_end_record: &[u8],
    record: &EndRecord,
    offset: u64,
    size: u64,
) -> Result<u64, ArchiveError> {
    let after = from_end_record.get(END_BYTES..).unwrap_or_default();
    let comment = usize::from(record.comment_length);
    let Some(trailing) = after.get(comment..) else {
        return Err(ArchiveError::CommentLength { expected: position(comment), found: length(after) });
    };
    let end = offset.saturating_add(position(END_BYTES.saturating_add(comment)));
    let found = size.saturating_sub(end);
    if found > STRAY_BYTES && trailing.iter().any(|&byte| byte != 0) {
        return Err(ArchiveError::TrailingBytes { offset: end, found });
    }
    Ok(found)
}

/// Another end record before ours that a reader could take for the real one: its directory ends at it, or its
/// comment ends with the file. A stored archive within the archive is neither: its offsets are its own.
fn other_end(tail: &[u8], ours: usize, tail_start: u64, size: u64) -> Option<u64> {
    memmem::find_iter(tail, &END)
        .take_while(|&at| at < ours)
        .map(|at| (at, tail_start.saturating_add(position(at))))
        .find(|&(at, offset)| {
            let bytes = tail.get(at..).unwrap_or_default();
            EndRecord::parse(bytes, offset).is_ok_and(|record| {
                let directory_end =
                    u64::from(record.directory_offset).saturating_add(u64::from(record.directory_size));
                let comment_end =
                    offset.saturating_add(position(END_BYTES + usize::from(record.comment_length)));
                directory_end == offset || comment_end == size
            })
        })
        .map(|(_, offset)| offset)
}

fn length(bytes: &[u8]) -> u64 {
    position(bytes.len())
}

fn position(at: usize) -> u64 {
    u64::try_from(at).unwrap_or(u64::MAX)
}
