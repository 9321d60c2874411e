//! A writer of ZIP archives that decides about every byte, for the layouts that no library lets one choose,
//! and for the archives that no library would write.
//!
//! Section numbers are those of PKWARE's APPNOTE.TXT 6.3.10.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crc32fast::Hasher;
use flate2::Compression;
use flate2::write::DeflateEncoder;

const LOCAL_SIGNATURE: u32 = 0x0403_4b50;
const CENTRAL_SIGNATURE: u32 = 0x0201_4b50;
const DESCRIPTOR_SIGNATURE: u32 = 0x0807_4b50;
const ZIP64_END_SIGNATURE: u32 = 0x0606_4b50;
const ZIP64_LOCATOR_SIGNATURE: u32 = 0x0706_4b50;
const END_SIGNATURE: u32 = 0x0605_4b50;
const ZIP64_EXTRA: u16 = 0x0001;
/// 21 November 2026, 06:00, as MS-DOS has it.
const MODIFIED: (u16, u16) = (6 << 11, (46 << 9) | (11 << 5) | 21);
const ENCRYPTED: u16 = 1;
const HAS_DESCRIPTOR: u16 = 1 << 3;
const UTF8_NAME: u16 = 1 << 11;
const MADE_BY_UNIX: u16 = 3 << 8;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Stored,
    Deflated,
}

/// Where a member's CRC and sizes are, besides the central directory.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// In the local header.
    Header,
    /// In the local header's ZIP64 extra field (4.5.3).
    Zip64Header,
    /// In a data descriptor after the data (4.3.9), with or without its signature.
    Descriptor { signature: bool },
}

/// What is wrong with a member on purpose.
#[derive(Clone, Copy, Default)]
pub(crate) struct Quirks {
    pub(crate) encrypted: bool,
    pub(crate) wrong_crc: bool,
    /// The file type and permissions of a Unix writer.
    pub(crate) unix_mode: Option<u32>,
    /// Declared instead of the real size.
    pub(crate) declared_size: Option<u64>,
}

pub(crate) struct Entry<'a> {
    pub(crate) name: &'a str,
    pub(crate) method: Method,
    pub(crate) layout: Layout,
    pub(crate) quirks: Quirks,
}

struct Written {
    name: Vec<u8>,
    flags: u16,
    method: Method,
    layout: Layout,
    unix_mode: Option<u32>,
    crc: u32,
    compressed: u64,
    size: u64,
    header_at: u64,
}

pub(crate) struct ZipWriter<W: Write + Seek> {
    out: W,
    entries: Vec<Written>,
}

impl<W: Write + Seek> ZipWriter<W> {
    pub(crate) fn new(out: W) -> Self {
        Self { out, entries: Vec::new() }
    }

    pub(crate) fn add(&mut self, entry: &Entry<'_>, data: &mut dyn Read) -> io::Result<()> {
        let mut written = Written {
            name: entry.name.as_bytes().to_vec(),
            flags: flags_of(entry),
            method: entry.method,
            layout: entry.layout,
            unix_mode: entry.quirks.unix_mode,
            crc: 0,
            compressed: 0,
            size: 0,
            header_at: self.out.stream_position()?,
        };
        self.out.write_all(&local_header(&written)?)?;
        let data_at = self.out.stream_position()?;
        let (crc, size) = self.write_data(entry.method, data)?;
        let end = self.out.stream_position()?;
        written.crc = if entry.quirks.wrong_crc { !crc } else { crc };
        written.size = entry.quirks.declared_size.unwrap_or(size);
        written.compressed = end - data_at;
        if let Layout::Descriptor { signature } = entry.layout {
            self.out.write_all(&descriptor(&written, signature))?;
        } else {
            self.out.seek(SeekFrom::Start(written.header_at))?;
            self.out.write_all(&local_header(&written)?)?;
            self.out.seek(SeekFrom::Start(end))?;
        }
        self.entries.push(written);
        Ok(())
    }

    /// A second name in the central directory for the bytes of the last member.
    pub(crate) fn add_overlapping(&mut self, name: &str) {
        if let Some(last) = self.entries.last() {
            let twin = Written { name: name.as_bytes().to_vec(), ..*last };
            self.entries.push(twin);
        }
    }

    fn write_data(&mut self, method: Method, data: &mut dyn Read) -> io::Result<(u32, u64)> {
        let mut hashed = Hashed { inner: data, hasher: Hasher::new(), size: 0 };
        match method {
            Method::Stored => {
                io::copy(&mut hashed, &mut self.out)?;
            }
            Method::Deflated => {
                let mut encoder = DeflateEncoder::new(&mut self.out, Compression::default());
                io::copy(&mut hashed, &mut encoder)?;
                encoder.finish()?;
            }
        }
        Ok((hashed.hasher.finalize(), hashed.size))
    }

    pub(crate) fn finish(mut self) -> io::Result<W> {
        let start = self.out.stream_position()?;
        for entry in &self.entries {
            self.out.write_all(&central_header(entry)?)?;
        }
        let size = self.out.stream_position()? - start;
        let count = u64::try_from(self.entries.len()).map_err(io::Error::other)?;
        let zip64 = self.entries.iter().any(|entry| entry.layout == Layout::Zip64Header)
            || count >= u64::from(u16::MAX)
            || start >= u64::from(u32::MAX);
        if zip64 {
            self.out.write_all(&zip64_end(count, size, start))?;
        }
        self.out.write_all(&end(count, size, start))?;
        self.out.flush()?;
        Ok(self.out)
    }
}

struct Hashed<'a> {
    inner: &'a mut dyn Read,
    hasher: Hasher,
    size: u64,
}

impl Read for Hashed<'_> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(target)?;
        self.hasher.update(target.get(..count).unwrap_or_default());
        self.size = self.size.saturating_add(u64::try_from(count).map_err(io::Error::other)?);
        Ok(count)
    }
}

fn flags_of(entry: &Entry<'_>) -> u16 {
    let mut flags = 0;
    if entry.quirks.encrypted {
        flags |= ENCRYPTED;
    }
    if matches!(entry.layout, Layout::Descriptor { .. }) {
        flags |= HAS_DESCRIPTOR;
    }
    if !entry.name.is_ascii() {
        flags |= UTF8_NAME;
    }
    flags
}

fn method_number(method: Method) -> u16 {
    match method {
        Method::Stored => 0,
        Method::Deflated => 8,
    }
}

fn version_needed(entry: &Written) -> u16 {
    if entry.layout == Layout::Zip64Header { 45 } else { 20 }
}

/// A value where 32 bits hold it, else the sentinel that points to the ZIP64 field (4.4.8).
fn narrow(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// 4.3.7. With a descriptor CRC and sizes are zero here; with ZIP64 the sizes are in the extra field.
fn local_header(entry: &Written) -> io::Result<Vec<u8>> {
    let (crc, compressed, size) = match entry.layout {
        Layout::Header => (entry.crc, narrow(entry.compressed), narrow(entry.size)),
        Layout::Zip64Header => (entry.crc, u32::MAX, u32::MAX),
        Layout::Descriptor { .. } => (0, 0, 0),
    };
    let mut extra = Vec::new();
    if entry.layout == Layout::Zip64Header {
        put_zip64_extra(&mut extra, &[entry.size, entry.compressed])?;
    }
    let mut header = Vec::with_capacity(30 + entry.name.len() + extra.len());
    put32(&mut header, LOCAL_SIGNATURE);
    put16(&mut header, version_needed(entry));
    put_common(&mut header, entry, crc, compressed, size)?;
    put16(&mut header, u16::try_from(extra.len()).map_err(io::Error::other)?);
    header.extend_from_slice(&entry.name);
    header.extend_from_slice(&extra);
    Ok(header)
}

/// 4.3.9. Sizes have eight bytes where four do not hold them, as Java writes it.
fn descriptor(entry: &Written, signature: bool) -> Vec<u8> {
    let mut descriptor = Vec::with_capacity(24);
    if signature {
        put32(&mut descriptor, DESCRIPTOR_SIGNATURE);
    }
    put32(&mut descriptor, entry.crc);
    match (u32::try_from(entry.compressed), u32::try_from(entry.size)) {
        (Ok(compressed), Ok(size)) => {
            put32(&mut descriptor, compressed);
            put32(&mut descriptor, size);
        }
        _ => {
            put64(&mut descriptor, entry.compressed);
            put64(&mut descriptor, entry.size);
        }
    }
    descriptor
}

/// 4.3.12.
fn central_header(entry: &Written) -> io::Result<Vec<u8>> {
    let forced = entry.layout == Layout::Zip64Header;
    let value = |real: u64| if forced { u32::MAX } else { narrow(real) };
    let sizes = [entry.size, entry.compressed, entry.header_at];
    let wide: Vec<u64> = sizes.into_iter().filter(|real| value(*real) == u32::MAX).collect();
    let mut extra = Vec::new();
    if !wide.is_empty() {
        put_zip64_extra(&mut extra, &wide)?;
    }
    let mut header = Vec::with_capacity(46 + entry.name.len() + extra.len());
    put32(&mut header, CENTRAL_SIGNATURE);
    let made_by = if entry.unix_mode.is_some() { MADE_BY_UNIX } else { 0 };
    put16(&mut header, made_by | version_needed(entry));
    put16(&mut header, version_needed(entry));
    put_common(&mut header, entry, entry.crc, value(entry.compressed), value(entry.size))?;
    put16(&mut header, u16::try_from(extra.len()).map_err(io::Error::other)?);
    // No comment, the first disk, binary data.
    put16(&mut header, 0);
    put16(&mut header, 0);
    put16(&mut header, 0);
    put32(&mut header, entry.unix_mode.unwrap_or(0) << 16);
    put32(&mut header, value(entry.header_at));
    header.extend_from_slice(&entry.name);
    header.extend_from_slice(&extra);
    Ok(header)
}

/// What local and central headers have in common, in the same order: flags to name length.
fn put_common(header: &mut Vec<u8>, entry: &Written, crc: u32, compressed: u32, size: u32) -> io::Result<()> {
    put16(header, entry.flags);
    put16(header, method_number(entry.method));
    put16(header, MODIFIED.0);
    put16(header, MODIFIED.1);
    put32(header, crc);
    put32(header, compressed);
    put32(header, size);
    put16(header, u16::try_from(entry.name.len()).map_err(io::Error::other)?);
    Ok(())
}

fn put_zip64_extra(extra: &mut Vec<u8>, values: &[u64]) -> io::Result<()> {
    put16(extra, ZIP64_EXTRA);
    put16(extra, u16::try_from(values.len() * 8).map_err(io::Error::other)?);
    for value in values {
        put64(extra, *value);
    }
    Ok(())
}

/// 4.3.14 and 4.3.15: the ZIP64 end of central directory record and its locator.
fn zip64_end(count: u64, size: u64, start: u64) -> Vec<u8> {
    let mut record = Vec::with_capacity(76);
    put32(&mut record, ZIP64_END_SIGNATURE);
    put64(&mut record, 44);
    put16(&mut record, 45);
    put16(&mut record, 45);
    put32(&mut record, 0);
    put32(&mut record, 0);
    put64(&mut record, count);
    put64(&mut record, count);
    put64(&mut record, size);
    put64(&mut record, start);
    put32(&mut record, ZIP64_LOCATOR_SIGNATURE);
    put32(&mut record, 0);
    put64(&mut record, start + size);
    put32(&mut record, 1);
    record
}

/// 4.3.16.
fn end(count: u64, size: u64, start: u64) -> Vec<u8> {
    let entries = u16::try_from(count).unwrap_or(u16::MAX);
    let mut record = Vec::with_capacity(22);
    put32(&mut record, END_SIGNATURE);
    put16(&mut record, 0);
    put16(&mut record, 0);
    put16(&mut record, entries);
    put16(&mut record, entries);
    put32(&mut record, narrow(size));
    put32(&mut record, narrow(start));
    put16(&mut record, 0);
    record
}

fn put16(target: &mut Vec<u8>, value: u16) {
    target.extend_from_slice(&value.to_le_bytes());
}

fn put32(target: &mut Vec<u8>, value: u32) {
    target.extend_from_slice(&value.to_le_bytes());
}

fn put64(target: &mut Vec<u8>, value: u64) {
    target.extend_from_slice(&value.to_le_bytes());
}

/// Writes files into an archive in the way of Java's `ZipOutputStream`.
pub(crate) fn write_java_zip(
    path: &Path,
    members: impl Iterator<Item = (String, PathBuf)>,
) -> io::Result<()> {
    let mut archive = ZipWriter::new(io::BufWriter::new(File::create(path)?));
    for (name, file) in members {
        let entry = Entry {
            name: &name,
            method: Method::Deflated,
            layout: Layout::Descriptor { signature: true },
            quirks: Quirks::default(),
        };
        archive.add(&entry, &mut io::BufReader::new(File::open(file)?))?;
    }
    archive.finish().map(|_| ())
}
