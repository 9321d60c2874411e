//! A run's job as landfall's own records have it: a claimant records its job before it writes the job's id behind the
//! claim, and may have died in between.

use futures::TryStreamExt as _;
use landfall::Result;
use landfall::contract::{Found, Source, SubmitRequest};
use landfall::event::RunEvent;
use landfall::job::JobRequestId;
use landfall::state::WorkState;

/// The run's job by the source's list; by our own records, where the source has no list.
pub(crate) async fn find(
    source: &dyn Source,
    order: &SubmitRequest<'_>,
    work: &WorkState,
    event: &RunEvent,
) -> Result<Found> {
    match source.find(order).await? {
        Found::CannotTell(where_to_look) => {
            let recorded = recorded_job(work, event).await?;
            Ok(recorded.map_or(Found::CannotTell(where_to_look), Found::Job))
        }
        found => Ok(found),
    }
}

/// The job that is recorded for a run; none where several are, of which a person must choose.
///
/// It reads the record of every job of the connection: for where the source itself cannot be asked, and a person would
/// have to look otherwise.
async fn recorded_job(work: &WorkState, event: &RunEvent) -> Result<Option<JobRequestId>> {
    let mut found = None;
    let mut jobs = work.jobs(&event.connection);
    while let Some(objects) = jobs.try_next().await? {
        let Some(record) = work.job(&objects.job).await? else { continue };
        if record.run_key.as_ref() != Some(&event.run_key) || record.export != event.export {
            continue;
        }
        if found.replace(record.job_request_id).is_some() {
            return Ok(None);
        }
    }
    Ok(found)
}
