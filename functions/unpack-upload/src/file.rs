//! A staged file that is not an archive: it lands as it is, or in the job's form; in one piece, within one invocation.

use futures::TryStreamExt as _;
use landfall::checksum::{Checksums, Crc64Nvme, Hasher};
use landfall::form::JobForm;
use landfall::job::LandedObject;
use landfall::landed::etag_digest;
use landfall::rows::{RowCount, Table};
use landfall::state::keys::MAX_KEY;
use landfall::{Error, Result};
use landfall_store::{ObjectDigest, StoreError};

use crate::content::{Content, Reported};
use crate::form::{self, ContentDigest, ContentEncoder, RowsToWrite};
use crate::parts::Parts;
use crate::pipeline::{self, EncodedObject, Pieces, Transfer};
use crate::tables::CountedRows;
use crate::task::Task;

/// Lands the file in this form: the job's, or as it is. `None` if the time was up first. In a form for tables, what is
/// none lands as it is.
///
/// # Errors
/// `LimitExceeded` where another invocation would not have more time either, and where the key would be too long.
pub(crate) async fn land(task: &Task<'_>, form: JobForm) -> Result<Option<LandedObject>> {
    task.tally.members_listed(1, task.staged.info().size);
    let form = if form.is_raw() { form } else { form::of_content(task, &task.file.name).0 };
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
            _ => match land_encoded(task, key).await? {
                Some(Encoded::Landed(object)) => Ok(Some(*object)),
                Some(Encoded::IsAsItIs) => land_as_it_is(task, task.file_key()).await,
                None => Ok(None),
            },
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

/// What has become of a file that was to land in the job's form.
enum Encoded {
    Landed(Box<LandedObject>),
    /// It is no table where those alone are to land otherwise, and is to land as it is; or it is not what was expected.
    IsAsItIs,
}

/// Lands the file in the job's form, which it does not have yet.
async fn land_encoded(task: &Task<'_>, key: String) -> Result<Option<Encoded>> {
    let size = task.staged.info().size;
    let (form, mut rows) = form::of_content(task, &task.file.name);
    if let Some(expected) = rows.clone().filter(|rows| rows.are_expected(size)) {
        rows = Some(expected.with_misfit());
        match encode(task, form, Some(expected), &key).await? {
            Some(Encoded::IsAsItIs) => {}
            landed => return Ok(landed),
        }
    }
    if let Some(unknown) = rows.as_ref().filter(|rows| rows.are_to_be_looked_at(size)) {
        rows = match in_time(task, Box::pin(look(task))).await? {
            Some(Some(table)) => Some(unknown.with(table)),
            Some(None) => return Ok(Some(Encoded::IsAsItIs)),
            None => return Ok(None),
        };
    }
    encode(task, form, rows, &key).await
}

/// Lands the file in a form, if it is what is known of its rows.
async fn encode(
    task: &Task<'_>,
    form: JobForm,
    rows: Option<RowsToWrite>,
    key: &str,
) -> Result<Option<Encoded>> {
    let size = task.staged.info().size;
    let max_bytes = form::max_bytes(form, size);
    let mut writer = task.writer(key, max_bytes);
    let encoding = FileEncoding::of(task, form, rows)?;
    let transfer = Transfer { range: 0..size, max_bytes, copy_range: None };
    let encode = |pieces, parts| encoding.run(pieces, parts);
    match in_time(task, Box::pin(pipeline::run(task, transfer, &mut writer, encode))).await {
        Ok(Some(Some(encoded))) => {
            let landed = encoded.commit(task, writer, key.to_owned(), None).await?;
            Ok(Some(Encoded::Landed(Box::new(landed))))
        }
        Ok(Some(None)) => {
            writer.abandon().await;
            Ok(Some(Encoded::IsAsItIs))
        }
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
    rows: Option<RowsToWrite>,
    content: Content,
    fetched: Crc64Nvme,
    name: String,
}

/// Looks through the file, which lands by another reading of it; returns its table, if it has one that it can land as.
async fn look(task: &Task<'_>) -> Result<Option<Box<Table>>> {
    let mut content = Content::named(task, &task.file.name);
    let looking = pipeline::look(task, 0..task.staged.info().size, move |mut pieces| {
        while let Some(piece) = pieces.next() {
            content.inspect(&piece)?;
        }
        content.finish()
    });
    let (rows, _) = looking.await?;
    Ok(rows.filter(|rows| form::is_table(Some(rows))).and_then(|rows| rows.table))
}

impl FileEncoding {
    fn of(task: &Task<'_>, form: JobForm, rows: Option<RowsToWrite>) -> Result<Self> {
        Ok(Self {
            form,
            encoder: form::content_encoder(form, task.staged.info().size, rows.as_ref())?,
            content: match &rows {
                Some(RowsToWrite::Known(rows)) => Content::of_known_columns(task, rows.format),
                _ => Content::named(task, &task.file.name),
            },
            rows,
            fetched: task.file.crc64nvme,
            name: task.file.name.clone(),
        })
    }

    /// Makes parts of the file; `None` where it is to land as it is, or is not what was expected.
    fn run(mut self, mut pieces: Pieces, mut parts: Parts) -> Result<Option<EncodedObject>> {
        let mut hasher = Hasher::new(false);
        while let Some(piece) = pieces.next() {
            hasher.update(&piece);
            self.content.inspect(&piece)?;
            self.encoder.encode(&piece, &mut parts)?;
            if self.encoder.has_misfit() {
                return Ok(None);
            }
        }
        let read = hasher.finish();
        verify_read(&self.name, self.fetched, &read)?;
        let content = ContentDigest { size: read.size, crc32: read.crc32.into() };
        let (rows, reported) = self.content.finish()?;
        let rows = match self.rows {
            Some(how) => rows.map(|counted| how.complete(counted)),
            None => rows,
        };
        if self.form.is_for_tables() && !form::is_table(rows.as_ref()) {
            return Ok(None);
        }
        self.encoder.finish(content, rows.as_ref(), &mut parts)?;
        if self.encoder.has_misfit() {
            return Ok(None);
        }
        Ok(Some(EncodedObject { form: self.form, content, parts: parts.finish()?, rows, reported }))
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
    let CountedRows { rows, broken_records, table } = task.tables.counted(read.rows, JobForm::Raw, &key);
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
