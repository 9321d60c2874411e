//! The local header in front of a member's data, held against the directory's.

use super::central::Entry;
use super::error::{ArchiveError, Header, shown};
use super::extra::{Extra, Narrow};
use super::wire::{Fields, LOCAL_HEADER};

/// Bytes of a local header without its name and extra field (APPNOTE 4.3.7).
pub(super) const LOCAL_HEADER_BYTES: u64 = 30;

/// Bits 1 and 2 say how hard the writer tried to compress. Info-ZIP sets them only in the central header when it
/// writes to a pipe, and no reader needs them.
const EFFORT: u16 = 0b110;

/// A local header's fields of fixed length.
pub(super) struct LocalHeader {
    flags: u16,
    method: u16,
    crc32: u32,
    compressed_size: u32,
    size: u32,
    name_length: u16,
    extra_length: u16,
}

impl LocalHeader {
    /// Parses the first [`LOCAL_HEADER_BYTES`] bytes at the entry's offset.
    pub(super) fn parse(bytes: &[u8], entry: &Entry) -> Result<Self, ArchiveError> {
        let mut fields = Fields::new(bytes);
        match fields.signature() {
            Some(LOCAL_HEADER) => {}
            found => return Err(missing(entry, found)),
        }
        Self::parse_fields(fields).ok_or_else(|| missing(entry, Some(LOCAL_HEADER)))
    }

    fn parse_fields(mut fields: Fields<'_>) -> Option<Self> {
        let _version_needed = fields.u16()?;
        let flags = fields.u16()?;
        let method = fields.u16()?;
        let _time_and_date = fields.u32()?;
        Some(Self {
            flags,
            method,
            crc32: fields.u32()?,
            compressed_size: fields.u32()?,
            size: fields.u32()?,
            name_length: fields.u16()?,
            extra_length: fields.u16()?,
        })
    }

    /// Bytes of the whole header: the data follows them.
    pub(super) fn length(&self) -> u64 {
        LOCAL_HEADER_BYTES
            .saturating_add(u64::from(self.name_length))
            .saturating_add(u64::from(self.extra_length))
    }

    /// Checks that this header says what the directory says; `variable` is its name and its extra field.
    pub(super) fn check(&self, variable: &[u8], entry: &Entry) -> Result<(), ArchiveError> {
        let name = variable.get(..usize::from(self.name_length)).unwrap_or_default();
        let extra = variable.get(usize::from(self.name_length)..).unwrap_or_default();
        self.check_flags_and_method(entry)?;
        check_name(name, entry)?;
        let extra = Extra::parse(extra, Header::Local, name)?;
        check_unicode_path(extra.unicode_path(name), entry)?;
        self.check_sums(&extra, entry)
    }

    fn check_flags_and_method(&self, entry: &Entry) -> Result<(), ArchiveError> {
        let member = || shown(entry.member.name());
        if (self.flags ^ entry.flags) & !EFFORT != 0 {
            return Err(ArchiveError::LocalFlags {
                member: member(),
                central: entry.flags,
                local: self.flags,
            });
        }
        let central = entry.member.method.number();
        if self.method != central {
            return Err(ArchiveError::LocalMethod { member: member(), central, local: self.method });
        }
        Ok(())
    }

    /// Checks the CRC-32 and the sizes; where a descriptor follows the data, each may be left 0 here.
    fn check_sums(&self, extra: &Extra<'_>, entry: &Entry) -> Result<(), ArchiveError> {
        let member = &entry.member;
        let narrow =
            Narrow { size: self.size, compressed_size: self.compressed_size, offset: None, disk: None };
        let wide = extra.widen(&narrow, member.name())?;
        let agrees =
            |local: u64, central: u64| local == central || (member.has_data_descriptor && local == 0);
        let shown = || shown(member.name());
        if !agrees(u64::from(self.crc32), u64::from(member.crc32)) {
            return Err(ArchiveError::LocalCrc { member: shown(), central: member.crc32, local: self.crc32 });
        }
        if !agrees(wide.compressed_size, member.compressed_size) {
            return Err(ArchiveError::LocalCompressedSize {
                member: shown(),
                central: member.compressed_size,
                local: wide.compressed_size,
            });
        }
        if !agrees(wide.size, member.size) {
            return Err(ArchiveError::LocalSize { member: shown(), central: member.size, local: wide.size });
        }
        Ok(())
    }
}

fn check_name(name: &[u8], entry: &Entry) -> Result<(), ArchiveError> {
    if entry.raw_name() == name {
        return Ok(());
    }
    Err(ArchiveError::LocalName {
        member: shown(entry.member.name()),
        local: shown(&String::from_utf8_lossy(name)),
    })
}

/// Checks that who reads local headers alone does not find another name. They may lack the field: the directory
/// decides.
fn check_unicode_path(path: Option<&[u8]>, entry: &Entry) -> Result<(), ArchiveError> {
    match path {
        Some(path) if !entry.member.name.is_path(path, entry.host) => Err(ArchiveError::UnicodePath {
            member: shown(entry.member.name()),
            header: Header::Local,
            found: shown(&String::from_utf8_lossy(path)),
        }),
        _ => Ok(()),
    }
}

fn missing(entry: &Entry, found: Option<[u8; 4]>) -> ArchiveError {
    ArchiveError::LocalSignature {
        member: shown(entry.member.name()),
        offset: entry.member.header_offset,
        found: found.unwrap_or_default(),
    }
}
