//! What a person has found out about a run whose submission has no known outcome.

use landfall::clock::Deadline;
use landfall::context::Context;
use landfall::contract::{Found, SubmitRequest};
use landfall::event::RunEvent;
use landfall::job::JobRequestId;
use landfall::{Error, Result};

use crate::claim::{Claim, ClaimOutcome, Run};
use crate::{LEASE, recorded};

/// What a person has seen at the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OperatorAnswer {
    /// The run's job, under this id.
    Job(JobRequestId),
    /// That there is none.
    NoJob,
}

/// Settles a run of which it is not known whether it has a job. A run that has one keeps it: another is a `Conflict`,
/// and so is the job of another run. That there is none is believed only where the source lists none, and our own records neither.
pub async fn settle(
    context: &Context,
    event: &RunEvent,
    seen: OperatorAnswer,
    deadline: &Deadline,
) -> Result<()> {
    let source = context.source(&event.connection).await?;
    if source.is_idempotent() {
        let said = "the job of this export follows from the export itself: leave --job and --no-job out";
        return Err(Error::invalid_event(said));
    }
    let run = Run {
        work: context.work().await?,
        clock: context.clock().as_ref(),
        lease: context.claim_lease().unwrap_or(LEASE),
        event,
        deadline,
    };
    match (run.claim().await?, seen) {
        (ClaimOutcome::Submitted { id, .. }, OperatorAnswer::Job(seen)) if id == seen => Ok(()),
        (ClaimOutcome::Submitted { id, .. }, _) => Err(Error::conflict(format!(
            "run {} has job {id} already: continue that job, or start another run under another run_key",
            event.run_key
        ))),
        (ClaimOutcome::Ours { claim, .. }, OperatorAnswer::Job(id)) => {
            has_job(context, &run, claim, &id).await
        }
        (ClaimOutcome::Ours { claim, .. }, OperatorAnswer::NoJob) => {
            let window = claim.record.window.clone();
            let order =
                SubmitRequest { export: &event.export, run_key: &event.run_key, window: window.as_ref() };
            match recorded::find(source.as_ref(), &order, &run.work, event).await? {
                Found::Job(id) => has_job(context, &run, claim, &id).await,
                Found::Nothing | Found::CannotTell(_) => run.release(claim).await,
            }
        }
    }
}

async fn has_job(context: &Context, run: &Run<'_>, claim: Box<Claim>, id: &JobRequestId) -> Result<()> {
    let job = run.record_job(context, &claim.record, id).await?;
    run.record_id(claim, &job).await.map(|_| ())
}
