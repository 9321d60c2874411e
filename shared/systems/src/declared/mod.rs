//! A system that is run from a description: a TOML document that says which calls submit, poll, list and link, how values
//! are taken out of answers, and what these mean.
//!
//! There are no expressions and no code in it, and nothing that it says makes landfall call a host that the connection
//! does not allow. What no table of it names is unknown, and never success.

mod api;
mod bounded;
pub mod builtin;
mod call;
mod chosen;
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

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Map;

use self::api::Api;
use self::description::Description;
use self::download::File;
pub use self::export::{DeclaredExport, DeclaredIncrements, DeclaredWindow};
use self::files::Entry;
use self::settings::DeclaredConnection;
use self::submission::{Submitting, of_job, values_of_id};
use landfall::check::{Finding, clock_skew};
use landfall::clock::{Clock, elapsed};
use landfall::contract::{
    Download, Found, Increments, JobStatus, ResumeAt, Source, SourceDeps, Submission, SubmitRequest, Wrap,
};
use landfall::error::Result;
use landfall::export::{Export, ExportKind, Kind};
use landfall::job::{ConnectionName, JobRecord, JobRequestId, OutputFile};
use landfall::state::{RefreshTokenDocument, WorkState};
use landfall::systems::ConnectionType;

/// How long a list of files with links in it is gone by. The shortest life of a link that is known is five minutes.
const LIST_IS_GOOD_FOR: Duration = Duration::from_secs(60);

/// The kinds of exports of this system.
pub const KINDS: &[&dyn ExportKind] = &[&Kind::<DeclaredExport>::new()];

/// How its connections are opened.
pub const CONNECTION: ConnectionType = ConnectionType {
    name: "declared",
    built_in: &[],
    open: |name, connection, SourceDeps { clock, work, wrap, .. }| {
        let settings: DeclaredConnection = connection.settings()?;
        let description = chosen::description(&settings)
            .map_err(|error| error.while_doing(format!("setting up connection {name}")))?;
        Ok(Arc::new(DeclaredSource::new(name, &settings, description, work, clock, wrap)?))
    },
};

/// The source `declared`.
#[derive(Debug)]
pub struct DeclaredSource {
    name: ConnectionName,
    api: Arc<Api>,
    description: Arc<Description>,
    clock: Arc<dyn Clock>,
    work: WorkState,
    listed: Mutex<Option<Listed>>,
}

/// A job's list of files as it was read last.
#[derive(Debug, Clone)]
struct Listed {
    job: JobRequestId,
    at: Timestamp,
    entries: Arc<Vec<Entry>>,
}

impl DeclaredSource {
    /// The source behind a connection, as a description has it; `InvalidConfig` where its settings cannot be. Nothing is
    /// called.
    pub fn new(
        name: ConnectionName,
        connection: &DeclaredConnection,
        description: Arc<Description>,
        work: WorkState,
        clock: Arc<dyn Clock>,
        wrap: Option<Wrap<'_>>,
    ) -> Result<Self> {
        let kept = Arc::new(RefreshTokenDocument::new(work.clone(), &name));
        let header = description.token_header.clone();
        let api = Api::new(&name, connection, header, kept, Arc::clone(&clock), wrap)
            .map_err(|error| error.while_doing(format!("setting up connection {name}")))?;
        Ok(Self { name, api: Arc::new(api), description, clock, work, listed: Mutex::default() })
    }

    /// What an export says, if this system runs it.
    fn export(&self, export: &Export) -> Result<DeclaredExport> {
        let export: DeclaredExport = export.read()?;
        export
            .check_for(&self.description)
            .map_err(|error| error.while_doing(format!("connection {}", self.name)))?;
        Ok(export)
    }

    fn submitting<'a>(&'a self, order: &SubmitRequest<'a>, export: &'a DeclaredExport) -> Submitting<'a> {
        let Self { name: connection, api, description, work, .. } = self;
        let SubmitRequest { run_key, window, .. } = *order;
        Submitting { api, description, work, connection, export, run_key, window }
    }

    /// The job's list, where it was read a moment ago.
    fn listed(&self, job: &JobRequestId) -> Option<Arc<Vec<Entry>>> {
        let listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        let is_good = listed.job == *job && elapsed(listed.at, self.clock.now()) < LIST_IS_GOOD_FOR;
        is_good.then_some(listed.entries)
    }

    fn note_listed(&self, job: &JobRequestId, entries: Arc<Vec<Entry>>) {
        let listed = Listed { job: job.clone(), at: self.clock.now(), entries };
        *self.listed.lock().unwrap_or_else(PoisonError::into_inner) = Some(listed);
    }
}

#[async_trait]
impl Source for DeclaredSource {
    fn accepts(&self, export: &Export) -> Result<()> {
        self.export(export).map(drop)
    }

    async fn check(&self) -> Vec<Finding> {
        let token = match self.api.authorizer() {
            None => Ok("no credentials are configured: calls are made without".to_owned()),
            Some(authorizer) => match authorizer.credential().await {
                Ok(_) => {
                    Ok("credentials are there; whether the system takes them shows its first call".to_owned())
                }
                Err(error) => Err(error.into()),
            },
        };
        vec![clock_skew(self.api.client.told_time(), self.clock.now()), Finding::of("credentials", token)]
    }

    fn increments(&self, export: &Export) -> Option<Increments> {
        let form = self.description.window.as_ref()?;
        export.read::<DeclaredExport>().ok()?.increments(&form.field)
    }

    async fn time(&self) -> Result<Option<Timestamp>> {
        self.api.time().await
    }

    async fn prepare(&self, order: &SubmitRequest<'_>) -> Result<()> {
        let export = self.export(order.export)?;
        self.submitting(order, &export).prepare().await
    }

    async fn submit(&self, order: &SubmitRequest<'_>) -> Result<Submission> {
        let export = self.export(order.export)?;
        self.submitting(order, &export).submit().await
    }

    async fn find(&self, order: &SubmitRequest<'_>) -> Result<Found> {
        let export = self.export(order.export)?;
        self.submitting(order, &export).find().await
    }

    async fn describe(&self, job: &JobRequestId) -> Result<Export> {
        let export = DeclaredExport {
            system: self.description.name.clone(),
            with: Map::new(),
            ..DeclaredExport::default()
        };
        let values = values_of_id(&self.description, job)?;
        status::of(&self.api, &self.description, &values, false).await?;
        Ok(Export::of(&export))
    }

    async fn status(&self, job: &JobRecord) -> Result<JobStatus> {
        let export: DeclaredExport = job.export.read()?;
        let (description, values) = of_job(&self.description, &self.work, job).await?;
        status::of(&self.api, &description, &values, export.allow_empty).await
    }

    async fn explain(&self, job: &JobRecord) -> Result<Option<String>> {
        Ok(self.status(job).await?.message)
    }

    async fn output_files(&self, job: &JobRecord) -> Result<Vec<OutputFile>> {
        let (description, values) = of_job(&self.description, &self.work, job).await?;
        let (entries, files) = files::list(&self.api, &description, &values).await?;
        if files.iter().any(File::is_by_list) {
            self.note_listed(&job.job_request_id, Arc::new(entries));
        }
        Ok(files)
    }

    async fn open(&self, job: &JobRecord, file: &OutputFile, resume: Option<&ResumeAt>) -> Result<Download> {
        let id = &job.job_request_id;
        let (description, values) = of_job(&self.description, &self.work, job).await?;
        let mut listed = self.listed(id);
        if listed.is_none() && File::is_by_list(file) {
            // The next file of the job need not ask again.
            let entries = Arc::new(files::entries(&self.api, &description, &values).await?);
            self.note_listed(id, Arc::clone(&entries));
            listed = Some(entries);
        }
        let api = Arc::clone(&self.api);
        File { api, description, values, file: file.clone(), listed }.open(resume).await
    }
}
