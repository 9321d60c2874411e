//! What a landed job leaves behind on this machine's disk, deleted.
//!
//! A bucket elsewhere has a lifecycle rule for that; the embedded one has none, and the files as their source gave
//! them would fill the disk. Only what no step needs once the manifest is there goes: the staged bytes, the
//! checkpoints, and uploads that nobody will finish. Every record stays, so that the job is known for good.
//!
//! Nothing depends on this: killed in its midst, or not allowed to delete, it is done by whoever comes to the landed
//! job next.

use futures::TryStreamExt as _;
use landfall::Result;
use landfall::event::JobEvent;
use landfall::job::{JobRecord, JobRef};
use landfall::state::keys;
use landfall_store::{Store, StoreError};

use crate::machine::LocalRuntime;

/// Tidies up behind a job whose manifest is there. What cannot be deleted is said, and is no failure.
pub(crate) async fn tidy(machine: &LocalRuntime, event: &JobEvent) {
    if let Err(error) = try_tidy(machine, event).await {
        let (job, error) = (event.job(), error.line());
        tracing::warn!(
            "{job} has landed, but some files that it no longer needs could not be deleted: {error}; the next command \
             that works on it tries again"
        );
    }
}

async fn try_tidy(machine: &LocalRuntime, event: &JobEvent) -> Result<()> {
    let job = event.job();
    // Where others are at the job, the last of them tidies up.
    let Some(_alone) = machine.alone_with(&job)? else { return Ok(()) };
    let record = machine.context().job(event).await?;
    delete_leftovers(machine, &record).await
}

/// Deletes what a job that is over has left behind. Interrupted, it is gone on with by whoever does it again.
pub(crate) async fn delete_leftovers(machine: &LocalRuntime, record: &JobRecord) -> Result<()> {
    let (work, job) = (machine.context().work().await?, record.job());
    delete_unneeded(work.store(), &job).await?;
    let landing = machine.context().landing(&record.destination).await?;
    work.store().abort_uploads(&keys::job(&job), |_| true).await?;
    landing.store.abort_uploads(&record.landing_prefix, |_| true).await?;
    Ok(())
}

/// Deletes a job's staged bytes and checkpoints, a page of keys in memory at a time.
async fn delete_unneeded(store: &Store, job: &JobRef) -> Result<(), StoreError> {
    delete_where(store, &keys::staged_prefix(job), |key| !key.ends_with(".json")).await?;
    delete_where(store, &keys::checkpoints_prefix(job), |_| true).await
}

async fn delete_where(
    store: &Store,
    prefix: &str,
    is_unneeded: impl Fn(&str) -> bool,
) -> Result<(), StoreError> {
    let mut listed = store.list(prefix);
    while let Some(object) = listed.try_next().await? {
        if is_unneeded(&object.key) {
            store.delete(&object.key).await?;
        }
    }
    Ok(())
}
