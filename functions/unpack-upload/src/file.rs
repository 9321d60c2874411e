//! A staged file that is not an archive: it lands as it is, or in the job's form.

use futures::TryStreamExt as _;
use landfall::checksum::{Checksums, Crc64Nvme, Hasher};
use landfall::form::JobForm;
use landfall::job::LandedObject;
use landfall::store::{ObjectWriter, Sealed};
use landfall::{Error, Result};

use crate::content::Content;
use crate::form::{self, Encode, Ended};
use crate::parts::Parts;
use crate::pipe::{self, Flow, Pieces, Worked};
use crate::staged::StagedObject;
use crate::{Landed, Objects, Unpack};

/// Lands the file in this form.
pub(crate) async fn land(unpack: &Unpack<'_>, object: StagedObject, form: JobForm) -> Result<Landed> {
    unpack.context.observer().members_listed(1, object.info().size);
    let key = format!("{}{}{}", unpack.job.landing_prefix, unpack.place.file, form.name().suffix());
    let landed = match form {
        JobForm::Raw => land_as_it_is(unpack, &object, key).await?,
        _ => land_encoded(unpack, &object, key, form).await?,
    };
    unpack.context.observer().landed();
    Ok(Landed::Whole(Box::new(Objects::File(landed))))
}

/// Lands the file in a form that it does not have yet.
async fn land_encoded(
    unpack: &Unpack<'_>,
    object: &StagedObject,
    key: String,
    form: JobForm,
) -> Result<LandedObject> {
    let size = object.info().size;
    let most_bytes = form::most_bytes(form, size);
    let mut writer =
        ObjectWriter::new(&unpack.landing.store, &key, unpack.context.budget(), Some(most_bytes));
    let flow = Flow { object, range: 0..size, most_bytes, splice: None };
    let encoding = Encoding {
        encoder: form::of_content(form, size)?,
        content: Content::named(unpack, &unpack.staged.name),
        expected: unpack.staged.crc64nvme,
        name: unpack.staged.name.clone(),
    };
    let piping = pipe::run(unpack, flow, &mut writer, |pieces, parts| encoding.run(pieces, parts));
    let encoded = match Box::pin(piping).await {
        Ok(encoded) => encoded,
        Err(error) => {
            writer.abandon().await;
            return Err(error);
        }
    };
    encoded.land(unpack, writer, key, form, None).await
}

/// What makes the object, on a thread of its own.
struct Encoding {
    encoder: Box<dyn Encode>,
    content: Content,
    expected: Crc64Nvme,
    name: String,
}

impl Encoding {
    fn run(mut self, mut pieces: Pieces, mut parts: Parts) -> Result<Worked> {
        let mut hasher = Hasher::new(false);
        while let Some(piece) = pieces.next() {
            hasher.update(&piece);
            self.content.look_at(&piece)?;
            self.encoder.encode(&piece, &mut parts)?;
        }
        let read = hasher.finish();
        reads_back(&self.name, self.expected, &read)?;
        let content = Ended { size: read.size, crc32: read.crc32.into() };
        self.encoder.finish(content, &mut parts)?;
        Ok(Worked { content, made: parts.finish()?, rows: self.content.rows()? })
    }
}

fn reads_back(name: &str, fetched: Crc64Nvme, read: &Checksums) -> Result<()> {
    match read.crc64nvme == fetched {
        true => Ok(()),
        false => Err(Error::integrity(format!(
            "{name} was fetched with CRC-64/NVME {fetched} and reads back with {}",
            read.crc64nvme
        ))),
    }
}

/// Lands the file as it is: read once for its checksums and rows, then copied inside the store where source and
/// destination are one, or uploaded as it is read where they are not.
async fn land_as_it_is(unpack: &Unpack<'_>, object: &StagedObject, key: String) -> Result<LandedObject> {
    let landing = &unpack.landing.store;
    let read = match landing.is_one_store_with(object.store()) {
        true => {
            let read = read_through(unpack, object, async |_| Ok(())).await?;
            if landing.head(&key).await?.is_none() {
                landing.copy(object.store(), object.info(), &key).await?;
            }
            landing
                .expect(&key, Sealed { size: read.checksums.size, crc64nvme: read.checksums.crc64nvme })
                .await?;
            read
        }
        false => upload(unpack, object, &key).await?,
    };
    Ok(LandedObject {
        key,
        size: read.checksums.size,
        form: None,
        content_size: None,
        crc32: read.checksums.crc32,
        crc64nvme: read.checksums.crc64nvme,
        sha256: read.checksums.sha256,
        rows: read.rows,
        file: unpack.staged.name.clone(),
        member: None,
    })
}

struct Read {
    checksums: Checksums,
    rows: Option<u64>,
}

async fn upload(unpack: &Unpack<'_>, object: &StagedObject, key: &str) -> Result<Read> {
    let mut writer =
        ObjectWriter::new(&unpack.landing.store, key, unpack.context.budget(), Some(object.info().size));
    match read_through(unpack, object, async |bytes| Ok(writer.write(bytes).await.map(|_| ())?)).await {
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

/// Reads the whole object, hands its bytes on, and holds them against what was fetched.
async fn read_through(
    unpack: &Unpack<'_>,
    object: &StagedObject,
    mut hand_on: impl AsyncFnMut(&[u8]) -> Result<()>,
) -> Result<Read> {
    let mut hasher = Hasher::new(unpack.landing.destination.sha256);
    let mut content = Content::named(unpack, &unpack.staged.name);
    let mut body = object.stream(0..object.info().size).await?;
    while let Some(bytes) = body.try_next().await? {
        hasher.update(&bytes);
        content.look_at(&bytes)?;
        hand_on(&bytes).await?;
    }
    let checksums = hasher.finish();
    reads_back(&unpack.staged.name, unpack.staged.crc64nvme, &checksums)?;
    Ok(Read { checksums, rows: content.rows()? })
}
