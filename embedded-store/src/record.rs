//! What is known of a stored file beyond its bytes, and how that is bound to exactly those bytes.
//!
//! A file and its record are two files, and no file system changes two at once. So a record names the
//! [`Generation`] that it describes, and a record file keeps the new generation's record beside the old one's:
//!
//! 1. the bytes are written to a temporary file, and its generation is made one that this file has not had;
//! 2. the record file is replaced (one rename) by one that describes both the new and the present generation;
//! 3. the bytes are put in place (one rename): now they are visible, and described.
//!
//! Killed at any instant, what is in place is described by the record of its own generation. A file without one
//! (put there or edited by hand) is described by reading it, once.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use s3s::dto::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::checksum::{Checksums, Kind};

/// Tells the versions of one file apart: its size, and when it was last changed in nanoseconds since 1970.
/// Both survive a copy of the whole folder that keeps times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Generation {
    pub(crate) size: u64,
    modified_ns: i64,
}

impl Generation {
    /// # Errors
    /// The platform keeps no modification times.
    pub(crate) fn of(metadata: &Metadata) -> io::Result<Self> {
        let modified_ns = match metadata.modified()?.duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_nanos()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |nanos| -nanos),
        };
        Ok(Self { size: metadata.len(), modified_ns })
    }

    /// When the file was last changed.
    pub(crate) fn modified(&self) -> SystemTime {
        let distance = Duration::from_nanos(self.modified_ns.unsigned_abs());
        if self.modified_ns < 0 { UNIX_EPOCH - distance } else { UNIX_EPOCH + distance }
    }
}

/// The headers that S3 keeps with an object and gives back with it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Headers {
    pub(crate) content_type: Option<String>,
    pub(crate) content_encoding: Option<String>,
    pub(crate) content_disposition: Option<String>,
    pub(crate) content_language: Option<String>,
    pub(crate) cache_control: Option<String>,
    pub(crate) expires: Option<Timestamp>,
    pub(crate) website_redirect_location: Option<String>,
    /// `x-amz-meta-*`.
    pub(crate) user: BTreeMap<String, String>,
}

/// What is known of some bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Facts {
    /// Without quotes.
    pub(crate) etag: String,
    pub(crate) checksums: Checksums,
    #[serde(default)]
    pub(crate) checksum_kind: Kind,
    #[serde(default)]
    pub(crate) headers: Headers,
}

/// What is known of one generation of a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) generation: Generation,
    #[serde(flatten)]
    pub(crate) facts: Facts,
}

impl Record {
    /// What OCI's own API calls this version: a UUID, and no function of the content.
    pub(crate) fn version(&self) -> String {
        let Generation { size, modified_ns } = self.generation;
        let version = format!("{size} {modified_ns} {}", self.facts.etag);
        Uuid::new_v5(&Uuid::NAMESPACE_OID, version.as_bytes()).to_string()
    }
}

/// The contents of a record file.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct RecordFile {
    /// The key, for a person who looks into the folder.
    name: String,
    records: Vec<Record>,
}

impl RecordFile {
    /// Describes `new` beside `present`, the record of what is in place now.
    pub(crate) fn new(name: &str, new: Record, present: Option<Record>) -> Self {
        Self { name: name.to_owned(), records: std::iter::once(new).chain(present).collect() }
    }

    /// Reads a record file. A missing one knows nothing, and neither does a damaged one (a power cut without
    /// `fsync` may leave one): the files are then described by reading them.
    ///
    /// # Errors
    /// It is there but cannot be read.
    pub(crate) fn read(path: &Path) -> io::Result<Self> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(error),
        };
        Ok(serde_json::from_slice(&bytes).unwrap_or_else(|error| {
            tracing::warn!(path = %path.display(), %error, "ignoring a damaged record file");
            Self::default()
        }))
    }

    /// What is known of `generation`.
    pub(crate) fn find(&self, generation: Generation) -> Option<&Record> {
        self.records.iter().find(|record| record.generation == generation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(size: u64, etag: &str) -> Record {
        let generation = Generation { size, modified_ns: 1_700_000_000_123_456_789 };
        let facts = Facts {
            etag: etag.to_owned(),
            checksums: Checksums::default(),
            checksum_kind: Kind::default(),
            headers: Headers::default(),
        };
        Record { generation, facts }
    }

    /// Promise 3: while a file is replaced, both what is and what will be in place are described.
    #[test]
    fn both_generations_are_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("record");
        let (old, new) = (record(1, "old"), record(2, "new"));
        let file = RecordFile::new("key", new.clone(), Some(old.clone()));
        fs::write(&path, serde_json::to_vec(&file).unwrap()).unwrap();

        let read = RecordFile::read(&path).unwrap();
        assert_eq!(read.find(old.generation), Some(&old));
        assert_eq!(read.find(new.generation), Some(&new));
        assert_eq!(read.find(Generation { size: 3, ..new.generation }), None);
    }

    /// Promise 5: a torn record file is no answer at all, rather than a wrong one or a failure.
    #[test]
    fn damaged_and_missing_files_know_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("record");
        assert!(RecordFile::read(&path).unwrap().records.is_empty());
        fs::write(&path, b"{\"name\":\"k").unwrap();
        assert!(RecordFile::read(&path).unwrap().records.is_empty());
    }

    #[test]
    fn times_before_1970_are_told_apart_too() {
        let early = Generation { size: 0, modified_ns: -1 };
        assert!(early.modified() < UNIX_EPOCH);
        assert_eq!(early.modified() + Duration::from_nanos(1), UNIX_EPOCH);
    }
}
