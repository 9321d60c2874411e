//! A staged file that is not an archive: it lands as it is, or in the job's form; in one piece, within one invocation.

use futures::TryStreamExt as _;
use landfall::checksum::{Checksums, Crc64Nvme, Hasher};
use landfall::form::JobForm;
use landfall::job::LandedObject;
use landfall::landed::etag_digest;
use landfall::rows::RowCount;
use landfall::state::keys::MAX_KEY;
use landfall::{Error, Result};
use landfall_store::{ObjectDigest, StoreError};

use crate::content::{Content, Reported};
use crate::form::{self, ContentDigest, ContentEncoder};
use crate::parts::Parts;
use crate::pipeline::{self, EncodedObject, Pieces, Transfer};
use crate::tables::CountedRows;
use crate::task::Task;

/// Lands the file in this form: the job's, or as it is. `None` if the time was up first.
///
/// # Errors
/// `LimitExceeded` where another invocation would not have more time either, and where the key would be too long.
pub(crate) async fn land(task: &Task<'_>, form: JobForm) -> Result<Option<LandedObject>> {
    task.tally.members_listed(1, task.staged.info().size);
    let key = format!("{}{}", task.file_key(), form.name().suffix());
    if key.len() > MAX_KEY {
        return Err(Error::limit_exceeded(format!(
            "its key would be longer than {MAX_KEY} bytes: shorten the destination's prefix or layout, or its path in the \
             inbox"
        )));
    }
    let landing = async {
        match form {
            JobForm::Raw => land_as_it_is(task, key).await,
            _ => land_encoded(task, key).await,
        }
    };
    let landed = tokio::select! {
        biased;
        landed = landing => landed?,
        () = task.invocation.over() => None,
    };
    match landed {
        Some(_) => task.tally.landed(),
        None => task.ensure_had_less_than_an_invocation(|seconds| {
            let (name, size) = (&task.file.name, task.staged.info().size);
            format!(
                "{name} could not land within an invocation of {seconds} s: it has {size} bytes, and what is not an \
                 archive lands in one piece"
            )
        })?,
    }
    Ok(landed)
}

/// What comes of it if there is time; `None` if there is not.
async fn in_time<T>(task: &Task<'_>, landing: impl Future<Output = Result<T>>) -> Result<Option<T>> {
    tokio::select! {
        biased;
        landed = landing => landed.map(Some),
        () = task.invocation.ending() => Ok(None),
    }
}

/// Lands the file in the job's form, which it does not have yet.
async fn land_encoded(task: &Task<'_>, key: String) -> Result<Option<LandedObject>> {
    let (form, size) = (task.job.form, task.staged.info().size);
    let max_bytes = form::max_bytes(form, size);
    let mut writer = task.writer(&key, max_bytes);
    let encoding = FileEncoding {
        form,
        encoder: form::content_encoder(form, size)?,
        content: Content::named(task, &task.file.name),
        fetched: task.file.crc64nvme,
        name: task.file.name.clone(),
    };
    let transfer = Transfer { range: 0..size, max_bytes, copy_range: None };
    let encode = |pieces, parts| encoding.run(pieces, parts);
    match in_time(task, Box::pin(pipeline::run(task, transfer, &mut writer, encode))).await {
        Ok(Some(encoded)) => encoded.commit(task, writer, key, None).await.map(Some),
        ended => {
            writer.abandon().await;
            ended.map(|_| None)
        }
    }
}

/// What makes the object, on a thread of its own.
struct FileEncoding {
    form: JobForm,
    encoder: Box<dyn ContentEncoder>,
    content: Content,
    fetched: Crc64Nvme,
    name: String,
}

impl FileEncoding {
    fn run(mut self, mut pieces: Pieces, mut parts: Parts) -> Result<EncodedObject> {
        let mut hasher = Hasher::new(false);
        while let Some(piece) = pieces.next() {
            hasher.update(&piece);
            self.content.inspect(&piece)?;
            self.encoder.encode(&piece, &mut parts)?;
        }
        let read = hasher.finish();
        verify_read(&self.name, self.fetched, &read)?;
        let content = ContentDigest { size: read.size, crc32: read.crc32.into() };
        self.encoder.finish(content, &mut parts)?;
        let (rows, reported) = self.content.finish()?;
        Ok(EncodedObject { form: self.form, content, parts: parts.finish()?, rows, reported })
    }
}

/// Holds what was read against what was fetched.
fn verify_read(name: &str, fetched: Crc64Nvme, read: &Checksums) -> Result<()> {
    match read.crc64nvme == fetched {
        true => Ok(()),
        false => Err(Error::integrity(format!(
            "{name} was fetched with CRC-64/NVME {fetched}, but reads back with {}",
            read.crc64nvme
        ))),
    }
}

/// Lands the file as it is: read once for its checksums and rows, then copied inside the store where source and
/// destination are one, or uploaded as it is read where they are not.
async fn land_as_it_is(task: &Task<'_>, key: String) -> Result<Option<LandedObject>> {
    let landing = &task.landing.store;
    let read = match landing.is_one_store_with(task.staged.store()) && landing.copies_objects() {
        true => copy(task, &key).await?,
        false => upload(task, &key).await?,
    };
    let Some(read) = read else { return Ok(None) };
    read.reported.keep();
    let CountedRows { rows, broken_records, table } = task.tables.counted(read.rows);
    Ok(Some(LandedObject {
        key,
        size: read.checksums.size,
        form: None,
        content_size: None,
        crc32: read.checksums.crc32,
        crc64nvme: read.checksums.crc64nvme,
        sha256: read.checksums.sha256,
        rows,
        table,
        broken_records,
        unverified: None,
        file: task.file.name.clone(),
        member: None,
        etag_digest: read.etag.as_deref().map(etag_digest),
    }))
}

/// What reading all of the file has shown.
struct FileDigest {
    checksums: Checksums,
    rows: Option<RowCount>,
    reported: Reported,
    /// The `ETag` of what has landed.
    etag: Option<String>,
}

/// Has the store copy the file; it is uploaded where the store does not.
async fn copy(task: &Task<'_>, key: &str) -> Result<Option<FileDigest>> {
    let (landing, staged) = (&task.landing.store, &task.staged);
    let reading = in_time(task, Box::pin(read_through(task, async |_| Ok(()))));
    let Some(read) = reading.await?.flatten() else { return Ok(None) };
    if landing.head(key).await?.is_none() {
        match landing.copy(staged.store(), staged.info(), key).await {
            Err(StoreError::NotImplemented { .. }) => {
                drop(read);
                return upload(task, key).await;
            }
            copied => copied?,
        }
    }
    let copied = ObjectDigest { size: read.checksums.size, crc64nvme: read.checksums.crc64nvme };
    let etag = Some(landing.expect(key, copied).await?);
    Ok(Some(FileDigest { etag, ..read }))
}

async fn upload(task: &Task<'_>, key: &str) -> Result<Option<FileDigest>> {
    let mut writer = task.writer(key, task.staged.info().size);
    let reading = read_through(task, async |bytes| Ok(writer.write(bytes).await.map(|_| ())?));
    match in_time(task, Box::pin(reading)).await.map(Option::flatten) {
        Ok(Some(read)) => {
            let etag = writer.seal(|_| Ok::<_, Error>(())).await?.etag;
            Ok(Some(FileDigest { etag, ..read }))
        }
        ended => {
            writer.abandon().await;
            ended.map(|_| None)
        }
    }
}

/// Reads the whole file, hands its bytes on, and holds them against what was fetched; `None` if the time was up first.
async fn read_through(
    task: &Task<'_>,
    mut hand_on: impl AsyncFnMut(&[u8]) -> Result<()>,
) -> Result<Option<FileDigest>> {
    let mut hasher = Hasher::new(task.landing.destination.sha256);
    let mut content = Content::named(task, &task.file.name);
    let mut body = task.staged.stream(0..task.staged.info().size).await?;
    while let Some(bytes) = body.try_next().await? {
        hasher.update(&bytes);
        content.inspect(&bytes)?;
        hand_on(&bytes).await?;
        if task.invocation.is_ending() {
            return Ok(None);
        }
    }
    let checksums = hasher.finish();
    verify_read(&task.file.name, task.file.crc64nvme, &checksums)?;
    let (rows, reported) = content.finish()?;
    Ok(Some(FileDigest { checksums, rows, reported, etag: None }))
}
