//! The central directory, header by header, from windows of any size.

use super::encoding::NameEncoding;
use super::error::{ArchiveError, Header, shown};
use super::extra::{Extra, Narrow, Wide};
use super::host::Host;
use super::limits::Limits;
use super::member::{Member, Method};
use super::name::{MemberName, RawName};
use super::wire::{CENTRAL_HEADER, Fields};

/// Bit 0: encrypted. Bit 6: strongly. Bit 13: the local header is masked as well (APPNOTE 4.4.4).
const ENCRYPTED: u16 = 1 | 1 << 6 | 1 << 13;
/// Bit 3: checksum and sizes follow the data.
pub(super) const HAS_DESCRIPTOR: u16 = 1 << 3;
/// Bit 5: the data is a patch.
const PATCH: u16 = 1 << 5;
/// Bit 11: the name is UTF-8.
pub(super) const UTF8: u16 = 1 << 11;

/// What a deflated folder may weigh: an empty stream has 2 bytes, with the flushes that some writers add 10.
const EMPTY_STREAM_BYTES: u64 = 16;

/// A member as the directory has it, and what its local header is read with.
pub(super) struct Entry {
    pub(super) member: Member,
    pub(super) flags: u16,
    pub(super) host: Host,
    /// The name as the archive has it, where its bytes are not those of the member's.
    raw_name: Option<Box<[u8]>>,
    /// Bytes of the central extra field: the local one is about as long.
    pub(super) extra_length: u16,
}

impl Entry {
    /// The name as the archive has it.
    pub(super) fn raw_name(&self) -> &[u8] {
        self.raw_name.as_deref().unwrap_or(self.member.name().as_bytes())
    }
}

/// Reads central headers as their bytes come.
pub(super) struct CentralParser<'a> {
    limits: &'a Limits,
    names: NameEncoding,
    expected: u64,
    entries: Vec<Entry>,
    /// The start of a header whose end has not come yet: less than 200 KiB.
    carry: Vec<u8>,
    offset: u64,
}

impl<'a> CentralParser<'a> {
    /// A parser for as many headers as the end record counts, if the limits allow that many.
    pub(super) fn new(
        expected: u64,
        size: u64,
        limits: &'a Limits,
        names: NameEncoding,
    ) -> Result<Self, ArchiveError> {
        if expected > u64::from(limits.entries) {
            return Err(ArchiveError::TooManyEntries { found: expected, limit: u64::from(limits.entries) });
        }
        if size > limits.directory_bytes {
            return Err(ArchiveError::DirectoryTooLarge { size, limit: limits.directory_bytes });
        }
        Ok(Self { limits, names, expected, entries: Vec::new(), carry: Vec::new(), offset: 0 })
    }

    /// Takes the next bytes of the directory.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), ArchiveError> {
        let mut carry = std::mem::take(&mut self.carry);
        carry.extend_from_slice(bytes);
        let mut rest = carry.as_slice();
        while let Some((entry, after)) = self.parse_entry(rest)? {
            let used = rest.len().saturating_sub(after.len());
            self.offset = self.offset.saturating_add(u64::try_from(used).unwrap_or(u64::MAX));
            self.entries.push(entry);
            rest = after;
        }
        self.carry = rest.to_vec();
        Ok(())
    }

    /// The entries, once all bytes of the directory have come.
    pub(super) fn finish(self) -> Result<Vec<Entry>, ArchiveError> {
        if !self.carry.is_empty() {
            return Err(ArchiveError::TruncatedCentral { offset: self.offset });
        }
        let found = count(&self.entries);
        if found != self.expected {
            return Err(ArchiveError::EntryCount { expected: self.expected, found });
        }
        Ok(self.entries)
    }

    /// The header at the front of `bytes` and what follows it, or none if it is not there yet as a whole.
    fn parse_entry<'b>(&self, bytes: &'b [u8]) -> Result<Option<(Entry, &'b [u8])>, ArchiveError> {
        let mut fields = Fields::new(bytes);
        let Some(signature) = fields.signature() else { return Ok(None) };
        if signature != CENTRAL_HEADER {
            return Err(ArchiveError::CentralSignature { offset: self.offset, found: signature });
        }
        let found = count(&self.entries).saturating_add(1);
        if found > self.expected {
            return Err(ArchiveError::EntryCount { expected: self.expected, found });
        }
        let Some((record, rest)) = CentralHeader::parse(fields) else { return Ok(None) };
        let index = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        Ok(Some((record.into_entry(index, self.limits, self.names)?, rest)))
    }
}

fn count(entries: &[Entry]) -> u64 {
    u64::try_from(entries.len()).unwrap_or(u64::MAX)
}

/// A central header behind its signature (APPNOTE 4.3.12).
pub(super) struct CentralHeader<'a> {
    host: Host,
    flags: u16,
    pub(super) method: u16,
    crc32: u32,
    narrow: Narrow,
    external_attributes: u32,
    pub(super) name: &'a [u8],
    extra: &'a [u8],
}

impl<'a> CentralHeader<'a> {
    /// The header at the front of `bytes` and what follows it, if it is there as a whole.
    pub(super) fn at_front(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let mut fields = Fields::new(bytes);
        (fields.signature()? == CENTRAL_HEADER).then(|| Self::parse(fields))?
    }

    /// Where it says that its local header is, ZIP64 left aside.
    pub(super) fn offset(&self) -> u64 {
        u64::from(self.narrow.offset.unwrap_or(u32::MAX))
    }

    fn parse(mut fields: Fields<'a>) -> Option<(Self, &'a [u8])> {
        let host = Host::of(fields.u16()?);
        let _version_needed = fields.u16()?;
        let flags = fields.u16()?;
        let method = fields.u16()?;
        let _time_and_date = fields.u32()?;
        let crc32 = fields.u32()?;
        let compressed_size = fields.u32()?;
        let size = fields.u32()?;
        let name_length = usize::from(fields.u16()?);
        let extra_length = usize::from(fields.u16()?);
        let comment_length = usize::from(fields.u16()?);
        let disk = fields.u16()?;
        let _internal_attributes = fields.u16()?;
        let external_attributes = fields.u32()?;
        let offset = fields.u32()?;
        let name = fields.bytes(name_length)?;
        let extra = fields.bytes(extra_length)?;
        fields.bytes(comment_length)?;
        let narrow = Narrow { size, compressed_size, offset: Some(offset), disk: Some(disk) };
        let header = Self { host, flags, method, crc32, narrow, external_attributes, name, extra };
        Some((header, fields.rest()))
    }

    fn into_entry(self, index: u32, limits: &Limits, names: NameEncoding) -> Result<Entry, ArchiveError> {
        let extra = Extra::parse(self.extra, Header::Central, self.name)?;
        let name = MemberName::read(self.raw_name(&extra)?, names, limits.name_bytes)?;
        let wide = extra.widen(&self.narrow, name.as_str())?;
        self.check_kind(&name)?;
        let method = Method::from_number(self.method, name.as_str())?;
        check_sizes(&name, method, &wide)?;
        let raw_name = (name.as_str().as_bytes() != self.name).then(|| self.name.into());
        limits.check_member(name.as_str(), wide.size, wide.compressed_size)?;
        let member = Member {
            name,
            index,
            crc32: self.crc32,
            compressed_size: wide.compressed_size,
            size: wide.size,
            header_offset: wide.offset,
            data_offset: 0,
            method,
            has_data_descriptor: self.flags & HAS_DESCRIPTOR != 0,
        };
        Ok(Entry {
            member,
            flags: self.flags,
            host: self.host,
            raw_name,
            extra_length: u16::try_from(self.extra.len()).unwrap_or(u16::MAX),
        })
    }

    /// The name, and what says how it is to be read. Of a name that is UTF-8 already some readers do not look at its
    /// Unicode path, so another one there is read in two ways.
    fn raw_name(&self, extra: &Extra<'a>) -> Result<RawName<'a>, ArchiveError> {
        let is_utf8 = self.flags & UTF8 != 0;
        let unicode_path = extra.unicode_path(self.name);
        match unicode_path {
            Some(path) if is_utf8 && path != self.name => Err(ArchiveError::UnicodePath {
                member: shown(&String::from_utf8_lossy(self.name)),
                header: Header::Central,
                found: shown(&String::from_utf8_lossy(path)),
            }),
            _ => Ok(RawName { bytes: self.name, is_utf8, host: self.host, unicode_path }),
        }
    }

    fn check_kind(&self, name: &MemberName) -> Result<(), ArchiveError> {
        let member = || shown(name.as_str());
        if self.flags & ENCRYPTED != 0 {
            return Err(ArchiveError::Encrypted { member: member() });
        }
        if self.flags & PATCH != 0 {
            return Err(ArchiveError::PatchData { member: member() });
        }
        match self.unix_mode() {
            Some(mode) if !is_plain(mode, name.is_directory()) => {
                Err(ArchiveError::SpecialFile { member: member(), mode })
            }
            _ if self.is_dos_directory() && !name.is_directory() => {
                Err(ArchiveError::DirectoryWithoutSlash { member: member() })
            }
            _ => Ok(()),
        }
    }

    /// The mode that the upper half of the external attributes holds, if the writer is one that puts it there.
    fn unix_mode(&self) -> Option<u32> {
        self.host.has_unix_mode().then_some(self.external_attributes >> 16)
    }

    /// Whether the lower half of the external attributes, which are those of DOS where the writer is on DOS or Windows,
    /// says that this is a directory. Writers elsewhere leave anything there.
    fn is_dos_directory(&self) -> bool {
        const DIRECTORY: u32 = 0x10;
        self.host.is_windows() && self.external_attributes & DIRECTORY != 0
    }
}

/// Whether a mode is that of a file, or of a folder where the name says so.
///
/// A FIFO's is what Info-ZIP writes for data that it read from a pipe; the member is the data.
fn is_plain(mode: u32, is_directory: bool) -> bool {
    const KIND: u32 = 0o170_000;
    const FIFO: u32 = 0o010_000;
    const DIRECTORY: u32 = 0o040_000;
    const REGULAR: u32 = 0o100_000;
    match mode & KIND {
        0 | REGULAR => true,
        DIRECTORY => is_directory,
        FIFO => !is_directory,
        _ => false,
    }
}

fn check_sizes(name: &MemberName, method: Method, wide: &Wide) -> Result<(), ArchiveError> {
    let member = || shown(name.as_str());
    if wide.disk != 0 {
        return Err(ArchiveError::MemberOnOtherDisk { member: member(), disk: wide.disk });
    }
    if method == Method::Stored && wide.size != wide.compressed_size {
        return Err(ArchiveError::StoredSize {
            member: member(),
            compressed: wide.compressed_size,
            size: wide.size,
        });
    }
    if name.is_directory() && (wide.size != 0 || wide.compressed_size > EMPTY_STREAM_BYTES) {
        return Err(ArchiveError::FolderWithData {
            member: member(),
            size: wide.size,
            compressed: wide.compressed_size,
        });
    }
    Ok(())
}
