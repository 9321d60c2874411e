//! A staged file that is not an archive: it lands as it is.

use futures::TryStreamExt as _;
use landfall::checksum::{Checksums, Hasher};
use landfall::job::LandedObject;
use landfall::rows::RowCounter;
use landfall::store::{ObjectWriter, Sealed};
use landfall::{Error, Result};

use crate::staged::StagedObject;
use crate::{Landed, Unpack};

/// Lands the file: read once for its checksums and rows, then copied inside the store where source and
/// destination are one, or uploaded as it is read where they are not.
pub(crate) async fn land(unpack: &Unpack<'_>, object: StagedObject) -> Result<Landed> {
    let key = format!("{}{}", unpack.job.landing_prefix, unpack.place.file);
    let landing = &unpack.landing.store;
    unpack.context.observer().members_listed(1, object.info().size);
    let read = match landing.is_one_store_with(object.store()) {
        true => {
            let read = read_through(unpack, &object, async |_| Ok(())).await?;
            if landing.head(&key).await?.is_none() {
                landing.copy(object.store(), object.info(), &key).await?;
            }
            landing
                .expect(&key, Sealed { size: read.checksums.size, crc64nvme: read.checksums.crc64nvme })
                .await?;
            read
        }
        false => upload(unpack, &object, &key).await?,
    };
    unpack.context.observer().landed();
    let landed = LandedObject {
        key,
        size: read.checksums.size,
        crc32: read.checksums.crc32,
        crc64nvme: read.checksums.crc64nvme,
        sha256: read.checksums.sha256,
        rows: read.rows,
        file: unpack.staged.name.clone(),
        member: None,
    };
    Ok(Landed::Whole(vec![landed]))
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
    let destination = &unpack.landing.destination;
    let mut hasher = Hasher::new(destination.sha256);
    let format = unpack.job.export.row_format(&unpack.staged.name, destination.csv_header);
    let mut rows = format.map(RowCounter::new);
    let mut body = object.stream(0..object.info().size).await?;
    while let Some(bytes) = body.try_next().await? {
        hasher.update(&bytes);
        if let Some(rows) = &mut rows {
            rows.push(&bytes)?;
        }
        hand_on(&bytes).await?;
        unpack.context.observer().unpacked(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    }
    let checksums = hasher.finish();
    if checksums.crc64nvme != unpack.staged.crc64nvme {
        return Err(Error::integrity(format!(
            "{} was fetched with CRC-64/NVME {} and reads back with {}",
            unpack.staged.name, unpack.staged.crc64nvme, checksums.crc64nvme
        )));
    }
    Ok(Read { checksums, rows: rows.map(RowCounter::finish).transpose()? })
}
