//! A store that takes no more than OCI Object Storage is known to take.
//!
//! What it refuses is what users of Oracle's Amazon S3 Compatibility API have met, in the words that they were
//! answered, and beyond that whatever the API does not document: what is written for this store asks for nothing that
//! OCI may not have. Public origins: Oracle's "Object Storage Amazon S3 Compatibility API Support" (the operations);
//! activepieces issue 14110, nessie issue 11441, lakeFS issue 2527 and icechunk issue 2109 (the refusals); Oracle's
//! release notes of 17 July 2026, since when some of them are history.

use http::{HeaderMap, StatusCode, header};
use s3s::{S3Error, S3ErrorCode};

use crate::intercept::Call;

/// What a part that is not the last must have more than: OCI's own API wants more than 10 MiB.
pub(crate) const MIN_PART_BYTES: u64 = (10 << 20) + 1;

/// The store in one of OCI's regions.
#[derive(Debug, Clone)]
pub(crate) struct Strict {
    pub(crate) region: String,
}

impl Strict {
    /// Why a request is refused, if it is.
    pub(crate) fn refusal(&self, call: &Call, headers: &HeaderMap) -> Option<S3Error> {
        let refused = self
            .signed_for_elsewhere(headers)
            .or_else(|| undocumented(call.operation))
            .or_else(|| chunked(headers))
            .or_else(|| without_length(call, headers))
            .or_else(|| unproven_deletion(call, headers))
            .or_else(|| condition(call, headers))
            .or_else(|| checksum(call, headers));
        refused.map(|mut error| {
            let mut answered = HeaderMap::new();
            answered.insert(header::CONTENT_TYPE, http::HeaderValue::from_static("application/xml"));
            if let Ok(id) = http::HeaderValue::try_from(format!("{}-1:{}", self.region, call.sequence)) {
                answered.insert("opc-request-id", id);
            }
            error.set_headers(answered);
            error
        })
    }

    /// Signatures are for the region's own name.
    fn signed_for_elsewhere(&self, headers: &HeaderMap) -> Option<S3Error> {
        let scope = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split("Credential=").nth(1)?;
        let region = scope.split('/').nth(2)?;
        (region != self.region).then(|| {
            let code = S3ErrorCode::SignatureDoesNotMatch;
            refused(code, StatusCode::FORBIDDEN, "The secret key required to complete authentication could not be found. The region must be specified if this is not the home region for the tenancy.")
        })
    }
}

fn refused(code: S3ErrorCode, status: StatusCode, message: &'static str) -> S3Error {
    let mut error = S3Error::with_message(code, message);
    error.set_status_code(status);
    error
}

fn not_implemented(message: &'static str) -> S3Error {
    refused(S3ErrorCode::NotImplemented, StatusCode::NOT_IMPLEMENTED, message)
}

fn invalid(message: &'static str) -> S3Error {
    refused(S3ErrorCode::InvalidRequest, StatusCode::BAD_REQUEST, message)
}

/// Of the listings only the first is documented. That copies are, landfall need not know: it makes none there.
fn undocumented(operation: &str) -> Option<S3Error> {
    match operation {
        "ListObjectsV2" => Some(not_implemented("ListObjectsV2 is not documented")),
        "CopyObject" | "UploadPartCopy" => Some(not_implemented("no copy is expected here")),
        _ => None,
    }
}

fn chunked(headers: &HeaderMap) -> Option<S3Error> {
    let encoding = text(headers, "content-encoding");
    match text(headers, "x-amz-content-sha256") {
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" => {
            Some(not_implemented("STREAMING-AWS4-HMAC-SHA256-PAYLOAD is not supported"))
        }
        digest if digest.starts_with("STREAMING-") => {
            Some(invalid("x-amz-content-sha256 must be UNSIGNED-PAYLOAD or a valid sha256 value."))
        }
        _ if encoding.contains("aws-chunked") => Some(not_implemented("AWS chunked encoding not supported")),
        _ => None,
    }
}

fn without_length(call: &Call, headers: &HeaderMap) -> Option<S3Error> {
    let sends =
        matches!(call.operation, "PutObject" | "UploadPart" | "CompleteMultipartUpload" | "DeleteObjects");
    let lacks = sends && !headers.contains_key(header::CONTENT_LENGTH);
    lacks.then(|| {
        let code = S3ErrorCode::MissingContentLength;
        refused(code, StatusCode::LENGTH_REQUIRED, "The content-length header is required")
    })
}

fn unproven_deletion(call: &Call, headers: &HeaderMap) -> Option<S3Error> {
    let proofs = ["content-md5", "x-amz-checksum-sha256", "x-amz-checksum-crc32c"];
    let lacks = call.operation == "DeleteObjects" && !proofs.iter().any(|proof| headers.contains_key(*proof));
    lacks.then(|| {
        invalid("Missing required header for this request: Content-MD5 or x-amz-checksum-sha256 or x-amz-checksum-crc32c")
    })
}

/// OCI's own API takes conditions of single puts and not of parts; its S3 API documents none.
fn condition(call: &Call, headers: &HeaderMap) -> Option<S3Error> {
    let writes = !matches!(call.method, http::Method::GET | http::Method::HEAD);
    let conditions = [header::IF_MATCH, header::IF_NONE_MATCH];
    let has_one = writes && conditions.iter().any(|condition| headers.contains_key(condition));
    has_one.then(|| invalid("conditions of writes are not documented"))
}

/// Checksums besides `Content-MD5` are documented for `DeleteObjects` alone.
fn checksum(call: &Call, headers: &HeaderMap) -> Option<S3Error> {
    let is_one = |name: &str| name.starts_with("x-amz-checksum-") || name.starts_with("x-amz-sdk-checksum");
    let has_one = headers.keys().any(|name| is_one(name.as_str()) || name == "x-amz-trailer");
    (has_one && call.operation != "DeleteObjects")
        .then(|| invalid("checksums but Content-MD5 are not documented"))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;

    fn refusal(
        method: &Method,
        target: &str,
        headers: &[(&'static str, &'static str)],
    ) -> Option<(u16, String)> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, http::HeaderValue::from_static(value));
        }
        let call = Call::new(7, method, &target.parse().unwrap(), &map);
        let error = Strict { region: "us-phoenix-1".to_owned() }.refusal(&call, &map)?;
        let status = error.status_code().unwrap().as_u16();
        Some((status, error.message().unwrap_or_default().to_owned()))
    }

    const LENGTH: (&str, &str) = ("content-length", "4");

    /// The words are those that OCI's users have met.
    #[test]
    fn what_oci_refuses_is_refused_in_its_words() {
        for (method, target, header, status, said) in [
            ("PUT", "/b/k", ("content-encoding", "aws-chunked"), 501, "AWS chunked encoding not supported"),
            (
                "PUT",
                "/b/k",
                ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
                400,
                "x-amz-content-sha256 must be UNSIGNED-PAYLOAD or a valid sha256 value.",
            ),
            (
                "PUT",
                "/b/k",
                ("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
                501,
                "STREAMING-AWS4-HMAC-SHA256-PAYLOAD is not supported",
            ),
            (
                "POST",
                "/b?delete",
                ("x-amz-checksum-crc32", "AAAAAA=="),
                400,
                "Missing required header for this request: Content-MD5 or x-amz-checksum-sha256 or x-amz-checksum-crc32c",
            ),
            ("PUT", "/b/k", ("if-none-match", "*"), 400, "conditions of writes are not documented"),
            ("POST", "/b/k?uploadId=u", ("if-match", "e"), 400, "conditions of writes are not documented"),
            (
                "PUT",
                "/b/k",
                ("x-amz-checksum-crc64nvme", "A"),
                400,
                "checksums but Content-MD5 are not documented",
            ),
            (
                "HEAD",
                "/b/k",
                ("x-amz-checksum-mode", "ENABLED"),
                400,
                "checksums but Content-MD5 are not documented",
            ),
            ("GET", "/b?list-type=2", ("accept", "*/*"), 501, "ListObjectsV2 is not documented"),
            (
                "GET",
                "/b/k",
                ("authorization", "AWS4-HMAC-SHA256 Credential=id/20261122/us-east-1/s3/aws4_request, x"),
                403,
                "The secret key required to complete authentication could not be found. The region must be specified if this is not the home region for the tenancy.",
            ),
        ] {
            let refused = refusal(&method.parse().unwrap(), target, &[LENGTH, header]);
            assert_eq!(refused, Some((status, said.to_owned())), "{method} {target} {header:?}");
        }
        let without_length = refusal(&Method::PUT, "/b/k", &[("content-md5", "A")]);
        assert_eq!(without_length.unwrap().0, 411);
    }

    /// What landfall sends there passes.
    #[test]
    fn what_oci_documents_passes() {
        for (method, target, header) in [
            ("PUT", "/b/k", ("content-md5", "A")),
            ("PUT", "/b/k?partNumber=1&uploadId=u", ("x-amz-content-sha256", "UNSIGNED-PAYLOAD")),
            ("GET", "/b?marker=k", ("accept", "*/*")),
            ("GET", "/b/k", ("if-match", "e")),
            ("POST", "/b?delete", ("content-md5", "A")),
            (
                "GET",
                "/b/k",
                ("authorization", "AWS4-HMAC-SHA256 Credential=id/20261122/us-phoenix-1/s3/aws4_request, x"),
            ),
        ] {
            let refused = refusal(&method.parse().unwrap(), target, &[LENGTH, header]);
            assert_eq!(refused, None, "{method} {target} {header:?}");
        }
    }
}
