//! Takes in an object that was put into the inbox: it becomes a job of its own, whose one file it is.
//!
//! The story: the job's id follows from the object's key and version, so that the same object is one job, however
//! often its creation is told. What the steps before `unpack-upload` would have stored of a job is stored: its record,
//! how it ended, its list of files, the staged file. The record of the staged file, written last, makes it count.
//!
//! Nothing is known of the object but its bytes, which are staged and hashed as they come: all within one invocation.

use futures::TryStreamExt as _;
use landfall::checksum::{Hasher, Sha256};
use landfall::clock::Deadline;
use landfall::context::Context;
use landfall::export::Export;
use landfall::job::{
    ConnectionName, DestinationName, FileList, JobRecord, JobRef, JobRequestId, JobState, Outcome,
    OutputFile, StagedFile,
};
use landfall::metrics::Measured;
use landfall::state::{WorkState, keys};
use landfall::{Error, Result};
use landfall_store::{ObjectInfo, ObjectWriter, Store};
use landfall_systems::local::LocalFile;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The connection that objects of the inbox are said to come from.
pub const INBOX: &str = "inbox";

/// What leads the keys of the inbox, in the work bucket.
pub const PREFIX: &str = "inbox/";

/// A job of one file has no other.
const ONLY: u32 = 0;

/// How many hex digits the job's id has.
const ID_DIGITS: usize = 32;

/// Names an object of the inbox, and where it lands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InboxEvent {
    /// The object.
    pub object: InboxObject,
    /// Where it lands.
    pub destination: DestinationName,
}

/// An object of the inbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InboxObject {
    /// The work bucket.
    pub bucket: String,
    /// The object's key, as it is.
    pub key: String,
}

/// The job that an object has become.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TakenIn {
    /// The connection `inbox`.
    pub connection: ConnectionName,
    /// Its id.
    pub job_request_id: JobRequestId,
    /// Its files, all of them staged: the object.
    pub files: Vec<TakenFile>,
}

/// A staged file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TakenFile {
    /// Its place in the job's list of files.
    pub ordinal: u32,
    /// Its name.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
}

impl Measured for TakenIn {}

/// Takes in the object that the event names.
pub async fn take_in(context: &Context, event: InboxEvent, _deadline: &Deadline) -> Result<TakenIn> {
    let work = context.work().await?;
    let object = found(work.store(), &event.object).await?;
    let job = job(&object)?;
    let name = name_of(&object.key);
    record(context, &work, &job, &event.destination, &name).await?;
    let file = match work.staged(&job, ONLY).await? {
        Some(staged) => staged,
        None => stage(context, &work, &job, &object, name).await?,
    };
    tracing::info!(job_request_id = %job.job_request_id, file.name, file.size, "the object is taken in");
    let files = vec![TakenFile { ordinal: ONLY, name: file.name, size: file.size }];
    Ok(TakenIn { connection: job.connection, job_request_id: job.job_request_id, files })
}

/// The object, if it is one of the inbox.
async fn found(store: &Store, named: &InboxObject) -> Result<ObjectInfo> {
    let InboxObject { bucket, key } = named;
    if bucket != store.bucket() || !key.starts_with(PREFIX) || key.ends_with('/') {
        return Err(Error::invalid_event(format!(
            "s3://{bucket}/{key} is no object of the inbox, which is s3://{}/{PREFIX}",
            store.bucket()
        )));
    }
    let object = store.head(key).await?;
    object.ok_or_else(|| {
        Error::not_found(format!("s3://{bucket}/{key} is not there any more: put it there again"))
    })
}

/// The job that an object is. The same bytes under another name are another job, as are others under this name.
fn job(object: &ObjectInfo) -> Result<JobRef> {
    let mut hasher = Hasher::new(true);
    for part in [object.key.as_str(), "\n", object.etag.as_str()] {
        hasher.update(part.as_bytes());
    }
    let digits = hashed(hasher)?.to_string();
    let id = digits.get(..ID_DIGITS).unwrap_or(&digits);
    Ok(JobRef {
        connection: INBOX
            .parse()
            .map_err(|error| Error::invalid_event("the inbox has no name").because(error))?,
        job_request_id: id
            .parse()
            .map_err(|error| Error::invalid_event("the object's version is no job's id").because(error))?,
    })
}

/// Records the job as `submit`, `poll-status` and `fetch-files` would have, up to its file.
async fn record(
    context: &Context,
    work: &WorkState,
    job: &JobRef,
    destination: &DestinationName,
    name: &str,
) -> Result<()> {
    let since = context.clock().now();
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let export = LocalFile { name: stem.to_owned() };
    let settings = context.landing(destination).await?.destination;
    let JobRef { connection, job_request_id } = job.clone();
    let landing_prefix = settings.landing_prefix(&connection, &job_request_id, &export, since)?;
    let recorded = work
        .record_job(JobRecord {
            connection,
            job_request_id,
            export: Export::of(&export),
            destination: destination.clone(),
            landing_prefix,
            form: settings.job_form(),
            run_key: None,
            window: None,
            since,
        })
        .await?;
    if recorded.destination != *destination {
        return Err(Error::conflict(format!(
            "{job} lands in {}, and this event says {destination}: put the object under another key",
            recorded.destination
        )));
    }
    let outcome = Outcome {
        state: JobState::Succeeded,
        native_status: "PUT".to_owned(),
        message: None,
        expected_rows: None,
        since,
        observed_at: None,
    };
    work.record_outcome(job, outcome).await?;
    Ok(())
}

/// Stages the object's bytes, then the list of files, then the record that makes the file count.
async fn stage(
    context: &Context,
    work: &WorkState,
    job: &JobRef,
    object: &ObjectInfo,
    name: String,
) -> Result<StagedFile> {
    let key = keys::staged(job, ONLY);
    let mut writer = ObjectWriter::new(work.store(), &key, context.budget(), Some(object.size));
    let mut hasher = Hasher::new(true);
    if let Err(error) = copy(work.store(), object, &mut writer, &mut hasher).await {
        writer.abandon().await;
        return Err(error);
    }
    let (size, crc64nvme) = (object.size, hasher.clone().finish().crc64nvme);
    let sha256 = hashed(hasher)?;
    writer
        .seal(|sealed| match sealed.size == size && sealed.crc64nvme == crc64nvme {
            true => Ok(()),
            false => {
                Err(Error::integrity(format!("{} was read as other bytes than were staged", object.key)))
            }
        })
        .await?;
    let file = OutputFile {
        ordinal: ONLY,
        name: name.clone(),
        size: Some(size),
        sha256: Some(sha256),
        locator: None,
        is_log: false,
    };
    work.freeze_files(job, FileList { files: vec![file] }).await?;
    Ok(work
        .record_staged(job, StagedFile { ordinal: ONLY, name, size, crc64nvme, sha256, unverified: None })
        .await?)
}

/// Copies the object as it was found: another version of it ends the copy.
async fn copy(
    store: &Store,
    object: &ObjectInfo,
    writer: &mut ObjectWriter,
    hasher: &mut Hasher,
) -> Result<()> {
    let mut body = store.read_range(&object.key, &object.etag, 0..object.size).await?;
    while let Some(bytes) = body.try_next().await? {
        hasher.update(&bytes);
        writer.write(&bytes).await?;
    }
    Ok(())
}

fn hashed(hasher: Hasher) -> Result<Sha256> {
    hasher.finish().sha256.ok_or_else(|| Error::integrity("the object was not hashed"))
}

fn name_of(key: &str) -> String {
    key.rsplit('/').next().unwrap_or(key).to_owned()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use embedded_store::{Credentials, EmbeddedStore, Handle, Options};
    use landfall::clock::SystemClock;
    use landfall::config::ConfigProvider;
    use landfall_store::Condition;
    use secrecy::ExposeSecret as _;
    use serde_json::json;

    use super::*;

    struct Bench {
        context: Context,
        deadline: Deadline,
        _store: Handle,
        _folder: tempfile::TempDir,
    }

    async fn bench() -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open(folder.path(), Options::default()).unwrap();
        for bucket in ["work", "landing"] {
            store.ensure_bucket(bucket).unwrap();
        }
        let credentials = Credentials::random();
        let handle = store.serve(0, &credentials).await.unwrap();
        let settings = json!({
            "endpoint": handle.endpoint(), "region": "us-east-1", "path_style": true,
            "access_key_id": credentials.access_key_id,
            "secret_access_key": credentials.secret_access_key.expose_secret(),
        });
        let place = ConfigProvider::made("test", move |path| match path {
            "work" => Some(json!({ "bucket": "work", "store": settings })),
            "destinations/lake" | "destinations/other" => {
                Some(json!({ "type": "s3", "bucket": "landing", "store": settings }))
            }
            _ => None,
        });
        let clock = Arc::new(SystemClock);
        let deadline = Deadline::none(Arc::clone(&clock) as Arc<dyn landfall::clock::Clock>);
        Bench {
            context: Context::new(place, clock, &landfall_systems::SYSTEMS),
            deadline,
            _store: handle,
            _folder: folder,
        }
    }

    impl Bench {
        async fn put(&self, key: &str, bytes: &'static [u8]) {
            let work = self.context.work().await.unwrap();
            work.store().put(key, bytes.into(), Condition::Always).await.unwrap();
        }

        async fn take(&self, key: &str, destination: &str) -> Result<TakenIn> {
            let object = InboxObject { bucket: "work".to_owned(), key: key.to_owned() };
            let event = InboxEvent { object, destination: destination.parse().unwrap() };
            take_in(&self.context, event, &self.deadline).await
        }
    }

    /// Promises 1 and 4: an object that is told of twice is one job; other bytes under its name are another one.
    #[tokio::test]
    async fn an_object_is_one_job() {
        let bench = bench().await;
        bench.put("inbox/march/orders.zip", b"first").await;
        let first = bench.take("inbox/march/orders.zip", "lake").await.unwrap();
        assert_eq!(first, bench.take("inbox/march/orders.zip", "lake").await.unwrap());
        assert_eq!((first.files[0].name.as_str(), first.files[0].size), ("orders.zip", 5));
        bench.put("inbox/march/orders.zip", b"second").await;
        let second = bench.take("inbox/march/orders.zip", "lake").await.unwrap();
        assert_ne!(first.job_request_id, second.job_request_id);
        bench.put("inbox/april/orders.zip", b"first").await;
        let third = bench.take("inbox/april/orders.zip", "lake").await.unwrap();
        assert_ne!(first.job_request_id, third.job_request_id);
    }

    /// Promise 2: what the later steps need is stored: they are called with the job's id alone.
    #[tokio::test]
    async fn what_the_later_steps_need_is_there() {
        let bench = bench().await;
        bench.put("inbox/orders.zip", b"PK").await;
        let taken = bench.take("inbox/orders.zip", "lake").await.unwrap();
        let job = JobRef { connection: taken.connection, job_request_id: taken.job_request_id };
        let work = bench.context.work().await.unwrap();
        let recorded = work.job(&job).await.unwrap().unwrap();
        assert_eq!(recorded.landing_prefix, format!("inbox/orders/{}/", job.job_request_id));
        assert_eq!(work.outcome(&job).await.unwrap().unwrap().state, JobState::Succeeded);
        let files = work.files(&job).await.unwrap().unwrap().files;
        let staged = work.staged(&job, ONLY).await.unwrap().unwrap();
        assert_eq!((files.len(), files[0].sha256), (1, Some(staged.sha256)));
        let object = work.store().head(&keys::staged(&job, ONLY)).await.unwrap().unwrap();
        assert_eq!(object.size, 2);
    }

    /// Promise 7: nothing but the inbox is taken in, whatever the event says.
    #[tokio::test]
    async fn other_objects_are_refused() {
        let bench = bench().await;
        bench.put("tokens/fusion.json", b"{}").await;
        for key in ["tokens/fusion.json", "inbox/", "inbox", "inbox/folder/"] {
            let error = bench.take(key, "lake").await.unwrap_err();
            assert_eq!(error.error_type().name(), "InvalidEvent", "{key}");
        }
        let gone = bench.take("inbox/gone.zip", "lake").await.unwrap_err();
        assert_eq!(gone.error_type().name(), "NotFound");
        let elsewhere = InboxObject { bucket: "landing".to_owned(), key: "inbox/a.zip".to_owned() };
        let event = InboxEvent { object: elsewhere, destination: "lake".parse().unwrap() };
        let error = take_in(&bench.context, event, &bench.deadline).await.unwrap_err();
        assert_eq!(error.error_type().name(), "InvalidEvent");
    }

    /// Promise 4: a job lands in one place.
    #[tokio::test]
    async fn an_object_lands_in_one_destination() {
        let bench = bench().await;
        bench.put("inbox/orders.zip", b"PK").await;
        bench.take("inbox/orders.zip", "lake").await.unwrap();
        let error = bench.take("inbox/orders.zip", "other").await.unwrap_err();
        assert_eq!(error.error_type().name(), "Conflict");
    }
}
