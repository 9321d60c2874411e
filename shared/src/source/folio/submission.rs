//! A submission, from wherever an earlier one has left it.
//!
//! FOLIO lets the client choose a file definition's id, and that is what a run is found again by: its id is made from
//! the run key. Each step looks before it acts, since none may be repeated blindly: a second definition of one id makes
//! a second job execution, a second upload spoils the definition, a second start runs the job again.
//!
//! The job execution's id is noted in the work bucket before the export is started. FOLIO forgets definitions after a
//! day, and the execution is found without it then.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::FolioExport;
use super::api::{Api, is_too_large};
use super::ids::Upload;
use super::wire::{Execution, FileDefinition};
use crate::clock::{Clock, elapsed};
use crate::error::{Error, Result};
use crate::http::HttpError;
use crate::job::{ConnectionName, JobRequestId, RunKey};
use crate::source::Submission;
use crate::store::{WorkState, keys};

/// What definitions' ids are made below (`UUIDv5`).
const DEFINITIONS: Uuid = Uuid::from_u128(0x8f2b_6f0c_51f4_4a53_9c1e_6b3f_0d7a_21c4);
/// An export is started within this time after the submission began, or not at all: whoever takes a claim over must not
/// meet it.
const START_WITHIN: Duration = Duration::from_secs(45);
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(4);
/// After so many looks at a definition that stays empty, an upload of unknown outcome has not arrived.
const LOOKS_AFTER_UPLOAD: u32 = 3;
/// How often a definition is created, or uploaded to, in one submission.
const TRIES: u32 = 2;

/// One submission.
pub(super) struct Submitting<'a> {
    api: &'a Api,
    work: &'a WorkState,
    clock: &'a dyn Clock,
    connection: &'a ConnectionName,
    export: &'a FolioExport,
    run_key: &'a RunKey,
    definition: String,
    since: Timestamp,
}

/// What is remembered of a submission: `submissions/<connection>/<run key>.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Remembered {
    file_definition_id: String,
    job_execution_id: String,
}

/// What a definition asks for next.
enum Next {
    /// It is not there.
    Create,
    /// Its file is not there.
    Upload,
    /// FOLIO is at it.
    Wait,
    /// The export can be started, as this job execution.
    Start(String),
}

impl<'a> Submitting<'a> {
    pub(super) fn new(
        api: &'a Api,
        work: &'a WorkState,
        clock: &'a dyn Clock,
        connection: &'a ConnectionName,
        tenant: &str,
        export: &'a FolioExport,
        run_key: &'a RunKey,
    ) -> Self {
        let name = format!("{tenant}/{connection}/{run_key}");
        let definition = Uuid::new_v5(&DEFINITIONS, name.as_bytes()).to_string();
        Self { api, work, clock, connection, export, run_key, definition, since: clock.now() }
    }

    /// Goes on with the submission until nothing but the start is left.
    pub(super) async fn prepare(&self) -> Result<()> {
        let upload = self.list_of_ids().await?;
        if self.started().await?.is_none() {
            self.api.profile_id(self.export).await?;
            self.ready(&upload).await?;
        }
        Ok(())
    }

    async fn list_of_ids(&self) -> Result<Upload> {
        let records = self.export.records.as_ref();
        let records = records.ok_or_else(|| Error::invalid_event("export.records is missing"))?;
        Upload::prepare(records, self.run_key, self.work).await
    }

    /// Goes on with the submission until the export has been started.
    pub(super) async fn submit(&self) -> Result<Submission> {
        let upload = self.list_of_ids().await?;
        if let Some(job) = self.started().await? {
            return Ok(Submission::Accepted(job));
        }
        let profile = self.api.profile_id(self.export).await?;
        let execution = self.ready(&upload).await?;
        self.remember(&execution).await?;
        self.start(&execution, &profile).await
    }

    /// The job of this run, if its export has been started.
    pub(super) async fn started(&self) -> Result<Option<JobRequestId>> {
        if let Some(remembered) = self.remembered().await?
            && let Some(execution) = self.api.execution(&remembered.job_execution_id).await?
            && execution.has_started()
        {
            return job_id(&remembered.job_execution_id).map(Some);
        }
        let definition = self.api.definition(&self.definition).await?;
        let Some(id) = definition.and_then(|definition| definition.job_execution_id) else { return Ok(None) };
        match self.api.execution(&id).await? {
            Some(execution) if execution.has_started() => job_id(&id).map(Some),
            _ => Ok(None),
        }
    }

    /// Brings the definition to where its export can be started; the id of its job execution.
    async fn ready(&self, upload: &Upload) -> Result<String> {
        let (mut created, mut uploaded, mut looks) = (0, 0, 0);
        let mut wait = FIRST_WAIT;
        loop {
            let found = self.api.definition(&self.definition).await?;
            match self.next(found)? {
                Next::Start(execution) => return Ok(execution),
                Next::Create if created < TRIES => {
                    created += 1;
                    settled(self.api.create_definition(&self.definition, upload).await)?;
                    continue;
                }
                Next::Upload if uploaded == 0 || (uploaded < TRIES && looks >= LOOKS_AFTER_UPLOAD) => {
                    (uploaded, looks) = (uploaded + 1, 0);
                    self.upload(upload).await?;
                    continue;
                }
                Next::Create | Next::Upload | Next::Wait => looks += 1,
            }
            self.pause(&mut wait, "FOLIO has not stored the list of ids yet").await?;
        }
    }

    fn next(&self, definition: Option<FileDefinition>) -> Result<Next> {
        let Some(definition) = definition else { return Ok(Next::Create) };
        let word = definition.status.as_deref().unwrap_or("NEW").to_ascii_uppercase();
        let is_stored = definition.source_path.is_some();
        match (word.as_str(), is_stored) {
            ("NEW", _) => Ok(Next::Upload),
            // An upload that met another one leaves ERROR behind; the file of the first is there all the same.
            ("COMPLETED" | "ERROR", true) => match definition.job_execution_id {
                Some(id) => Ok(Next::Start(id)),
                None => Err(Error::contract_broken(format!(
                    "file definition {} is {word} and names no job execution",
                    self.definition
                ))),
            },
            // Version 4 answers before it has stored the file.
            ("IN_PROGRESS" | "COMPLETED", _) => Ok(Next::Wait),
            ("ERROR", false) => Err(Error::rejected(format!(
                "FOLIO could not store the list of ids (file definition {} is in ERROR): start the run under another \
                 run_key",
                self.definition
            ))),
            (other, _) => Err(Error::contract_broken(format!(
                "file definition {} is {:?}, which no table names",
                self.definition,
                self.api.redactor().text(other)
            ))),
        }
    }

    /// Uploads the ids. A refusal counts only where the definition is still empty: the upload may have met an earlier one.
    async fn upload(&self, upload: &Upload) -> Result<()> {
        let Err(error) = self.api.upload(&self.definition, upload).await else { return Ok(()) };
        if error.outcome_is_unknown() {
            tracing::warn!(error = %error, "it is not known whether the list of ids was uploaded: looking");
            return Ok(());
        }
        if is_too_large(&error) {
            return Err(Error::limit_exceeded(format!(
                "the gateway before FOLIO takes no body of {} bytes: raise its limit (client_max_body_size, 1 MB in \
                 Kong's default), or split the ids over several runs",
                upload.length()
            ))
            .because(error));
        }
        let found = self.api.definition(&self.definition).await?;
        match self.next(found)? {
            Next::Create | Next::Upload => Err(error.into()),
            Next::Wait | Next::Start(_) => Ok(()),
        }
    }

    /// Starts the export, if it has not been: only a `NEW` execution is.
    async fn start(&self, execution: &str, profile: &str) -> Result<Submission> {
        let job = job_id(execution)?;
        if self.listed(execution).await?.has_started() {
            return Ok(Submission::Accepted(job));
        }
        self.must_be_in_time("the list of ids is uploaded")?;
        match self.api.start(&self.definition, profile, self.export).await {
            // 204 is no promise: FOLIO checks the request behind it, and fails the job. But a job it is.
            Ok(()) => Ok(Submission::Accepted(job)),
            Err(error) if error.outcome_is_unknown() => Ok(Submission::Ambiguous(Error::from(error).line())),
            Err(error) => {
                Err(Error::from(error).while_doing(format!("starting the export of run {}", self.run_key)))
            }
        }
    }

    /// The job execution. It may be missing from the list for a moment after it was made.
    async fn listed(&self, id: &str) -> Result<Execution> {
        let mut wait = FIRST_WAIT;
        loop {
            if let Some(execution) = self.api.execution(id).await? {
                return Ok(execution);
            }
            self.pause(&mut wait, &format!("FOLIO does not list job execution {id} yet")).await?;
        }
    }

    async fn pause(&self, wait: &mut Duration, why: &str) -> Result<()> {
        self.must_be_in_time(why)?;
        self.clock.sleep(*wait).await;
        *wait = LONGEST_WAIT.min(*wait * 2);
        Ok(())
    }

    fn must_be_in_time(&self, why: &str) -> Result<()> {
        match elapsed(self.since, self.clock.now()) < START_WITHIN {
            true => Ok(()),
            false => Err(Error::source_unavailable(format!(
                "{why}, and {} s have passed: call again to start the export of run {}",
                START_WITHIN.as_secs(),
                self.run_key
            ))),
        }
    }

    async fn remembered(&self) -> Result<Option<Remembered>> {
        Ok(self.work.checkpoint(&keys::submission(self.connection, self.run_key)).await?)
    }

    async fn remember(&self, execution: &str) -> Result<()> {
        let key = keys::submission(self.connection, self.run_key);
        let remembered = Remembered {
            file_definition_id: self.definition.clone(),
            job_execution_id: execution.to_owned(),
        };
        Ok(self.work.save_checkpoint(&key, &remembered).await?)
    }
}

/// What is not known to have failed is looked at, not made again.
fn settled(called: Result<(), HttpError>) -> Result<()> {
    match called {
        Err(error) if !error.outcome_is_unknown() => Err(error.into()),
        _ => Ok(()),
    }
}

fn job_id(execution: &str) -> Result<JobRequestId> {
    execution.parse().map_err(|invalid| {
        Error::contract_broken("the id of a job execution is not one that can be kept").because(invalid)
    })
}
