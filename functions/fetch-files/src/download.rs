//! One file, from the source to its staged object.

use std::error::Error as StdError;
use std::time::Duration;

use futures::TryStreamExt as _;
use landfall::checksum::{Checksums, Hasher};
use landfall::clock::Deadline;
use landfall::context::Context;
use landfall::contract::{Download, ResumeAt, Source};
use landfall::job::{JobRecord, OutputFile, StagedFile};
use landfall::observer::Tally;
use landfall::state::{Document, WorkState, keys};
use landfall::{Error, ErrorType, Result};
use landfall_http::HttpError;
use landfall_store::{MAX_BYTES_UNANNOUNCED, ObjectInfo, ObjectWriter, PART_BYTES, Part, Written};
use serde::{Deserialize, Serialize};

use crate::settle;

/// What is left of the invocation when a download stops and leaves the rest to the next one.
const MARGIN: Duration = Duration::from_secs(15);

/// How often a file is fetched whose bytes are not what the source lists.
const TRIES: u32 = 3;

/// What the downloads of one invocation have in common.
pub(crate) struct Fetch<'a> {
    pub(crate) context: &'a Context,
    pub(crate) source: &'a dyn Source,
    pub(crate) work: &'a WorkState,
    pub(crate) job: &'a JobRecord,
    pub(crate) deadline: &'a Deadline,
    /// The most bytes that a file may have.
    pub(crate) max_bytes: u64,
}

/// What came of a download.
pub(crate) enum Fetched {
    /// The file is staged, and its bytes are what the source says.
    Staged(StagedFile),
    /// Time ran out; what the store has is kept.
    DeadlineCame,
    /// The source does not give the file out yet, or may not be asked for a while: ask again after this time.
    NotYet { wait_seconds: u64 },
}

/// What came of streaming a file.
enum Streamed {
    /// It is stored, and these are its checksums.
    Stored(Checksums),
    /// It is stored, in part or whole by another call: its bytes have yet to be looked at.
    StoredUnseen,
    /// Time ran out.
    DeadlineCame,
}

/// An unfinished multipart upload of a staged file. Which parts it has, the store itself says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Checkpoint {
    upload_id: String,
    part_bytes: u64,
    /// What the source called this version of the file: only the same version is gone on with.
    validator: String,
}

impl Document for Checkpoint {}

impl Fetch<'_> {
    /// Stages a file, from where an earlier call has left it.
    ///
    /// What comes otherwise than the source lists it may have been shortened or damaged on its way once: it is
    /// fetched again, from its beginning, before that is what is reported.
    pub(crate) async fn file(&self, file: &OutputFile) -> Result<Fetched> {
        for attempt in 1..TRIES {
            match self.attempt(file).await {
                Err(error) if error.error_type() == ErrorType::IntegrityError => {
                    tracing::warn!(file.name, attempt, error = error.line(), "fetching the file again");
                }
                came => return came,
            }
        }
        self.attempt(file).await
    }

    async fn attempt(&self, file: &OutputFile) -> Result<Fetched> {
        self.check_limit(file, file.size.unwrap_or_default())?;
        let key = keys::staged(&self.job.job(), file.ordinal);
        // Stored whole by a call that could not write its record. Where the list tells neither size nor checksum, only that
        // call knew whether anything else did: the file is fetched again.
        if is_described(file)
            && let Some(object) = self.work.store().head(&key).await?
        {
            return self.check_stored(file, &object, None).await;
        }
        if self.deadline.is_within(MARGIN) {
            return Ok(Fetched::DeadlineCame);
        }
        let (mut writer, resume) = self.writer(file, &key).await?;
        let download = match self.source.open(self.job, file, resume.as_ref()).await {
            Ok(download) => download,
            Err(error) => return self.not_yet(file, error).await,
        };
        let resumed_at = resume.map_or(0, |resume| resume.offset);
        if download.offset != resumed_at {
            // The source has started again: so do we.
            writer.abort().await?;
            writer = self.new_writer(file, &key);
        }
        let tally = Tally::new(self.context.observer());
        tally.fetched(download.offset);
        let unverified = download.unverified.filter(|_| !is_described(file));
        let fetched = match self.stream(file, download, &mut writer, &tally).await {
            Ok(Streamed::Stored(checksums)) => Fetched::Staged(staged(file, &checksums, unverified)?),
            Ok(Streamed::StoredUnseen) => self.check_stored_at(file, &key, unverified).await?,
            Ok(Streamed::DeadlineCame) => Fetched::DeadlineCame,
            Err(error) if error.retryable() => {
                // What is on its way to the store may still arrive, and need not be fetched again then.
                let _ = writer.settle().await;
                return Err(error);
            }
            Err(error) => {
                writer.abandon().await;
                return Err(error);
            }
        };
        if let Fetched::Staged(_) = fetched {
            tally.keep();
        }
        Ok(fetched)
    }

    /// A file that is listed and unknown may be one that is still being scanned; one that has expired is gone for good.
    async fn not_yet(&self, file: &OutputFile, error: Error) -> Result<Fetched> {
        if error.error_type() != ErrorType::NotFound || has_expired(&error) {
            return Err(error);
        }
        let Some(outcome) = self.work.outcome(&self.job.job()).await? else { return Err(error) };
        match settle::wait_seconds(self.context, self.job, &outcome).await? {
            Some(wait_seconds) => {
                tracing::info!(file.name, error = error.line(), "the source does not provide the file yet");
                Ok(Fetched::NotYet { wait_seconds })
            }
            None => Err(error),
        }
    }

    /// The writer of the staged object, and where to go on if the store has parts of it.
    async fn writer(&self, file: &OutputFile, key: &str) -> Result<(ObjectWriter, Option<ResumeAt>)> {
        let writer = self.new_writer(file, key);
        let checkpoint_key = keys::fetch_checkpoint(&self.job.job(), file.ordinal);
        let Some(checkpoint) = self.work.checkpoint::<Checkpoint>(&checkpoint_key).await? else {
            return Ok((writer, None));
        };
        let Some(parts) = self.work.store().list_parts(key, &checkpoint.upload_id).await? else {
            return Ok((writer, None));
        };
        let parts = contiguous(parts, checkpoint.part_bytes);
        if parts.is_empty() {
            // An upload of our own is held against the checksum of the whole, if the store said that it has those.
            return Ok((writer, None));
        }
        let offset = parts.iter().map(|part| part.size).sum();
        let resume = Some(ResumeAt { offset, validator: checkpoint.validator });
        let part_bytes = usize::try_from(checkpoint.part_bytes).unwrap_or(PART_BYTES);
        Ok((writer.resuming(checkpoint.upload_id, parts, part_bytes), resume))
    }

    fn new_writer(&self, file: &OutputFile, key: &str) -> ObjectWriter {
        ObjectWriter::new(self.work.store(), key, self.context.budget(), file.size)
    }

    async fn stream(
        &self,
        file: &OutputFile,
        mut download: Download,
        writer: &mut ObjectWriter,
        tally: &Tally,
    ) -> Result<Streamed> {
        let is_resumed = download.offset > 0;
        let mut has_checkpoint = is_resumed;
        let mut hasher = Hasher::new(true);
        let mut received = download.offset;
        while let Some(bytes) = download.body.try_next().await? {
            received = received.saturating_add(length(&bytes));
            self.check_limit(file, received)?;
            hasher.update(&bytes);
            tally.fetched(length(&bytes));
            if writer.write(&bytes).await? == 0 {
                continue;
            }
            if !has_checkpoint {
                self.save_checkpoint(file, writer, download.validator.as_deref()).await?;
                has_checkpoint = true;
            }
            if self.deadline.is_within(MARGIN) {
                writer.settle().await?;
                return Ok(Streamed::DeadlineCame);
            }
        }
        let checksums = hasher.finish();
        check_size(file, download.offset + checksums.size)?;
        if !is_resumed {
            check_sha256(file, &checksums)?;
        }
        match writer.finish().await? {
            Written::Done(_) if !is_resumed => Ok(Streamed::Stored(checksums)),
            _ => Ok(Streamed::StoredUnseen),
        }
    }

    fn check_limit(&self, file: &OutputFile, bytes: u64) -> Result<()> {
        if bytes > self.max_bytes {
            return Err(Error::limit_exceeded(format!(
                "{} has {bytes} bytes or more, and the connection's http.max_file_bytes is {}",
                file.name, self.max_bytes
            )));
        }
        if file.size.is_none() && bytes > MAX_BYTES_UNANNOUNCED {
            return Err(Error::limit_exceeded(format!(
                "{} has {bytes} bytes or more, and the store takes at most {} of a file whose size is not known in advance",
                file.name, MAX_BYTES_UNANNOUNCED
            )));
        }
        Ok(())
    }

    /// Notes which upload to go on with. A file that cannot be resumed at the source has no checkpoint.
    async fn save_checkpoint(
        &self,
        file: &OutputFile,
        writer: &ObjectWriter,
        validator: Option<&str>,
    ) -> Result<()> {
        let (Some(validator), Some(upload_id)) = (validator, writer.upload_id()) else { return Ok(()) };
        let checkpoint = Checkpoint {
            upload_id: upload_id.to_owned(),
            part_bytes: u64::try_from(writer.part_bytes()).unwrap_or(u64::MAX),
            validator: validator.to_owned(),
        };
        let key = keys::fetch_checkpoint(&self.job.job(), file.ordinal);
        Ok(self.work.save_checkpoint(&key, &checkpoint).await?)
    }

    /// Bytes that this call has not all seen are read back once.
    async fn check_stored_at(
        &self,
        file: &OutputFile,
        key: &str,
        unverified: Option<&str>,
    ) -> Result<Fetched> {
        let object = self.work.store().head(key).await?;
        let object =
            object.ok_or_else(|| Error::store_unavailable(format!("{key} was stored, but is not there")))?;
        self.check_stored(file, &object, unverified).await
    }

    async fn check_stored(
        &self,
        file: &OutputFile,
        object: &ObjectInfo,
        unverified: Option<&str>,
    ) -> Result<Fetched> {
        let mut hasher = Hasher::new(true);
        let mut body = self.work.store().read_range(&object.key, &object.etag, 0..object.size).await?;
        while let Some(bytes) = body.try_next().await? {
            hasher.update(&bytes);
            if self.deadline.is_within(MARGIN / 3) {
                return Ok(Fetched::DeadlineCame);
            }
        }
        let checksums = hasher.finish();
        let checked = check_size(file, checksums.size).and_then(|()| check_sha256(file, &checksums));
        if let Err(error) = checked {
            // It has no record, so it never counted: the next call fetches it anew.
            self.work.store().delete(&object.key).await?;
            return Err(error);
        }
        Ok(Fetched::Staged(staged(file, &checksums, unverified)?))
    }
}

/// Whether the source's list says what shows that a file is whole.
fn is_described(file: &OutputFile) -> bool {
    file.size.is_some() || file.sha256.is_some()
}

/// Whether the source says of what is not there that it will not come back: 410, where 404 leaves that open.
fn has_expired(error: &Error) -> bool {
    let causes = std::iter::successors(StdError::source(error), |cause| (*cause).source());
    causes.filter_map(|cause| cause.downcast_ref::<HttpError>()).any(HttpError::has_expired)
}

/// The parts that can be gone on from: all full, from the first, without a gap.
fn contiguous(parts: Vec<(i32, String, u64)>, part_bytes: u64) -> Vec<Part> {
    let full = std::iter::zip(parts, 1i32..)
        .take_while(|((number, _, size), expected)| number == expected && *size == part_bytes);
    full.map(|((number, etag, size), _)| Part { number, etag, size, crc64nvme: None }).collect()
}

fn check_size(file: &OutputFile, found: u64) -> Result<()> {
    match file.size {
        Some(listed) if listed != found => Err(Error::integrity(format!(
            "the source lists {} with {listed} bytes, but sent {found}",
            file.name
        ))),
        _ => Ok(()),
    }
}

fn check_sha256(file: &OutputFile, found: &Checksums) -> Result<()> {
    match (file.sha256, found.sha256) {
        (Some(listed), Some(found)) if listed != found => Err(Error::integrity(format!(
            "the source lists {} with SHA-256 {listed}, but the bytes it sent have {found}",
            file.name
        ))),
        _ => Ok(()),
    }
}

fn staged(file: &OutputFile, checksums: &Checksums, unverified: Option<&str>) -> Result<StagedFile> {
    let sha256 = checksums.sha256.ok_or_else(|| Error::integrity(format!("{} was not hashed", file.name)))?;
    Ok(StagedFile {
        ordinal: file.ordinal,
        name: file.name.clone(),
        size: checksums.size,
        crc64nvme: checksums.crc64nvme,
        sha256,
        unverified: unverified.map(|reason| format!("no list tells its size, and {reason}")),
    })
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
