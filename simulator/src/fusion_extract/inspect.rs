//! What tests ask of data extraction past its API: which jobs there were, and what a correct landing of each holds.

use std::path::PathBuf;

use serde_json::{Map, Value};

use super::faults::StatusFaults;
use super::output::{self, ExpectedFile, Outputs};
use super::progress;
use super::state::{Job, JobKind};
use crate::error::Error;
use crate::simulator::Simulator;

/// A job that was accepted, or an occurrence of a recurring one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubmittedJob {
    /// Its id.
    pub id: u64,
    /// Its `jobDefinitionName`, as it was sent.
    pub job_definition: Option<String>,
    /// Its description, as it was sent.
    pub description: Option<String>,
    /// Its `clientRequestUuid`, as it was sent.
    pub client_request_uuid: Option<String>,
    /// Its `requestParameters`, as they were sent.
    pub request_parameters: Map<String, Value>,
    /// The recurring request that it is an occurrence of.
    pub parent: Option<u64>,
    /// Whether it has a schedule, and occurrences.
    pub is_recurring: bool,
    /// How it ended, if it has.
    pub final_status: Option<String>,
}

impl SubmittedJob {
    fn of(job: &Job) -> Self {
        let parameters = job.request.get("requestParameters").and_then(Value::as_object);
        Self {
            id: job.id,
            job_definition: job.text("jobDefinitionName").map(str::to_owned),
            description: job.text("description").map(str::to_owned),
            client_request_uuid: job.text("clientRequestUuid").map(str::to_owned),
            request_parameters: parameters.cloned().unwrap_or_default(),
            parent: match job.kind {
                JobKind::Occurrence { parent, .. } => Some(parent),
                _ => None,
            },
            is_recurring: job.kind == JobKind::Recurring,
            final_status: job.end.as_ref().map(|end| end.status.clone()),
        }
    }
}

impl Simulator {
    /// The submissions that were accepted, in their order, whether or not the client heard of it.
    /// Occurrences of recurring requests are not among them.
    pub fn jobs(&self) -> Vec<SubmittedJob> {
        self.jobs_of(|job| matches!(job.kind, JobKind::Single | JobKind::Recurring))
    }

    /// The runs of a recurring request.
    pub fn occurrences(&self, parent: u64) -> Vec<SubmittedJob> {
        self.jobs_of(|job| matches!(job.kind, JobKind::Occurrence { parent: of, .. } if of == parent))
    }

    fn jobs_of(&self, wanted: impl Fn(&Job) -> bool) -> Vec<SubmittedJob> {
        self.context.store.read(|state| {
            state.fusion_extract.jobs.values().filter(|job| wanted(job)).map(SubmittedJob::of).collect()
        })
    }

    /// Starts an ended job again, under its id, as an operator can in the vendor's own screen.
    ///
    /// # Errors
    ///
    /// [`Error::Folder`] if that cannot be kept.
    pub fn start_again(&self, id: u64) -> Result<(), Error> {
        self.change(|state| {
            if let Some(job) = state.fusion_extract.jobs.get_mut(&id) {
                job.restarts = job.restarts.saturating_add(1);
                job.polls = 0;
                job.end = None;
            }
        })
    }

    /// Ends a job that is running, well and now, whatever the switches say; returns once its output is there.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownJob`], also where it cannot be kept or made.
    pub async fn end_job(&self, id: u64) -> Result<(), Error> {
        let due = StatusFaults { progression: Vec::new(), ..StatusFaults::default() };
        let is_running = |job: &SubmittedJob| job.id == id && job.final_status.is_none() && !job.is_recurring;
        while self.jobs().iter().any(is_running) {
            let polled = progress::poll(&self.context, &id.to_string(), &due).await;
            polled.map_err(|_| Error::UnknownJob { id })?;
        }
        Ok(())
    }

    /// A job's output files, and what a correct landing of each holds.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownJob`]; [`Error::NoOutput`] before the job has succeeded, or if it never will;
    /// [`Error::Output`] if the files could not be made.
    pub async fn expected_files(&self, id: u64) -> Result<Vec<ExpectedFile>, Error> {
        let job = self.context.store.read(|state| state.fusion_extract.jobs.get(&id).cloned());
        let job = job.ok_or(Error::UnknownJob { id })?;
        if !job.has_output() {
            return Err(Error::NoOutput { id });
        }
        let files = Outputs::of(&self.context, &job).await.map_err(|source| Error::Output { id, source })?;
        Ok(files.to_vec())
    }

    /// Where the bytes of an output file are kept, to compare with what was staged.
    pub fn file_path(&self, job_id: u64, ordinal: u32) -> PathBuf {
        output::file_path(&self.context, job_id, ordinal)
    }
}
