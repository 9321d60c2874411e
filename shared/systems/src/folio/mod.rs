//! FOLIO: data exports of mod-data-export, behind Okapi or Eureka's gateway.
//!
//! A job takes several calls, a file definition, an upload of record ids into it, the start of its export, or one that does
//! all; then it is polled, and its file is fetched by a link to object storage that is good for ten minutes (mod-data-export, its own
//! `data-export.yaml`). The forms of versions 3 to 5 are read alike.

mod api;
mod direct;
mod export;
mod files;
mod ids;
mod logs;
mod okapi;
pub mod settings;
mod status;
mod submission;
mod wire;

use std::sync::Arc;

use async_trait::async_trait;

use self::api::Api;
use self::direct::Direct;
pub use self::export::{DeletedDays, FolioExport, IdType, RecordType, Records};
use self::submission::Submitting;
use crate::folio::settings::FolioConnection;
use crate::server::not_of_run;
use landfall::check::{Finding, clock_skew};
use landfall::clock::{Clock, elapsed};
use landfall::contract::{
    Download, Found, JobStatus, PlannedCall, ResumeAt, Source, SourceDeps, Submission, SubmitRequest, Wrap,
};
use landfall::error::{Error, Result};
use landfall::export::{Export, ExportKind, Kind};
use landfall::job::{ConnectionName, FileList, JobRecord, JobRequestId, JobState, OutputFile};
use landfall::state::WorkState;
use landfall::systems::ConnectionType;

/// The kinds of exports of this system.
pub const KINDS: &[&dyn ExportKind] = &[&Kind::<FolioExport>::new()];

/// How its connections are opened.
pub const CONNECTION: ConnectionType = ConnectionType {
    name: "folio",
    built_in: &[],
    open: |name, connection, SourceDeps { clock, work, wrap, .. }| {
        Ok(Arc::new(FolioSource::new(name, &connection.settings()?, clock, work, wrap)?))
    },
};

/// The source `folio_export`.
#[derive(Debug)]
pub struct FolioSource {
    name: ConnectionName,
    api: Arc<Api>,
    tenant: String,
    clock: Arc<dyn Clock>,
    work: WorkState,
    listing_lag: std::time::Duration,
}

impl FolioSource {
    /// The source behind a connection; `InvalidConfig` where its settings cannot be. Nothing is called.
    pub fn new(
        name: ConnectionName,
        connection: &FolioConnection,
        clock: Arc<dyn Clock>,
        work: WorkState,
        wrap: Option<Wrap<'_>>,
    ) -> Result<Self> {
        let api = Api::new(&name, connection, Arc::clone(&clock), wrap)
            .map_err(|error| error.while_doing(format!("setting up connection {name}")))?;
        let listing_lag = connection.job.listing_lag();
        Ok(Self { name, api: Arc::new(api), tenant: connection.tenant.clone(), clock, work, listing_lag })
    }

    async fn submitting<'a>(&'a self, order: &SubmitRequest<'a>) -> Result<Submitting<'a>> {
        let export = order.export.read()?;
        let (api, work, clock) = (&*self.api, &self.work, self.clock.as_ref());
        Submitting::new(api, work, clock, &self.name, &self.tenant, export, order.run_key).await
    }

    fn direct<'a>(&'a self, export: &'a FolioExport, order: &SubmitRequest<'a>) -> Option<Direct<'a>> {
        Direct::of(&self.api, &self.work, self.clock.as_ref(), &self.name, export, order.run_key)
    }

    fn unknown(&self, job: &JobRequestId) -> Error {
        Error::not_found(format!("connection {} knows no job execution {job}", self.name))
    }
}

#[async_trait]
impl Source for FolioSource {
    fn accepts(&self, export: &Export) -> Result<()> {
        export.read::<FolioExport>()?.check()
    }

    async fn check(&self) -> Vec<Finding> {
        let listed = self.api.look().await;
        let said =
            listed.map(|profiles| format!("a token is issued, and {profiles} job profiles are listed"));
        vec![clock_skew(self.api.told_time(), self.clock.now()), Finding::of("data-export", said)]
    }

    async fn calls(&self, order: &SubmitRequest<'_>) -> Result<Vec<PlannedCall>> {
        let export: FolioExport = order.export.read()?;
        let mut calls = match self.direct(&export, order) {
            Some(direct) => vec![self.api.direct_call(direct.name(), &direct.body().await?)],
            None => self.api.submission_calls(&export).await?,
        };
        calls.push(self.api.poll_call());
        Ok(calls)
    }

    async fn prepare(&self, order: &SubmitRequest<'_>) -> Result<()> {
        self.accepts(order.export)?;
        match self.direct(&order.export.read()?, order) {
            Some(direct) => direct.prepare().await,
            None => self.submitting(order).await?.prepare().await,
        }
    }

    async fn submit(&self, order: &SubmitRequest<'_>) -> Result<Submission> {
        self.accepts(order.export)?;
        match self.direct(&order.export.read()?, order) {
            Some(direct) => direct.submit().await,
            None => self.submitting(order).await?.submit().await,
        }
    }

    async fn find(&self, order: &SubmitRequest<'_>) -> Result<Found> {
        if let Some(direct) = self.direct(&order.export.read()?, order) {
            return direct.find().await;
        }
        let found = self.submitting(order).await?.find().await?;
        Ok(found.map_or(Found::Nothing, Found::Job))
    }

    async fn verify_job(&self, job: &JobRequestId, order: &SubmitRequest<'_>) -> Result<()> {
        let execution = self.api.execution(job.as_str()).await?.ok_or_else(|| self.unknown(job))?;
        let difference = order.export.read::<FolioExport>()?.difference(&execution);
        difference.map_or(Ok(()), |difference| {
            let difference = self.api.redactor().text(&difference);
            Err(not_of_run(job, &self.name, order, &difference))
        })
    }

    async fn describe(&self, job: &JobRequestId) -> Result<Export> {
        let execution = self.api.execution(job.as_str()).await?.ok_or_else(|| self.unknown(job))?;
        let (profile, profile_id) = (execution.job_profile_name, execution.job_profile_id);
        // What the ids were is not told, nor, of some jobs of other calls, the profile: nor need they be, to land what came
        // of them.
        let profile_id = profile_id.filter(|_| profile.is_none());
        Ok(Export::of(&FolioExport { profile, profile_id, ..FolioExport::default() }))
    }

    async fn status(&self, job: &JobRecord) -> Result<JobStatus> {
        let id = &job.job_request_id;
        match self.api.execution(id.as_str()).await? {
            Some(execution) => Ok(status::of(&execution, self.clock.now(), self.api.redactor())),
            // A list may lag behind what was just written.
            None if elapsed(job.since, self.clock.now()) < self.listing_lag => Ok(JobStatus {
                state: JobState::Running,
                native_status: "NOT LISTED".to_owned(),
                is_known: true,
                progress_percent: None,
                message: Some("FOLIO does not list the job execution yet".to_owned()),
                expected_rows: None,
                observed_at: None,
            }),
            None => Err(self.unknown(id)),
        }
    }

    async fn explain(&self, job: &JobRecord) -> Result<Option<String>> {
        logs::explain(&self.api, &job.job_request_id).await
    }

    async fn output_files(&self, job: &JobRecord) -> Result<Vec<OutputFile>> {
        Ok(self.file_list(job).await?.files)
    }

    async fn file_list(&self, job: &JobRecord) -> Result<FileList> {
        let id = &job.job_request_id;
        let execution = self.api.execution(id.as_str()).await?.ok_or_else(|| self.unknown(id))?;
        files::list(&self.api, id, &execution).await
    }

    async fn open(&self, job: &JobRecord, file: &OutputFile, resume: Option<&ResumeAt>) -> Result<Download> {
        files::open(&self.api, &job.job_request_id, file, resume).await
    }
}

#[cfg(test)]
mod tests;
