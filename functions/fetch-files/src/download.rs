//! One file, from the source to its staged object.

use std::pin::pin;

use futures::TryStreamExt as _;
use landfall::checksum::{Checksums, Hasher};
use landfall::context::Context;
use landfall::contract::{Download, ResumeAt, Source};
use landfall::job::{JobRecord, OutputFile, StagedFile};
use landfall::observer::Tally;
use landfall::state::keys::LandingPlaces;
use landfall::state::{Document, WorkState, keys};
use landfall::{Error, ErrorType, Result};
use landfall_http::HttpError;
use landfall_store::{MAX_BYTES_UNANNOUNCED, ObjectInfo, ObjectWriter, PART_BYTES, Part, Written};
use serde::{Deserialize, Serialize};

use crate::invocation::{FileTime, Invocation};
use crate::{listing, settle};

/// How often a file is fetched whose bytes are not what the source lists.
const TRIES: u32 = 3;

/// Learns the place of a file that can be unpacked, maybe more than once.
pub type Ready<'a> = &'a (dyn Fn(u32) + Sync);

/// What the downloads of one invocation have in common.
pub(crate) struct Fetch<'a> {
    pub(crate) context: &'a Context,
    pub(crate) source: &'a dyn Source,
    pub(crate) work: &'a WorkState,
    pub(crate) job: &'a JobRecord,
    pub(crate) invocation: &'a Invocation<'a>,
    /// The most bytes that a file may have.
    pub(crate) max_bytes: u64,
    /// Where each of the job's files lands.
    pub(crate) places: LandingPlaces,
    /// Whoever unpacks a file as soon as it is there.
    pub(crate) ready: Ready<'a>,
}

/// What came of a download.
pub(crate) enum Fetched {
    /// The file is staged, and its bytes are what the source says.
    Staged(StagedFile),
    /// Time ran out; what the store has is kept. Where nothing is, and the file had all of the invocation's time, this
    /// is what is wrong, if nothing else has come further either.
    DeadlineCame { stuck: Option<Error> },
    /// The source does not give the file out yet, or may not be asked for a while: ask again after this time.
    NotYet { wait_seconds: u64 },
}

impl Fetched {
    /// Why the file cannot come further, if it has not.
    pub(crate) fn take_stuck(&mut self) -> Option<Error> {
        match self {
            Self::DeadlineCame { stuck } => stuck.take(),
            Self::Staged(_) | Self::NotYet { .. } => None,
        }
    }
}

/// What came of streaming a file.
enum Streamed {
    /// It is stored, and these are its checksums.
    Stored(Checksums),
    /// It is stored, in part or whole by another call: its bytes have yet to be looked at.
    StoredUnseen,
    /// Time ran out: so many bytes have come meanwhile, and whether the next invocation goes on behind some of them.
    DeadlineCame { came: u64, is_kept: bool },
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
        let mut attempt = 1;
        loop {
            match self.attempt(file).await {
                Err(error) if error.error_type() == ErrorType::IntegrityError => {
                    // What was put away of it may be what is damaged.
                    self.forget_tail(file).await?;
                    if attempt == TRIES {
                        return match self.listed_otherwise(file).await? {
                            Some(file) => self.attempt(&file).await,
                            None => Err(error),
                        };
                    }
                    tracing::warn!(file.name, attempt, error = error.line(), "fetching the file again");
                    attempt += 1;
                }
                came => return came,
            }
        }
    }

    async fn listed_otherwise(&self, file: &OutputFile) -> Result<Option<OutputFile>> {
        listing::listed_otherwise(self.context, self.source, self.work, self.job, file).await
    }

    async fn attempt(&self, file: &OutputFile) -> Result<Fetched> {
        let time = self.invocation.begin_file();
        self.check_limit(file, file.size.unwrap_or_default())?;
        let key = keys::staged(&self.job.job(), file.ordinal);
        // Stored whole by a call that could not write its record. Where the list tells neither size nor checksum, only that
        // call knew whether anything else did: the file is fetched again.
        if is_described(file)
            && let Some(object) = self.work.store().head(&key).await?
        {
            return self.check_stored(file, &object, None, &time).await;
        }
        if self.invocation.is_ending() {
            return Ok(Fetched::DeadlineCame { stuck: None });
        }
        let (mut writer, resume) = self.writer(file, &key).await?;
        let opened = tokio::select! {
            biased;
            opened = self.source.open(self.job, file, resume.as_ref()) => opened,
            () = self.invocation.ending() => return Ok(Fetched::DeadlineCame { stuck: time.unanswered(file) }),
        };
        let download = match opened {
            Ok(download) => download,
            Err(error) => return self.not_yet(file, error).await,
        };
        let asked_offset = resume.map_or(0, |resume| resume.offset);
        if download.offset != asked_offset {
            // The source has started again: so do we.
            writer.abort().await?;
            writer = self.new_writer(file, &key);
        }
        let tally = Tally::new(self.context.observer());
        tally.fetched_before(download.offset);
        let unverified = download.unverified.filter(|_| !is_described(file));
        let fetched = match Box::pin(self.stream(file, download, asked_offset, &mut writer, &tally)).await {
            Ok(Streamed::Stored(checksums)) => Fetched::Staged(staged(file, &checksums, unverified)?),
            Ok(Streamed::StoredUnseen) => self.check_stored_at(file, &key, unverified, &time).await?,
            Ok(Streamed::DeadlineCame { is_kept: true, .. }) => {
                self.invocation.advance();
                Fetched::DeadlineCame { stuck: None }
            }
            Ok(Streamed::DeadlineCame { came, .. }) => {
                Fetched::DeadlineCame { stuck: time.too_slow(file, came) }
            }
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
        if has_expired(&error) {
            let gone = Error::not_found(
                "the source has it no more: it has expired, and only another run brings its rows",
            );
            return Err(gone.because(error));
        }
        if error.error_type() != ErrorType::NotFound {
            return Err(error);
        }
        let Some(outcome) = self.work.outcome(&self.job.job()).await? else { return Err(error) };
        match settle::wait_seconds(self.context, self.job, &outcome, None).await? {
            Some(wait_seconds) => {
                tracing::info!(file.name, error = error.line(), "the source does not provide the file yet");
                Ok(Fetched::NotYet { wait_seconds })
            }
            None => Err(error),
        }
    }

    /// The writer of the staged object, and where to go on if there is something of it: full parts in the store, and
    /// behind them what was put away.
    async fn writer(&self, file: &OutputFile, key: &str) -> Result<(ObjectWriter, Option<ResumeAt>)> {
        let (mut writer, stored) = self.stored_parts(file, key).await?;
        let Some((tail, bytes)) = self.tail(file, stored.as_ref()).await? else {
            return Ok((writer, stored));
        };
        writer.write(&bytes).await?;
        let resume = ResumeAt { offset: tail.offset.saturating_add(tail.size), validator: tail.validator };
        Ok((writer, Some(resume)))
    }

    async fn stored_parts(&self, file: &OutputFile, key: &str) -> Result<(ObjectWriter, Option<ResumeAt>)> {
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
        asked_offset: u64,
        writer: &mut ObjectWriter,
        tally: &Tally,
    ) -> Result<Streamed> {
        let is_resumed = download.offset > 0;
        let mut has_checkpoint = writer.upload_id().is_some();
        let mut hasher = Hasher::new(true);
        let mut ending = pin!(self.invocation.ending());
        loop {
            let next = async {
                let Some(bytes) = download.body.try_next().await? else { return Ok::<_, Error>(None) };
                self.check_limit(file, download.offset.saturating_add(hasher.size() + length(&bytes)))?;
                hasher.update(&bytes);
                tally.fetched(length(&bytes));
                Ok(Some(writer.write(&bytes).await? > 0))
            };
            let is_interrupted = tokio::select! {
                biased;
                next = next => match next? {
                    None => break,
                    Some(has_sent) => {
                        if has_sent && !has_checkpoint {
                            self.save_checkpoint(file, writer, download.validator.as_deref()).await?;
                            has_checkpoint = true;
                        }
                        false
                    }
                },
                () = &mut ending => true,
            };
            if is_interrupted || self.invocation.is_ending() {
                let came = hasher.size();
                let received = download.offset.saturating_add(came);
                let putting_away = self.put_away(file, writer, download.validator.as_deref(), received);
                let is_kept = Box::pin(putting_away).await?;
                // A source that has started again has brought nothing new so far.
                return Ok(Streamed::DeadlineCame { came, is_kept: is_kept && received > asked_offset });
            }
        }
        let checksums = hasher.finish();
        check_size(file, download.offset + checksums.size)?;
        if !is_resumed {
            check_sha256(file, &checksums)?;
        }
        let came = checksums.size;
        let written = tokio::select! {
            biased;
            written = writer.finish() => written?,
            () = self.invocation.over() => return Ok(Streamed::DeadlineCame { came, is_kept: false }),
        };
        match written {
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
        // No more of it is of any use, and how it is uploaded was planned for so many bytes.
        if let Some(listed) = file.size.filter(|listed| bytes > *listed) {
            return Err(Error::integrity(format!(
                "the source lists {} with {listed} bytes, but sent more",
                file.name
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
        time: &FileTime<'_>,
    ) -> Result<Fetched> {
        let object = self.work.store().head(key).await?;
        let object =
            object.ok_or_else(|| Error::store_unavailable(format!("{key} was stored, but is not there")))?;
        self.check_stored(file, &object, unverified, time).await
    }

    async fn check_stored(
        &self,
        file: &OutputFile,
        object: &ObjectInfo,
        unverified: Option<&str>,
        time: &FileTime<'_>,
    ) -> Result<Fetched> {
        let Some(checksums) = self.hash(file, object).await? else {
            return Ok(Fetched::DeadlineCame { stuck: time.unread(file) });
        };
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
    error.cause::<HttpError>().is_some_and(HttpError::has_expired)
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
        place: None,
    })
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
