//! OCI Object Storage, called by its own API, which has conditional writes and knows the principals of Oracle's cloud.
//!
//! It verifies the CRC-32C of each object and each part before it takes them. It copies no range into a part, and whole
//! objects in its own time, without saying which checksums a copy has: nothing is copied here.

mod answers;
mod error;
mod list;
mod session;
mod settings;
#[cfg(test)]
mod tests;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use landfall_http::clock::Clock;
use landfall_http::{Request, Streamed};
use tokio::sync::OnceCell;

use self::answers::{BucketState, PartToCommit, RetentionRules, Upload, UploadToBegin, UploadToCommit};
use self::session::{Session, name_in_path, query};
use crate::checksum::{Crc64Nvme, crc32c_base64};
use crate::error::{Described, Result, StoreError, Unmeasured};
use crate::object::{Condition, Object, ObjectInfo, Part, Written, content_type, listed};

pub use settings::{BucketRules, OciSettings, Tenancy};

const CHECKSUM_ALGORITHM: HeaderName = HeaderName::from_static("opc-checksum-algorithm");
const CRC32C: HeaderName = HeaderName::from_static("opc-content-crc32c");

/// The slowest that bytes may go before a call is given up, a second.
const MIN_BYTES_PER_SECOND: u64 = 64 << 10;
/// How long a call may take besides its bytes.
const CALL_TIME: Duration = Duration::from_secs(60);

/// A bucket, found at its first call.
#[derive(Debug, Clone)]
pub(crate) struct OciBucket {
    bucket: String,
    settings: Arc<OciSettings>,
    clock: Arc<dyn Clock>,
    session: Arc<OnceCell<Session>>,
}

/// A call as messages name it: what is asked, of what.
type Named<'a> = (&'static str, &'a str);

impl OciBucket {
    /// A bucket that nothing is known of yet.
    pub(crate) fn new(bucket: &str, settings: &OciSettings, clock: Arc<dyn Clock>) -> Self {
        Self {
            bucket: bucket.to_owned(),
            settings: Arc::new(settings.clone()),
            clock,
            session: Arc::default(),
        }
    }

    fn object(&self, key: &str) -> String {
        format!("oci://{}/{key}", self.bucket)
    }

    async fn session(&self, (operation, object): Named<'_>) -> Result<&Session> {
        let open = || Session::open(&self.settings, Arc::clone(&self.clock), (operation, object.to_owned()));
        self.session.get_or_try_init(open).await
    }

    /// Who calls, and where to.
    pub(crate) async fn tenancy(&self) -> Result<Tenancy> {
        Ok(self.session(("GetNamespace", &self.object(""))).await?.tenancy().clone())
    }

    /// What the bucket does with objects by itself.
    pub(crate) async fn rules(&self) -> Result<BucketRules> {
        let object = self.object("");
        let named = ("GetBucket", object.as_str());
        let session = self.session(named).await?;
        let answer = session.call(named, session.request(named, Method::GET, &self.bucket, "")?).await?;
        let state: BucketState = answer.json().map_err(|error| session.failed(named, &error))?;
        let named = ("ListRetentionRules", object.as_str());
        let request = session.request(named, Method::GET, &self.bucket, "/retentionRules")?;
        let answer = session.call(named, request).await?;
        let rules: RetentionRules = answer.json().map_err(|error| session.failed(named, &error))?;
        Ok(BucketRules {
            storage_tier: state.storage_tier,
            auto_tiering: state.auto_tiering.is_some_and(|kind| !kind.eq_ignore_ascii_case("disabled")),
            retention_rules: rules
                .items
                .into_iter()
                .map(|rule| rule.display_name.unwrap_or(rule.id))
                .collect(),
        })
    }

    /// A request about an object.
    fn about(&self, session: &Session, named: Named<'_>, method: Method, key: &str) -> Result<Request> {
        session.request(named, method, &self.bucket, &format!("/o/{}", name_in_path(key)))
    }

    /// What is there under a key.
    pub(crate) async fn head(&self, key: &str) -> Result<Option<ObjectInfo>> {
        let object = self.object(key);
        let named = ("HeadObject", object.as_str());
        let session = self.session(named).await?;
        match session.call(named, self.about(session, named, Method::HEAD, key)?).await {
            Ok(answer) => self.measured(key, &answer.headers).await.map(Some),
            // The answer to a HEAD has no body, so it does not say what is missing: the bucket may be.
            Err(StoreError::NoSuchObject { .. }) => self.look_again(session, key).await,
            Err(error) => Err(error),
        }
    }

    /// Looks for what a HEAD has not found by a call whose refusal says what it means.
    async fn look_again(&self, session: &Session, key: &str) -> Result<Option<ObjectInfo>> {
        let object = self.object(key);
        let named = ("GetObject", object.as_str());
        let request = self.about(session, named, Method::GET, key)?.with(header::ACCEPT, any());
        match session.open_object(named, request).await {
            Ok(answer) => self.measured(key, &answer.headers).await.map(Some),
            Err(StoreError::NoSuchObject { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What the headers of an answer say of an object; a list where something on the way has left it out.
    async fn measured(&self, key: &str, headers: &HeaderMap) -> Result<ObjectInfo> {
        match (number(headers, &header::CONTENT_LENGTH), text(headers, &header::ETAG)) {
            (Some(size), Some(etag)) => {
                let (key, etag) = (key.to_owned(), etag.to_owned());
                Ok(ObjectInfo { key, size, etag, crc64nvme: None, modified: None })
            }
            _ => {
                let listed = listed(self.pages(key), key).await?;
                listed.ok_or_else(|| StoreError::body("HeadObject", self.object(key), Unmeasured))
            }
        }
    }

    /// Reads a small object whole; one larger than `max` bytes is refused.
    pub(crate) async fn read(&self, key: &str, max: u64) -> Result<Option<Object>> {
        let object = self.object(key);
        let named = ("GetObject", object.as_str());
        let session = self.session(named).await?;
        let request = self.about(session, named, Method::GET, key)?.with(header::ACCEPT, any());
        let answer = match session.open_object(named, request).await {
            Ok(answer) => answer,
            Err(StoreError::NoSuchObject { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let size = number(&answer.headers, &header::CONTENT_LENGTH);
        if size.is_some_and(|size| size > max) {
            return Err(StoreError::TooLarge { object, max });
        }
        let etag = etag(&answer.headers);
        let mut bytes =
            Vec::with_capacity(size.and_then(|size| usize::try_from(size).ok()).unwrap_or_default());
        let mut body = bytes_of(answer, object.clone());
        while let Some(piece) = body.try_next().await? {
            bytes.extend_from_slice(&piece);
            if u64::try_from(bytes.len()).map_or(true, |length| length > max) {
                return Err(StoreError::TooLarge { object, max });
            }
        }
        let found = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        match size {
            Some(size) if size != found => Err(StoreError::body("GetObject", object, Short { found, size })),
            _ => Ok(Some(Object { bytes: bytes.into(), etag })),
        }
    }

    /// The bytes of a range of an object that must still have this `ETag`, as they come.
    pub(crate) async fn range(
        &self,
        key: &str,
        etag: &str,
        range: &Range<u64>,
    ) -> Result<BoxStream<'static, Result<Bytes>>> {
        let object = self.object(key);
        let named = ("GetObject", object.as_str());
        let session = self.session(named).await?;
        let last = range.end.saturating_sub(1);
        let request = self.about(session, named, Method::GET, key)?;
        let request = request
            .with(header::ACCEPT, any())
            .with(header::IF_MATCH, value(named, etag)?)
            .with(header::RANGE, value(named, &format!("bytes={}-{last}", range.start))?);
        let answer = session.open_object(named, request).await?;
        if answer.status != StatusCode::PARTIAL_CONTENT {
            return Err(StoreError::body("GetObject", object, NoRange { status: answer.status }));
        }
        Ok(bytes_of(answer, object))
    }

    /// Writes a small object in one call.
    pub(crate) async fn put(&self, key: &str, bytes: Bytes, condition: Condition<'_>) -> Result<Written> {
        let object = self.object(key);
        let named = ("PutObject", object.as_str());
        let session = self.session(named).await?;
        let request = self.about(session, named, Method::PUT, key)?;
        let request = request.with(header::CONTENT_TYPE, HeaderValue::from_static(content_type(key)));
        let request = conditional(named, carrying(named, request, bytes)?, condition)?;
        Written::of(session.call(named, request).await.map(|answer| etag(&answer.headers)), condition)
    }

    /// Deletes an object; one that is not there is no error.
    pub(crate) async fn delete(&self, key: &str) -> Result<()> {
        let object = self.object(key);
        let named = ("DeleteObject", object.as_str());
        let session = self.session(named).await?;
        match session.call(named, self.about(session, named, Method::DELETE, key)?).await {
            Ok(_) | Err(StoreError::NoSuchObject { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Begins a multipart upload.
    pub(crate) async fn create_upload(&self, key: &str) -> Result<String> {
        let object = self.object(key);
        let named = ("CreateMultipartUpload", object.as_str());
        let session = self.session(named).await?;
        let request = session.request(named, Method::POST, &self.bucket, "/u")?;
        let request = request.with(CHECKSUM_ALGORITHM, HeaderValue::from_static("CRC32C"));
        let begun = UploadToBegin { object: key, content_type: content_type(key) };
        let answer = session.call(named, posting(named, request, &begun)?).await?;
        let upload: Upload = answer.json().map_err(|error| session.failed(named, &error))?;
        Ok(upload.upload_id)
    }

    /// A request about an upload.
    fn about_upload(
        &self,
        session: &Session,
        named: Named<'_>,
        method: Method,
        (key, pairs): (&str, &[(&str, &str)]),
    ) -> Result<Request> {
        let behind = format!("/u/{}?{}", name_in_path(key), query(pairs));
        session.request(named, method, &self.bucket, &behind)
    }

    /// Uploads one part. The store verifies its checksum.
    pub(crate) async fn upload_part(
        &self,
        (key, upload_id): (&str, &str),
        number: i32,
        bytes: Bytes,
        crc64nvme: Crc64Nvme,
    ) -> Result<Part> {
        let object = self.object(key);
        let named = ("UploadPart", object.as_str());
        let session = self.session(named).await?;
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let pairs = [("uploadId", upload_id), ("uploadPartNum", &number.to_string())];
        let request = self.about_upload(session, named, Method::PUT, (key, &pairs))?;
        let request =
            request.with(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        let answer = session.call(named, carrying(named, request, bytes)?).await?;
        Ok(Part { number, etag: etag(&answer.headers), size, crc64nvme: Some(crc64nvme) })
    }

    /// Makes the parts of an upload one object.
    pub(crate) async fn complete(
        &self,
        key: &str,
        upload_id: &str,
        parts: &[Part],
        condition: Condition<'_>,
    ) -> Result<Written> {
        let object = self.object(key);
        let named = ("CommitMultipartUpload", object.as_str());
        let session = self.session(named).await?;
        let parts = parts.iter().map(|part| PartToCommit { part_num: part.number, etag: &part.etag });
        let committed = UploadToCommit { parts_to_commit: parts.collect() };
        let pairs = [("uploadId", upload_id)];
        let request = self.about_upload(session, named, Method::POST, (key, &pairs))?;
        let request = conditional(named, posting(named, request, &committed)?, condition)?;
        // A large object is put together in the call.
        let answer = session.call(named, request.within(CALL_TIME.saturating_mul(5))).await;
        Written::of(answer.map(|answer| etag(&answer.headers)), condition)
    }

    /// Gives an upload up; one that is gone already is no error.
    pub(crate) async fn abort_upload(&self, key: &str, upload_id: &str) -> Result<()> {
        let object = self.object(key);
        let named = ("AbortMultipartUpload", object.as_str());
        let session = self.session(named).await?;
        let request = self.about_upload(session, named, Method::DELETE, (key, &[("uploadId", upload_id)]))?;
        match session.call(named, request).await {
            Ok(_) | Err(StoreError::NoSuchUpload { .. } | StoreError::NoSuchObject { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// A request that carries bytes, with the checksum that the store holds them against.
fn carrying(named: Named<'_>, request: Request, bytes: Bytes) -> Result<Request> {
    let seconds = u64::try_from(bytes.len()).unwrap_or(u64::MAX) / MIN_BYTES_PER_SECOND;
    let request = request
        .with(CHECKSUM_ALGORITHM, HeaderValue::from_static("CRC32C"))
        .with(CRC32C, value(named, &crc32c_base64(&bytes))?);
    Ok(request.carrying(bytes).within(CALL_TIME.saturating_add(Duration::from_secs(seconds))))
}

/// A request that carries JSON.
fn posting(named: Named<'_>, request: Request, body: &impl serde::Serialize) -> Result<Request> {
    let body = serde_json::to_vec(body);
    let body = body.map_err(|error| unsendable(named, error.to_string()))?;
    Ok(request.with(header::CONTENT_TYPE, HeaderValue::from_static("application/json")).carrying(body.into()))
}

fn conditional(named: Named<'_>, request: Request, condition: Condition<'_>) -> Result<Request> {
    Ok(match condition {
        Condition::Absent => request.with(header::IF_NONE_MATCH, any_version()),
        Condition::Unchanged(etag) => request.with(header::IF_MATCH, value(named, etag)?),
        Condition::Always => request,
    })
}

fn bytes_of(answer: Streamed, object: String) -> BoxStream<'static, Result<Bytes>> {
    answer.body.map_err(move |error| StoreError::body("GetObject", object.clone(), error)).boxed()
}

fn etag(headers: &HeaderMap) -> String {
    text(headers, &header::ETAG).unwrap_or_default().to_owned()
}

fn number(headers: &HeaderMap, name: &HeaderName) -> Option<u64> {
    text(headers, name)?.parse().ok()
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn any() -> HeaderValue {
    HeaderValue::from_static("*/*")
}

fn any_version() -> HeaderValue {
    HeaderValue::from_static("*")
}

fn value(named: Named<'_>, text: &str) -> Result<HeaderValue> {
    HeaderValue::from_str(text).map_err(|error| unsendable(named, error.to_string()))
}

fn unsendable((operation, object): Named<'_>, reason: String) -> StoreError {
    StoreError::Refused { operation, object: object.to_owned(), source: Described::from(reason) }
}

#[derive(Debug, thiserror::Error)]
#[error("{found} bytes came of the {size} that were announced")]
struct Short {
    found: u64,
    size: u64,
}

#[derive(Debug, thiserror::Error)]
#[error("answered {status} to a range")]
struct NoRange {
    status: StatusCode,
}
