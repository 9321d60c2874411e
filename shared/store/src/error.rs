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
    /// The store does not have such a call.
    #[error("{operation} {object}: the store does not support the call")]
    NotImplemented {
        /// What was asked.
        operation: &'static str,
        /// Bucket and key.
        object: String,
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

impl StoreError {
    pub(super) fn of<E>(operation: &'static str, object: String, error: &SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + StdError + 'static,
    {
        let status = error.raw_response().map_or(0, |response| response.status().as_u16());
        let code = error.code().unwrap_or_default().to_owned();
        let source = Described(describe(error, status));
        match (code.as_str(), status) {
            ("NoSuchUpload", _) => Self::NoSuchUpload { operation, object },
            ("NoSuchBucket", _) => Self::NoSuchBucket { operation, object },
            ("NoSuchKey" | "NotFound", _) => Self::NoSuchObject { operation, object },
            ("PreconditionFailed", _) | (_, 412) => Self::Changed { operation, object },
            ("BadDigest" | "XAmzContentSHA256Mismatch" | "InvalidDigest" | "UnmatchedContentMD5", _) => {
                Self::BadDigest { operation, object, source }
            }
            ("SlowDown" | "Throttling" | "ThrottlingException" | "TooManyRequests", _) | (_, 429) => {
                Self::Throttled { operation, object, source }
            }
            ("RequestTimeout" | "RequestTimeTooSkewed", _) => Self::Unavailable { operation, object, source },
            (_, 401 | 403) => Self::Denied { operation, object, source },
            (_, 404) => Self::NoSuchObject { operation, object },
            (_, 0 | 409 | 500..) => Self::Unavailable { operation, object, source },
            _ => Self::Refused { operation, object, source },
        }
    }

    pub(super) fn body(operation: &'static str, object: String, error: impl StdError) -> Self {
        let source = Described(DisplayErrorContext(error).to_string());
        Self::Unavailable { operation, object, source }
    }
}

fn describe<E: ProvideErrorMetadata + StdError + 'static>(error: &SdkError<E>, status: u16) -> String {
    match error {
        SdkError::ServiceError(service) => {
            let meta = service.err().meta();
            let code = meta.code().unwrap_or("no error code");
            let message = meta.message().unwrap_or("no message");
            let request = meta.request_id().map(|id| format!(", request id {id}")).unwrap_or_default();
            format!("{code} (HTTP {status}{request}): {message}")
        }
        SdkError::ConstructionFailure(_) => {
            format!("the request could not be made: {}", landfall_http::chain(error))
        }
        _ => landfall_http::chain(error),
    }
}
