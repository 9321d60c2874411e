//! What an archive's members were made on, as each central header says (APPNOTE 4.4.2).

/// The upper byte of "version made by".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Host(u8);

impl Host {
    /// The host of a header's "version made by".
    pub(super) fn of(made_by: u16) -> Self {
        Self(made_by.to_be_bytes()[0])
    }

    /// Whether it is Unix (3) or macOS (19), whose names are UTF-8.
    pub(super) fn is_unix(self) -> bool {
        matches!(self.0, 3 | 19)
    }

    /// Whether it is DOS or Windows, whose names hold no backslash: FAT (0), NTFS (10; Info-ZIP's number for it is 11)
    /// or VFAT (14).
    pub(super) fn is_windows(self) -> bool {
        matches!(self.0, 0 | 10 | 11 | 14)
    }

    /// Whether the upper half of the external attributes is a mode: on Unix and macOS, and on FAT, which several
    /// portable writers claim to be.
    pub(super) fn has_unix_mode(self) -> bool {
        self.is_unix() || self.0 == 0
    }
}
