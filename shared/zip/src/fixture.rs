//! Archives built byte by byte, so that a test can break exactly one of them.

use std::io::Write;

/// An archive; every field may be bent before [`Archive::build`].
#[derive(Clone, Default)]
pub(super) struct Archive {
    pub(super) prefix: Vec<u8>,
    pub(super) entries: Vec<Entry>,
    /// Between the last member and the directory.
    pub(super) gap: Vec<u8>,
    /// Between the directory and the end records.
    pub(super) directory_gap: Vec<u8>,
    pub(super) zip64: Option<Zip64End>,
    pub(super) end: EndOverride,
    pub(super) comment: Vec<u8>,
    pub(super) trailing: Vec<u8>,
}

/// Values of the end record that differ from the truth.
#[derive(Clone, Default)]
pub(super) struct EndOverride {
    pub(super) disk: u16,
    pub(super) entries: Option<u16>,
    pub(super) disk_entries: Option<u16>,
    pub(super) directory_size: Option<u32>,
    pub(super) directory_offset: Option<u32>,
    pub(super) comment_length: Option<u16>,
}

/// Values of the ZIP64 records that differ from the truth.
#[derive(Clone, Default)]
pub(super) struct Zip64End {
    pub(super) entries: Option<u64>,
    pub(super) directory_offset: Option<u64>,
    pub(super) extensible: Vec<u8>,
    pub(super) locator_offset: Option<u64>,
    pub(super) disks: Option<u32>,
}

/// One member: both of its headers, and the bytes between.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) local: Header,
    pub(super) data: Vec<u8>,
    pub(super) descriptor: Vec<u8>,
    /// Behind the member.
    pub(super) gap: Vec<u8>,
    pub(super) central: Header,
    pub(super) made_by: u16,
    pub(super) external_attributes: u32,
    pub(super) disk: u16,
    /// Where the directory says that the member is.
    pub(super) offset: Option<u32>,
    pub(super) is_listed: bool,
}

/// What both headers have.
#[derive(Clone)]
pub(super) struct Header {
    pub(super) flags: u16,
    pub(super) method: u16,
    pub(super) crc32: u32,
    pub(super) compressed_size: u32,
    pub(super) size: u32,
    pub(super) name: Vec<u8>,
    pub(super) extra: Vec<u8>,
}

/// Text that deflate makes smaller.
pub(super) const TEXT: &[u8] = b"id,name\n1,one one one one one\n2,two two two two two\n";

impl Entry {
    pub(super) fn stored(name: &[u8], data: &[u8]) -> Self {
        Self::new(name, 0, data, data.to_vec())
    }

    pub(super) fn deflated(name: &[u8], data: &[u8]) -> Self {
        Self::new(name, 8, data, deflate(data))
    }

    /// Deflated, with zeros in the local header and a descriptor with signature behind the data.
    pub(super) fn streamed(name: &[u8], data: &[u8]) -> Self {
        let mut entry = Self::deflated(name, data);
        for header in [&mut entry.local, &mut entry.central] {
            header.flags |= 8;
        }
        entry.local.crc32 = 0;
        entry.local.compressed_size = 0;
        entry.local.size = 0;
        entry.descriptor = entry.descriptor_32(b"PK\x07\x08");
        entry
    }

    /// Compressed by a method, by somebody else.
    pub(super) fn new(name: &[u8], method: u16, data: &[u8], compressed: Vec<u8>) -> Self {
        let header = Header {
            flags: 0,
            method,
            crc32: crc32fast::hash(data),
            compressed_size: u32::try_from(compressed.len()).unwrap(),
            size: u32::try_from(data.len()).unwrap(),
            name: name.to_vec(),
            extra: Vec::new(),
        };
        Self {
            local: header.clone(),
            data: compressed,
            descriptor: Vec::new(),
            gap: Vec::new(),
            central: header,
            made_by: 0x0314,
            external_attributes: 0o100_644 << 16,
            disk: 0,
            offset: None,
            is_listed: true,
        }
    }

    /// Bends both headers alike.
    pub(super) fn both(mut self, bend: impl Fn(&mut Header)) -> Self {
        bend(&mut self.local);
        bend(&mut self.central);
        self
    }

    pub(super) fn descriptor_32(&self, signature: &[u8]) -> Vec<u8> {
        let header = &self.central;
        let fields = [header.crc32, header.compressed_size, header.size];
        [signature, &fields.map(u32::to_le_bytes).concat()].concat()
    }

    pub(super) fn descriptor_64(&self, signature: &[u8]) -> Vec<u8> {
        let header = &self.central;
        let sizes = [header.compressed_size, header.size].map(|size| u64::from(size).to_le_bytes());
        [signature, &header.crc32.to_le_bytes(), &sizes.concat()].concat()
    }
}

impl Archive {
    pub(super) fn of(entries: impl IntoIterator<Item = Entry>) -> Self {
        Self { entries: entries.into_iter().collect(), ..Self::default() }
    }

    pub(super) fn build(&self) -> Vec<u8> {
        let mut bytes = self.prefix.clone();
        let mut directory = Vec::new();
        for entry in &self.entries {
            let offset = entry.offset.unwrap_or_else(|| u32::try_from(bytes.len()).unwrap());
            if entry.is_listed {
                put_central(&mut directory, entry, offset);
            }
            put_local(&mut bytes, &entry.local);
            for part in [&entry.data, &entry.descriptor, &entry.gap] {
                bytes.extend_from_slice(part);
            }
        }
        bytes.extend_from_slice(&self.gap);
        let directory_offset = bytes.len();
        bytes.extend_from_slice(&directory);
        bytes.extend_from_slice(&self.directory_gap);
        let listed = self.entries.iter().filter(|entry| entry.is_listed).count();
        if let Some(zip64) = &self.zip64 {
            put_zip64_end(&mut bytes, zip64, listed, directory.len(), directory_offset);
        }
        self.put_end(&mut bytes, listed, directory.len(), directory_offset);
        bytes.extend_from_slice(&self.trailing);
        bytes
    }

    fn put_end(&self, bytes: &mut Vec<u8>, entries: usize, directory_size: usize, directory_offset: usize) {
        let end = &self.end;
        let entries = end.entries.unwrap_or_else(|| u16::try_from(entries).unwrap());
        bytes.extend_from_slice(b"PK\x05\x06");
        for field in [end.disk, end.disk, end.disk_entries.unwrap_or(entries), entries] {
            bytes.extend_from_slice(&field.to_le_bytes());
        }
        let size = end.directory_size.unwrap_or_else(|| u32::try_from(directory_size).unwrap());
        let offset = end.directory_offset.unwrap_or_else(|| u32::try_from(directory_offset).unwrap());
        bytes.extend_from_slice(&size.to_le_bytes());
        bytes.extend_from_slice(&offset.to_le_bytes());
        let length = end.comment_length.unwrap_or_else(|| u16::try_from(self.comment.len()).unwrap());
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&self.comment);
    }
}

fn put_local(bytes: &mut Vec<u8>, header: &Header) {
    bytes.extend_from_slice(b"PK\x03\x04");
    bytes.extend_from_slice(&20_u16.to_le_bytes());
    put_shared(bytes, header);
    bytes.extend_from_slice(&header.name);
    bytes.extend_from_slice(&header.extra);
}

fn put_central(bytes: &mut Vec<u8>, entry: &Entry, offset: u32) {
    bytes.extend_from_slice(b"PK\x01\x02");
    bytes.extend_from_slice(&entry.made_by.to_le_bytes());
    bytes.extend_from_slice(&20_u16.to_le_bytes());
    put_shared(bytes, &entry.central);
    for field in [0, entry.disk, 0] {
        bytes.extend_from_slice(&field.to_le_bytes());
    }
    bytes.extend_from_slice(&entry.external_attributes.to_le_bytes());
    bytes.extend_from_slice(&offset.to_le_bytes());
    bytes.extend_from_slice(&entry.central.name);
    bytes.extend_from_slice(&entry.central.extra);
}

fn put_shared(bytes: &mut Vec<u8>, header: &Header) {
    for field in [header.flags, header.method] {
        bytes.extend_from_slice(&field.to_le_bytes());
    }
    bytes.extend_from_slice(&[0, 0, 0x21, 0]);
    for field in [header.crc32, header.compressed_size, header.size] {
        bytes.extend_from_slice(&field.to_le_bytes());
    }
    for length in [header.name.len(), header.extra.len()] {
        bytes.extend_from_slice(&u16::try_from(length).unwrap().to_le_bytes());
    }
}

fn put_zip64_end(
    bytes: &mut Vec<u8>,
    zip64: &Zip64End,
    entries: usize,
    directory_size: usize,
    directory_offset: usize,
) {
    let offset = u64::try_from(bytes.len()).unwrap();
    let entries = zip64.entries.unwrap_or_else(|| u64::try_from(entries).unwrap());
    bytes.extend_from_slice(b"PK\x06\x06");
    bytes.extend_from_slice(&(44 + u64::try_from(zip64.extensible.len()).unwrap()).to_le_bytes());
    bytes.extend_from_slice(&[45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let size = u64::try_from(directory_size).unwrap();
    let start = zip64.directory_offset.unwrap_or_else(|| u64::try_from(directory_offset).unwrap());
    for field in [entries, entries, size, start] {
        bytes.extend_from_slice(&field.to_le_bytes());
    }
    bytes.extend_from_slice(&zip64.extensible);
    bytes.extend_from_slice(b"PK\x06\x07\0\0\0\0");
    bytes.extend_from_slice(&zip64.locator_offset.unwrap_or(offset).to_le_bytes());
    bytes.extend_from_slice(&zip64.disks.unwrap_or(1).to_le_bytes());
}

pub(super) fn deflate(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

/// An extra field of one block.
pub(super) fn block(id: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap();
    [&id.to_le_bytes()[..], &length.to_le_bytes(), payload].concat()
}

/// The ZIP64 block with these values.
pub(super) fn zip64_block(values: &[u64]) -> Vec<u8> {
    block(1, &values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>())
}

/// The Unicode path block that belongs to `raw`.
pub(super) fn unicode_path_block(raw: &[u8], path: &str) -> Vec<u8> {
    block(0x7075, &[&[1][..], &crc32fast::hash(raw).to_le_bytes(), path.as_bytes()].concat())
}
