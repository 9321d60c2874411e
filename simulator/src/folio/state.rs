//! What the data exports of FOLIO remember.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::output::Output;
use super::uuid::uuid_of;

const FIRST_HR_ID: u64 = 112;

/// All that the data exports of FOLIO remember.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct FolioState {
    pub(crate) tokens_issued: u64,
    pub(crate) failed_logins: u32,
    pub(crate) used_refresh_tokens: BTreeSet<String>,
    pub(crate) links_made: u64,
    /// Signatures that are good no more.
    pub(crate) expired_links: BTreeSet<String>,
    pub(crate) slice_size: Option<u64>,
    pub(crate) definitions: BTreeMap<String, Definition>,
    /// In the order in which they were made.
    pub(crate) executions: Vec<Execution>,
}

impl FolioState {
    pub(crate) fn execution(&mut self, id: &str) -> Option<&mut Execution> {
        self.executions.iter_mut().find(|execution| execution.id.eq_ignore_ascii_case(id))
    }

    /// Makes a job execution for a file, or for none.
    pub(crate) fn new_execution(
        &mut self,
        definition: Option<&str>,
        base_name: &str,
        now: Timestamp,
    ) -> &mut Execution {
        let hr_id = FIRST_HR_ID.saturating_add(u64::try_from(self.executions.len()).unwrap_or(u64::MAX));
        let execution = Execution {
            id: uuid_of(&format!("execution {hr_id} of {}", definition.unwrap_or(base_name))),
            hr_id,
            definition: definition.map(str::to_owned),
            base_name: base_name.to_owned(),
            status: "NEW".to_owned(),
            made_at: now,
            updated_at: now,
            started_at: None,
            completed_at: None,
            starts: 0,
            lists: 0,
            polls: 0,
            request: Value::Null,
            profile: None,
            provisional_file: None,
            output: None,
            deleted: false,
        };
        let place = self.executions.len();
        self.executions.insert(place, execution);
        let (_, last) = self.executions.split_at_mut(place);
        last.first_mut().unwrap_or_else(|| unreachable!("it has just been put there"))
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Definition {
    pub(crate) id: String,
    pub(crate) file_name: String,
    pub(crate) upload_format: String,
    pub(crate) size: Option<u64>,
    pub(crate) status: String,
    pub(crate) job_execution_id: String,
    pub(crate) source_path: Option<String>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    /// How often it was asked for since its file came.
    pub(crate) looks: u32,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Execution {
    pub(crate) id: String,
    pub(crate) hr_id: u64,
    pub(crate) definition: Option<String>,
    pub(crate) base_name: String,
    pub(crate) status: String,
    pub(crate) made_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) completed_at: Option<Timestamp>,
    /// How often the export was started: more than once is a job that ran twice.
    pub(crate) starts: u32,
    pub(crate) lists: u32,
    pub(crate) polls: u32,
    /// The request that started it.
    pub(crate) request: Value,
    pub(crate) profile: Option<(String, String)>,
    /// What the execution names while it runs: neither its id nor its name will be right.
    pub(crate) provisional_file: Option<(String, String)>,
    /// What it puts out, or why it fails; made when it is started.
    pub(crate) output: Option<Output>,
    pub(crate) deleted: bool,
}

impl Execution {
    pub(crate) fn has_ended(&self) -> bool {
        self.completed_at.is_some()
    }
}
