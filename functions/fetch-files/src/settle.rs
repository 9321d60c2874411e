//! The time after a job's end in which its source may not have everything ready.

use jiff::Timestamp;
use landfall::Result;
use landfall::clock::elapsed;
use landfall::context::Context;
use landfall::job::{JobRecord, Outcome};

/// The least between two looks: a list that is the same in two of them counts, and what answers for a source may lag behind
/// it by seconds.
const MIN_SECONDS_APART: u64 = 4;

/// How long to wait before the source is asked again; nothing once it has had its time.
///
/// Output files are listed, scanned and given out one after the other when the job itself has ended: for the
/// connection's `settle_seconds` what is missing may still come. Where the list was seen to change, that time runs from
/// then on; not without end: after the job's own `timeout_seconds` it has had its time.
pub(crate) async fn wait_seconds(
    context: &Context,
    job: &JobRecord,
    outcome: &Outcome,
    changed_at: Option<Timestamp>,
) -> Result<Option<u64>> {
    let connection = context.connection(&job.connection).await?;
    let (settings, now) = (connection.job(), context.clock().now());
    let since_end = elapsed(outcome.since, now);
    let since_change = changed_at.filter(|_| since_end < settings.timeout()).map(|at| elapsed(at, now));
    let taken = since_change.map_or(since_end, |since| since.min(since_end));
    let soon = settings.next_poll_seconds(taken, None).max(MIN_SECONDS_APART);
    let wait_seconds = soon.min(settings.settle_seconds).max(1);
    Ok((taken < settings.settle()).then_some(wait_seconds))
}
