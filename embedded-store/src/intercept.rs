//! A hook between the network and the store: tests number the calls with it, and cut there.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use http::{HeaderMap, Method, StatusCode, Uri};
use percent_encoding::percent_decode_str;

use crate::native::Target;

/// One request, as an [`Intercept`] sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The requests to one [`crate::Handle`] are numbered from 1 in the order in which their heads arrive.
    pub sequence: u64,
    /// The HTTP method.
    pub method: Method,
    /// The bucket, unless the request is about none.
    pub bucket: Option<String>,
    /// The key, unless the request is about none.
    pub key: Option<String>,
    /// The operation's name in S3's API, such as `PutObject`, by whichever API it came; `Other` for one that S3 does not
    /// have.
    pub operation: &'static str,
    /// The bytes of its body as they are on the wire, where its head says how many there are.
    pub body_bytes: u64,
}

/// What to do with a request before the store sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Before {
    /// Handle it.
    #[default]
    Proceed,
    /// Read it, and answer this status without handling it. 503 says `SlowDown`, 500 `InternalError`.
    Answer(StatusCode),
    /// Close the connection at once: nothing has happened.
    Drop,
    /// Handle it, but lose the connection once this many bytes of its body (as they are on the wire) were read.
    CutRequest(u64),
}

/// What to do with an answer once the store has done what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum After {
    /// Send it.
    #[default]
    Proceed,
    /// Answer this status instead, although it was done.
    Answer(StatusCode),
    /// Close the connection: it was done, and the answer is lost.
    Drop,
    /// Send the head and up to this many bytes of the body (fewer if the client reads slowly), then close the
    /// connection.
    CutAnswer(u64),
}

/// Is asked about every request, on the thread that serves it: it must not block.
pub trait Intercept: Send + Sync + 'static {
    /// Called when the request's head has arrived.
    fn before(&self, call: &Call) -> Before {
        let _ = call;
        Before::Proceed
    }

    /// Called when the store has handled the request, with the status that it is about to answer.
    fn after(&self, call: &Call, status: StatusCode) -> After {
        let _ = (call, status);
        After::Proceed
    }
}

impl Call {
    pub(crate) fn new(sequence: u64, method: &Method, uri: &Uri, headers: &HeaderMap) -> Self {
        let length = headers.get(http::header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
        let body_bytes = length.and_then(|length| length.parse().ok()).unwrap_or_default();
        if Target::is_native(uri) {
            let target = Target::of(uri);
            let operation = target.operation(method);
            let Target { bucket, object: key, .. } = target;
            return Self { sequence, method: method.clone(), bucket, key, operation, body_bytes };
        }
        let decoded = |part: &str| percent_decode_str(part).decode_utf8_lossy().into_owned();
        let path = uri.path().strip_prefix('/').unwrap_or_default();
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        let name = |part: &str| (!part.is_empty()).then(|| decoded(part));
        let (bucket, key) = (name(bucket), name(key));
        let copies = headers.contains_key("x-amz-copy-source");
        let has = |wanted: &str| {
            let query = uri.query().unwrap_or_default();
            query.split('&').any(|pair| pair.split('=').next() == Some(wanted))
        };
        let operation = match (bucket.is_some(), key.is_some()) {
            (_, true) => object_operation(method, has, copies),
            (true, false) => bucket_operation(method, has),
            (false, false) if method == Method::GET => "ListBuckets",
            (false, false) => OTHER,
        };
        Self { sequence, method: method.clone(), bucket, key, operation, body_bytes }
    }
}

const OTHER: &str = "Other";

fn object_operation(method: &Method, has: impl Fn(&str) -> bool, copies: bool) -> &'static str {
    match method.as_str() {
        "GET" if has("uploadId") => "ListParts",
        "GET" => "GetObject",
        "HEAD" => "HeadObject",
        "PUT" if has("partNumber") && copies => "UploadPartCopy",
        "PUT" if has("partNumber") => "UploadPart",
        "PUT" if copies => "CopyObject",
        "PUT" => "PutObject",
        "POST" if has("uploads") => "CreateMultipartUpload",
        "POST" if has("uploadId") => "CompleteMultipartUpload",
        "DELETE" if has("uploadId") => "AbortMultipartUpload",
        "DELETE" => "DeleteObject",
        _ => OTHER,
    }
}

fn bucket_operation(method: &Method, has: impl Fn(&str) -> bool) -> &'static str {
    match method.as_str() {
        "GET" if has("uploads") => "ListMultipartUploads",
        "GET" if has("location") => "GetBucketLocation",
        "GET" if has("list-type") => "ListObjectsV2",
        "GET" => "ListObjects",
        "HEAD" => "HeadBucket",
        "PUT" => "CreateBucket",
        "POST" if has("delete") => "DeleteObjects",
        _ => OTHER,
    }
}

/// Counts requests by operation.
#[derive(Debug, Default)]
pub(crate) struct Counts(Mutex<BTreeMap<&'static str, u64>>);

impl Counts {
    /// Counts a request and returns how many there were of any kind, it included.
    pub(crate) fn add(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Call {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sequence = counts.values().sum::<u64>() + 1;
        let call = Call::new(sequence, method, uri, headers);
        *counts.entry(call.operation).or_default() += 1;
        call
    }

    pub(crate) fn get(&self) -> BTreeMap<&'static str, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A cut must hit the call that it is meant for: each is told from the others by S3's rules.
    #[test]
    fn operations_are_told_apart() {
        for (method, target, copies, operation) in [
            ("GET", "/", false, "ListBuckets"),
            ("PUT", "/b", false, "CreateBucket"),
            ("HEAD", "/b/", false, "HeadBucket"),
            ("GET", "/b?location", false, "GetBucketLocation"),
            ("GET", "/b/?list-type=2&prefix=uploads", false, "ListObjectsV2"),
            ("GET", "/b/?prefix=list-type", false, "ListObjects"),
            ("GET", "/b?uploads", false, "ListMultipartUploads"),
            ("POST", "/b/?delete", false, "DeleteObjects"),
            ("PUT", "/b/k?x-id=PutObject", false, "PutObject"),
            ("PUT", "/b/k", true, "CopyObject"),
            ("PUT", "/b/k?partNumber=1&uploadId=u", false, "UploadPart"),
            ("PUT", "/b/k?partNumber=1&uploadId=u", true, "UploadPartCopy"),
            ("POST", "/b/k?uploads", false, "CreateMultipartUpload"),
            ("POST", "/b/k?uploadId=u", false, "CompleteMultipartUpload"),
            ("DELETE", "/b/k?uploadId=u", false, "AbortMultipartUpload"),
            ("GET", "/b/k?uploadId=u", false, "ListParts"),
            ("GET", "/b/k", false, "GetObject"),
            ("HEAD", "/b/k", false, "HeadObject"),
            ("DELETE", "/b/k", false, "DeleteObject"),
            ("GET", "/b/k?tagging", false, "GetObject"),
            ("PATCH", "/b/k", false, "Other"),
        ] {
            let mut headers = HeaderMap::new();
            if copies {
                headers.insert("x-amz-copy-source", "b/k".parse().unwrap());
            }
            let call = Call::new(1, &method.parse().unwrap(), &target.parse().unwrap(), &headers);
            assert_eq!(call.operation, operation, "{method} {target}");
        }
    }

    #[test]
    fn bucket_and_key_are_decoded() {
        let call = Call::new(7, &Method::GET, &"/b/a%2Fb//%C3%A9/?x".parse().unwrap(), &HeaderMap::new());
        assert_eq!((call.bucket.as_deref(), call.key.as_deref()), (Some("b"), Some("a/b//é/")));
    }
}
