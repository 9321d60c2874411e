//! The pipeline's own state: small JSON documents in the work bucket.
//!
//! Most are written once, by whoever comes first; who comes second reads what is there and goes on with that.

mod document;
mod history;
mod installation;
mod inventory;
pub mod keys;
mod receipt;
mod schema;
mod token;
mod told;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::OnceCell;

use crate::clock::Clock;
use crate::error::Error;
use crate::export::Export;
use crate::job::{
    ConnectionName, DamagedFile, DestinationName, FailedRun, FileList, JobRecord, JobRef, JobRequestId,
    Outcome, ParentRun, RunKey, StagedFile, Window,
};
use crate::rows::Tables;
use document::{json, parse};
use landfall_store::{Condition, Store, StoreError, Written};

pub use document::{Change, Document};
pub use history::{ExportHistory, PastJob};
pub use inventory::JobObjects;
pub use token::RefreshTokenDocument;
pub use told::{Mark, Told};

type Result<T, E = StoreError> = std::result::Result<T, E>;

/// The largest document that is read: a list of 100,000 files is a third of it.
const MAX_DOCUMENT: u64 = 128 << 20;

/// A run's claim, then its job request id: `runs/<connection>/<run key>.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// What the run exports: the same run key with another export is a conflict.
    pub export: Export,
    /// Where it lands.
    pub destination: DestinationName,
    /// Who is submitting it: a random id for each invocation that claims it.
    pub claimed_by: String,
    /// When it was claimed.
    pub claimed_at: Timestamp,
    /// Whether the claimant has given up, sure that the source has no job of its.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub released: bool,
    /// Whether the claimant has begun to call the source: from here on it may have a job.
    pub called: bool,
    /// Why it is not known whether the source has the run's job, where the source cannot be asked either: a person has
    /// to look, and nobody is at work on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unsettled: Option<String>,
    /// What time the run's rows are of, decided once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    /// The run that has started it, where its event names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<ParentRun>,
    /// The job that it has become.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_request_id: Option<JobRequestId>,
    /// Whether a person has named that job: what was named wrongly can be named anew, while a job that landfall has
    /// submitted for the run stays.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub named_by_operator: bool,
    /// Where that job lands: known here for good, while what is kept of a job expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub landing_prefix: Option<String>,
}

impl Document for JobRecord {}
impl Document for Outcome {}
impl Document for FileList {}
impl Document for StagedFile {}
impl Document for DamagedFile {}
impl Document for RunRecord {}
impl Document for FailedRun {}

/// Up to when the increments of an export have landed: `watermarks/<connection>/<export>.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Watermark {
    /// The export.
    pub export: Export,
    /// Where its increments land.
    pub destination: DestinationName,
    /// All rows before this moment have landed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub landed_until: Option<Timestamp>,
    /// The windows that were given to runs since: one counts once its run has landed.
    pub given: Vec<GivenWindow>,
}

impl Document for Watermark {}

/// What is kept of a file's tables: `tables/<ordinal>.json`.
#[derive(Debug, Serialize, Deserialize)]
struct FileTables {
    tables: Tables,
}

impl Document for FileTables {}

/// A window, and the run that it was given to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GivenWindow {
    /// The run.
    pub run_key: RunKey,
    /// Its window.
    pub window: Window,
}

impl Watermark {
    /// Before the first increment.
    pub fn new(export: Export, destination: DestinationName) -> Self {
        Self { export, destination, landed_until: None, given: Vec::new() }
    }
}

/// What is known of a job that a sweep finds: `swept/<connection>/<job request id>.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "SweptDocument", into = "SweptDocument")]
pub enum Swept {
    /// It has landed.
    Landed,
    /// It did not end well, or could not be looked at, and that was passed on.
    Reported {
        /// What was told: the status in the source's own word, or the error's name.
        native_status: String,
        /// Whose sweep it was.
        asked_by: String,
    },
    /// A step has failed over it in a way that trying again does not change: no sweep tries it again by itself.
    CannotLand {
        /// The error's name.
        error: String,
    },
}

impl Document for Swept {}

/// Stands for who was told of a job that cannot land. Releases that know of no such jobs take one for reported.
const CANNOT_LAND: &str = "landfall:cannot-land";

/// How that is kept: beside the name of what was found, other fields may stand.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum SweptDocument {
    Landed(LandedWord),
    Reported { told: ReportedRecord },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum LandedWord {
    Landed,
}

#[derive(Serialize, Deserialize)]
struct ReportedRecord {
    native_status: String,
    asked_by: String,
}

impl From<SweptDocument> for Swept {
    fn from(document: SweptDocument) -> Self {
        match document {
            SweptDocument::Landed(LandedWord::Landed) => Self::Landed,
            SweptDocument::Reported { told } if told.asked_by == CANNOT_LAND => {
                Self::CannotLand { error: told.native_status }
            }
            SweptDocument::Reported { told: ReportedRecord { native_status, asked_by } } => {
                Self::Reported { native_status, asked_by }
            }
        }
    }
}

impl From<Swept> for SweptDocument {
    fn from(swept: Swept) -> Self {
        let (native_status, asked_by) = match swept {
            Swept::Landed => return Self::Landed(LandedWord::Landed),
            Swept::Reported { native_status, asked_by } => (native_status, asked_by),
            Swept::CannotLand { error } => (error, CANNOT_LAND.to_owned()),
        };
        Self::Reported { told: ReportedRecord { native_status, asked_by } }
    }
}

/// How often a document that others are changing is tried to be changed.
const TRIES: usize = 50;

/// How long is waited before a document that others have just changed is read again.
const PAUSE: Duration = Duration::from_millis(50);

/// The work bucket, by what is kept in it.
#[derive(Debug, Clone)]
pub struct WorkState {
    store: Store,
    installation: Arc<OnceCell<String>>,
}

impl WorkState {
    /// The state in a bucket.
    pub fn new(store: Store) -> Self {
        Self { store, installation: Arc::default() }
    }

    /// The bucket itself.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// A run, and the `ETag` to change it by.
    pub async fn run(
        &self,
        connection: &ConnectionName,
        run_key: &RunKey,
    ) -> Result<Option<(RunRecord, String)>, StoreError> {
        self.read(&keys::run(connection, run_key)).await
    }

    /// The last failure of a run that has no job.
    pub async fn failed_run(
        &self,
        connection: &ConnectionName,
        run_key: &RunKey,
    ) -> Result<Option<FailedRun>, StoreError> {
        Ok(self.read(&keys::failed_run(connection, run_key)).await?.map(|(failed, _)| failed))
    }

    /// Writes a run if nobody has changed it: with no `ETag` if there is none yet. `None` if somebody was first.
    pub async fn write_run(
        &self,
        connection: &ConnectionName,
        run_key: &RunKey,
        record: &RunRecord,
        unchanged_since: Option<&str>,
    ) -> Result<Option<String>, StoreError> {
        self.write(&keys::run(connection, run_key), record, unchanged_since).await
    }

    /// What was asked for.
    pub async fn job(&self, job: &JobRef) -> Result<Option<JobRecord>, StoreError> {
        Ok(self.read(&keys::job_record(job)).await?.map(|(record, _)| record))
    }

    /// Records what was asked for; returns what is recorded.
    pub async fn record_job(&self, record: JobRecord) -> Result<JobRecord, StoreError> {
        let key = keys::job_record(&record.job());
        self.write_once(&key, record).await
    }

    /// How a job ended.
    pub async fn outcome(&self, job: &JobRef) -> Result<Option<Outcome>, StoreError> {
        Ok(self.read(&keys::outcome(job)).await?.map(|(outcome, _)| outcome))
    }

    /// Records how a job ended; returns what is recorded.
    pub async fn record_outcome(&self, job: &JobRef, outcome: Outcome) -> Result<Outcome, StoreError> {
        self.write_once(&keys::outcome(job), outcome).await
    }

    /// Changes what is recorded of a job's export, as a person has said something of it afterwards.
    pub async fn change_export(&self, job: &JobRef, export: Export, clock: &dyn Clock) -> Result<(), Error> {
        let change = |record: Option<JobRecord>| {
            std::future::ready(Ok(match record {
                Some(record) if record.export != export => {
                    Change::Write(JobRecord { export: export.clone(), ..record }, ())
                }
                _ => Change::Keep(()),
            }))
        };
        self.update(&keys::job_record(job), clock, change).await
    }

    /// What a sweep has found of a job.
    pub async fn swept(&self, job: &JobRef) -> Result<Option<Swept>, StoreError> {
        Ok(self.read(&keys::swept(job)).await?.map(|(swept, _)| swept))
    }

    /// Notes what a sweep has found of a job, or a step that has failed for good.
    pub async fn note_swept(&self, job: &JobRef, swept: &Swept) -> Result<(), StoreError> {
        self.overwrite(&keys::swept(job), swept).await
    }

    /// The output files, once the list was complete.
    pub async fn files(&self, job: &JobRef) -> Result<Option<FileList>, StoreError> {
        Ok(self.read(&keys::files(job)).await?.map(|(files, _)| files))
    }

    /// Freezes the list of output files; returns what is frozen.
    pub async fn freeze_files(&self, job: &JobRef, files: FileList) -> Result<FileList, StoreError> {
        self.write_once(&keys::files(job), files).await
    }

    /// A staged file that counts.
    pub async fn staged(&self, job: &JobRef, ordinal: u32) -> Result<Option<StagedFile>, StoreError> {
        Ok(self.read(&keys::staged_record(job, ordinal)).await?.map(|(staged, _)| staged))
    }

    /// Makes a staged file count; returns what is recorded.
    pub async fn record_staged(&self, job: &JobRef, staged: StagedFile) -> Result<StagedFile, StoreError> {
        self.write_once(&keys::staged_record(job, staged.ordinal), staged).await
    }

    /// The tables that a file's objects are of, where all of them have been looked at.
    pub async fn tables(&self, job: &JobRef, ordinal: u32) -> Result<Option<Tables>, StoreError> {
        Ok(self.read::<FileTables>(&keys::tables(job, ordinal)).await?.map(|(there, _)| there.tables))
    }

    /// Records the tables that a file's objects are of, unless that is recorded already.
    pub async fn record_tables(&self, job: &JobRef, ordinal: u32, tables: Tables) -> Result<(), StoreError> {
        self.create(&keys::tables(job, ordinal), &FileTables { tables }).await.map(|_| ())
    }

    /// How far something is, from its last checkpoint.
    pub async fn checkpoint<T: Document>(&self, key: &str) -> Result<Option<T>, StoreError> {
        Ok(self.read(key).await?.map(|(checkpoint, _)| checkpoint))
    }

    /// Notes how far something is.
    pub async fn save_checkpoint<T: Document>(&self, key: &str, checkpoint: &T) -> Result<(), StoreError> {
        self.overwrite(key, checkpoint).await
    }

    async fn overwrite<T: Document>(&self, key: &str, document: &T) -> Result<(), StoreError> {
        self.store.put(key, json(document, key)?, Condition::Always).await.map(|_| ())
    }

    /// Writes a document if there is none at its key; whether it is written.
    pub async fn create<T: Document>(&self, key: &str, document: &T) -> Result<bool, StoreError> {
        Ok(self.write(key, document, None).await?.is_some())
    }

    /// Writes a document unless there is one; returns the one that is there.
    pub async fn write_once<T: Document>(&self, key: &str, document: T) -> Result<T, StoreError> {
        if self.create(key, &document).await? {
            return Ok(document);
        }
        match self.read(key).await? {
            Some((there, _)) => Ok(there),
            None => Err(StoreError::Changed { operation: "PutObject", object: self.store.object(key) }),
        }
    }

    /// A document, and the `ETag` to change it by.
    async fn read<T: Document>(&self, key: &str) -> Result<Option<(T, String)>, StoreError> {
        let Some(object) = self.store().read(key, MAX_DOCUMENT).await? else { return Ok(None) };
        Ok(Some((parse(&object.bytes, &self.store().object(key))?, object.etag)))
    }

    /// Writes a document if nobody has changed it: with no `ETag` if there is none yet. The `ETag` of what is written;
    /// `None` if somebody was first.
    async fn write<T: Document>(
        &self,
        key: &str,
        document: &T,
        unchanged_since: Option<&str>,
    ) -> Result<Option<String>, StoreError> {
        let condition = unchanged_since.map_or(Condition::Absent, Condition::Unchanged);
        match self.store().put(key, json(document, key)?, condition).await? {
            Written::Done(etag) => Ok(Some(etag)),
            Written::NotWritten => Ok(None),
        }
    }

    /// Changes a document that several processes change: `change` is given what is there, and decides. It is called
    /// again with what is there by then as long as others were first, and so finds what it has written itself where the
    /// answer to that was lost.
    ///
    /// # Errors
    /// `StoreUnavailable` where others were first every time; what `change` fails with.
    pub async fn update<T: Document, A, F: Future<Output = Result<Change<T, A>, Error>>>(
        &self,
        key: &str,
        clock: &dyn Clock,
        mut change: impl FnMut(Option<T>) -> F,
    ) -> Result<A, Error> {
        for _ in 0..TRIES {
            let (there, etag) = self.read(key).await?.unzip();
            match change(there).await? {
                Change::Keep(answer) => return Ok(answer),
                Change::Write(document, answer) => {
                    if self.write(key, &document, etag.as_deref()).await?.is_some() {
                        return Ok(answer);
                    }
                }
            }
            clock.sleep(PAUSE).await;
        }
        Err(Error::store_unavailable(format!("{key} keeps changing: call again")))
    }
}
