//! A system that is run from a description: a TOML document that says which calls submit, poll, list and link, how values
//! are taken out of answers, and what these mean.
//!
//! There are no expressions and no code in it, and nothing that it says makes landfall call a host that the connection
//! does not allow. What no table of it names is unknown, and never success.

mod after;
mod api;
mod bounded;
pub mod builtin;
mod call;
mod chosen;
mod credentials;
pub mod description;
mod download;
pub mod dry;
mod export;
mod files;
mod pages;
mod poll;
pub mod settings;
mod status;
mod submission;
mod table;
mod take;
mod template;
#[cfg(test)]
mod tests;
mod values;

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use self::api::{Api, Server};
use self::chosen::Chosen;
use self::download::File;
pub use self::export::{DeclaredExport, DeclaredIncrements};
use self::files::{Listing, Lists};
use self::settings::DeclaredConnection;
use self::submission::{Submitting, of_job, values_of_id};
use self::template::Values;
use landfall::check::{Finding, clock_skew};
use landfall::clock::Clock;
use landfall::contract::{
    Cancellation, Download, Found, Increments, JobStatus, PlannedCall, ResumeAt, Source, SourceDeps,
    Submission, SubmitRequest, Wrap,
};
use landfall::error::{Error, Result};
use landfall::export::{Export, ExportKind, Kind};
use landfall::job::{ConnectionName, JobRecord, JobRequestId, OutputFile};
use landfall::state::{RefreshTokenDocument, WorkState};
use landfall::systems::ConnectionType;

/// The kinds of exports of this system.
pub const KINDS: &[&dyn ExportKind] = &[&Kind::<DeclaredExport>::new()];

/// How its connections are opened.
pub const CONNECTION: ConnectionType = ConnectionType {
    name: "declared",
    built_in: &[],
    open: |name, connection, SourceDeps { clock, work, wrap, .. }| {
        let settings: DeclaredConnection = connection.settings()?;
        Ok(Arc::new(DeclaredSource::new(name, &settings, work, clock, wrap)?))
    },
};

/// The source `declared`.
#[derive(Debug)]
pub struct DeclaredSource {
    name: ConnectionName,
    server: Server,
    chosen: Chosen,
    work: WorkState,
    lists: Arc<Lists>,
}

impl DeclaredSource {
    /// The source behind a connection; `InvalidConfig` where its settings cannot be. Nothing is called.
    pub fn new(
        name: ConnectionName,
        connection: &DeclaredConnection,
        work: WorkState,
        clock: Arc<dyn Clock>,
        wrap: Option<Wrap<'_>>,
    ) -> Result<Self> {
        let kept = Arc::new(RefreshTokenDocument::new(work.clone(), &name));
        let opened = Chosen::of(connection)
            .and_then(|chosen| Ok((chosen, Server::new(&name, connection, kept, clock, wrap)?)));
        let (chosen, server) =
            opened.map_err(|error| error.while_doing(format!("setting up connection {name}")))?;
        Ok(Self { name, server, chosen, work, lists: Arc::default() })
    }

    /// Its API, as its description is now.
    fn api(&self) -> Result<Arc<Api>> {
        let description = self.chosen.current();
        let description =
            description.map_err(|error| error.while_doing(format!("connection {}", self.name)))?;
        Ok(self.server.by(description))
    }

    /// What an export says, if this system runs it.
    fn export(&self, export: &Export) -> Result<(Arc<Api>, DeclaredExport)> {
        let (api, export) = (self.api()?, export.read::<DeclaredExport>()?);
        export
            .check_for(&api.description)
            .map_err(|error| error.while_doing(format!("connection {}", self.name)))?;
        Ok((api, export))
    }

    fn submitting<'a>(&'a self, order: &SubmitRequest<'a>) -> Result<Submitting<'a>> {
        let (api, export) = self.export(order.export)?;
        let SubmitRequest { run_key, window, .. } = *order;
        Ok(Submitting { api, work: &self.work, connection: &self.name, export, run_key, window })
    }

    /// What the calls about a job go by.
    async fn of_job(&self, job: &JobRecord) -> Result<(Arc<Api>, Values)> {
        let (description, values) = of_job(&self.chosen, &self.work, job).await?;
        Ok((self.server.by(description), values))
    }
}

#[async_trait]
impl Source for DeclaredSource {
    async fn refresh(&self) -> Result<()> {
        self.chosen.refresh(&self.work).await
    }

    fn accepts(&self, export: &Export) -> Result<()> {
        self.export(export).map(drop)
    }

    async fn check(&self) -> Vec<Finding> {
        let described = self.api().map(|api| api.description.title.clone());
        let token = self.server.has_credentials().await.map(|has| match has {
            true => "credentials are there; whether the system takes them shows its first call".to_owned(),
            false => "no credentials are configured: calls are made without".to_owned(),
        });
        vec![
            Finding::of("description", described),
            clock_skew(self.server.client.told_time(), self.server.clock.now()),
            Finding::of("credentials", token),
        ]
    }

    fn increments(&self, export: &Export) -> Option<Increments> {
        let description = self.chosen.current().ok()?;
        let form = description.window.as_ref()?;
        export.read::<DeclaredExport>().ok()?.increments(&form.field)
    }

    async fn time(&self) -> Result<Option<Timestamp>> {
        self.server.time().await
    }

    async fn calls(&self, order: &SubmitRequest<'_>) -> Result<Vec<PlannedCall>> {
        let (api, export) = self.export(order.export)?;
        dry::calls_of(&api.description, &self.server.base_url, &export, order.window)
    }

    async fn prepare(&self, order: &SubmitRequest<'_>) -> Result<()> {
        self.submitting(order)?.prepare().await
    }

    async fn submit(&self, order: &SubmitRequest<'_>) -> Result<Submission> {
        self.submitting(order)?.submit().await
    }

    async fn find(&self, order: &SubmitRequest<'_>) -> Result<Found> {
        self.submitting(order)?.find().await
    }

    async fn describe(&self, job: &JobRequestId) -> Result<Export> {
        let api = self.api()?;
        status::of(&api, &values_of_id(&api.description, job)?, false).await?;
        Ok(Export::of(&DeclaredExport { system: api.description.name.clone(), ..DeclaredExport::default() }))
    }

    async fn status(&self, job: &JobRecord) -> Result<JobStatus> {
        let export: DeclaredExport = job.export.read()?;
        let (api, values) = self.of_job(job).await?;
        status::of(&api, &values, export.allow_empty).await
    }

    async fn explain(&self, job: &JobRecord) -> Result<Option<String>> {
        Ok(self.status(job).await?.message)
    }

    async fn output_files(&self, job: &JobRecord) -> Result<Vec<OutputFile>> {
        let (api, values) = self.of_job(job).await?;
        let mut listing = Listing::read(&api, &values, None).await?;
        let (files, has_links) = listing.files(&api, &values).await?;
        if has_links && listing.is_small() {
            self.lists.note(&job.job_request_id, &api, listing).await;
        }
        Ok(files)
    }

    async fn open(&self, job: &JobRecord, file: &OutputFile, resume: Option<&ResumeAt>) -> Result<Download> {
        let (api, values) = self.of_job(job).await?;
        let (job, file, lists) = (job.job_request_id.clone(), file.clone(), Arc::clone(&self.lists));
        File { api, values, job, file, lists }.open(resume).await
    }

    async fn wants_notice(&self, job: &JobRecord) -> Result<bool> {
        Ok(self.of_job(job).await?.0.description.after.landed.is_some())
    }

    async fn notify_landed(&self, job: &JobRecord) -> Result<()> {
        let (api, values) = self.of_job(job).await?;
        after::landed(&api, &values).await
    }

    async fn cancelling(&self, job: &JobRecord) -> Result<Option<String>> {
        let (api, values) = self.of_job(job).await?;
        let Some(cancel) = &api.description.after.cancel else { return Ok(None) };
        let line = cancel.call.line(&self.server.base_url, &values)?;
        Ok(Some(self.server.client.redactor().text(&line)))
    }

    async fn cancel(&self, job: &JobRecord) -> Result<Cancellation> {
        let (api, values) = self.of_job(job).await?;
        match &api.description.after.cancel {
            Some(cancel) => after::cancel(&api, cancel, &values).await,
            None => Err(Error::rejected(format!("{} has no call that cancels a job", api.description.title))),
        }
    }
}
