//! The job's list of output files, frozen at the first complete one.

use landfall::clock::elapsed;
use landfall::context::Context;
use landfall::job::{FileList, JobRecord, JobState, Outcome, OutputFile};
use landfall::source::Source;
use landfall::store::WorkState;
use landfall::{Error, ErrorType, Result};

/// What asking for the list came to.
pub(crate) enum Listed {
    /// The list, frozen.
    Files(FileList),
    /// The source has none yet, though the job has ended: ask again after this time.
    NotYet { wait_seconds: u64 },
}

/// Returns the frozen list; freezes it where the source gives a complete one.
pub(crate) async fn frozen(
    context: &Context,
    source: &dyn Source,
    work: &WorkState,
    job: &JobRecord,
) -> Result<Listed> {
    if let Some(files) = work.files(&job.job()).await? {
        return Ok(Listed::Files(files));
    }
    let outcome = outcome(context, source, work, job).await?;
    if outcome.state == JobState::Empty {
        return freeze(work, job, Vec::new()).await;
    }
    match source.output_files(job).await {
        Ok(files) if files.is_empty() => not_yet(context, work, job, &outcome, None).await,
        Ok(files) => freeze(work, job, files).await,
        // A list that is short may be one that is still growing.
        Err(error) if error.error_type() == ErrorType::ContractBroken => {
            not_yet(context, work, job, &outcome, Some(error)).await
        }
        Err(error) => Err(error),
    }
}

async fn freeze(work: &WorkState, job: &JobRecord, files: Vec<OutputFile>) -> Result<Listed> {
    let files = work.freeze_files(&job.job(), FileList { files }).await?;
    tracing::info!(files = files.files.len(), "the list of output files is complete");
    Ok(Listed::Files(files))
}

/// The job's good end; asked for here where `poll-status` has not written it down.
async fn outcome(
    context: &Context,
    source: &dyn Source,
    work: &WorkState,
    job: &JobRecord,
) -> Result<Outcome> {
    if let Some(outcome) = work.outcome(&job.job()).await? {
        return Ok(outcome);
    }
    let status = source.status(job).await?;
    if !status.state.lands() {
        let said = format!("{} has not ended well: the source says {}", job.job(), status.native_status);
        return Err(match status.state {
            JobState::Running => Error::not_found(format!("{said}; call poll-status until it has ended")),
            _ => Error::job_failed(said),
        });
    }
    let outcome = Outcome {
        state: status.state,
        native_status: status.native_status,
        message: status.message,
        expected_rows: status.expected_rows,
        since: context.clock().now(),
    };
    Ok(work.record_outcome(&job.job(), outcome).await?)
}

async fn not_yet(
    context: &Context,
    work: &WorkState,
    job: &JobRecord,
    outcome: &Outcome,
    short: Option<Error>,
) -> Result<Listed> {
    let connection = context.connection(&job.connection).await?;
    let settings = connection.job();
    let waited = elapsed(outcome.since, context.clock().now());
    if waited < settings.settle() {
        tracing::info!(waited_ms = waited.as_millis(), "the source does not list all of the job's files yet");
        return Ok(Listed::NotYet {
            wait_seconds: settings.poll_seconds.min(settings.settle_seconds).max(1),
        });
    }
    match short {
        Some(error) => Err(error),
        None if job.export.allows_empty() => freeze(work, job, Vec::new()).await,
        None => Err(Error::contract_broken(format!(
            "{} ended as {} and lists no output file after {} s: if a job of {} may put nothing out, say \
             `allow_empty` in its export",
            job.job(),
            outcome.native_status,
            waited.as_secs(),
            job.export.name()
        ))),
    }
}
