//! What mod-data-export answers, in the forms of all its versions.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::entries::{entries, objects};

/// A job profile.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct JobProfile {
    pub(super) id: String,
    pub(super) name: Option<String>,
}

/// A page of job profiles.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct JobProfiles {
    #[serde(default, deserialize_with = "entries")]
    pub(super) job_profiles: Vec<JobProfile>,
}

/// A file of record ids that was announced, and perhaps uploaded.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FileDefinition {
    pub(super) status: Option<String>,
    /// Since version 4.4 from the beginning, before that once the file is uploaded.
    pub(super) job_execution_id: Option<String>,
    /// Where FOLIO has stored the file, once it has.
    pub(super) source_path: Option<String>,
}

/// A job.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Execution {
    pub(super) id: Option<String>,
    pub(super) status: Option<String>,
    #[serde(deserialize_with = "objects")]
    pub(super) exported_files: Vec<ExportedFile>,
    pub(super) job_profile_id: Option<String>,
    pub(super) job_profile_name: Option<String>,
    pub(super) progress: Option<Progress>,
    /// The number that people know it by: a later start has a higher one.
    #[serde(deserialize_with = "count")]
    pub(super) hr_id: Option<u64>,
    pub(super) started_date: Option<Value>,
    pub(super) last_updated_date: Option<Value>,
}

/// A file that a job has put out, or will.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ExportedFile {
    pub(super) file_id: Option<String>,
    pub(super) file_name: Option<String>,
}

/// How far a job is. Counts are numbers or texts (before version 4), and `failed` was an object in version 4.8.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Progress {
    #[serde(deserialize_with = "count")]
    pub(super) exported: Option<u64>,
    #[serde(deserialize_with = "count")]
    pub(super) failed: Option<u64>,
    #[serde(rename = "duplicatedSrs", deserialize_with = "count")]
    pub(super) duplicated: Option<u64>,
    #[serde(deserialize_with = "count")]
    pub(super) total: Option<u64>,
    /// Since version 5.
    #[serde(deserialize_with = "count")]
    pub(super) read_ids: Option<u64>,
}

/// What a call answers that has made and started a job.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Started {
    pub(super) job_execution_id: String,
}

/// Where a file can be had for ten minutes.
#[derive(Deserialize)]
pub(super) struct Link {
    pub(super) link: String,
}

/// A page of a job's log; its entries are handed on as they are.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ErrorLogs {
    #[serde(default, deserialize_with = "entries")]
    pub(super) error_logs: Vec<Value>,
    #[serde(default, deserialize_with = "count")]
    pub(super) total_records: Option<u64>,
}

fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    Ok(counted(&Value::deserialize(deserializer)?))
}

/// A count in any of its forms; an object's counts are summed. What is none is as good as missing.
fn counted(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => whole(&number.to_string()),
        Value::String(text) => whole(text.trim()),
        Value::Object(parts) => parts.values().map(counted).sum(),
        _ => None,
    }
}

/// A whole number, with a fraction of nothing or without one.
fn whole(text: &str) -> Option<u64> {
    text.strip_suffix(".0").unwrap_or(text).parse().ok()
}

/// A moment as FOLIO writes it: `+00:00` since version 5, `+0000` before.
pub(super) fn moment(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    text.parse().ok().or_else(|| Timestamp::strptime("%Y-%m-%dT%H:%M:%S%.f%z", text).ok())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Counts of versions 2, 4.8 and 5.
    #[test]
    fn counts_are_read_in_every_form() {
        let read = |value: Value| serde_json::from_value::<Progress>(value).unwrap();
        let old = read(json!({ "exported": 25, "failed": 0, "total": "25" }));
        assert_eq!((old.total, old.read_ids), (Some(25), None));
        let between = read(json!({ "failed": { "duplicatedSrs": 2, "otherFailed": 3 } }));
        assert_eq!((between.failed, between.duplicated), (Some(5), None));
        let new = read(json!({ "exported": 1, "failed": 1, "duplicatedSrs": 0, "total": 2, "readIds": 2 }));
        assert_eq!((new.exported, new.failed, new.read_ids), (Some(1), Some(1), Some(2)));
        for count in [json!(25), json!(25.0), json!("25"), json!(" 25.0 "), json!({ "a": 20, "b": "5.0" })] {
            assert_eq!(read(json!({ "exported": count.clone() })).exported, Some(25), "{count}");
        }
        for none in [json!("many"), json!(null), json!(2.5), json!(-1), json!("-1"), json!(""), json!(".0")] {
            assert_eq!(read(json!({ "exported": none.clone() })).exported, None, "{none}");
        }
    }
}
