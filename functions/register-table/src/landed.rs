//! What a job has landed that can be appended to tables: its Parquet files, with what their footers say.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use landfall::form::LandedForm;
use landfall::job::LandedObject;
use landfall::rows::TableId;
use landfall::{Error, Result};
use landfall_store::Store;
use parquet::file::FOOTER_SIZE;
use parquet::file::metadata::{FooterTail, ParquetMetaData, ParquetMetaDataReader};
use serde::Deserialize;

use crate::columns::{self, Column};

/// A larger manifest names some hundred thousand objects: no snapshot should have so many.
const MAX_MANIFEST: u64 = 128 << 20;
/// Most footers are within it, and come by one call.
const FIRST_READ: u64 = 64 << 10;
/// A footer is what the file's columns and row groups make it.
const MAX_FOOTER: u64 = 256 << 20;
/// How many footers are read at once.
const AT_ONCE: usize = 8;

/// A landed Parquet file.
#[derive(Debug)]
pub(crate) struct LandedFile {
    pub path: String,
    pub size: u64,
    pub rows: u64,
    pub metadata: ParquetMetaData,
    pub columns: Vec<Column>,
}

/// What of a job's manifest tells where its rows are.
#[derive(Debug, Deserialize)]
pub(crate) struct Manifest {
    #[serde(default)]
    tables: Vec<ManifestTable>,
    objects: Vec<LandedObject>,
}

/// A table that it tells.
#[derive(Debug, Deserialize)]
struct ManifestTable {
    id: TableId,
    #[serde(default)]
    schema_table: Option<u32>,
}

/// The job's manifest; an error where it has none.
pub(crate) async fn manifest(store: &Store, key: &str) -> Result<Manifest> {
    let object = store.read(key, MAX_MANIFEST).await?.ok_or_else(|| {
        Error::not_found(format!("{} is not there: the job has not landed yet", store.object(key)))
    })?;
    serde_json::from_slice(&object.bytes).map_err(|error| {
        Error::integrity(format!("{} is no manifest as landfall writes it", store.object(key))).because(error)
    })
}

/// The objects of a manifest that are Parquet files with rows, by the number of their table in the export's schema.
pub(crate) fn by_table(manifest: &Manifest) -> Result<BTreeMap<u32, Vec<&LandedObject>>> {
    let mut tables: BTreeMap<u32, Vec<&LandedObject>> = BTreeMap::new();
    for object in &manifest.objects {
        if object.form != Some(LandedForm::Parquet) || object.rows == Some(0) {
            continue;
        }
        let table = manifest.tables.iter().find(|table| Some(table.id) == object.table);
        let number = table.and_then(|table| table.schema_table).ok_or_else(|| {
            Error::integrity(format!("the manifest does not say which table {} is of", object.key))
        })?;
        tables.entry(number).or_default().push(object);
    }
    Ok(tables)
}

/// Reads what the files' footers say, in the order of the manifest.
pub(crate) async fn files(store: &Store, objects: &[&LandedObject]) -> Result<Vec<LandedFile>> {
    stream::iter(objects).map(|object| file(store, object)).buffered(AT_ONCE).try_collect().await
}

async fn file(store: &Store, object: &LandedObject) -> Result<LandedFile> {
    let path = store.object(&object.key);
    let other = |what: &str| Error::integrity(format!("{path} is not what landed: {what}"));
    let info = store.head(&object.key).await?;
    let info = info.ok_or_else(|| {
        Error::not_found(format!("{path} landed, and is no longer there: call unpack-upload again"))
    })?;
    if info.size != object.size {
        return Err(other("its size is another"));
    }
    let read = async |bytes: u64| -> Result<Bytes> {
        let range = info.size.saturating_sub(bytes)..info.size;
        let body = store.read_range(&object.key, &info.etag, range).await?;
        let gather = async |mut all: BytesMut, bytes: Bytes| {
            all.extend_from_slice(&bytes);
            Ok(all)
        };
        Ok(body.try_fold(BytesMut::new(), gather).await?.freeze())
    };
    let mut end = read(FIRST_READ).await?;
    let length = footer_length(&end).ok_or_else(|| other("it does not end as Parquet files do"))?;
    if length > end.len() {
        let length = u64::try_from(length).unwrap_or(u64::MAX);
        if length > MAX_FOOTER || length > info.size {
            return Err(other("its footer is larger than any"));
        }
        end = read(length).await?;
    }
    let from = end.len().saturating_sub(length);
    let footer = end.get(from..end.len().saturating_sub(FOOTER_SIZE)).unwrap_or_default();
    let metadata = ParquetMetaDataReader::decode_metadata(footer)
        .map_err(|error| other("its footer cannot be read").because(error))?;
    let rows = u64::try_from(metadata.file_metadata().num_rows()).unwrap_or_default();
    if object.rows.is_some_and(|expected| expected != rows) {
        return Err(other("it has another number of rows"));
    }
    let columns = columns::of_file(metadata.file_metadata().schema_descr())
        .map_err(|error| Error::unsupported(format!("{path} cannot be in a table")).because(error))?;
    Ok(LandedFile { path, size: info.size, rows, metadata, columns })
}

/// How long a file's footer is, with what ends it.
fn footer_length(end: &[u8]) -> Option<usize> {
    let tail: &[u8; FOOTER_SIZE] = end.last_chunk()?;
    let tail = FooterTail::try_new(tail).ok()?;
    (!tail.is_encrypted_footer()).then(|| tail.metadata_length().checked_add(FOOTER_SIZE))?
}
