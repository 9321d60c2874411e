//! What the checked directory knows of each member.

use std::ops::Range;

use super::error::ArchiveError;
use super::name::MemberName;

/// How a member's data is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// As it is (APPNOTE method 0).
    Stored,
    /// A raw deflate stream (APPNOTE method 8, RFC 1951).
    Deflated,
    /// A raw Deflate64 stream (APPNOTE method 9), as Windows writes it for large files.
    Deflate64,
    /// A bzip2 stream (APPNOTE method 12).
    Bzip2,
}

impl Method {
    /// The method of this number, or the refusal that names it.
    pub(super) fn from_number(number: u16, member: &str) -> Result<Self, ArchiveError> {
        match number {
            0 => Ok(Self::Stored),
            8 => Ok(Self::Deflated),
            9 => Ok(Self::Deflate64),
            12 => Ok(Self::Bzip2),
            // AE-x hides the real method behind 99 (APPNOTE 4.4.5).
            99 => Err(ArchiveError::Encrypted { member: super::error::shown(member) }),
            _ => Err(ArchiveError::UnsupportedMethod {
                member: super::error::shown(member),
                method: number,
                name: method_name(number),
            }),
        }
    }
}

impl Method {
    /// The number of APPNOTE 4.4.5.
    pub(super) fn number(self) -> u16 {
        match self {
            Self::Stored => 0,
            Self::Deflated => 8,
            Self::Deflate64 => 9,
            Self::Bzip2 => 12,
        }
    }

    /// What a stream of it is called in messages.
    pub(super) fn stream_name(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Deflated => "deflate",
            Self::Deflate64 => "deflate64",
            Self::Bzip2 => "bzip2",
        }
    }

    /// The most bytes that decompressing it takes beside a [`MemberDecoder`](crate::MemberDecoder)'s own buffers: what
    /// a stream may look back to.
    pub fn window_bytes(self) -> u64 {
        match self {
            Self::Stored | Self::Deflated => 0,
            Self::Deflate64 => 192 << 10,
            Self::Bzip2 => 4 << 20,
        }
    }
}

/// The names of APPNOTE 4.4.5, for messages.
fn method_name(number: u16) -> &'static str {
    match number {
        1 => "shrunk",
        2..=5 => "reduced",
        6 => "imploded",
        14 => "lzma",
        20 | 93 => "zstd",
        94 => "mp3",
        95 => "xz",
        96 => "jpeg",
        97 => "wavpack",
        98 => "ppmd",
        _ => "unknown",
    }
}

/// One member of a checked archive: its local header agrees with the directory, and its data overlaps nothing.
///
/// Kept small: an archive may have 100,000 of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub(super) name: MemberName,
    pub(super) index: u32,
    pub(super) crc32: u32,
    pub(super) compressed_size: u64,
    pub(super) size: u64,
    pub(super) header_offset: u64,
    pub(super) data_offset: u64,
    pub(super) method: Method,
    pub(super) has_data_descriptor: bool,
}

impl Member {
    /// The decoded, checked name; a folder's ends with `/`.
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// The position in the central directory, from 0. Stable, so that a range of members can be handed out.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// Whether this is a folder, of which nothing lands.
    pub fn is_directory(&self) -> bool {
        self.name.is_directory()
    }

    /// How the data is kept.
    pub fn method(&self) -> Method {
        self.method
    }

    /// The declared CRC-32 (ISO-HDLC) of the inflated data.
    pub fn crc32(&self) -> u32 {
        self.crc32
    }

    /// Bytes of the data as the archive keeps it.
    pub fn compressed_size(&self) -> u64 {
        self.compressed_size
    }

    /// The declared bytes of the inflated data: the ceiling while it is inflated.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Whether the sizes and the CRC-32 were written behind the data.
    pub fn has_data_descriptor(&self) -> bool {
        self.has_data_descriptor
    }

    /// Where in the archive the compressed data is, in bytes; empty for a member whose local header was not read.
    pub fn data_range(&self) -> Range<u64> {
        // Before any data there is a local header.
        let size = if self.data_offset == 0 { 0 } else { self.compressed_size };
        self.data_offset..self.data_offset.saturating_add(size)
    }
}

/// Every member of an archive whose directory, local headers and layout hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    pub(super) members: Vec<Member>,
    pub(super) total_size: u64,
    pub(super) trailing_bytes: u64,
}

impl Directory {
    /// All members, folders included, in the order of the central directory; a member's `index` is its place here.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The members that land: all but folders.
    pub fn files(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| !member.is_directory())
    }

    /// The declared inflated bytes of all members, which the decoder holds them to.
    pub fn total_size(&self) -> u64 {
        self.total_size
    }

    /// Bytes behind the end record and its comment that were tolerated; worth a log line if there are any.
    pub fn trailing_bytes(&self) -> u64 {
        self.trailing_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Promise 6: 100,000 members take 6 MB and their names.
    #[test]
    fn a_member_is_small() {
        assert!(size_of::<Member>() <= 64, "{}", size_of::<Member>());
    }
}
