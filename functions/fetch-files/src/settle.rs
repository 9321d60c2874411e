//! The time after a job's end in which its source may not have everything ready.

use landfall::Result;
use landfall::clock::elapsed;
use landfall::context::Context;
use landfall::job::{JobRecord, Outcome};

/// How long to wait before the source is asked again; nothing once it has had its time.
///
/// Output files are listed, scanned and given out one after the other when the job itself has ended: for the
/// connection's `settle_seconds` what is missing may still come.
pub(crate) async fn wait_seconds(
    context: &Context,
    job: &JobRecord,
    outcome: &Outcome,
) -> Result<Option<u64>> {
    let connection = context.connection(&job.connection).await?;
    let settings = connection.job();
    let taken = elapsed(outcome.since, context.clock().now());
    let wait_seconds = settings.next_poll_seconds(taken).min(settings.settle_seconds).max(1);
    Ok((taken < settings.settle()).then_some(wait_seconds))
}
