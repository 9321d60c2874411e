//! Files that are there already, as a system: objects of the inbox, and files of the command line's machine.
//!
//! A file is a job that has ended well. Its id follows from what it is, so submitting it again is submitting the same;
//! what a submission leaves is the job's origin, by which every later step finds the bytes.
//!
//! Promise 7: of the work bucket only the inbox is read, and of a disk only what [`Disk`] gives, which no function has.

mod export;
mod origin;

use std::sync::Arc;

use async_trait::async_trait;
use futures::{StreamExt as _, TryStreamExt as _};
use landfall::check::Finding;
use landfall::contract::{
    Disk, Download, Found, JobStatus, ResumeAt, Source, SourceDeps, Submission, SubmitRequest,
};
use landfall::export::{Export, ExportKind, ExportSpec as _, Kind};
use landfall::job::{ConnectionName, JobRecord, JobRef, JobRequestId, JobState, OutputFile};
use landfall::state::{WorkState, keys};
use landfall::systems::ConnectionType;
use landfall::{Error, Result};
use landfall_store::{ObjectInfo, StoreError};
use serde::Deserialize;
use serde::de::IgnoredAny;

use export::INBOX;
pub use export::{InboxObject, LocalFile};
use origin::{Origin, Place};

/// The kinds of exports of this system.
pub const KINDS: &[&dyn ExportKind] = &[&Kind::<LocalFile>::new()];

/// How its connections are opened.
pub const CONNECTION: ConnectionType = ConnectionType {
    name: "local",
    built_in: &["inbox", "local"],
    open: |connection, settings, SourceDeps { work, disk, .. }| {
        settings.settings::<LocalConnection>()?;
        Ok(Arc::new(LocalSource { connection, work, disk }))
    },
};

/// A connection to files that are there already: it has nothing but the tables that every connection has.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LocalConnection {
    #[serde(rename = "job")]
    _job: Option<IgnoredAny>,
    #[serde(rename = "http")]
    _http: Option<IgnoredAny>,
}

/// Files that are there already.
struct LocalSource {
    connection: ConnectionName,
    work: WorkState,
    disk: Option<Arc<dyn Disk>>,
}

impl LocalSource {
    /// Where the file of an export is, as it is now.
    async fn origin_of(&self, file: LocalFile) -> Result<Origin> {
        match file {
            LocalFile { object: Some(object), file: None, name: None } => {
                Ok(Origin::of(self.found(&object).await?))
            }
            LocalFile { object: None, file: Some(file), name: Some(name) } => {
                self.disk().map(|_| Origin { name, place: Place::Disk(file) })
            }
            _ => Err(Error::invalid_event(format!(
                "an export of kind file names `object`, an object of the inbox, and nothing else: \
                 {{ \"key\": \"{INBOX}NAME\" }}"
            ))),
        }
    }

    /// The object, if it is one of the inbox.
    async fn found(&self, named: &InboxObject) -> Result<ObjectInfo> {
        let store = self.work.store();
        let (bucket, key) = (named.bucket.as_deref().unwrap_or(store.bucket()), &named.key);
        if bucket != store.bucket() || !key.starts_with(INBOX) || key.ends_with('/') {
            return Err(Error::invalid_event(format!(
                "{key} of the bucket {bucket} is no object of the inbox, which is {}",
                store.object(INBOX)
            )));
        }
        store.head(key).await?.ok_or_else(|| self.gone(key))
    }

    fn disk(&self) -> Result<&Arc<dyn Disk>> {
        self.disk.as_ref().ok_or_else(|| {
            Error::invalid_event(
                "this is a file of somebody's machine, which no function reads: `landfall unpack FILE`, or \
                 `landfall resume` with the job's id, lands it there",
            )
        })
    }

    fn bucket(&self) -> String {
        self.work.store().bucket().to_owned()
    }

    fn gone(&self, key: &str) -> Error {
        Error::not_found(format!(
            "{} is not there any more: put it there again",
            self.work.store().object(key)
        ))
    }

    /// What reading an object of the inbox came to, where it is not what it was.
    fn unreadable(&self, key: &str) -> impl Fn(StoreError) -> Error + Send + 'static {
        let (gone, object) = (self.gone(key).line(), self.work.store().object(key));
        move |error| match error {
            StoreError::NoSuchObject { .. } => Error::not_found(gone.clone()).because(error),
            StoreError::Changed { .. } => Error::conflict(format!(
                "{object} was replaced before all of it was read: what is there now is a job of its own, and \
                 lands as that"
            ))
            .because(error),
            error => error.into(),
        }
    }

    fn job(&self, id: &JobRequestId) -> JobRef {
        JobRef { connection: self.connection.clone(), job_request_id: id.clone() }
    }

    /// Where a job's file is.
    async fn origin(&self, id: &JobRequestId) -> Result<Origin> {
        let job = self.job(id);
        if let Some(origin) = self.work.checkpoint(&keys::origin(&job)).await? {
            return Ok(origin);
        }
        // What an earlier release began has none.
        self.in_inbox(id).await?.ok_or_else(|| {
            Error::not_found(format!(
                "it is not known which file {job} is: `landfall unpack FILE` goes on with a file of this machine, and \
                 an object of the inbox goes on once it is put there again"
            ))
        })
    }

    /// The object of the inbox that a job is, looked for among all of them.
    async fn in_inbox(&self, id: &JobRequestId) -> Result<Option<Origin>> {
        let mut objects = self.work.store().list(INBOX);
        while let Some(object) = objects.try_next().await? {
            let origin = Origin::of(object);
            if origin.id()? == *id {
                return Ok(Some(origin));
            }
        }
        Ok(None)
    }
}

#[async_trait]
impl Source for LocalSource {
    fn accepts(&self, export: &Export) -> Result<()> {
        export.read::<LocalFile>().map(drop)
    }

    async fn check(&self) -> Vec<Finding> {
        vec![Finding::of("files", Ok("they need no source".to_owned()))]
    }

    fn is_idempotent(&self) -> bool {
        true
    }

    async fn submit(&self, order: &SubmitRequest<'_>) -> Result<Submission> {
        let origin = self.origin_of(order.export.read()?).await?;
        let id = origin.id()?;
        self.work.save_checkpoint(&keys::origin(&self.job(&id)), &origin).await?;
        Ok(Submission::Accepted(id))
    }

    async fn find(&self, order: &SubmitRequest<'_>) -> Result<Found> {
        self.origin_of(order.export.read()?).await?.id().map(Found::Job)
    }

    async fn describe(&self, job: &JobRequestId) -> Result<Export> {
        let Origin { name, place } = self.origin(job).await?;
        let object = match place {
            Place::Inbox { key, .. } => Some(InboxObject { bucket: Some(self.bucket()), key }),
            Place::Disk(_) => None,
        };
        Ok(LocalFile { object, ..LocalFile::named(name) }.to_export())
    }

    async fn status(&self, job: &JobRecord) -> Result<JobStatus> {
        let origin = self.origin(&job.job_request_id).await?;
        Ok(JobStatus {
            state: JobState::Succeeded,
            native_status: origin.native_status().to_owned(),
            is_known: true,
            progress_percent: None,
            message: None,
            expected_rows: None,
            observed_at: None,
        })
    }

    async fn explain(&self, _job: &JobRecord) -> Result<Option<String>> {
        Ok(None)
    }

    async fn output_files(&self, job: &JobRecord) -> Result<Vec<OutputFile>> {
        Ok(vec![self.origin(&job.job_request_id).await?.output_file()])
    }

    async fn open(&self, job: &JobRecord, _file: &OutputFile, resume: Option<&ResumeAt>) -> Result<Download> {
        match self.origin(&job.job_request_id).await?.place {
            Place::Disk(file) => self.disk()?.open(&file, resume).await,
            Place::Inbox { key, etag, size } => {
                let same = resume.filter(|at| at.validator == etag && at.offset <= size);
                let offset = same.map_or(0, |at| at.offset);
                let unreadable = self.unreadable(&key);
                let body = self.work.store().read_range(&key, &etag, offset..size).await;
                let body = body.map_err(&unreadable)?.map_err(unreadable).boxed();
                Ok(Download { offset, size: Some(size), validator: Some(etag), unverified: None, body })
            }
        }
    }
}
