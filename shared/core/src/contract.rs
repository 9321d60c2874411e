//! The contract of a system: what landfall asks of whatever runs export jobs.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use landfall_http::Transport;
use landfall_store::Store;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use crate::check::Finding;
use crate::checksum::Sha256;
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::export::Export;
use crate::job::{
    ExpectedRows, FileList, JobRecord, JobRequestId, JobState, Outcome, OutputFile, RunKey, Window,
};
use crate::state::WorkState;

pub use landfall_http::ResumeAt;

/// What a source says of a job.
#[derive(Debug, Clone, PartialEq)]
pub struct JobStatus {
    /// What it means.
    pub state: JobState,
    /// The status in the source's own word.
    pub native_status: String,
    /// Whether the source's table names that word. One that it does not name is never taken for success.
    pub is_known: bool,
    /// How far the job is, from 0 to 100, where the source says so.
    pub progress_percent: Option<f64>,
    /// What the source says about it, redacted.
    pub message: Option<String>,
    /// How many rows or records an ended job has put out, where the source counts them: what lands is held against it.
    pub expected_rows: Option<ExpectedRows>,
    /// When it said so by its own clock, where its files are held against the time at which the job had ended.
    pub observed_at: Option<Timestamp>,
}

impl JobStatus {
    /// How the job ended, as it was seen first at this time; of one whose state lands.
    pub fn outcome(self, since: Timestamp) -> Outcome {
        let Self { state, native_status, message, expected_rows, observed_at, .. } = self;
        Outcome { state, native_status, message, expected_rows, since, observed_at }
    }
}

/// A job that has ended, whoever submitted it.
#[derive(Debug, Clone, PartialEq)]
pub struct EndedJob {
    /// Its id.
    pub job_request_id: JobRequestId,
    /// What it exports, as far as the source says.
    pub export: Export,
    /// The run that landfall submitted it for, where the source's list says so.
    pub run_key: Option<RunKey>,
    /// How it ended.
    pub status: JobStatus,
    /// When, where the list says so; otherwise [`Source::ended_at`] may know.
    pub ended_at: Option<Timestamp>,
}

/// A job to be submitted, or looked for.
#[derive(Debug, Clone, Copy)]
pub struct SubmitRequest<'a> {
    /// What it exports.
    pub export: &'a Export,
    /// The run that it is for.
    pub run_key: &'a RunKey,
    /// What time the rows are of, where [`Source::increments`] asked for a window.
    pub window: Option<&'a Window>,
}

/// How an export is divided into increments, by the time at which a row changed last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Increments {
    /// The field with a row's time.
    pub field: String,
    /// How far an increment reaches back into the one before it: a row whose transaction ended late shows then.
    pub overlap: Duration,
    /// How far an increment's end stays behind now, for the same reason.
    pub lag: Duration,
    /// Where the first increment begins; with all rows, if not said.
    pub initial_from: Option<Timestamp>,
    /// The window to export, where the event names one: it moves no watermark.
    pub given: Option<(Option<Timestamp>, Timestamp)>,
}

/// What a source's own list says of a run's job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// It is there.
    Job(JobRequestId),
    /// It is not there.
    Nothing,
    /// The source lists no jobs. The text says where a person can look.
    CannotTell(String),
}

/// What a source did with a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Submission {
    /// The source accepted it, under this id.
    Accepted(JobRequestId),
    /// Whether the source accepted it is not known: the answer was lost, or cannot be read.
    /// Ask [`Source::find`] before submitting again. The text says what happened.
    Ambiguous(String),
    /// The source refused it because it has the run's job already. Ask [`Source::find`] which it is; submitting again would
    /// be refused again. The text is what it said.
    Exists(String),
}

/// What a source did when it was asked to cancel a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cancellation {
    /// It will cancel the job, or has: what becomes of it, the job's status says.
    Accepted,
    /// There was nothing to cancel any more. The text is what it said.
    TooLate(String),
    /// It does not know the job, or does not any more.
    Unknown,
}

/// A call that would be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedCall {
    /// What for.
    pub what: String,
    /// The method, and where to. What only an answer tells stands as `{name}`.
    pub line: String,
    /// The headers besides the connection's credentials.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Option<String>,
    /// Whether it is part of submitting the job: of a run that has its job, it is not made.
    #[serde(skip)]
    pub submits: bool,
}

impl PlannedCall {
    /// A call that carries nothing.
    pub fn new(what: impl Into<String>, method: &str, url: &Url) -> Self {
        let url = url.as_str().replace("%7B", "{").replace("%7D", "}");
        let line = format!("{method} {url}");
        Self { what: what.into(), line, headers: Vec::new(), body: None, submits: false }
    }

    /// The same call, as part of submitting the job.
    #[must_use]
    pub fn submitting(self) -> Self {
        Self { submits: true, ..self }
    }

    /// The same call, with a document of JSON.
    #[must_use]
    pub fn carrying(mut self, body: &Value) -> Self {
        self.headers.push(("content-type".to_owned(), "application/json".to_owned()));
        Self { body: Some(body.to_string()), ..self }
    }
}

impl fmt::Display for PlannedCall {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{}\n  {}", self.what, self.line)?;
        for (name, value) in &self.headers {
            writeln!(formatter, "  {name}: {value}")?;
        }
        self.body.iter().try_for_each(|body| writeln!(formatter, "  {body}"))
    }
}

/// A file being downloaded.
pub type Download = landfall_http::Download<Error>;

/// A system that runs export jobs.
///
/// Implementations keep tokens and connections, and nothing else: any of these can be called at any time,
/// by anyone, for any job.
#[async_trait]
pub trait Source: Send + Sync {
    /// Reads again what of its settings is kept in the work bucket, whenever a step begins to use the source.
    async fn refresh(&self) -> Result<()> {
        Ok(())
    }

    /// Refuses an export that this source cannot run, before anything is called.
    fn accepts(&self, export: &Export) -> Result<()>;

    /// Looks whether the source does what landfall needs of it, without changing anything there.
    async fn check(&self) -> Vec<Finding>;

    /// Whether submitting an export again, whoever does and under whatever run key, is submitting the same job: its id
    /// follows from the export alone. Then a run needs no claim.
    fn is_idempotent(&self) -> bool {
        false
    }

    /// Whether the source runs a job for this export, which takes its time. Where it does not, what is asked for is there at
    /// once.
    fn runs_jobs(&self, _export: &Export) -> bool {
        true
    }

    /// How the export is divided into increments, where that is the client's part: where the source keeps the
    /// window itself, or the export is of all rows, `None`.
    fn increments(&self, _export: &Export) -> Option<Increments> {
        None
    }

    /// Does what a submission needs beforehand and may be done again: what the export names is looked up, created,
    /// uploaded. It may take long. An error means that no job was started.
    async fn prepare(&self, _order: &SubmitRequest<'_>) -> Result<()> {
        Ok(())
    }

    /// The time by the source's own clock, where increments go by it.
    async fn time(&self) -> Result<Option<Timestamp>> {
        Ok(None)
    }

    /// Submits a job once, by one call that is not repeated. Never called twice for a run key without [`Source::find`] in between.
    async fn submit(&self, order: &SubmitRequest<'_>) -> Result<Submission>;

    /// The job that was submitted for this run key, if the source lists one. More than one is a `Conflict`.
    async fn find(&self, order: &SubmitRequest<'_>) -> Result<Found>;

    /// The jobs that have ended, whoever submitted them; of a recurring request its occurrences, and not itself.
    async fn ended(&self) -> Result<Vec<EndedJob>> {
        Err(Error::invalid_event("the source of this connection lists no jobs: there is nothing to sweep"))
    }

    /// When a job ended, where the source says so.
    async fn ended_at(&self, _job: &JobRequestId) -> Result<Option<Timestamp>> {
        Ok(None)
    }

    /// Refuses a job that cannot be this order's, as far as the source says what it is, whoever names it for its run:
    /// `NotFound` where the source knows no such job, a `Conflict` that says what it is where it is another's.
    async fn verify_job(&self, job: &JobRequestId, _order: &SubmitRequest<'_>) -> Result<()> {
        self.describe(job).await.map(drop)
    }

    /// What a job that somebody else submitted exports, as far as the source says.
    async fn describe(&self, job: &JobRequestId) -> Result<Export>;

    /// The recurring request that a job is an occurrence of, where the source says so.
    async fn recurring_request(&self, _job: &JobRequestId) -> Result<Option<JobRequestId>> {
        Ok(None)
    }

    /// The state of a job.
    async fn status(&self, job: &JobRecord) -> Result<JobStatus>;

    /// Why a job ended as it did, from the source's own log, where there is one; redacted, one line.
    async fn explain(&self, job: &JobRecord) -> Result<Option<String>>;

    /// Whether a list of output files that looks whole may still grow, as files are put out or released one after the
    /// other when the job has ended already: then it counts once it has stayed the same for a while.
    fn lists_may_grow(&self, _export: &Export) -> bool {
        false
    }

    /// Whether one of these files, of a list that may still grow, is known to be the last that the job puts out, and none
    /// is known to be missing before it. What cannot be found out is not known.
    async fn has_last_file(&self, _job: &JobRecord, _files: &[OutputFile]) -> bool {
        false
    }

    /// The files that an ended job put out, all of them; a list that the source itself says is short is an error.
    async fn output_files(&self, job: &JobRecord) -> Result<Vec<OutputFile>>;

    /// The same, with what is odd about it and is no error.
    async fn file_list(&self, job: &JobRecord) -> Result<FileList> {
        self.output_files(job).await.map(FileList::from)
    }

    /// Opens a file, from its beginning or where a download stopped.
    async fn open(&self, job: &JobRecord, file: &OutputFile, resume: Option<&ResumeAt>) -> Result<Download>;

    /// Whether the source wants to be told when all of a job has landed: what it keeps of it can go then.
    async fn wants_notice(&self, _job: &JobRecord) -> Result<bool> {
        Ok(false)
    }

    /// Tells the source that all of a job has landed. It may be told again: that it has heard of it is no error.
    async fn notify_landed(&self, _job: &JobRecord) -> Result<()> {
        Ok(())
    }

    /// The calls that the order's run would make, in their order; none where the source is not called by HTTP. None of them is
    /// made. What the order names is looked up at the source, where that changes nothing there.
    async fn calls(&self, _order: &SubmitRequest<'_>) -> Result<Vec<PlannedCall>> {
        Ok(Vec::new())
    }

    /// The call that would cancel a job, in one line; none where the source has none. Nothing is called.
    async fn cancelling(&self, _job: &JobRecord) -> Result<Option<String>> {
        Ok(None)
    }

    /// Asks the source to cancel a job.
    async fn cancel(&self, job: &JobRecord) -> Result<Cancellation> {
        Err(Error::rejected(format!("the source of {} has no call that cancels it", job.job())))
    }
}

/// What a source works with, besides its connection's settings.
pub struct SourceDeps<'a> {
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The work bucket: inputs of exports are read from there.
    pub work: WorkState,
    /// Puts something of a test's own between the source's clients and the wire.
    pub wrap: Option<Wrap<'a>>,
    /// What reads files of this machine, where a person has named one on the command line.
    pub disk: Option<Arc<dyn Disk>>,
    /// The bucket that others put the connection's files into, where it names one.
    pub bucket: Option<Store>,
}

/// Reads files of this machine.
///
/// The command line alone has an implementation: whatever a function is sent, or finds in the work bucket, it has
/// nothing to read its own machine with.
#[async_trait]
pub trait Disk: Send + Sync {
    /// Opens a file, from its beginning or where a download stopped. One that is not any more what it was is an
    /// `IntegrityError`.
    async fn open(&self, file: &DiskFile, resume: Option<&ResumeAt>) -> Result<Download>;
}

/// A file of a machine, as it was when it was read to know which job it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskFile {
    /// Where it is, a `file:` URL.
    pub url: String,
    /// Its name.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256.
    pub sha256: Sha256,
    /// What changes when somebody writes to it: only the same version is gone on with.
    pub version: String,
}

/// Puts something of a test's own between a client and the wire.
pub type Wrap<'a> = &'a (dyn Fn(Arc<dyn Transport>) -> Arc<dyn Transport> + Sync);
