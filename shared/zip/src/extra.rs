//! The extra field: ZIP64 and the Unicode path decide what is read, and two others may say that a member is no file; all
//! of it must be well-formed.

use super::error::{ArchiveError, Header, shown};
use super::wire::{Fields, SENTINEL_16, SENTINEL_32};

/// ZIP64 extended information (APPNOTE 4.5.3).
const ZIP64: u16 = 0x0001;
/// Info-ZIP Unicode path (APPNOTE 4.6.9).
const UNICODE_PATH: u16 = 0x7075;
/// Bytes of a Unicode path's version and CRC-32.
const UNICODE_PATH_HEAD: usize = 5;
/// PKWARE's Unix field (APPNOTE 4.5.7).
const UNIX: u16 = 0x000d;
/// Bytes of its times and ids. A link's target follows them, or a device's numbers.
const UNIX_HEAD: usize = 12;
/// The Unix field of ASI (Info-ZIP's `extrafld.txt`).
const ASI_UNIX: u16 = 0x756e;

/// The blocks of an extra field that decide what is read.
pub(super) struct Extra<'a> {
    header: Header,
    zip64: Option<&'a [u8]>,
    unicode_path: Option<&'a [u8]>,
}

/// The sizes and the place of a header, as the header itself has them.
pub(super) struct Narrow {
    pub(super) size: u32,
    pub(super) compressed_size: u32,
    /// Only a central header has one.
    pub(super) offset: Option<u32>,
    /// Only a central header has one.
    pub(super) disk: Option<u16>,
}

/// The same, with what ZIP64 holds in the place of sentinels.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wide {
    pub(super) size: u64,
    pub(super) compressed_size: u64,
    pub(super) offset: u64,
    pub(super) disk: u32,
}

impl<'a> Extra<'a> {
    /// Parses the extra field of the member that has this raw name.
    pub(super) fn parse(extra: &'a [u8], header: Header, name: &[u8]) -> Result<Self, ArchiveError> {
        let member = || shown(&String::from_utf8_lossy(name));
        let mut found = Self { header, zip64: None, unicode_path: None };
        let mut fields = Fields::new(extra);
        while fields.rest().len() >= 4 {
            let offset = extra.len().saturating_sub(fields.rest().len());
            let broken = || ArchiveError::ExtraField { member: member(), header, offset };
            let id = fields.u16().ok_or_else(broken)?;
            let length = fields.u16().ok_or_else(broken)?;
            let block = fields.bytes(usize::from(length)).ok_or_else(broken)?;
            let slot = match id {
                ZIP64 => &mut found.zip64,
                UNICODE_PATH if block.len() < UNICODE_PATH_HEAD => return Err(broken()),
                UNICODE_PATH => &mut found.unicode_path,
                UNIX if block.len() > UNIX_HEAD => {
                    return Err(ArchiveError::Link { member: member(), header, id });
                }
                ASI_UNIX => match asi_mode(block).filter(|mode| is_special(*mode)) {
                    Some(mode) => return Err(ArchiveError::SpecialFile { member: member(), mode }),
                    None => continue,
                },
                _ => continue,
            };
            if slot.replace(block).is_some() {
                return Err(ArchiveError::DuplicateExtra { member: member(), header, id });
            }
        }
        // Writers that align data pad the field, with zeros or ones, by less than a block's header.
        let is_padding = |&byte: &u8| byte == 0 || byte == u8::MAX;
        if fields.rest().iter().all(is_padding) {
            return Ok(found);
        }
        let offset = extra.len().saturating_sub(fields.rest().len());
        Err(ArchiveError::ExtraField { member: member(), header, offset })
    }

    /// Puts the ZIP64 values in the place of sentinels.
    ///
    /// The field holds either exactly the values that are sentinels (APPNOTE 4.5.3), or, as several writers do,
    /// all values in order, sentinel or not; then a value that is there twice must be the same, and who takes only the
    /// sentinels' values, from the field's beginning, must take the same. A local header has no offset and no disk, so
    /// its field has none either: nothing could be held against them.
    pub(super) fn widen(&self, narrow: &Narrow, member: &str) -> Result<Wide, ArchiveError> {
        let mut slots = [Some(narrow.size), Some(narrow.compressed_size), narrow.offset].map(Slot::of);
        let disk_is_sentinel = narrow.disk == Some(SENTINEL_16);
        let sentinels = slots.iter().filter(|slot| slot.is_sentinel).count();
        let expected = sentinels.saturating_mul(8).saturating_add(if disk_is_sentinel { 4 } else { 0 });
        let found = self.zip64.unwrap_or_default();
        let wrong_length = || ArchiveError::Zip64Extra {
            member: shown(member),
            header: self.header,
            expected,
            found: found.len(),
        };

        let mut fields = Fields::new(found);
        let exact = found.len() == expected;
        for slot in slots.iter_mut().filter(|slot| !slot.is_absent && (!exact || slot.is_sentinel)) {
            match fields.u64() {
                Some(zip64) => self.fill(slot, zip64, member)?,
                None if slot.is_sentinel => return Err(wrong_length()),
                None => break,
            }
        }
        let disk = match narrow.disk {
            Some(SENTINEL_16) => fields.u32().ok_or_else(wrong_length)?,
            Some(own) => {
                let own = u32::from(own);
                if let Some(zip64) = fields.u32().filter(|&zip64| zip64 != own) {
                    return Err(self.disagrees(u64::from(zip64), u64::from(own), member));
                }
                own
            }
            None => 0,
        };
        if !fields.rest().is_empty() {
            return Err(wrong_length());
        }
        let mut alone = Fields::new(found);
        for slot in slots.iter().filter(|slot| slot.is_sentinel) {
            let taken = alone.u64().ok_or_else(wrong_length)?;
            if taken != slot.value {
                return Err(self.disagrees(taken, slot.value, member));
            }
        }
        if disk_is_sentinel && alone.u32() != Some(disk) {
            return Err(wrong_length());
        }
        let [size, compressed_size, offset] = slots.map(|slot| slot.value);
        Ok(Wide { size, compressed_size, offset, disk })
    }

    fn fill(&self, slot: &mut Slot, zip64: u64, member: &str) -> Result<(), ArchiveError> {
        if !slot.is_sentinel && slot.value != zip64 {
            return Err(self.disagrees(zip64, slot.value, member));
        }
        slot.value = zip64;
        Ok(())
    }

    fn disagrees(&self, zip64: u64, own: u64, member: &str) -> ArchiveError {
        ArchiveError::Zip64ExtraDisagrees { member: shown(member), header: self.header, zip64, own }
    }

    /// The Unicode path, if it was written for this raw name, whose CRC-32 it has (APPNOTE 4.6.9). One with another
    /// CRC-32 is stale, since somebody has renamed the member who does not know of it; one of another version is not
    /// known; and an empty one says nothing.
    pub(super) fn unicode_path(&self, raw: &[u8]) -> Option<&'a [u8]> {
        let mut fields = Fields::new(self.unicode_path?);
        let is_known = fields.bytes(1)? == [1];
        let is_current = fields.u32()? == crc32fast::hash(raw);
        Some(fields.rest()).filter(|path| is_known && is_current && !path.is_empty())
    }
}

/// The mode in the Unix field of ASI, behind its CRC-32.
fn asi_mode(block: &[u8]) -> Option<u32> {
    let mut fields = Fields::new(block);
    let _crc32 = fields.u32()?;
    fields.u16().map(u32::from)
}

/// Whether a mode is that of a link, a device or a socket.
fn is_special(mode: u32) -> bool {
    const KIND: u32 = 0o170_000;
    const FIFO: u32 = 0o010_000;
    const DIRECTORY: u32 = 0o040_000;
    const REGULAR: u32 = 0o100_000;
    !matches!(mode & KIND, 0 | FIFO | DIRECTORY | REGULAR)
}

/// One value that a header and its ZIP64 field share.
struct Slot {
    value: u64,
    is_sentinel: bool,
    is_absent: bool,
}

impl Slot {
    fn of(own: Option<u32>) -> Self {
        Self {
            value: u64::from(own.unwrap_or_default()),
            is_sentinel: own == Some(SENTINEL_32),
            is_absent: own.is_none(),
        }
    }
}
