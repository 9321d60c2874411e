//! The vocabulary: what a job is called, what state it is in, what it put out and what of that has landed.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use uuid::Uuid;

use crate::checksum::{Crc32, Crc64Nvme, Sha256};
use crate::declaration::SourceColumn;
use crate::export::Export;
use crate::form::{JobForm, LandedForm};
use crate::rows::{BrokenRecords, TableId};

/// A name that cannot be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{what} {value:?} is not usable: it takes 1 to {max} of the characters {characters}, and starts with a letter or digit"
)]
pub struct InvalidName {
    what: &'static str,
    value: String,
    max: usize,
    characters: &'static str,
}

macro_rules! name {
    ($(#[$doc:meta])+ $name:ident, $what:literal, $max:literal, $others:literal) => {
        $(#[$doc])+
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(try_from = "String", into = "String")]
        #[schemars(with = "String")]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;

            fn from_str(value: &str) -> Result<Self, InvalidName> {
                let allowed = |c: char| c.is_ascii_alphanumeric() || $others.contains(c);
                let starts_well = value.starts_with(|c: char| c.is_ascii_alphanumeric());
                if starts_well && value.len() <= $max && value.chars().all(allowed) {
                    Ok(Self(value.to_owned()))
                } else {
                    Err(InvalidName {
                        what: $what,
                        value: value.chars().take(200).collect(),
                        max: $max,
                        characters: concat!("A-Z a-z 0-9 ", $others),
                    })
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;

            fn try_from(value: String) -> Result<Self, InvalidName> {
                value.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    };
}

name! {
    /// The name of a connection: which system, with which credentials, is configuration.
    ConnectionName, "connection", 64, "_-."
}
name! {
    /// The name of a destination: which bucket and prefix, with which credentials, is configuration.
    DestinationName, "destination", 64, "_-."
}
name! {
    /// What makes two runs the same run: one run key has one job at the source.
    RunKey, "run_key", 128, "_-.:+"
}
name! {
    /// The id that the source gave the job.
    JobRequestId, "job_request_id", 128, "_-.:"
}

/// A job, by what every function needs to carry on with it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct JobRef {
    /// The connection that it runs on.
    pub connection: ConnectionName,
    /// Its id at the source.
    pub job_request_id: JobRequestId,
}

impl fmt::Display for JobRef {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "job {} on {}", self.job_request_id, self.connection)
    }
}

/// What a job's status means, whatever its source calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Not ended; also a status that landfall does not know.
    Running,
    /// Succeeded, with all of its output.
    Succeeded,
    /// Finished, with output and warnings: it lands, and is marked.
    Partial,
    /// Succeeded, without output.
    Empty,
    /// Failed.
    Failed,
    /// Cancelled by somebody.
    Cancelled,
    /// Waits for a person to act at the source.
    NeedsAttention,
}

impl JobState {
    /// Whether the job has ended with something to land (which may be nothing, and said so).
    pub fn lands(self) -> bool {
        matches!(self, Self::Succeeded | Self::Partial | Self::Empty)
    }
}

/// What was asked for, where it lands, and when: `job.json`, written once but for the outage and the failure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobRecord {
    /// The connection that it runs on.
    pub connection: ConnectionName,
    /// Its id at the source.
    pub job_request_id: JobRequestId,
    /// What it exports.
    pub export: Export,
    /// The destination's name.
    pub destination: DestinationName,
    /// The prefix below which its objects land, frozen so that a changed setting cannot split a job.
    pub landing_prefix: String,
    /// The form in which they land, frozen likewise.
    #[serde(default, skip_serializing_if = "JobForm::is_raw")]
    pub form: JobForm,
    /// The run that it belongs to; none for a job that somebody else submitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_key: Option<RunKey>,
    /// The time that its rows are from, where landfall divides the export into increments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    /// When landfall submitted it, or first saw it. Its deadline counts from here.
    pub since: Timestamp,
    /// How many seconds the jobs of its export have taken at least, lately.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usual_seconds: Option<u64>,
    /// Since when its source cannot be asked, while that is so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outage: Option<Outage>,
    /// What a step has failed over last, until that step or a later one succeeds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Box<Failure>>,
    /// What has become of telling its source that it has landed, where the source wants to know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<Box<Notice>>,
    /// When its rows were in the table first that its destination names, where it names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registered_at: Option<Timestamp>,
    /// What it has come past: the last failures and outages, in the order in which they ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overcome: Vec<Overcome>,
    /// What the events of `OpenLineage` about it say of where it runs, where such are sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lineage: Option<Box<JobLineage>>,
}

/// A failure or an outage that a job has come past.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overcome {
    /// The step that failed, by its name; none where it was the source that could not be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// The file that it failed over, where it was called for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ordinal: Option<u32>,
    /// The error: its name and its line, as far as it is kept.
    pub error: String,
    /// When it came first.
    pub since: Timestamp,
    /// When it came last; of an outage, when the source answered again.
    pub until: Timestamp,
    /// How often it came; once for an outage, however often the source was asked.
    pub times: u64,
}

impl Overcome {
    /// So many are kept of a job.
    const MAX: usize = 20;
    /// So many characters of an error are kept.
    const MAX_ERROR: usize = 500;

    /// A failure that is past.
    pub fn failure(failure: &Failure) -> Self {
        let Failure { step, ordinal, error, message, since, last, times, .. } = failure;
        let error = shortened(&format!("{error}: {message}"), Self::MAX_ERROR);
        Self {
            step: Some(step.clone()),
            ordinal: *ordinal,
            error,
            since: *since,
            until: *last,
            times: *times,
        }
    }

    /// An outage that is over.
    pub fn outage(outage: &Outage, until: Timestamp) -> Self {
        let error = shortened(&outage.error, Self::MAX_ERROR);
        Self { step: None, ordinal: None, error, since: outage.since, until, times: 1 }
    }
}

/// A text as far as it is kept.
pub fn shortened(text: &str, max_chars: usize) -> String {
    match text.char_indices().nth(max_chars) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// What the events of `OpenLineage` about a job say of where it runs: functions that land files know no connections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobLineage {
    /// The namespace of its system: where that is.
    pub namespace: String,
    /// The run that has started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<ParentRun>,
}

/// A run of somebody else's, an orchestrator's task say, in the terms of `OpenLineage`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ParentRun {
    /// The namespace of its job.
    pub namespace: String,
    /// The name of its job.
    pub name: String,
    /// Its id, a UUID.
    #[serde(deserialize_with = "uuid")]
    pub run_id: String,
}

fn uuid<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    Uuid::parse_str(&text).map(|id| id.to_string()).map_err(D::Error::custom)
}

impl FromStr for ParentRun {
    type Err = InvalidParentRun;

    /// Reads it as `OPENLINEAGE_PARENT_ID` has it: namespace, name and id with slashes between them, of which the namespace
    /// may have more.
    fn from_str(text: &str) -> Result<Self, InvalidParentRun> {
        let mut parts = text.rsplitn(3, '/');
        let (id, name, namespace) = (parts.next(), parts.next(), parts.next());
        let read = || {
            let run_id = Uuid::parse_str(id?).ok()?.to_string();
            let (name, namespace) = (name.filter(|name| !name.is_empty())?, namespace?);
            Some(Self { namespace: namespace.to_owned(), name: name.to_owned(), run_id })
        };
        read().ok_or(InvalidParentRun)
    }
}

/// A text that names no run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it takes the form namespace/name/run id, with a UUID as the run id")]
pub struct InvalidParentRun;

/// What has become of telling a source that a job has landed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// When it was told, or had heard of it already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told_at: Option<Timestamp>,
    /// Why telling it has failed last: the error's name and its line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A time in which a source cannot be asked, from the first call that failed on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outage {
    /// When that call failed.
    pub since: Timestamp,
    /// Its error: the name and the line.
    pub error: String,
}

/// The last error of a run or a job, and how often it has come in a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The step that failed, by its name.
    pub step: String,
    /// The file that it failed over, where it was called for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ordinal: Option<u32>,
    /// The error's name.
    pub error: String,
    /// Its line, as far as it is kept.
    pub message: String,
    /// When it came first, of those in a row.
    pub since: Timestamp,
    /// When it came last.
    pub last: Timestamp,
    /// How often it has come in a row.
    pub times: u64,
    /// Until when whoever called is waited for to call again by itself; none where it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tried_again_until: Option<Timestamp>,
    /// Whether the job waits at its source for a person.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub awaits_person: bool,
}

/// The failure of a run that has no job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedRun {
    /// The failure.
    pub failure: Failure,
    /// What the run was to export, where its event says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub export: Option<ExportName>,
    /// Where it was to land.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<DestinationName>,
}

/// An export by its names alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExportName {
    /// Its kind, as its event names it.
    pub kind: String,
    /// Its own name.
    pub name: String,
}

/// The rows of an increment: those whose time is in `[from, until)`.
///
/// Increments of one export follow each other without a gap. Each begins a little before the end of the one before
/// it, so a row whose time is before `overlap_until` may have landed with that one too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Window {
    /// The field with a row's time.
    pub field: String,
    /// The first moment that is in it; none where it has all rows before its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// The first moment after it.
    pub until: Timestamp,
    /// Rows before this moment may have landed with an earlier increment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap_until: Option<Timestamp>,
}

impl JobRecord {
    /// The job's name.
    pub fn job(&self) -> JobRef {
        JobRef { connection: self.connection.clone(), job_request_id: self.job_request_id.clone() }
    }

    /// How long the jobs of its export have taken at least, lately.
    pub fn usual_duration(&self) -> Option<Duration> {
        self.usual_seconds.map(Duration::from_secs)
    }

    /// Keeps what it has come past; the oldest goes where there are too many.
    pub(crate) fn overcame(&mut self, overcome: Overcome) {
        self.overcome.push(overcome);
        let too_many = self.overcome.len().saturating_sub(Overcome::MAX);
        self.overcome.drain(..too_many);
    }

    /// Whether its source is still to be told that it has landed, once it has.
    pub fn is_to_be_told(&self) -> bool {
        self.notice.as_ref().is_some_and(|notice| notice.told_at.is_none())
    }
}

/// How a job ended, once it has ended well: `outcome.json`, written once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// One of the states that land.
    pub state: JobState,
    /// The status in the source's own word.
    pub native_status: String,
    /// The source's message about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// How many rows or records it has put out as data, where the source counts them.
    #[serde(flatten, default, skip_serializing_if = "Option::is_none")]
    pub expected_rows: Option<ExpectedRows>,
    /// When landfall saw it first.
    pub since: Timestamp,
    /// When the source said so by its own clock, where its files are held against that.
    #[serde(rename = "observed_at", default, skip_serializing_if = "Option::is_none")]
    pub observed_at: Option<Timestamp>,
}

/// How many rows or records a source says that it has put out as data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExpectedRows {
    /// So many: a job of which others have landed has not landed.
    #[serde(rename = "expected_rows")]
    Exactly(u64),
    /// So many of something, in a version or a state of a job in which it is not established what is counted: a difference
    /// is a warning.
    #[serde(rename = "claimed_rows")]
    Claimed(u64),
}

/// A file that a job put out, as the source lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputFile {
    /// Its place in the list, from 0: what tells two files of one name apart.
    pub ordinal: u32,
    /// Its name at the source: a label, never a path.
    pub name: String,
    /// Its size in bytes, where the source says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Its checksum, where the source says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Sha256>,
    /// What the source needs to find it again; never a link that grants access by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locator: Option<String>,
    /// Whether it is the job's log and no data: it lands beside the data, and its rows are not among those that the
    /// source counts.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_log: bool,
}

/// The output files of a job: `files.json`, frozen at the first complete list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileList {
    /// The files, by ordinal.
    pub files: Vec<OutputFile>,
    /// What is odd about the list, and is no error: the manifest tells it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// The columns of their rows, as far as the source describes them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<SourceColumn>,
    /// The newest version of the export's schema when the list was frozen, where the job's form has types: the files are
    /// written by that one, whatever other jobs make of the schema meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema_version: Option<u32>,
}

impl From<Vec<OutputFile>> for FileList {
    fn from(files: Vec<OutputFile>) -> Self {
        Self { files, warnings: Vec::new(), columns: Vec::new(), schema_version: None }
    }
}

/// A staged file's size and checksums, written after it: now it counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StagedFile {
    /// Its place in the list of files.
    pub ordinal: u32,
    /// Its name at the source.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its CRC-64/NVME, which the store keeps too.
    pub crc64nvme: Crc64Nvme,
    /// Its SHA-256.
    pub sha256: Sha256,
    /// Why nothing shows that it is whole, where nothing does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unverified: Option<String>,
    /// Where it lands, so that nobody reads the whole list for it; not recorded by earlier releases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<LandingPlace>,
}

/// Where a file of a job lands, below the job's landing prefix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LandingPlace {
    /// The folder that an archive's members land in, with a slash behind it.
    pub folder: String,
    /// The name that a file which is not an archive lands under.
    pub file: String,
}

/// How often a file was fetched and unpacking it showed damage, which may have come about on its way:
/// `checkpoints/damaged/<ordinal>.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DamagedFile {
    /// Its place in the list of files.
    pub ordinal: u32,
    /// How many fetches were found damaged.
    pub found: u32,
    /// How many of those have been discarded, to fetch it anew.
    pub discarded: u32,
    /// The SHA-256 of the last: what comes twice alike was not damaged on its way.
    pub sha256: Sha256,
}

/// An object that has landed, and where it came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct LandedObject {
    /// Its key in the landing bucket.
    pub key: String,
    /// Its size in bytes, as stored.
    pub size: u64,
    /// Its form, where that is not `raw`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub form: Option<LandedForm>,
    /// The size of its content in bytes, where its form is not `raw`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_size: Option<u64>,
    /// CRC-32 of its content (ISO-HDLC, as ZIP and gzip have it), 8 hex digits.
    pub crc32: Crc32,
    /// CRC-64/NVME of the object as stored, which S3 itself keeps, 16 hex digits.
    pub crc64nvme: Crc64Nvme,
    /// SHA-256 of the object as stored, where the destination asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Sha256>,
    /// The rows of its content, where they are counted; a CSV's header line is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// The table that its rows are of, where columns are looked at: one of the manifest's `tables`, by its `id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<TableId>,
    /// The records of its content that break the rules of their format, where it has such and landed nevertheless. They are
    /// not among its rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken_records: Option<Box<BrokenRecords>>,
    /// Why nothing shows that the source's file came whole, where nothing does: the source tells neither its size nor a
    /// checksum, and it is no archive, which would tell both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unverified: Option<String>,
    /// The source's file that it came from.
    pub file: String,
    /// The member of that file, where the file is an archive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// A digest of its `ETag` when it had landed, by which it is known again. In receipts only: an `ETag` is the store's
    /// business, not the job's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(skip)]
    pub etag_digest: Option<Crc64Nvme>,
}

impl LandedObject {
    /// The size of its content in bytes, whatever the form.
    pub fn content_bytes(&self) -> u64 {
        self.content_size.unwrap_or(self.size)
    }

    /// Its rows as its source counts them: what it has written, be it well or not. `None` where nobody has counted its rows.
    pub fn rows_at_source(&self) -> Option<u64> {
        let broken = self.broken_records.as_ref().map_or(0, |broken| broken.count);
        self.rows.map(|rows| rows.saturating_add(broken))
    }
}

/// Objects, bytes and rows, summed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Totals {
    /// How many objects.
    pub objects: u64,
    /// Their bytes, as stored.
    pub bytes: u64,
    /// Their rows, where any are counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
}

impl Totals {
    /// Counts one object more.
    pub fn add(&mut self, object: &LandedObject) {
        self.objects += 1;
        self.bytes = self.bytes.saturating_add(object.size);
        self.add_rows(object.rows);
    }

    /// Counts what others count, too.
    pub fn add_all(&mut self, others: &Totals) {
        self.objects += others.objects;
        self.bytes = self.bytes.saturating_add(others.bytes);
        self.add_rows(others.rows);
    }

    /// Counts the rows of one object more; none where they are not counted.
    pub fn add_rows(&mut self, rows: Option<u64>) {
        if let Some(rows) = rows {
            self.rows = Some(self.rows.unwrap_or(0).saturating_add(rows));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Promise 2: how an earlier release recorded a count is read, and what it does not know is a field beside it.
    #[test]
    fn a_count_is_kept_under_a_name_that_says_what_it_is_worth() {
        let kept = serde_json::json!({
            "state": "succeeded", "native_status": "COMPLETED", "since": "2026-11-21T06:00:00Z",
        });
        for (field, expected) in [
            (None, None),
            (Some("expected_rows"), Some(ExpectedRows::Exactly(25))),
            (Some("claimed_rows"), Some(ExpectedRows::Claimed(25))),
        ] {
            let mut kept = kept.clone();
            if let Some(field) = field {
                kept[field] = serde_json::json!(25);
            }
            let outcome: Outcome = serde_json::from_value(kept.clone()).unwrap();
            assert_eq!(outcome.expected_rows, expected);
            assert_eq!(serde_json::to_value(&outcome).unwrap(), kept);
        }
    }

    /// What an orchestrator puts into the environment names the run that has started this one.
    #[test]
    fn a_parent_is_read_as_the_environment_has_it() {
        let id = "0190d4c8-0000-7000-8000-000000000001";
        let parent: ParentRun = format!("https://airflow.example/x/nightly.carriers/{id}").parse().unwrap();
        assert_eq!(
            (parent.namespace.as_str(), parent.name.as_str()),
            ("https://airflow.example/x", "nightly.carriers")
        );
        for wrong in ["", "a/b", "a/b/c", &format!("nightly/{id}"), &format!("ns//{id}")] {
            assert!(wrong.parse::<ParentRun>().is_err(), "{wrong}");
        }
    }

    /// Promise 6: however often a job fails on its way, what is kept of that is bounded, and of the last.
    #[test]
    fn what_a_job_has_come_past_is_bounded() {
        let mut record: JobRecord = serde_json::from_value(serde_json::json!({
            "connection": "pod", "job_request_id": "7", "destination": "lake", "landing_prefix": "p/",
            "export": { "kind": "fusion_extract" }, "since": "2026-11-21T06:00:00Z",
        }))
        .unwrap();
        assert_eq!(
            serde_json::to_value(&record).unwrap().get("overcome"),
            None,
            "as earlier releases wrote it"
        );
        for number in 0..50 {
            let outage = Outage { since: record.since, error: format!("{number}{}", "é".repeat(10_000)) };
            record.overcame(Overcome::outage(&outage, record.since));
        }
        assert_eq!(record.overcome.len(), Overcome::MAX);
        let last = &record.overcome.last().unwrap().error;
        assert!(last.starts_with("49") && last.chars().count() == Overcome::MAX_ERROR + 1);
    }

    /// Promise 7: no name from an event can leave its place among the keys.
    #[test]
    fn names_cannot_hold_what_would_move_a_key() {
        for bad in ["", "../x", "a/b", "a\\b", ".hidden", "a b", "a\u{202e}b", &"x".repeat(129)] {
            assert!(bad.parse::<RunKey>().is_err(), "{bad:?}");
            assert!(bad.parse::<JobRequestId>().is_err(), "{bad:?}");
        }
        assert!("carriers-2026-11-21T06:00:00+01:00".parse::<RunKey>().is_ok());
        assert!("d0d6b4dc-2207-42ec-ac6b-3c30300e4307".parse::<JobRequestId>().is_ok());
    }
}
