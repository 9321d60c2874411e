//! The staged object, read by ranges. It must stay the very object that was fetched.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use landfall::job::{JobRef, StagedFile};
use landfall::state::keys;
use landfall::{Error, Result};
use landfall_store::{ObjectInfo, Store, StoreError};
use landfall_zip::{ReadAt, SNIFF_BYTES};

/// A staged object that is there.
#[derive(Debug, Clone)]
pub(crate) struct StagedObject {
    store: Store,
    info: ObjectInfo,
    streamed: Arc<AtomicU64>,
}

impl StagedObject {
    /// Finds the object that the record is about.
    pub(crate) async fn open(store: &Store, job: &JobRef, staged: &StagedFile) -> Result<Self> {
        let key = keys::staged(job, staged.ordinal);
        let info = store.head(&key).await?;
        let info = info.ok_or_else(|| {
            Error::not_found(format!(
                "{} was staged at {key}, but is no longer there: fetch it again",
                staged.name
            ))
        })?;
        if info.size != staged.size || info.crc64nvme.is_some_and(|crc| crc != staged.crc64nvme) {
            return Err(Error::integrity(format!(
                "{} was staged with {} bytes and CRC-64/NVME {}, but {key} is another object now",
                staged.name, staged.size, staged.crc64nvme
            )));
        }
        Ok(Self { store: store.clone(), info, streamed: Arc::default() })
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    pub(crate) fn info(&self) -> &ObjectInfo {
        &self.info
    }

    /// As much of its beginning as shows what it is.
    pub(crate) async fn first_bytes(&self) -> Result<Bytes> {
        let wanted = usize::try_from(self.info.size).unwrap_or(SNIFF_BYTES).min(SNIFF_BYTES);
        Ok(self.read_at(0, wanted).await?)
    }

    /// Streams a range of it.
    pub(crate) async fn stream(
        &self,
        range: std::ops::Range<u64>,
    ) -> Result<BoxStream<'static, Result<Bytes, StoreError>>> {
        let body = self.store.read_range(&self.info.key, &self.info.etag, range).await?;
        let streamed = Arc::clone(&self.streamed);
        let count = move |bytes: &Bytes| {
            streamed.fetch_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX), Ordering::Relaxed);
        };
        Ok(body.inspect_ok(count).boxed())
    }

    /// How many bytes of it have been streamed by this call.
    pub(crate) fn streamed_bytes(&self) -> u64 {
        self.streamed.load(Ordering::Relaxed)
    }
}

impl ReadAt for StagedObject {
    type Error = StoreError;

    fn size(&self) -> u64 {
        self.info.size
    }

    async fn read_at(&self, offset: u64, length: usize) -> Result<Bytes, StoreError> {
        let end = offset.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
        Ok(self.store.read_range_whole(&self.info.key, &self.info.etag, offset..end).await?.into())
    }
}
