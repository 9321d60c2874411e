//! Reads manifests as they were written: what each names, an object at a time, and how it ends.

mod reader;

use landfall_store::Store;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::job::{JobState, Totals};

pub use reader::{Item, ManifestReader};

/// Every line of a manifest's lists begins so; the tail's own line begins with a brace's worth less.
const TAIL_MARK: &str = "\n  ],\n  \"state\":";

/// No manifest ends with more than this.
const MAX_TAIL: u64 = 64 << 10;

/// What a manifest ends with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tail {
    /// How the job ended.
    pub state: JobState,
    /// The same in the source's own word.
    pub native_status: String,
    /// The source's message about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What is odd about what has landed, and is no error.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// What has landed, summed.
    pub totals: Totals,
}

/// Reads how a manifest ends, without the objects that it names; `None` if there is none.
///
/// # Errors
/// `IntegrityError` where what is there is no manifest in the form that landfall writes; what the store has to say.
pub async fn read_tail(store: &Store, key: &str) -> Result<Option<Tail>> {
    let Some(info) = store.head(key).await? else { return Ok(None) };
    let from = info.size.saturating_sub(MAX_TAIL);
    let bytes = store.read_range_whole(key, &info.etag, from..info.size).await?;
    let text = String::from_utf8_lossy(&bytes);
    let tail = text.rfind(TAIL_MARK).map(|at| text.split_at(at).1.trim_start_matches(['\n', ' ', ']', ',']));
    let tail = tail.map(|tail| serde_json::from_str(&format!("{{{tail}")));
    match tail {
        Some(Ok(tail)) => Ok(Some(tail)),
        _ => Err(Error::integrity(format!("{key} exists, but is not a manifest that landfall wrote"))),
    }
}
