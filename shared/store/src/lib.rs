#![doc = include_str!("../README.md")]

mod budget;
pub mod checksum;
mod client;
mod dialect;
mod error;
mod parts;
mod range;
mod upload;

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_sdk_s3::Client;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    ChecksumAlgorithm, ChecksumMode, ChecksumType, CompletedMultipartUpload, CompletedPart,
    MetadataDirective, Object as Listed,
};
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _, stream};

use crate::checksum::{Crc64Nvme, Md5};
use parts::{MAX_COPY, copied_parts};

pub use budget::{ByteBudget, PartBuffer};
pub use checksum::ObjectDigest;
pub use client::StoreSettings;
pub use dialect::Dialect;
pub use error::StoreError;
pub use parts::{MAX_BYTES_UNANNOUNCED, MIN_PART_BYTES, OCI_PART_BYTES, PART_BYTES, may_be_of_parts};
pub use upload::ObjectWriter;

/// Fewer bytes than these are hashed where they are.
const MIN_HASHED_ASIDE: usize = 256 << 10;

type Result<T, E = StoreError> = std::result::Result<T, E>;

/// A bucket, and how to reach it.
#[derive(Debug, Clone)]
pub struct Store {
    client: Client,
    bucket: String,
    dialect: Dialect,
    unsigned_payload: bool,
    identity: String,
    lacks_conditional_writes: Arc<AtomicBool>,
    lacks_range_copies: Arc<AtomicBool>,
    lacks_whole_checksums: Arc<AtomicBool>,
}

/// When a write may happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition<'a> {
    /// Only where no object has this key.
    Absent,
    /// Only over the object with this `ETag`.
    Unchanged(&'a str),
    /// Always.
    Always,
}

/// What came of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// The object is there, with this `ETag`.
    Done(String),
    /// The condition did not hold: somebody else was first.
    NotWritten,
}

/// A small object, read whole.
#[derive(Debug, Clone)]
pub struct Object {
    /// Its bytes.
    pub bytes: Bytes,
    /// Its `ETag`.
    pub etag: String,
}

/// What the store says of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectInfo {
    /// Its key.
    pub key: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its `ETag`.
    pub etag: String,
    /// Its CRC-64/NVME, where the store keeps it.
    pub crc64nvme: Option<Crc64Nvme>,
}

/// A part of a multipart upload that the store has.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Part {
    /// Its number, from 1.
    pub number: i32,
    /// Its `ETag`.
    pub etag: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its CRC-64/NVME: where we sent it, our own; where it was copied, what the store says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crc64nvme: Option<Crc64Nvme>,
}

/// An unfinished multipart upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnfinishedUpload {
    /// The key that it would write.
    pub key: String,
    /// Its id.
    pub upload_id: String,
}

impl Store {
    /// The bucket's name.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// Whether both are reached by the same endpoint with the same credentials, so that one can copy from the other.
    pub fn is_one_store_with(&self, other: &Store) -> bool {
        self.identity == other.identity
    }

    /// How the store reads the S3 protocol.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The size of the parts of an object of a size, where that is known: what the object needs where that is less than
    /// a part, and more than usual where 10,000 of the usual parts would not hold it.
    pub fn part_bytes(&self, object_bytes: Option<u64>) -> usize {
        parts::part_bytes(self.dialect.part_bytes(), object_bytes)
    }

    /// An object as messages name it: bucket and key.
    pub fn object(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.bucket)
    }

    /// What is there under a key.
    pub async fn head(&self, key: &str) -> Result<Option<ObjectInfo>> {
        let mode = self.dialect.has_crc64nvme().then_some(ChecksumMode::Enabled);
        let request = self.client.head_object().bucket(&self.bucket).key(key).set_checksum_mode(mode);
        match request.send().await {
            Ok(head) => Ok(Some(ObjectInfo {
                key: key.to_owned(),
                size: size(head.content_length()),
                etag: head.e_tag().unwrap_or_default().to_owned(),
                crc64nvme: head.checksum_crc64_nvme().and_then(crc64_from_base64),
            })),
            Err(error) => absent(StoreError::of("HeadObject", self.object(key), &error)),
        }
    }

    /// Reads a small object whole; one larger than `max` bytes is refused.
    pub async fn read(&self, key: &str, max: u64) -> Result<Option<Object>> {
        let answer = match self.client.get_object().bucket(&self.bucket).key(key).send().await {
            Ok(answer) => answer,
            Err(error) => return absent(StoreError::of("GetObject", self.object(key), &error)),
        };
        if size(answer.content_length()) > max {
            return Err(StoreError::TooLarge { object: self.object(key), max });
        }
        let etag = answer.e_tag().unwrap_or_default().to_owned();
        let body = answer.body.collect().await;
        let body = body.map_err(|error| StoreError::body("GetObject", self.object(key), error))?;
        Ok(Some(Object { bytes: body.into_bytes(), etag }))
    }

    /// Writes a small object in one call.
    pub async fn put(&self, key: &str, bytes: Bytes, condition: Condition<'_>) -> Result<Written> {
        let proof = self.proof("PutObject", key, &bytes).await?;
        loop {
            let Some(condition) = self.possible("PutObject", key, condition).await? else {
                return Ok(Written::NotWritten);
            };
            let request = self.client.put_object().bucket(&self.bucket).key(key);
            let mut request = request
                .content_type(content_type(key))
                .set_checksum_crc64_nvme(proof.crc64nvme())
                .set_content_md5(proof.md5())
                .body(ByteStream::from(bytes.clone()));
            request = match condition {
                Condition::Absent => request.if_none_match("*"),
                Condition::Unchanged(etag) => request.if_match(etag),
                Condition::Always => request,
            };
            let sent = if self.unsigned_payload {
                request.customize().disable_payload_signing().send().await
            } else {
                request.send().await
            };
            match sent {
                Ok(answer) => return Ok(Written::Done(answer.e_tag().unwrap_or_default().to_owned())),
                Err(error) if condition == Condition::Absent && is_not_implemented(&error) => {
                    self.lacks_conditional_writes.store(true, Ordering::Relaxed);
                }
                Err(error) => {
                    return not_written(StoreError::of("PutObject", self.object(key), &error), condition);
                }
            }
        }
    }

    /// What the store is to hold bytes against before it takes them.
    async fn proof(&self, operation: &'static str, key: &str, bytes: &Bytes) -> Result<PayloadChecksum> {
        match self.dialect.has_crc64nvme() {
            true => Ok(PayloadChecksum::Crc64Nvme(Crc64Nvme::of(bytes))),
            false if bytes.len() < MIN_HASHED_ASIDE => Ok(PayloadChecksum::Md5(Md5::of(bytes))),
            // MD5 takes a part of 16 MiB some 30 milliseconds, for which others would wait.
            false => {
                let bytes = bytes.clone();
                let md5 = tokio::task::spawn_blocking(move || Md5::of(&bytes)).await;
                md5.map(PayloadChecksum::Md5)
                    .map_err(|error| StoreError::body(operation, self.object(key), error))
            }
        }
    }

    /// The condition of a write as the store itself can hold it; `None` if it is known not to hold. Where the store
    /// cannot, this looks whether the object is there.
    async fn possible<'a>(
        &self,
        operation: &'static str,
        key: &str,
        condition: Condition<'a>,
    ) -> Result<Option<Condition<'a>>> {
        match condition {
            Condition::Absent if !self.holds_conditions() => {
                Ok(self.head(key).await?.is_none().then_some(Condition::Always))
            }
            Condition::Unchanged(_) if !self.dialect.has_conditional_writes() => {
                Err(StoreError::NotImplemented { operation, object: self.object(key) })
            }
            condition => Ok(Some(condition)),
        }
    }

    /// Whether the store itself holds the conditions of writes, as far as is known: it does until it has refused to.
    pub fn holds_conditions(&self) -> bool {
        !self.lacks_conditional_writes.load(Ordering::Relaxed)
    }

    /// Copies an object inside the store, if it still has this `ETag`. Objects of over 5 GiB are copied by parts.
    pub async fn copy(&self, from: &Store, source: &ObjectInfo, key: &str) -> Result<()> {
        if source.size <= MAX_COPY {
            let request = self.client.copy_object().bucket(&self.bucket).key(key);
            let request = request
                .copy_source(from.as_copy_source(&source.key))
                .copy_source_if_match(&source.etag)
                .metadata_directive(MetadataDirective::Replace)
                .content_type(content_type(key))
                .checksum_algorithm(ChecksumAlgorithm::Crc64Nvme);
            let sent = request.send().await;
            return sent.map(|_| ()).map_err(|error| StoreError::of("CopyObject", self.object(key), &error));
        }
        let upload_id = self.create_upload(key).await?;
        let copied = self.copy_parts((key, &upload_id), (from, source)).await;
        match copied {
            Ok(parts) => self.complete(key, &upload_id, &parts, Condition::Always).await.map(|_| ()),
            Err(error) => {
                self.abort_upload(key, &upload_id).await?;
                Err(error)
            }
        }
    }

    async fn copy_parts(&self, upload: (&str, &str), from: (&Store, &ObjectInfo)) -> Result<Vec<Part>> {
        const COPIES_AT_ONCE: usize = 8;
        stream::iter(copied_parts(0..from.1.size).zip(1i32..))
            .map(|(range, number)| self.copy_part(upload, number, from, range))
            .buffered(COPIES_AT_ONCE)
            .try_collect()
            .await
    }

    /// Copies a range of an object inside the store into a part of an upload (key and id), if the object still has
    /// this `ETag`.
    async fn copy_part(
        &self,
        (key, upload_id): (&str, &str),
        number: i32,
        (from, source): (&Store, &ObjectInfo),
        range: Range<u64>,
    ) -> Result<Part> {
        let request = self.client.upload_part_copy().bucket(&self.bucket).key(key).upload_id(upload_id);
        let request = request
            .part_number(number)
            .copy_source(from.as_copy_source(&source.key))
            .copy_source_if_match(&source.etag)
            .copy_source_range(format!("bytes={}-{}", range.start, range.end.saturating_sub(1)));
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) if is_not_implemented(&error) => return Err(self.without_range_copies(key)),
            Err(error) => return Err(StoreError::of("UploadPartCopy", self.object(key), &error)),
        };
        let copied = answer.copy_part_result();
        Ok(Part {
            number,
            etag: copied.and_then(|part| part.e_tag()).unwrap_or_default().to_owned(),
            size: range.end.saturating_sub(range.start),
            crc64nvme: copied.and_then(|part| part.checksum_crc64_nvme()).and_then(crc64_from_base64),
        })
    }

    /// Whether the store copies ranges of objects, as far as is known: it does until it has refused to.
    pub fn copies_ranges(&self) -> bool {
        !self.lacks_range_copies.load(Ordering::Relaxed)
    }

    /// Remembers that the store does not copy ranges.
    fn without_range_copies(&self, key: &str) -> StoreError {
        self.lacks_range_copies.store(true, Ordering::Relaxed);
        StoreError::NotImplemented { operation: "UploadPartCopy", object: self.object(key) }
    }

    fn as_copy_source(&self, key: &str) -> String {
        format!("{}/{}", self.bucket, percent_encode(key))
    }

    /// Deletes an object; one that is not there is no error.
    pub async fn delete(&self, key: &str) -> Result<()> {
        let sent = self.client.delete_object().bucket(&self.bucket).key(key).send().await;
        sent.map(|_| ()).map_err(|error| StoreError::of("DeleteObject", self.object(key), &error))
    }

    /// The objects below a prefix, in the order of their keys, a page at a time.
    pub fn list(&self, prefix: &str) -> BoxStream<'_, Result<ObjectInfo>> {
        let pages = match self.dialect.has_second_listing() {
            true => self.pages(prefix),
            false => self.pages_by_marker(prefix),
        };
        pages
            .map_ok(|page| stream::iter(page).map(Ok))
            .try_flatten()
            .map_ok(|object| ObjectInfo {
                size: size(object.size()),
                etag: object.e_tag().unwrap_or_default().to_owned(),
                crc64nvme: None,
                key: object.key.unwrap_or_default(),
            })
            .boxed()
    }

    /// The names of the folders right below a prefix, which ends with a slash.
    pub fn list_folders(&self, prefix: &str) -> BoxStream<'_, Result<String>> {
        let request = self.client.list_objects_v2().bucket(&self.bucket).prefix(prefix).delimiter("/");
        let pages = request.into_paginator().send();
        let (object, prefix) = (self.object(prefix), prefix.to_owned());
        stream::unfold(pages, |mut pages| async { pages.next().await.map(|page| (page, pages)) })
            .map_err(move |error| StoreError::of("ListObjectsV2", object.clone(), &error))
            .map_ok(|page| stream::iter(page.common_prefixes.unwrap_or_default()).map(Ok))
            .try_flatten()
            .try_filter_map(move |folder| {
                let name = folder.prefix().and_then(|folder| folder.strip_prefix(&prefix));
                std::future::ready(Ok(name.map(|name| name.trim_end_matches('/').to_owned())))
            })
            .boxed()
    }

    fn pages(&self, prefix: &str) -> BoxStream<'_, Result<Vec<Listed>>> {
        let pages = self.client.list_objects_v2().bucket(&self.bucket).prefix(prefix).into_paginator().send();
        let object = self.object(prefix);
        stream::unfold(pages, |mut pages| async { pages.next().await.map(|page| (page, pages)) })
            .map_err(move |error| StoreError::of("ListObjectsV2", object.clone(), &error))
            .map_ok(|page| page.contents.unwrap_or_default())
            .boxed()
    }

    /// The first listing of S3, which goes on behind the last key that it has shown.
    fn pages_by_marker(&self, prefix: &str) -> BoxStream<'_, Result<Vec<Listed>>> {
        let prefix = prefix.to_owned();
        stream::try_unfold(Some(None), move |next: Option<Option<String>>| {
            let prefix = prefix.clone();
            async move {
                let Some(marker) = next else { return Ok(None) };
                let request = self.client.list_objects().bucket(&self.bucket).prefix(&prefix);
                let page = request.set_marker(marker).send().await;
                let page =
                    page.map_err(|error| StoreError::of("ListObjects", self.object(&prefix), &error))?;
                let last = page.contents().last().and_then(|last| last.key.clone());
                let next = match page.is_truncated() {
                    Some(true) => match last.or(page.next_marker) {
                        Some(marker) => Some(Some(marker)),
                        None => {
                            return Err(StoreError::body("ListObjects", self.object(&prefix), NoNextPage));
                        }
                    },
                    _ => None,
                };
                Ok(Some((page.contents.unwrap_or_default(), next)))
            }
        })
        .boxed()
    }

    /// Begins a multipart upload.
    pub async fn create_upload(&self, key: &str) -> Result<String> {
        let request = self.client.create_multipart_upload().bucket(&self.bucket).key(key);
        let (algorithm, kind) = (ChecksumAlgorithm::Crc64Nvme, ChecksumType::FullObject);
        let has_crc64nvme = self.dialect.has_crc64nvme();
        let answer = request
            .content_type(content_type(key))
            .set_checksum_algorithm(has_crc64nvme.then_some(algorithm))
            .set_checksum_type(has_crc64nvme.then_some(kind))
            .send()
            .await
            .map_err(|error| StoreError::of("CreateMultipartUpload", self.object(key), &error))?;
        // It was asked for the checksum of the whole object: a store that means to make one of the parts' checksums
        // instead would refuse the other at completion. The parts' own it verifies all the same.
        if answer.checksum_type() == Some(&ChecksumType::Composite) {
            self.lacks_whole_checksums.store(true, Ordering::Relaxed);
        }
        Ok(answer.upload_id().unwrap_or_default().to_owned())
    }

    /// Uploads one part. The store verifies its checksum.
    pub async fn upload_part(&self, key: &str, upload_id: &str, number: i32, bytes: Bytes) -> Result<Part> {
        let proof = self.proof("UploadPart", key, &bytes).await?;
        let crc64nvme = proof.crc64nvme_of(&bytes);
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let request = self.client.upload_part().bucket(&self.bucket).key(key).upload_id(upload_id);
        let request = request
            .part_number(number)
            .set_checksum_crc64_nvme(proof.crc64nvme())
            .set_content_md5(proof.md5())
            .body(ByteStream::from(bytes));
        let sent = if self.unsigned_payload {
            request.customize().disable_payload_signing().send().await
        } else {
            request.send().await
        };
        let answer = sent.map_err(|error| StoreError::of("UploadPart", self.object(key), &error))?;
        Ok(Part {
            number,
            etag: answer.e_tag().unwrap_or_default().to_owned(),
            size: length,
            crc64nvme: Some(crc64nvme),
        })
    }

    /// Makes the parts of an upload one object. Where the checksum of every part is known, the store verifies that
    /// of the whole object, if it has checksums of whole objects.
    pub async fn complete(
        &self,
        key: &str,
        upload_id: &str,
        parts: &[Part],
        condition: Condition<'_>,
    ) -> Result<Written> {
        let told = |part: &Part| part.crc64nvme.filter(|_| self.dialect.has_crc64nvme());
        let crcs = parts.iter().map(|part| Some((told(part)?, part.size))).collect::<Option<Vec<_>>>();
        let whole = crcs.unwrap_or_default().into_iter().reduce(|(crc, size), (next, length)| {
            (crc.followed_by(next, length), size.saturating_add(length))
        });
        let completed = parts.iter().map(|part| {
            CompletedPart::builder()
                .part_number(part.number)
                .e_tag(&part.etag)
                .set_checksum_crc64_nvme(told(part).map(|crc| crc.base64()))
                .build()
        });
        self.complete_upload(key, upload_id, completed.collect(), whole.map(|(crc, _)| crc), condition).await
    }

    async fn complete_upload(
        &self,
        key: &str,
        upload_id: &str,
        parts: Vec<CompletedPart>,
        whole: Option<Crc64Nvme>,
        condition: Condition<'_>,
    ) -> Result<Written> {
        let verifies_whole = !self.lacks_whole_checksums.load(Ordering::Relaxed);
        let kind = verifies_whole.then_some(ChecksumType::FullObject);
        let whole = whole.filter(|_| verifies_whole);
        loop {
            let Some(condition) = self.possible("CompleteMultipartUpload", key, condition).await? else {
                return Ok(Written::NotWritten);
            };
            let parts = CompletedMultipartUpload::builder().set_parts(Some(parts.clone())).build();
            let mut request = self
                .client
                .complete_multipart_upload()
                .bucket(&self.bucket)
                .key(key)
                .upload_id(upload_id)
                .set_checksum_type(kind.clone())
                .set_checksum_crc64_nvme(whole.map(|crc| crc.base64()))
                .multipart_upload(parts);
            request = match condition {
                Condition::Absent => request.if_none_match("*"),
                Condition::Unchanged(etag) => request.if_match(etag),
                Condition::Always => request,
            };
            match request.send().await {
                Ok(answer) => return Ok(Written::Done(answer.e_tag().unwrap_or_default().to_owned())),
                Err(error) if condition == Condition::Absent && is_not_implemented(&error) => {
                    self.lacks_conditional_writes.store(true, Ordering::Relaxed);
                }
                Err(error) => {
                    let error = StoreError::of("CompleteMultipartUpload", self.object(key), &error);
                    return not_written(error, condition);
                }
            }
        }
    }

    /// Gives an upload up; one that is gone already is no error.
    pub async fn abort_upload(&self, key: &str, upload_id: &str) -> Result<()> {
        let request = self.client.abort_multipart_upload().bucket(&self.bucket).key(key).upload_id(upload_id);
        match request
            .send()
            .await
            .map_err(|error| StoreError::of("AbortMultipartUpload", self.object(key), &error))
        {
            Ok(_) | Err(StoreError::NoSuchUpload { .. } | StoreError::NoSuchObject { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The parts that the store has of an upload: number, `ETag` and size of each; `None` where the upload is gone.
    pub async fn list_parts(&self, key: &str, upload_id: &str) -> Result<Option<Vec<(i32, String, u64)>>> {
        let mut pages = self
            .client
            .list_parts()
            .bucket(&self.bucket)
            .key(key)
            .upload_id(upload_id)
            .into_paginator()
            .send();
        let mut parts = Vec::new();
        while let Some(page) = pages.next().await {
            match page.map_err(|error| StoreError::of("ListParts", self.object(key), &error)) {
                Ok(page) => parts.extend(page.parts().iter().map(|part| {
                    (
                        part.part_number().unwrap_or(0),
                        part.e_tag().unwrap_or_default().to_owned(),
                        size(part.size()),
                    )
                })),
                Err(StoreError::NoSuchUpload { .. } | StoreError::NoSuchObject { .. }) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        Ok(Some(parts))
    }

    /// The unfinished uploads below a prefix.
    pub async fn list_uploads(&self, prefix: &str) -> Result<Vec<UnfinishedUpload>> {
        let mut found = Vec::new();
        let (mut key_marker, mut id_marker) = (None, None);
        loop {
            let page = self
                .client
                .list_multipart_uploads()
                .bucket(&self.bucket)
                .prefix(prefix)
                .set_key_marker(key_marker)
                .set_upload_id_marker(id_marker)
                .send()
                .await
                .map_err(|error| StoreError::of("ListMultipartUploads", self.object(prefix), &error))?;
            let uploads = page.uploads().iter().map(|upload| UnfinishedUpload {
                key: upload.key().unwrap_or_default().to_owned(),
                upload_id: upload.upload_id().unwrap_or_default().to_owned(),
            });
            // Whoever asks for them may abort them: a store that does not know the prefix must not name another's.
            found.extend(uploads.filter(|upload| upload.key.starts_with(prefix)));
            if page.is_truncated() != Some(true) || page.next_key_marker().is_none() {
                return Ok(found);
            }
            key_marker = page.next_key_marker().map(str::to_owned);
            id_marker = page.next_upload_id_marker().map(str::to_owned);
        }
    }

    /// Gives up the unfinished uploads below a prefix whose keys `is_settled` says nobody writes any more: dead
    /// invocations left them. One that is alive after all is told to call again, and then finds how things stand.
    pub async fn abort_uploads(&self, prefix: &str, is_settled: impl Fn(&str) -> bool) -> Result<()> {
        for upload in self.list_uploads(prefix).await?.into_iter().filter(|upload| is_settled(&upload.key)) {
            tracing::info!(object.key = upload.key, "an unfinished multipart upload is aborted");
            self.abort_upload(&upload.key, &upload.upload_id).await?;
        }
        Ok(())
    }

    /// Holds the object that is there against the bytes that should be: the same is fine, anything else is not.
    pub async fn expect(&self, key: &str, expected: ObjectDigest) -> Result<()> {
        let found = self.head(key).await?;
        // Whoever wrote it has taken it away again: trying once more may find either.
        let found = found.ok_or_else(|| StoreError::body("HeadObject", self.object(key), Gone))?;
        let crc64nvme = match found.crc64nvme {
            Some(crc) => crc,
            None if found.size == expected.size => self.read_crc(&found).await?,
            None => Crc64Nvme::from(0u64),
        };
        let found = ObjectDigest { size: found.size, crc64nvme };
        if found == expected {
            return Ok(());
        }
        Err(StoreError::Occupied {
            object: self.object(key),
            expected: expected.to_string(),
            found: found.to_string(),
        })
    }

    async fn read_crc(&self, object: &ObjectInfo) -> Result<Crc64Nvme> {
        let mut hasher = crate::checksum::Hasher::new(false);
        let mut body = self.read_range(&object.key, &object.etag, 0..object.size).await?;
        while let Some(bytes) = body.try_next().await? {
            hasher.update(&bytes);
        }
        Ok(hasher.finish().crc64nvme)
    }
}

/// What the store holds bytes against before it takes them.
#[derive(Debug, Clone)]
enum PayloadChecksum {
    Crc64Nvme(Crc64Nvme),
    Md5(Md5),
}

impl PayloadChecksum {
    fn crc64nvme(&self) -> Option<String> {
        match self {
            Self::Crc64Nvme(crc) => Some(crc.base64()),
            Self::Md5(_) => None,
        }
    }

    fn md5(&self) -> Option<String> {
        match self {
            Self::Crc64Nvme(_) => None,
            Self::Md5(md5) => Some(md5.base64()),
        }
    }

    /// Our own checksum of the bytes that it proves.
    fn crc64nvme_of(&self, bytes: &[u8]) -> Crc64Nvme {
        match self {
            Self::Crc64Nvme(crc) => *crc,
            Self::Md5(_) => Crc64Nvme::of(bytes),
        }
    }
}

fn not_written(error: StoreError, condition: Condition<'_>) -> Result<Written> {
    match error {
        StoreError::Changed { .. } if condition != Condition::Always => Ok(Written::NotWritten),
        error => Err(error),
    }
}

fn absent<T>(error: StoreError) -> Result<Option<T>> {
    match error {
        StoreError::NoSuchObject { .. } => Ok(None),
        error => Err(error),
    }
}

fn is_not_implemented<E: ProvideErrorMetadata>(error: &aws_sdk_s3::error::SdkError<E>) -> bool {
    error.code() == Some("NotImplemented")
        || error.raw_response().is_some_and(|response| response.status().as_u16() == 501)
}

fn size(length: Option<i64>) -> u64 {
    length.and_then(|length| u64::try_from(length).ok()).unwrap_or(0)
}

fn crc64_from_base64(text: &str) -> Option<Crc64Nvme> {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD.decode(text).ok()?;
    Some(Crc64Nvme::from(<[u8; 8]>::try_from(bytes).ok()?))
}

fn percent_encode(key: &str) -> String {
    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};
    const KEPT: &AsciiSet =
        &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~');
    percent_encoding::utf8_percent_encode(key, KEPT).to_string()
}

fn content_type(key: &str) -> &'static str {
    match key.rsplit('.').next().map(str::to_ascii_lowercase).as_deref() {
        Some("csv") => "text/csv",
        Some("json") => "application/json",
        Some("ndjson" | "jsonl") => "application/x-ndjson",
        Some("gz") => "application/gzip",
        Some("zst") => "application/zstd",
        Some("zip") => "application/zip",
        _ => "application/octet-stream",
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the object was written, but is not there")]
struct Gone;

#[derive(Debug, thiserror::Error)]
#[error("the list is not complete, but the store does not say where it continues")]
struct NoNextPage;
