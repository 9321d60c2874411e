//! What S3's answers mean.

use std::error::Error as StdError;

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::RequestId as _;

use crate::error::{Described, StoreError};

/// So many characters of an answer that is none are shown.
const SHOWN_CHARS: usize = 120;

impl StoreError {
    /// What a call to S3 that failed is to its caller.
    pub(super) fn of<E>(operation: &'static str, object: String, error: &SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + StdError + 'static,
    {
        let status = error.raw_response().map_or(0, |response| response.status().as_u16());
        let code = error.code().unwrap_or_default().to_owned();
        let source = Described::from(describe(error, status) + &its_region(error));
        match (code.as_str(), status) {
            ("NoSuchUpload", _) => Self::NoSuchUpload { operation, object },
            ("NoSuchBucket", _) => Self::NoSuchBucket { operation, object },
            ("NoSuchKey" | "NotFound", _) => Self::NoSuchObject { operation, object },
            ("PreconditionFailed", _) | (_, 412) => Self::Changed { operation, object },
            (
                "BadDigest"
                | "InvalidDigest"
                | "UnmatchedContentMD5"
                | "XAmzContentSHA256Mismatch"
                | "XAmzContentChecksumMismatch",
                _,
            ) => Self::BadDigest { operation, object, source },
            ("InvalidPart" | "InvalidPartOrder" | "EntityTooSmall", _) => {
                Self::InvalidParts { operation, object, source }
            }
            ("SlowDown" | "Throttling" | "ThrottlingException" | "TooManyRequests", _) | (_, 429) => {
                Self::Throttled { operation, object, source }
            }
            ("RequestTimeout" | "RequestTimeTooSkewed", _) => Self::Unavailable { operation, object, source },
            (_, 405 | 501) => Self::NotImplemented { operation, object, source },
            (code, _) if is_unsupported(code) => Self::NotImplemented { operation, object, source },
            ("AccessDenied" | "InvalidAccessKeyId" | "SignatureDoesNotMatch", _) | (_, 401 | 403) => {
                Self::Denied { operation, object, source }
            }
            (_, 404) => Self::NoSuchObject { operation, object },
            // An error inside a 200 is one of the store's own (Amazon S3 API reference, `CopyObject`).
            (_, 409) => Self::Contended { operation, object, source },
            (_, 0 | 200 | 500..) => Self::Unavailable { operation, object, source },
            _ => Self::Refused { operation, object, source },
        }
    }
}

/// What stores say where a call, or a header of it, is none of theirs.
fn is_unsupported(code: &str) -> bool {
    const WORDS: [&str; 4] = ["notimplemented", "notsupported", "unsupported", "methodnotallowed"];
    let code = code.to_ascii_lowercase();
    WORDS.iter().any(|word| code.contains(word))
}

/// Where the bucket is, as a store says that was asked for it in another region: of a HEAD, which has no body, nothing
/// else would say so.
fn its_region<E>(error: &SdkError<E>) -> String {
    let region = error.raw_response().and_then(|response| response.headers().get("x-amz-bucket-region"));
    let is_elsewhere =
        error.raw_response().is_some_and(|response| matches!(response.status().as_u16(), 300..=400));
    region
        .filter(|_| is_elsewhere)
        .map(|region| format!("; the bucket is in the region {region}"))
        .unwrap_or_default()
}

fn describe<E: ProvideErrorMetadata + StdError + 'static>(error: &SdkError<E>, status: u16) -> String {
    match error {
        SdkError::ServiceError(service) => {
            let meta = service.err().meta();
            let request = meta.request_id().map(|id| format!(", request id {id}")).unwrap_or_default();
            match (meta.code(), meta.message()) {
                (None, None) => format!("HTTP {status}{request}{}", beginning(error)),
                (code, message) => {
                    let (code, message) = (code.unwrap_or("no error code"), message.unwrap_or("no message"));
                    format!("{code} (HTTP {status}{request}): {message}")
                }
            }
        }
        SdkError::ConstructionFailure(_) => {
            format!("the request could not be made: {}", landfall_http::chain(error))
        }
        SdkError::ResponseError(_) => {
            format!("HTTP {status}, and the answer cannot be read{}", beginning(error))
        }
        _ => unsent(error),
    }
}

/// Why a call did not get there. Who trusts no authority would be told only that the store's is unknown.
fn unsent(error: &(dyn StdError + 'static)) -> String {
    let said = landfall_http::chain(error);
    match landfall_http::check_authorities() {
        Err(lack) if said.contains("UnknownIssuer") => lack.to_string(),
        _ => said,
    }
}

/// How an answer that is not the store's own begins: a proxy's page says who has answered.
fn beginning<E>(error: &SdkError<E>) -> String {
    let body = error.raw_response().and_then(|response| response.body().bytes()).unwrap_or_default();
    let text: String = String::from_utf8_lossy(body).chars().take(SHOWN_CHARS).collect();
    match text.trim() {
        "" => String::new(),
        text => format!(": {text:?}"),
    }
}
