//! What a page is made of.

use jiff::Timestamp;
use landfall::job::{
    ConnectionName, DestinationName, ExportName, JobRecord, JobRequestId, JobState, LandedObject, Outcome,
    OutputFile, RunKey, Totals,
};
use landfall::rows::ColumnType;
use landfall::schema::SchemaChange;
use landfall::state::PastJob;

use crate::requests::Requests;

/// So many files, and so many objects, stand on a page; the rest is summed.
pub(crate) const SHOWN: usize = 100;

/// What is known of one job.
#[derive(Debug, Clone, PartialEq)]
pub struct JobFacts {
    /// What was asked for, where it lands, when, and what went wrong on the way.
    pub record: JobRecord,
    /// The name of what it exports.
    pub export_name: String,
    /// The path that its jobs land below, by which its schema is kept.
    pub export_path: String,
    /// How it ended at its source, as far as that is still kept.
    pub outcome: Option<Outcome>,
    /// How far it is.
    pub progress: Progress,
    /// What has landed; none as long as its manifest is not there.
    pub landed: Option<LandedFacts>,
    /// The last jobs of its export that have landed, up to this one, the newest last.
    pub history: Vec<PastJob>,
    /// Up to when its export's increments have landed, where it is one.
    pub watermark: Option<WatermarkFacts>,
    /// What a person may do, where something is to be done.
    pub next: Option<NextStep>,
}

/// How far a job is, and when it came there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// How many output files it has, once they are listed.
    pub files: Option<usize>,
    /// How many of them are fetched.
    pub fetched: usize,
    /// How many of them are unpacked.
    pub unpacked: usize,
    /// When the last of them was fetched, by the store's clock.
    pub fetched_at: Option<Timestamp>,
    /// When the last of them was unpacked, likewise.
    pub unpacked_at: Option<Timestamp>,
    /// When its manifest was written, or found.
    pub landed_at: Option<Timestamp>,
}

/// What a job's manifest says, as far as it stands on a page.
#[derive(Debug, Clone, PartialEq)]
pub struct LandedFacts {
    /// Where the manifest is: store, bucket and key.
    pub manifest: String,
    /// How the job ended.
    pub state: JobState,
    /// What is odd about what has landed.
    pub warnings: Vec<String>,
    /// What has landed, summed.
    pub totals: Totals,
    /// The rows of what is data, which a source counts; none where an object of it is not counted.
    pub data_rows: Option<u64>,
    /// The first of the source's files.
    pub files: Vec<FileFacts>,
    /// How many there are.
    pub file_count: u64,
    /// The first of the objects.
    pub objects: Vec<LandedObject>,
    /// What the store is asked for by such a job.
    pub requests: Requests,
    /// The version of the export's schema.
    pub schema: Option<Schema>,
    /// How its columns differ from the version before.
    pub schema_changes: Vec<SchemaChange>,
    /// Its tables, where columns are looked at.
    pub tables: Vec<TableFacts>,
    /// The source's own log, where it is among the files.
    pub log: Option<LogExcerpt>,
}

/// Which version of its export's schema a job is told by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schema {
    /// The version.
    pub version: u32,
    /// The version that the job's columns were held against; 0 where there was none.
    pub from: u32,
}

/// One of the source's files, and what has landed of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileFacts {
    /// Its name at the source.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256, as landfall has computed it.
    pub sha256: String,
    /// Whether it is the job's log.
    pub is_log: bool,
    /// What the source has listed of it, where that is still kept.
    pub listed: Option<OutputFile>,
    /// How many objects have landed of it.
    pub objects: u64,
    /// Their rows, where any are counted.
    pub rows: Option<u64>,
    /// Whether it is an archive.
    pub is_archive: bool,
    /// Why nothing shows that it is whole, where nothing does.
    pub unverified: Option<String>,
}

impl FileFacts {
    /// How it was shown to be whole, in words; nothing where nobody knows any more.
    pub fn verified_by(&self) -> Vec<String> {
        let mut by = Vec::new();
        match &self.listed {
            Some(OutputFile { sha256: Some(_), .. }) => {
                by.push("its SHA-256, as the source lists it".to_owned())
            }
            Some(OutputFile { size: Some(_), .. }) => by.push("its size, as the source lists it".to_owned()),
            _ => {}
        }
        if self.is_archive {
            by.push("its archive's directory: size and CRC-32 of each member".to_owned());
        }
        by
    }
}

/// The beginning of the log that a source has given with a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogExcerpt {
    /// The file.
    pub name: String,
    /// How it begins.
    pub text: String,
    /// Whether more follows.
    pub is_cut: bool,
}

/// Rows of the same columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableFacts {
    /// Which table of the export's schema it is.
    pub number: Option<u32>,
    /// Its columns.
    pub columns: Vec<ColumnFacts>,
    /// Statements by which DuckDB reads it.
    pub duckdb: String,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnFacts {
    /// Its name.
    pub name: String,
    /// The type that keeps each of its values.
    pub r#type: ColumnType,
    /// Whether a row lacks it.
    pub may_be_missing: bool,
    /// Whether a value is the empty text.
    pub may_be_empty: bool,
}

/// Up to when the increments of an export have landed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WatermarkFacts {
    /// All rows before this moment have landed, as is kept; none before the first increment.
    pub landed_until: Option<Timestamp>,
    /// Whether this job's window is the one that moves it on.
    pub is_moved_by_this: bool,
}

/// What a person may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextStep {
    /// In words.
    pub what: String,
    /// By this command.
    pub command: String,
}

/// What is known of all exports.
#[derive(Debug, Clone, PartialEq)]
pub struct DashboardFacts {
    /// When it was looked at.
    pub now: Timestamp,
    /// Where: the work bucket.
    pub place: String,
    /// The exports.
    pub exports: Vec<ExportFacts>,
}

/// What is known of one export, as it lands in one destination.
#[derive(Debug, Clone, PartialEq)]
pub struct ExportFacts {
    /// The connection that it is on.
    pub connection: ConnectionName,
    /// The export.
    pub export: ExportName,
    /// Where it lands; not known of runs that were refused.
    pub destination: Option<DestinationName>,
    /// The newest of its jobs that has landed.
    pub last_good: Option<LastGood>,
    /// How many of its runs and jobs are on their way.
    pub under_way: usize,
    /// What has failed and is not past, the newest first.
    pub failures: Vec<FailureFacts>,
    /// The last jobs that have landed, the newest last.
    pub history: Vec<PastJob>,
    /// The reports of its jobs, the newest first.
    pub reports: Vec<ReportLink>,
}

/// A job that has landed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastGood {
    /// The job.
    pub job_request_id: JobRequestId,
    /// When it landed, or at least when it was submitted.
    pub at: Timestamp,
    /// Whether its source has finished it with warnings.
    pub is_partial: bool,
}

/// A run or a job that has failed, waits, or needs a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailureFacts {
    /// The run.
    pub run_key: Option<RunKey>,
    /// The job.
    pub job_request_id: Option<JobRequestId>,
    /// How it is, in a word or two.
    pub state: String,
    /// Since when.
    pub since: Timestamp,
    /// How often in a row.
    pub times: u64,
    /// The step, the error and its line.
    pub error: String,
    /// What a person may do.
    pub next: Option<NextStep>,
}

/// A job's report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportLink {
    /// The job.
    pub job_request_id: JobRequestId,
    /// When it was submitted, or first seen.
    pub since: Timestamp,
    /// Where its report can be opened; none where it has to be asked for.
    pub href: Option<String>,
}
