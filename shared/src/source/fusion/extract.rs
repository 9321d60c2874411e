//! Oracle Fusion Data Extraction: submitted to `saas-batch`, polled there, its files fetched from there.

mod batch;
mod boss;
mod export;
mod files;
mod lenient;
mod status;

use std::sync::Arc;

use async_trait::async_trait;

use self::batch::{Batch, Form};
use self::boss::Boss;
pub use self::export::{
    Definition, FusionExtract, Group, Interval, InvalidTimeOfDay, Mode, Recurrence, Schedule, TimeOfDay,
    TimeUnit,
};
use self::files::Files;
use super::pod::{Pod, Wrap};
use crate::clock::Clock;
use crate::config::FusionConnection;
use crate::error::{Error, Result};
use crate::http::HttpError;
use crate::http::auth::Authorizer;
use crate::job::{ConnectionName, JobRecord, JobRequestId, OutputFile, RunKey};
use crate::source::{Download, Export, JobStatus, ResumeAt, Source, Submission};

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
    /// The source behind a connection; `InvalidConfig` where its settings cannot be. Nothing is called.
    pub fn new(name: ConnectionName, connection: &FusionConnection, clock: Arc<dyn Clock>) -> Result<Self> {
        Self::wrapped(name, connection, clock, None)
    }

    /// The same, with something between its clients and the wire, so that a test can cut a run at any call.
    pub fn wrapped(
        name: ConnectionName,
        connection: &FusionConnection,
        clock: Arc<dyn Clock>,
        wrap: Option<Wrap<'_>>,
    ) -> Result<Self> {
        let pod = Pod::new(connection, &clock, wrap)
            .map_err(|error| error.while_doing(format!("setting up connection {name}")))?;
        let form = Form {
            client_request_uuid: connection.client_request_uuid,
            schedule_dates: connection.schedule_dates,
        };
        let batch = pod.scope(&connection.scopes.batch);
        let boss = connection.scopes.boss.as_ref().map(|scope| pod.scope(scope));
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

    fn redacted(&self, message: Option<String>) -> Option<String> {
        message.map(|message| self.pod.client.redactor().text(&message)).filter(|message| !message.is_empty())
    }
}

fn extraction(export: &Export) -> Result<&FusionExtract> {
    match export {
        Export::FusionExtract(export) => Ok(export),
        other => Err(Error::invalid_event(format!(
            "export.kind is {}, which no Fusion connection runs: it takes fusion_extract",
            other.kind()
        ))),
    }
}

#[async_trait]
impl Source for FusionExtractSource {
    fn accepts(&self, export: &Export) -> Result<()> {
        let export = extraction(export)?;
        export.check()?;
        if (export.definition.is_some() || export.group.is_some()) && self.boss.is_none() {
            return Err(Error::invalid_config(format!(
                "connection {} has no scopes.boss, which a definition or a group needs",
                self.name
            )));
        }
        Ok(())
    }

    async fn submit(&self, export: &Export, run_key: &RunKey) -> Result<Submission> {
        self.accepts(export)?;
        let export = extraction(export)?;
        if let Some(boss) = &self.boss {
            Boss::new(&self.pod, Arc::clone(boss)).ensure(export).await?;
        }
        self.batch().submit(export, run_key, self.form).await
    }

    async fn find(&self, export: &Export, run_key: &RunKey) -> Result<Option<JobRequestId>> {
        self.batch().find(extraction(export)?, run_key).await
    }

    async fn describe(&self, job: &JobRequestId) -> Result<Export> {
        let (details, _) = self.batch().get(job).await.map_err(|error| self.about_job(job, error))?;
        let request = match details.job_request.filter(|request| request.request_parameters.is_some()) {
            Some(request) => Some(request),
            // Later answers about one job are shorter than the first; the list is not.
            None => self.batch().listed(job).await?,
        };
        let cannot_tell = |reason: String| {
            Error::contract_broken(format!(
                "job {job} on {} does not say what it exports: {reason}",
                self.name
            ))
        };
        let request = request.ok_or_else(|| cannot_tell("its request is not shown".to_owned()))?;
        batch::described(&request).map(Export::FusionExtract).map_err(cannot_tell)
    }

    async fn status(&self, job: &JobRecord) -> Result<JobStatus> {
        let id = &job.job_request_id;
        let (details, answer) = self.batch().get(id).await.map_err(|error| self.about_job(id, error))?;
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

    async fn output_files(&self, job: &JobRecord) -> Result<Vec<OutputFile>> {
        self.files(job).list().await
    }

    async fn open(&self, job: &JobRecord, file: &OutputFile, resume: Option<&ResumeAt>) -> Result<Download> {
        self.files(job).open(file, resume).await
    }
}
