//! Submits a run's job to its source, once.
//!
//! The story: whoever writes the run's claim first may call the source, and writes the job request id behind it.
//! Everybody else waits for that id. A claimant that died is replaced after [`LEASE`], and its successor asks the
//! source for a job with this run key before it submits again.
//!
//! Promise 1: one run key, one job. What makes a takeover safe: a claimant begins to submit only within
//! [`MAY_SUBMIT`] of its claim, which it renews by a conditional write if it took longer, submits by one call that is
//! not repeated, and gives that call up after [`CALL_ENDS`]; a successor starts no sooner than [`LEASE`] after the claim, which leaves a margin for
//! clocks that differ. A submission that the source has accepted by then is found in its list, which the successor
//! gives time to catch up. Where a job's id follows from its export alone, there is nothing to claim.

mod claim;
mod forget;
mod plan;
mod recorded;
mod settle;
mod window;

use std::time::Duration;

use landfall::clock::{Deadline, elapsed};
use landfall::context::Context;
use landfall::contract::{Found, Source, Submission, SubmitRequest};
use landfall::event::{JobEvent, RunEvent};
use landfall::job::JobRequestId;
use landfall::metrics::{Measure, Measured};
use landfall::state::RunRecord;
use landfall::{Error, Result, failure, notify};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use claim::{Claim, ClaimOutcome, FIRST_WAIT, MAX_WAIT, PriorClaim, Run};
pub use claim::{LEASE, MAY_SUBMIT};
pub use forget::{Forgetting, forget};
pub use plan::{Plan, Planned, plan};
pub use settle::{OperatorAnswer, settle};

/// A call that submits ends within this time, with an answer or without.
pub const CALL_ENDS: Duration = Duration::from_secs(60);

/// How often a submission is tried when the source, asked after each, lists no job for it.
const TRIES: usize = 2;

/// The result of a submission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Submitted {
    /// The job's id at the source.
    pub job_request_id: JobRequestId,
    /// Whether the run had its job before this call.
    pub already_submitted: bool,
    /// Whether the run has landed: its manifest is there, and nothing is left to do.
    pub landed: bool,
    /// Whether the job is a recurring request, which has no files of its own: its occurrences are jobs of their
    /// own, which `sweep` finds.
    pub recurring: bool,
    /// How many seconds to wait before the source is asked what has become of the job: none, where this call has not
    /// submitted it, or it is there at once.
    pub wait_seconds: u64,
}

impl Measured for Submitted {
    fn measures(&self) -> Vec<Measure> {
        vec![Measure::count("jobs_submitted", u64::from(!self.already_submitted))]
    }
}

/// Submits the run's job, or returns the job that it has.
pub async fn submit(context: &Context, event: RunEvent, deadline: &Deadline) -> Result<Submitted> {
    let export = context.spec(&event.export)?;
    let event = RunEvent { export: export.to_export().with_tables_of(&event.export), ..event };
    let source = context.source(&event.connection).await?;
    source.accepts(&event.export)?;
    // What can never land is refused before anything has been submitted.
    context.landing(&event.destination).await?;
    if source.is_idempotent() {
        return Box::pin(submit_again(context, source.as_ref(), event)).await;
    }
    let run = Run::of(context, &event, deadline).await?;

    let connection = context.connection(&event.connection).await?;
    let (job, already_submitted) = match run.claim().await? {
        ClaimOutcome::Submitted { id, claim } => (run.job(context, &claim.record, &id).await?, true),
        ClaimOutcome::Ours { mut claim, before } => {
            if let Err(error) = decide_window(context, &run, source.as_ref(), &mut claim).await {
                if before.is_sure_of_no_job() {
                    run.release(claim).await?;
                }
                return Err(error);
            }
            let is_sure = before.is_sure_of_no_job();
            let calls =
                Calls { run: &run, source: source.as_ref(), listing_lag: connection.job().listing_lag() };
            match calls.submit_once(&mut claim, before).await? {
                Called::HasJob(id) => {
                    let job = run.record_job(context, &claim.record, &id).await?;
                    run.record_id(claim, &job).await?;
                    (job, false)
                }
                Called::Refused(error) => {
                    if is_sure {
                        give_back(context, &run, source.as_ref(), &claim).await?;
                        run.release(claim).await?;
                    } else {
                        run.leave(claim).await?;
                    }
                    return Err(error);
                }
            }
        }
    };

    let landed = context.has_landed(&job.destination, &job.landing_prefix).await?;
    tracing::info!(job_request_id = %job.job_request_id, already_submitted, landed, "the run has its job");
    let recurring = export.recurs();
    if !landed {
        notify::submitted(context, &job).await;
    }
    let is_new = !already_submitted && source.runs_jobs(&event.export);
    let wait = || connection.job().next_poll_seconds(Duration::ZERO, job.usual_duration());
    let wait_seconds = is_new.then(wait).unwrap_or_default();
    Ok(Submitted { job_request_id: job.job_request_id, already_submitted, landed, recurring, wait_seconds })
}

/// Submits an export whose job's id follows from it: whoever submits it, and however often, it is one job.
async fn submit_again(context: &Context, source: &dyn Source, event: RunEvent) -> Result<Submitted> {
    let order = SubmitRequest { export: &event.export, run_key: &event.run_key, window: None };
    let job_request_id = match source.submit(&order).await? {
        Submission::Accepted(id) => id,
        Submission::Ambiguous(what) | Submission::Exists(what) => {
            return Err(Error::source_unavailable(format!("{what}: call again")));
        }
    };
    let RunEvent { connection, destination, run_key, .. } = event;
    let destination = Some(destination);
    let event = JobEvent { connection, job_request_id, destination };
    let already_submitted = context.work().await?.job(&event.job()).await?.is_some();
    let job = context.job(&event).await?;
    // Nothing but its job is kept of such a run: what it had failed over would stay.
    failure::end_run(context, &job.connection, &run_key).await?;
    let landed = context.has_landed(&job.destination, &job.landing_prefix).await?;
    tracing::info!(job_request_id = %job.job_request_id, already_submitted, landed, "the export is a job");
    if !landed {
        notify::submitted(context, &job).await;
    }
    let (recurring, wait_seconds) = (false, 0);
    Ok(Submitted { job_request_id: job.job_request_id, already_submitted, landed, recurring, wait_seconds })
}

/// Decides once, and notes with the claim, what time the run's rows are of.
async fn decide_window(
    context: &Context,
    run: &Run<'_>,
    source: &dyn Source,
    claim: &mut Claim,
) -> Result<()> {
    if claim.record.window.is_some() {
        return Ok(());
    }
    let Some(increments) = source.increments(&run.event.export) else { return Ok(()) };
    let window = window::window(context, run.event, source, increments).await?;
    run.change(claim, RunRecord { window: Some(window), ..claim.record.clone() }).await
}

/// A run that surely has no job needs no window: the rows are the next run's.
async fn give_back(context: &Context, run: &Run<'_>, source: &dyn Source, claim: &Claim) -> Result<()> {
    let increments = source.increments(&run.event.export);
    match (&claim.record.window, increments.is_some_and(|increments| increments.given.is_none())) {
        (Some(_), true) => window::give_back(context, run.event).await,
        _ => Ok(()),
    }
}

/// The calls of one submission.
struct Calls<'a> {
    run: &'a Run<'a>,
    source: &'a dyn Source,
    listing_lag: Duration,
}

enum Called {
    HasJob(JobRequestId),
    /// The source has surely started no job by this: whoever calls next need not wait for anything.
    Refused(Error),
}

impl Calls<'_> {
    /// Calls the source; when it is not known what came of it, asks the source before calling again.
    async fn submit_once(&self, claim: &mut Claim, before: PriorClaim) -> Result<Called> {
        let window = claim.record.window.clone();
        let RunEvent { export, run_key, .. } = self.run.event;
        let order = SubmitRequest { export, run_key, window: window.as_ref() };
        if let PriorClaim::MayHaveSubmitted { why } = before {
            let why = why.unwrap_or_else(|| "an invocation before this one called it and died".to_owned());
            if let Some(id) = self.find_or_leave(claim, &order, why).await? {
                return Ok(Called::HasJob(id));
            }
        }
        // Before the claim says that the source was called: whoever finds it then knows that it was not.
        if let Err(error) = self.source.prepare(&order).await {
            return Ok(Called::Refused(error));
        }
        let mut what_happened = Vec::new();
        for _ in 0..TRIES {
            self.run.hold(claim).await?;
            match self.call(&order).await {
                Ok(Submission::Accepted(id)) => return Ok(Called::HasJob(id)),
                Ok(Submission::Ambiguous(what)) => {
                    tracing::warn!(what, "it is unknown whether the source accepted the job: asking it");
                    if let Some(id) = self.find_or_leave(claim, &order, what.clone()).await? {
                        return Ok(Called::HasJob(id));
                    }
                    what_happened.push(what);
                }
                Ok(Submission::Exists(what)) => {
                    tracing::warn!(
                        what,
                        "the source says that it has the job already: asking it which it is"
                    );
                    let found = self.find_or_leave(claim, &order, what.clone()).await?;
                    return found.map(Called::HasJob).ok_or_else(|| self.not_listed(&what));
                }
                Err(error) if what_happened.is_empty() => return Ok(Called::Refused(error)),
                Err(error) => return Err(error),
            }
        }
        Err(Error::conflict(format!(
            "it is unknown whether the source accepted any of {TRIES} submissions of run {run_key} ({}), and it lists no job \
             for the run: look for one there, then start the run with its id (`landfall run EVENT --job ID`, where \
             EVENT names the run_key), or without one if there is none (`landfall run EVENT --no-job`)",
            what_happened.join("; ")
        )))
    }

    /// Submits, and gives the call up once another invocation may take over.
    async fn call(&self, order: &SubmitRequest<'_>) -> Result<Submission> {
        match tokio::time::timeout(CALL_ENDS, self.source.submit(order)).await {
            Ok(submission) => submission,
            Err(_) => Ok(Submission::Ambiguous(format!("no answer within {} s", CALL_ENDS.as_secs()))),
        }
    }

    /// Looks for the run's job. Where nothing can tell whether there is one, the claim is left to the person who has
    /// to look.
    async fn find_or_leave(
        &self,
        claim: &mut Claim,
        order: &SubmitRequest<'_>,
        why: String,
    ) -> Result<Option<JobRequestId>> {
        match self.find_within(order).await? {
            Found::Job(id) => Ok(Some(id)),
            Found::Nothing => Ok(None),
            Found::CannotTell(where_to_look) => {
                let error = self.cannot_tell(&why, &where_to_look);
                let record = RunRecord { unsettled: Some(why), ..claim.record.clone() };
                self.run.change(claim, record).await?;
                Err(error)
            }
        }
    }

    /// Looks for the run's job in the source's list, which may lag behind; in our own records where there is no list.
    async fn find_within(&self, order: &SubmitRequest<'_>) -> Result<Found> {
        let since = self.run.clock.now();
        let mut wait = FIRST_WAIT;
        loop {
            // An answer that comes late was asked for early: what lagged behind then may be missing in it.
            let asked_at = self.run.clock.now();
            match recorded::find(self.source, order, &self.run.work, self.run.event).await? {
                Found::Nothing if elapsed(since, asked_at) < self.listing_lag => {}
                found => return Ok(found),
            }
            self.run.must_have_time()?;
            self.run.clock.sleep(wait.min(self.listing_lag)).await;
            wait = MAX_WAIT.min(wait * 2);
        }
    }

    fn not_listed(&self, said: &str) -> Error {
        Error::conflict(format!(
            "the source says that it has a job of run {} already, and lists none ({said}): look for it there, then start the \
             run with its id (`landfall run EVENT --job ID`, where EVENT names the run_key), or, once it is listed, the run \
             alone",
            self.run.event.run_key
        ))
    }

    fn cannot_tell(&self, why: &str, where_to_look: &str) -> Error {
        Error::conflict(format!(
            "it is unknown whether run {} has a job at the source ({why}), which cannot be asked by run key: \
             {where_to_look}; then start the run with the job's id (`landfall run EVENT --job ID`), or without one if \
             there is none (`landfall run EVENT --no-job`)",
            self.run.event.run_key
        ))
    }
}
