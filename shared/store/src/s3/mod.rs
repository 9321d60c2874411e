//! Amazon S3 and what is compatible with it, called by Amazon's own client. What such a store lacks is found out from
//! its answers, and done in another way.

mod abilities;
mod client;
#[cfg(test)]
mod compatible_tests;
mod dialect;
mod error;
mod list;

use std::ops::Range;

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    ChecksumAlgorithm, ChecksumMode, ChecksumType, CompletedMultipartUpload, CompletedPart, MetadataDirective,
};
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt as _, TryStreamExt as _};

use self::abilities::{Abilities, Ability};
use crate::checksum::{Crc64Nvme, Md5, crc32c_base64};
use crate::error::{Described, NoNextPage, Result, StoreError, Unmeasured};
use crate::object::{Condition, Object, ObjectInfo, Part, Written, content_type, listed};
use crate::parts::{MAX_COPY, copied_parts};

pub use abilities::{ChecksumKind, ChecksumSetting};
pub use dialect::Dialect;

/// Fewer bytes than these are hashed where they are.
const MIN_HASHED_ASIDE: usize = 256 << 10;

/// A bucket, and how to reach it.
#[derive(Debug, Clone)]
pub(crate) struct S3Bucket {
    client: Client,
    bucket: String,
    dialect: Dialect,
    unsigned_payload: bool,
    identity: String,
    abilities: Abilities,
}

impl S3Bucket {
    /// What is the same of buckets that are reached by the same endpoint with the same credentials.
    pub(crate) fn identity(&self) -> &str {
        &self.identity
    }

    /// How the store reads the S3 protocol.
    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect
    }

    fn object(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.bucket)
    }

    /// What is there under a key.
    pub(crate) async fn head(&self, key: &str) -> Result<Option<ObjectInfo>> {
        let asks_checksum = self.has_crc64nvme() && self.abilities.has(Ability::ChecksumMode);
        match self.head_with(key, asks_checksum).await {
            Err(error) if asks_checksum && error.may_be_about_an_option() => {
                let Ok(head) = self.head_with(key, false).await else { return Err(error) };
                self.abilities.lose(Ability::ChecksumMode);
                Ok(head)
            }
            head => head,
        }
    }

    async fn head_with(&self, key: &str, asks_checksum: bool) -> Result<Option<ObjectInfo>> {
        let mode = asks_checksum.then_some(ChecksumMode::Enabled);
        let request = self.client.head_object().bucket(&self.bucket).key(key).set_checksum_mode(mode);
        let head = match request.send().await {
            Ok(head) => head,
            Err(error) => return absent(StoreError::of("HeadObject", self.object(key), &error)),
        };
        let crc64nvme = head.checksum_crc64_nvme().and_then(crc64_from_base64);
        let key = key.to_owned();
        match (head.content_length(), head.e_tag()) {
            (Some(length), Some(etag)) => {
                let (size, etag) = (size(Some(length)), etag.to_owned());
                Ok(Some(ObjectInfo { key, size, etag, crc64nvme, modified: None }))
            }
            // A proxy on the way has left it out; lists are bodies, which nobody shortens.
            _ => match listed(self.pages(&key), &key).await? {
                Some(listed) => Ok(Some(ObjectInfo { crc64nvme, ..listed })),
                None => Err(StoreError::body("HeadObject", self.object(&key), Unmeasured)),
            },
        }
    }

    /// Reads a small object whole; one larger than `max` bytes is refused.
    pub(crate) async fn read(&self, key: &str, max: u64) -> Result<Option<Object>> {
        let answer = match self.client.get_object().bucket(&self.bucket).key(key).send().await {
            Ok(answer) => answer,
            Err(error) => return absent(StoreError::of("GetObject", self.object(key), &error)),
        };
        if size(answer.content_length()) > max {
            return Err(StoreError::TooLarge { object: self.object(key), max });
        }
        let etag = answer.e_tag().unwrap_or_default().to_owned();
        let mut body = answer.body;
        let mut bytes = Vec::new();
        while let Some(piece) = body.next().await {
            let piece = piece.map_err(|error| StoreError::body("GetObject", self.object(key), error))?;
            bytes.extend_from_slice(&piece);
            if u64::try_from(bytes.len()).is_ok_and(|read| read > max) {
                return Err(StoreError::TooLarge { object: self.object(key), max });
            }
        }
        Ok(Some(Object { bytes: bytes.into(), etag }))
    }

    /// Writes a small object in one call.
    pub(crate) async fn put(&self, key: &str, bytes: Bytes, condition: Condition<'_>) -> Result<Written> {
        let Some(possible) = self.possible("PutObject", key, condition).await? else {
            return Ok(Written::NotWritten);
        };
        let sent = self.put_if(key, &bytes, possible).await;
        self.settled(key, possible, sent, async || self.put_if(key, &bytes, Condition::Always).await).await
    }

    /// What came of a write on a condition. Where a store may have refused the condition itself, it is looked whether it
    /// holds, and written without it.
    async fn settled(
        &self,
        key: &str,
        condition: Condition<'_>,
        sent: Result<String>,
        without: impl AsyncFnOnce() -> Result<String>,
    ) -> Result<Written> {
        let error = match sent {
            Ok(etag) => return Ok(Written::Done(etag)),
            Err(error) => error,
        };
        match (condition, error) {
            (Condition::Absent | Condition::Unchanged(_), StoreError::Changed { .. }) => {
                Ok(Written::NotWritten)
            }
            (Condition::Unchanged(_), StoreError::NotImplemented { operation, object, source }) => {
                Err(StoreError::NoConditionalChange { operation, object, source })
            }
            (Condition::Absent, error) if error.may_be_about_an_option() || error.is_of_a_conflict() => {
                match self.head(key).await {
                    Ok(Some(_)) => return Ok(Written::NotWritten),
                    Ok(None) if error.may_be_about_an_option() => {}
                    Ok(None) | Err(_) => return Err(error),
                }
                let Ok(etag) = without().await else { return Err(error) };
                self.abilities.lose(Ability::ConditionalWrites);
                Ok(Written::Done(etag))
            }
            (_, error) => Err(error),
        }
    }

    /// Writes on a condition that the store holds, with a checksum that it takes; the `ETag`.
    async fn put_if(&self, key: &str, bytes: &Bytes, condition: Condition<'_>) -> Result<String> {
        let mut checksum = self.payload_checksum("PutObject", key, bytes, None).await?;
        let mut refused = None;
        loop {
            let request = self.client.put_object().bucket(&self.bucket).key(key);
            let mut request = request
                .content_type(content_type(key))
                .set_checksum_crc64_nvme(checksum.crc64nvme())
                .set_checksum_crc32_c(checksum.crc32c())
                .set_content_md5(checksum.md5())
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
            let sent = sent.map_err(|error| StoreError::of("PutObject", self.object(key), &error));
            match self.or_with_md5(sent, &mut refused, checksum.kind())? {
                Some(answer) => return Ok(answer.e_tag().unwrap_or_default().to_owned()),
                None => checksum = self.md5_of("PutObject", key, bytes).await?,
            }
        }
    }

    /// What came of a call that carried a checksum; `None` if it is to be made again with MD5, as the store may have
    /// refused it for its CRC-64/NVME. If it refuses that, too, what it said first counts.
    fn or_with_md5<T>(
        &self,
        sent: Result<T>,
        refused: &mut Option<StoreError>,
        carried: ChecksumKind,
    ) -> Result<Option<T>> {
        match (sent, refused.take()) {
            (Ok(answer), Some(_)) => {
                tracing::info!(store.bucket = self.bucket, "the store takes MD5 and no CRC-64/NVME");
                self.abilities.lose(Ability::Crc64Nvme);
                Ok(Some(answer))
            }
            (Ok(answer), None) => Ok(Some(answer)),
            (Err(_), Some(first)) => Err(first),
            // Others may have found it out since this one was sent: what it carried counts.
            (Err(error), None)
                if error.may_be_about_an_option()
                    && carried == ChecksumKind::Crc64Nvme
                    && self.abilities.finds_checksum_out() =>
            {
                *refused = Some(error);
                Ok(None)
            }
            (Err(error), None) => Err(error),
        }
    }

    /// What the store is to hold bytes against before it takes them, whose CRC-64/NVME may be known.
    async fn payload_checksum(
        &self,
        operation: &'static str,
        key: &str,
        bytes: &Bytes,
        known: Option<Crc64Nvme>,
    ) -> Result<PayloadChecksum> {
        match self.abilities.checksum() {
            ChecksumKind::Md5 => self.md5_of(operation, key, bytes).await,
            ChecksumKind::Crc32c => Ok(PayloadChecksum::Crc32c(crc32c_base64(bytes))),
            ChecksumKind::Crc64Nvme => {
                Ok(PayloadChecksum::Crc64Nvme(known.unwrap_or_else(|| Crc64Nvme::of(bytes))))
            }
        }
    }

    async fn md5_of(&self, operation: &'static str, key: &str, bytes: &Bytes) -> Result<PayloadChecksum> {
        if bytes.len() < MIN_HASHED_ASIDE {
            return Ok(PayloadChecksum::Md5(Md5::of(bytes)));
        }
        // MD5 takes a part of 16 MiB some 30 milliseconds, for which others would wait.
        let bytes = bytes.clone();
        let md5 = tokio::task::spawn_blocking(move || Md5::of(&bytes)).await;
        md5.map(PayloadChecksum::Md5).map_err(|error| StoreError::body(operation, self.object(key), error))
    }

    /// Whether the store verifies and keeps CRC-64/NVME, as far as is known.
    fn has_crc64nvme(&self) -> bool {
        self.abilities.checksum() == ChecksumKind::Crc64Nvme
    }

    /// What the store holds bytes against before it takes them, as far as is known.
    pub(crate) fn checksum(&self) -> ChecksumKind {
        self.abilities.checksum()
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
                Err(StoreError::NoConditionalChange {
                    operation,
                    object: self.object(key),
                    source: "its S3 endpoint documents no conditions".into(),
                })
            }
            condition => Ok(Some(condition)),
        }
    }

    /// Whether the store itself holds the conditions of writes, as far as is known: it does until it has refused to.
    pub(crate) fn holds_conditions(&self) -> bool {
        self.abilities.has(Ability::ConditionalWrites)
    }

    /// Copies an object inside the store, if it still has this `ETag`. Objects of over 5 GiB are copied by parts.
    ///
    /// # Errors
    /// [`StoreError::NotImplemented`] from a store that cannot.
    pub(crate) async fn copy(&self, from: &S3Bucket, source: &ObjectInfo, key: &str) -> Result<()> {
        if source.size > MAX_COPY {
            return self.copy_in_parts(from, source, key).await;
        }
        let has_checksums = self.abilities.has(Ability::CopyChecksums);
        let copied = self.copy_whole(from, source, key, has_checksums).await;
        let copied = match copied {
            Err(error) if has_checksums && error.may_be_about_an_option() => {
                let copied = self.copy_whole(from, source, key, false).await;
                if copied.is_ok() {
                    self.abilities.lose(Ability::CopyChecksums);
                }
                copied
            }
            copied => copied,
        };
        copied.map_err(|error| match error {
            StoreError::NotImplemented { operation, object, source }
            | StoreError::Refused { operation, object, source } => {
                self.abilities.lose(Ability::Copies);
                StoreError::NotImplemented { operation, object, source }
            }
            error => error,
        })
    }

    async fn copy_whole(
        &self,
        from: &S3Bucket,
        source: &ObjectInfo,
        key: &str,
        with_checksum: bool,
    ) -> Result<()> {
        let request = self.client.copy_object().bucket(&self.bucket).key(key);
        let request = request
            .copy_source(from.as_copy_source(&source.key))
            .set_copy_source_if_match(some(&source.etag))
            .metadata_directive(MetadataDirective::Replace)
            .content_type(content_type(key))
            .set_checksum_algorithm(with_checksum.then_some(ChecksumAlgorithm::Crc64Nvme));
        let sent = request.send().await;
        sent.map(|_| ()).map_err(|error| StoreError::of("CopyObject", self.object(key), &error))
    }

    async fn copy_in_parts(&self, from: &S3Bucket, source: &ObjectInfo, key: &str) -> Result<()> {
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

    /// Whether the store copies objects, as far as is known: it does until it has refused to.
    pub(crate) fn copies_objects(&self) -> bool {
        self.abilities.has(Ability::Copies)
    }

    async fn copy_parts(&self, upload: (&str, &str), from: (&S3Bucket, &ObjectInfo)) -> Result<Vec<Part>> {
        const COPIES_AT_ONCE: usize = 8;
        stream::iter(copied_parts(0..from.1.size).zip(1i32..))
            .map(|(range, number)| self.copy_part(upload, number, from, range))
            .buffered(COPIES_AT_ONCE)
            .try_collect()
            .await
    }

    /// Copies a range of an object inside the store into a part of an upload (key and id), if the object still has
    /// this `ETag`.
    pub(crate) async fn copy_part(
        &self,
        (key, upload_id): (&str, &str),
        number: i32,
        (from, source): (&S3Bucket, &ObjectInfo),
        range: Range<u64>,
    ) -> Result<Part> {
        let request = self.client.upload_part_copy().bucket(&self.bucket).key(key).upload_id(upload_id);
        let request = request
            .part_number(number)
            .copy_source(from.as_copy_source(&source.key))
            .set_copy_source_if_match(some(&source.etag))
            .copy_source_range(format!("bytes={}-{}", range.start, range.end.saturating_sub(1)));
        let sent = request.send().await;
        let answer = match sent.map_err(|error| StoreError::of("UploadPartCopy", self.object(key), &error)) {
            Ok(answer) => answer,
            Err(StoreError::NotImplemented { source, .. } | StoreError::Refused { source, .. }) => {
                return Err(self.without_range_copies(key, source));
            }
            Err(error) => return Err(error),
        };
        let copied = answer.copy_part_result();
        Ok(Part {
            number,
            etag: copied.and_then(|part| part.e_tag()).unwrap_or_default().to_owned(),
            size: range.end.saturating_sub(range.start),
            crc64nvme: copied.and_then(|part| part.checksum_crc64_nvme()).and_then(crc64_from_base64),
        })
    }

    /// Whether the store makes objects of ranges of others, as far as is known: it does until it has refused to.
    pub(crate) fn copies_ranges(&self) -> bool {
        self.abilities.has(Ability::RangeCopies) && self.abilities.has(Ability::UnequalParts)
    }

    /// Remembers that the store does not copy ranges.
    pub(crate) fn without_range_copies(&self, key: &str, source: Described) -> StoreError {
        self.abilities.lose(Ability::RangeCopies);
        StoreError::NotImplemented { operation: "UploadPartCopy", object: self.object(key), source }
    }

    fn as_copy_source(&self, key: &str) -> String {
        format!("{}/{}", self.bucket, percent_encode(key))
    }

    /// Deletes an object; one that is not there is no error.
    pub(crate) async fn delete(&self, key: &str) -> Result<()> {
        let sent = self.client.delete_object().bucket(&self.bucket).key(key).send().await;
        match sent.map_err(|error| StoreError::of("DeleteObject", self.object(key), &error)) {
            // S3 does not say so, others do.
            Ok(_) | Err(StoreError::NoSuchObject { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Begins a multipart upload.
    pub(crate) async fn create_upload(&self, key: &str) -> Result<String> {
        let mut refused = None;
        loop {
            let carried = if refused.is_some() { ChecksumKind::Md5 } else { self.abilities.checksum() };
            let algorithm = match carried {
                ChecksumKind::Md5 => None,
                ChecksumKind::Crc32c => Some(ChecksumAlgorithm::Crc32C),
                ChecksumKind::Crc64Nvme => Some(ChecksumAlgorithm::Crc64Nvme),
            };
            let request = self.client.create_multipart_upload().bucket(&self.bucket).key(key);
            let request = request
                .content_type(content_type(key))
                .set_checksum_type(algorithm.is_some().then_some(ChecksumType::FullObject))
                .set_checksum_algorithm(algorithm);
            let sent = request.send().await;
            let sent =
                sent.map_err(|error| StoreError::of("CreateMultipartUpload", self.object(key), &error));
            let Some(answer) = self.or_with_md5(sent, &mut refused, carried)? else { continue };
            // It was asked for the checksum of the whole object: a store that means to make one of the parts'
            // checksums instead would refuse the other at completion. The parts' own it verifies all the same.
            if answer.checksum_type() == Some(&ChecksumType::Composite) {
                self.abilities.lose(Ability::WholeChecksums);
            }
            return match answer.upload_id() {
                Some(id) if !id.is_empty() => Ok(id.to_owned()),
                _ => Err(StoreError::body("CreateMultipartUpload", self.object(key), NoUploadId)),
            };
        }
    }

    /// Uploads one part. The store verifies its checksum.
    pub(crate) async fn upload_part(
        &self,
        (key, upload_id): (&str, &str),
        number: i32,
        bytes: Bytes,
        crc64nvme: Crc64Nvme,
    ) -> Result<Part> {
        let mut checksum = self.payload_checksum("UploadPart", key, &bytes, Some(crc64nvme)).await?;
        let mut refused = None;
        loop {
            let request = self.client.upload_part().bucket(&self.bucket).key(key).upload_id(upload_id);
            let request = request
                .part_number(number)
                .set_checksum_crc64_nvme(checksum.crc64nvme())
                .set_checksum_crc32_c(checksum.crc32c())
                .set_content_md5(checksum.md5())
                .body(ByteStream::from(bytes.clone()));
            let sent = if self.unsigned_payload {
                request.customize().disable_payload_signing().send().await
            } else {
                request.send().await
            };
            let sent = sent.map_err(|error| StoreError::of("UploadPart", self.object(key), &error));
            let Some(answer) = self.or_with_md5(sent, &mut refused, checksum.kind())? else {
                checksum = self.md5_of("UploadPart", key, &bytes).await?;
                continue;
            };
            return Ok(Part {
                number,
                etag: answer.e_tag().unwrap_or_default().to_owned(),
                size: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
                crc64nvme: Some(crc64nvme),
            });
        }
    }

    /// Makes the parts of an upload one object. Where the checksum of every part is known, the store verifies that
    /// of the whole object, if it has checksums of whole objects.
    pub(crate) async fn complete(
        &self,
        key: &str,
        upload_id: &str,
        parts: &[Part],
        condition: Condition<'_>,
    ) -> Result<Written> {
        let Some(possible) = self.possible("CompleteMultipartUpload", key, condition).await? else {
            return Ok(Written::NotWritten);
        };
        let upload = (key, upload_id);
        let sent = self.complete_if(upload, parts, possible).await;
        let without = async || self.complete_if(upload, parts, Condition::Always).await;
        match self.settled(key, possible, sent, without).await {
            Err(StoreError::InvalidParts { operation, object, source }) if !are_equal(parts) => {
                self.abilities.lose(Ability::UnequalParts);
                Err(StoreError::NotImplemented { operation, object, source })
            }
            written => written,
        }
    }

    /// Completes an upload on a condition that the store holds, with the checksums that it takes; the `ETag`.
    async fn complete_if(
        &self,
        upload: (&str, &str),
        parts: &[Part],
        condition: Condition<'_>,
    ) -> Result<String> {
        let has_checksums = self.has_crc64nvme();
        match self.complete_with(upload, parts, condition, has_checksums).await {
            Err(error) if has_checksums && error.may_be_about_an_option() => {
                // Every part has been held against its checksum when it came.
                match self.complete_with(upload, parts, condition, false).await {
                    Ok(etag) => {
                        self.abilities.lose(Ability::WholeChecksums);
                        Ok(etag)
                    }
                    Err(changed @ StoreError::Changed { .. }) => Err(changed),
                    Err(_) => Err(error),
                }
            }
            completed => completed,
        }
    }

    async fn complete_with(
        &self,
        (key, upload_id): (&str, &str),
        parts: &[Part],
        condition: Condition<'_>,
        has_checksums: bool,
    ) -> Result<String> {
        let told = |part: &Part| part.crc64nvme.filter(|_| has_checksums);
        let has_whole = has_checksums && self.abilities.has(Ability::WholeChecksums);
        let crcs = parts.iter().map(|part| Some((told(part)?, part.size))).collect::<Option<Vec<_>>>();
        let whole = crcs.unwrap_or_default().into_iter().reduce(|(crc, size), (next, length)| {
            (crc.followed_by(next, length), size.saturating_add(length))
        });
        let whole = whole.filter(|_| has_whole).map(|(crc, _)| crc.base64());
        let completed = parts.iter().map(|part| {
            CompletedPart::builder()
                .part_number(part.number)
                .e_tag(&part.etag)
                .set_checksum_crc64_nvme(told(part).map(|crc| crc.base64()))
                .build()
        });
        let completed = CompletedMultipartUpload::builder().set_parts(Some(completed.collect())).build();
        let request = self.client.complete_multipart_upload().bucket(&self.bucket).key(key);
        let request = request
            .upload_id(upload_id)
            .set_checksum_type(has_whole.then_some(ChecksumType::FullObject))
            .set_checksum_crc64_nvme(whole)
            .multipart_upload(completed);
        let request = match condition {
            Condition::Absent => request.if_none_match("*"),
            Condition::Unchanged(etag) => request.if_match(etag),
            Condition::Always => request,
        };
        let sent = request.send().await;
        sent.map(|answer| answer.e_tag().unwrap_or_default().to_owned())
            .map_err(|error| StoreError::of("CompleteMultipartUpload", self.object(key), &error))
    }

    /// Gives an upload up; one that is gone already is no error.
    pub(crate) async fn abort_upload(&self, key: &str, upload_id: &str) -> Result<()> {
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

    /// The parts that the store has of an upload: number, `ETag` and size of each; `None` where the upload is gone, or where
    /// the store does not tell: it is begun anew either way.
    pub(crate) async fn list_parts(
        &self,
        key: &str,
        upload_id: &str,
    ) -> Result<Option<Vec<(i32, String, u64)>>> {
        let mut parts: Vec<(i32, String, u64)> = Vec::new();
        let mut marker = None;
        loop {
            let request = self.client.list_parts().bucket(&self.bucket).key(key).upload_id(upload_id);
            let page = request.set_part_number_marker(marker).send().await;
            let page = match page.map_err(|error| StoreError::of("ListParts", self.object(key), &error)) {
                Ok(page) => page,
                Err(
                    StoreError::NoSuchUpload { .. }
                    | StoreError::NoSuchObject { .. }
                    | StoreError::NotImplemented { .. },
                ) => return Ok(None),
                Err(error) => return Err(error),
            };
            let before = parts.last().map(|(number, ..)| *number);
            parts.extend(page.parts().iter().map(|part| {
                (
                    part.part_number().unwrap_or(0),
                    part.e_tag().unwrap_or_default().to_owned(),
                    size(part.size()),
                )
            }));
            let last = parts.last().map(|(number, ..)| *number);
            if page.is_truncated() != Some(true) {
                return Ok(Some(parts));
            }
            if last == before {
                return Err(StoreError::body("ListParts", self.object(key), NoNextPage));
            }
            marker = last.map(|number| number.to_string());
        }
    }

    /// The bytes of a range of an object that must still have this `ETag`, as they come.
    pub(crate) async fn range(
        &self,
        key: &str,
        etag: &str,
        range: &Range<u64>,
    ) -> Result<BoxStream<'static, Result<Bytes>>> {
        let last = range.end.saturating_sub(1);
        let request = self.client.get_object().bucket(&self.bucket).key(key).if_match(etag);
        let answer = request.range(format!("bytes={}-{last}", range.start)).send().await;
        let answer = answer.map_err(|error| StoreError::of("GetObject", self.object(key), &error))?;
        let object = self.object(key);
        let body = stream::try_unfold(answer.body, move |mut body| {
            let object = object.clone();
            async move {
                let piece = body.try_next().await;
                let piece = piece.map_err(|error| StoreError::body("GetObject", object, error))?;
                Ok(piece.map(|piece| (piece, body)))
            }
        });
        Ok(body.boxed())
    }
}

/// What the store holds bytes against before it takes them.
#[derive(Debug, Clone)]
enum PayloadChecksum {
    Crc64Nvme(Crc64Nvme),
    /// As a header has it.
    Crc32c(String),
    Md5(Md5),
}

impl PayloadChecksum {
    fn kind(&self) -> ChecksumKind {
        match self {
            Self::Crc64Nvme(_) => ChecksumKind::Crc64Nvme,
            Self::Crc32c(_) => ChecksumKind::Crc32c,
            Self::Md5(_) => ChecksumKind::Md5,
        }
    }

    fn crc64nvme(&self) -> Option<String> {
        match self {
            Self::Crc64Nvme(crc) => Some(crc.base64()),
            Self::Crc32c(_) | Self::Md5(_) => None,
        }
    }

    fn crc32c(&self) -> Option<String> {
        match self {
            Self::Crc32c(crc) => Some(crc.clone()),
            Self::Crc64Nvme(_) | Self::Md5(_) => None,
        }
    }

    fn md5(&self) -> Option<String> {
        match self {
            Self::Md5(md5) => Some(md5.base64()),
            Self::Crc64Nvme(_) | Self::Crc32c(_) => None,
        }
    }
}

fn absent<T>(error: StoreError) -> Result<Option<T>> {
    match error {
        StoreError::NoSuchObject { .. } => Ok(None),
        error => Err(error),
    }
}

/// Whether all parts but the last, which may be smaller, have one size.
fn are_equal(parts: &[Part]) -> bool {
    let mut sizes = parts.iter().map(|part| part.size);
    let last = sizes.next_back().unwrap_or_default();
    let Some(first) = sizes.next() else { return true };
    last <= first && sizes.all(|size| size == first)
}

/// An `ETag` that is known.
fn some(etag: &str) -> Option<String> {
    (!etag.is_empty()).then(|| etag.to_owned())
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

#[derive(Debug, thiserror::Error)]
#[error("the answer names no upload")]
struct NoUploadId;
