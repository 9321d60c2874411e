//! Answers in the forms of OCI's own API.

use std::time::SystemTime;

use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use jiff::Timestamp;
use s3s::{Body, S3Error};
use serde_json::{Value, json};

use crate::checksum::Algorithm;
use crate::record::Record;

/// What a call is refused with: a status, a code, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl Refusal {
    pub(super) fn new(status: u16, code: &'static str, message: &str) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { status, code, message: message.to_owned() }
    }

    pub(super) fn parameter(message: &str) -> Self {
        Self::new(400, "InvalidParameter", message)
    }

    pub(super) fn answer(self) -> Response<Body> {
        let mut response = json_answer(&json!({ "code": self.code, "message": self.message }));
        *response.status_mut() = self.status;
        response
    }
}

/// What the store refuses, in OCI's words. Those of `BucketNotFound`, `ObjectNotFound` and `UnmatchedContentMD5` are the
/// real service's; the others are not known to be.
impl From<S3Error> for Refusal {
    fn from(error: S3Error) -> Self {
        let (status, code) = match error.code().as_str() {
            "NoSuchBucket" | "InvalidBucketName" => (404, "BucketNotFound"),
            "NoSuchKey" => (404, "ObjectNotFound"),
            "NoSuchUpload" => (404, "NoSuchUpload"),
            "PreconditionFailed" => (412, "IfMatchFailed"),
            "NotModified" => (304, "NotModified"),
            "BadDigest" | "InvalidDigest" => (400, "UnmatchedContentMD5"),
            "InvalidRange" => (416, "InvalidRange"),
            "EntityTooSmall" | "InvalidPart" | "InvalidPartOrder" | "MalformedXML" => {
                (400, "InvalidUploadPart")
            }
            "KeyTooLongError" => (400, "InvalidObjectName"),
            "BucketAlreadyExists" | "BucketAlreadyOwnedByYou" => (409, "BucketAlreadyExists"),
            "InternalError" => (500, "InternalServerError"),
            _ => (400, "InvalidParameter"),
        };
        Self::new(status, code, error.message().unwrap_or_default())
    }
}

/// The failures of a condition are told apart by the header that asked for it.
pub(super) fn of_condition(error: S3Error, is_for_absence: bool) -> Refusal {
    match error.code().as_str() {
        "PreconditionFailed" if is_for_absence => Refusal::new(
            412,
            "IfNoneMatchFailed",
            "The If-None-Match header is '*' but there is an existing entity",
        ),
        // What is not there has no version.
        "PreconditionFailed" | "NoSuchKey" => {
            Refusal::new(412, "IfMatchFailed", "The If-Match header is not the etag of the existing entity")
        }
        _ => error.into(),
    }
}

pub(super) fn json_answer(value: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(value.to_string()));
    set(&mut response, &header::CONTENT_TYPE, "application/json");
    response
}

pub(super) fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// Sets a header; what no header can carry is left out.
pub(super) fn set(response: &mut Response<Body>, name: &HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// What is said of an object or a part by headers.
pub(super) fn describe(response: &mut Response<Body>, record: &Record) {
    let facts = &record.facts;
    set(response, &header::ETAG, &record.version());
    let opc = |name: &'static str| HeaderName::from_static(name);
    if facts.etag.contains('-') {
        set(response, &opc("opc-multipart-md5"), &facts.etag);
    } else if let Some(md5) = md5(record) {
        set(response, &opc("opc-content-md5"), &md5);
    }
    for (algorithm, name) in
        [(Algorithm::Crc32c, "opc-content-crc32c"), (Algorithm::Sha256, "opc-content-sha256")]
    {
        if let Some(value) = facts.checksums.get(algorithm) {
            set(response, &opc(name), &value);
        }
    }
}

/// An object's MD5 as OCI tells it; none of one that was made of parts.
pub(super) fn md5(record: &Record) -> Option<String> {
    use base64::Engine as _;
    let bytes = hex::decode(&record.facts.etag).ok()?;
    Some(base64::engine::general_purpose::STANDARD.encode(bytes))
}

/// A moment as OCI writes it in JSON.
pub(super) fn moment(time: SystemTime) -> String {
    let time = Timestamp::try_from(time).unwrap_or(Timestamp::UNIX_EPOCH);
    time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// A moment as headers have it.
pub(super) fn http_date(time: SystemTime) -> String {
    let time = Timestamp::try_from(time).unwrap_or(Timestamp::UNIX_EPOCH);
    jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&time).unwrap_or_default()
}
