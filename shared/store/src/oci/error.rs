//! What Object Storage's refusals mean. A status alone is not enough: its `code` counts.

use jiff::Timestamp;
use landfall_http::auth::oci::clock_skew;
use landfall_http::{Answer, ErrorKind, Failure, HttpError};

use super::answers::Refusal;
use crate::error::{Described, StoreError};

/// A refusal's own words.
pub(super) fn refusal(answer: &Answer) -> Refusal {
    serde_json::from_slice(&answer.body).unwrap_or_default()
}

/// Whether a refusal will have passed in a moment. Of a bucket that was there a moment ago OCI has been seen to say, for
/// a while and now and then, that it is not.
pub(super) fn is_passing(answer: &Answer, is_bucket_known: bool) -> bool {
    match (answer.status.as_u16(), refusal(answer).code.as_str()) {
        (409, "IncorrectState" | "LockConflict") => true,
        (404, "BucketNotFound") => is_bucket_known,
        _ => false,
    }
}

/// What a refusal is to whoever called.
pub(super) fn refused(operation: &'static str, object: String, answer: &Answer) -> StoreError {
    let status = answer.status.as_u16();
    let refusal = refusal(answer);
    let source = described(answer, &refusal);
    let is_of_upload = matches!(
        operation,
        "UploadPart" | "CommitMultipartUpload" | "AbortMultipartUpload" | "ListMultipartUploadParts"
    );
    match (refusal.code.as_str(), status) {
        ("BucketNotFound", _) => StoreError::HiddenBucket { operation, object, source },
        ("NotAuthorizedOrNotFound" | "NotAuthorized" | "NotAllowed", _) | (_, 401 | 403) => {
            StoreError::Denied { operation, object, source }
        }
        (_, 404) if is_of_upload => StoreError::NoSuchUpload { operation, object },
        (_, 404) => StoreError::NoSuchObject { operation, object },
        (_, 412) => StoreError::Changed { operation, object },
        (code, 400) if is_about_digest(code) => StoreError::BadDigest { operation, object, source },
        (code, 400) if code.contains("UploadPart") => StoreError::InvalidParts { operation, object, source },
        (_, 405 | 501) => StoreError::NotImplemented { operation, object, source },
        (_, 429) => StoreError::Throttled { operation, object, source },
        (_, 409) => StoreError::Contended { operation, object, source },
        (_, 500..) => StoreError::Unavailable { operation, object, source },
        _ => StoreError::Refused { operation, object, source },
    }
}

/// `UnmatchedContentMD5`, and its like for the other checksums.
fn is_about_digest(code: &str) -> bool {
    let code = code.to_ascii_lowercase();
    code.starts_with("unmatched") || ["crc32c", "checksum", "sha256"].iter().any(|word| code.contains(word))
}

/// A refusal in words: code, status, request id, message.
fn described(answer: &Answer, refusal: &Refusal) -> Described {
    let status = answer.status.as_u16();
    let id = answer.headers.get("opc-request-id").and_then(|id| id.to_str().ok());
    let id = id.map(|id| format!(", request id {id}")).unwrap_or_default();
    match (refusal.code.as_str(), refusal.message.as_str()) {
        ("", "") => format!("HTTP {status}{id}").into(),
        (code, message) => format!("{code} (HTTP {status}{id}): {message}").into(),
    }
}

/// What a call that got no answer to read is to whoever made it. `told_time` is when its server says that it is.
pub(super) fn failed(
    operation: &'static str,
    object: String,
    error: &HttpError,
    (now, told_time): (Timestamp, Option<Timestamp>),
) -> StoreError {
    let line = landfall_http::chain(error);
    let source = Described::from(match (error.kind(), told_time.and_then(|told| clock_skew(now, told))) {
        (ErrorKind::AuthRejected, Some(skew)) => format!("{skew}; {line}"),
        _ if matches!(error.failure(), Failure::Unreachable(_)) => {
            format!("{line} (is this the region, and may it be called from here?)")
        }
        _ => line,
    });
    match error.kind() {
        ErrorKind::Throttled => StoreError::Throttled { operation, object, source },
        ErrorKind::AuthRejected => StoreError::Denied { operation, object, source },
        ErrorKind::InvalidSettings => {
            StoreError::Unsigned { operation, object, is_about_settings: true, source }
        }
        ErrorKind::Unavailable | ErrorKind::TokenStoreUnavailable | ErrorKind::RateLimited => {
            StoreError::Unavailable { operation, object, source }
        }
        _ => StoreError::Refused { operation, object, source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever checksum does not fit, it is known as one.
    #[test]
    fn checksums_that_do_not_fit_are_known() {
        for code in ["UnmatchedContentMD5", "UnmatchedContentCrc32c", "ChecksumMismatch", "InvalidCrc32c"] {
            assert!(is_about_digest(code), "{code}");
        }
        assert!(!is_about_digest("InvalidParameter"));
    }
}
