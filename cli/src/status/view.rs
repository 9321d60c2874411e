//! What `landfall status` shows of a run or a job.

use clap::ValueEnum;
use jiff::Timestamp;
use landfall::job::{
    ConnectionName, DestinationName, ExportName, Failure, JobRequestId, Notice, Outage, Outcome, RunKey,
    Totals,
};
use serde::Serialize;

/// How a run or a job is: how far it is, or what keeps it from getting further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub(crate) enum State {
    /// The run was given up before its source had a job of it: whoever starts it again submits it.
    Released,
    /// The run is claimed, and no job is written down for it: somebody is submitting it, or died over it.
    Claimed,
    /// The run has had its job, of which nothing is kept any more.
    Expired,
    /// The job is at its source. Whether it has ended there has not been asked, or it had not.
    Submitted,
    /// The job has ended well.
    Ended,
    /// Its output files are listed, and none is fetched.
    Listed,
    /// Some of its files are fetched, or a part of one.
    Fetching,
    /// All of its files are fetched, and none is unpacked.
    Fetched,
    /// All of its files are fetched, and some are unpacked, or a part of one.
    Unpacking,
    /// All of its files are unpacked; only the manifest is missing.
    Unpacked,
    /// The manifest is there.
    Landed,
    /// Likewise, of a job that its source has finished with warnings.
    LandedPartly,
    /// Likewise, and its destination names a table that it is not known to be in.
    LandedNotInTable,
    /// Its source cannot be asked, or asks to be left alone: whoever is at work on it asks again.
    WaitingForSource,
    /// Somebody has to decide: at the source, or whether the run has a job there.
    NeedsPerson,
    /// What it is, or has put out, is not accepted: by the source, or by landfall.
    Refused,
    /// A step has failed, and does not try again by itself.
    Failed,
}

/// A run without a job, or a job: what `landfall status --json` prints, one a line.
///
/// Names stay; fields may come. What is not known, or does not apply, is left out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct JobView {
    /// The connection that it runs on.
    pub(crate) connection: ConnectionName,
    /// The run; none for a job that landfall did not submit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) run_key: Option<RunKey>,
    /// The job; none for a run that has not got one yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) job_request_id: Option<JobRequestId>,
    /// How it is.
    pub(crate) state: State,
    /// How far it is: the state but for what keeps it from getting further.
    pub(crate) reached: State,
    /// What it exports.
    pub(crate) export: ExportName,
    /// Where it lands; not known of every run that was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) destination: Option<DestinationName>,
    /// When the run was claimed, or the job was submitted or first seen.
    pub(crate) since: Timestamp,
    /// How many output files the job has, once they are listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) files: Option<usize>,
    /// How many of them are fetched.
    pub(crate) fetched: usize,
    /// How many of them are unpacked.
    pub(crate) unpacked: usize,
    /// Where the job's manifest is, or will be; none for a run, and where the landing bucket cannot be asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) manifest: Option<Manifest>,
    /// Why the landing bucket cannot be asked. The state is then what the work bucket alone tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) landing_unknown: Option<String>,
    /// Since when the job's source cannot be asked, while that is so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) outage: Option<Outage>,
    /// What a step has failed over last, unless it is past that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) failure: Option<Failure>,
    /// What has become of telling its source that it has landed, where the source wants to know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) notice: Option<Notice>,
    /// What happens next; none where nothing is left to do, or nothing can be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<Next>,
    /// More, where one job was asked for.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub(crate) details: Option<Details>,
}

/// A job's manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Manifest {
    /// Whether it is there: the job has landed.
    pub(crate) is_there: bool,
    /// The landing bucket.
    pub(crate) bucket: String,
    /// Its key.
    pub(crate) key: String,
    /// As a person is told: store, bucket and key.
    #[serde(skip)]
    pub(crate) object: String,
    /// The file that it is, where the bucket is on this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) path: Option<String>,
}

/// What happens next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Next {
    /// The function that does it, or `tidy`.
    pub(crate) step: &'static str,
    /// What it does, in words.
    pub(crate) what: String,
    /// The command that calls it. EVENT and FILE in it stand for what only its user has.
    pub(crate) command: String,
}

/// What is known of one job besides.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Details {
    /// How the job ended, once it has ended well and a step has seen it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) outcome: Option<Outcome>,
    /// The bytes of its output files, where the source says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) listed_bytes: Option<u64>,
    /// The bytes of the files that are fetched.
    pub(crate) fetched_bytes: u64,
    /// What the files that are unpacked have landed.
    pub(crate) landed: Totals,
    /// Transfers that can be gone on with.
    pub(crate) checkpoints: u64,
    /// Multipart uploads of its files and objects that are not finished; none where a bucket cannot be asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) unfinished_uploads: Option<usize>,
    /// Since when the run is claimed, where its record does not name this job: submitting it was cut short.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) claimed_since: Option<Timestamp>,
}
