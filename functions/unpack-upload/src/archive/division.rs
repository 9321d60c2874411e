//! How an archive is divided among several invocations.

use landfall::Result;
use landfall::state::{Document, WorkState};
use landfall_zip::{Directory, Member};
use serde::{Deserialize, Serialize};

use crate::trigger::MemberRange;

/// What one range may cost, in bytes of content.
///
/// A function lands some 70 MB of content a second, which is 60 GiB in the 15 minutes that it has: a range is an
/// eighth of that, so that an invocation which is several times slower still lands its own, and an archive that
/// takes one invocation two minutes is not divided.
const RANGE_COST: u64 = 8 << 30;

/// What a member costs beside its bytes: its put takes as long as so many bytes. A range has at most some 130,000
/// members, which take one to two minutes: 2,000 a second land at 20 ms a put, and a store takes some 3,500 a second
/// below one prefix, however many invocations put them.
const MEMBER_COST: u64 = 64 << 10;

/// More ranges than this would not be landed at once, and they travel in a state machine's payload.
const MAX_RANGES: u64 = 40;

/// How an archive is divided: `plan.json`. Frozen when it is first made, so that whoever asks again gets the same
/// ranges.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Division {
    /// The `ETag` of the staged archive whose directory and local headers were checked for it.
    pub etag: String,
    /// How many members the archive has, folders included.
    pub members: u32,
    /// The ranges: one behind the other, all members together. They are parts of events too, and so have no fields
    /// that are not known.
    pub ranges: Vec<MemberRange>,
}

impl Document for Division {}

impl Division {
    /// Divides an archive into ranges that cost about the same, and at most `range_cost` each, where that is not the
    /// usual; more if there would be too many.
    pub(crate) fn of(directory: &Directory, etag: &str, range_cost: Option<u64>) -> Self {
        let costs: Vec<u64> = directory.members().iter().map(cost).collect();
        Self {
            etag: etag.to_owned(),
            members: u32::try_from(costs.len()).unwrap_or(u32::MAX),
            ranges: divided(&costs, range_cost.unwrap_or(RANGE_COST)),
        }
    }

    /// Freezes the division; returns what is frozen.
    pub(crate) async fn freeze(self, work: &WorkState, key: &str) -> Result<Self> {
        Ok(work.write_once(key, self).await?)
    }
}

fn cost(member: &Member) -> u64 {
    if member.is_directory() { 0 } else { member.size().saturating_add(MEMBER_COST) }
}

/// Members of these costs, divided: a member is in the range in whose share of the costs it begins.
fn divided(costs: &[u64], range_cost: u64) -> Vec<MemberRange> {
    let total: u128 = costs.iter().copied().map(u128::from).sum();
    let ranges = total.div_ceil(u128::from(range_cost.max(1))).clamp(1, u128::from(MAX_RANGES));
    let mut before = 0u128;
    let mut divided: Vec<(u128, MemberRange)> = Vec::new();
    for (&cost, place) in std::iter::zip(costs, 0u32..) {
        let share = before.saturating_mul(ranges).checked_div(total).unwrap_or(0);
        before = before.saturating_add(u128::from(cost));
        match divided.last_mut() {
            Some((last, range)) if *last == share => range.to = place.saturating_add(1),
            _ => divided.push((share, MemberRange { from: place, to: place.saturating_add(1) })),
        }
    }
    divided.into_iter().map(|(_, range)| range).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    fn sizes(costs: &[u64], range_cost: u64) -> Vec<usize> {
        let ranges = divided(costs, range_cost);
        let mut next = 0;
        for range in &ranges {
            assert_eq!(range.from, next, "{ranges:?}");
            assert!(range.to > range.from, "{ranges:?}");
            next = range.to;
        }
        assert_eq!(next as usize, costs.len(), "{ranges:?}");
        ranges.iter().map(|range| (range.to - range.from) as usize).collect()
    }

    /// Promise 5: every member is in one range, whatever the members cost.
    #[test]
    fn ranges_are_all_members_one_behind_the_other() {
        let mut random = 20_261_122_u64;
        let mut next = || {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            random >> 33
        };
        for members in 1..200_usize {
            let costs: Vec<u64> = (0..members).map(|_| next() % 1_000).collect();
            let ranges = sizes(&costs, 1 + next() % 5_000);
            assert!(ranges.len() <= 40);
        }
        assert_eq!(sizes(&[0, 0, 0], 1), [3], "an archive of folders alone");
        assert_eq!(sizes(&[u64::MAX; 3], 1).len(), 3);
    }

    /// What one invocation lands in time is not divided; what is, is divided evenly.
    #[test]
    fn only_what_takes_long_is_divided() {
        assert_eq!(sizes(&[GIB; 8], RANGE_COST), [8]);
        assert_eq!(sizes(&[GIB; 12], RANGE_COST), [6, 6]);
        assert_eq!(sizes(&[60 * GIB], RANGE_COST), [1], "one member has one range");
        assert_eq!(sizes(&vec![MEMBER_COST + 10_000; 100_000], RANGE_COST), [100_000]);
        assert_eq!(sizes(&vec![MEMBER_COST + 10_000; 200_000], RANGE_COST), [100_000; 2]);
        assert_eq!(sizes(&vec![GIB; 1_000], RANGE_COST).len(), 40);
    }
}
