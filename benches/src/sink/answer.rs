//! The sink's answers, in S3's XML where S3 has some.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::Full;

use super::state::Object;

pub(super) type Answer = Response<Full<Bytes>>;

/// Nothing here changes, so nothing needs a date of its own.
const LAST_MODIFIED: &str = "Sat, 21 Nov 2026 06:00:00 GMT";

pub(super) fn empty(status: StatusCode) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::new()));
    *answer.status_mut() = status;
    answer
}

pub(super) fn with(mut answer: Answer, name: &'static str, value: &str) -> Answer {
    if let Ok(value) = http::HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
    answer
}

pub(super) fn text(content_type: &str, text: String) -> Answer {
    with(Response::new(Full::new(text.into())), "content-type", content_type)
}

pub(super) fn xml(root: &str, content: &str) -> Answer {
    const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";
    let document = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{root} xmlns=\"{NAMESPACE}\">{content}</{root}>"
    );
    text("application/xml", document)
}

pub(super) fn error(status: StatusCode, code: &str, message: &str) -> Answer {
    let document = format!("<Error><Code>{code}</Code><Message>{}</Message></Error>", escape(message));
    let mut answer = text("application/xml", document);
    *answer.status_mut() = status;
    answer
}

pub(super) fn no_such_key() -> Answer {
    error(StatusCode::NOT_FOUND, "NoSuchKey", "there is no such object")
}

/// What is said of an object when it, or only its headers, are read.
pub(super) fn described(answer: Answer, object: &Object) -> Answer {
    let answer = with(answer, "etag", &object.etag());
    let answer = with(answer, "last-modified", LAST_MODIFIED);
    let answer = with(answer, "accept-ranges", "bytes");
    let answer = with(answer, "content-type", "application/octet-stream");
    with(answer, "x-amz-checksum-crc64nvme", &base64(object.crc64))
}

pub(super) fn base64(crc64: u64) -> String {
    BASE64.encode(crc64.to_be_bytes())
}

/// One object in a list.
pub(super) fn listed(list: &mut String, key: &str, object: &Object) {
    let (key, etag, size) = (escape(key), escape(&object.etag()), object.size);
    let _ = write!(
        list,
        "<Contents><Key>{key}</Key><LastModified>2026-11-21T06:00:00.000Z</LastModified><ETag>{etag}</ETag>\
         <Size>{size}</Size><StorageClass>STANDARD</StorageClass></Contents>"
    );
}

pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(other),
        }
    }
    escaped
}
