//! What to do about a job of the source's list.

use std::time::Duration;

use landfall::Result;
use landfall::clock::elapsed;
use landfall::context::Context;
use landfall::contract::{EndedJob, Source};
use landfall::job::{JobRecord, JobRef};
use landfall::state::{RunRecord, Swept as Noted};

use crate::contract::{FailedJob, SweepEvent, ToLand};

/// What to do about a job.
pub(crate) enum SweepDecision {
    /// Its manifest is there, or was.
    Landed,
    /// It belongs to a run of landfall's own, which is not old enough to count as abandoned.
    InProgress,
    /// It did not end well, and that was reported.
    AlreadyReported,
    /// It ended before the time that is asked for.
    TooOld,
    /// It ended well, and has not landed.
    ToLand(ToLand),
    /// It did not end well.
    Failed(FailedJob),
}

/// What deciding about jobs takes.
pub(crate) struct Inspection<'a> {
    pub(crate) context: &'a Context,
    pub(crate) source: &'a dyn Source,
    pub(crate) event: &'a SweepEvent,
}

impl Inspection<'_> {
    pub(crate) async fn decide(&self, ended: &EndedJob) -> Result<SweepDecision> {
        let job = self.event.job(ended);
        let noted = self.context.work().await?.swept(&job).await?;
        if noted == Some(Noted::Landed) {
            return Ok(SweepDecision::Landed);
        }
        let run = self.run_of(ended).await?;
        if let Some(run) = &run
            && self.is_young(run.claimed_at)
            && run.job_request_id.is_none()
        {
            return Ok(SweepDecision::InProgress);
        }
        let record = self.record(&job, ended, run.as_ref()).await?;
        if let Some(record) = &record {
            if self.context.has_landed(&record.destination, &record.landing_prefix).await? {
                self.context.work().await?.note_swept(&job, &Noted::Landed).await?;
                return Ok(SweepDecision::Landed);
            }
            if record.run_key.is_some() && self.is_young(record.since) {
                return Ok(SweepDecision::InProgress);
            }
        }
        if self.ended_too_early(ended).await? {
            return Ok(SweepDecision::TooOld);
        }
        match ended.status.state.lands() {
            true => Ok(SweepDecision::ToLand(self.to_land(job, record))),
            false => Ok(self.failed_job(ended, noted)),
        }
    }

    /// Notes that a job is reported to whoever asks.
    pub(crate) async fn note_reported(&self, job: &JobRef, native_status: &str) -> Result<()> {
        let asked_by = self.event.asked_by.clone();
        let reported = Noted::Reported { native_status: native_status.to_owned(), asked_by };
        Ok(self.context.work().await?.note_swept(job, &reported).await?)
    }

    /// The run that landfall submitted the job for.
    async fn run_of(&self, ended: &EndedJob) -> Result<Option<RunRecord>> {
        let Some(run_key) = &ended.run_key else { return Ok(None) };
        let run = self.context.work().await?.run(&self.event.connection, run_key).await?;
        let is_its =
            |run: &RunRecord| run.job_request_id.as_ref().is_none_or(|id| *id == ended.job_request_id);
        Ok(run.map(|(run, _)| run).filter(is_its))
    }

    /// What is recorded of the job; of a run that died before it wrote that, what it would have written.
    async fn record(
        &self,
        job: &JobRef,
        ended: &EndedJob,
        run: Option<&RunRecord>,
    ) -> Result<Option<JobRecord>> {
        if let Some(record) = self.context.work().await?.job(job).await? {
            return Ok(Some(record));
        }
        match (run, &ended.run_key) {
            (Some(run), Some(run_key)) => {
                let JobRef { connection, job_request_id } = job;
                self.context.record_job_of_run(connection, run_key, run, job_request_id).await.map(Some)
            }
            _ => Ok(None),
        }
    }

    fn is_young(&self, since: jiff::Timestamp) -> bool {
        elapsed(since, self.context.clock().now()) < Duration::from_secs(self.event.grace_seconds)
    }

    /// Whether the job surely ended before the time that is asked for. The time that a source reports may be that of the
    /// submission: a job's longest life is allowed for.
    async fn ended_too_early(&self, ended: &EndedJob) -> Result<bool> {
        let Some(since) = self.event.since else { return Ok(false) };
        let reported = match ended.ended_at {
            Some(ended_at) => Some(ended_at),
            None => self.source.ended_at(&ended.job_request_id).await?,
        };
        let connection = self.context.connection(&self.event.connection).await?;
        let latest = reported.and_then(|at| at.checked_add(connection.job().timeout()).ok());
        Ok(latest.is_some_and(|latest| latest < since))
    }

    fn to_land(&self, job: JobRef, record: Option<JobRecord>) -> ToLand {
        let destination = record.map_or_else(|| self.event.destination.clone(), |record| record.destination);
        let JobRef { connection, job_request_id } = job;
        ToLand { connection, job_request_id, destination }
    }

    fn failed_job(&self, ended: &EndedJob, noted: Option<Noted>) -> SweepDecision {
        let status = &ended.status;
        if let Some(Noted::Reported { native_status, asked_by }) = noted
            && native_status == status.native_status
            && (asked_by.is_empty() || asked_by != self.event.asked_by)
        {
            return SweepDecision::AlreadyReported;
        }
        SweepDecision::Failed(FailedJob {
            job_request_id: ended.job_request_id.clone(),
            export: self.context.systems().name(&ended.export),
            state: status.state,
            native_status: status.native_status.clone(),
            message: status.message.clone(),
        })
    }
}
