//! A submission, from wherever an earlier one has left it.
//!
//! FOLIO lets the client choose a file definition's id, and that is what a run is found again by: its id is made from
//! the run, which is that of one installation and one connection, and from the export, as a definition that was prepared
//! for another list of ids, before the event was corrected, must not be started. Each step looks before it acts, since none may be repeated blindly: a second
//! definition of one id makes a second job execution, a second upload spoils the definition, a second start runs the job
//! again.
//!
//! Preparing takes as long as the upload does; what is left to submit is the start alone, whose time is short.
//!
//! The job execution's id is noted in the work bucket before the export is started. FOLIO forgets definitions after a
//! day, and the execution is found without it then.

use std::time::Duration;

use http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::api::{Api, is_too_large};
use super::export::{FolioExport, IdType};
use super::ids::Upload;
use super::wire::{Execution, FileDefinition};
use landfall::clock::{Clock, elapsed};
use landfall::contract::Submission;
use landfall::error::{Error, Result};
use landfall::job::{ConnectionName, JobRequestId, RunKey};
use landfall::state::{Document, WorkState, keys};
use landfall_http::{HttpError, Redactor};

/// What definitions' ids are made below (`UUIDv5`).
const DEFINITIONS: Uuid = Uuid::from_u128(0x8f2b_6f0c_51f4_4a53_9c1e_6b3f_0d7a_21c4);
/// An export is started within this time after the submission began, or not at all: whoever takes a claim over must not
/// meet it.
const START_WITHIN: Duration = Duration::from_secs(45);
/// A list of ids that FOLIO has not stored this long after its preparation began is left to the next call.
const STORED_WITHIN: Duration = Duration::from_secs(120);
const FIRST_WAIT: Duration = Duration::from_millis(500);
const MAX_WAIT: Duration = Duration::from_secs(4);
/// After so many looks at a definition that stays missing, or empty, a call of unknown outcome has not arrived.
const LOOKS_AFTER_CALL: u32 = 3;
/// How often a definition is created, or uploaded to, in one submission.
const TRIES: u32 = 2;

/// One submission.
pub(super) struct Submitting<'a> {
    api: &'a Api,
    work: &'a WorkState,
    clock: &'a dyn Clock,
    connection: &'a ConnectionName,
    export: FolioExport,
    run_key: &'a RunKey,
    definition: String,
    /// The id that releases before this one gave the run's definition, whatever it exported.
    earlier_definition: String,
    since: Timestamp,
}

/// What is remembered of a submission: `submissions/<connection>/<run key>.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Remembered {
    file_definition_id: String,
    job_execution_id: String,
}

impl Document for Remembered {}

/// What a definition asks for next.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    pub(super) async fn new(
        api: &'a Api,
        work: &'a WorkState,
        clock: &'a dyn Clock,
        connection: &'a ConnectionName,
        tenant: &str,
        export: FolioExport,
        run_key: &'a RunKey,
    ) -> Result<Self> {
        let installation = work.installation().await?;
        let name = format!("{tenant}/{connection}/{run_key}");
        let id = |name: &str| Uuid::new_v5(&DEFINITIONS, name.as_bytes()).to_string();
        // It is made of strings, numbers and flags: it serialises.
        let exported = serde_json::to_string(&export).unwrap_or_default();
        let definition = id(&format!("{installation}/{name}/{exported}"));
        let (earlier_definition, since) = (id(&name), clock.now());
        Ok(Self { api, work, clock, connection, export, run_key, definition, earlier_definition, since })
    }

    /// Goes on with the submission until nothing but the start is left. Nothing is called for a list that cannot be.
    pub(super) async fn prepare(&self) -> Result<()> {
        let records = self.export.records.as_ref();
        let records = records.ok_or_else(|| Error::invalid_event("export.records is missing"))?;
        let upload = Upload::prepare(records, self.run_key, self.work).await?;
        if self.started().await?.is_none() {
            self.api.profile_id(&self.export).await?;
            self.ready(&upload).await?;
        }
        Ok(())
    }

    /// Starts the export that was prepared, if it has not been.
    pub(super) async fn submit(&self) -> Result<Submission> {
        if let Some(job) = self.started().await? {
            return Ok(Submission::Accepted(job));
        }
        let profile = self.api.profile_id(&self.export).await?;
        let Next::Start(execution) = self.next().await? else {
            return Err(Error::source_unavailable(format!(
                "file definition {} is not as it was prepared (FOLIO deletes one after a day, or earlier): call again to \
                 start the export of run {}",
                self.definition, self.run_key
            )));
        };
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
        self.started_by(&self.definition).await
    }

    /// The same, of a run that may have been submitted by a release before this one.
    pub(super) async fn find(&self) -> Result<Option<JobRequestId>> {
        match self.started().await? {
            None => self.started_by(&self.earlier_definition).await,
            found => Ok(found),
        }
    }

    /// The job execution of a definition, if it has been started, by the profile that the run names.
    async fn started_by(&self, definition: &str) -> Result<Option<JobRequestId>> {
        let definition = self.api.definition(definition).await?;
        let Some(id) = definition.and_then(|definition| definition.job_execution_id) else { return Ok(None) };
        let Some(execution) = self.api.execution(&id).await? else { return Ok(None) };
        match (execution.has_started(), self.export.difference(&execution)) {
            (true, None) => job_id(&id).map(Some),
            (true, Some(difference)) => {
                tracing::warn!(id, difference, "a job execution has the run's mark, and is another run's");
                Ok(None)
            }
            (false, _) => Ok(None),
        }
    }

    /// Brings the definition to where its export can be started. A call whose outcome is not known is made again once
    /// some looks have not found what it does.
    async fn ready(&self, upload: &Upload) -> Result<()> {
        let (mut created, mut uploaded, mut looks) = (0, 0, 0);
        let (mut wait, mut doubt) = (FIRST_WAIT, None);
        let may_call = |calls: u32, looks: u32| calls == 0 || (calls < TRIES && looks >= LOOKS_AFTER_CALL);
        loop {
            match self.next().await? {
                Next::Start(_) => return Ok(()),
                Next::Create if may_call(created, looks) => {
                    (created, looks) = (created + 1, 0);
                    doubt = in_doubt(self.api.create_definition(&self.definition, upload).await)?;
                    continue;
                }
                Next::Upload if may_call(uploaded, looks) => {
                    (uploaded, looks) = (uploaded + 1, 0);
                    doubt = self.upload(upload).await?;
                    continue;
                }
                Next::Create | Next::Upload | Next::Wait => looks += 1,
            }
            let paused =
                self.pause(&mut wait, "FOLIO has not stored the list of ids yet", STORED_WITHIN).await;
            paused.map_err(|late| match doubt.take() {
                Some(doubt) => late.because(doubt),
                None => late,
            })?;
        }
    }

    /// What the definition, as it is now, asks for next.
    async fn next(&self) -> Result<Next> {
        let found = self.api.definition(&self.definition).await?;
        next(&self.definition, found, self.api.redactor())
    }

    /// Uploads the ids; returns why it is not known whether they were, if it is not. A refusal counts only where the
    /// definition is still empty: the upload may have met an earlier one.
    async fn upload(&self, upload: &Upload) -> Result<Option<HttpError>> {
        let Err(error) = self.api.upload(&self.definition, upload).await else { return Ok(None) };
        if error.outcome_is_unknown() {
            tracing::warn!(error = %error, "it is not known whether the list of ids was uploaded: looking");
            return Ok(Some(error));
        }
        if is_too_large(&error) {
            return Err(Error::limit_exceeded(format!(
                "the gateway in front of FOLIO accepts no body of {} bytes: raise its limit (client_max_body_size, 1 MB in \
                 Kong's default), or split the ids over several runs",
                upload.length()
            ))
            .because(error));
        }
        match self.next().await? {
            Next::Create | Next::Upload => Err(error.into()),
            Next::Wait | Next::Start(_) => Ok(None),
        }
    }

    /// Starts the export, if it has not been: only a `NEW` execution is.
    async fn start(&self, execution: &str, profile: &str) -> Result<Submission> {
        let job = job_id(execution)?;
        if self.listed(execution).await?.has_started() {
            return Ok(Submission::Accepted(job));
        }
        self.must_be_in_time("the list of ids is uploaded", START_WITHIN)?;
        match self.called_start(profile).await {
            // 204 is no promise: FOLIO checks the request behind it, and fails the job. But a job it is.
            Ok(()) => Ok(Submission::Accepted(job)),
            Err(error) if error.outcome_is_unknown() => Ok(Submission::Ambiguous(Error::from(error).line())),
            Err(error) => Err(self.refused_start(error)),
        }
    }

    /// Calls the start, and a version that has no `idType` (before 4.3) without it: what answers 422 has started nothing.
    async fn called_start(&self, profile: &str) -> Result<(), HttpError> {
        let start = |id_type| self.api.start(&self.definition, profile, id_type, &self.export);
        match start(Some(self.export.id_type)).await {
            Err(error) if is_unprocessable(&error) && self.export.id_type == IdType::Instance => {
                start(None).await
            }
            called => called,
        }
    }

    fn refused_start(&self, error: HttpError) -> Error {
        let id_type = self.export.id_type;
        let refused = match is_unprocessable(&error) && id_type != IdType::Instance {
            true => Error::rejected(format!(
                "FOLIO refuses the request, perhaps because its version does not know export.id_type = {:?}: holding \
                 came with 4.3, authority with 4.5",
                id_type.word()
            ))
            .because(error),
            false => error.into(),
        };
        refused.while_doing(format!("starting the export of run {}", self.run_key))
    }

    /// The job execution. It may be missing from the list for a moment after it was made.
    async fn listed(&self, id: &str) -> Result<Execution> {
        let mut wait = FIRST_WAIT;
        loop {
            if let Some(execution) = self.api.execution(id).await? {
                return Ok(execution);
            }
            self.pause(&mut wait, &format!("FOLIO does not list job execution {id} yet"), START_WITHIN)
                .await?;
        }
    }

    async fn pause(&self, wait: &mut Duration, why: &str, within: Duration) -> Result<()> {
        self.must_be_in_time(why, within)?;
        self.clock.sleep(*wait).await;
        *wait = MAX_WAIT.min(*wait * 2);
        Ok(())
    }

    fn must_be_in_time(&self, why: &str, within: Duration) -> Result<()> {
        match elapsed(self.since, self.clock.now()) < within {
            true => Ok(()),
            false => Err(Error::source_unavailable(format!(
                "{why}, and {} s have passed: call again to start the export of run {}",
                within.as_secs(),
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

fn next(id: &str, definition: Option<FileDefinition>, redactor: &Redactor) -> Result<Next> {
    let Some(definition) = definition else { return Ok(Next::Create) };
    let word = definition.status.as_deref().unwrap_or("NEW").to_ascii_uppercase();
    let is_stored = definition.source_path.is_some();
    match (word.as_str(), is_stored) {
        ("NEW", _) => Ok(Next::Upload),
        // An upload that met another one leaves ERROR behind; the file of the first is there all the same.
        ("COMPLETED" | "ERROR", true) => match definition.job_execution_id {
            Some(execution) => Ok(Next::Start(execution)),
            None => Err(Error::contract_broken(format!(
                "file definition {id} is {word} and names no job execution"
            ))),
        },
        // Version 4 answers before it has stored the file.
        ("IN_PROGRESS" | "COMPLETED", _) => Ok(Next::Wait),
        ("ERROR", false) => Err(Error::rejected(format!(
            "FOLIO could not store the list of ids (file definition {id} is in ERROR): start the run under another run_key"
        ))),
        (other, _) => Err(Error::contract_broken(format!(
            "file definition {id} is {:?}, which no table names",
            redactor.text(other)
        ))),
    }
}

/// Whether an answer says that the request is not one, in versions before 5.
fn is_unprocessable(error: &HttpError) -> bool {
    error.status() == Some(StatusCode::UNPROCESSABLE_ENTITY)
}

/// What is not known to have failed is looked at, not made again: why that is not known.
fn in_doubt(called: Result<(), HttpError>) -> Result<Option<HttpError>> {
    match called {
        Err(error) if !error.outcome_is_unknown() => Err(error.into()),
        called => Ok(called.err()),
    }
}

fn job_id(execution: &str) -> Result<JobRequestId> {
    execution.parse().map_err(|invalid| {
        Error::contract_broken("the id of a job execution is not one that can be kept").because(invalid)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// What each state of a definition asks for, in the states of all versions: nothing is done twice, and nothing that
    /// is not known is taken for ready.
    #[test]
    fn a_definition_says_what_comes_next() {
        let next = |definition: Value| {
            let definition: Option<FileDefinition> = serde_json::from_value(definition).unwrap();
            next("d-1", definition, &Redactor::default())
                .map_err(|error| (error.error_type().name(), error.line()))
        };
        let stored = |status: &str| json!({ "status": status, "jobExecutionId": "e-1", "sourcePath": "p" });
        let announced = |status: &str| json!({ "status": status, "jobExecutionId": "e-1" });
        for (definition, asked) in [
            (Value::Null, Next::Create),
            (announced("NEW"), Next::Upload),
            (json!({ "jobExecutionId": "e-1" }), Next::Upload),
            (announced("IN_PROGRESS"), Next::Wait),
            (stored("IN_PROGRESS"), Next::Wait),
            (announced("COMPLETED"), Next::Wait),
            (stored("COMPLETED"), Next::Start("e-1".to_owned())),
            (stored("completed"), Next::Start("e-1".to_owned())),
            (stored("ERROR"), Next::Start("e-1".to_owned())),
        ] {
            assert_eq!(next(definition.clone()), Ok(asked), "{definition}");
        }
        for (definition, name, said) in [
            (announced("ERROR"), "Rejected", "another run_key"),
            (stored("LOST"), "ContractBroken", "\"LOST\", which no table names"),
            (json!({ "status": "COMPLETED", "sourcePath": "p" }), "ContractBroken", "names no job execution"),
        ] {
            let (found, line) = next(definition.clone()).unwrap_err();
            assert_eq!(found, name, "{definition}");
            assert!(line.contains(said), "{line}");
        }
    }
}
