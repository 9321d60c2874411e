//! What an archive may ask for before it is refused.

use serde::Deserialize;

use super::error::{ArchiveError, shown};
use super::member::Member;

/// The bounds of one archive; a destination's configuration may raise or lower each.
///
/// The defaults fit one invocation of 15 minutes: about 70 MB of inflated output leave a function each second.
/// Archives within archives are never opened, so there is no limit on nesting.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Members in an archive, folders included. Default 200,000: the directory of as many stays in tens of MB.
    pub entries: u32,
    /// Inflated bytes of one member. Default 60 GiB, what 15 minutes can land.
    pub member_bytes: u64,
    /// Inflated bytes of all members together. Default 60 GiB, what 15 minutes can land.
    pub total_bytes: u64,
    /// Inflated bytes for each compressed one. Default 250: wide and sparse CSV stays below 200, a deflate bomb
    /// reaches 1,030.
    pub ratio: u64,
    /// Inflated bytes up to which `ratio` does not apply, for a member and for all of them. Default 128 MiB:
    /// small members of one repeated byte are common and harmless.
    pub ratio_floor_bytes: u64,
    /// Bytes of a member's name in UTF-8, and of what whoever lands it puts behind it. Default 1,024, the longest key of an object store.
    pub name_bytes: usize,
    /// Bytes of the central directory, which bounds the memory that names take. Default 64 MiB.
    pub directory_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        const GIB: u64 = 1 << 30;
        const MIB: u64 = 1 << 20;
        Self {
            entries: 200_000,
            member_bytes: 60 * GIB,
            total_bytes: 60 * GIB,
            ratio: 250,
            ratio_floor_bytes: 128 * MIB,
            name_bytes: 1024,
            directory_bytes: 64 * MIB,
        }
    }
}

impl Limits {
    /// Whether this many inflated bytes out of this many compressed ones are a bomb.
    fn is_bomb(&self, size: u64, compressed: u64) -> bool {
        size > self.ratio_floor_bytes && size > compressed.saturating_mul(self.ratio)
    }

    /// Checks the sizes of one member, declared or, while it inflates, counted.
    pub(super) fn check_member(&self, name: &str, size: u64, compressed: u64) -> Result<(), ArchiveError> {
        if size > self.member_bytes {
            return Err(ArchiveError::MemberTooLarge { member: shown(name), size, limit: self.member_bytes });
        }
        if self.is_bomb(size, compressed) {
            return Err(ArchiveError::RatioTooHigh {
                member: shown(name),
                size,
                compressed,
                limit: self.ratio,
            });
        }
        Ok(())
    }

    /// Checks the declared sizes of all members together.
    pub(super) fn check_total<'a>(
        &self,
        members: impl Iterator<Item = &'a Member>,
    ) -> Result<u64, ArchiveError> {
        let (mut size, mut compressed) = (0_u64, 0_u64);
        for member in members {
            size = size.saturating_add(member.size());
            compressed = compressed.saturating_add(member.compressed_size());
        }
        if size > self.total_bytes {
            return Err(ArchiveError::TotalTooLarge { size, limit: self.total_bytes });
        }
        if self.is_bomb(size, compressed) {
            return Err(ArchiveError::TotalRatioTooHigh { size, compressed, limit: self.ratio });
        }
        Ok(size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configuration_with_an_unknown_limit_is_refused_by_name() {
        let refused = toml::from_str::<Limits>("entrys = 5").unwrap_err().to_string();
        assert!(refused.contains("entrys"), "{refused}");
        assert_eq!(toml::from_str::<Limits>("entries = 5").unwrap().entries, 5);
        assert_eq!(toml::from_str::<Limits>("").unwrap(), Limits::default());
    }

    #[test]
    fn ratio_does_not_apply_up_to_the_floor() {
        let limits = Limits { ratio: 10, ratio_floor_bytes: 1000, ..Limits::default() };
        assert!(limits.check_member("a", 1000, 1).is_ok());
        assert!(limits.check_member("a", 1001, 101).is_ok());
        assert!(matches!(limits.check_member("a", 1001, 100), Err(ArchiveError::RatioTooHigh { .. })));
    }
}
