//! What the simulated systems remember, and keeping it over a restart.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::epm::EpmState;
use crate::faults::Times;
use crate::folio::FolioState;
use crate::fusion::rest::RestState;

/// The state's file in the data folder.
const STATE_FILE: &str = "state.json";
/// Between two jobs' ids is room for the older ones that the list shows beside each.
pub(crate) const ID_STEP: u64 = 11;
const FIRST_JOB_ID: u64 = 44_046;
const FIRST_DEFINITION_ID: u64 = 300_100_641_963_646;

/// All that is remembered.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) next_job_id: u64,
    pub(crate) next_definition_id: u64,
    /// Tokens of an earlier generation are revoked.
    pub(crate) token_generation: u64,
    pub(crate) tokens_issued: u64,
    pub(crate) authorized_requests: u64,
    pub(crate) definitions: Vec<Definition>,
    pub(crate) jobs: BTreeMap<u64, Job>,
    /// For each extract, how many incremental jobs have succeeded: its window on the server.
    pub(crate) windows: BTreeMap<String, u64>,
    /// How often each switch has been asked whether it acts, by switch and subject.
    pub(crate) occasions: BTreeMap<String, u32>,
    #[serde(default)]
    pub(crate) rest: RestState,
    #[serde(default)]
    pub(crate) epm: EpmState,
    #[serde(default)]
    pub(crate) folio: FolioState,
}

impl Default for State {
    fn default() -> Self {
        Self {
            next_job_id: FIRST_JOB_ID,
            next_definition_id: FIRST_DEFINITION_ID,
            token_generation: 0,
            tokens_issued: 0,
            authorized_requests: 0,
            definitions: Vec::new(),
            jobs: BTreeMap::new(),
            windows: BTreeMap::new(),
            occasions: BTreeMap::new(),
            rest: RestState::default(),
            epm: EpmState::default(),
            folio: FolioState::default(),
        }
    }
}

impl State {
    /// Whether a switch acts now; each call that could be affected is one more occasion.
    pub(crate) fn occurs(&mut self, times: Times, switch: &str, subject: &str) -> bool {
        if times.is_never() {
            return false;
        }
        times.includes(self.count(switch, subject))
    }

    /// How often this has been called for a subject before.
    pub(crate) fn count(&mut self, what: &str, subject: &str) -> u32 {
        let count = self.occasions.entry(format!("{what} {subject}")).or_default();
        let earlier = *count;
        *count = earlier.saturating_add(1);
        earlier
    }

    /// Moves the extract's window on by one and says where it was.
    pub(crate) fn take_window(&mut self, extract: &str) -> u64 {
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
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.request.get("requestParameters")?.get(name)?.as_str()
    }

    pub(crate) fn extract(&self) -> &str {
        self.parameter("submit.argument1").unwrap_or("Extract")
    }

    pub(crate) fn is_incremental(&self) -> bool {
        self.parameter("submit.argument2").is_some_and(|mode| mode.starts_with("Incremental"))
    }

    pub(crate) fn text(&self, field: &str) -> Option<&str> {
        self.request.get(field)?.as_str()
    }

    /// Whether the job has ended in a way that leaves output files.
    pub(crate) fn has_output(&self) -> bool {
        matches!(self.kind, JobKind::Single | JobKind::Occurrence { .. })
            && self.end.as_ref().is_some_and(|end| comes_with_output(&end.status))
    }
}

/// Whether a job that ends in this status has output files.
pub(crate) fn comes_with_output(status: &str) -> bool {
    const WITH_OUTPUT: [&str; 5] = ["SUCCEEDED", "SUCCESSFUL", "COMPLETED", "FINISHED", "WARNING"];
    WITH_OUTPUT.iter().any(|known| known.eq_ignore_ascii_case(status))
}

/// The state, and its file if it is kept.
#[derive(Debug)]
pub(crate) struct Store {
    state: Mutex<State>,
    file: Option<PathBuf>,
}

impl Store {
    /// The state that `folder` keeps, or a fresh one; in memory without a folder.
    pub(crate) fn open(folder: Option<&Path>) -> io::Result<Self> {
        let Some(folder) = folder else {
            return Ok(Self { state: Mutex::default(), file: None });
        };
        let file = folder.join(STATE_FILE);
        let state = match fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(io::Error::other)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => State::default(),
            Err(error) => return Err(error),
        };
        Ok(Self { state: Mutex::new(state), file: Some(file) })
    }

    pub(crate) fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.lock())
    }

    /// Changes the state and keeps it before anyone is told.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> io::Result<T> {
        let mut state = self.lock();
        let outcome = change(&mut state);
        if let Some(file) = &self.file {
            replace(file, &serde_json::to_vec(&*state)?)?;
        }
        Ok(outcome)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Replaces a file by one rename, so that a kill leaves either the old or the new one.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let unfinished = path.with_extension("json.new");
    File::create(&unfinished)?.write_all(bytes)?;
    fs::rename(&unfinished, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Transient switches act on the first occasions, each subject with a count of its own.
    #[test]
    fn a_switch_acts_on_the_first_occasions_of_each_subject() {
        let mut state = State::default();
        let twice = Times::First(2);
        let acted: Vec<bool> = (0..3).map(|_| state.occurs(twice, "content.cut", "1")).collect();
        assert_eq!(acted, [true, true, false]);
        assert!(state.occurs(twice, "content.cut", "2"));
        assert!(state.occurs(Times::Always, "other", "1"));
        assert!(!state.occurs(Times::default(), "never", "1"));
    }

    /// An incremental window moves with each success: that is what makes a duplicate job dangerous.
    #[test]
    fn a_window_moves_on_for_each_extract_alone() {
        let mut state = State::default();
        assert_eq!([state.take_window("A"), state.take_window("A"), state.take_window("B")], [0, 1, 0]);
    }
}
