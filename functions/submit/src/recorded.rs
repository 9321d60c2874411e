//! A run's job as landfall's own records have it: a claimant records its job before it writes the job's id behind the
//! claim, and may have died in between.

use futures::TryStreamExt as _;
use landfall::Result;
use landfall::event::RunEvent;
use landfall::job::JobRequestId;
use landfall::store::WorkState;

/// The job that is recorded for a run; none where several are, of which a person must choose.
///
/// It reads the record of every job of the connection: for where the source itself cannot be asked, and a person would
/// have to look otherwise.
pub(crate) async fn recorded_job(work: &WorkState, event: &RunEvent) -> Result<Option<JobRequestId>> {
    let mut found = None;
    let mut jobs = work.jobs(&event.connection);
    while let Some(objects) = jobs.try_next().await? {
        let Some(record) = work.job(&objects.job).await? else { continue };
        if record.run_key.as_ref() != Some(&event.run_key) {
            continue;
        }
        if found.replace(record.job_request_id).is_some() {
            return Ok(None);
        }
    }
    Ok(found)
}
