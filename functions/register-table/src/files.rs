//! The files of a table's metadata, by landfall's own client of the store: Iceberg's crate brings none.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::stream::BoxStream;
use iceberg::io::{
    FileIO, FileIOBuilder, FileMetadata, FileRead, FileWrite, InputFile, OutputFile, Storage, StorageConfig,
    StorageFactory,
};
use iceberg::{Error, ErrorKind, Result};
use landfall_store::{Condition, Store, StoreError};
use serde::{Deserialize, Serialize};

/// No list of manifests is larger.
const MAX_FILE: u64 = 1 << 30;

/// The bucket that a table's metadata is in, and what is written there.
///
/// Iceberg's crate wants to be able to send it to other processes. This program has no others: one that came from another
/// would have no store, and says so.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct TableFiles {
    #[serde(skip)]
    store: Option<Store>,
    #[serde(skip)]
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    /// What has been written, by its keys.
    written: Vec<String>,
    /// What the store said last, which the crate's errors would only quote.
    failed: Option<StoreError>,
}

impl TableFiles {
    pub(crate) fn new(store: Store) -> Self {
        Self { store: Some(store), seen: Arc::default() }
    }

    /// The same files, as Iceberg's crate takes them.
    pub(crate) fn io(&self) -> FileIO {
        FileIOBuilder::new(Arc::new(self.clone())).build()
    }

    /// What the store said last of a call that failed.
    pub(crate) fn take_failure(&self) -> Option<StoreError> {
        self.seen().failed.take()
    }

    /// Deletes what was written for a commit that the catalog has refused. What stays where that fails is an orphan like any
    /// other, which tables are swept of.
    pub(crate) async fn delete_written(&self) {
        let written = std::mem::take(&mut self.seen().written);
        let Some(store) = &self.store else { return };
        for key in written {
            if let Err(error) = store.delete(&key).await {
                tracing::warn!(object.key = key, error = landfall_http::chain(&error), "an orphan stays");
            }
        }
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn at<'a>(&self, path: &'a str) -> Result<(&Store, &'a str)> {
        let store =
            self.store.as_ref().ok_or_else(|| Error::new(ErrorKind::Unexpected, "there is no store"))?;
        match bucket_and_key(path) {
            Some((bucket, key)) if bucket == store.bucket() => Ok((store, key)),
            _ => Err(Error::new(
                ErrorKind::FeatureUnsupported,
                format!("{path} is not in bucket {}, where the table is", store.bucket()),
            )),
        }
    }

    fn failed(&self, error: StoreError) -> Error {
        let told = Error::new(ErrorKind::Unexpected, landfall_http::chain(&error));
        self.seen().failed = Some(error);
        told
    }
}

/// The bucket and the key of a path as catalogs write them.
pub(crate) fn bucket_and_key(path: &str) -> Option<(&str, &str)> {
    let rest = ["s3://", "s3a://", "s3n://"].iter().find_map(|scheme| path.strip_prefix(scheme))?;
    rest.split_once('/')
}

#[typetag::serde]
impl StorageFactory for TableFiles {
    fn build(&self, _config: &StorageConfig) -> Result<Arc<dyn Storage>> {
        Ok(Arc::new(self.clone()))
    }
}

#[async_trait]
#[typetag::serde]
impl Storage for TableFiles {
    async fn exists(&self, path: &str) -> Result<bool> {
        let (store, key) = self.at(path)?;
        Ok(store.head(key).await.map_err(|error| self.failed(error))?.is_some())
    }

    async fn metadata(&self, path: &str) -> Result<FileMetadata> {
        let (store, key) = self.at(path)?;
        match store.head(key).await.map_err(|error| self.failed(error))? {
            Some(info) => Ok(FileMetadata { size: info.size }),
            None => Err(gone(path)),
        }
    }

    async fn read(&self, path: &str) -> Result<Bytes> {
        let (store, key) = self.at(path)?;
        match store.read(key, MAX_FILE).await.map_err(|error| self.failed(error))? {
            Some(object) => Ok(object.bytes),
            None => Err(gone(path)),
        }
    }

    async fn reader(&self, path: &str) -> Result<Box<dyn FileRead>> {
        Ok(Box::new(Whole(self.read(path).await?)))
    }

    async fn write(&self, path: &str, bytes: Bytes) -> Result<()> {
        let (store, key) = self.at(path)?;
        store.put(key, bytes, Condition::Always).await.map_err(|error| self.failed(error))?;
        self.seen().written.push(key.to_owned());
        Ok(())
    }

    async fn writer(&self, path: &str) -> Result<Box<dyn FileWrite>> {
        Ok(Box::new(Pending { files: self.clone(), path: path.to_owned(), bytes: BytesMut::new() }))
    }

    async fn delete(&self, path: &str) -> Result<()> {
        let (store, key) = self.at(path)?;
        store.delete(key).await.map_err(|error| self.failed(error))
    }

    async fn delete_prefix(&self, path: &str) -> Result<()> {
        Err(never(path))
    }

    async fn delete_stream(&self, _paths: BoxStream<'static, String>) -> Result<()> {
        Err(never("them"))
    }

    fn new_input(&self, path: &str) -> Result<InputFile> {
        Ok(InputFile::new(Arc::new(self.clone()), path.to_owned()))
    }

    fn new_output(&self, path: &str) -> Result<OutputFile> {
        Ok(OutputFile::new(Arc::new(self.clone()), path.to_owned()))
    }
}

fn gone(path: &str) -> Error {
    Error::new(ErrorKind::DataInvalid, format!("{path} is not there"))
}

/// Appending deletes nothing of a table.
fn never(path: &str) -> Error {
    Error::new(ErrorKind::FeatureUnsupported, format!("nothing deletes {path}"))
}

/// A file that has been read.
struct Whole(Bytes);

#[async_trait]
impl FileRead for Whole {
    async fn read(&self, range: Range<u64>) -> Result<Bytes> {
        let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(self.0.len());
        Ok(self.0.slice(place(range.start)..place(range.end.max(range.start))))
    }
}

/// A file that is being written: it is there, whole, once it is closed.
struct Pending {
    files: TableFiles,
    path: String,
    bytes: BytesMut,
}

#[async_trait]
impl FileWrite for Pending {
    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        self.bytes.extend_from_slice(&bytes);
        Ok(())
    }

    async fn close(&mut self) -> Result<()> {
        let bytes = std::mem::take(&mut self.bytes).freeze();
        self.files.write(&self.path, bytes).await
    }
}
