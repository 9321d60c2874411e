//! The events that the functions take: JSON objects in `snake_case`, unknown fields refused by name.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::Result;
use crate::export::Export;
use crate::job::{ConnectionName, DestinationName, JobRef, JobRequestId, ParentRun, RunKey};
use crate::parse;

/// The largest event that is read, in bytes; Lambda takes as much.
pub const MAX_EVENT: usize = 6 << 20;

/// Starts a run: the state machine's input, and `submit`'s event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunEvent {
    /// The connection to run on; what it stands for is configuration.
    pub connection: ConnectionName,
    /// What to export.
    pub export: Export,
    /// The destination to land in; what it stands for is configuration.
    pub destination: DestinationName,
    /// What makes two runs the same run. The state machine's default is the execution's name.
    pub run_key: RunKey,
    /// The run of somebody else's that has started this one, an orchestrator's task say: the events of `OpenLineage` name it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<ParentRun>,
}

/// Names a job: the event of `poll-status`, `publish` and `register-table`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JobEvent {
    /// The connection that the job runs on.
    pub connection: ConnectionName,
    /// The job's id at the source.
    pub job_request_id: JobRequestId,
    /// The destination; needed only for a job that landfall did not submit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<DestinationName>,
}

impl JobEvent {
    /// The job that it names.
    pub fn job(&self) -> JobRef {
        JobRef { connection: self.connection.clone(), job_request_id: self.job_request_id.clone() }
    }
}

/// Names one staged file of a job: the event of `unpack-upload`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileEvent {
    /// The connection that the job runs on.
    pub connection: ConnectionName,
    /// The job's id at the source.
    pub job_request_id: JobRequestId,
    /// The file's position in the job's list of files, from 0.
    pub ordinal: u32,
    /// The destination; needed only for a job that landfall did not submit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<DestinationName>,
}

impl FileEvent {
    /// The event without the file.
    pub fn job_event(&self) -> JobEvent {
        JobEvent {
            connection: self.connection.clone(),
            job_request_id: self.job_request_id.clone(),
            destination: self.destination.clone(),
        }
    }
}

/// Reads an event; what does not fit is an `InvalidEvent` that names the field.
pub fn parse<E: DeserializeOwned>(event: Value) -> Result<E> {
    parse::below(".", event)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refusal(event: Value) -> String {
        let error = parse::<RunEvent>(event).unwrap_err();
        assert_eq!(error.error_type().name(), "InvalidEvent");
        error.line()
    }

    fn event() -> Value {
        json!({
            "connection": "fusion-demo",
            "export": { "kind": "fusion_extract", "extract": "SimpleCarriers", "mode": "incremental" },
            "destination": "lake",
            "run_key": "carriers-2026-11-21T06"
        })
    }

    /// The contract's example is an event.
    #[test]
    fn the_contracts_example_parses_and_prints_alike() {
        let parsed: RunEvent = parse(event()).unwrap();
        assert_eq!(serde_json::to_value(&parsed).unwrap(), event());
    }

    /// Unknown, missing and malformed fields are refused by name.
    #[test]
    fn what_does_not_fit_is_named() {
        let mut extra = event();
        extra["runkey"] = json!("x");
        assert!(refusal(extra).contains("`runkey`"));

        let mut missing = event();
        missing.as_object_mut().unwrap().remove("destination");
        assert!(refusal(missing).contains("`destination`"));

        let mut escape = event();
        escape["run_key"] = json!("../../other");
        let line = refusal(escape);
        assert!(line.contains("run_key") && line.contains("../../other"), "{line}");
    }

    /// An event of any size is refused in a line that a log takes.
    #[test]
    fn a_refusal_repeats_no_more_than_the_beginning() {
        let mut large = event();
        large["é".repeat(100_000).as_str()] = json!(1);
        let line = refusal(large);
        assert!(line.chars().count() < 1200 && line.contains("unknown field `éé"), "{line}");
    }
}
