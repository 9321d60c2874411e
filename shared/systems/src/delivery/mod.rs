//! Files that others put into a bucket, as a system: Oracle's BICC and its data extraction tool write there whatever they
//! extract, with a manifest that lists it, and EPM copies its files there one by one.
//!
//! A delivery is a job that runs at nobody's: a manifest with its files, or an object by itself. Its id follows from what
//! it is, so submitting it again is submitting the same. A manifest that lists a file that is not there yet is a job that
//! is still running.
//!
//! Promise 7: the bucket is read, and nothing else is done with it; of it nothing but what is named below the
//! connection's prefix, and what a manifest lists beside itself or below.

mod export;
mod manifest;
mod md5;
mod origin;
mod settings;

use std::sync::Arc;

use async_trait::async_trait;
use futures::{StreamExt as _, TryStreamExt as _, future, stream};
use landfall::check::{Finding, source_bucket};
use landfall::checksum::{Md5, Sha256};
use landfall::contract::{
    Download, EndedJob, Found, JobStatus, ResumeAt, Source, SourceDeps, Submission, SubmitRequest,
};
use landfall::export::{Export, ExportKind, ExportSpec as _, Kind};
use landfall::job::{ConnectionName, FileList, JobRecord, JobRef, JobRequestId, JobState, OutputFile};
use landfall::state::{WorkState, keys};
use landfall::systems::ConnectionType;
use landfall::{Error, ErrorType, Result};
use landfall_store::{ObjectInfo, Store, StoreError};
use serde::{Deserialize, Serialize};

pub use export::Delivery;
use export::{Named, file_name};
use manifest::Entry;
use origin::{Origin, id_of};
use settings::{DeliveryConnection, Pattern, Swept};

/// A manifest has so many bytes at most: some hundred thousand lines.
const MAX_MANIFEST: u64 = 32 << 20;
/// So many objects are asked for at once.
const AT_ONCE: usize = 32;
/// What EPM's `copyToObjectStorage` puts between the name of a file that it has cut up and a piece's number (Oracle:
/// "Working with EPM Automate", copyToObjectStorage).
const SEGMENT: &str = "_object_store_bytes_seg_";

/// The kinds of exports of this system.
pub const KINDS: &[&dyn ExportKind] = &[&Kind::<Delivery>::new()];

/// How its connections are opened.
pub const CONNECTION: ConnectionType = ConnectionType {
    name: "delivery",
    built_in: &[],
    open: |name, connection, SourceDeps { work, bucket, .. }| {
        let DeliveryConnection { sweep, manifest_names, .. } = connection.settings()?;
        match (bucket, connection.from_bucket()) {
            (Some(bucket), Some(from)) => {
                let prefix = from.prefix.clone();
                Ok(Arc::new(DeliverySource { name, work, bucket, prefix, swept: sweep, manifest_names }))
            }
            _ => Err(connection.invalid("missing table `from_bucket`: it says where the bucket is")),
        }
    },
};

/// A bucket that others put files into.
struct DeliverySource {
    name: ConnectionName,
    work: WorkState,
    bucket: Store,
    prefix: String,
    swept: Swept,
    manifest_names: Pattern,
}

/// Where a file's bytes are, and what else is known of them: a file's `locator`.
#[derive(Debug, Serialize, Deserialize)]
struct Locator {
    key: String,
    etag: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    md5: Option<Md5>,
}

impl DeliverySource {
    fn job(&self, id: &JobRequestId) -> JobRef {
        JobRef { connection: self.name.clone(), job_request_id: id.clone() }
    }

    /// What an event's delivery is, as it is now.
    async fn named(&self, delivery: &Delivery) -> Result<Origin> {
        let named = delivery.named()?;
        let (Named::Manifest(key) | Named::Object(key)) = named;
        if !key.starts_with(&self.prefix) || key.ends_with('/') {
            return Err(Error::invalid_event(format!(
                "connection {} takes nothing but objects whose keys begin with {}, as its from_bucket says: {key:?} does \
                 not, or is a folder",
                self.name,
                self.bucket.object(&self.prefix)
            )));
        }
        match named {
            Named::Manifest(key) => self.manifest(key, delivery.allow_empty).await,
            Named::Object(key) if segment(key).is_some() => {
                Err(Error::unsupported(cut_up(&self.bucket.object(key))))
            }
            Named::Object(key) => {
                self.bucket.head(key).await?.map(Origin::of).ok_or_else(|| self.not_there(key))
            }
        }
    }

    /// The delivery of a manifest.
    async fn manifest(&self, key: &str, allow_empty: bool) -> Result<Origin> {
        let manifest = self.bucket.read(key, MAX_MANIFEST).await?.ok_or_else(|| self.not_there(key))?;
        let files = manifest::entries(&self.bucket.object(key), &manifest.bytes)?;
        let sha256 = Sha256::of(&manifest.bytes);
        Ok(Origin::Manifest { key: key.to_owned(), sha256, files, allow_empty })
    }

    fn not_there(&self, key: &str) -> Error {
        Error::not_found(format!(
            "{} is not there: put it there, or correct its key",
            self.bucket.object(key)
        ))
    }

    /// Keeps what a job is, for whoever goes on with it by its id.
    async fn keep(&self, origin: &Origin) -> Result<JobRequestId> {
        let id = origin.id()?;
        let key = keys::origin(&self.job(&id));
        if self.work.store().head(&key).await?.is_none() {
            self.work.create(&key, origin).await?;
        }
        Ok(id)
    }

    /// What a job is.
    async fn origin(&self, id: &JobRequestId) -> Result<Origin> {
        let job = self.job(id);
        self.work.checkpoint(&keys::origin(&job)).await?.ok_or_else(|| {
            Error::not_found(format!(
                "it is not known which delivery {job} is: run its event again, or `landfall sweep {}`",
                self.name
            ))
        })
    }

    /// The object that a file of a manifest is, where it is there.
    async fn object(&self, manifest: &str, entry: &Entry) -> Result<Option<ObjectInfo>> {
        for key in entry.keys(manifest) {
            if let Some(object) = self.bucket.head(&key).await? {
                return Ok(Some(object));
            }
        }
        Ok(None)
    }

    /// The objects that the files of a manifest are, each where it is there.
    async fn objects(&self, manifest: &str, entries: &[Entry]) -> Result<Vec<Option<ObjectInfo>>> {
        let mut objects = Vec::with_capacity(entries.len());
        for some in entries.chunks(AT_ONCE) {
            let asked = some.iter().map(|entry| self.object(manifest, entry));
            objects.extend(future::try_join_all(asked).await?);
        }
        Ok(objects)
    }

    /// Says which of a manifest's files are not there, if any.
    fn missing(&self, manifest: &str, entries: &[Entry], objects: &[Option<ObjectInfo>]) -> Option<String> {
        let lacking = std::iter::zip(entries, objects).filter(|(_, object)| object.is_none());
        let names: Vec<&str> = lacking.map(|(entry, _)| entry.name.as_str()).collect();
        let first = names.first()?;
        Some(format!(
            "{} of the {} files that {} lists are not there, {first:?} among them",
            names.len(),
            entries.len(),
            self.bucket.object(manifest)
        ))
    }

    /// The files of a manifest, as they are now.
    async fn listed(&self, manifest: &str, entries: &[Entry]) -> Result<FileList> {
        let objects = self.objects(manifest, entries).await?;
        if let Some(missing) = self.missing(manifest, entries, &objects) {
            return Err(Error::not_found(format!("{missing}: put them there, then continue the job")));
        }
        let found = entries.iter().zip(objects.into_iter().flatten());
        let files: Result<Vec<_>> = std::iter::zip(0.., found)
            .map(|(ordinal, (entry, object))| file(ordinal, entry, object))
            .collect();
        let unknown = entries.iter().filter(|entry| !entry.has_checksum()).count();
        let warnings = match unknown {
            0 => Vec::new(),
            _ => vec![format!(
                "{} lists {unknown} of {} files without an SHA-256 or MD5: they were held against the size that they had in \
                 the bucket",
                file_name(manifest),
                entries.len()
            )],
        };
        Ok(FileList { warnings, ..FileList::from(files?) })
    }

    /// Whether `sweep` takes an object for a job. Of a file that was cut up, the first piece stands for all.
    fn is_swept(&self, key: &str) -> bool {
        match self.swept {
            Swept::Manifests => self.manifest_names.fits(key),
            Swept::Objects => !key.ends_with('/') && segment(key).is_none_or(|number| number == "0"),
        }
    }

    /// The job that an object of the bucket is. One that cannot be a job is told as one that has failed, and keeps no other
    /// from landing.
    async fn ended_job(&self, object: ObjectInfo) -> Result<EndedJob> {
        let unusable = |state, native_status: &str, message: String| {
            let named = match self.swept {
                Swept::Manifests => Delivery::of_manifest(&object.key),
                Swept::Objects => Delivery::of_object(&object.key),
            };
            let status = JobStatus { message: Some(message), ..status(state, native_status) };
            let job_request_id = id_of(&object.key, &object.etag)?;
            Ok(ended(job_request_id, &named, status, object.modified))
        };
        let origin = match self.swept {
            Swept::Objects if segment(&object.key).is_some() => {
                let message = cut_up(&self.bucket.object(&object.key));
                return unusable(JobState::NeedsAttention, "SEGMENTED", message);
            }
            Swept::Objects => Origin::of(object.clone()),
            Swept::Manifests => match self.manifest(&object.key, false).await {
                Ok(origin) => origin,
                Err(error) => match error.error_type() {
                    // OCI says so, too, to whoever may list and not read.
                    ErrorType::NotFound => {
                        let said =
                            "it is listed, and cannot be read: it has gone, or whoever calls may not read it";
                        return unusable(JobState::Failed, "UNREADABLE", error.while_doing(said).line());
                    }
                    ErrorType::ContractBroken | ErrorType::LimitExceeded => {
                        return unusable(JobState::Failed, "UNREADABLE", error.line());
                    }
                    _ => return Err(error),
                },
            },
        };
        let id = self.keep(&origin).await?;
        Ok(ended(id, &origin.delivery(), status(JobState::Succeeded, "PUT"), object.modified))
    }

    /// A file's bytes, if they are still of this version; `replaced` says what is to be done if they are not.
    async fn body(
        &self,
        at: &Locator,
        size: u64,
        resume: Option<&ResumeAt>,
        replaced: Replaced,
    ) -> Result<Download, StoreError> {
        // Only whoever reads a file from its beginning can tell its MD5.
        let same = resume.filter(|to| at.md5.is_none() && to.validator == at.etag && to.offset <= size);
        let offset = same.map_or(0, |to| to.offset);
        let object = self.bucket.object(&at.key);
        let body = self.bucket.read_range(&at.key, &at.etag, offset..size).await?;
        let body = body.map_err(move |error| replaced.named(&object, error)).boxed();
        let (validator, body) = match at.md5 {
            Some(listed) => (None, md5::held_against(listed, self.bucket.object(&at.key), body)),
            None => (Some(at.etag.clone()), body),
        };
        Ok(Download { offset, size: Some(size), validator, unverified: None, body })
    }

    fn unread(&self, at: &Locator, replaced: Replaced, error: StoreError) -> Error {
        replaced.named(&self.bucket.object(&at.key), error)
    }
}

/// What is to be done about a file that is another than when it was listed.
#[derive(Debug, Clone, Copy)]
enum Replaced {
    /// Its checksum tells whether what is there now is right: it is read.
    IsRead,
    /// Nothing tells.
    IsRefused,
}

impl Replaced {
    fn of(file: &OutputFile, at: &Locator) -> Self {
        if file.sha256.is_some() || at.md5.is_some() { Self::IsRead } else { Self::IsRefused }
    }

    /// What a store has said of a file, as whoever lands it is to be told.
    fn named(self, object: &str, error: StoreError) -> Error {
        match (&error, self) {
            (StoreError::Changed { .. }, Self::IsRead) => Error::conflict(format!(
                "{object} was replaced while it was read: continue the job, and what is there now is read"
            )),
            (StoreError::Changed { .. }, Self::IsRefused) => Error::conflict(format!(
                "{object} was replaced before all of it was read, and no checksum is listed that would tell which of the \
                 two is right. An object by itself lands as the job that it is now; for a manifest, put one under another \
                 name that lists the file as it is now"
            )),
            (StoreError::NoSuchObject { .. }, _) => Error::not_found(format!(
                "{object} is not there any more: put it there again, then continue the job"
            )),
            _ => return error.into(),
        }
        .because(error)
    }
}

fn file(ordinal: u32, entry: &Entry, object: ObjectInfo) -> Result<OutputFile> {
    let ObjectInfo { key, etag, size, .. } = object;
    let name = file_name(&key).to_owned();
    let locator = Locator { key, etag, md5: entry.md5 };
    Ok(OutputFile {
        ordinal,
        name,
        size: Some(size),
        sha256: entry.sha256,
        locator: Some(written(&locator)?),
        is_log: false,
    })
}

fn written(locator: &Locator) -> Result<String> {
    serde_json::to_string(locator).map_err(|error| {
        Error::contract_broken("what is known of a file cannot be written down").because(error)
    })
}

fn status(state: JobState, native_status: &str) -> JobStatus {
    JobStatus {
        state,
        native_status: native_status.to_owned(),
        is_known: true,
        progress_percent: None,
        message: None,
        expected_rows: None,
        observed_at: None,
    }
}

fn ended(
    job_request_id: JobRequestId,
    delivery: &Delivery,
    status: JobStatus,
    ended_at: Option<jiff::Timestamp>,
) -> EndedJob {
    EndedJob { job_request_id, export: delivery.to_export(), run_key: None, status, ended_at }
}

/// The number of the piece of a file that an object is, as EPM cuts large ones up.
fn segment(key: &str) -> Option<&str> {
    let (_, number) = key.rsplit_once(SEGMENT)?;
    (!number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())).then_some(number)
}

fn cut_up(object: &str) -> String {
    format!(
        "{object} is a piece of a file that EPM's copyToObjectStorage has cut up: have it copied by copyToObjectStorage2, or \
         by version 3 of the REST job, which put it as one object"
    )
}

#[async_trait]
impl Source for DeliverySource {
    fn accepts(&self, export: &Export) -> Result<()> {
        export.read::<Delivery>()?.named().map(drop)
    }

    async fn check(&self) -> Vec<Finding> {
        source_bucket("bucket", &self.bucket, &self.prefix).await
    }

    fn is_idempotent(&self) -> bool {
        true
    }

    async fn submit(&self, order: &SubmitRequest<'_>) -> Result<Submission> {
        let origin = self.named(&order.export.read()?).await?;
        self.keep(&origin).await.map(Submission::Accepted)
    }

    async fn find(&self, order: &SubmitRequest<'_>) -> Result<Found> {
        self.named(&order.export.read()?).await?.id().map(Found::Job)
    }

    async fn ended(&self) -> Result<Vec<EndedJob>> {
        let listed = self.bucket.list(&self.prefix);
        let swept = listed.try_filter(|object| future::ready(self.is_swept(&object.key)));
        let swept: Vec<ObjectInfo> = swept.try_collect().await?;
        let jobs = stream::iter(swept).map(|object| self.ended_job(object));
        jobs.buffer_unordered(AT_ONCE).try_collect().await
    }

    async fn describe(&self, job: &JobRequestId) -> Result<Export> {
        Ok(self.origin(job).await?.delivery().to_export())
    }

    async fn status(&self, job: &JobRecord) -> Result<JobStatus> {
        let Origin::Manifest { key, files, .. } = self.origin(&job.job_request_id).await? else {
            return Ok(status(JobState::Succeeded, "PUT"));
        };
        let objects = self.objects(&key, &files).await?;
        Ok(match self.missing(&key, &files, &objects) {
            Some(missing) => JobStatus { message: Some(missing), ..status(JobState::Running, "INCOMPLETE") },
            None => status(JobState::Succeeded, "PUT"),
        })
    }

    async fn explain(&self, _job: &JobRecord) -> Result<Option<String>> {
        Ok(None)
    }

    async fn output_files(&self, job: &JobRecord) -> Result<Vec<OutputFile>> {
        self.file_list(job).await.map(|list| list.files)
    }

    async fn file_list(&self, job: &JobRecord) -> Result<FileList> {
        match self.origin(&job.job_request_id).await? {
            Origin::Manifest { key, files, .. } => self.listed(&key, &files).await,
            Origin::Object { key, etag, size } => {
                let entry = Entry { name: key.clone(), sha256: None, md5: None };
                let object = ObjectInfo { key, etag, size, crc64nvme: None, modified: None };
                Ok(vec![file(0, &entry, object)?].into())
            }
        }
    }

    async fn open(&self, _job: &JobRecord, file: &OutputFile, resume: Option<&ResumeAt>) -> Result<Download> {
        let at = file.locator.as_deref().and_then(|locator| serde_json::from_str::<Locator>(locator).ok());
        let (Some(at), Some(size)) = (at, file.size) else {
            return Err(Error::contract_broken(format!(
                "it is not known where {} is in the bucket",
                file.name
            )));
        };
        let replaced = Replaced::of(file, &at);
        match (self.body(&at, size, resume, replaced).await, replaced) {
            // What is there now is right if its checksum is: the file may have been put there again to correct it.
            (Err(StoreError::Changed { .. }), Replaced::IsRead) => {
                let now = self.bucket.head(&at.key).await?.ok_or_else(|| self.not_there(&at.key))?;
                let (at, size) = (Locator { etag: now.etag, ..at }, now.size);
                self.body(&at, size, resume, replaced)
                    .await
                    .map_err(|error| self.unread(&at, replaced, error))
            }
            (Err(error), _) => Err(self.unread(&at, replaced, error)),
            (Ok(download), _) => Ok(download),
        }
    }
}
