//! What data extraction remembers: jobs, definitions, and the windows of incremental extracts.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Between two jobs' ids is room for the older ones that the list shows beside each.
pub(super) const ID_STEP: u64 = 11;
/// The job definition of extraction by Spectra.
pub(super) const ASYNC_DATA_EXTRACTION: &str = "AsyncDataExtraction";
const FIRST_JOB_ID: u64 = 44_046;
const FIRST_DEFINITION_ID: u64 = 300_100_641_963_646;

/// All that data extraction remembers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct FusionExtractState {
    pub(super) next_job_id: u64,
    pub(super) next_definition_id: u64,
    pub(super) definitions: Vec<Definition>,
    pub(crate) jobs: BTreeMap<u64, Job>,
    /// For each extract, how many incremental jobs have succeeded: its window on the server.
    windows: BTreeMap<String, u64>,
}

impl Default for FusionExtractState {
    fn default() -> Self {
        Self {
            next_job_id: FIRST_JOB_ID,
            next_definition_id: FIRST_DEFINITION_ID,
            definitions: Vec::new(),
            jobs: BTreeMap::new(),
            windows: BTreeMap::new(),
        }
    }
}

impl FusionExtractState {
    /// Takes a job on; its id.
    pub(super) fn add_job(&mut self, request: Map<String, Value>, now: Timestamp, kind: JobKind) -> u64 {
        let id = self.next_job_id;
        self.next_job_id += ID_STEP;
        self.jobs.insert(id, Job::new(id, request, now, kind));
        id
    }

    /// Moves the extract's window on by one and says where it was.
    pub(super) fn take_window(&mut self, extract: &str) -> u64 {
        let window = self.windows.entry(extract.to_owned()).or_default();
        let taken = *window;
        *window += 1;
        taken
    }
}

/// An export definition, or a group of them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Definition {
    pub(crate) id: String,
    pub(crate) is_group: bool,
    pub(crate) name: String,
    pub(crate) body: Map<String, Value>,
    /// Searches that would have found it.
    #[serde(default)]
    pub(crate) searches: u32,
}

/// A job request.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) id: u64,
    pub(crate) submitted_at: Timestamp,
    /// The request as it was sent.
    pub(crate) request: Map<String, Value>,
    pub(crate) kind: JobKind,
    pub(crate) polls: u32,
    pub(crate) lists: u32,
    pub(crate) file_lists: u32,
    /// How often somebody has started it again.
    #[serde(default)]
    pub(crate) restarts: u32,
    /// Where the window of an incremental job began; set once it is sure to succeed.
    pub(crate) window: Option<u64>,
    pub(crate) end: Option<JobEnd>,
}

/// Where a job comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum JobKind {
    /// Submitted, and runs once.
    Single,
    /// Submitted with a schedule; its occurrences are jobs of their own.
    Recurring,
    /// One run of a recurring request.
    Occurrence { parent: u64, number: u32 },
    /// Part of the pod's history; finished, without output.
    Planted,
}

/// How a job ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct JobEnd {
    pub(crate) status: String,
    pub(crate) message: Option<String>,
    pub(crate) at: Timestamp,
    /// Polls that have seen it.
    pub(crate) polls: u32,
}

impl Job {
    /// A job that nobody has asked about yet.
    pub(super) fn new(id: u64, request: Map<String, Value>, submitted_at: Timestamp, kind: JobKind) -> Self {
        Self {
            id,
            submitted_at,
            request,
            kind,
            polls: 0,
            lists: 0,
            file_lists: 0,
            restarts: 0,
            window: None,
            end: None,
        }
    }

    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.request.get("requestParameters")?.get(name)?.as_str()
    }

    pub(super) fn extract(&self) -> &str {
        self.parameter("submit.argument1").unwrap_or("Extract")
    }

    /// The resource that it extracts, where it is an extraction by Spectra.
    pub(super) fn resource(&self) -> Option<&str> {
        let is_spectra = self.text("jobDefinitionName") == Some(ASYNC_DATA_EXTRACTION);
        let named = || self.parameter("boss.resource.name").or_else(|| self.parameter("boss.resource.path"));
        is_spectra.then(named).flatten()
    }

    pub(super) fn is_incremental(&self) -> bool {
        self.parameter("submit.argument2").is_some_and(|mode| mode.starts_with("Incremental"))
    }

    pub(super) fn text(&self, field: &str) -> Option<&str> {
        self.request.get(field)?.as_str()
    }

    pub(super) fn is_occurrence(&self) -> bool {
        matches!(self.kind, JobKind::Occurrence { .. })
    }

    /// Whether the job has ended in a way that leaves output files.
    pub(super) fn has_output(&self) -> bool {
        matches!(self.kind, JobKind::Single | JobKind::Occurrence { .. })
            && self.end.as_ref().is_some_and(|end| comes_with_output(&end.status))
    }
}

/// Whether a job that ends in this status has output files.
pub(super) fn comes_with_output(status: &str) -> bool {
    const WITH_OUTPUT: [&str; 5] = ["SUCCEEDED", "SUCCESSFUL", "COMPLETED", "FINISHED", "WARNING"];
    WITH_OUTPUT.iter().any(|known| known.eq_ignore_ascii_case(status))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An incremental window moves with each success: that is what makes a duplicate job dangerous.
    #[test]
    fn a_window_moves_on_for_each_extract_alone() {
        let mut state = FusionExtractState::default();
        assert_eq!([state.take_window("A"), state.take_window("A"), state.take_window("B")], [0, 1, 0]);
    }
}
