//! What stores that are compatible with S3 take and do not take: each dialect's differences, in one place.

use crate::parts::{OCI_PART_BYTES, PART_BYTES};

/// Whose reading of the S3 protocol a store has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dialect {
    /// Amazon's own, and that of the stores that follow it. What such a store lacks is found out from its answers.
    #[default]
    S3,
    /// The Amazon S3 Compatibility API of Oracle's OCI Object Storage.
    ///
    /// It documents neither conditional writes nor `ListObjectsV2` nor CRC-64/NVME, and has refused chunked bodies
    /// and checksums in trailers: landfall sends none of these. What it is sent carries a `Content-MD5`, which the
    /// store holds the bytes against before it takes them.
    Oci,
}

impl Dialect {
    /// Whether a write may be sent with the condition that it depends on.
    pub(super) fn has_conditional_writes(self) -> bool {
        self == Self::S3
    }

    /// Whether a range of an object may be copied inside the store, with a checksum of what was copied.
    pub(super) fn has_range_copies(self) -> bool {
        self == Self::S3
    }

    /// Whether the store verifies CRC-64/NVME and tells it; by MD5 where it does not.
    pub(super) fn has_crc64nvme(self) -> bool {
        self == Self::S3
    }

    /// Whether listings are `ListObjectsV2`'s; `ListObjects`' where they are not.
    pub(super) fn has_second_listing(self) -> bool {
        self == Self::S3
    }

    /// The size of a part that is uploaded, where nothing asks for larger ones.
    pub(crate) fn part_bytes(self) -> usize {
        match self {
            Self::S3 => PART_BYTES,
            Self::Oci => OCI_PART_BYTES,
        }
    }
}
