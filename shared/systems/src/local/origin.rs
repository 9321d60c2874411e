//! Where a job's file is: `jobs/<connection>/<job request id>/origin.json`.
//!
//! It is no part of the job's record: whoever names the file again, at another place by now, says anew where it is, and
//! no manifest tells a path of somebody's machine.

use landfall::checksum::Sha256;
use landfall::contract::DiskFile;
use landfall::job::{JobRequestId, OutputFile};
use landfall::state::Document;
use landfall::{Error, Result};
use landfall_store::ObjectInfo;
use serde::{Deserialize, Serialize};

use super::export::{file_name, stem};

/// How many hex digits of a digest a job's id has.
const ID_DIGITS: usize = 32;

/// Where a job's file is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Origin {
    /// The export's name.
    pub(super) name: String,
    /// Where its bytes are.
    pub(super) place: Place,
}

impl Document for Origin {}

/// Where a file's bytes are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Place {
    /// In the work bucket, as an object of the inbox.
    Inbox {
        /// The object's key.
        key: String,
        /// Its version.
        etag: String,
        /// Its size in bytes.
        size: u64,
    },
    /// On a machine's disk.
    Disk(DiskFile),
}

impl Origin {
    /// An object of the inbox, as it is now.
    pub(super) fn of(object: ObjectInfo) -> Self {
        let ObjectInfo { key, etag, size, .. } = object;
        Self { name: stem(file_name(&key)).to_owned(), place: Place::Inbox { key, etag, size } }
    }

    /// The id of the job that it is. Of the inbox: the same bytes under another name are another job, as are others
    /// under this name. Of a disk: the same bytes are the same job.
    pub(super) fn id(&self) -> Result<JobRequestId> {
        let digest = match &self.place {
            Place::Inbox { key, etag, .. } => Sha256::of(format!("{key}\n{etag}").as_bytes()),
            Place::Disk(file) => file.sha256,
        };
        let digits = digest.to_string();
        let id = digits.get(..ID_DIGITS).unwrap_or(&digits).parse();
        id.map_err(|error| Error::invalid_event("the file's digest is no job's id").because(error))
    }

    /// How the file has come, in the manifest's word for it.
    pub(super) fn native_status(&self) -> &'static str {
        match &self.place {
            Place::Inbox { .. } => "PUT",
            Place::Disk(_) => "READ",
        }
    }

    /// The job's one file.
    pub(super) fn output_file(&self) -> OutputFile {
        let (name, size, sha256) = match &self.place {
            Place::Inbox { key, size, .. } => (file_name(key), *size, None),
            Place::Disk(file) => (file.name.as_str(), file.size, Some(file.sha256)),
        };
        OutputFile {
            ordinal: 0,
            name: name.to_owned(),
            size: Some(size),
            sha256,
            locator: None,
            is_log: false,
        }
    }
}
