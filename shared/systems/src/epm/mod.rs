//! Oracle EPM, Data Integration and Planning: a job is submitted, polled by its id, and its files are fetched from the
//! repository.
//!
//! EPM lists no jobs and takes no id of the caller's. A submission whose answer is lost can therefore only be settled by
//! a person, and [`EpmSource::find`] says where to look.

mod answer;
mod cut;
mod environment;
mod export;
mod jobs;
mod log;
mod planning;
mod repository;
pub mod settings;
mod status;
mod upload;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use self::environment::{Environment, is_about_resource_alone};
pub use self::export::{EpmInput, EpmJob};
use self::jobs::{DATA_INTEGRATION, JOBS, JobNumber, Owner};
use self::log::Kind as LogKind;
use self::repository::{FileName, Locator, Repository};
use self::status::JobAnswer;
use self::upload::Upload;
use crate::created;
use crate::epm::settings::EpmConnection;
use crate::server::not_of_run;
use landfall::check::{Finding, clock_skew};
use landfall::clock::{Clock, elapsed};
use landfall::contract::{
    Download, Found, JobStatus, PlannedCall, ResumeAt, Source, SourceDeps, Submission, SubmitRequest, Wrap,
};
use landfall::error::{Error, Result};
use landfall::export::Export;
use landfall::export::{ExportKind, Kind};
use landfall::job::{ConnectionName, JobRecord, JobRequestId, JobState, OutputFile, RunKey};
use landfall::state::{Document, RefreshTokenDocument, WorkState, keys};
use landfall::systems::ConnectionType;
use landfall_http::{Answer, HttpError, Request};

/// How far EPM's clock and ours are taken to be apart at most.
const CLOCKS_DIFFER: Duration = Duration::from_secs(600);
/// How far apart two times by EPM's own clock are taken to be at most where they are of one moment: the time of an
/// answer has whole seconds, and another of EPM's machines may have written the file.
const ONE_MOMENT: Duration = Duration::from_secs(5);
/// How long the end of a failed job's log is waited for: `poll-status` has to say what became of the job all the same.
const LOG_WITHIN: Duration = Duration::from_secs(60);

/// The kinds of exports of this system.
pub const KINDS: &[&dyn ExportKind] = &[&Kind::<EpmJob>::new()];

/// How its connections are opened.
pub const CONNECTION: ConnectionType = ConnectionType {
    name: "epm",
    built_in: &[],
    open: |name, connection, SourceDeps { clock, work, wrap, .. }| {
        Ok(Arc::new(EpmSource::wrapped(name, &connection.settings()?, work, clock, wrap)?))
    },
};

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
        let kept = Arc::new(RefreshTokenDocument::new(work.clone(), &name));
        let environment = Environment::new(&name, connection, clock, kept, wrap)
            .map_err(|error| error.while_doing(format!("setting up connection {name}")))?;
        let repository = Repository::new(environment.clone(), connection.download);
        Ok(Self { name, environment, repository, work })
    }

    /// One job, and what it says.
    async fn job(&self, id: &JobRequestId) -> Result<(JobAnswer, Answer)> {
        let JobNumber { owner, number } = JobNumber::of(id);
        let about_job = |error: HttpError| match error.is_gone() {
            true => Error::not_found(format!("connection {} knows no job {id}", self.name)).because(error),
            false => self.environment.named(error),
        };
        let answer = self
            .environment
            .call(Request::get_json(owner.jobs(&self.environment, &[number])))
            .await
            .map_err(about_job)?;
        let job: JobAnswer = answer.json().map_err(about_job)?;
        if job.is_about_another(number) {
            return Err(answer.malformed("jobId", "it is another job's").into());
        }
        Ok((job, answer))
    }

    /// What an answer to a submission says: a job, a refusal, or nothing that can be relied upon.
    fn submitted(&self, owner: Owner<'_>, answer: &Answer) -> Result<Submission> {
        let named = || created::job_id(&answer.headers, JOBS);
        let accepted = |number: JobRequestId| owner.id(&number).map(Submission::Accepted);
        let job: JobAnswer = match answer.json() {
            Ok(job) => job,
            // A login page has submitted nothing.
            Err(error) if answer.is_login_page() => return Err(self.environment.named(error)),
            Err(error) => {
                let ambiguous = || Ok(Submission::Ambiguous(Error::from(error).line()));
                return named().map_or_else(ambiguous, accepted);
            }
        };
        if let Some(id) = job.submitted_id().or_else(named) {
            // It may have failed at once: polling it says so, with its log.
            return accepted(id);
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

    /// Refuses a file that was written after its job was seen to have ended: it is a later run's, and the job's own is
    /// lost. Both times are by EPM's clock, where it told the time with the job's end; otherwise a file that was
    /// overwritten soon cannot be told.
    async fn must_be_of(&self, job: &JobRecord, output: &Locator) -> Result<()> {
        let Some(outcome) = self.work.outcome(&job.job()).await? else { return Ok(()) };
        let (ended, tolerance) = match outcome.observed_at {
            Some(told) => (told, ONE_MOMENT),
            None => (outcome.since, CLOCKS_DIFFER),
        };
        let written = output
            .modified
            .and_then(|modified| i64::try_from(modified).ok())
            .and_then(|modified| Timestamp::from_millisecond(modified).ok());
        match written {
            Some(written) if elapsed(ended, written) > tolerance => Err(Error::integrity(format!(
                "{:?} was written at {written}, and {} had ended by {ended}: a later run that writes to the same name has \
                 overwritten it, so this job's output is lost",
                output.name,
                job.job(),
            ))),
            _ => Ok(()),
        }
    }

    /// The end of a job's log; a log that cannot be had is said to be so.
    async fn log_tail(&self, log_file: &str) -> Result<String> {
        let name = FileName::parse(log_file)
            .ok_or_else(|| Error::contract_broken("the job's log has no usable name".to_owned()))?;
        let tail = async { log::tail(self.repository.open_named(&name, LOG_WITHIN).await?).await };
        tokio::time::timeout(LOG_WITHIN, tail).await.unwrap_or_else(|_| {
            Err(Error::source_unavailable(format!("it was not read within {} s", LOG_WITHIN.as_secs())))
        })
    }

    /// Sees whether the environment is there at all. In its daily maintenance it answers every call by a 503; a
    /// submission that is answered so could be in doubt, and nothing that is only asked is.
    ///
    /// What an answer says of this resource alone says nothing of the jobs: an environment may not have it, or not show
    /// it to everybody.
    async fn must_be_there(&self) -> Result<()> {
        let error = match self.environment.call(Request::get(self.environment.url(&DATA_INTEGRATION))).await {
            Ok(answer) => match answer.json::<IgnoredAny>() {
                Err(error) if error.is_web_page() => error,
                Ok(_) | Err(_) => return Ok(()),
            },
            Err(error) => error,
        };
        match is_about_resource_alone(&error) {
            true => Ok(()),
            false => Err(self.environment.named(error)),
        }
    }

    /// When the run's submission was about to be called, where that is known.
    async fn called_at(&self, run_key: &RunKey) -> Option<Timestamp> {
        let call: Call = self.work.checkpoint(&keys::submission_call(&self.name, run_key)).await.ok()??;
        Timestamp::from_second(call.at.as_second()).ok()
    }
}

/// When a run was about to be submitted: for the person who has to look for its job.
#[derive(Debug, Serialize, Deserialize)]
struct Call {
    at: Timestamp,
}

impl Document for Call {}

/// The body of a submission: what kind of job, which one, and its parameters as they are, which Planning takes in a field
/// of their own.
fn submission(export: &EpmJob) -> Value {
    let mut body = Map::new();
    body.insert(export::JOB_TYPE.to_owned(), export.job_type.clone().into());
    body.insert(export::JOB_NAME.to_owned(), export.job_name.clone().into());
    match export.application {
        None => body.extend(export.parameters.clone()),
        Some(_) if export.parameters.is_empty() => {}
        Some(_) => {
            body.insert("parameters".to_owned(), export.parameters.clone().into());
        }
    }
    Value::Object(body)
}

/// The name of the file that a job itself writes: what its status tells, or what follows from the event.
fn own_output(job: &JobAnswer, export: &EpmJob) -> Option<String> {
    job.output_file_name.clone().or_else(|| export.planned_output())
}

/// The names of the files that a job put out: its own, and those that the export adds; none twice.
fn output_names(own: Option<&String>, export: &EpmJob) -> Result<Vec<FileName>> {
    let mut names: Vec<FileName> = Vec::new();
    for name in own.into_iter().chain(&export.output_files) {
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
        export.read::<EpmJob>()?.check()
    }

    async fn check(&self) -> Vec<Finding> {
        // Of jobs nothing can be read but by an id: the list of files proves who we are taken for.
        let listed = Finding::of("repository", self.repository.look().await);
        vec![clock_skew(self.environment.client.told_time(), self.environment.clock.now()), listed]
    }

    async fn calls(&self, order: &SubmitRequest<'_>) -> Result<Vec<PlannedCall>> {
        let export: EpmJob = order.export.read()?;
        let owner = Owner(export.application.as_deref());
        let jobs = |rest: &[&str]| owner.jobs(&self.environment, rest);
        Ok(vec![
            PlannedCall::new("submit the job", "POST", &jobs(&[]))
                .carrying(&submission(&export))
                .submitting(),
            PlannedCall::new("poll", "GET", &jobs(&["{id}"])),
        ])
    }

    async fn prepare(&self, order: &SubmitRequest<'_>) -> Result<()> {
        let export: EpmJob = order.export.read()?;
        let (environment, repository, work) = (&self.environment, &self.repository, &self.work);
        if let Some(input) = &export.input {
            let note_key = keys::submission(&self.name, order.run_key);
            Upload { environment, repository, work, input, note_key }.ensure().await?;
        }
        // Last of all: the less time there is from here to the submission, the less often that meets a 503.
        match &export.application {
            None => self.must_be_there().await?,
            Some(application) => planning::must_have(environment, application).await?,
        }
        let call = Call { at: environment.clock.now() };
        Ok(work.save_checkpoint(&keys::submission_call(&self.name, order.run_key), &call).await?)
    }

    async fn submit(&self, order: &SubmitRequest<'_>) -> Result<Submission> {
        self.accepts(order.export)?;
        let export: EpmJob = order.export.read()?;
        let owner = Owner(export.application.as_deref());
        // Not even where it is turned away: behind the 503 of a balancer a job may have been started all the same.
        let request = Request::post_json(owner.jobs(&self.environment, &[]), &submission(&export))?.once();
        match self.environment.call(request).await {
            Ok(answer) => self.submitted(owner, &answer),
            Err(error) if error.outcome_is_unknown() => Ok(Submission::Ambiguous(Error::from(error).line())),
            Err(error) => Err(self.environment.named(error)),
        }
    }

    async fn find(&self, order: &SubmitRequest<'_>) -> Result<Found> {
        let export: EpmJob = order.export.read()?;
        let period = export.period().map(|period| format!(" for {period}")).unwrap_or_default();
        let at = match self.called_at(order.run_key).await {
            Some(called) => format!("{called} (UTC) or within seconds after it"),
            None => "the time of this run".to_owned(),
        };
        let place = match &export.application {
            None => "under Data Exchange, Process Details".to_owned(),
            Some(application) => format!(
                "in the application {application} under Jobs, Recent Activity (a job with the number 145 there has the id \
                 {application}.145)"
            ),
        };
        Ok(Found::CannotTell(format!(
            "look in EPM {place} for {:?} ({}){period}, started by {} at {at}",
            export.job_name,
            export.job_type,
            self.environment.user()
        )))
    }

    async fn verify_job(&self, job: &JobRequestId, order: &SubmitRequest<'_>) -> Result<()> {
        let export: EpmJob = order.export.read()?;
        let Owner(of) = JobNumber::of(job).owner;
        if of != export.application.as_deref() {
            let whose = of.map_or_else(
                || "it is a job of Data Integration (one of Planning has an id like Vision.145)".to_owned(),
                |application| format!("it is a job of the Planning application {application}"),
            );
            return Err(not_of_run(job, &self.name, order, &whose));
        }
        let (answer, _) = self.job(job).await?;
        // Of an export of mappings it tells the application's name (Retrieve Job Status), and not the job's.
        let is_told = !export.job_type.to_ascii_uppercase().contains("MAPPING");
        match answer.job_name.filter(|name| is_told && !name.eq_ignore_ascii_case(&export.job_name)) {
            None => Ok(()),
            Some(other) => {
                let other = self.environment.client.redactor().text(&other);
                Err(not_of_run(job, &self.name, order, &format!("it runs {other:?}")))
            }
        }
    }

    async fn describe(&self, job: &JobRequestId) -> Result<Export> {
        let (answer, _) = self.job(job).await?;
        let kind = answer.process_type;
        let name = answer.job_name.or_else(|| kind.clone()).ok_or_else(|| {
            Error::contract_broken(format!("job {job} on {} says neither its name nor its kind", self.name))
        })?;
        let application = JobNumber::of(job).owner.0.map(str::to_owned);
        Ok(Export::of(&EpmJob::named(application, kind.unwrap_or_else(|| "unknown".to_owned()), name)))
    }

    async fn status(&self, job: &JobRecord) -> Result<JobStatus> {
        let export: EpmJob = job.export.read()?;
        let (answered, answer) = self.job(&job.job_request_id).await?;
        if !answered.has_status() {
            return Err(answer.malformed("status", "no status is there").into());
        }
        let has_output = own_output(&answered, &export).is_some() || !export.output_files.is_empty();
        let mut status = answered.status(has_output, export.allow_empty);
        status.native_status = self.environment.client.redactor().text(&status.native_status);
        status.message = self.environment.redacted(status.message.as_deref());
        status.observed_at = answer.told_time();
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
                            .map(|lines| format!("{log_name} says: {lines}")),
                    );
                    words.push(lines);
                }
                Err(error) => said.push(format!("its log {log_name} cannot be read ({})", error.line())),
            }
        }
        let number = JobNumber::of(&job.job_request_id);
        if number.owner.0.is_some() {
            match planning::details(&self.environment, number).await {
                Ok(told) => {
                    let told = self.environment.redacted(told.as_deref());
                    words.extend(told.clone());
                    said.extend(told.map(|told| format!("its details are {told}")));
                }
                Err(error) => said.push(format!("its details cannot be read ({})", error.line())),
            }
        }
        let state = answered.meaning().state;
        let kind = LogKind::of(state, answered.is_invalid_parameter(), &words.join("\n"));
        let told: Vec<String> = kind.map(|kind| kind.to_string()).into_iter().chain(said).collect();
        Ok((!told.is_empty()).then(|| told.join(": ")))
    }

    async fn output_files(&self, job: &JobRecord) -> Result<Vec<OutputFile>> {
        let (answered, _) = self.job(&job.job_request_id).await?;
        let export: EpmJob = job.export.read()?;
        let own = own_output(&answered, &export);
        let names = output_names(own.as_ref(), &export)?;
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let listing = self.repository.list(&names).await?;
        let own = own.as_deref().and_then(FileName::parse);
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
                is_log: false,
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{self, content, line, output_file, read};
    use landfall::clock::ManualClock;
    use landfall::job::RunKey;
    use landfall_http::scripted::{Reply, Scripted, Seen};

    const LIST: &str = "/gateway/interop/rest/v2/files/list";
    /// Where the work bucket is: on the same server.
    const WORK: &str = "/work/";

    /// An environment behind a gateway that answers as told.
    struct TestEnvironment {
        server: Scripted,
        source: EpmSource,
    }

    impl TestEnvironment {
        async fn start(handler: impl Fn(&Seen, usize) -> Reply + Send + Sync + 'static) -> Self {
            Self::configured(json!({}), handler).await
        }

        async fn configured(
            more: Value,
            handler: impl Fn(&Seen, usize) -> Reply + Send + Sync + 'static,
        ) -> Self {
            let server = Scripted::start(handler).await;
            let settings = json!({
                "base_url": server.url("/gateway"),
                "basic": { "username": "domain.ann", "password": "s3cr3t-word" },
            });
            let connection: EpmConnection = read(settings, more).unwrap();
            let clock = Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH));
            let work = testing::work_at(&server).await;
            let source = EpmSource::wrapped("demo".parse().unwrap(), &connection, work, clock, None).unwrap();
            Self { server, source }
        }

        async fn answering(reply: Reply) -> Self {
            Self::start(move |_, _| reply.clone()).await
        }

        async fn submit(&self) -> Result<Submission> {
            let (export, run_key) = (export(), "run-1".parse::<RunKey>().unwrap());
            self.source.submit(&SubmitRequest { export: &export, run_key: &run_key, window: None }).await
        }

        async fn open(&self, name: &str) -> Result<Vec<u8>> {
            content(self.source.open(&record(), &file(name), None).await?).await
        }

        fn targets(&self) -> Vec<String> {
            self.server.seen().into_iter().map(|seen| format!("{} {}", seen.method, seen.target)).collect()
        }
    }

    fn export() -> Export {
        let parameters = json!({
            "periodName": "{Jun-19}{Aug-19}", "fileName": "#epminbox/f.csv", "variables": { "YEAR": 2006 }
        });
        let export = json!({ "job_type": "INTEGRATION", "job_name": "BESSAPP", "parameters": parameters });
        Export::of(&serde_json::from_value::<EpmJob>(export).unwrap())
    }

    fn record() -> JobRecord {
        testing::record("1881", export())
    }

    /// A file that the repository does not list.
    fn file(name: &str) -> OutputFile {
        output_file("x.csv", json!({ "name": name, "is_listed": false }).to_string())
    }

    fn planning_export(parameters: &Value) -> Export {
        let export = json!({
            "application": "Vision", "job_type": "EXPORT_DATA", "job_name": "Daily", "parameters": parameters
        });
        Export::of(&serde_json::from_value::<EpmJob>(export).unwrap())
    }

    /// A job of Planning is submitted to its application, its parameters in a field of their own, and has an id that no
    /// job of Data Integration has.
    #[tokio::test]
    async fn a_planning_job_is_submitted_to_its_application() {
        let answer =
            json!({ "jobId": 145, "jobName": "Daily", "status": -1, "descriptiveStatus": "Processing" });
        let environment = TestEnvironment::answering(Reply::json(answer)).await;
        for (parameters, sent) in [
            (json!({ "exportFileName": "d.zip" }), r#","parameters":{"exportFileName":"d.zip"}}"#),
            (json!({}), "}"),
        ] {
            let (export, run_key) = (planning_export(&parameters), "run-1".parse::<RunKey>().unwrap());
            let order = SubmitRequest { export: &export, run_key: &run_key, window: None };
            let submitted = environment.source.submit(&order).await.unwrap();
            assert_eq!(submitted, Submission::Accepted("Vision.145".parse().unwrap()));
            let body = environment.server.seen().last().unwrap().body.clone();
            assert_eq!(body, format!(r#"{{"jobType":"EXPORT_DATA","jobName":"Daily"{sent}"#));
        }
        let jobs = "POST /gateway/HyperionPlanning/rest/v3/applications/Vision/jobs";
        assert_eq!(environment.targets(), [jobs, jobs]);
    }

    /// Promise 1: a person who names a job for a run cannot name one of the other API by its number alone.
    #[tokio::test]
    async fn a_number_of_the_other_api_is_refused_unasked() {
        let environment = TestEnvironment::answering(Reply::json(json!({ "jobId": 145, "status": 0 }))).await;
        let run_key: RunKey = "run-1".parse().unwrap();
        for (export, job, is_its) in [
            (planning_export(&json!({})), "145", false),
            (planning_export(&json!({})), "Other.145", false),
            (planning_export(&json!({})), "Vision.145", true),
            (export(), "Vision.145", false),
            (export(), "145", true),
        ] {
            let (asked, job) = (environment.server.count(), job.parse().unwrap());
            let order = SubmitRequest { export: &export, run_key: &run_key, window: None };
            let verified = environment.source.verify_job(&job, &order).await;
            assert_eq!(environment.server.count() > asked, is_its, "{job}");
            match is_its {
                true => verified.unwrap(),
                false => assert!(line(verified.unwrap_err(), "Conflict").contains(job.as_str())),
            }
        }
    }

    /// The seed's submission: one call, parameters as they are, below the base URL's own path.
    #[tokio::test]
    async fn a_submission_is_one_post_with_its_parameters_as_they_are() {
        let answer = json!({ "jobId": "1234", "status": -1, "jobStatus": "RUNNING", "links": [0] });
        let environment = TestEnvironment::answering(Reply::json(answer)).await;
        assert_eq!(environment.submit().await.unwrap(), Submission::Accepted("1234".parse().unwrap()));
        let seen = environment.server.seen();
        assert_eq!(environment.targets(), ["POST /gateway/aif/rest/V1/jobs"]);
        assert_eq!(seen[0].header("authorization"), "Basic ZG9tYWluLmFubjpzM2NyM3Qtd29yZA==");
        let sent = r##"{"jobType":"INTEGRATION","jobName":"BESSAPP","periodName":"{Jun-19}{Aug-19}","fileName":"#epminbox/f.csv","variables":{"YEAR":2006}}"##;
        assert_eq!(seen[0].body, sent);
    }

    /// An answer whose body names no job, or that has none, may name it in a header.
    #[tokio::test]
    async fn a_job_is_named_by_a_header_too() {
        let headed = |reply: Reply| reply.header("Content-Location", "/gateway/aif/rest/V1/jobs/1234");
        let body = json!({ "jobId": "null", "status": -1, "jobStatus": "RUNNING" });
        for reply in [headed(Reply::status(202)), headed(Reply::json(body))] {
            let environment = TestEnvironment::answering(reply).await;
            assert_eq!(environment.submit().await.unwrap(), Submission::Accepted("1234".parse().unwrap()));
        }
    }

    /// An answer that does not name the job may hold its id in the link to itself.
    #[tokio::test]
    async fn a_job_is_named_by_its_link_too() {
        for href in [
            "https://epm.example/aif/rest/V1/jobs/1234",
            "/gateway/aif/rest/V1/jobs/1234/?x=/jobs/7",
            " https://epm.example/aif/rest/V1/jobs/1234 ",
        ] {
            let links = json!([0, { "rel": "up", "href": "/jobs/9" }, { "rel": "self", "href": href }]);
            let answer = json!({ "jobId": "null", "status": -1, "jobStatus": "RUNNING", "links": links });
            let environment = TestEnvironment::answering(Reply::json(answer)).await;
            assert_eq!(environment.submit().await.unwrap(), Submission::Accepted("1234".parse().unwrap()));
        }
        for href in ["https://epm.example/aif/rest/V1/jobs", "/aif/rest/V1/jobs/0", "/aif/rest/V1/1234", ""] {
            let links = json!([{ "rel": "self", "href": href }]);
            let environment =
                TestEnvironment::answering(Reply::json(json!({ "status": -1, "links": links }))).await;
            let submitted = environment.submit().await.unwrap();
            assert!(matches!(submitted, Submission::Ambiguous(_)), "{href}");
        }
    }

    /// Promise 1: an answer that is lost or says nothing is ambiguous, and never followed by a second submission.
    #[tokio::test]
    async fn an_answer_that_says_nothing_is_ambiguous() {
        for reply in [
            Reply::nothing(),
            Reply::status(500),
            // A balancer says it of a server that went away while it was at work.
            Reply::status(503),
            Reply::status(503).header("Retry-After", 1),
            Reply::status(504),
            Reply::status(200),
            Reply::status(200).body("OK"),
            Reply::status(202).header("Location", "/aif/rest/V1/queue"),
            Reply::status(202).header("Content-Type", "text/html").body("<html>Accepted</html>"),
            Reply::status(302).header("Location", "https://login.example/"),
            Reply::json(json!([])),
            Reply::json(json!({})),
            Reply::json(json!({ "jobId": "null", "status": "null" })),
            Reply::json(json!({ "status": 2_147_483_647 })),
        ] {
            let environment = TestEnvironment::answering(reply.clone()).await;
            let submitted = environment.submit().await.unwrap();
            assert!(matches!(submitted, Submission::Ambiguous(_)), "{reply:?}");
            assert_eq!(environment.server.count(), 1, "{reply:?}");
        }
    }

    /// What certainly did not start a job is an error, not a doubt.
    #[tokio::test]
    async fn a_refused_submission_is_an_error() {
        for (reply, name) in [
            (Reply::status(400).body("{\"details\":\"unknown job\"}"), "Rejected"),
            (Reply::json(json!({ "status": "4", "details": "periodName", "jobId": 0 })), "Rejected"),
            (Reply::json(json!({ "jobStatus": "FAILED" })), "Rejected"),
            (Reply::status(401), "AuthRejected"),
            (Reply::status(403), "AuthRejected"),
            (Reply::page(), "ContractBroken"),
        ] {
            let environment = TestEnvironment::answering(reply).await;
            line(environment.submit().await.unwrap_err(), name);
        }
    }

    /// EPM lists no jobs: where to look is said instead, with all that a person needs.
    #[tokio::test]
    async fn what_cannot_be_found_is_told_where_to_look_for() {
        let note = Reply::json(json!({ "at": "2026-11-21T06:00:03.25Z" }));
        for (noted, when) in
            [(note, "at 2026-11-21T06:00:03Z (UTC)"), (Reply::status(404), "at the time of this run")]
        {
            let environment = TestEnvironment::answering(noted).await;
            let (export, run_key) = (export(), "run-1".parse::<RunKey>().unwrap());
            let order = SubmitRequest { export: &export, run_key: &run_key, window: None };
            let Found::CannotTell(text) = environment.source.find(&order).await.unwrap() else { panic!() };
            for said in
                ["Process Details", "\"BESSAPP\" (INTEGRATION) for {Jun-19}{Aug-19}", "domain.ann", when]
            {
                assert!(text.contains(said), "{text}");
            }
            let seen = environment.server.seen();
            assert!(seen.iter().all(|seen| seen.path().starts_with(WORK)), "EPM was asked");
            assert_eq!(seen[0].path(), "/work/submissions/demo/calls/run-1.json");
        }
    }

    /// An answer about another job is not taken for this one's.
    #[tokio::test]
    async fn another_jobs_status_is_refused() {
        let environment =
            TestEnvironment::answering(Reply::json(json!({ "jobId": 1882, "status": 0 }))).await;
        let said = line(environment.source.status(&record()).await.unwrap_err(), "ContractBroken");
        assert!(said.contains("jobId"), "{said}");
        let said = line(
            TestEnvironment::answering(Reply::status(404)).await.source.status(&record()).await.unwrap_err(),
            "NotFound",
        );
        assert!(said.contains("connection demo knows no job 1881"), "{said}");
    }

    /// What somebody else's job exports is told by its name and kind, as far as EPM says.
    #[tokio::test]
    async fn a_job_of_others_is_described() {
        for (answer, kind, name) in [
            (
                json!({ "jobName": "Month End", "processType": "COMM_LOAD_DATA" }),
                "COMM_LOAD_DATA",
                "Month End",
            ),
            (json!({ "processType": "EXPORT_MAPPING" }), "EXPORT_MAPPING", "EXPORT_MAPPING"),
            (json!({ "jobName": "Month End" }), "unknown", "Month End"),
        ] {
            let environment = TestEnvironment::answering(Reply::json(answer)).await;
            let found = environment.source.describe(&"1881".parse().unwrap()).await.unwrap();
            assert_eq!(found, Export::of(&EpmJob::named(None, kind.to_owned(), name.to_owned())));
        }
        let environment = TestEnvironment::answering(Reply::json(json!({ "status": 0 }))).await;
        line(environment.source.describe(&"1881".parse().unwrap()).await.unwrap_err(), "ContractBroken");
    }

    /// The whole path is one segment, and the list says how a name is written.
    #[tokio::test]
    async fn a_name_is_encoded_whole() {
        for (name, target) in [
            ("outbox/Plan FY06/a+b.csv", "outbox%2FPlan%20FY06%2Fa+b.csv"),
            ("inbox\\s112.csv", "inbox%5Cs112.csv"),
            ("outbox/100%.csv", "outbox%2F100%25.csv"),
        ] {
            let environment = TestEnvironment::configured(json!({ "download": "v1" }), |_, _| {
                Reply::status(200).body("bytes")
            })
            .await;
            assert_eq!(environment.open(name).await.unwrap(), b"bytes");
            let snapshots = "/gateway/interop/rest/11.1.2.3.600/applicationsnapshots";
            assert_eq!(environment.targets(), [format!("GET {snapshots}/{target}/contents")]);
        }
    }

    fn outcome(status: i64, relation: &str, href: &str) -> Reply {
        let link = json!({ "rel": relation, "action": "GET", "href": href });
        Reply::json(json!({ "status": status, "details": "null", "links": [0, link] }))
    }

    /// Links are followed as they come, a lost answer is asked for again, and a later answer may leave out where to ask.
    #[tokio::test]
    async fn a_download_is_prepared_by_following_its_links() {
        let environment = TestEnvironment::start(|seen, number| match (seen.path(), number) {
            (_, 0) => Reply::nothing(),
            ("/gateway/interop/rest/v2/files/download", _) => {
                outcome(-1, "Job Status", "/elsewhere/look?id=1")
            }
            ("/elsewhere/look", 2) => Reply::json(json!({ "status": "-1", "links": [0] })),
            ("/elsewhere/look", _) => outcome(0, "Download link", "/elsewhere/bytes/1"),
            _ => Reply::status(200).body("bytes"),
        })
        .await;
        assert_eq!(environment.open("outbox/x.csv").await.unwrap(), b"bytes");
        assert_eq!(
            environment.targets(),
            [
                "POST /gateway/interop/rest/v2/files/download",
                "POST /gateway/interop/rest/v2/files/download",
                "GET /elsewhere/look?id=1",
                "GET /elsewhere/look?id=1",
                "GET /elsewhere/bytes/1",
            ]
        );
        assert_eq!(environment.server.seen()[0].body, r#"{"fileName":"outbox/x.csv"}"#);
    }

    /// Promise 7: a link to another host is followed where the connection allows it, and the password stays here.
    #[tokio::test]
    async fn an_allowed_host_gets_no_password() {
        let other = Scripted::replies(vec![Reply::status(200).body("bytes")]).await;
        let href = other.url("/bytes").to_string();
        let http = json!({ "http": { "allowed_hosts": [other.host()] } });
        let environment =
            TestEnvironment::configured(http, move |_, _| outcome(0, "Download link", &href)).await;
        assert_eq!(environment.open("outbox/x.csv").await.unwrap(), b"bytes");
        assert_eq!(other.seen()[0].header("authorization"), "");
    }

    /// An outcome that is none is not waited for.
    #[tokio::test]
    async fn a_preparation_that_says_nothing_is_an_error() {
        for (reply, name, said) in [
            (
                Reply::json(json!({ "status": 8, "details": "File x does not exist" })),
                "NotFound",
                "does not exist",
            ),
            (Reply::json(json!({ "status": 1, "details": "null" })), "Rejected", "it does not say why"),
            (Reply::json(json!({ "links": [0] })), "ContractBroken", "no outcome"),
            (Reply::json(json!({ "status": 0, "links": [0] })), "ContractBroken", "no download link"),
            (Reply::json(json!({ "status": -1 })), "ContractBroken", "no link to the status"),
            (Reply::page(), "ContractBroken", "web page"),
        ] {
            let environment = TestEnvironment::answering(reply).await;
            let told = line(environment.open("outbox/x.csv").await.unwrap_err(), name);
            assert!(told.contains(said) && told.contains("outbox/x.csv"), "{told}");
            assert_eq!(environment.server.count(), 1);
        }
    }

    /// Trap: a failure under HTTP 200, at the second step of three.
    #[tokio::test]
    async fn a_preparation_that_fails_on_the_way_is_a_refusal() {
        let environment = TestEnvironment::start(|_, number| match number {
            0 => outcome(-1, "Job Status", "/look"),
            _ => Reply::json(json!({ "status": 1, "details": "the file is locked", "links": [0] })),
        })
        .await;
        let told = line(environment.open("outbox/x.csv").await.unwrap_err(), "Rejected");
        assert!(told.contains("status 1: the file is locked"), "{told}");
        assert_eq!(environment.targets()[1..], ["GET /look"]);
    }

    /// Trap: the older API gives out 1 GB in a request, and a file that it cut would look whole.
    #[tokio::test]
    async fn a_file_that_the_older_api_would_cut_is_refused_unasked() {
        let large = |size: u64| {
            let locator = json!({ "name": "outbox/x.csv", "size": size, "is_listed": true }).to_string();
            OutputFile { locator: Some(locator), ..file("outbox/x.csv") }
        };
        let v1 = json!({ "download": "v1" });
        let environment = TestEnvironment::configured(v1.clone(), |_, _| Reply::status(400)).await;
        let error = environment.source.open(&record(), &large((1 << 30) + 1), None).await.unwrap_err();
        let told = line(error, "LimitExceeded");
        assert!(told.contains("download = \"v2\"") && told.contains("outbox/x.csv"), "{told}");
        assert_eq!(environment.server.count(), 0);
        for (settings, size) in [(v1, 1 << 30), (json!({}), (1 << 30) + 1)] {
            let environment = TestEnvironment::configured(settings, |_, _| Reply::status(400)).await;
            line(environment.source.open(&record(), &large(size), None).await.unwrap_err(), "Rejected");
            assert!(environment.server.count() > 0, "it was not asked for");
        }
    }

    /// Sizes come as texts, and snapshots have none; names are told as the repository writes them.
    #[tokio::test]
    async fn files_are_listed_with_what_the_repository_says_of_them() {
        let environment = TestEnvironment::start(|seen, _| match seen.path() {
            LIST => Reply::json(json!({ "status": 0, "details": null, "items": [
                { "name": "Artifact Snapshot", "type": "LCM", "size": null, "lastmodifiedtime": null },
                { "name": "outbox\\Rates.csv", "type": "EXTERNAL", "size": "1876", "lastmodifiedtime": 1_498_155_226_000_u64 },
            ] })),
            _ => Reply::json(json!({ "jobId": 1881, "status": 0, "outputFileName": "outbox/BESSAPPJan-06.csv" })),
        })
        .await;
        let mut record = record();
        let output_files = vec!["outbox/Rates.csv".to_owned(), "Artifact Snapshot".to_owned()];
        record.export = Export::of(&EpmJob { output_files, ..record.export.read().unwrap() });
        let files = environment.source.output_files(&record).await.unwrap();
        let told: Vec<_> = files.iter().map(|file| (file.ordinal, file.name.as_str(), file.size)).collect();
        assert_eq!(
            told,
            [(0, "BESSAPPJan-06.csv", None), (1, "Rates.csv", Some(1876)), (2, "Artifact Snapshot", None)]
        );
        let locator: Value = serde_json::from_str(files[1].locator.as_ref().unwrap()).unwrap();
        let expected = json!({ "name": "outbox\\Rates.csv", "size": 1876, "modified": 1_498_155_226_000_u64, "is_listed": true });
        assert_eq!(locator, expected);
    }

    /// A record that was tampered with leads nowhere.
    #[tokio::test]
    async fn a_locator_that_is_none_is_refused() {
        let environment = TestEnvironment::answering(Reply::status(200)).await;
        for locator in [None, Some("https://evil.example/x".to_owned()), file("../x").locator] {
            let file = OutputFile { locator, ..file("x") };
            line(environment.source.open(&record(), &file, None).await.unwrap_err(), "ContractBroken");
        }
        assert_eq!(environment.server.count(), 0);
    }
}
