//! What an EPM environment remembers.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub(super) const FIRST_JOB_ID: u64 = 1_881;
const FIRST_DOWNLOAD_ID: u64 = 21;
/// Jobs of Planning are kept behind those of Data Integration, which has the same numbers.
const FIRST_OF_PLANNING: u64 = 1 << 40;

/// All that an EPM environment remembers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct EpmState {
    pub(super) next_job_id: u64,
    /// The next number of a job of Planning.
    pub(super) next_planning_number: u64,
    /// By their ids, which of a job of Planning is not the number that it is told by.
    pub(super) jobs: BTreeMap<u64, EpmJob>,
    /// What jobs have written and clients have uploaded, by path.
    pub(super) files: BTreeMap<String, RepositoryFile>,
    pub(super) next_download_id: u64,
    /// Which file each prepared download is of, and how often it was looked at.
    pub(super) downloads: BTreeMap<u64, Preparation>,
    /// The pieces of uploads that are not complete, by path.
    pub(super) pieces: BTreeMap<String, Vec<u8>>,
    pub(super) lists: u32,
}

impl Default for EpmState {
    fn default() -> Self {
        Self {
            next_job_id: FIRST_JOB_ID,
            next_planning_number: FIRST_JOB_ID,
            jobs: BTreeMap::new(),
            files: BTreeMap::new(),
            next_download_id: FIRST_DOWNLOAD_ID,
            downloads: BTreeMap::new(),
            pieces: BTreeMap::new(),
            lists: 0,
        }
    }
}

impl EpmState {
    /// Takes a job on; its id.
    pub(super) fn accept(&mut self, request: Map<String, Value>, now: Timestamp) -> u64 {
        let id = self.next_job_id;
        self.next_job_id += 1;
        let job = EpmJob { id, application: None, submitted_at: now, request, polls: 0, end: None };
        self.jobs.insert(id, job);
        id
    }

    /// Takes on a job of an application of Planning; its id.
    pub(super) fn accept_planning(
        &mut self,
        application: String,
        request: Map<String, Value>,
        now: Timestamp,
    ) -> u64 {
        let id = FIRST_OF_PLANNING + self.next_planning_number;
        self.next_planning_number += 1;
        let application = Some(application);
        self.jobs.insert(id, EpmJob { id, application, submitted_at: now, request, polls: 0, end: None });
        id
    }

    /// The id of the job of Planning that has this number.
    pub(super) fn planning_id(number: u64) -> u64 {
        FIRST_OF_PLANNING.saturating_add(number)
    }
}

/// Whether this is the id of a job of Planning.
pub(super) fn is_of_planning(id: u64) -> bool {
    id >= FIRST_OF_PLANNING
}

/// A job.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct EpmJob {
    pub(super) id: u64,
    /// The application of Planning that it is a job of.
    #[serde(default)]
    pub(super) application: Option<String>,
    pub(super) submitted_at: Timestamp,
    /// The submission as it was sent.
    pub(super) request: Map<String, Value>,
    pub(super) polls: u32,
    pub(super) end: Option<EpmEnd>,
}

/// How a job ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct EpmEnd {
    pub(super) status: i64,
    pub(super) details: Option<String>,
    pub(super) output: Option<String>,
}

/// A file of the repository.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RepositoryFile {
    pub(super) content: Content,
    /// In milliseconds since 1970.
    pub(super) modified: i64,
}

/// What a file holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Content {
    /// The output of this job.
    Output(u64),
    /// The log of this job.
    Log(u64),
    /// What a client has sent.
    Uploaded(Vec<u8>),
}

/// A download that is being prepared.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Preparation {
    pub(super) name: String,
    pub(super) looks: u32,
}

impl EpmJob {
    pub(super) fn text(&self, field: &str) -> &str {
        self.request.get(field).and_then(Value::as_str).unwrap_or_default()
    }

    /// The number that it is told by.
    pub(super) fn number(&self) -> u64 {
        if is_of_planning(self.id) { self.id - FIRST_OF_PLANNING } else { self.id }
    }

    /// A parameter of a job of Planning.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.request.get("parameters")?.get(name)?.as_str().filter(|value| !value.is_empty())
    }

    pub(super) fn log_name(&self) -> String {
        format!("outbox/logs/{}-DB_{}.log", self.text("jobName"), self.id)
    }
}
