//! What a person has found out about a run whose submission has no known outcome.

use landfall::clock::Deadline;
use landfall::context::Context;
use landfall::contract::{Found, Source, SubmitRequest};
use landfall::event::RunEvent;
use landfall::job::{JobRef, JobRequestId};
use landfall::state::{RunRecord, keys};
use landfall::{Error, ErrorType, Result};

use crate::claim::{Claim, ClaimOutcome, Run, has_landed};
use crate::recorded;

/// What a person has seen at the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OperatorAnswer {
    /// The run's job, under this id.
    Job(JobRequestId),
    /// That there is none.
    NoJob,
}

/// Settles a run of which it is not known whether it has a job. A job that a person names is looked at first: one that the
/// source does not know is `NotFound`, one of another export, or of another run, a `Conflict`. A run that has a job keeps
/// it, unless a person had named it, or it cannot be the run's and has not landed: then another takes its place. That there is none is
/// believed only where the source lists none, and our own records neither.
pub async fn settle(
    context: &Context,
    event: &RunEvent,
    seen: OperatorAnswer,
    deadline: &Deadline,
) -> Result<()> {
    // As the run was claimed: what an event leaves out is as if it had been said.
    let export = context.spec(&event.export)?.to_export().with_tables_of(&event.export);
    let event = &RunEvent { export, ..event.clone() };
    let source = context.source(&event.connection).await?;
    if source.is_idempotent() {
        let said = "the job of this export follows from the export itself: leave --job and --no-job out";
        return Err(Error::invalid_event(said));
    }
    let run = Run::of(context, event, deadline).await?;
    let found = run.work.run(&event.connection, &event.run_key).await?;
    let window = found.and_then(|(found, _)| found.window);
    let order = SubmitRequest { export: &event.export, run_key: &event.run_key, window: window.as_ref() };
    if let OperatorAnswer::Job(id) = &seen {
        source.verify_job(id, &order).await?;
    }
    match (run.claim().await?, seen) {
        (ClaimOutcome::Submitted { id, .. }, OperatorAnswer::Job(seen)) if id == seen => Ok(()),
        (ClaimOutcome::Submitted { id, claim }, OperatorAnswer::Job(seen)) => {
            let is_its_own = !claim.record.named_by_operator
                && (has_landed(context, &claim.record).await?
                    || can_be_its_job(source.as_ref(), &id, &order).await?);
            if is_its_own {
                return Err(has_job(event, &id));
            }
            correct(context, &run, claim, &id, &seen).await
        }
        (ClaimOutcome::Submitted { id, .. }, OperatorAnswer::NoJob) => Err(has_job(event, &id)),
        (ClaimOutcome::Ours { mut claim, .. }, OperatorAnswer::Job(id)) => {
            claim.record.named_by_operator = true;
            bind(context, &run, claim, &id).await
        }
        (ClaimOutcome::Ours { claim, .. }, OperatorAnswer::NoJob) => {
            match recorded::find(source.as_ref(), &order, &run.work, event).await? {
                Found::Job(id) => bind(context, &run, claim, &id).await,
                Found::Nothing | Found::CannotTell(_) => run.release(claim).await,
            }
        }
    }
}

fn has_job(event: &RunEvent, id: &JobRequestId) -> Error {
    Error::conflict(format!(
        "run {} has job {id} already: continue that job, or start another run under another run_key",
        event.run_key
    ))
}

/// Whether a job can be the run's, as far as the source says.
async fn can_be_its_job(source: &dyn Source, id: &JobRequestId, order: &SubmitRequest<'_>) -> Result<bool> {
    match source.verify_job(id, order).await {
        Ok(()) => Ok(true),
        Err(error) if matches!(error.error_type(), ErrorType::NotFound | ErrorType::Conflict) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether the run's job has landed.
/// Makes a job that was found the run's.
async fn bind(context: &Context, run: &Run<'_>, claim: Box<Claim>, id: &JobRequestId) -> Result<()> {
    let job = run.record_job(context, &claim.record, id).await?;
    run.record_id(claim, &job).await.map(|_| ())
}

/// Gives a run another job than the one that was named for it. The other is nobody's then, for the run that it may be of;
/// what has landed of it stays.
async fn correct(
    context: &Context,
    run: &Run<'_>,
    mut claim: Box<Claim>,
    wrong: &JobRequestId,
    right: &JobRequestId,
) -> Result<()> {
    let wrong = JobRef { connection: run.event.connection.clone(), job_request_id: wrong.clone() };
    // A job of another run is refused here, before anything changes.
    let unbound = RunRecord { job_request_id: None, landing_prefix: None, ..claim.record.clone() };
    let job = run.record_job(context, &unbound, right).await?;
    if let Some(record) = run.work.job(&wrong).await?
        && record.run_key.as_ref() == Some(&run.event.run_key)
        && !context.has_landed(&record.destination, &record.landing_prefix).await?
    {
        run.work.store().delete(&keys::job_record(&wrong)).await?;
    }
    let record = RunRecord {
        job_request_id: Some(right.clone()),
        landing_prefix: Some(job.landing_prefix),
        named_by_operator: true,
        ..unbound
    };
    run.change(&mut claim, record).await
}
