//! The systems that run export jobs, behind one trait.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::check::Finding;
use crate::clock::Clock;
use crate::config::Connection;
use crate::error::{Error, Result};
use crate::job::{ConnectionName, JobRecord, JobRequestId, JobState, OutputFile, RunKey, Window};
use crate::rows::RowFormat;
use crate::store::WorkState;

mod about;
pub mod epm;
pub mod folio;
pub mod fusion;
mod server;

pub use about::{About, Increment, LostSubmission, Resumes};
pub use epm::EpmJob;
pub use folio::FolioExport;
pub use fusion::extract::FusionExtract;
pub use fusion::rest::FusionRest;
pub use server::Wrap;

/// Every kind of export that a source runs.
pub const KINDS: [About; 4] = [fusion::extract::ABOUT, fusion::rest::ABOUT, epm::ABOUT, folio::ABOUT];

/// What to export, by kind; each kind has its own fields.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Export {
    /// An Oracle Fusion Data Extraction.
    FusionExtract(FusionExtract),
    /// An Oracle EPM Data Integration job.
    EpmJob(EpmJob),
    /// A data export of FOLIO.
    FolioExport(FolioExport),
    /// The rows of a Fusion REST resource.
    FusionRest(FusionRest),
    /// A file of this machine, which the command line lands: no source runs it.
    File(LocalFile),
}

/// A file that was on the machine already.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LocalFile {
    /// Its name without the extension.
    pub name: String,
}

impl Export {
    /// The kind's name, as an event has it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::FusionExtract(_) => "fusion_extract",
            Self::EpmJob(_) => "epm_job",
            Self::FolioExport(_) => "folio_export",
            Self::FusionRest(_) => "fusion_rest",
            Self::File(_) => "file",
        }
    }

    /// The export's own name, as it appears in the landing layout.
    pub fn name(&self) -> &str {
        match self {
            Self::FusionExtract(export) => &export.extract,
            Self::EpmJob(export) => &export.job_name,
            Self::FolioExport(export) => export.name(),
            Self::FusionRest(export) => &export.resource,
            Self::File(file) => &file.name,
        }
    }

    /// The export by what decides on its rows alone: two that are alike here give the same rows, however they are cut
    /// into files and increments.
    pub fn rows(&self) -> Cow<'_, Self> {
        match self {
            Self::FusionRest(export) => Cow::Owned(Self::FusionRest(export.rows())),
            other => Cow::Borrowed(other),
        }
    }

    /// Whether it is submitted once and runs again and again: each occurrence is a job of its own.
    pub fn recurs(&self) -> bool {
        match self {
            Self::FusionExtract(export) => export.recurs(),
            Self::FusionRest(_) | Self::EpmJob(_) | Self::FolioExport(_) | Self::File(_) => false,
        }
    }

    /// Whether a job of this export that puts nothing out is normal.
    pub fn allows_empty(&self) -> bool {
        match self {
            Self::FusionExtract(export) => export.allow_empty,
            Self::EpmJob(export) => export.allow_empty,
            Self::FolioExport(export) => export.allow_empty,
            Self::FusionRest(export) => export.allow_empty,
            Self::File(_) => false,
        }
    }

    /// The format whose rows are counted, by a file's name. `.mrc` is MARC where a library system has written it, and
    /// may be anything elsewhere.
    pub fn row_format(&self, name: &str, has_header: bool) -> Option<RowFormat> {
        let format = RowFormat::from_name(name, has_header)?;
        let is_theirs = format != RowFormat::Marc || matches!(self, Self::FolioExport(_));
        is_theirs.then_some(format)
    }
}

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
    pub expected_rows: Option<u64>,
    /// When it said so by its own clock, where its files are held against the time at which the job had ended.
    pub told_at: Option<Timestamp>,
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
pub struct Order<'a> {
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
    /// The field that tells a row's time.
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
}

/// Where to go on with a download that stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResumeAt {
    /// The first byte that is still missing.
    pub offset: u64,
    /// What the server called this version of the file (a strong `ETag`).
    pub validator: String,
}

/// A file being downloaded. Its body survives broken connections by itself, within the client's budget.
pub struct Download {
    /// Where the body begins in the file: the offset that was asked for, or 0 where the server started again.
    pub offset: u64,
    /// The file's whole size in bytes, where the server says so.
    pub size: Option<u64>,
    /// What the server calls this version of the file, where it can be resumed: a strong `ETag`.
    pub validator: Option<String>,
    /// The bytes. An error ends them; an end without an error is the file's end as far as the server goes.
    pub body: BoxStream<'static, Result<Bytes>>,
}

impl std::fmt::Debug for Download {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Download")
            .field("offset", &self.offset)
            .field("size", &self.size)
            .field("validator", &self.validator)
            .finish_non_exhaustive()
    }
}

/// A system that runs export jobs.
///
/// Implementations keep tokens and connections, and nothing else: any of these can be called at any time,
/// by anyone, for any job.
#[async_trait]
pub trait Source: Send + Sync {
    /// Refuses an export that this source cannot run, before anything is called.
    fn accepts(&self, export: &Export) -> Result<()>;

    /// Looks whether the source does what landfall needs of it, without changing anything there.
    async fn check(&self) -> Vec<Finding>;

    /// How the export is divided into increments, where that is the client's part: where the source keeps the
    /// window itself, or the export is of all rows, `None`.
    fn increments(&self, _export: &Export) -> Option<Increments> {
        None
    }

    /// Does what a submission needs beforehand and may be done again: what the export names is looked up, created,
    /// uploaded. It may take long. An error means that no job was started.
    async fn prepare(&self, _order: &Order<'_>) -> Result<()> {
        Ok(())
    }

    /// The time by the source's own clock, where increments go by it.
    async fn time(&self) -> Result<Option<Timestamp>> {
        Ok(None)
    }

    /// Submits a job once, by one call that is not repeated. Never called twice for a run key without [`Source::find`] in between.
    async fn submit(&self, order: &Order<'_>) -> Result<Submission>;

    /// The job that was submitted for this run key, if the source lists one. More than one is a `Conflict`.
    async fn find(&self, order: &Order<'_>) -> Result<Found>;

    /// The jobs that have ended, whoever submitted them; of a recurring request its occurrences, and not itself.
    async fn ended(&self) -> Result<Vec<EndedJob>> {
        Err(Error::invalid_event("the source of this connection lists no jobs: there is nothing to sweep"))
    }

    /// When a job ended, where the source says so.
    async fn ended_at(&self, _job: &JobRequestId) -> Result<Option<Timestamp>> {
        Ok(None)
    }

    /// What a job that somebody else submitted exports, as far as the source says.
    async fn describe(&self, job: &JobRequestId) -> Result<Export>;

    /// What has become of a job.
    async fn status(&self, job: &JobRecord) -> Result<JobStatus>;

    /// Why a job ended as it did, from the source's own log, where there is one; redacted, one line.
    async fn explain(&self, job: &JobRecord) -> Result<Option<String>>;

    /// Whether a list of output files that looks whole may still grow, as files are put out or released one after the
    /// other when the job has ended already: then it counts once it has stayed the same for a while.
    fn lists_may_grow(&self, _export: &Export) -> bool {
        false
    }

    /// The files that an ended job put out, all of them; a list that the source itself says is short is an error.
    async fn output_files(&self, job: &JobRecord) -> Result<Vec<OutputFile>>;

    /// Opens a file, from its beginning or where a download stopped.
    async fn open(&self, job: &JobRecord, file: &OutputFile, resume: Option<&ResumeAt>) -> Result<Download>;
}

/// What a source works with, besides its connection's settings.
pub struct Means<'a> {
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The work bucket: inputs of exports are read from there.
    pub work: WorkState,
    /// Puts something of a test's own between the source's clients and the wire.
    pub wrap: Option<Wrap<'a>>,
}

/// Opens the source behind a connection. Nothing is called yet.
pub fn open(name: &ConnectionName, connection: &Connection, means: Means<'_>) -> Result<Arc<dyn Source>> {
    Ok(match connection {
        Connection::Epm(epm) => {
            let Means { clock, work, wrap } = means;
            Arc::new(epm::EpmSource::wrapped(name.clone(), epm, work, clock, wrap)?)
        }
        Connection::Folio(folio) => {
            let Means { clock, work, wrap } = means;
            Arc::new(folio::FolioSource::new(name.clone(), folio, clock, work, wrap)?)
        }
        Connection::Fusion(fusion) => Arc::new(fusion::FusionSource::open(name.clone(), fusion, means)?),
    })
}
