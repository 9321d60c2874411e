//! The source: each call of the contract, by the part that makes it.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use super::batch::{self, Batch, Form, Mark, Runs};
use super::boss::Boss;
use super::export::FusionExtract;
use super::files::{self, Files};
use super::status::{JobRequest, without_details};
use crate::fusion::pod::Pod;
use crate::fusion::settings::FusionConnection;
use crate::server::not_of_run;
use landfall::check::Finding;
use landfall::clock::Clock;
use landfall::contract::{
    Download, EndedJob, Found, JobStatus, PlannedCall, ResumeAt, Source, Submission, SubmitRequest,
};
use landfall::error::{Error, Result};
use landfall::export::Export;
use landfall::job::{ConnectionName, JobRecord, JobRequestId, OutputFile};
use landfall::state::WorkState;
use landfall_http::HttpError;
use landfall_http::auth::Authorizer;

/// The source `fusion_extract`.
#[derive(Debug)]
pub struct FusionExtractSource {
    name: ConnectionName,
    pod: Pod,
    work: WorkState,
    batch: Arc<dyn Authorizer>,
    boss: Option<Arc<dyn Authorizer>>,
    form: Form,
    /// How many bytes of the list of jobs are kept.
    pub(super) max_jobs_bytes: usize,
    /// How many of a job's list of files.
    pub(super) max_files_bytes: usize,
}

impl FusionExtractSource {
    /// The source behind a connection; `InvalidConfig` where its settings cannot be, or lack what it needs. Nothing
    /// is called.
    pub fn new(
        name: ConnectionName,
        connection: &FusionConnection,
        clock: Arc<dyn Clock>,
        work: WorkState,
    ) -> Result<Self> {
        let pod = Pod::new(&name, connection, clock, None, None)
            .map_err(|error| error.while_doing(format!("setting up connection {name}")))?;
        Self::at(name, connection, pod, work)
    }

    /// The source at a pod; `InvalidConfig` names what the connection lacks.
    pub(in crate::fusion) fn at(
        name: ConnectionName,
        connection: &FusionConnection,
        pod: Pod,
        work: WorkState,
    ) -> Result<Self> {
        let lacks = |key: &str| {
            Error::invalid_config(format!("connection {name} has no {key}, which fusion_extract needs"))
        };
        let scope = connection.scopes.batch.as_ref().ok_or_else(|| lacks("scopes.batch"))?;
        let batch = pod.scope("scopes.batch", scope).ok_or_else(|| lacks("auth"))?;
        let boss = connection.scopes.boss.as_ref().and_then(|scope| pod.scope("scopes.boss", scope));
        let form = Form {
            client_request_uuid: connection.client_request_uuid,
            schedule_dates: connection.schedule_dates,
        };
        let (max_jobs_bytes, max_files_bytes) = (batch::MAX_KEPT_BYTES, files::MAX_PAGES_BYTES);
        Ok(Self { name, pod, work, batch, boss, form, max_jobs_bytes, max_files_bytes })
    }

    fn batch(&self) -> Batch<'_> {
        Batch::new(&self.pod, Arc::clone(&self.batch), self.max_jobs_bytes)
    }

    /// What the order's job is known by.
    async fn mark<'a>(&self, order: &SubmitRequest<'a>) -> Result<Mark<'a>> {
        Ok(Mark::new(&self.work.installation().await?, &self.name, order.run_key))
    }

    /// What was asked for by a job; nothing if that is not shown anywhere.
    async fn request(&self, job: &JobRequestId) -> Result<Option<JobRequest>> {
        let (details, _) = self.batch().get(job).await.map_err(|error| self.about_job(job, error))?;
        let request = details.and_then(|details| details.job_request);
        match request.filter(|request| request.request_parameters.is_some()) {
            Some(request) => Ok(Some(request)),
            // Later answers about one job are shorter than the first; the list is not.
            None => self.batch().listed(job).await,
        }
    }

    fn files<'a>(&'a self, job: &'a JobRecord) -> Files<'a> {
        Files::new(&self.pod, Arc::clone(&self.batch), &job.job_request_id, self.max_files_bytes)
    }

    /// A 404 about a job says which job is unknown, and where.
    fn about_job(&self, id: &JobRequestId, error: HttpError) -> Error {
        if error.is_gone() {
            return Error::not_found(format!("connection {} knows no job {id}", self.name)).because(error);
        }
        error.into()
    }

    fn redacted(&self, message: Option<String>) -> Option<String> {
        message.map(|message| self.pod.client.redactor().text(&message)).filter(|message| !message.is_empty())
    }
}

#[async_trait]
impl Source for FusionExtractSource {
    fn accepts(&self, export: &Export) -> Result<()> {
        let export: FusionExtract = export.read()?;
        export.check()?;
        if (export.definition.is_some() || export.group.is_some()) && self.boss.is_none() {
            return Err(Error::invalid_config(format!(
                "connection {} has no scopes.boss, which a definition or a group needs",
                self.name
            )));
        }
        Ok(())
    }

    async fn check(&self) -> Vec<Finding> {
        let listed = self.batch().first_page().await.map_err(Error::from);
        let said = listed.map(|jobs| format!("a token is issued, and {jobs} job requests are listed"));
        let boss = match &self.boss {
            None => Finding::of(
                "boss",
                Ok("no scopes.boss: exports with a definition or a group cannot run".to_owned()),
            ),
            Some(boss) => {
                let seen = Boss::new(&self.pod, Arc::clone(boss)).look().await;
                Finding::of(
                    "boss",
                    seen.map(|()| "a token is issued, and definitions can be read".to_owned()),
                )
            }
        };
        vec![Finding::of("saas-batch", said), boss]
    }

    async fn calls(&self, order: &SubmitRequest<'_>) -> Result<Vec<PlannedCall>> {
        let export = order.export.read()?;
        let mut calls = match &self.boss {
            Some(boss) => Boss::new(&self.pod, Arc::clone(boss)).calls(&export),
            None => Vec::new(),
        };
        let installation = self.work.known_installation().await?;
        let mark = Mark::new(installation.as_deref().unwrap_or_default(), &self.name, order.run_key);
        calls.extend(self.batch().calls(&export, &mark, self.form, installation.is_some()));
        Ok(calls)
    }

    async fn prepare(&self, order: &SubmitRequest<'_>) -> Result<()> {
        self.accepts(order.export)?;
        let export = &order.export.read()?;
        match &self.boss {
            Some(boss) => Boss::new(&self.pod, Arc::clone(boss)).ensure(export).await,
            None => Ok(()),
        }
    }

    async fn submit(&self, order: &SubmitRequest<'_>) -> Result<Submission> {
        self.batch().submit(&order.export.read()?, &self.mark(order).await?, self.form).await
    }

    async fn find(&self, order: &SubmitRequest<'_>) -> Result<Found> {
        let found = self.batch().find(&order.export.read()?, &self.mark(order).await?).await?;
        Ok(found.map_or(Found::Nothing, Found::Job))
    }

    async fn ended(&self) -> Result<Vec<EndedJob>> {
        let installation = self.work.known_installation().await?;
        let runs = Runs { installation: installation.as_deref(), connection: &self.name };
        let mut ended = self.batch().ended(&runs).await?;
        for job in &mut ended {
            job.status.native_status = self.pod.client.redactor().text(&job.status.native_status);
            job.status.message = self.redacted(job.status.message.take());
        }
        Ok(ended)
    }

    async fn ended_at(&self, job: &JobRequestId) -> Result<Option<Timestamp>> {
        let (details, _) = self.batch().get(job).await.map_err(|error| self.about_job(job, error))?;
        Ok(details.and_then(|details| details.ended_at()))
    }

    async fn verify_job(&self, job: &JobRequestId, order: &SubmitRequest<'_>) -> Result<()> {
        let (request, export) = (self.request(job).await?, order.export.read()?);
        let difference = request.and_then(|request| batch::difference(&request, &export));
        let difference = self.redacted(difference);
        difference.map_or(Ok(()), |difference| Err(not_of_run(job, &self.name, order, &difference)))
    }

    async fn describe(&self, job: &JobRequestId) -> Result<Export> {
        let cannot_tell = |reason: String| {
            Error::contract_broken(format!(
                "job {job} on {} does not say what it exports: {reason}",
                self.name
            ))
        };
        let request = self.request(job).await?;
        let request = request.ok_or_else(|| cannot_tell("its request is not shown".to_owned()))?;
        batch::described(&request).map(|export| Export::of(&export)).map_err(cannot_tell)
    }

    async fn recurring_request(&self, job: &JobRequestId) -> Result<Option<JobRequestId>> {
        let parent = self.request(job).await?.and_then(|request| request.parent());
        Ok(parent.and_then(|parent| parent.parse().ok()))
    }

    async fn status(&self, job: &JobRecord) -> Result<JobStatus> {
        let id = &job.job_request_id;
        let (details, answer) = self.batch().get(id).await.map_err(|error| self.about_job(id, error))?;
        let Some(details) = details else { return Ok(without_details()) };
        let mut status =
            details.status().ok_or_else(|| answer.malformed("jobStatus", "no status is there"))?;
        status.native_status = self.pod.client.redactor().text(&status.native_status);
        status.message = self.redacted(status.message);
        Ok(status)
    }

    async fn explain(&self, job: &JobRecord) -> Result<Option<String>> {
        // No log of a job can be had: the message of its progress is all that the pod says.
        Ok(self.status(job).await?.message)
    }

    /// Files are scanned for viruses after the job has put them out (`SBS_JOB_FILES.VIRUS_SCAN_STATUS`), and whether
    /// the list and its total wait for that is not documented.
    fn lists_may_grow(&self, _export: &Export) -> bool {
        true
    }

    async fn has_last_file(&self, job: &JobRecord, files: &[OutputFile]) -> bool {
        !files::has_gap(files) && self.files(job).have_metadata(files).await
    }

    async fn output_files(&self, job: &JobRecord) -> Result<Vec<OutputFile>> {
        self.files(job).list().await
    }

    async fn open(&self, job: &JobRecord, file: &OutputFile, resume: Option<&ResumeAt>) -> Result<Download> {
        self.files(job).open(file, resume).await
    }
}
