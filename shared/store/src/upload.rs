//! Writing an object of unknown length in bounded memory: one PUT where it fits a part, a multipart upload else.

use std::ops::Range;

use bytes::Bytes;
use tokio::task::JoinSet;

use crate::Store;
use crate::budget::{ByteBudget, PartBuffer};
use crate::checksum::{Crc64Nvme, ObjectDigest};
use crate::error::{Result, StoreError};
use crate::object::{Condition, ObjectInfo, Part, Written};
use crate::parts::copied_parts;

/// The most requests that one object has on their way. Parts that are uploaded are bounded by the byte budget before
/// that; those that the store copies take no memory.
const PARTS_IN_FLIGHT: usize = 16;

/// An object that has become visible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Its size and checksum.
    pub digest: ObjectDigest,
    /// Its `ETag`, where the store said it.
    pub etag: Option<String>,
}

/// Writes one object, part by part. Nothing is visible before it is finished.
#[derive(Debug)]
pub struct ObjectWriter {
    store: Store,
    key: String,
    budget: ByteBudget,
    part_bytes: usize,
    filling: Option<PartBuffer>,
    upload_id: Option<String>,
    done: Vec<Part>,
    next_number: i32,
    in_flight: JoinSet<Result<Part>>,
}

impl ObjectWriter {
    /// A writer for a key; `object_bytes` is how large the object will be, where that is known. Nothing is called yet.
    pub fn new(
        store: &Store,
        key: impl Into<String>,
        budget: &ByteBudget,
        object_bytes: Option<u64>,
    ) -> Self {
        Self {
            store: store.clone(),
            key: key.into(),
            budget: budget.clone(),
            part_bytes: store.part_bytes(object_bytes),
            filling: None,
            upload_id: None,
            done: Vec::new(),
            next_number: 1,
            in_flight: JoinSet::new(),
        }
    }

    /// The same writer, going on with an unfinished upload whose first parts the store has.
    #[must_use]
    pub fn resuming(self, upload_id: String, parts: Vec<Part>, part_bytes: usize) -> Self {
        let next_number = parts.last().map_or(1, |part| part.number + 1);
        Self { upload_id: Some(upload_id), done: parts, next_number, part_bytes, ..self }
    }

    /// The size of a part that is not the last one, in bytes.
    pub fn part_bytes(&self) -> usize {
        self.part_bytes
    }

    /// The id of the multipart upload, once it has begun.
    pub fn upload_id(&self) -> Option<&str> {
        self.upload_id.as_deref()
    }

    /// Takes the next bytes. Returns how many parts have gone on their way.
    pub async fn write(&mut self, mut bytes: &[u8]) -> Result<usize> {
        let mut sent = 0;
        while !bytes.is_empty() {
            let mut part = match self.filling.take() {
                Some(part) => part,
                None => self.budget.buffer(self.part_bytes).await,
            };
            bytes = part.fill(bytes);
            if part.is_full() {
                self.write_part(part).await?;
                sent += 1;
            } else {
                self.filling = Some(part);
            }
        }
        Ok(sent)
    }

    /// Hands on a part; one that is not full is the last. Returns once it is on its way, not when it has arrived.
    pub async fn write_part(&mut self, part: PartBuffer) -> Result<()> {
        if !part.is_full() {
            self.filling = Some(part);
            return Ok(());
        }
        let (upload_id, number) = self.next_part().await?;
        let (store, key) = (self.store.clone(), self.key.clone());
        self.in_flight.spawn(async move {
            let crc64nvme = part.digest().crc64nvme;
            store.upload_hashed_part((&key, &upload_id), number, part.into_bytes(), crc64nvme).await
        });
        Ok(())
    }

    /// Has the store copy a range of one of its objects behind what was written so far, if that still has this
    /// `ETag`. Returns once all of it is on its way.
    ///
    /// Only between full parts, and a range that is itself as large as a part must be.
    ///
    /// # Errors
    /// [`StoreError::NotImplemented`] from a store that cannot, or that does not say what it has copied.
    pub async fn copy(&mut self, from: &Store, source: &ObjectInfo, range: Range<u64>) -> Result<()> {
        for range in copied_parts(range) {
            let (upload_id, number) = self.next_part().await?;
            let (store, key, from, source) =
                (self.store.clone(), self.key.clone(), from.clone(), source.clone());
            self.in_flight.spawn(async move {
                let part = store.copy_part((&key, &upload_id), number, (&from, &source), range).await?;
                match part.crc64nvme {
                    Some(_) => Ok(part),
                    None => Err(store.without_range_copies(&key)),
                }
            });
        }
        Ok(())
    }

    /// Waits until there is room for one part more on the way; the upload's id, and the part's number.
    async fn next_part(&mut self) -> Result<(String, i32)> {
        while self.in_flight.len() >= PARTS_IN_FLIGHT {
            self.one_arrives().await?;
        }
        let upload_id = match &self.upload_id {
            Some(id) => id.clone(),
            None => self.upload_id.insert(self.store.create_upload(&self.key).await?).clone(),
        };
        let number = self.next_number;
        self.next_number += 1;
        Ok((upload_id, number))
    }

    /// Takes what is no full part yet, for the caller to put somewhere else: this writer is not to be finished.
    pub fn take_unsent(&mut self) -> Option<Bytes> {
        self.filling.take().filter(|part| !part.is_empty()).map(PartBuffer::into_bytes)
    }

    /// Waits until every part that is on its way has arrived. The upload stays unfinished.
    pub async fn settle(&mut self) -> Result<()> {
        while !self.in_flight.is_empty() {
            self.one_arrives().await?;
        }
        Ok(())
    }

    /// Makes the object visible unless one is there already, which then must hold these very bytes.
    ///
    /// `verify` sees size and checksum before anything is visible, and may refuse. After any failure nothing of
    /// the object is left. Not for an upload that was resumed: its first parts' checksums are not known.
    pub async fn seal<E: From<StoreError>>(
        mut self,
        verify: impl FnOnce(ObjectDigest) -> std::result::Result<(), E>,
    ) -> std::result::Result<Sealed, E> {
        let sealed = self.seal_if(verify).await;
        if sealed.is_err() {
            self.abandon().await;
        }
        sealed
    }

    async fn seal_if<E: From<StoreError>>(
        &mut self,
        verify: impl FnOnce(ObjectDigest) -> std::result::Result<(), E>,
    ) -> std::result::Result<Sealed, E> {
        let sealed = if self.upload_id.is_some() {
            self.send_last().await?;
            self.sealed()
        } else {
            self.filling.as_ref().map_or_else(|| ObjectDigest::of(&[]), PartBuffer::digest)
        };
        verify(sealed)?;
        let etag = match self.finish().await? {
            Written::Done(etag) => etag,
            Written::NotWritten => self.store.expect(&self.key, sealed).await?,
        };
        Ok(Sealed { digest: sealed, etag: Some(etag).filter(|etag| !etag.is_empty()) })
    }

    /// Makes the object visible, unless one is there already. After a failure the caller says whether to
    /// [`ObjectWriter::abandon`] what the store has, or to leave it for [`ObjectWriter::resuming`].
    pub async fn finish(&mut self) -> Result<Written> {
        if self.upload_id.is_none() {
            let bytes = self.filling.take().map(PartBuffer::into_bytes);
            return self.store.put(&self.key, bytes.unwrap_or_default(), Condition::Absent).await;
        }
        self.send_last().await?;
        let upload_id = self.upload_id.clone().unwrap_or_default();
        match self.store.complete(&self.key, &upload_id, &self.done, Condition::Absent).await {
            // Completed already: by an attempt whose answer was lost, or by another invocation.
            Err(StoreError::NoSuchUpload { .. }) => Ok(Written::NotWritten),
            Ok(Written::NotWritten) => {
                self.abort().await?;
                Ok(Written::NotWritten)
            }
            other => other,
        }
    }

    /// Gives the object up: what the store has of it is deleted.
    pub async fn abort(&mut self) -> Result<()> {
        self.filling = None;
        self.in_flight.shutdown().await;
        match self.upload_id.take() {
            Some(upload_id) => self.store.abort_upload(&self.key, &upload_id).await,
            None => Ok(()),
        }
    }

    /// Gives the object up after a failure. That failure is what is reported; should the store fail to abort
    /// too, a lifecycle rule ends what is left.
    pub async fn abandon(mut self) {
        if let Err(error) = self.abort().await {
            tracing::warn!(object.key = self.key, %error, "an unfinished multipart upload could not be aborted");
        }
    }

    async fn send_last(&mut self) -> Result<()> {
        if let (Some(last), Some(upload_id)) = (self.filling.take(), self.upload_id.clone()) {
            let (crc64nvme, upload) = (last.digest().crc64nvme, (self.key.as_str(), upload_id.as_str()));
            let sent = self.store.upload_hashed_part(upload, self.next_number, last.into_bytes(), crc64nvme);
            self.done.push(sent.await?);
        }
        self.settle().await?;
        self.done.sort_unstable_by_key(|part| part.number);
        Ok(())
    }

    fn sealed(&self) -> ObjectDigest {
        let parts = self
            .done
            .iter()
            .filter_map(|part| Some(ObjectDigest { size: part.size, crc64nvme: part.crc64nvme? }));
        parts.reduce(ObjectDigest::followed_by).unwrap_or_else(|| ObjectDigest::of(&[]))
    }

    async fn one_arrives(&mut self) -> Result<()> {
        match self.in_flight.join_next().await {
            Some(Ok(part)) => {
                self.done.push(part?);
                Ok(())
            }
            Some(Err(error)) => Err(StoreError::body("UploadPart", self.store.object(&self.key), error)),
            None => Ok(()),
        }
    }
}

impl std::fmt::Display for ObjectDigest {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} bytes, CRC-64/NVME {}", self.size, self.crc64nvme)
    }
}

impl ObjectDigest {
    fn of(bytes: &[u8]) -> Self {
        Self { size: u64::try_from(bytes.len()).unwrap_or(u64::MAX), crc64nvme: Crc64Nvme::of(bytes) }
    }

    fn followed_by(self, next: Self) -> Self {
        Self {
            size: self.size.saturating_add(next.size),
            crc64nvme: self.crc64nvme.followed_by(next.crc64nvme, next.size),
        }
    }
}
