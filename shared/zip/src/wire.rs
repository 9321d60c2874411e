//! Little-endian fields and the signatures of a ZIP archive's records (APPNOTE 4.3).

/// Starts a local file header (APPNOTE 4.3.7).
pub(super) const LOCAL_HEADER: [u8; 4] = *b"PK\x03\x04";
/// Starts a data descriptor, though writers may leave it out (APPNOTE 4.3.9.3).
pub(super) const DATA_DESCRIPTOR: [u8; 4] = *b"PK\x07\x08";
/// Starts a central directory header (APPNOTE 4.3.12).
pub(super) const CENTRAL_HEADER: [u8; 4] = *b"PK\x01\x02";
/// Starts the ZIP64 end of central directory record (APPNOTE 4.3.14).
pub(super) const ZIP64_END: [u8; 4] = *b"PK\x06\x06";
/// Starts the ZIP64 end of central directory locator (APPNOTE 4.3.15).
pub(super) const ZIP64_LOCATOR: [u8; 4] = *b"PK\x06\x07";
/// Starts the end of central directory record (APPNOTE 4.3.16).
pub(super) const END: [u8; 4] = *b"PK\x05\x06";
/// Starts the archive extra data record (APPNOTE 4.3.11).
pub(super) const EXTRA_DATA: [u8; 4] = *b"PK\x06\x08";
/// Starts the digital signature of a directory (APPNOTE 4.3.13).
pub(super) const DIGITAL_SIGNATURE: [u8; 4] = *b"PK\x05\x05";
/// What precedes the first header of an archive that was to be split and fitted one segment: the mark of that (APPNOTE
/// 8.5.4), or the one that every split archive begins with (APPNOTE 8.5.3), which Info-ZIP leaves there.
pub(super) const SEGMENT_MARKS: [[u8; 4]; 2] = [*b"PK00", *b"PK\x07\x08"];

/// The value of a 32-bit field whose real value is in a ZIP64 record (APPNOTE 4.4.1.4).
pub(super) const SENTINEL_32: u32 = u32::MAX;
/// The value of a 16-bit field whose real value is in a ZIP64 record (APPNOTE 4.4.1.4).
pub(super) const SENTINEL_16: u16 = u16::MAX;

/// Reads fields from the front of a record; `None` once the record is too short.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn new(record: &'a [u8]) -> Self {
        Self(record)
    }

    /// What has not been read yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.0
    }

    pub(super) fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    pub(super) fn signature(&mut self) -> Option<[u8; 4]> {
        self.array()
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }
}
