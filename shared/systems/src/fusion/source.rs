//! The source behind a Fusion connection: data extractions and REST resources, each where the connection has what
//! it needs.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use super::pod::Pod;
use super::{FusionExtract, FusionExtractSource, FusionRest, FusionRestSource};
use crate::fusion::settings::FusionConnection;
use landfall::check::{Finding, clock_skew};
use landfall::contract::{
    Download, EndedJob, Found, Increments, JobStatus, PlannedCall, ResumeAt, Source, SourceDeps, Submission,
    SubmitRequest,
};
use landfall::error::{Error, Result};
use landfall::export::Export;
use landfall::job::{ConnectionName, FileList, JobRecord, JobRequestId, OutputFile};
use landfall::state::RefreshTokenDocument;

/// What a Fusion connection runs, by the export's kind.
pub struct FusionSource {
    name: ConnectionName,
    pod: Pod,
    /// The source, or what the connection lacks for it.
    extract: std::result::Result<FusionExtractSource, String>,
    rest: std::result::Result<FusionRestSource, String>,
}

impl FusionSource {
    /// The source behind a connection. Nothing is called yet.
    ///
    /// `InvalidConfig` where a setting cannot be. One that is missing is told once an export needs it.
    pub fn open(name: ConnectionName, connection: &FusionConnection, means: SourceDeps<'_>) -> Result<Self> {
        let SourceDeps { clock, work, wrap, .. } = means;
        let kept = Arc::new(RefreshTokenDocument::new(work.clone(), &name));
        let pod = Pod::new(&name, connection, Arc::clone(&clock), Some(kept), wrap)
            .map_err(|error| error.while_doing(format!("setting up connection {name}")))?;
        let extract = FusionExtractSource::at(name.clone(), connection, pod.clone(), work.clone());
        let rest = FusionRestSource::at(name.clone(), connection, pod.clone(), clock, work);
        Ok(Self {
            extract: extract.map_err(|error| error.line()),
            rest: rest.map_err(|error| error.line()),
            name,
            pod,
        })
    }

    fn running(&self, export: &Export) -> Result<&dyn Source> {
        fn usable<S: Source>(source: &std::result::Result<S, String>) -> Result<&dyn Source> {
            match source {
                Ok(source) => Ok(source),
                Err(lacks) => Err(Error::invalid_config(lacks.clone())),
            }
        }
        match export {
            export if export.is::<FusionExtract>() => usable(&self.extract),
            export if export.is::<FusionRest>() => usable(&self.rest),
            other => Err(Error::invalid_event(format!(
                "export.kind is {}, which no Fusion connection runs: it takes fusion_extract and fusion_rest",
                other.kind()
            ))),
        }
    }
}

#[async_trait]
impl Source for FusionSource {
    fn accepts(&self, export: &Export) -> Result<()> {
        self.running(export)?.accepts(export)
    }

    fn runs_jobs(&self, export: &Export) -> bool {
        self.running(export).is_ok_and(|source| source.runs_jobs(export))
    }

    fn increments(&self, export: &Export) -> Option<Increments> {
        self.running(export).ok()?.increments(export)
    }

    async fn check(&self) -> Vec<Finding> {
        if let (Err(lacks), Err(also)) = (&self.extract, &self.rest) {
            return vec![Finding::of("connection", Err(Error::invalid_config(format!("{lacks}; {also}"))))];
        }
        let not_configured =
            |what: &str, lacks: &str| vec![Finding::of(what, Ok(format!("not configured: {lacks}")))];
        let mut findings = match &self.extract {
            Ok(extract) => extract.check().await,
            Err(lacks) => not_configured("saas-batch", lacks),
        };
        findings.extend(match &self.rest {
            Ok(rest) => rest.check().await,
            Err(lacks) => not_configured("rest", lacks),
        });
        findings.insert(0, clock_skew(self.pod.client.told_time(), self.pod.now()));
        findings
    }

    async fn time(&self) -> Result<Option<Timestamp>> {
        match &self.rest {
            Ok(rest) => rest.time().await,
            Err(_) => Ok(None),
        }
    }

    async fn calls(&self, order: &SubmitRequest<'_>) -> Result<Vec<PlannedCall>> {
        self.running(order.export)?.calls(order).await
    }

    async fn prepare(&self, order: &SubmitRequest<'_>) -> Result<()> {
        self.running(order.export)?.prepare(order).await
    }

    async fn submit(&self, order: &SubmitRequest<'_>) -> Result<Submission> {
        self.running(order.export)?.submit(order).await
    }

    async fn find(&self, order: &SubmitRequest<'_>) -> Result<Found> {
        self.running(order.export)?.find(order).await
    }

    async fn verify_job(&self, job: &JobRequestId, order: &SubmitRequest<'_>) -> Result<()> {
        self.running(order.export)?.verify_job(job, order).await
    }

    /// Only data extractions are jobs at the source.
    async fn ended(&self) -> Result<Vec<EndedJob>> {
        self.extract.as_ref().map_err(|lacks| Error::invalid_config(lacks.clone()))?.ended().await
    }

    async fn ended_at(&self, job: &JobRequestId) -> Result<Option<Timestamp>> {
        self.extract.as_ref().map_err(|lacks| Error::invalid_config(lacks.clone()))?.ended_at(job).await
    }

    async fn recurring_request(&self, job: &JobRequestId) -> Result<Option<JobRequestId>> {
        match &self.extract {
            Ok(extract) => extract.recurring_request(job).await,
            Err(_) => Ok(None),
        }
    }

    /// Only data extractions are jobs that others can have submitted.
    async fn describe(&self, job: &JobRequestId) -> Result<Export> {
        match (&self.extract, &self.rest) {
            (Ok(extract), _) => extract.describe(job).await,
            (Err(_), Ok(rest)) => rest.describe(job).await,
            (Err(lacks), Err(_)) => Err(Error::invalid_config(lacks.clone())),
        }
    }

    async fn status(&self, job: &JobRecord) -> Result<JobStatus> {
        self.running(&job.export)?.status(job).await
    }

    async fn explain(&self, job: &JobRecord) -> Result<Option<String>> {
        self.running(&job.export)?.explain(job).await
    }

    fn lists_may_grow(&self, export: &Export) -> bool {
        self.running(export).is_ok_and(|source| source.lists_may_grow(export))
    }

    async fn has_last_file(&self, job: &JobRecord, files: &[OutputFile]) -> bool {
        match self.running(&job.export) {
            Ok(source) => source.has_last_file(job, files).await,
            Err(_) => false,
        }
    }

    async fn output_files(&self, job: &JobRecord) -> Result<Vec<OutputFile>> {
        self.running(&job.export)?.output_files(job).await
    }

    async fn file_list(&self, job: &JobRecord) -> Result<FileList> {
        self.running(&job.export)?.file_list(job).await
    }

    async fn open(&self, job: &JobRecord, file: &OutputFile, resume: Option<&ResumeAt>) -> Result<Download> {
        self.running(&job.export)?.open(job, file, resume).await
    }
}

impl std::fmt::Debug for FusionSource {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("FusionSource").field("name", &self.name).finish_non_exhaustive()
    }
}
