//! Files of this machine, landed by the steps that land a source's.
//!
//! The story: a file is a job of its own, whose id follows from its bytes, so that the same file is landed once and
//! two files never meet. What `fetch-files` would have stored of it is stored from the disk; then the unpack and
//! publish steps do what they do.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use landfall::checksum::{Hasher, Sha256};
use landfall::event::JobEvent;
use landfall::export::Export;
use landfall::form::LandedForm;
use landfall::job::{
    ConnectionName, DestinationName, FileList, JobRecord, JobRef, JobRequestId, JobState, Outcome,
    OutputFile, StagedFile,
};
use landfall::state::{WorkState, keys};
use landfall::{Error, Result};
use landfall_store::ObjectWriter;
use landfall_systems::local::LocalFile;
use publish::Published;
use tokio::io::AsyncReadExt as _;

use crate::machine::LocalRuntime;
use crate::run;

/// The connection that files of this machine are said to come from.
const LOCAL: &str = "local";

/// A job of one file has no other.
const ONLY: u32 = 0;

/// So much of a file is read at a time.
const READ_BYTES: usize = 1 << 20;

/// How many hex digits of a file's SHA-256 its job's id has.
const ID_DIGITS: usize = 32;

/// A file, and what its bytes are.
pub(crate) struct Archive {
    path: PathBuf,
    bytes: StagedFile,
    job: JobEvent,
    form: Option<LandedForm>,
}

impl Archive {
    /// Reads a file once, to know which job it is.
    ///
    /// `form` is the one that it is to land in, where that is not the destination's.
    pub(crate) async fn read(
        path: &Path,
        destination: &DestinationName,
        form: Option<LandedForm>,
    ) -> Result<Self> {
        let bytes = hash_in_background(path).await?;
        let job = JobEvent {
            connection: connection()?,
            job_request_id: id(bytes.sha256)?,
            destination: Some(destination.clone()),
        };
        Ok(Self { path: path.to_owned(), bytes, job, form })
    }

    /// The job that it is.
    pub(crate) fn job(&self) -> &JobEvent {
        &self.job
    }
}

/// The files that a path stands for: itself or, where it is a folder, every file below it, sorted by their paths. What
/// is only linked to from within a folder is not in it.
pub(crate) fn files_of(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        let unreadable = |error| unreadable(&folder, error);
        for entry in folder.read_dir().map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let kind = entry.file_type().map_err(unreadable)?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                files.push(entry.path());
            }
        }
    }
    if files.is_empty() {
        return Err(Error::invalid_event(format!("{} holds no file", path.display())));
    }
    files.sort();
    Ok(files)
}

/// Lands a file.
pub(crate) async fn unpack(machine: &LocalRuntime, archive: &Archive) -> Result<Published> {
    record(machine, archive).await?;
    if !run::has_landed(machine.context(), archive.job()).await? {
        let _at_work = machine.at_work_on(&archive.job().job()).await?;
        machine.progress().stage(format!("copying {}", archive.path.display()));
        stage(machine, archive).await?;
        machine.progress().stage(format!("unpacking {}", archive.path.display()));
        run::unpack_until_complete(machine, archive.job(), ONLY).await?;
        machine.progress().stage("publishing the manifest");
    }
    run::publish(machine, archive.job()).await
}

/// Records the job, as `submit` would have.
async fn record(machine: &LocalRuntime, archive: &Archive) -> Result<()> {
    let context = machine.context();
    let JobEvent { connection, job_request_id, .. } = archive.job.clone();
    let destination = archive.job.destination.clone();
    let destination = destination.ok_or_else(|| Error::invalid_event("a file needs a destination"))?;
    let stem = archive.path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let export = LocalFile { name: stem };
    let settings = context.landing(&destination).await?.destination;
    let since = context.clock().now();
    let landing_prefix = settings.landing_prefix(&connection, &job_request_id, &export, since)?;
    let record = JobRecord {
        connection,
        job_request_id,
        export: Export::of(&export),
        destination,
        landing_prefix,
        form: settings.in_form(archive.form.unwrap_or(settings.form)),
        run_key: None,
        window: None,
        since,
    };
    let recorded = context.work().await?.record_job(record).await?;
    match archive.form {
        Some(asked) if asked != recorded.form.name() => Err(Error::conflict(format!(
            "{} is landing, or has landed, in another form: leave --form out, or use another --data",
            archive.path.display()
        ))),
        _ => Ok(()),
    }
}

/// Stores the file and what is known of it, as `poll-status` and `fetch-files` would have.
async fn stage(machine: &LocalRuntime, archive: &Archive) -> Result<()> {
    let (work, job) = (machine.context().work().await?, archive.job.job());
    let turn = machine.turn(&format!("jobs/{}/{}.lock", job.connection, job.job_request_id)).await?;
    if work.staged(&job, ONLY).await?.is_some() {
        return Ok(());
    }
    let outcome = Outcome {
        state: JobState::Succeeded,
        native_status: "READ".to_owned(),
        message: None,
        expected_rows: None,
        since: machine.context().clock().now(),
        observed_at: None,
    };
    work.record_outcome(&job, outcome).await?;
    let StagedFile { ordinal, name, size, sha256, .. } = archive.bytes.clone();
    let file =
        OutputFile { ordinal, name, size: Some(size), sha256: Some(sha256), locator: None, is_log: false };
    let files = work.freeze_files(&job, FileList { files: vec![file] }).await?;
    if turn.is_some() {
        give_up_unfinished(&work, &job).await?;
    }
    copy(machine, &work, archive).await?;
    // The same bytes may have been seen under another name first: that one counts.
    let name = files.files.into_iter().next().map_or_else(|| archive.bytes.name.clone(), |file| file.name);
    work.record_staged(&job, StagedFile { name, ..archive.bytes.clone() }).await?;
    Ok(())
}

/// Copies the file's bytes into the store, if they still are those that its job's id follows from.
async fn copy(machine: &LocalRuntime, work: &WorkState, archive: &Archive) -> Result<()> {
    let (context, expected) = (machine.context(), &archive.bytes);
    context.observer().files_listed(1, Some(expected.size));
    let key = keys::staged(&archive.job.job(), ONLY);
    let mut writer = ObjectWriter::new(work.store(), &key, context.budget(), Some(expected.size));
    if let Err(error) = copy_bytes(machine, &archive.path, &mut writer).await {
        writer.abandon().await;
        return Err(error);
    }
    let sealed =
        writer.seal(|sealed| match sealed.size == expected.size && sealed.crc64nvme == expected.crc64nvme {
            true => Ok(()),
            false => Err(Error::integrity(format!(
                "{} has changed while it was being read: unpack it again once it is complete",
                archive.path.display()
            ))),
        });
    sealed.await.map(|_| ())
}

/// Copies a file's bytes into an upload.
pub(crate) async fn copy_bytes(machine: &LocalRuntime, path: &Path, writer: &mut ObjectWriter) -> Result<()> {
    let unreadable = |error| unreadable(path, error);
    let mut file = tokio::fs::File::open(path).await.map_err(unreadable)?;
    file.set_max_buf_size(READ_BYTES);
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let read = file.read(&mut buffer).await.map_err(unreadable)?;
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else { return Ok(()) };
        writer.write(bytes).await?;
        machine.context().observer().fetched(u64::try_from(read).unwrap_or(u64::MAX));
    }
}

/// Aborts the uploads of processes that were stopped. Only under the job's lock, where no other process has one.
async fn give_up_unfinished(work: &WorkState, job: &JobRef) -> Result<()> {
    let key = keys::staged(job, ONLY);
    for upload in work.store().list_uploads(&key).await? {
        work.store().abort_upload(&upload.key, &upload.upload_id).await?;
    }
    Ok(())
}

/// Reads a file through, on a thread of its own.
pub(crate) async fn hash_in_background(path: &Path) -> Result<StagedFile> {
    let owned = path.to_owned();
    let hashed = tokio::task::spawn_blocking(move || hash(&owned)).await;
    hashed.map_err(|error| unreadable(path, std::io::Error::other(error)))?
}

/// Reads a file through: its name, its size and its checksums.
fn hash(path: &Path) -> Result<StagedFile> {
    let unreadable = |error| unreadable(path, error);
    let mut file = File::open(path).map_err(unreadable)?;
    if !file.metadata().map_err(unreadable)?.is_file() {
        return Err(Error::invalid_event(format!("{} is not a file", path.display())));
    }
    let mut hasher = Hasher::new(true);
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let read = file.read(&mut buffer).map_err(unreadable)?;
        match buffer.get(..read) {
            Some(bytes) if read > 0 => hasher.update(bytes),
            _ => break,
        }
    }
    let checksums = hasher.finish();
    let sha256 = checksums.sha256.ok_or_else(|| unreadable(std::io::Error::other("it was not hashed")))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(StagedFile {
        ordinal: ONLY,
        name,
        size: checksums.size,
        crc64nvme: checksums.crc64nvme,
        sha256,
        unverified: None,
    })
}

fn unreadable(path: &Path, error: std::io::Error) -> Error {
    Error::invalid_event(format!("cannot read {}", path.display())).because(error)
}

fn connection() -> Result<ConnectionName> {
    LOCAL.parse().map_err(|error| Error::invalid_event("local files have no connection").because(error))
}

fn id(sha256: Sha256) -> Result<JobRequestId> {
    let digits = sha256.to_string();
    let id = digits.get(..ID_DIGITS).unwrap_or(&digits).parse();
    id.map_err(|error| Error::invalid_event("the file's SHA-256 is no job's id").because(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Promise 4: the same bytes are the same job, under whatever name; other bytes are another job.
    #[tokio::test]
    async fn a_files_job_follows_from_its_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let read = async |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            Archive::read(&path, &"lake".parse().unwrap(), None).await.unwrap()
        };
        let (one, same, other) =
            (read("a.zip", b"1").await, read("b.zip", b"1").await, read("c.zip", b"2").await);
        assert_eq!(one.job(), same.job());
        assert_ne!(one.job(), other.job());
        assert_eq!(one.job().job_request_id.as_str(), "6b86b273ff34fce19d6b804eff5a3f57");
        assert_eq!((one.bytes.name.as_str(), one.bytes.size), ("a.zip", 1));
    }

    /// A folder is the files in it, those of its folders too, in an order that does not change; a link in it leads
    /// nowhere.
    #[cfg(unix)]
    #[test]
    fn a_folder_is_the_files_below_it() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(at("inner/empty")).unwrap();
        for name in ["b.zip", "inner/c.zip", "a.zip"] {
            std::fs::write(at(name), name).unwrap();
        }
        std::os::unix::fs::symlink(folder.path(), at("inner/around")).unwrap();
        std::os::unix::fs::symlink(at("a.zip"), at("z.zip")).unwrap();
        let found = files_of(folder.path()).unwrap();
        assert_eq!(found, [at("a.zip"), at("b.zip"), at("inner/c.zip")]);
        assert_eq!(files_of(&at("z.zip")).unwrap(), [at("z.zip")], "a file that is named is that file");
        let error = files_of(&at("inner/empty")).unwrap_err();
        assert!(error.line().contains("holds no file"), "{}", error.line());
    }

    /// What is no file to be read is wrong usage, and named.
    #[tokio::test]
    async fn what_is_no_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().to_owned(), folder.path().join("missing.zip")] {
            let error = Archive::read(&path, &"lake".parse().unwrap(), None).await.err().unwrap();
            assert_eq!(error.error_type().name(), "InvalidEvent");
            assert!(error.line().contains(path.to_str().unwrap()), "{}", error.line());
        }
    }
}
