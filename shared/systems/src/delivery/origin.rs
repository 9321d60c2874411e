//! What a job of this system is: `jobs/<connection>/<job request id>/origin.json`.
//!
//! Whatever a manifest lists is kept with its job: a tool may write the next one under the same name, and who has read
//! a manifest may rename or delete it.

use landfall::checksum::Sha256;
use landfall::job::JobRequestId;
use landfall::state::Document;
use landfall::{Error, Result};
use landfall_store::ObjectInfo;
use serde::{Deserialize, Serialize};

use super::export::Delivery;
use super::manifest::Entry;

/// How many hex digits of a digest a job's id has.
const ID_DIGITS: usize = 32;

/// What a job is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "delivered_by", rename_all = "snake_case")]
pub(super) enum Origin {
    /// The files that a manifest lists.
    Manifest {
        /// The manifest's key.
        key: String,
        /// Its bytes' SHA-256.
        sha256: Sha256,
        /// The files.
        files: Vec<Entry>,
        /// Whether it is normal that there are none, as the event said that the job was submitted by.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        allow_empty: bool,
    },
    /// One object.
    Object {
        /// Its key.
        key: String,
        /// Its version.
        etag: String,
        /// Its size in bytes.
        size: u64,
    },
}

impl Document for Origin {}

impl Origin {
    /// An object that is a file, as it is now.
    pub(super) fn of(object: ObjectInfo) -> Self {
        let ObjectInfo { key, etag, size, .. } = object;
        Self::Object { key, etag, size }
    }

    /// The id of the job that it is. Of a manifest: what it says decides, so that writing the same again is the same
    /// job, and another one under its name another job. Of an object by itself: its version.
    pub(super) fn id(&self) -> Result<JobRequestId> {
        match self {
            Self::Manifest { key, sha256, .. } => id_of(key, &sha256.to_string()),
            Self::Object { key, etag, .. } => id_of(key, etag),
        }
    }

    /// What its export says.
    pub(super) fn delivery(&self) -> Delivery {
        match self {
            Self::Manifest { key, allow_empty, .. } => {
                Delivery { allow_empty: *allow_empty, ..Delivery::of_manifest(key) }
            }
            Self::Object { key, .. } => Delivery::of_object(key),
        }
    }
}

/// The id of what has this key, in this state.
pub(super) fn id_of(key: &str, state: &str) -> Result<JobRequestId> {
    let digits = Sha256::of(format!("{key}\n{state}").as_bytes()).to_string();
    let id = digits.get(..ID_DIGITS).unwrap_or(&digits).parse();
    id.map_err(|error| Error::invalid_event("a digest is no job's id").because(error))
}
