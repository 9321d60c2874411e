//! Reading a range of an object: a body that breaks off is gone on with where it stopped.

use std::ops::Range;

use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt as _, TryStreamExt as _};

use crate::Store;
use crate::error::{Result, StoreError};

/// How often a body may break off without a byte having come since the last time.
const TRIES: u32 = 4;

impl Store {
    /// Streams a range of an object that must still have this `ETag`. A body that breaks off, or stalls, is gone on
    /// with where it stopped, a few times; one that is short all the same ends with an error.
    pub async fn read_range(
        &self,
        key: &str,
        etag: &str,
        range: Range<u64>,
    ) -> Result<BoxStream<'static, Result<Bytes>>> {
        RangeRead::begin(self, key, etag, range).await
    }

    /// The same, as bytes in memory: of a range that its caller bounds.
    pub async fn read_range_whole(&self, key: &str, etag: &str, range: Range<u64>) -> Result<Vec<u8>> {
        let length = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(0);
        let body = self.read_range(key, etag, range).await?;
        let read = body.try_fold(Vec::with_capacity(length), async |mut read, bytes| {
            read.extend_from_slice(&bytes);
            Ok(read)
        });
        read.await
    }
}

/// A range that is being read.
pub(super) struct RangeRead {
    store: Store,
    key: String,
    etag: String,
    left: Range<u64>,
    body: BoxStream<'static, Result<Bytes>>,
    tries: u32,
}

impl RangeRead {
    /// Asks for a range of the object that has this `ETag`, and gives its bytes as they come.
    pub(super) async fn begin(
        store: &Store,
        key: &str,
        etag: &str,
        range: Range<u64>,
    ) -> Result<BoxStream<'static, Result<Bytes>>> {
        if range.is_empty() {
            return Ok(stream::empty().boxed());
        }
        let body = store.range(key, etag, &range).await?;
        let (store, key, etag) = (store.clone(), key.to_owned(), etag.to_owned());
        let read = Self { store, key, etag, left: range, body, tries: 1 };
        let pieces = stream::try_unfold(read, async |mut read: Self| {
            Ok(read.next().await?.map(|piece| (piece, read)))
        });
        Ok(pieces.into_stream().boxed())
    }

    async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            let why = match self.body.next().await {
                Some(Ok(piece)) => return self.counted(piece).map(Some),
                None if self.left.is_empty() => return Ok(None),
                None => StoreError::body("GetObject", self.object(), WrongLength { off: "shorter" }),
                Some(Err(error)) => error,
            };
            if self.tries >= TRIES {
                return Err(why);
            }
            tracing::warn!(error = %why, left.size_bytes = self.left.end - self.left.start, "a read broke off: going on");
            self.tries += 1;
            self.body = self.store.range(&self.key, &self.etag, &self.left).await?;
        }
    }

    fn counted(&mut self, piece: Bytes) -> Result<Bytes> {
        let length = u64::try_from(piece.len()).unwrap_or(u64::MAX);
        let after = self.left.start.saturating_add(length);
        if after > self.left.end {
            return Err(StoreError::body("GetObject", self.object(), WrongLength { off: "longer" }));
        }
        self.left.start = after;
        if !piece.is_empty() {
            self.tries = 1;
        }
        Ok(piece)
    }

    fn object(&self) -> String {
        self.store.object(&self.key)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the body is {off} than the range that was asked for")]
struct WrongLength {
    off: &'static str,
}
