//! What to do about a job of the source's list.

use std::time::Duration;

use landfall::clock::elapsed;
use landfall::context::Context;
use landfall::contract::{EndedJob, Source};
use landfall::event::JobEvent;
use landfall::failure::shortened;
use landfall::job::{JobRecord, JobRef};
use landfall::state::{RunRecord, Swept as Noted};
use landfall::{Error, ErrorType, Result};

use crate::contract::{FailedJob, Problem, SweepEvent, ToLand, ToldJob};

/// So many characters of what a source says of one job are told: whatever it says, the others are told of, too.
const MAX_MESSAGE: usize = 2000;
const MAX_STATUS: usize = 200;

/// What to do about a job.
pub(crate) enum SweepDecision {
    /// Its manifest is there, or was.
    Landed,
    /// It belongs to a run of landfall's own, which is not old enough to count as abandoned.
    InProgress,
    /// It did not end well, or cannot land, and that was reported.
    AlreadyReported,
    /// It ended before the time that is asked for.
    TooOld,
    /// It ended well, and has not landed.
    ToLand(ToLand),
    /// It did not end well.
    Failed(FailedJob),
}

/// Notes what the caller has passed on.
pub(crate) async fn note_told(context: &Context, event: &SweepEvent) -> Result<()> {
    let work = context.work().await?;
    for ToldJob { job_request_id, status } in &event.told {
        let asked_by = event.asked_by.clone();
        let reported = Noted::Reported { native_status: status.clone(), asked_by };
        work.note_swept(&event.job_of(job_request_id), &reported).await?;
    }
    Ok(())
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
        if let Some(Noted::CannotLand { error }) = &noted
            && !self.is_tried_again(error)
        {
            return Ok(SweepDecision::AlreadyReported);
        }
        if self.ended_too_early(ended).await? {
            return Ok(SweepDecision::TooOld);
        }
        match ended.status.state.lands() {
            true => Box::pin(self.to_land(job, record)).await.map(SweepDecision::ToLand),
            false => Ok(self.failed_job(ended, noted)),
        }
    }

    /// What cannot be found out about a job; nothing where that was reported before. What is wrong with the configuration
    /// concerns more than this job, and is reported until it is right.
    pub(crate) async fn problem(&self, ended: &EndedJob, error: &Error) -> Option<Problem> {
        let name = error.error_type();
        if !matches!(name, ErrorType::InvalidConfig | ErrorType::AuthRejected) {
            let work = self.context.work().await.ok()?;
            let noted = work.swept(&self.event.job(ended)).await.ok().flatten();
            if matches!(noted, Some(Noted::Reported { native_status, .. }) if native_status == name.name()) {
                return None;
            }
        }
        Some(Problem {
            job_request_id: ended.job_request_id.clone(),
            error: name.name().to_owned(),
            message: shortened(&error.line(), MAX_MESSAGE),
        })
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
                Box::pin(self.context.record_job_of_run(connection, run_key, run, job_request_id))
                    .await
                    .map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Whether a job that could not land may land by now: where that was about its lack of output, which is allowed now.
    fn is_tried_again(&self, error: &str) -> bool {
        self.event.again || (self.event.allow_empty && error == ErrorType::ContractBroken.name())
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

    async fn to_land(&self, job: JobRef, record: Option<JobRecord>) -> Result<ToLand> {
        let destination = record.map_or_else(|| self.event.destination.clone(), |record| record.destination);
        let JobRef { connection, job_request_id } = job;
        if self.event.allow_empty {
            let job_request_id = job_request_id.clone();
            let (connection, destination) = (connection.clone(), Some(destination.clone()));
            self.context.allow_empty(&JobEvent { connection, job_request_id, destination }).await?;
        }
        Ok(ToLand { connection, job_request_id, destination })
    }

    fn failed_job(&self, ended: &EndedJob, noted: Option<Noted>) -> SweepDecision {
        let status = &ended.status;
        let native_status = shortened(&status.native_status, MAX_STATUS);
        if matches!(noted, Some(Noted::Reported { native_status: told, .. }) if told == native_status) {
            return SweepDecision::AlreadyReported;
        }
        SweepDecision::Failed(FailedJob {
            job_request_id: ended.job_request_id.clone(),
            export: self.context.systems().name(&ended.export),
            state: status.state,
            native_status,
            message: status.message.as_ref().map(|message| shortened(message, MAX_MESSAGE)),
        })
    }
}
