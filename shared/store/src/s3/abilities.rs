//! What a store does of what S3 does. Some of it is known from the start; the rest its answers show, once: whoever holds
//! the store remembers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use serde::Deserialize;

use super::dialect::Dialect;

/// What S3 does, and a compatible store may not. None is needed for what landfall promises: each has another way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ability {
    /// A write on the condition that nothing is there.
    ConditionalWrites = 1,
    /// A copy of an object inside the store.
    Copies = 1 << 1,
    /// The same with a new checksum of what is copied.
    CopyChecksums = 1 << 2,
    /// A copy of a range of an object into a part.
    RangeCopies = 1 << 3,
    /// Parts of different sizes before the last one.
    UnequalParts = 1 << 4,
    /// The checksum of a whole object that is made of parts.
    WholeChecksums = 1 << 5,
    /// CRC-64/NVME.
    Crc64Nvme = 1 << 6,
    /// The checksum of an object, where it is asked what it knows of one.
    ChecksumMode = 1 << 7,
    /// A list of unfinished uploads.
    UploadLists = 1 << 8,
}

/// What a store is to hold bytes against before it takes them, as a person sets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChecksumSetting {
    /// CRC-64/NVME, or MD5 once the store has refused that and taken this.
    #[default]
    Auto,
    /// CRC-64/NVME, which Amazon S3 keeps of every object.
    Crc64nvme,
    /// CRC-32C.
    Crc32c,
    /// `Content-MD5`, which every store has.
    Md5,
}

/// What a store holds bytes against before it takes them, as far as is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChecksumKind {
    /// CRC-64/NVME.
    Crc64Nvme,
    /// CRC-32C.
    Crc32c,
    /// `Content-MD5`.
    Md5,
}

/// What a store is known to do, shared by all that hold it.
#[derive(Debug, Clone)]
pub(crate) struct Abilities {
    lost: Arc<AtomicU16>,
    checksum: ChecksumSetting,
}

impl Abilities {
    /// What is known before the first call.
    pub(crate) fn of(dialect: Dialect, checksum: ChecksumSetting, equal_parts: bool) -> Self {
        let abilities = Self { lost: Arc::default(), checksum };
        if !dialect.has_conditional_writes() {
            abilities.lose(Ability::ConditionalWrites);
        }
        if !dialect.has_range_copies() {
            abilities.lose(Ability::RangeCopies);
        }
        if !dialect.has_crc64nvme() {
            abilities.lose(Ability::Crc64Nvme);
            abilities.lose(Ability::CopyChecksums);
            abilities.lose(Ability::WholeChecksums);
        }
        if equal_parts {
            abilities.lose(Ability::UnequalParts);
        }
        abilities
    }

    /// Whether the store does this, as far as is known: it does until it has refused to.
    pub(crate) fn has(&self, ability: Ability) -> bool {
        self.lost.load(Ordering::Relaxed) & ability as u16 == 0
    }

    /// Remembers that it does not.
    pub(crate) fn lose(&self, ability: Ability) {
        self.lost.fetch_or(ability as u16, Ordering::Relaxed);
    }

    /// What the store holds bytes against.
    pub(crate) fn checksum(&self) -> ChecksumKind {
        match self.checksum {
            ChecksumSetting::Auto if !self.has(Ability::Crc64Nvme) => ChecksumKind::Md5,
            ChecksumSetting::Auto | ChecksumSetting::Crc64nvme => ChecksumKind::Crc64Nvme,
            ChecksumSetting::Crc32c => ChecksumKind::Crc32c,
            ChecksumSetting::Md5 => ChecksumKind::Md5,
        }
    }

    /// Whether the store's answers decide it.
    pub(crate) fn finds_checksum_out(&self) -> bool {
        self.checksum == ChecksumSetting::Auto
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What one holder of a store has found out, the others know.
    #[test]
    fn what_a_store_has_refused_is_remembered_by_all_that_hold_it() {
        let abilities = Abilities::of(Dialect::S3, ChecksumSetting::Auto, false);
        let other = abilities.clone();
        assert!(other.has(Ability::RangeCopies) && other.finds_checksum_out());
        abilities.lose(Ability::RangeCopies);
        abilities.lose(Ability::Crc64Nvme);
        assert!(!other.has(Ability::RangeCopies) && other.has(Ability::Copies));
        assert_eq!(other.checksum(), ChecksumKind::Md5);
    }

    /// What is set is kept to, and what a dialect lacks is not tried.
    #[test]
    fn what_is_set_is_not_found_out() {
        let set = Abilities::of(Dialect::S3, ChecksumSetting::Crc32c, true);
        assert_eq!((set.checksum(), set.finds_checksum_out()), (ChecksumKind::Crc32c, false));
        assert!(!set.has(Ability::UnequalParts));
        let oci = Abilities::of(Dialect::Oci, ChecksumSetting::Auto, false);
        assert_eq!(oci.checksum(), ChecksumKind::Md5);
        assert!(!oci.has(Ability::ConditionalWrites) && !oci.has(Ability::RangeCopies));
    }
}
