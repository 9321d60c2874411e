//! Archives that are right but for what is bent in them: they come past signatures, counts and lengths.

use arbitrary::{Arbitrary, Unstructured};

/// The builder of the reader's own tests.
#[allow(dead_code, reason = "not all of what the tests bend is bent here")]
#[path = "../../shared/zip/src/fixture.rs"]
mod fixture;

use fixture::{Archive, EndOverride, Entry, Header, Zip64End};

/// More entries show no more.
const MAX_ENTRIES: usize = 6;
/// What fits into any 16-bit length, also several times.
const MAX_BYTES: usize = 2000;

#[derive(Debug, Arbitrary)]
struct Plan {
    entries: Vec<EntryPlan>,
    bends: Vec<ArchiveBend>,
    /// Bytes that are changed at last: where, and to what.
    changes: Vec<(u16, u8)>,
}

#[derive(Debug, Arbitrary)]
struct EntryPlan {
    name: Name,
    data: Data,
    form: Form,
    bends: Vec<Bend>,
}

#[derive(Debug, Arbitrary)]
enum Name {
    File(u8),
    Folder(u8),
    Nested(u8, u8),
    Text(String),
    Bytes(Vec<u8>),
}

#[derive(Debug, Arbitrary)]
enum Data {
    Bytes(Vec<u8>),
    Repeated(u8, u16),
}

#[derive(Debug, Arbitrary)]
enum Form {
    Stored,
    Deflated,
    /// Flagged as Deflate64, whose stream it is but for matches of 258 bytes.
    Deflate64,
    Streamed,
    StreamedWithoutSignature,
    StreamedWide,
    /// With the sizes in ZIP64 fields of both headers.
    Wide,
}

#[derive(Debug, Arbitrary)]
enum Side {
    Local,
    Central,
    Both,
}

#[derive(Debug, Arbitrary)]
enum Bend {
    Flags(Side, u16),
    Method(Side, u16),
    Crc32(Side, u32),
    CompressedSize(Side, u32),
    Size(Side, u32),
    Name(Side, Name),
    Zip64(Side, Vec<u64>),
    UnicodePath(Side, String),
    Extra(Side, u16, Vec<u8>),
    RawExtra(Side, Vec<u8>),
    Data(Vec<u8>),
    Descriptor(Vec<u8>),
    Gap(Vec<u8>),
    MadeBy(u16),
    Attributes(u32),
    Disk(u16),
    Offset(u32),
    Unlisted,
}

#[derive(Debug, Arbitrary)]
enum ArchiveBend {
    Prefix(Vec<u8>),
    Gap(Vec<u8>),
    DirectoryGap(Vec<u8>),
    Comment(Vec<u8>),
    Trailing(Vec<u8>),
    Zip64,
    Zip64Entries(u64),
    Zip64Offset(u64),
    Zip64Extensible(Vec<u8>),
    Locator(u64),
    Disks(u32),
    Disk(u16),
    Entries(u16),
    DiskEntries(u16),
    DirectorySize(u32),
    DirectoryOffset(u32),
    CommentLength(u16),
}

/// Builds the archive that the bytes describe, and reads it as [`archive`](crate::archive) does.
pub fn archive_structured(bytes: &[u8]) {
    let Ok(plan) = Plan::arbitrary_take_rest(Unstructured::new(bytes)) else { return };
    crate::archive(&plan.build());
}

impl Plan {
    fn build(self) -> Vec<u8> {
        let mut archive = Archive::of(self.entries.into_iter().take(MAX_ENTRIES).map(EntryPlan::build));
        for bend in self.bends {
            bend.apply(&mut archive);
        }
        let mut bytes = archive.build();
        for (at, value) in self.changes {
            let at = usize::from(at) % bytes.len();
            bytes[at] = value;
        }
        bytes
    }
}

impl EntryPlan {
    fn build(self) -> Entry {
        let (name, data) = (self.name.bytes(), self.data.bytes());
        let mut entry = match self.form {
            Form::Stored => Entry::stored(&name, &data),
            Form::Deflated => Entry::deflated(&name, &data),
            Form::Deflate64 => Entry::deflated(&name, &data).both(|header| header.method = 9),
            Form::Wide => wide(Entry::deflated(&name, &data)),
            Form::Streamed | Form::StreamedWithoutSignature | Form::StreamedWide => {
                Entry::streamed(&name, &data)
            }
        };
        match self.form {
            Form::StreamedWithoutSignature => entry.descriptor = entry.descriptor_32(b""),
            Form::StreamedWide => entry.descriptor = entry.descriptor_64(b"PK\x07\x08"),
            _ => {}
        }
        if std::str::from_utf8(&name).is_ok() && !name.is_ascii() {
            entry = entry.both(|header| header.flags |= 1 << 11);
        }
        for bend in self.bends {
            bend.apply(&mut entry);
        }
        entry
    }
}

fn wide(mut entry: Entry) -> Entry {
    let sizes = [entry.central.size.into(), entry.central.compressed_size.into()];
    for header in [&mut entry.local, &mut entry.central] {
        header.size = u32::MAX;
        header.compressed_size = u32::MAX;
        header.extra = fixture::zip64_block(&sizes);
    }
    entry
}

impl Name {
    fn bytes(self) -> Vec<u8> {
        match self {
            Self::File(number) => format!("f{}.csv", number % 4).into_bytes(),
            Self::Folder(number) => format!("d{}/", number % 4).into_bytes(),
            Self::Nested(folder, number) => format!("d{}/f{}.csv", folder % 4, number % 4).into_bytes(),
            Self::Text(text) => cut(text.into_bytes()),
            Self::Bytes(bytes) => cut(bytes),
        }
    }
}

impl Data {
    fn bytes(self) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Repeated(byte, count) => vec![byte; usize::from(count)],
        }
    }
}

impl Bend {
    fn apply(self, entry: &mut Entry) {
        match self {
            Self::Flags(side, flags) => side.bend(entry, |header| header.flags ^= flags),
            Self::Method(side, method) => side.bend(entry, |header| header.method = method),
            Self::Crc32(side, crc32) => side.bend(entry, |header| header.crc32 = crc32),
            Self::CompressedSize(side, size) => side.bend(entry, |header| header.compressed_size = size),
            Self::Size(side, size) => side.bend(entry, |header| header.size = size),
            Self::Name(side, name) => {
                let name = name.bytes();
                side.bend(entry, |header| header.name.clone_from(&name));
            }
            Self::Zip64(side, values) => {
                let block = fixture::zip64_block(values.get(..4).unwrap_or(&values));
                side.bend(entry, |header| add_extra(header, &block));
            }
            Self::UnicodePath(side, path) => {
                let path: String = path.chars().take(100).collect();
                side.bend(entry, |header| {
                    let block = fixture::unicode_path_block(&header.name, &path);
                    add_extra(header, &block);
                });
            }
            Self::Extra(side, id, payload) => {
                let block = fixture::block(id, &cut(payload));
                side.bend(entry, |header| add_extra(header, &block));
            }
            Self::RawExtra(side, extra) => {
                let extra = cut(extra);
                side.bend(entry, |header| add_extra(header, &extra));
            }
            Self::Data(data) => entry.data = data,
            Self::Descriptor(descriptor) => entry.descriptor = cut(descriptor),
            Self::Gap(gap) => entry.gap = cut(gap),
            Self::MadeBy(made_by) => entry.made_by = made_by,
            Self::Attributes(attributes) => entry.external_attributes = attributes,
            Self::Disk(disk) => entry.disk = disk,
            Self::Offset(offset) => entry.offset = Some(offset),
            Self::Unlisted => entry.is_listed = false,
        }
    }
}

impl Side {
    fn bend(self, entry: &mut Entry, bend: impl Fn(&mut Header)) {
        if matches!(self, Self::Local | Self::Both) {
            bend(&mut entry.local);
        }
        if matches!(self, Self::Central | Self::Both) {
            bend(&mut entry.central);
        }
    }
}

/// Adds to an extra field what its 16-bit length can still count.
fn add_extra(header: &mut Header, extra: &[u8]) {
    if header.extra.len() + extra.len() <= usize::from(u16::MAX) {
        header.extra.extend_from_slice(extra);
    }
}

impl ArchiveBend {
    fn apply(self, archive: &mut Archive) {
        let end: &mut EndOverride = &mut archive.end;
        match self {
            Self::Prefix(prefix) => archive.prefix = cut(prefix),
            Self::Gap(gap) => archive.gap = cut(gap),
            Self::DirectoryGap(gap) => archive.directory_gap = cut(gap),
            Self::Comment(comment) => archive.comment = cut(comment),
            Self::Trailing(trailing) => archive.trailing = trailing,
            Self::Zip64 => {
                zip64(archive);
            }
            Self::Zip64Entries(entries) => zip64(archive).entries = Some(entries),
            Self::Zip64Offset(offset) => zip64(archive).directory_offset = Some(offset),
            Self::Zip64Extensible(data) => zip64(archive).extensible = cut(data),
            Self::Locator(offset) => zip64(archive).locator_offset = Some(offset),
            Self::Disks(disks) => zip64(archive).disks = Some(disks),
            Self::Disk(disk) => end.disk = disk,
            Self::Entries(entries) => end.entries = Some(entries),
            Self::DiskEntries(entries) => end.disk_entries = Some(entries),
            Self::DirectorySize(size) => end.directory_size = Some(size),
            Self::DirectoryOffset(offset) => end.directory_offset = Some(offset),
            Self::CommentLength(length) => end.comment_length = Some(length),
        }
    }
}

fn zip64(archive: &mut Archive) -> &mut Zip64End {
    archive.zip64.get_or_insert_default()
}

fn cut(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.truncate(MAX_BYTES);
    bytes
}
