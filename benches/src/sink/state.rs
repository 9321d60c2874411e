//! What the sink remembers: of every object what it was, of few its bytes.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use crc_fast::{CrcAlgorithm, checksum_combine};
use serde::{Deserialize, Serialize};

/// The bucket of the pipeline's own state, and of what is unpacked.
pub(crate) const WORK: &str = "work";

/// Whether an object's bytes are kept: besides the work bucket's, those of a manifest and the like (`_manifest.json`).
pub(super) fn is_kept(bucket: &str, key: &str) -> bool {
    bucket == WORK || key.rsplit('/').next().is_some_and(|name| name.starts_with('_'))
}

/// An object.
#[derive(Debug, Clone)]
pub(super) struct Object {
    pub(super) size: u64,
    pub(super) crc64: u64,
    /// None where its bytes were thrown away.
    pub(super) bytes: Option<Bytes>,
    pub(super) is_in_parts: bool,
}

impl Object {
    /// Like S3's, but from the CRC-64: nobody who reads it can take it for an MD5.
    pub(super) fn etag(&self) -> String {
        format!("\"{:016x}{}\"", self.crc64, if self.is_in_parts { "-2" } else { "-1" })
    }
}

/// A part of an upload.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) size: u64,
    pub(super) crc64: u64,
    pub(super) bytes: Option<Bytes>,
}

/// An unfinished multipart upload.
#[derive(Debug, Clone)]
pub(super) struct Upload {
    pub(super) bucket: String,
    pub(super) key: String,
    pub(super) parts: BTreeMap<u32, Part>,
}

impl Upload {
    /// The object that the parts make.
    pub(super) fn object(&self) -> Object {
        let (mut size, mut crc64) = (0, 0);
        for part in self.parts.values() {
            crc64 = match size {
                0 => part.crc64,
                _ => checksum_combine(CrcAlgorithm::Crc64Nvme, crc64, part.crc64, part.size),
            };
            size += part.size;
        }
        let pieces: Option<Vec<&Bytes>> = self.parts.values().map(|part| part.bytes.as_ref()).collect();
        let bytes = pieces.map(|pieces| pieces.into_iter().flat_map(|piece| piece.iter().copied()).collect());
        Object { size, crc64, bytes, is_in_parts: true }
    }
}

/// All that there is.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) objects: BTreeMap<(String, String), Object>,
    pub(super) uploads: HashMap<String, Upload>,
    pub(super) next_upload: u64,
    last_landed: Option<LastLanded>,
    requests: BTreeMap<String, u64>,
    bytes_in: u64,
    bytes_out: u64,
}

/// What was asked of the sink since it was emptied, and what lies in the landing bucket.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Counts {
    /// Requests by operation.
    pub(crate) requests: BTreeMap<String, u64>,
    /// Bytes of bodies that came in.
    pub(crate) bytes_in: u64,
    /// Bytes of bodies that went out.
    pub(crate) bytes_out: u64,
    /// Objects outside the work bucket, manifests and the like not among them.
    pub(crate) objects: u64,
    /// Their bytes.
    pub(crate) object_bytes: u64,
    /// The sum of their CRC-64/NVME modulo 2^64: the same for the same contents, whatever they are called.
    pub(crate) digest: u64,
    /// Multipart uploads that were begun and not ended.
    pub(crate) unfinished_uploads: u64,
    /// What came last outside the work bucket.
    pub(crate) last_landed: Option<LastLanded>,
}

/// An object that came, and when.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct LastLanded {
    /// Its key.
    pub(crate) key: String,
    /// Milliseconds since 1970.
    pub(crate) at_milliseconds: i64,
}

impl State {
    pub(super) fn count(&mut self, operation: &str, bytes_in: u64, bytes_out: u64) {
        match self.requests.get_mut(operation) {
            Some(count) => *count += 1,
            None => drop(self.requests.insert(operation.to_owned(), 1)),
        }
        self.bytes_in += bytes_in;
        self.bytes_out += bytes_out;
    }

    /// Takes an object on.
    pub(super) fn insert(&mut self, (bucket, key): (String, String), object: Object) {
        if bucket != WORK {
            let at_milliseconds = jiff::Timestamp::now().as_millisecond();
            self.last_landed = Some(LastLanded { key: key.clone(), at_milliseconds });
        }
        self.objects.insert((bucket, key), object);
    }

    pub(super) fn counts(&self) -> Counts {
        let landed = self.objects.iter().filter(|((bucket, key), _)| !is_kept(bucket, key));
        let landed = landed.map(|(_, object)| object);
        let mut counts = Counts {
            requests: self.requests.clone(),
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            unfinished_uploads: u64::try_from(self.uploads.len()).unwrap_or(u64::MAX),
            last_landed: self.last_landed.clone(),
            ..Counts::default()
        };
        for object in landed {
            counts.objects += 1;
            counts.object_bytes += object.size;
            counts.digest = counts.digest.wrapping_add(object.crc64);
        }
        counts
    }
}
