//! What tests ask of the simulated FOLIO: which jobs there were, and what a correct landing of each holds.

use std::path::PathBuf;

use serde_json::Value;

use super::api::executions::go_on;
use super::faults::FolioFaults;
use super::output;
use crate::error::Error;
use crate::simulator::Simulator;

/// A job execution.
#[derive(Clone, Debug, PartialEq)]
pub struct FolioJob {
    /// Its id.
    pub id: String,
    /// Its number.
    pub hr_id: u64,
    /// How often its export was started: once, or not at all.
    pub starts: u32,
    /// Its status.
    pub status: String,
    /// The request that started it.
    pub request: Value,
    /// The file that it puts out, once it has ended.
    pub file: Option<FolioFile>,
    /// Its log, entry by entry.
    pub logs: Vec<Value>,
}

/// A file that a job puts out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolioFile {
    /// Its name.
    pub name: String,
    /// Where its bytes are kept.
    pub path: PathBuf,
    /// What it holds: one without a name is the file itself.
    pub members: Vec<FolioMember>,
}

/// What lands of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolioMember {
    /// Its name in the archive, where there is one.
    pub name: Option<String>,
    /// Where its bytes are kept.
    pub path: PathBuf,
    /// How many records it holds.
    pub records: u64,
}

impl Simulator {
    /// The job executions of the simulated FOLIO, in the order in which they were made, started or not.
    pub fn folio_jobs(&self) -> Vec<FolioJob> {
        let data = self.context.folder.path();
        self.context.store.read(|state| {
            let jobs = state.folio.executions.iter().map(|execution| {
                let ended = execution.output.as_ref().filter(|_| execution.has_ended());
                let folder = output::folder(data, &execution.id);
                let file = ended.and_then(|output| output.file.as_ref()).map(|file| FolioFile {
                    name: file.name.clone(),
                    path: folder.join(&file.name),
                    members: (file.slices.iter())
                        .map(|slice| FolioMember {
                            name: (file.slices.len() > 1).then(|| slice.name.clone()),
                            path: folder.join("slices").join(&slice.name),
                            records: slice.records,
                        })
                        .collect(),
                });
                FolioJob {
                    id: execution.id.clone(),
                    hr_id: execution.hr_id,
                    starts: execution.starts,
                    status: execution.status.clone(),
                    request: execution.request.clone(),
                    file,
                    logs: ended.map(|output| output.logs.clone()).unwrap_or_default(),
                }
            });
            jobs.collect()
        })
    }

    /// Ends the FOLIO job of a number that is in progress, now, whatever the switches say.
    ///
    /// # Errors
    ///
    /// [`Error::Folder`] if that cannot be kept.
    pub fn end_folio_job(&self, hr_id: u64) -> Result<(), Error> {
        let now = self.context.clock.now();
        self.change(|state| {
            let found = state.folio.executions.iter_mut().find(|execution| execution.hr_id == hr_id);
            if let Some(execution) = found {
                go_on(execution, &FolioFaults::default(), 1, now);
            }
        })
    }

    /// How often an export was started, over all jobs.
    pub fn folio_starts(&self) -> u32 {
        self.folio_jobs().iter().map(|job| job.starts).sum()
    }

    /// The logins that were refused since the last one that was not.
    pub fn folio_refused_logins(&self) -> u32 {
        self.context.store.read(|state| state.folio.failed_logins)
    }

    /// Forgets uploaded files and their definitions, as the module does once a day.
    ///
    /// # Errors
    ///
    /// [`Error::Folder`] if that cannot be kept.
    pub fn folio_cleans_up(&self) -> Result<(), Error> {
        self.change(|state| state.folio.definitions.clear())
    }
}
