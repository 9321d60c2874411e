//! What the store found, in the shapes that S3 answers.

use std::fs::File;
use std::io::SeekFrom;

use http::{HeaderMap, HeaderValue, StatusCode, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::dto::{
    ChecksumType, CopyObjectResult, CopyPartResult, ETag, ETagCondition, GetObjectOutput, HeadObjectOutput,
    Metadata, Range, StreamingBlob, Timestamp,
};
use s3s::{S3Error, S3Result, s3_error};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio_util::io::ReaderStream;

use crate::checksum::Algorithm;
use crate::objects::Found;
use crate::record::{Facts, Headers, Record};
use crate::store::failed;

/// How much of an object is read at a time.
const READ: usize = 256 << 10;

/// What S3 says of an object that was stored without a type.
const DEFAULT_CONTENT_TYPE: &str = "binary/octet-stream";

/// What `encoding-type=url` leaves as it is.
const URL: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'*').remove(b'/');

/// The conditions of a read, in the order in which S3 looks at them (API reference, `GetObject`).
#[derive(Debug, Default)]
pub(crate) struct ReadConditions {
    pub(crate) if_match: Option<ETagCondition>,
    pub(crate) if_none_match: Option<ETagCondition>,
    pub(crate) if_modified_since: Option<Timestamp>,
    pub(crate) if_unmodified_since: Option<Timestamp>,
}

/// Whether the conditions of a read hold.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Holds,
    /// What was asked for only if it is as it was is not.
    Failed,
    /// What was asked for only if it is new is not.
    NotModified,
}

impl ReadConditions {
    pub(crate) fn judge(&self, record: &Record) -> Verdict {
        let is = |condition: &ETagCondition| match condition {
            ETagCondition::Any => true,
            ETagCondition::ETag(etag) => etag.value() == record.facts.etag,
        };
        // Headers have whole seconds.
        let changed_after = |time: &Timestamp| seconds(&modified(record)) > seconds(time);
        let as_it_was = match (&self.if_match, &self.if_unmodified_since) {
            (Some(condition), _) => is(condition),
            (None, Some(time)) => !changed_after(time),
            (None, None) => true,
        };
        let new = match (&self.if_none_match, &self.if_modified_since) {
            (Some(condition), _) => !is(condition),
            (None, Some(time)) => changed_after(time),
            (None, None) => true,
        };
        match (as_it_was, new) {
            (false, _) => Verdict::Failed,
            (true, false) => Verdict::NotModified,
            (true, true) => Verdict::Holds,
        }
    }

    /// # Errors
    /// `PreconditionFailed`, or `NotModified`, which is no error but answered like one.
    pub(crate) fn check_read(&self, record: &Record) -> S3Result {
        match self.judge(record) {
            Verdict::Holds => Ok(()),
            Verdict::Failed => {
                Err(s3_error!(PreconditionFailed, "the object is not as the condition has it"))
            }
            Verdict::NotModified => {
                let mut error = s3_error!(NotModified);
                let mut headers = HeaderMap::new();
                if let Ok(etag) = etag(&record.facts).to_http_header() {
                    headers.insert(header::ETAG, etag);
                }
                error.set_headers(headers);
                Err(error)
            }
        }
    }

    /// The same for a copy's source, of which nothing but failure is known.
    ///
    /// # Errors
    /// `PreconditionFailed`.
    pub(crate) fn check_source(&self, record: &Record) -> S3Result {
        match self.judge(record) {
            Verdict::Holds => Ok(()),
            _ => Err(s3_error!(PreconditionFailed, "the source is not as the condition has it")),
        }
    }
}

fn seconds(time: &Timestamp) -> Vec<u8> {
    let mut text = Vec::new();
    // As RFC 3339 without the fraction, which sorts as the times do.
    if time.format(s3s::dto::TimestampFormat::DateTime, &mut text).is_ok() {
        text.truncate("2000-01-01T00:00:00".len());
    }
    text
}

/// The bytes of an object that are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Selection {
    pub(crate) start: u64,
    pub(crate) length: u64,
    whole: u64,
    ranged: bool,
}

impl Selection {
    /// # Errors
    /// `InvalidRange` (416) with the object's size.
    pub(crate) fn new(range: Option<&Range>, size: u64) -> S3Result<Self> {
        let Some(range) = range else {
            return Ok(Self { start: 0, length: size, whole: size, ranged: false });
        };
        match range.check(size) {
            Ok(bytes) if bytes.start < bytes.end => {
                Ok(Self { start: bytes.start, length: bytes.end - bytes.start, whole: size, ranged: true })
            }
            _ => Err(unsatisfiable(size)),
        }
    }

    /// The `Content-Range` header of a part of an object.
    pub(crate) fn content_range(&self) -> Option<String> {
        let last = (self.start + self.length).saturating_sub(1);
        self.ranged.then(|| format!("bytes {}-{last}/{}", self.start, self.whole))
    }

    pub(crate) fn status(&self) -> Option<StatusCode> {
        self.ranged.then_some(StatusCode::PARTIAL_CONTENT)
    }
}

fn unsatisfiable(size: u64) -> S3Error {
    let mut error = s3_error!(InvalidRange, "the range is not within the object's {size} bytes");
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    if let Ok(value) = HeaderValue::try_from(format!("bytes */{size}")) {
        headers.insert(header::CONTENT_RANGE, value);
    }
    error.set_headers(headers);
    error
}

pub(crate) fn etag(facts: &Facts) -> ETag {
    ETag::Strong(facts.etag.clone())
}

pub(crate) fn modified(record: &Record) -> Timestamp {
    Timestamp::from(record.generation.modified())
}

/// A size in the API's type.
pub(crate) fn signed(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

fn user_metadata(headers: &Headers) -> Option<Metadata> {
    let user = headers.user.iter().map(|(name, value)| (name.clone(), value.clone()));
    (!headers.user.is_empty()).then(|| user.collect())
}

pub(crate) fn checksum_type(facts: &Facts) -> ChecksumType {
    ChecksumType::from_static(facts.checksum_kind.name())
}

/// Sets the checksum fields that all of S3's answers about objects have alike.
macro_rules! set_checksums {
    ($output:expr, $facts:expr) => {{
        let checksums = &$facts.checksums;
        $output.checksum_crc32 = checksums.get(Algorithm::Crc32);
        $output.checksum_crc32c = checksums.get(Algorithm::Crc32c);
        $output.checksum_crc64nvme = checksums.get(Algorithm::Crc64nvme);
        $output.checksum_sha1 = checksums.get(Algorithm::Sha1);
        $output.checksum_sha256 = checksums.get(Algorithm::Sha256);
    }};
}
pub(crate) use set_checksums;

/// Sets the fields that the answers to `GetObject` and `HeadObject` have alike.
macro_rules! set_description {
    ($output:expr, $record:expr, $selection:expr, $with_checksums:expr) => {{
        let (record, headers) = (&$record, &$record.facts.headers);
        $output.accept_ranges = Some("bytes".to_owned());
        $output.content_length = Some(signed($selection.length));
        $output.content_range = $selection.content_range();
        $output.content_type =
            Some(headers.content_type.clone().unwrap_or_else(|| DEFAULT_CONTENT_TYPE.to_owned()));
        $output.content_encoding = headers.content_encoding.clone();
        $output.content_disposition = headers.content_disposition.clone();
        $output.content_language = headers.content_language.clone();
        $output.cache_control = headers.cache_control.clone();
        $output.expires = headers.expires.clone();
        $output.website_redirect_location = headers.website_redirect_location.clone();
        $output.metadata = user_metadata(headers);
        $output.e_tag = Some(etag(&record.facts));
        $output.last_modified = Some(modified(record));
        // S3 gives the checksum of a whole object only with the whole object.
        if $with_checksums && !$selection.ranged {
            set_checksums!($output, record.facts);
            $output.checksum_type = Some(checksum_type(&record.facts));
        }
    }};
}

pub(crate) fn head_object(record: &Record, selection: &Selection, checksums: bool) -> HeadObjectOutput {
    let mut output = HeadObjectOutput::default();
    set_description!(output, record, selection, checksums);
    output
}

/// # Errors
/// The file cannot be read from there.
pub(crate) async fn get_object(
    found: Found,
    selection: &Selection,
    checksums: bool,
) -> S3Result<GetObjectOutput> {
    let mut output = GetObjectOutput::default();
    set_description!(output, found.record, selection, checksums);
    output.body = Some(bytes_of(found.file, selection).await?);
    Ok(output)
}

/// The bytes of an object that are asked for.
///
/// # Errors
/// The file cannot be read from there.
pub(crate) async fn bytes_of(file: File, selection: &Selection) -> S3Result<StreamingBlob> {
    let mut file = tokio::fs::File::from_std(file);
    file.seek(SeekFrom::Start(selection.start)).await.map_err(failed("read an object"))?;
    Ok(StreamingBlob::wrap(ReaderStream::with_capacity(file.take(selection.length), READ)))
}

pub(crate) fn copy_object_result(record: &Record) -> CopyObjectResult {
    let mut result = CopyObjectResult::default();
    set_checksums!(result, record.facts);
    result.checksum_type = Some(checksum_type(&record.facts));
    result.e_tag = Some(etag(&record.facts));
    result.last_modified = Some(modified(record));
    result
}

pub(crate) fn copy_part_result(record: &Record) -> CopyPartResult {
    let mut result = CopyPartResult::default();
    set_checksums!(result, record.facts);
    result.e_tag = Some(etag(&record.facts));
    result.last_modified = Some(modified(record));
    result
}

/// Names in a listing, encoded if that is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Naming {
    encoded: bool,
}

impl Naming {
    pub(crate) fn new(encoding: Option<&s3s::dto::EncodingType>) -> Self {
        Self { encoded: encoding.is_some_and(|encoding| encoding.as_str() == s3s::dto::EncodingType::URL) }
    }

    pub(crate) fn name(self, name: &str) -> String {
        if self.encoded { utf8_percent_encode(name, URL).to_string() } else { name.to_owned() }
    }

    pub(crate) fn optional(self, name: Option<String>) -> Option<String> {
        name.map(|name| self.name(&name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn select(range: Range, size: u64) -> Option<(u64, u64)> {
        Selection::new(Some(&range), size).ok().map(|selection| (selection.start, selection.length))
    }

    /// Promise 5: a range that has no bytes is refused, never answered with none.
    #[test]
    fn ranges_are_those_of_rfc_9110() {
        assert_eq!(select(Range::Int { first: 0, last: Some(0) }, 10), Some((0, 1)));
        assert_eq!(select(Range::Int { first: 9, last: Some(99) }, 10), Some((9, 1)));
        assert_eq!(select(Range::Int { first: 3, last: None }, 10), Some((3, 7)));
        assert_eq!(select(Range::Suffix { length: 4 }, 10), Some((6, 4)));
        assert_eq!(select(Range::Suffix { length: 99 }, 10), Some((0, 10)));
        assert_eq!(select(Range::Int { first: 10, last: None }, 10), None);
        assert_eq!(select(Range::Suffix { length: 0 }, 10), None);
        assert_eq!(select(Range::Suffix { length: 1 }, 0), None);
        assert_eq!(select(Range::Int { first: 0, last: None }, 0), None);
    }

    #[test]
    fn names_are_encoded_so_that_xml_can_hold_them() {
        let url = s3s::dto::EncodingType::from_static(s3s::dto::EncodingType::URL);
        assert_eq!(Naming::new(Some(&url)).name("a b/+%\u{1}é"), "a%20b/%2B%25%01%C3%A9");
        assert_eq!(Naming::new(None).name("a b"), "a b");
    }
}
