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
    /// Who asks: kept with what is noted as told.
    #[serde(default)]
    pub asked_by: String,
    /// What the answer before has reported, in `failed` and `problems`, and the caller has passed on: it is noted first
    /// of all, and not reported again. What nobody has sent back here is reported by the next sweep, too: the answer may
    /// have been lost.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub told: Vec<ToldJob>,
    /// The job behind which to go on in the source's list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<JobRequestId>,
    /// Whether a job that put nothing out is normal: what is found to land may land empty, whatever its export says.
    #[serde(default, skip_serializing_if = "is_false")]
    pub allow_empty: bool,
    /// Whether jobs are to land, too, of which a step has said before that they cannot.
    #[serde(default, skip_serializing_if = "is_false")]
    pub again: bool,
}

/// Something that was reported, and has been passed on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ToldJob {
    /// The job's id at the source.
    pub job_request_id: JobRequestId,
    /// What was told of it: the `native_status` of a job that did not end well, the `error` of a problem.
    pub status: String,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

impl SweepEvent {
    /// The job that the source lists, as it is known here.
    pub(crate) fn job(&self, job: &EndedJob) -> JobRef {
        self.job_of(&job.job_request_id)
    }

    /// The job of this id.
    pub(crate) fn job_of(&self, job_request_id: &JobRequestId) -> JobRef {
        JobRef { connection: self.connection.clone(), job_request_id: job_request_id.clone() }
    }
}

fn execution_ends() -> u64 {
    EXECUTION_ENDS
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Swept {
    /// Whether every job was checked. Otherwise the rest did not fit into the answer or the time.
    pub complete: bool,
    /// What to add to the event of the next call, once what is in this answer has been passed on; none where there is
    /// neither a rest nor anything that is to be noted as told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<NextPage>,
    /// The jobs to land.
    pub jobs: Vec<ToLand>,
    /// The jobs that did not end well, and are not noted as told.
    pub failed: Vec<FailedJob>,
    /// The jobs that could not be checked.
    pub problems: Vec<Problem>,
    /// How many have landed already.
    pub landed: u64,
    /// The exports of which the source lists no job: perhaps their names are wrong.
    pub unseen: Vec<String>,
}

/// What goes on with a sweep: fields of its event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NextPage {
    /// The job behind which to go on in the source's list.
    pub after: JobRequestId,
    /// What was reported.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub told: Vec<ToldJob>,
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
