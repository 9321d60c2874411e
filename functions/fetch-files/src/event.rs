//! The event that starts this step: a job, and how much of it is to be fetched.

use landfall::event::JobEvent;
use landfall::job::{ConnectionName, DestinationName, JobRequestId};
use landfall::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Names a job, and how much of it is fetched: all of it by default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FetchEvent {
    /// The connection that the job runs on.
    pub connection: ConnectionName,
    /// The job's id at the source.
    pub job_request_id: JobRequestId,
    /// The destination; needed only for a job that landfall did not submit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<DestinationName>,
    /// Whether the caller fetches files by separate calls, if they are many and large: then nothing is fetched, and the
    /// result names them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fan_out: bool,
    /// One of the job's files, by its position in their list, from 0: only this one is fetched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ordinal: Option<u32>,
}

impl From<JobEvent> for FetchEvent {
    fn from(event: JobEvent) -> Self {
        let JobEvent { connection, job_request_id, destination } = event;
        Self { connection, job_request_id, destination, fan_out: false, ordinal: None }
    }
}

impl FetchEvent {
    /// The job that it names.
    pub(crate) fn job_event(&self) -> JobEvent {
        let Self { connection, job_request_id, destination, .. } = self.clone();
        JobEvent { connection, job_request_id, destination }
    }

    /// Refuses an event that asks for two things.
    pub(crate) fn check(&self) -> Result<()> {
        match self.fan_out && self.ordinal.is_some() {
            false => Ok(()),
            true => Err(Error::invalid_event(
                "fan_out asks which files to fetch by calls of their own, ordinal names one of them: leave one of the two out",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use landfall::event::parse;
    use serde_json::json;

    use super::*;

    /// The event of callers that know nothing of single files is what it was; unknown fields are refused with their name,
    /// and so is an event that asks for two things.
    #[test]
    fn a_job_alone_is_an_event() {
        let event = json!({ "connection": "c", "job_request_id": "1" });
        let parsed: FetchEvent = parse(event.clone()).unwrap();
        assert!(!parsed.fan_out && parsed.ordinal.is_none());
        assert_eq!(serde_json::to_value(&parsed).unwrap(), event);
        let unknown = json!({ "connection": "c", "job_request_id": "1", "ordinl": 1 });
        assert!(parse::<FetchEvent>(unknown).unwrap_err().line().contains("`ordinl`"));
        let both = json!({ "connection": "c", "job_request_id": "1", "ordinal": 1, "fan_out": true });
        let refused = parse::<FetchEvent>(both).unwrap().check().unwrap_err();
        assert_eq!(refused.error_type().name(), "InvalidEvent");
    }
}
