//! Where a job's time went.

use std::time::Duration;

use jiff::Timestamp;
use landfall::clock::elapsed;

use crate::facts::JobFacts;

const A_SECOND: Duration = Duration::from_secs(1);

/// A part of a job's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stage {
    /// What went on.
    pub(crate) name: &'static str,
    /// Where its colour is from.
    pub(crate) class: &'static str,
    /// How long.
    pub(crate) took: Duration,
}

/// The parts, in their order. Moments are of several clocks, and of a repair long after: from the first on that is before
/// the one behind it, nothing is said.
pub(crate) fn stages(facts: &JobFacts) -> Vec<Stage> {
    let progress = &facts.progress;
    let all = |done: usize| progress.files.is_some_and(|files| files == done);
    let fetched_at = progress.fetched_at.filter(|_| all(progress.fetched));
    let unpacked_at = progress.unpacked_at.filter(|_| all(progress.unpacked));
    let ends = [
        ("at the source", "source", facts.outcome.as_ref().map(|outcome| outcome.since)),
        ("fetching its files", "fetching", fetched_at),
        ("unpacking and landing", "unpacking", unpacked_at),
        ("publishing", "publishing", progress.landed_at),
    ];
    let mut from = facts.record.since;
    let mut stages = Vec::new();
    for (name, class, until) in ends {
        // A store keeps times to the second.
        let Some(until) = until.filter(|until| *until + A_SECOND >= from).map(|until| until.max(from)) else {
            // A job without files has nothing to fetch or to unpack.
            if progress.files == Some(0) {
                continue;
            }
            break;
        };
        stages.push(Stage { name, class, took: elapsed(from, until) });
        from = until;
    }
    stages
}

/// How long it took until it had landed.
pub(crate) fn took(facts: &JobFacts) -> Option<Duration> {
    let landed_at: Timestamp = facts.progress.landed_at?;
    (landed_at >= facts.record.since).then(|| elapsed(facts.record.since, landed_at))
}
