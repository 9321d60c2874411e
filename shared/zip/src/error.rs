//! Why an archive is refused: one variant for each disagreement.

/// The header that a fault was found in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Header {
    /// In the central directory.
    Central,
    /// In front of the member's data.
    Local,
}

impl std::fmt::Display for Header {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Central => "central",
            Self::Local => "local",
        })
    }
}

/// What a refusal means for the caller, who maps it to the errors of the functions' contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalKind {
    /// Crafted to be read in two ways, or to land somewhere else.
    Unsafe,
    /// Legal, but asks for more than the configured limits.
    LimitExceeded,
    /// Truncated or damaged: the bytes are not those that were written.
    Integrity,
    /// Legal ZIP that is not supported here: encryption, other methods, split archives.
    Unsupported,
}

/// Why an archive, or a member of it, is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each field is said in its variant's message")]
pub enum ArchiveError {
    // The end of the archive.
    /// The file is no ZIP archive, or its end is missing.
    #[error("no end of central directory record in the last bytes of {size}: the archive is truncated")]
    NoEndRecord { size: u64 },
    /// The end record itself is cut.
    #[error("the end of central directory record at {offset} needs 22 bytes, found {found}")]
    TruncatedEndRecord { offset: u64, found: u64 },
    /// The comment would run past the end of the file.
    #[error("the archive comment should have {expected} bytes, found {found}")]
    CommentLength { expected: u64, found: u64 },
    /// Something other than zero padding or a few stray bytes follows the archive.
    #[error("{found} bytes follow the end of the archive at {offset}, expected none or zero padding")]
    TrailingBytes { offset: u64, found: u64 },
    /// Two end records describe a directory.
    #[error("two end of central directory records, at {first} and at {second}")]
    AmbiguousEnd { first: u64, second: u64 },
    /// Part of a split or spanned archive.
    #[error("the archive is split: this is disk {disk}, the directory is on disk {directory_disk}")]
    SplitArchive { disk: u32, directory_disk: u32 },
    /// The end record counts other members on its own disk than in all, and knows of no other disk.
    #[error("the end of central directory record counts {here} members on its disk, and {all} in all")]
    DiskEntries { here: u64, all: u64 },
    /// The locator does not point at the record in front of it.
    #[error("the zip64 end record should be at {expected}, found {found} in its locator")]
    Zip64Locator { expected: u64, found: u64 },
    /// The locator points at something else.
    #[error("no zip64 end record at {offset}, where its locator says")]
    Zip64RecordMissing { offset: u64 },
    /// The record has an extensible data sector (APPNOTE 4.3.14.2), which no reader here knows.
    #[error("the zip64 end record should have 44 bytes, found {found}")]
    Zip64RecordSize { found: u64 },
    /// The two end records disagree.
    #[error("the zip64 end record says {zip64} as {field}, the end record {end}")]
    Zip64EndDisagrees { field: &'static str, zip64: u64, end: u64 },

    // The central directory.
    /// The directory does not reach exactly to the end record.
    #[error("the central directory should end at {expected}, its offset and size end at {found}")]
    DirectoryPlace { expected: u64, found: u64 },
    /// No header where one should be.
    #[error("no central header at byte {offset} of the directory, found {found:02x?}")]
    CentralSignature { offset: u64, found: [u8; 4] },
    /// The last header is cut.
    #[error("the central header at byte {offset} of the directory runs past the directory's end")]
    TruncatedCentral { offset: u64 },
    /// More or fewer headers than the end record says.
    #[error("the end record counts {expected} members, found {found} in the directory")]
    EntryCount { expected: u64, found: u64 },

    // One member's headers.
    /// A name that must not become a key.
    #[error("member name {member:?} is not a safe key")]
    Name {
        member: String,
        #[source]
        fault: NameFault,
    },
    /// Two members would land at one key, or at two that look `alike`.
    #[error("members {first} and {second} are both named {member:?}{}", composed(*.alike))]
    DuplicateName { member: String, first: u32, second: u32, alike: bool },
    /// A file where another member needs a folder.
    #[error("{member:?} is a file, and a folder of {other:?}")]
    FileAndFolder { member: String, other: String },
    /// The Unicode path field (0x7075) names something else than a name that is UTF-8, or than the directory.
    #[error("{member:?} has another name in the unicode path field of its {header} header: {found:?}")]
    UnicodePath { member: String, header: Header, found: String },
    /// Encrypted in any way.
    #[error("{member:?} is encrypted")]
    Encrypted { member: String },
    /// A method that is not decompressed here.
    #[error(
        "{member:?} is compressed by method {method} ({name}): landfall reads stored, deflate, deflate64 and bzip2"
    )]
    UnsupportedMethod { member: String, method: u16, name: &'static str },
    /// Compressed patched data (APPNOTE 4.4.4, bit 5).
    #[error("{member:?} is a patch, not a file")]
    PatchData { member: String },
    /// The member starts in another segment.
    #[error("{member:?} starts on disk {disk}, expected 0")]
    MemberOnOtherDisk { member: String, disk: u32 },
    /// A link, device or socket, or a folder without a folder's name.
    #[error("{member:?} is no regular file: its unix mode is {mode:o}")]
    SpecialFile { member: String, mode: u32 },
    /// A link or a device, by what its extra field holds.
    #[error(
        "{member:?} is no regular file: the extra field {id:#06x} of its {header} header names what it links to"
    )]
    Link { member: String, header: Header, id: u16 },
    /// A folder by its DOS attributes, and a file by its name.
    #[error("{member:?} is marked as a folder, and its name does not end with a slash")]
    DirectoryWithoutSlash { member: String },
    /// A folder with data of its own.
    #[error("{member:?} is a folder, expected no data, found {size} bytes from {compressed}")]
    FolderWithData { member: String, size: u64, compressed: u64 },
    /// Stored data has one size.
    #[error("{member:?} is stored, expected {compressed} bytes of data, found the size {size}")]
    StoredSize { member: String, compressed: u64, size: u64 },
    /// Blocks of the extra field do not fill it.
    #[error("the extra field of {member:?}'s {header} header is broken at byte {offset}")]
    ExtraField { member: String, header: Header, offset: usize },
    /// One of the fields that decide what is read is there twice.
    #[error("the {header} header of {member:?} has the extra field {id:#06x} twice")]
    DuplicateExtra { member: String, header: Header, id: u16 },
    /// The ZIP64 field has not the values that the header leaves to it.
    #[error("the zip64 field of {member:?}'s {header} header should have {expected} bytes, found {found}")]
    Zip64Extra { member: String, header: Header, expected: usize, found: usize },
    /// The ZIP64 field repeats a value, differently: a size, the offset or the disk.
    #[error("the zip64 field of {member:?}'s {header} header says {zip64}, the header itself {own}")]
    Zip64ExtraDisagrees { member: String, header: Header, zip64: u64, own: u64 },

    // Where members lie.
    /// Data would reach into the directory or beyond.
    #[error("{member:?} at {offset} would end at {end}, the central directory starts at {directory}")]
    OutOfRange { member: String, offset: u64, end: u64, directory: u64 },
    /// Two members share bytes.
    #[error("{member:?} starts at {start}, but {other:?} ends at {end}")]
    Overlap { member: String, start: u64, other: String, end: u64 },
    /// The archive does not start with its first member.
    #[error("the first member is at {found}, expected at 0")]
    Prefix { found: u64 },
    /// More bytes between members than any writer leaves.
    #[error("{found} bytes before {offset} belong to no member, expected at most {limit}")]
    GapTooLarge { offset: u64, found: u64, limit: u64 },
    /// A record hides where no member is.
    #[error("a zip record hides at {offset}, between the members that the directory lists")]
    HiddenRecord { offset: u64 },

    // Local headers against the directory.
    /// No header where the directory says.
    #[error("no local header of {member:?} at {offset}, found {found:02x?}")]
    LocalSignature { member: String, offset: u64, found: [u8; 4] },
    /// The names differ.
    #[error("{member:?} is named {local:?} in its local header")]
    LocalName { member: String, local: String },
    /// The flags differ.
    #[error("the flags of {member:?} should be {central:#06x}, found {local:#06x} in its local header")]
    LocalFlags { member: String, central: u16, local: u16 },
    /// The methods differ.
    #[error("the method of {member:?} should be {central}, found {local} in its local header")]
    LocalMethod { member: String, central: u16, local: u16 },
    /// The checksums differ.
    #[error("the crc-32 of {member:?} should be {central:08x}, found {local:08x} in its local header")]
    LocalCrc { member: String, central: u32, local: u32 },
    /// The compressed sizes differ.
    #[error("the compressed size of {member:?} should be {central}, found {local} in its local header")]
    LocalCompressedSize { member: String, central: u64, local: u64 },
    /// The sizes differ.
    #[error("the size of {member:?} should be {central}, found {local} in its local header")]
    LocalSize { member: String, central: u64, local: u64 },
    /// The descriptor behind the data is missing or differs.
    #[error(
        "the data descriptor of {member:?} should say crc-32 {crc32:08x}, {compressed} and {size} bytes, \
         found {found:02x?}"
    )]
    Descriptor { member: String, crc32: u32, compressed: u64, size: u64, found: Box<[u8]> },

    // Limits.
    /// More members than allowed.
    #[error("the archive has {found} members, the limit is {limit}")]
    TooManyEntries { found: u64, limit: u64 },
    /// A larger directory than allowed.
    #[error("the central directory has {size} bytes, the limit is {limit}")]
    DirectoryTooLarge { size: u64, limit: u64 },
    /// A larger member than allowed.
    #[error("{member:?} has {size} bytes, the limit is {limit}")]
    MemberTooLarge { member: String, size: u64, limit: u64 },
    /// More data in all than allowed.
    #[error("the members have {size} bytes together, the limit is {limit}")]
    TotalTooLarge { size: u64, limit: u64 },
    /// A member inflates to more than any file does.
    #[error("{member:?} inflates from {compressed} to {size} bytes, the limit is {limit} times")]
    RatioTooHigh { member: String, size: u64, compressed: u64, limit: u64 },
    /// The members together inflate to more than any files do.
    #[error("the members inflate from {compressed} to {size} bytes, the limit is {limit} times")]
    TotalRatioTooHigh { size: u64, compressed: u64, limit: u64 },

    // What only the data shows.
    /// Not a stream of its method.
    #[error("the data of {member:?} is no {method} stream after {offset} bytes")]
    Inflate {
        member: String,
        method: &'static str,
        offset: u64,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The data was not fed to its end.
    #[error("{member:?} should have {expected} bytes of compressed data, found {found}")]
    TruncatedData { member: String, expected: u64, found: u64 },
    /// The stream wants more than the compressed size.
    #[error("the compressed stream of {member:?} does not end within its {expected} bytes")]
    UnfinishedStream { member: String, expected: u64 },
    /// The stream ends before the compressed size.
    #[error("the compressed stream of {member:?} should have {expected} bytes, it ends after {found}")]
    TrailingData { member: String, expected: u64, found: u64 },
    /// More data than declared.
    #[error("{member:?} inflates to more than the {expected} bytes that it declares")]
    TooMuchData { member: String, expected: u64 },
    /// Less data than declared.
    #[error("{member:?} should inflate to {expected} bytes, found {found}")]
    TooLittleData { member: String, expected: u64, found: u64 },
    /// Other data than declared.
    #[error("the crc-32 of {member:?} should be {expected:08x}, found {found:08x}")]
    Crc { member: String, expected: u32, found: u32 },
}

fn composed(alike: bool) -> &'static str {
    if alike { ": the names differ only in how their characters are composed" } else { "" }
}

impl ArchiveError {
    /// What the refusal means for the caller.
    pub fn kind(&self) -> RefusalKind {
        use RefusalKind::{Integrity, LimitExceeded, Unsafe, Unsupported};
        match self {
            Self::NoEndRecord { .. }
            | Self::TruncatedEndRecord { .. }
            | Self::Inflate { .. }
            | Self::TruncatedData { .. }
            | Self::UnfinishedStream { .. }
            | Self::TrailingData { .. }
            | Self::TooMuchData { .. }
            | Self::TooLittleData { .. }
            | Self::Crc { .. } => Integrity,
            Self::TooManyEntries { .. }
            | Self::DirectoryTooLarge { .. }
            | Self::MemberTooLarge { .. }
            | Self::TotalTooLarge { .. }
            | Self::RatioTooHigh { .. }
            | Self::TotalRatioTooHigh { .. }
            | Self::Name { fault: NameFault::TooLong { .. }, .. } => LimitExceeded,
            Self::SplitArchive { .. }
            | Self::MemberOnOtherDisk { .. }
            | Self::Zip64RecordSize { .. }
            | Self::Encrypted { .. }
            | Self::UnsupportedMethod { .. }
            | Self::PatchData { .. } => Unsupported,
            _ => Unsafe,
        }
    }
}

/// Why a name is no safe key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameFault {
    /// No bytes at all.
    #[error("the name is empty")]
    Empty,
    /// More bytes than an object key may have.
    #[error("the name has {found} bytes, the limit is {limit}")]
    TooLong {
        /// Bytes in UTF-8.
        found: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// Said to be UTF-8 and not.
    #[error("the name should be utf-8, byte {at} is not")]
    InvalidUtf8 {
        /// The first byte that is not UTF-8.
        at: usize,
    },
    /// Not text in the encoding that names are said to be in.
    #[error("the name is no {0}, the encoding that is configured for names")]
    InvalidEncoding(&'static str),
    /// A backslash that may be the second byte of a character, in a name whose encoding nobody knows.
    #[error(
        "a backslash in the name may be half of a character: say in which encoding the names are, as name_encoding"
    )]
    HalfCharacter,
    /// Starts with `/`.
    #[error("the name is absolute")]
    Absolute,
    /// Starts with a letter and a colon.
    #[error("the name starts with a drive letter")]
    Drive,
    /// Some readers take it for a separator.
    #[error("the name contains a backslash")]
    Backslash,
    /// `.` or `..` between separators.
    #[error("the name contains the component {0:?}")]
    Relative(String),
    /// Two separators in a row.
    #[error("the name contains an empty component")]
    EmptyComponent,
    /// NUL, other control characters, and the two Unicode line separators.
    #[error("the name contains the control character U+{0:04X}")]
    Control(u32),
    /// Turns the direction of the text, so that a name reads as another.
    #[error("the name contains the bidirectional control U+{0:04X}")]
    Bidirectional(u32),
    /// No character of XML, in which stores list their keys.
    #[error("the name contains U+{0:04X}, which no store can list: XML has no such character")]
    NotInXml(u32),
    /// Shows nothing, so that two names look alike.
    #[error("the name contains the invisible character U+{0:04X}")]
    Invisible(u32),
}

/// A name as an error shows it: a name may be 64 KiB long, a message is one line.
pub(super) fn shown(name: &str) -> String {
    const MOST: usize = 120;
    match name.char_indices().nth(MOST) {
        Some((cut, _)) => name.get(..cut).map_or_else(String::new, |head| format!("{head}…")),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_name_is_cut_between_characters() {
        assert_eq!(shown("é"), "é");
        let long = shown(&"é".repeat(500));
        assert_eq!(long.chars().count(), 121);
    }
}
