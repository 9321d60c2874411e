//! What is usual of an export's jobs, and which of them is out of line: robust statistics, which a few odd jobs do not move.

/// So many jobs before one are looked at.
pub const JOBS: usize = 30;
/// Of fewer nobody can say what is usual.
const MIN_JOBS: usize = 8;
/// How many times the usual distance from the median is unusual. The median of the distances is 0.67 standard deviations
/// of what is normally distributed, so this is about five of them.
const DISTANCES: u64 = 8;
/// A distance of less than this part of the median is never unusual.
const MIN_PART: u64 = 3;

/// What is usual: the median of the jobs before one, and the median of their distances from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usual {
    /// The median.
    pub median: u64,
    /// How many jobs it is of.
    pub jobs: usize,
    distance: u64,
}

impl Usual {
    /// What is usual of these jobs, the newest last; none where they are too few to say.
    pub fn of(before: &[u64]) -> Option<Self> {
        let last = before.get(before.len().saturating_sub(JOBS)..).unwrap_or_default();
        if last.len() < MIN_JOBS {
            return None;
        }
        let median = median(last.iter().copied());
        let distance = self::median(last.iter().map(|value| value.abs_diff(median)));
        Some(Self { median, jobs: last.len(), distance })
    }

    /// Whether a job is out of line.
    pub fn is_far_from(&self, value: u64) -> bool {
        let far = self.distance.saturating_mul(DISTANCES).max(self.median / MIN_PART);
        value.abs_diff(self.median) > far
    }
}

/// The median; 0 of nothing.
pub fn median(values: impl Iterator<Item = u64>) -> u64 {
    let mut values: Vec<u64> = values.collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of few jobs nothing is usual; of more, what is far is so by what they vary, and by a third of them at least.
    #[test]
    fn what_is_far_follows_from_what_varies() {
        assert_eq!(Usual::of(&[5; 7]), None);
        let steady = Usual::of(&[900; 40]).unwrap();
        assert_eq!((steady.median, steady.jobs), (900, JOBS));
        assert!(steady.is_far_from(599) && steady.is_far_from(1_201));
        assert!(!steady.is_far_from(600) && !steady.is_far_from(1_200));
        let varied: Vec<u64> = (0..30).map(|number| 100 + 50 * (number % 10)).collect();
        assert!(!Usual::of(&varied).unwrap().is_far_from(0), "it varies by so much");
    }
}
