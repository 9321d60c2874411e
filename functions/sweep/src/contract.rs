//! What the step takes and what it returns.

use jiff::Timestamp;
use landfall::contract::EndedJob;
use landfall::job::{ConnectionName, DestinationName, JobRef, JobRequestId, JobState};
use landfall::metrics::{Measure, Measured};
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
    /// Only jobs that ended at this moment or later. Jobs whose end the source does not report are included; where
    /// it only reports when they began, the connection's `job.timeout_seconds` is added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// How many seconds old a run of landfall's own must be before its job counts as abandoned.
    #[serde(default = "execution_ends")]
    pub grace_seconds: u64,
    /// Who asks: a job that did not end well is reported once to each caller. The state machine puts its
    /// execution's name here, so that a lost answer is repeated.
    #[serde(default)]
    pub asked_by: String,
}

impl SweepEvent {
    /// The job that the source lists, as it is known here.
    pub(crate) fn job(&self, job: &EndedJob) -> JobRef {
        JobRef { connection: self.connection.clone(), job_request_id: job.job_request_id.clone() }
    }
}

fn execution_ends() -> u64 {
    EXECUTION_ENDS
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Swept {
    /// Whether every job was checked; otherwise the next sweep continues.
    pub complete: bool,
    /// The jobs to land.
    pub jobs: Vec<ToLand>,
    /// The jobs that did not end well, and were not reported to another caller before.
    pub failed: Vec<FailedJob>,
    /// The jobs that could not be checked.
    pub problems: Vec<Problem>,
    /// How many have landed already.
    pub landed: u64,
    /// The exports of which the source lists no job: perhaps their names are wrong.
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
pub struct FailedJob {
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

/// A job that could not be checked.
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
