//! The event that starts this step: a file of a job by its ordinal, or S3's notification that a staged file's record
//! has been created.

use landfall::event::{FileEvent, JobEvent};
use landfall::job::{ConnectionName, DestinationName, JobRequestId};
use landfall::{Error, Result};
use percent_encoding::percent_decode_str;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The event of `unpack-upload`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "serde_json::Value", into = "serde_json::Value")]
#[schemars(with = "Trigger")]
pub enum UnpackEvent {
    /// A file of a job.
    File(UnpackFile),
    /// A notification of S3.
    Created(S3Notification),
}

/// Names one staged file of a job, and how much of it lands: all of it by default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UnpackFile {
    /// The connection that the job runs on.
    pub connection: ConnectionName,
    /// The job's id at the source.
    pub job_request_id: JobRequestId,
    /// The file's position in the job's list of files, from 0.
    pub ordinal: u32,
    /// The destination; needed only for a job that landfall did not submit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<DestinationName>,
    /// Whether the caller lands the file's ranges by separate calls, if it is an archive that is too large for one
    /// call: then nothing lands, and the result names the ranges.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fan_out: bool,
    /// One of those ranges: only this one lands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members: Option<MemberRange>,
}

/// Members of an archive, by their positions in its directory: from the first to the one after the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MemberRange {
    /// The first member, from 0.
    pub from: u32,
    /// The one after the last.
    pub to: u32,
}

impl From<FileEvent> for UnpackFile {
    fn from(event: FileEvent) -> Self {
        let FileEvent { connection, job_request_id, ordinal, destination } = event;
        Self { connection, job_request_id, ordinal, destination, fan_out: false, members: None }
    }
}

impl UnpackFile {
    /// The event without the file.
    pub(crate) fn job_event(&self) -> JobEvent {
        JobEvent {
            connection: self.connection.clone(),
            job_request_id: self.job_request_id.clone(),
            destination: self.destination.clone(),
        }
    }

    /// Refuses an event that asks for two things.
    pub(crate) fn check(&self) -> Result<()> {
        match self.fan_out && self.members.is_some() {
            false => Ok(()),
            true => Err(Error::invalid_event(
                "fan_out asks for the ranges, members names one of them: leave one of the two out",
            )),
        }
    }
}

/// The two forms of the event, for its schema.
#[derive(JsonSchema)]
#[serde(untagged)]
pub enum Trigger {
    /// A file of a job.
    File(UnpackFile),
    /// A notification of S3.
    Created(S3Notification),
}

/// What S3 sends when objects have been created (its event message structure, version 2). Its many other fields are
/// S3's business: they are neither needed nor refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct S3Notification {
    /// The objects.
    #[serde(rename = "Records")]
    pub records: Vec<S3Record>,
}

/// One object that has been created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct S3Record {
    /// Where it is.
    pub s3: S3Place,
}

/// Where an object is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct S3Place {
    /// The object.
    pub object: S3Object,
}

/// An object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct S3Object {
    /// Its key, as in a URL's query.
    pub key: String,
}

impl TryFrom<serde_json::Value> for UnpackEvent {
    type Error = String;

    fn try_from(value: serde_json::Value) -> std::result::Result<Self, String> {
        let event = if value.get("Records").is_some() {
            serde_json::from_value(value).map(Self::Created)
        } else {
            serde_json::from_value(value).map(Self::File)
        };
        event.map_err(|error| error.to_string())
    }
}

impl From<UnpackEvent> for serde_json::Value {
    fn from(event: UnpackEvent) -> Self {
        let value = match event {
            UnpackEvent::File(file) => serde_json::to_value(file),
            UnpackEvent::Created(notification) => serde_json::to_value(notification),
        };
        value.unwrap_or_default()
    }
}

impl UnpackEvent {
    /// The files that it is about.
    pub(crate) fn files(self) -> Result<Vec<UnpackFile>> {
        match self {
            Self::File(file) => Ok(vec![file]),
            Self::Created(notification) => {
                notification.records.iter().map(|record| Ok(staged(&record.s3.object.key)?.into())).collect()
            }
        }
    }
}

/// The file whose staged record has this key: `jobs/<connection>/<job request id>/staged/<ordinal>.json`.
fn staged(key: &str) -> Result<FileEvent> {
    let plain = key.replace('+', " ");
    let decoded = percent_decode_str(&plain).decode_utf8_lossy();
    let parsed = match decoded.split('/').collect::<Vec<_>>().as_slice() {
        ["jobs", connection, job, "staged", record] => (|| {
            Some(FileEvent {
                connection: connection.parse().ok()?,
                job_request_id: job.parse().ok()?,
                ordinal: record.strip_suffix(".json")?.parse().ok()?,
                destination: None,
            })
        })(),
        _ => None,
    };
    parsed.ok_or_else(|| {
        Error::invalid_event(format!(
            "the S3 event names {decoded:?}, which is not the record of a staged file (jobs/…/staged/<ordinal>.json)"
        ))
    })
}

#[cfg(test)]
mod tests {
    use landfall::event::parse;
    use serde_json::json;

    use super::*;

    fn created(key: &str) -> Result<Vec<UnpackFile>> {
        let record = json!({ "eventName": "ObjectCreated:Put", "s3": { "bucket": { "name": "work" }, "object": { "key": key } } });
        parse::<UnpackEvent>(json!({ "Records": [record] }))?.files()
    }

    /// Promise 2: a staged file's record is all that the step needs to know.
    #[test]
    fn an_s3_event_names_the_staged_file() {
        let files = created("jobs/fusion-demo/44%3A055/staged/7.json").unwrap();
        assert_eq!(files[0].job_request_id.as_str(), "44:055");
        assert_eq!(files[0].ordinal, 7);
    }

    /// Other objects of the work bucket, and odd keys, are refused by name and never taken for a job.
    #[test]
    fn other_objects_are_refused() {
        for key in [
            "jobs/a/b/staged/7",
            "jobs/a/b/receipts/7.json",
            "jobs/a/../b/staged/7.json",
            "x",
            "jobs/a/%2e%2e/staged/1.json",
        ] {
            assert_eq!(created(key).unwrap_err().error_type().name(), "InvalidEvent", "{key}");
        }
    }

    /// Unknown fields are refused with their name.
    #[test]
    fn a_file_event_refuses_unknown_fields() {
        let event = json!({ "connection": "c", "job_request_id": "1", "ordinal": 0, "ordinl": 1 });
        assert!(parse::<UnpackEvent>(event).unwrap_err().line().contains("`ordinl`"));
    }
}
