//! Finds what has ended at the source and has not landed: occurrences of recurring requests, jobs that were started in
//! the vendor's own screen, runs that nobody goes on with.
//!
//! The story: the source lists its ended jobs. Of those that export what the event names, each that ended well and has
//! no manifest is to be landed; each that did not end well is told of, once to each who asks. What the sweep returns,
//! somebody lands: the state machine by an execution a job, the command line one after the other. Both go on from
//! whatever is stored, so a job that two sweeps find lands once. The newest come first; what is too much for one answer
//! is left to the next sweep.

mod standing;

use std::cmp::Reverse;
use std::time::Duration;

use jiff::Timestamp;
use landfall::clock::Deadline;
use landfall::context::Context;
use landfall::job::{ConnectionName, DestinationName, JobRef, JobRequestId, JobState};
use landfall::metrics::{Measure, Measured};
use landfall::contract::EndedJob;
use landfall::{Error, Result, Systems};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use standing::{Look, Standing};

/// After so many seconds nobody is at work on a run any more: the deadline of the state machine's execution.
pub const EXECUTION_ENDS: u64 = 86_400;

/// So many jobs are in one answer: a state machine's payload holds some 3,000.
const MOST_IN_AN_ANSWER: usize = 500;

/// What looking at one job may take.
const ENOUGH_FOR_ONE: Duration = Duration::from_secs(15);

/// What to look for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SweepEvent {
    /// The connection.
    pub connection: ConnectionName,
    /// The exports, by name; `*` is all.
    pub exports: Vec<String>,
    /// Where jobs land that landfall did not submit.
    pub destination: DestinationName,
    /// Only jobs that ended at this moment or later. Jobs of which the source does not tell when they ended are looked
    /// at too; where it only tells when they began, the connection's `job.timeout_seconds` is allowed for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// How old a run of landfall's own must be before its job counts as one that nobody goes on with, in seconds.
    #[serde(default = "execution_ends")]
    pub grace_seconds: u64,
    /// Who asks: a job that did not end well is told once to each. The state machine puts its execution's name here, so
    /// that an answer that was lost is given again.
    #[serde(default)]
    pub asked_by: String,
}

fn execution_ends() -> u64 {
    EXECUTION_ENDS
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Swept {
    /// Whether every job was looked at; otherwise the next sweep goes on.
    pub complete: bool,
    /// The jobs to land.
    pub jobs: Vec<ToLand>,
    /// The jobs that did not end well, and of which nobody else was told before.
    pub failed: Vec<NotWell>,
    /// The jobs of which nothing could be found out.
    pub problems: Vec<Problem>,
    /// How many have landed already.
    pub landed: u64,
    /// The exports of which the source lists no job: names that are wrong, perhaps.
    pub unseen: Vec<String>,
}

impl Measured for Swept {
    fn measures(&self) -> Vec<Measure> {
        vec![Measure::count("jobs_swept", u64::try_from(self.jobs.len()).unwrap_or(u64::MAX))]
    }
}

/// A job to land: the input of the state machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ToLand {
    /// The connection that it ran on.
    pub connection: ConnectionName,
    /// Its id at the source.
    pub job_request_id: JobRequestId,
    /// Where it lands.
    pub destination: DestinationName,
}

/// A job that did not end well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NotWell {
    /// Its id at the source.
    pub job_request_id: JobRequestId,
    /// What it exports.
    pub export: String,
    /// How it ended.
    pub state: JobState,
    /// The same in the source's own word.
    pub native_status: String,
    /// What the source says about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// A job that could not be looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Problem {
    /// Its id at the source.
    pub job_request_id: JobRequestId,
    /// The error's name.
    pub error: String,
    /// What is wrong.
    pub message: String,
}

/// Finds the jobs that have ended and not landed.
pub async fn sweep(context: &Context, event: SweepEvent, deadline: &Deadline) -> Result<Swept> {
    if event.exports.is_empty() {
        return Err(Error::invalid_event("exports names none: name exports, or \"*\" for all"));
    }
    let source = context.source(&event.connection).await?;
    let ended = source.ended().await?;
    let look = Look { context, source: source.as_ref(), event: &event };
    let mut swept = Swept::nothing(&event, context.systems(), &ended);
    let mut told = Vec::new();
    for job in newest_first(ended).filter(|job| event.is_about(context.systems(), job)) {
        if swept.is_full() || deadline.is_within(ENOUGH_FOR_ONE) {
            swept.complete = false;
            break;
        }
        match look.standing(&job).await {
            Ok(Standing::Landed) => swept.landed += 1,
            Ok(Standing::SomebodyIsAtIt | Standing::Told | Standing::TooOld) => {}
            Ok(Standing::ToLand(job)) => swept.jobs.push(job),
            Ok(Standing::NotWell(not_well)) => {
                told.push(event.job(&job));
                swept.failed.push(not_well);
            }
            Err(error) if error.retryable() => return Err(error),
            Err(error) => swept.problems.push(problem(job, &error)),
        }
    }
    // Last of all: what fails before this is asked for again, and told then.
    for (job, not_well) in std::iter::zip(told, &swept.failed) {
        look.note_told(&job, &not_well.native_status).await?;
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

    fn job(&self, job: &EndedJob) -> JobRef {
        JobRef { connection: self.connection.clone(), job_request_id: job.job_request_id.clone() }
    }
}

impl Swept {
    fn nothing(event: &SweepEvent, systems: &Systems, ended: &[EndedJob]) -> Self {
        let is_seen = |name: &&String| *name == "*" || ended.iter().any(|job| systems.name(&job.export) == **name);
        let unseen = event.exports.iter().filter(|name| !is_seen(name)).cloned().collect();
        Self { complete: true, jobs: Vec::new(), failed: Vec::new(), problems: Vec::new(), landed: 0, unseen }
    }

    fn is_full(&self) -> bool {
        self.jobs.len() + self.failed.len() + self.problems.len() >= MOST_IN_AN_ANSWER
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
