//! What the step takes and what it returns.

use jiff::Timestamp;
use landfall::job::{ConnectionName, DestinationName, JobRequestId, Totals};
use landfall::metrics::{Measure, Measured};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::finding::Finding;

/// What to look at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VerifyEvent {
    /// The connections whose jobs are looked at; all that there are, where none is named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub connections: Vec<ConnectionName>,
    /// Only this job. What it is beside the others of its export is not looked at then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_request_id: Option<JobRequestId>,
    /// Only jobs of these exports, by name; all, where none is named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exports: Vec<String>,
    /// Only jobs that were submitted at this moment or later. Those before them are what they are compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Only jobs that were submitted in the last so many days, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days: Option<u32>,
    /// Whether every byte is read, instead of asking the store for sizes and checksums.
    #[serde(default, skip_serializing_if = "is_false")]
    pub read: bool,
    /// After so many seconds the answer comes, once the job has been looked at that is being looked at. At the deadline of
    /// the invocation at the latest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer_after_seconds: Option<u64>,
    /// Where to go on: what the answer before has said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Place>,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

/// How far a verification is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// The connection that it is at.
    pub connection: ConnectionName,
    /// The last of its jobs that has been looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<JobRequestId>,
    /// Whether all of its jobs have been looked at one by one, and are to be looked at in a row.
    #[serde(default, skip_serializing_if = "is_false")]
    pub in_a_row: bool,
}

/// What goes on with a verification: a field of its event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NextPage {
    /// Where to go on.
    pub from: Place,
}

/// What has been looked at, and what was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Verified {
    /// Whether all has been looked at. Otherwise the rest did not fit into the answer or the time.
    pub complete: bool,
    /// What to add to the event of the next call, where there is a rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<NextPage>,
    /// How many landed jobs this call has looked at.
    pub jobs: u64,
    /// What their manifests name.
    pub totals: Totals,
    /// Of those objects, the ones whose store keeps no checksum: their sizes alone were held against the manifest.
    pub objects_by_size: u64,
    /// How many findings there are of what is gone, changed or missing.
    pub findings: u64,
    /// How many jobs have not landed, and are not looked at.
    pub not_landed: u64,
    /// What was found, job by job, and between the jobs of an export.
    pub found: Vec<Found>,
    /// The jobs that could not be looked at.
    pub not_seen: Vec<NotSeen>,
    /// How many findings between jobs did not fit into the answer.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub untold: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Verified {
    /// What it comes to, as an exit code.
    pub fn exit_code(&self) -> u8 {
        exit_code(self.not_seen(), self.findings)
    }

    /// How many jobs could not be looked at.
    pub fn not_seen(&self) -> u64 {
        u64::try_from(self.not_seen.len()).unwrap_or(u64::MAX)
    }
}

/// What a verification comes to: 1 where something differs, 2 where something could not be looked at.
pub fn exit_code(not_seen: u64, findings: u64) -> u8 {
    match (not_seen, findings) {
        (0, 0) => 0,
        (0, _) => 1,
        _ => 2,
    }
}

impl Measured for Verified {
    fn measures(&self) -> Vec<Measure> {
        vec![
            Measure::count("jobs_verified", self.jobs),
            Measure::count("findings", self.findings),
            Measure::count("jobs_not_seen", self.not_seen()),
        ]
    }
}

/// What was found of a job, or between the jobs of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Found {
    /// The connection.
    pub connection: ConnectionName,
    /// The export's name.
    pub export: String,
    /// Where its jobs land.
    pub destination: DestinationName,
    /// The job's id at the source; none where it is between jobs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_request_id: Option<JobRequestId>,
    /// What its manifest names.
    pub totals: Totals,
    /// Of those objects, the ones whose sizes alone were held against the manifest.
    pub objects_by_size: u64,
    /// What was found.
    pub findings: Vec<Finding>,
    /// How many more findings there are, which did not fit into the answer.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more: u64,
    /// The same in words, the first of them.
    pub message: String,
}

/// A job that could not be looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NotSeen {
    /// The connection.
    pub connection: ConnectionName,
    /// The export's name, where the job's record could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub export: Option<String>,
    /// Where it lands, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<DestinationName>,
    /// The job's id at the source.
    pub job_request_id: JobRequestId,
    /// The error's name.
    pub error: String,
    /// What is wrong.
    pub message: String,
}
