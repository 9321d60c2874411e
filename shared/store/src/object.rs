//! What is said of objects, whichever store they are in.

use bytes::Bytes;
use futures::TryStreamExt as _;
use futures::stream::BoxStream;
use jiff::Timestamp;

use crate::checksum::Crc64Nvme;
use crate::error::{Result, StoreError};

/// When a write may happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition<'a> {
    /// Only where no object has this key.
    Absent,
    /// Only over the object with this `ETag`.
    Unchanged(&'a str),
    /// Always.
    Always,
}

/// What came of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// The object is there, with this `ETag`.
    Done(String),
    /// The condition did not hold: somebody else was first.
    NotWritten,
}

impl Written {
    /// What came of a write: that its condition did not hold is an answer.
    pub(crate) fn of(came: Result<String>, condition: Condition<'_>) -> Result<Self> {
        match came {
            Ok(etag) => Ok(Self::Done(etag)),
            Err(StoreError::Changed { .. }) if condition != Condition::Always => Ok(Self::NotWritten),
            Err(error) => Err(error),
        }
    }
}

/// A small object, read whole.
#[derive(Debug, Clone)]
pub struct Object {
    /// Its bytes.
    pub bytes: Bytes,
    /// Its `ETag`.
    pub etag: String,
}

/// What the store says of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectInfo {
    /// Its key.
    pub key: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its `ETag`.
    pub etag: String,
    /// Its CRC-64/NVME, where the store keeps it.
    pub crc64nvme: Option<Crc64Nvme>,
    /// When it was written, by the store's clock, where a list says so.
    pub modified: Option<Timestamp>,
}

/// A part of a multipart upload that the store has.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Part {
    /// Its number, from 1.
    pub number: i32,
    /// Its `ETag`.
    pub etag: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its CRC-64/NVME: where we sent it, our own; where it was copied, what the store says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crc64nvme: Option<Crc64Nvme>,
}

/// An unfinished multipart upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnfinishedUpload {
    /// The key that it would write.
    pub key: String,
    /// Its id.
    pub upload_id: String,
}

/// What a list of the keys that begin with a key says of the object that has it.
pub(crate) async fn listed(
    pages: BoxStream<'_, Result<Vec<ObjectInfo>>>,
    key: &str,
) -> Result<Option<ObjectInfo>> {
    // Every other key that begins so comes behind it.
    let mut pages = pages.try_filter(|page| std::future::ready(!page.is_empty()));
    let first = pages.try_next().await?.and_then(|page| page.into_iter().next());
    Ok(first.filter(|first| first.key == key))
}

/// The type that an object is stored with, by what its key ends in.
pub(crate) fn content_type(key: &str) -> &'static str {
    match key.rsplit('.').next().map(str::to_ascii_lowercase).as_deref() {
        Some("csv") => "text/csv",
        Some("json") => "application/json",
        Some("ndjson" | "jsonl") => "application/x-ndjson",
        Some("gz") => "application/gzip",
        Some("zst") => "application/zstd",
        Some("parquet") => "application/vnd.apache.parquet",
        Some("zip") => "application/zip",
        _ => "application/octet-stream",
    }
}
