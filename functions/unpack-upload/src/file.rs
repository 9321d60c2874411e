//! A staged file that is not an archive: it lands as it is, or in the job's form.

use futures::TryStreamExt as _;
use landfall::checksum::{Checksums, Crc64Nvme, Hasher};
use landfall::form::JobForm;
use landfall::job::LandedObject;
use landfall::rows::RowCount;
use landfall::state::keys::MAX_KEY;
use landfall::{Error, Result};
use landfall_store::{ObjectDigest, StoreError};

use crate::content::{Content, Reported};
use crate::form::{self, ContentDigest, ContentEncoder};
use crate::parts::Parts;
use crate::pipeline::{self, EncodedObject, Pieces, Transfer};
use crate::task::Task;

/// Lands the file in this form: the job's, or as it is.
pub(crate) async fn land(task: &Task<'_>, form: JobForm) -> Result<LandedObject> {
    task.tally.members_listed(1, task.staged.info().size);
    let key = format!("{}{}", task.file_key(), form.name().suffix());
    if key.len() > MAX_KEY {
        return Err(Error::limit_exceeded(format!(
            "its key would be longer than {MAX_KEY} bytes: shorten the destination's prefix or layout, or its path in the \
             inbox"
        )));
    }
    let landed = match form {
        JobForm::Raw => land_as_it_is(task, key).await?,
        _ => land_encoded(task, key).await?,
    };
    task.tally.landed();
    Ok(landed)
}

/// Lands the file in the job's form, which it does not have yet.
async fn land_encoded(task: &Task<'_>, key: String) -> Result<LandedObject> {
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
    match Box::pin(pipeline::run(task, transfer, &mut writer, encode)).await {
        Ok(encoded) => encoded.commit(task, writer, key, None).await,
        Err(error) => {
            writer.abandon().await;
            Err(error)
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
async fn land_as_it_is(task: &Task<'_>, key: String) -> Result<LandedObject> {
    let landing = &task.landing.store;
    let read = match landing.is_one_store_with(task.staged.store()) && landing.copies_objects() {
        true => copy(task, &key).await?,
        false => upload(task, &key).await?,
    };
    read.reported.keep();
    let (rows, broken_records) = RowCount::parts(read.rows);
    Ok(LandedObject {
        key,
        size: read.checksums.size,
        form: None,
        content_size: None,
        crc32: read.checksums.crc32,
        crc64nvme: read.checksums.crc64nvme,
        sha256: read.checksums.sha256,
        rows,
        broken_records,
        unverified: None,
        file: task.file.name.clone(),
        member: None,
    })
}

/// What reading all of the file has shown.
struct FileDigest {
    checksums: Checksums,
    rows: Option<RowCount>,
    reported: Reported,
}

/// Has the store copy the file; it is uploaded where the store does not.
async fn copy(task: &Task<'_>, key: &str) -> Result<FileDigest> {
    let (landing, staged) = (&task.landing.store, &task.staged);
    let read = read_through(task, async |_| Ok(())).await?;
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
    landing.expect(key, copied).await?;
    Ok(read)
}

async fn upload(task: &Task<'_>, key: &str) -> Result<FileDigest> {
    let mut writer = task.writer(key, task.staged.info().size);
    match read_through(task, async |bytes| Ok(writer.write(bytes).await.map(|_| ())?)).await {
        Ok(read) => {
            writer.seal(|_| Ok::<_, Error>(())).await?;
            Ok(read)
        }
        Err(error) => {
            writer.abandon().await;
            Err(error)
        }
    }
}

/// Reads the whole file, hands its bytes on, and holds them against what was fetched.
async fn read_through(
    task: &Task<'_>,
    mut hand_on: impl AsyncFnMut(&[u8]) -> Result<()>,
) -> Result<FileDigest> {
    let mut hasher = Hasher::new(task.landing.destination.sha256);
    let mut content = Content::named(task, &task.file.name);
    let mut body = task.staged.stream(0..task.staged.info().size).await?;
    while let Some(bytes) = body.try_next().await? {
        hasher.update(&bytes);
        content.inspect(&bytes)?;
        hand_on(&bytes).await?;
    }
    let checksums = hasher.finish();
    verify_read(&task.file.name, task.file.crc64nvme, &checksums)?;
    let (rows, reported) = content.finish()?;
    Ok(FileDigest { checksums, rows, reported })
}
