//! Oracle EPM Data Integration: a job is submitted, polled by its id, and its files are fetched from the repository.
//!
//! EPM lists no jobs and takes no id of the caller's. A submission whose answer is lost can therefore only be settled by
//! a person, and [`EpmSource::find`] says where to look.

mod answer;
mod environment;
mod export;
mod log;
mod repository;
mod status;
mod upload;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Map, Value};

use self::environment::Environment;
pub use self::export::{EpmInput, EpmJob};
use self::log::Kind;
use self::repository::{FileName, Locator, Repository};
use self::status::JobAnswer;
use self::upload::Upload;
use crate::clock::{Clock, elapsed};
use crate::config::EpmConnection;
use crate::error::{Error, Result};
use crate::http::{Answer, HttpError, Request};
use crate::job::{ConnectionName, JobRecord, JobRequestId, JobState, OutputFile};
use crate::source::{Download, Export, Found, JobStatus, Order, ResumeAt, Source, Submission, Wrap};
use crate::store::WorkState;

/// How far EPM's clock and ours are taken to be apart at most.
const CLOCKS_DIFFER: Duration = Duration::from_secs(600);
const JOBS: [&str; 4] = ["aif", "rest", "V1", "jobs"];

/// The source `epm_job`.
#[derive(Debug)]
pub struct EpmSource {
    name: ConnectionName,
    environment: Environment,
    repository: Repository,
    work: WorkState,
}

impl EpmSource {
    /// The source behind a connection, with something between its clients and the wire, so that a test can cut a run at
    /// any call; `InvalidConfig` where its settings cannot be. Nothing is called.
    pub fn wrapped(
        name: ConnectionName,
        connection: &EpmConnection,
        work: WorkState,
        clock: Arc<dyn Clock>,
        wrap: Option<Wrap<'_>>,
    ) -> Result<Self> {
        let environment = Environment::new(connection, clock, wrap)
            .map_err(|error| error.while_doing(format!("setting up connection {name}")))?;
        let repository = Repository::new(environment.clone(), connection.download);
        Ok(Self { name, environment, repository, work })
    }

    /// One job, and what it says.
    async fn job(&self, id: &JobRequestId) -> Result<(JobAnswer, Answer)> {
        let segments: Vec<&str> = JOBS.into_iter().chain([id.as_str()]).collect();
        let about_job = |error: HttpError| match error.is_gone() {
            true => Error::not_found(format!("connection {} knows no job {id}", self.name)).because(error),
            false => self.environment.named(error),
        };
        let answer =
            self.environment.call(Request::get(self.environment.url(&segments))).await.map_err(about_job)?;
        let job: JobAnswer = answer.json().map_err(about_job)?;
        if job.is_about_another(id) {
            return Err(answer.malformed("jobId", "it is another job's").into());
        }
        Ok((job, answer))
    }

    /// What an answer to a submission says: a job, a refusal, or nothing that can be relied upon.
    fn submitted(&self, answer: &Answer) -> Result<Submission> {
        let job: JobAnswer = match answer.json() {
            Ok(job) => job,
            // A login page has submitted nothing.
            Err(error) if error.is_web_page() => return Err(self.environment.named(error)),
            Err(error) => return Ok(Submission::Ambiguous(Error::from(error).line())),
        };
        if let Some(id) = job.id() {
            // It may have failed at once: polling it says so, with its log.
            return Ok(Submission::Accepted(id));
        }
        match job.meaning().state {
            JobState::Failed | JobState::Cancelled => {
                let said = self.environment.redacted(job.message().as_deref());
                let said = said.as_deref().unwrap_or("it does not say why");
                Err(Error::rejected(format!("EPM refused the job with status {}: {said}", job.native())))
            }
            _ => Ok(Submission::Ambiguous(format!("{answer:?} names no job"))),
        }
    }

    /// Refuses a file that was written long after its job was seen to have ended: it is a later run's, and the job's own
    /// is lost. A file that was overwritten sooner cannot be told, where clocks may differ.
    async fn must_be_of(&self, job: &JobRecord, output: &Locator) -> Result<()> {
        let Some(outcome) = self.work.outcome(&job.job()).await? else { return Ok(()) };
        let written = output
            .modified
            .and_then(|modified| i64::try_from(modified).ok())
            .and_then(|modified| Timestamp::from_millisecond(modified).ok());
        match written {
            Some(written) if elapsed(outcome.since, written) > CLOCKS_DIFFER => {
                Err(Error::integrity(format!(
                    "{:?} was written at {written}, and {} had ended by {}: a later run that writes to the same name has \
                 overwritten it, and what this job put out is lost there",
                    output.name,
                    job.job(),
                    outcome.since
                )))
            }
            _ => Ok(()),
        }
    }

    /// The end of a job's log; a log that cannot be had is said to be so.
    async fn log_tail(&self, log_file: &str) -> Result<String> {
        let name = FileName::parse(log_file)
            .ok_or_else(|| Error::contract_broken("the job's log has no usable name".to_owned()))?;
        log::tail(self.repository.open_named(&name).await?).await
    }
}

fn epm_job(export: &Export) -> Result<&EpmJob> {
    match export {
        Export::EpmJob(export) => Ok(export),
        other => Err(Error::invalid_event(format!(
            "export.kind is {}, which no EPM connection runs: it takes epm_job",
            other.kind()
        ))),
    }
}

/// The body of a submission: what kind of job, which one, and its parameters as they are.
fn submission(export: &EpmJob) -> Value {
    let mut body = Map::new();
    body.insert(export::JOB_TYPE.to_owned(), export.job_type.clone().into());
    body.insert(export::JOB_NAME.to_owned(), export.job_name.clone().into());
    body.extend(export.parameters.clone());
    Value::Object(body)
}

/// The names of the files that a job put out: its own, and those that the export adds; none twice.
fn output_names(job: &JobAnswer, export: &EpmJob) -> Result<Vec<FileName>> {
    let mut names: Vec<FileName> = Vec::new();
    for name in job.output_file_name.iter().chain(&export.output_files) {
        let name = FileName::parse(name).ok_or_else(|| {
            Error::contract_broken(format!("the job's output file {name:?} has no usable name"))
        })?;
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(names)
}

#[async_trait]
impl Source for EpmSource {
    fn accepts(&self, export: &Export) -> Result<()> {
        epm_job(export)?.check()
    }

    async fn prepare(&self, order: &Order<'_>) -> Result<()> {
        let Some(input) = &epm_job(order.export)?.input else { return Ok(()) };
        let (environment, repository, work) = (&self.environment, &self.repository, &self.work);
        Upload { environment, repository, work, input }.ensure().await
    }

    async fn submit(&self, order: &Order<'_>) -> Result<Submission> {
        self.accepts(order.export)?;
        let body = submission(epm_job(order.export)?);
        let request = Request::post_json(self.environment.url(&JOBS), &body)?;
        match self.environment.call(request).await {
            Ok(answer) => self.submitted(&answer),
            Err(error) if error.outcome_is_unknown() => Ok(Submission::Ambiguous(Error::from(error).line())),
            Err(error) => Err(self.environment.named(error)),
        }
    }

    async fn find(&self, order: &Order<'_>) -> Result<Found> {
        Ok(Found::CannotTell(format!(
            "look in EPM under Data Exchange, Process Details for {:?}, started by {} at the time of this run",
            epm_job(order.export)?.job_name,
            self.environment.user()
        )))
    }

    async fn describe(&self, job: &JobRequestId) -> Result<Export> {
        let (answer, _) = self.job(job).await?;
        let kind = answer.process_type;
        let name = answer.job_name.or_else(|| kind.clone()).ok_or_else(|| {
            Error::contract_broken(format!("job {job} on {} says neither its name nor its kind", self.name))
        })?;
        Ok(Export::EpmJob(EpmJob::named(kind.unwrap_or_else(|| "unknown".to_owned()), name)))
    }

    async fn status(&self, job: &JobRecord) -> Result<JobStatus> {
        let export = epm_job(&job.export)?;
        let (answered, answer) = self.job(&job.job_request_id).await?;
        if !answered.has_status() {
            return Err(answer.malformed("status", "no status is there").into());
        }
        let has_output = answered.output_file_name.is_some() || !export.output_files.is_empty();
        let mut status = answered.status(has_output, export.allow_empty);
        status.native_status = self.environment.client.redactor().text(&status.native_status);
        status.message = self.environment.redacted(status.message.as_deref());
        Ok(status)
    }

    async fn explain(&self, job: &JobRecord) -> Result<Option<String>> {
        let (answered, _) = self.job(&job.job_request_id).await?;
        let (mut words, mut said) = (Vec::new(), Vec::new());
        said.extend(self.environment.redacted(answered.message().as_deref()));
        words.extend(answered.message());
        if let Some(log_file) = &answered.log_file_name {
            let log_name = self.environment.client.redactor().text(log_file);
            match self.log_tail(log_file).await {
                Ok(tail) => {
                    let lines = log::telling_lines(&tail);
                    said.extend(
                        self.environment
                            .redacted(Some(&lines))
                            .map(|lines| format!("{log_name} ends: {lines}")),
                    );
                    words.push(lines);
                }
                Err(error) => said.push(format!("its log {log_name} cannot be had ({})", error.line())),
            }
        }
        let state = answered.meaning().state;
        let kind = Kind::of(state, answered.is_invalid_parameter(), &words.join("\n"));
        let told: Vec<String> = kind.map(|kind| kind.to_string()).into_iter().chain(said).collect();
        Ok((!told.is_empty()).then(|| told.join(": ")))
    }

    async fn output_files(&self, job: &JobRecord) -> Result<Vec<OutputFile>> {
        let (answered, _) = self.job(&job.job_request_id).await?;
        let names = output_names(&answered, epm_job(&job.export)?)?;
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let listing = self.repository.list().await?;
        let own = answered.output_file_name.as_deref().and_then(FileName::parse);
        if let Some(locator) = own.and_then(|own| listing.as_ref().and_then(|listing| listing.locate(&own))) {
            self.must_be_of(job, &locator).await?;
        }
        let files = names.iter().zip(0_u32..).map(|(name, ordinal)| {
            let listed = listing.as_ref().and_then(|listing| listing.locate(name));
            let locator = listed.unwrap_or_else(|| Locator::unlisted(name));
            let text = serde_json::to_string(&locator).map_err(|error| {
                Error::contract_broken("a file's place cannot be written down").because(error)
            })?;
            Ok(OutputFile {
                ordinal,
                name: name.label().to_owned(),
                size: locator.size,
                sha256: None,
                locator: Some(text),
            })
        });
        files.collect()
    }

    async fn open(&self, job: &JobRecord, file: &OutputFile, resume: Option<&ResumeAt>) -> Result<Download> {
        let locator = file.locator.as_deref().unwrap_or_default();
        let locator: Locator = serde_json::from_str(locator).map_err(|error| {
            let message =
                format!("the place of {:?} in the record of {} cannot be read", file.name, job.job());
            Error::contract_broken(message).because(error)
        })?;
        self.repository.open_listed(&locator, resume).await
    }
}
