//! Finds what has ended at the source and has not landed: occurrences of recurring requests, jobs that were started in
//! the vendor's own screen, runs that nobody goes on with.
//!
//! The story: the source lists its ended jobs. Of those that export what the event names, each that ended well and has
//! no manifest is to be landed; each that did not end well is reported, once to each caller. What the sweep returns,
//! somebody lands: the state machine by an execution a job, the command line one after the other. Both go on from
//! whatever is stored, so a job that two sweeps find lands once. The newest come first; what is too much for one answer
//! is left to the next sweep.

mod contract;
mod decision;

use std::cmp::Reverse;
use std::time::Duration;

use landfall::clock::Deadline;
use landfall::context::Context;
use landfall::contract::EndedJob;
use landfall::{Error, Result, Systems};

pub use contract::{EXECUTION_ENDS, FailedJob, Problem, SweepEvent, Swept, ToLand};
use decision::{Inspection, SweepDecision};

/// So many jobs are in one answer: a state machine's payload holds some 3,000.
const MAX_IN_AN_ANSWER: usize = 500;

/// What looking at one job may take.
const ENOUGH_FOR_ONE: Duration = Duration::from_secs(15);

/// Finds the jobs that have ended and not landed.
pub async fn sweep(context: &Context, event: SweepEvent, deadline: &Deadline) -> Result<Swept> {
    if event.exports.is_empty() {
        return Err(Error::invalid_event("exports is empty: name exports, or \"*\" for all"));
    }
    let source = context.source(&event.connection).await?;
    let ended = source.ended().await?;
    let inspection = Inspection { context, source: source.as_ref(), event: &event };
    let mut swept = Swept::nothing(&event, context.systems(), &ended);
    let mut reported = Vec::new();
    for job in newest_first(ended).filter(|job| event.is_about(context.systems(), job)) {
        if swept.is_full() || deadline.is_within(ENOUGH_FOR_ONE) {
            swept.complete = false;
            break;
        }
        match inspection.decide(&job).await {
            Ok(SweepDecision::Landed) => swept.landed += 1,
            Ok(SweepDecision::InProgress | SweepDecision::AlreadyReported | SweepDecision::TooOld) => {}
            Ok(SweepDecision::ToLand(job)) => swept.jobs.push(job),
            Ok(SweepDecision::Failed(failed_job)) => {
                reported.push(event.job(&job));
                swept.failed.push(failed_job);
            }
            Err(error) if error.retryable() => return Err(error),
            Err(error) => swept.problems.push(problem(job, &error)),
        }
    }
    // Last of all: what fails before this is asked for again, and reported then.
    for (job, failed_job) in std::iter::zip(reported, &swept.failed) {
        inspection.note_reported(&job, &failed_job.native_status).await?;
    }
    tracing::info!(
        complete = swept.complete,
        to_land.jobs = swept.jobs.len(),
        failed.jobs = swept.failed.len(),
        problems.jobs = swept.problems.len(),
        landed.jobs = swept.landed,
        "the source's jobs were swept"
    );
    Ok(swept)
}

impl SweepEvent {
    fn is_about(&self, systems: &Systems, job: &EndedJob) -> bool {
        self.exports.iter().any(|name| name == "*" || *name == systems.name(&job.export))
    }
}

impl Swept {
    fn nothing(event: &SweepEvent, systems: &Systems, ended: &[EndedJob]) -> Self {
        let is_seen =
            |name: &&String| *name == "*" || ended.iter().any(|job| systems.name(&job.export) == **name);
        let unseen = event.exports.iter().filter(|name| !is_seen(name)).cloned().collect();
        Self { complete: true, jobs: Vec::new(), failed: Vec::new(), problems: Vec::new(), landed: 0, unseen }
    }

    fn is_full(&self) -> bool {
        self.jobs.len() + self.failed.len() + self.problems.len() >= MAX_IN_AN_ANSWER
    }
}

/// The newest first, by time and, where that is not told, by the number that ids are.
fn newest_first(mut jobs: Vec<EndedJob>) -> impl Iterator<Item = EndedJob> {
    jobs.sort_by_key(|job| Reverse((job.ended_at, job.job_request_id.as_str().parse::<u64>().ok())));
    jobs.into_iter()
}

fn problem(job: EndedJob, error: &Error) -> Problem {
    Problem {
        job_request_id: job.job_request_id,
        error: error.error_type().name().to_owned(),
        message: error.line(),
    }
}
