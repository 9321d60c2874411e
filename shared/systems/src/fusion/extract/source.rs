//! The source: each call of the contract, by the part that makes it.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use super::batch::{self, Batch, Form};
use super::boss::Boss;
use super::export::FusionExtract;
use super::files::Files;
use super::status::{JobRequest, without_details};
use crate::fusion::pod::Pod;
use crate::fusion::settings::FusionConnection;
use landfall::check::Finding;
use landfall::clock::Clock;
use landfall::contract::{Download, EndedJob, Found, JobStatus, ResumeAt, Source, Submission, SubmitRequest};
use landfall::error::{Error, Result};
use landfall::export::Export;
use landfall::job::{ConnectionName, JobRecord, JobRequestId, OutputFile};
use landfall_http::HttpError;
use landfall_http::auth::Authorizer;

/// The source `fusion_extract`.
#[derive(Debug)]
pub struct FusionExtractSource {
    name: ConnectionName,
    pod: Pod,
    batch: Arc<dyn Authorizer>,
    boss: Option<Arc<dyn Authorizer>>,
    form: Form,
}

impl FusionExtractSource {
    /// The source behind a connection; `InvalidConfig` where its settings cannot be, or lack what it needs. Nothing
    /// is called.
    pub fn new(name: ConnectionName, connection: &FusionConnection, clock: Arc<dyn Clock>) -> Result<Self> {
        let pod = Pod::new(&name, connection, clock, None, None)
            .map_err(|error| error.while_doing(format!("setting up connection {name}")))?;
        Self::at(name, connection, pod)
    }

    /// The source at a pod; `InvalidConfig` names what the connection lacks.
    pub(in crate::fusion) fn at(
        name: ConnectionName,
        connection: &FusionConnection,
        pod: Pod,
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
        Ok(Self { name, pod, batch, boss, form })
    }

    fn batch(&self) -> Batch<'_> {
        Batch::new(&self.pod, Arc::clone(&self.batch))
    }

    fn files<'a>(&'a self, job: &'a JobRecord) -> Files<'a> {
        Files::new(&self.pod, Arc::clone(&self.batch), &job.job_request_id)
    }

    /// A 404 about a job says which job is unknown, and where.
    fn about_job(&self, id: &JobRequestId, error: HttpError) -> Error {
        if error.is_gone() {
            return Error::not_found(format!("connection {} knows no job {id}", self.name)).because(error);
        }
        error.into()
    }

    /// What was asked for with a job, where the pod shows it.
    async fn request(&self, job: &JobRequestId) -> Result<Option<JobRequest>> {
        let (details, _) = self.batch().get(job).await.map_err(|error| self.about_job(job, error))?;
        let request = details.and_then(|details| details.job_request);
        match request.filter(|request| request.request_parameters.is_some()) {
            Some(request) => Ok(Some(request)),
            // Later answers about one job are shorter than the first; the list is not.
            None => self.batch().listed(job).await,
        }
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

    async fn prepare(&self, order: &SubmitRequest<'_>) -> Result<()> {
        self.accepts(order.export)?;
        let export = &order.export.read()?;
        match &self.boss {
            Some(boss) => Boss::new(&self.pod, Arc::clone(boss)).ensure(export).await,
            None => Ok(()),
        }
    }

    async fn submit(&self, order: &SubmitRequest<'_>) -> Result<Submission> {
        self.batch().submit(&order.export.read()?, order.run_key, self.form).await
    }

    async fn find(&self, order: &SubmitRequest<'_>) -> Result<Found> {
        let found = self.batch().find(&order.export.read()?, order.run_key).await?;
        Ok(found.map_or(Found::Nothing, Found::Job))
    }

    async fn ended(&self) -> Result<Vec<EndedJob>> {
        let mut ended = self.batch().ended().await?;
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

    async fn describe(&self, job: &JobRequestId) -> Result<Export> {
        let request = self.request(job).await?;
        let cannot_tell = |reason: String| {
            Error::contract_broken(format!(
                "job {job} on {} does not say what it exports: {reason}",
                self.name
            ))
        };
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
        self.files(job).have_metadata(files).await
    }

    async fn output_files(&self, job: &JobRecord) -> Result<Vec<OutputFile>> {
        self.files(job).list().await
    }

    async fn open(&self, job: &JobRecord, file: &OutputFile, resume: Option<&ResumeAt>) -> Result<Download> {
        self.files(job).open(file, resume).await
    }
}
