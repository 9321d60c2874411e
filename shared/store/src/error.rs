//! What can go wrong with a call to the object store.

use std::error::Error as StdError;

use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::RequestId as _;

/// A call to the object store that failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No answer, or one that says the store cannot serve now.
    #[error("{operation} {object}: the store did not serve the call")]
    Unavailable {
        /// What was asked.
        operation: &'static str,
        /// Bucket and key.
        object: String,
        /// Why.
        #[source]
        source: Described,
    },
    /// The store asks to be called less often.
    #[error("{operation} {object}: the store asks for fewer calls")]
    Throttled {
        /// What was asked.
        operation: &'static str,
        /// Bucket and key.
        object: String,
        /// Why.
        #[source]
        source: Described,
    },
    /// Another call was changing the same object.
    #[error("{operation} {object}: somebody else is changing it at the same time")]
    Contended {
        /// What was called.
        operation: &'static str,
        /// The object or bucket.
        object: String,
        /// What the store said.
        #[source]
        source: Described,
    },
    /// The credentials do not allow the call.
    #[error("{operation} {object}: the store refused the credentials or their permissions")]
    Denied {
        /// What was asked.
        operation: &'static str,
        /// Bucket and key.
        object: String,
        /// Why.
        #[source]
        source: Described,
    },
    /// There is no such bucket.
    #[error("{operation} {object}: there is no such bucket")]
    NoSuchBucket {
        /// What was asked.
        operation: &'static str,
        /// Bucket and key.
        object: String,
    },
    /// There is no such object.
    #[error("{operation} {object}: there is no such object")]
    NoSuchObject {
        /// What was asked.
        operation: &'static str,
        /// Bucket and key.
        object: String,
    },
    /// The multipart upload is gone: completed or aborted by somebody else.
    #[error("{operation} {object}: the multipart upload is no longer there")]
    NoSuchUpload {
        /// What was asked.
        operation: &'static str,
        /// Bucket and key.
        object: String,
    },
    /// The object is not the one that it was.
    #[error("{operation} {object}: the object has changed meanwhile")]
    Changed {
        /// What was asked.
        operation: &'static str,
        /// Bucket and key.
        object: String,
    },
    /// The bytes that arrived are not the bytes that were sent.
    #[error("{operation} {object}: the store received other bytes than were sent")]
    BadDigest {
        /// What was asked.
        operation: &'static str,
        /// Bucket and key.
        object: String,
        /// Why.
        #[source]
        source: Described,
    },
    /// The object is larger than it may be.
    #[error("{object} is larger than {max} bytes")]
    TooLarge {
        /// Bucket and key.
        object: String,
        /// The most that is read, in bytes.
        max: u64,
    },
    /// The object holds something that landfall did not write.
    #[error("{object} does not hold what it should")]
    Malformed {
        /// Bucket and key.
        object: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The object has a form that this program does not know yet.
    #[error(
        "{object} was written by a newer landfall (version {version}; this one reads {newest}): update it; nothing was \
         changed"
    )]
    NewerVersion {
        /// Bucket and key.
        object: String,
        /// The version of its form.
        version: u32,
        /// The newest version that this program reads.
        newest: u32,
    },
    /// An object with this key is there already, with other bytes.
    #[error("{object} is there already and holds other bytes ({found}) than these ({expected})")]
    Occupied {
        /// Bucket and key.
        object: String,
        /// What these bytes are.
        expected: String,
        /// What is there.
        found: String,
    },
    /// The store does not have such a call, or not with these options. Asking again does not help.
    #[error("{operation} {object}: the store does not support the call")]
    NotImplemented {
        /// What was asked.
        operation: &'static str,
        /// Bucket and key.
        object: String,
        /// Why.
        #[source]
        source: Described,
    },
    /// The store does not change an object on the condition that it is as it was.
    #[error(
        "{operation} {object}: the store does not support If-Match, without which two processes undo each other's \
         records: it can be a destination, and not the work bucket; let [work] name another store"
    )]
    NoConditionalChange {
        /// What was asked.
        operation: &'static str,
        /// Bucket and key.
        object: String,
        /// Why.
        #[source]
        source: Described,
    },
    /// The store does not make an object of these parts.
    #[error("{operation} {object}: the store refused the parts of the upload")]
    InvalidParts {
        /// What was asked.
        operation: &'static str,
        /// Bucket and key.
        object: String,
        /// Why.
        #[source]
        source: Described,
    },
    /// The store refused the call for another reason.
    #[error("{operation} {object}: the store refused the call")]
    Refused {
        /// What was asked.
        operation: &'static str,
        /// Bucket and key.
        object: String,
        /// Why.
        #[source]
        source: Described,
    },
}

/// The store's own words: its code, message and request id. They hold no credentials.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Described(String);

impl From<&str> for Described {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

/// So many characters of an answer that is none are shown.
const SHOWN_CHARS: usize = 120;

impl StoreError {
    /// Whether the store may take the same call without one of its options.
    pub(super) fn may_be_about_an_option(&self) -> bool {
        matches!(self, Self::NotImplemented { .. } | Self::Refused { .. })
    }

    /// Whether somebody else may have been first: some stores say so of an object that is there.
    pub(super) fn is_of_a_conflict(&self) -> bool {
        matches!(self, Self::Contended { .. })
    }

    pub(super) fn of<E>(operation: &'static str, object: String, error: &SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + StdError + 'static,
    {
        let status = error.raw_response().map_or(0, |response| response.status().as_u16());
        let code = error.code().unwrap_or_default().to_owned();
        let source = Described(describe(error, status) + &its_region(error));
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

    pub(super) fn body(operation: &'static str, object: String, error: impl StdError) -> Self {
        let source = Described(DisplayErrorContext(error).to_string());
        Self::Unavailable { operation, object, source }
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

#[derive(Debug, thiserror::Error)]
#[error("the list is not complete, but the store does not say where it continues")]
pub(crate) struct NoNextPage;
