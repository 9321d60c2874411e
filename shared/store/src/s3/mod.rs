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
use crate::error::{Described, Result, StoreError};
use crate::object::{Condition, Object, ObjectInfo, Part, Written, content_type};
use crate::parts::{MAX_COPY, copied_parts};

pub use abilities::ChecksumSetting;
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
        let mode = self.has_crc64nvme().then_some(ChecksumMode::Enabled);
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
    pub(crate) async fn read(&self, key: &str, max: u64) -> Result<Option<Object>> {
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
    pub(crate) async fn put(&self, key: &str, bytes: Bytes, condition: Condition<'_>) -> Result<Written> {
        loop {
            let Some(possible) = self.possible("PutObject", key, condition).await? else {
                return Ok(Written::NotWritten);
            };
            match self.put_if(key, &bytes, possible).await {
                Err(StoreError::NotImplemented { .. }) if possible == Condition::Absent => {
                    self.abilities.lose(Ability::ConditionalWrites);
                }
                Err(StoreError::NotImplemented { operation, object, source })
                    if matches!(possible, Condition::Unchanged(_)) =>
                {
                    return Err(StoreError::NoConditionalChange { operation, object, source });
                }
                Err(error) => return Written::of(Err(error), possible),
                Ok(etag) => return Ok(Written::Done(etag)),
            }
        }
    }

    /// Writes on a condition that the store holds, with a checksum that it takes; the `ETag`.
    async fn put_if(&self, key: &str, bytes: &Bytes, condition: Condition<'_>) -> Result<String> {
        let mut checksum = self.payload_checksum("PutObject", key, bytes).await?;
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
            match self.or_with_md5(sent, &mut refused)? {
                Some(answer) => return Ok(answer.e_tag().unwrap_or_default().to_owned()),
                None => checksum = self.md5_of("PutObject", key, bytes).await?,
            }
        }
    }

    /// What came of a call that carried a checksum; `None` if it is to be made again with MD5, as the store may have
    /// refused it for its CRC-64/NVME. If it refuses that, too, what it said first counts.
    fn or_with_md5<T>(&self, sent: Result<T>, refused: &mut Option<StoreError>) -> Result<Option<T>> {
        match (sent, refused.take()) {
            (Ok(answer), Some(_)) => {
                tracing::info!(store.bucket = self.bucket, "the store takes MD5 and no CRC-64/NVME");
                self.abilities.lose(Ability::Crc64Nvme);
                Ok(Some(answer))
            }
            (Ok(answer), None) => Ok(Some(answer)),
            (Err(_), Some(first)) => Err(first),
            (Err(error), None) if error.may_be_about_an_option() && self.abilities.may_use_md5() => {
                *refused = Some(error);
                Ok(None)
            }
            (Err(error), None) => Err(error),
        }
    }

    /// What the store is to hold bytes against before it takes them.
    async fn payload_checksum(
        &self,
        operation: &'static str,
        key: &str,
        bytes: &Bytes,
    ) -> Result<PayloadChecksum> {
        match self.abilities.checksum() {
            ChecksumSetting::Md5 => self.md5_of(operation, key, bytes).await,
            ChecksumSetting::Crc32c => Ok(PayloadChecksum::Crc32c(crc32c_base64(bytes))),
            ChecksumSetting::Crc64nvme | ChecksumSetting::Auto => {
                Ok(PayloadChecksum::Crc64Nvme(Crc64Nvme::of(bytes)))
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
        self.abilities.checksum() == ChecksumSetting::Crc64nvme
    }

    /// What the store holds bytes against before it takes them, as far as is known.
    pub(crate) fn checksum(&self) -> ChecksumSetting {
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
            .copy_source_if_match(&source.etag)
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
            .copy_source_if_match(&source.etag)
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
        sent.map(|_| ()).map_err(|error| StoreError::of("DeleteObject", self.object(key), &error))
    }

    /// Begins a multipart upload.
    pub(crate) async fn create_upload(&self, key: &str) -> Result<String> {
        let mut refused = None;
        loop {
            let algorithm = match (self.abilities.checksum(), &refused) {
                (_, Some(_)) | (ChecksumSetting::Md5, None) => None,
                (ChecksumSetting::Crc32c, None) => Some(ChecksumAlgorithm::Crc32C),
                (ChecksumSetting::Crc64nvme | ChecksumSetting::Auto, None) => {
                    Some(ChecksumAlgorithm::Crc64Nvme)
                }
            };
            let request = self.client.create_multipart_upload().bucket(&self.bucket).key(key);
            let request = request
                .content_type(content_type(key))
                .set_checksum_type(algorithm.is_some().then_some(ChecksumType::FullObject))
                .set_checksum_algorithm(algorithm);
            let sent = request.send().await;
            let sent =
                sent.map_err(|error| StoreError::of("CreateMultipartUpload", self.object(key), &error));
            let Some(answer) = self.or_with_md5(sent, &mut refused)? else { continue };
            // It was asked for the checksum of the whole object: a store that means to make one of the parts'
            // checksums instead would refuse the other at completion. The parts' own it verifies all the same.
            if answer.checksum_type() == Some(&ChecksumType::Composite) {
                self.abilities.lose(Ability::WholeChecksums);
            }
            return Ok(answer.upload_id().unwrap_or_default().to_owned());
        }
    }

    /// Uploads one part. The store verifies its checksum.
    pub(crate) async fn upload_part(
        &self,
        key: &str,
        upload_id: &str,
        number: i32,
        bytes: Bytes,
    ) -> Result<Part> {
        let mut checksum = self.payload_checksum("UploadPart", key, &bytes).await?;
        let crc64nvme = checksum.crc64nvme_of(&bytes);
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
            let Some(answer) = self.or_with_md5(sent, &mut refused)? else {
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
        let told = |part: &Part| part.crc64nvme.filter(|_| self.has_crc64nvme());
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
        let whole = whole.map(|(crc, _)| crc);
        let written = self.complete_upload(key, upload_id, completed.collect(), whole, condition).await;
        match written {
            Err(StoreError::InvalidParts { operation, object, source }) if !are_equal(parts) => {
                self.abilities.lose(Ability::UnequalParts);
                Err(StoreError::NotImplemented { operation, object, source })
            }
            written => written,
        }
    }

    async fn complete_upload(
        &self,
        key: &str,
        upload_id: &str,
        parts: Vec<CompletedPart>,
        whole: Option<Crc64Nvme>,
        condition: Condition<'_>,
    ) -> Result<Written> {
        let has_type = self.has_crc64nvme() && self.abilities.has(Ability::WholeChecksums);
        let kind = has_type.then_some(ChecksumType::FullObject);
        let whole = whole.filter(|_| has_type);
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
            let sent = request.send().await;
            match sent.map_err(|error| StoreError::of("CompleteMultipartUpload", self.object(key), &error)) {
                Ok(answer) => return Ok(Written::Done(answer.e_tag().unwrap_or_default().to_owned())),
                Err(StoreError::NotImplemented { .. }) if condition == Condition::Absent => {
                    self.abilities.lose(Ability::ConditionalWrites);
                }
                Err(error) => return Written::of(Err(error), condition),
            }
        }
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

    /// The parts that the store has of an upload: number, `ETag` and size of each; `None` where the upload is gone.
    pub(crate) async fn list_parts(
        &self,
        key: &str,
        upload_id: &str,
    ) -> Result<Option<Vec<(i32, String, u64)>>> {
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

    /// Our own checksum of the bytes that it proves.
    fn crc64nvme_of(&self, bytes: &[u8]) -> Crc64Nvme {
        match self {
            Self::Crc64Nvme(crc) => *crc,
            Self::Crc32c(_) | Self::Md5(_) => Crc64Nvme::of(bytes),
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
