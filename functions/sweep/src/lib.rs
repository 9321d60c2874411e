//! Finds what has ended at the source and has not landed: occurrences of recurring requests, jobs that were started in
//! the vendor's own screen, runs that nobody goes on with.
//!
//! The story: the source lists its ended jobs. Of those that export what the event names, each that ended well and has
//! no manifest is to be landed; each that did not end well is reported, once. What the sweep returns, somebody lands:
//! the state machine by an execution a job, the command line one after the other. Both go on from whatever is stored,
//! so a job that two sweeps find lands once.

use std::time::Duration;

use jiff::Timestamp;
use landfall::clock::{Deadline, elapsed};
use landfall::context::Context;
use landfall::job::{ConnectionName, DestinationName, JobRecord, JobRef, JobRequestId, JobState};
use landfall::source::{EndedJob, Source};
use landfall::store::{Reported, keys};
use landfall::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// After so many seconds nobody is at work on a run any more: the deadline of the state machine's execution.
pub const EXECUTION_ENDS: u64 = 86_400;

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
    /// Only jobs that ended at this moment or later, as far as the source tells when they ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// How old a run of landfall's own must be before its job counts as one that nobody goes on with, in seconds.
    #[serde(default = "execution_ends")]
    pub grace_seconds: u64,
}

fn execution_ends() -> u64 {
    EXECUTION_ENDS
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Swept {
    /// The jobs to land.
    pub jobs: Vec<ToLand>,
    /// The jobs that did not end well, and of which no sweep has told before.
    pub failed: Vec<NotWell>,
    /// How many have landed already.
    pub landed: u64,
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

/// Finds the jobs that have ended and not landed.
pub async fn sweep(context: &Context, event: SweepEvent, deadline: &Deadline) -> Result<Swept> {
    if event.exports.is_empty() {
        return Err(Error::invalid_event("exports names none: name exports, or \"*\" for all"));
    }
    let source = context.source(&event.connection).await?;
    let ended = source.ended().await?;
    let mut swept = Swept { jobs: Vec::new(), failed: Vec::new(), landed: 0 };
    for job in ended.into_iter().filter(|job| event.is_about(job)) {
        if deadline.is_within(ENOUGH_FOR_ONE) {
            tracing::info!("the deadline is near: the next sweep finds the rest");
            break;
        }
        match standing(context, source.as_ref(), &event, &job).await? {
            Standing::Landed => swept.landed += 1,
            Standing::SomebodyIsAtIt | Standing::Reported | Standing::TooOld => {}
            Standing::ToLand(job) => swept.jobs.push(job),
            Standing::NotWell(job) => swept.failed.push(job),
        }
    }
    tracing::info!(
        to_land.jobs = swept.jobs.len(),
        failed.jobs = swept.failed.len(),
        landed.jobs = swept.landed,
        "the source's jobs were swept"
    );
    Ok(swept)
}

/// What looking at one job may take.
const ENOUGH_FOR_ONE: Duration = Duration::from_secs(15);

impl SweepEvent {
    fn is_about(&self, job: &EndedJob) -> bool {
        self.exports.iter().any(|name| name == "*" || name == job.export.name())
    }
}

/// How a job of the source's list stands here.
enum Standing {
    Landed,
    SomebodyIsAtIt,
    Reported,
    TooOld,
    ToLand(ToLand),
    NotWell(NotWell),
}

async fn standing(
    context: &Context,
    source: &dyn Source,
    event: &SweepEvent,
    job: &EndedJob,
) -> Result<Standing> {
    let name = JobRef { connection: event.connection.clone(), job_request_id: job.job_request_id.clone() };
    let record = context.work().await?.job(&name).await?;
    if let Some(record) = &record {
        if has_landed(context, record).await? {
            return Ok(Standing::Landed);
        }
        let age = elapsed(record.since, context.clock().now());
        if record.run_key.is_some() && age < Duration::from_secs(event.grace_seconds) {
            return Ok(Standing::SomebodyIsAtIt);
        }
    }
    if ended_before(source, event.since, job).await? {
        return Ok(Standing::TooOld);
    }
    if job.status.state.lands() {
        let destination = record.map_or_else(|| event.destination.clone(), |record| record.destination);
        let JobRef { connection, job_request_id } = name;
        return Ok(Standing::ToLand(ToLand { connection, job_request_id, destination }));
    }
    let status = &job.status;
    let reported = Reported { state: status.state, native_status: status.native_status.clone() };
    if !context.work().await?.report(&name, &reported).await? {
        return Ok(Standing::Reported);
    }
    Ok(Standing::NotWell(NotWell {
        job_request_id: name.job_request_id,
        export: job.export.name().to_owned(),
        state: status.state,
        native_status: status.native_status.clone(),
        message: status.message.clone(),
    }))
}

async fn ended_before(source: &dyn Source, since: Option<Timestamp>, job: &EndedJob) -> Result<bool> {
    let Some(since) = since else { return Ok(false) };
    let ended_at = match job.ended_at {
        Some(ended_at) => Some(ended_at),
        None => source.ended_at(&job.job_request_id).await?,
    };
    Ok(ended_at.is_some_and(|ended_at| ended_at < since))
}

async fn has_landed(context: &Context, job: &JobRecord) -> Result<bool> {
    let landing = context.landing(&job.destination).await?;
    Ok(landing.store.head(&format!("{}{}", job.landing_prefix, keys::MANIFEST)).await?.is_some())
}
