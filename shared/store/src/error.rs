//! What can go wrong with a call to the object store.

use std::error::Error as StdError;

/// What comes of a call to the object store.
pub(crate) type Result<T, E = StoreError> = std::result::Result<T, E>;

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
    /// There is no such bucket, or whoever calls may not see it: OCI answers alike.
    #[error(
        "{operation} {object}: there is no such bucket, or whoever calls may not see it (OCI answers alike)"
    )]
    HiddenBucket {
        /// What was asked.
        operation: &'static str,
        /// Bucket and key.
        object: String,
        /// Why.
        #[source]
        source: Described,
    },
    /// Nothing is there to sign the call with.
    #[error("{operation} {object}: the call cannot be made as anybody")]
    Unsigned {
        /// What was asked.
        operation: &'static str,
        /// Bucket and key.
        object: String,
        /// Whether it is the configuration that must be corrected.
        is_about_settings: bool,
        /// Why.
        #[source]
        source: Described,
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

impl From<String> for Described {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl StoreError {
    /// Whether the store may take the same call without one of its options.
    pub(crate) fn may_be_about_an_option(&self) -> bool {
        matches!(self, Self::NotImplemented { .. } | Self::Refused { .. })
    }

    /// Whether somebody else may have been first: some stores say so of an object that is there.
    pub(crate) fn is_of_a_conflict(&self) -> bool {
        matches!(self, Self::Contended { .. })
    }

    pub(crate) fn body(operation: &'static str, object: String, error: impl StdError + 'static) -> Self {
        let source = Described(landfall_http::chain(&error));
        Self::Unavailable { operation, object, source }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the list is not complete, but the store does not say where it continues")]
pub(crate) struct NoNextPage;

#[derive(Debug, thiserror::Error)]
#[error("the object is there, but neither this answer nor a list tells its size")]
pub(crate) struct Unmeasured;
