//! Finds what has ended at the source and has not landed: occurrences of recurring requests, jobs that were started in
//! the vendor's own screen, runs that nobody goes on with.
//!
//! The story: the source lists its ended jobs. Of those that export what the event names, each that ended well and has
//! no manifest is to be landed; each that did not end well is reported. What the sweep returns, somebody lands: the state
//! machine by an execution a job, the command line one after the other. Both go on from whatever is stored, so a job that
//! two sweeps find lands once. A job of which a step has said for good that it cannot land is left alone.
//!
//! The newest come first. An answer holds what a state machine passes on, and says where to go on; the call that goes on
//! brings along what was passed on of the answer before it, and only then is that noted as told: what is lost on its way
//! is told again.

mod contract;
mod decision;

use std::cmp::Reverse;
use std::time::Duration;

use landfall::answer::{MAX_BYTES, json_bytes};
use landfall::clock::Deadline;
use landfall::context::Context;
use landfall::contract::EndedJob;
use landfall::job::JobRequestId;
use landfall::{Error, Result, Systems};
use serde::Serialize;

pub use contract::{EXECUTION_ENDS, FailedJob, NextPage, Problem, SweepEvent, Swept, ToLand, ToldJob};
use decision::{Inspection, SweepDecision, note_told};

/// So many jobs are in one answer.
const MAX_IN_AN_ANSWER: usize = 500;

/// What looking at one job may take.
const ENOUGH_FOR_ONE: Duration = Duration::from_secs(15);

/// Finds the jobs that have ended and not landed.
pub async fn sweep(context: &Context, event: SweepEvent, deadline: &Deadline) -> Result<Swept> {
    if event.exports.is_empty() {
        return Err(Error::invalid_event("exports is empty: name exports, or \"*\" for all"));
    }
    note_told(context, &event).await?;
    let source = context.source(&event.connection).await?;
    let ended = source.ended().await?;
    let inspection = Inspection { context, source: source.as_ref(), event: &event };
    let mut page = Page::begin(&event, context.systems(), &ended);
    for job in event.rest_of(newest_first(ended), context.systems()) {
        if page.is_full() || (page.has_begun() && deadline.is_within(ENOUGH_FOR_ONE)) {
            page.swept.complete = false;
            break;
        }
        let has_room = match Box::pin(inspection.decide(&job)).await {
            Ok(SweepDecision::Landed) => page.count_landed(),
            Ok(SweepDecision::InProgress | SweepDecision::AlreadyReported | SweepDecision::TooOld) => true,
            Ok(SweepDecision::ToLand(to_land)) => page.add(to_land, None, |swept| &mut swept.jobs),
            Ok(SweepDecision::Failed(failed)) => {
                let told = told(&job, &failed.native_status);
                page.add(failed, Some(told), |swept| &mut swept.failed)
            }
            Err(error) if error.retryable() => return Err(error),
            Err(error) => match inspection.problem(&job, &error).await {
                Some(problem) => {
                    let told = told(&job, &problem.error);
                    page.add(problem, Some(told), |swept| &mut swept.problems)
                }
                None => true,
            },
        };
        if !has_room {
            page.swept.complete = false;
            break;
        }
        page.last = Some(job.job_request_id);
    }
    let swept = page.end();
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
    /// The jobs to look at, of those that the source lists. Where the one to go on from is not listed any more, the next
    /// sweep goes on instead.
    fn rest_of(&self, listed: Vec<EndedJob>, systems: &Systems) -> impl Iterator<Item = EndedJob> {
        let place = |after: &JobRequestId| listed.iter().position(|job| job.job_request_id == *after);
        let seen =
            self.after.as_ref().map_or(0, |after| place(after).map_or(listed.len(), |place| place + 1));
        listed.into_iter().skip(seen).filter(|job| self.is_about(systems, job))
    }

    fn is_about(&self, systems: &Systems, job: &EndedJob) -> bool {
        self.exports.iter().any(|name| name == "*" || *name == systems.name(&job.export))
    }
}

fn told(job: &EndedJob, status: &str) -> ToldJob {
    ToldJob { job_request_id: job.job_request_id.clone(), status: status.to_owned() }
}

/// An answer in the making.
struct Page {
    swept: Swept,
    told: Vec<ToldJob>,
    bytes: usize,
    begins_after: Option<JobRequestId>,
    last: Option<JobRequestId>,
}

impl Page {
    fn begin(event: &SweepEvent, systems: &Systems, ended: &[EndedJob]) -> Self {
        let is_seen =
            |name: &&String| *name == "*" || ended.iter().any(|job| systems.name(&job.export) == **name);
        let mut bytes = 0;
        let has_room = |name: &&String| {
            bytes += json_bytes(name);
            bytes <= MAX_BYTES / 4
        };
        let unseen =
            event.exports.iter().filter(|name| !is_seen(name)).take_while(has_room).cloned().collect();
        let swept = Swept {
            complete: true,
            next: None,
            jobs: Vec::new(),
            failed: Vec::new(),
            problems: Vec::new(),
            landed: 0,
            unseen,
        };
        Self { swept, told: Vec::new(), bytes, begins_after: event.after.clone(), last: event.after.clone() }
    }

    fn has_begun(&self) -> bool {
        self.last != self.begins_after
    }

    fn is_full(&self) -> bool {
        let Swept { jobs, failed, problems, .. } = &self.swept;
        jobs.len() + failed.len() + problems.len() >= MAX_IN_AN_ANSWER
    }

    fn count_landed(&mut self) -> bool {
        self.swept.landed += 1;
        true
    }

    /// Adds what was found of a job, and what is noted once it has been told, if it fits in.
    fn add<T: Serialize>(
        &mut self,
        found: T,
        told: Option<ToldJob>,
        to: impl FnOnce(&mut Swept) -> &mut Vec<T>,
    ) -> bool {
        let bytes = self.bytes.saturating_add(json_bytes(&found)).saturating_add(json_bytes(&told));
        if bytes > MAX_BYTES {
            return false;
        }
        self.bytes = bytes;
        self.told.extend(told);
        to(&mut self.swept).push(found);
        true
    }

    fn end(self) -> Swept {
        let Self { mut swept, told, last, .. } = self;
        let last = last.filter(|_| !told.is_empty() || !swept.complete);
        swept.next = last.map(|after| NextPage { after, told });
        swept
    }
}

/// The newest first, by time and, where that is not told, by the number that ids are.
fn newest_first(mut jobs: Vec<EndedJob>) -> Vec<EndedJob> {
    jobs.sort_by_key(|job| Reverse((job.ended_at, job.job_request_id.as_str().parse::<u64>().ok())));
    jobs
}
