//! What a store does of what S3 does. Some of it is known from the start; the rest its answers show, once: whoever holds
//! the store remembers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

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
}

/// What a store holds bytes against before it takes them.
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

/// What a store is known to do, shared by all that hold it.
#[derive(Debug, Clone)]
pub(crate) struct Abilities {
    lost: Arc<AtomicU8>,
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
        self.lost.load(Ordering::Relaxed) & ability as u8 == 0
    }

    /// Remembers that it does not.
    pub(crate) fn lose(&self, ability: Ability) {
        self.lost.fetch_or(ability as u8, Ordering::Relaxed);
    }

    /// What the store holds bytes against; never `Auto`.
    pub(crate) fn checksum(&self) -> ChecksumSetting {
        match self.checksum {
            ChecksumSetting::Auto if self.has(Ability::Crc64Nvme) => ChecksumSetting::Crc64nvme,
            ChecksumSetting::Auto => ChecksumSetting::Md5,
            checksum => checksum,
        }
    }

    /// Whether MD5 may be tried where CRC-64/NVME was refused.
    pub(crate) fn may_use_md5(&self) -> bool {
        self.checksum == ChecksumSetting::Auto && self.has(Ability::Crc64Nvme)
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
        assert!(other.has(Ability::RangeCopies) && other.may_use_md5());
        abilities.lose(Ability::RangeCopies);
        abilities.lose(Ability::Crc64Nvme);
        assert!(!other.has(Ability::RangeCopies) && other.has(Ability::Copies));
        assert_eq!((other.checksum(), other.may_use_md5()), (ChecksumSetting::Md5, false));
    }

    /// What is set is kept to, and what a dialect lacks is not tried.
    #[test]
    fn what_is_set_is_not_found_out() {
        let set = Abilities::of(Dialect::S3, ChecksumSetting::Crc32c, true);
        assert_eq!((set.checksum(), set.may_use_md5()), (ChecksumSetting::Crc32c, false));
        assert!(!set.has(Ability::UnequalParts));
        let oci = Abilities::of(Dialect::Oci, ChecksumSetting::Auto, false);
        assert_eq!((oci.checksum(), oci.may_use_md5()), (ChecksumSetting::Md5, false));
        assert!(!oci.has(Ability::ConditionalWrites) && !oci.has(Ability::RangeCopies));
    }
}
