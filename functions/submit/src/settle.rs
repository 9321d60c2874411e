//! What a person has found out about a run whose submission has no known outcome.

use landfall::clock::Deadline;
use landfall::context::Context;
use landfall::event::RunEvent;
use landfall::job::JobRequestId;
use landfall::{Error, Result};

use crate::claim::{Run, Turn};
use crate::{LEASE, record_job};

/// What a person has seen at the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// The run's job, under this id.
    Job(JobRequestId),
    /// That there is none.
    NoJob,
}

/// Settles a run of which it is not known whether it has a job. A run that has one keeps it: another is a `Conflict`.
pub async fn settle(context: &Context, event: &RunEvent, seen: Seen, deadline: &Deadline) -> Result<()> {
    let run = Run {
        work: context.work().await?,
        clock: context.clock().as_ref(),
        lease: context.claim_lease().unwrap_or(LEASE),
        event,
        deadline,
    };
    match (run.claim().await?, seen) {
        (Turn::Submitted(id), Seen::Job(seen)) if id == seen => Ok(()),
        (Turn::Submitted(id), _) => Err(Error::conflict(format!(
            "run {} has its job, {id}: go on with it, or start again under another run_key",
            event.run_key
        ))),
        (Turn::Ours { claim, .. }, Seen::NoJob) => run.release(claim).await,
        (Turn::Ours { claim, .. }, Seen::Job(id)) => {
            record_job(context, event, &id, &claim.record).await?;
            run.record_id(claim, id).await.map(|_| ())
        }
    }
}
