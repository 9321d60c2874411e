//! What tests ask of an EPM environment past its API: which jobs there were, and what each has put out.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::api::admission::GATEWAY;
use super::api::jobs::end;
use super::content;
use super::credentials::IDENTITY_DOMAIN;
use super::faults::EpmStatusFaults;
use super::scenario::EpmFormat;
use super::state::{Content, EpmJob};
use crate::error::Error;
use crate::identity::credentials::{PASSWORD, USERNAME};
use crate::simulator::Simulator;

/// A job that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpmSubmitted {
    /// Its id here.
    pub id: u64,
    /// What identifies it to a client of every API: its number, of a job of Planning behind its application's name.
    pub job_request_id: String,
    /// The submission as it was sent.
    pub request: Map<String, Value>,
    /// The number that it ended with, if it has ended.
    pub final_status: Option<i64>,
}

/// What a job has put out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpmOutput {
    /// The path of its file in the repository.
    pub name: String,
    /// The file's bytes.
    pub file: Vec<u8>,
    /// What a correct landing of it holds: the file itself, or what its archive has.
    pub landed: Vec<u8>,
    /// Rows without the header, where it is a table.
    pub rows: Option<u64>,
}

impl Simulator {
    /// Where the environment is behind a gateway.
    pub fn epm_gateway_url(&self) -> String {
        format!("{}{GATEWAY}", self.base_url())
    }

    /// The EPM jobs that were accepted, in their order, whether or not the client heard of it.
    pub fn epm_jobs(&self) -> Vec<EpmSubmitted> {
        let submitted = |job: &EpmJob| EpmSubmitted {
            id: job.id,
            job_request_id: match &job.application {
                Some(application) => format!("{application}.{}", job.number()),
                None => job.id.to_string(),
            },
            request: job.request.clone(),
            final_status: job.end.as_ref().map(|end| end.status),
        };
        self.context.store.read(|state| state.epm.jobs.values().map(submitted).collect())
    }

    /// Ends an EPM job that is running, well and now, whatever the switches say.
    ///
    /// # Errors
    ///
    /// [`Error::Folder`] if that cannot be kept.
    pub fn end_epm_job(&self, id: u64) -> Result<(), Error> {
        let (now, scenario) = (self.context.clock.now(), &self.context.scenario);
        self.change(|state| end(&mut state.epm, id, scenario, &EpmStatusFaults::default(), now))
    }

    /// What an EPM job has put out, as it was then; none where it did not end well, or put nothing out.
    ///
    /// # Errors
    ///
    /// [`Error::Output`] if the file could not be made.
    pub fn epm_output(&self, id: u64) -> Result<Option<EpmOutput>, Error> {
        let scenario = &self.context.scenario;
        let name = self
            .context
            .store
            .read(|state| state.epm.jobs.get(&id).and_then(|job| job.end.as_ref()?.output.clone()));
        let Some(name) = name else { return Ok(None) };
        let file =
            content::output(scenario, id).map_err(|source| Error::Output { id, source: Arc::new(source) })?;
        let format = content::format(scenario, id);
        let is_archive = format == EpmFormat::Zip;
        let is_table = is_archive || format == EpmFormat::Csv;
        let landed = if is_archive { content::table(scenario, id) } else { file.clone() };
        Ok(Some(EpmOutput { name, file, landed, rows: is_table.then_some(scenario.epm.rows) }))
    }

    /// What a client has uploaded under a path.
    pub fn epm_uploaded(&self, name: &str) -> Option<Vec<u8>> {
        self.context.store.read(|state| match &state.epm.files.get(name)?.content {
            Content::Uploaded(bytes) => Some(bytes.clone()),
            _ => None,
        })
    }

    /// Adds a job that somebody has started in EPM's own screen, and that has ended well; its id.
    ///
    /// # Errors
    ///
    /// [`Error::Folder`] if that cannot be kept.
    pub fn epm_job_of_others(&self, job_name: &str) -> Result<u64, Error> {
        let now = self.context.clock.now();
        let scenario = &self.context.scenario;
        let mut id = 0;
        self.change(|state| {
            let request = [("jobType", "INTEGRATION"), ("jobName", job_name)];
            let request = request.map(|(name, value)| (name.to_owned(), Value::from(value)));
            id = state.epm.accept(request.into_iter().collect(), now);
            end(&mut state.epm, id, scenario, &EpmStatusFaults::default(), now);
        })?;
        Ok(id)
    }

    /// The `Authorization` header of the environment's user.
    pub fn epm_authorization(&self) -> String {
        let (domain, name) = (IDENTITY_DOMAIN, USERNAME);
        format!("Basic {}", STANDARD.encode(format!("{domain}.{name}:{}", PASSWORD)))
    }
}
