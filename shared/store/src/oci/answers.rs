//! What Object Storage's answers hold, as far as it is read.

use serde::{Deserialize, Serialize};

/// An answer that refuses.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Refusal {
    #[serde(default)]
    pub(super) code: String,
    #[serde(default)]
    pub(super) message: String,
}

/// A page of a listing.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ObjectPage {
    #[serde(default)]
    pub(super) objects: Vec<Listed>,
    #[serde(default)]
    pub(super) prefixes: Option<Vec<String>>,
    #[serde(default)]
    pub(super) next_start_with: Option<String>,
}

/// An object of a listing.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Listed {
    pub(super) name: String,
    #[serde(default)]
    pub(super) size: Option<u64>,
    #[serde(default)]
    pub(super) etag: Option<String>,
    /// A time with an offset, as RFC 3339 has it.
    #[serde(default)]
    pub(super) time_modified: Option<String>,
}

/// A multipart upload to begin.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UploadToBegin<'a> {
    pub(super) object: &'a str,
    pub(super) content_type: &'static str,
}

/// A multipart upload.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Upload {
    pub(super) object: String,
    pub(super) upload_id: String,
}

/// A part that the store has.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UploadedPart {
    pub(super) part_number: i32,
    pub(super) etag: String,
    pub(super) size: u64,
}

/// The parts that become an object.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UploadToCommit<'a> {
    pub(super) parts_to_commit: Vec<PartToCommit<'a>>,
}

/// A part that becomes a part of an object.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PartToCommit<'a> {
    pub(super) part_num: i32,
    pub(super) etag: &'a str,
}

/// What is said of a bucket.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BucketState {
    #[serde(default)]
    pub(super) storage_tier: Option<String>,
    #[serde(default)]
    pub(super) auto_tiering: Option<String>,
}

/// The rules of a bucket that keep objects as they are.
#[derive(Debug, Deserialize)]
pub(super) struct RetentionRules {
    #[serde(default)]
    pub(super) items: Vec<RetentionRule>,
}

/// One of them.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RetentionRule {
    pub(super) id: String,
    #[serde(default)]
    pub(super) display_name: Option<String>,
}
