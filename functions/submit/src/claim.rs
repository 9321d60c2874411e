//! The run's record: who may submit, and which job the run has become.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use landfall::clock::{Clock, Deadline, elapsed};
use landfall::context::Context;
use landfall::event::RunEvent;
use landfall::job::{JobRecord, JobRef, JobRequestId};
use landfall::state::{RunRecord, WorkState};
use landfall::{Error, Result};

/// How old the claim of an invocation that has died must be before another takes its place.
pub const LEASE: Duration = Duration::from_secs(180);

/// After its claim, a claimant submits within this time or not at all.
pub const MAY_SUBMIT: Duration = Duration::from_secs(60);

pub(crate) const FIRST_WAIT: Duration = Duration::from_millis(50);
pub(crate) const MAX_WAIT: Duration = Duration::from_secs(5);

/// An invocation that has less time than this left does not begin to submit.
const ENOUGH_TO_SUBMIT: Duration = Duration::from_secs(75);

/// A run, and what it is decided with who submits it.
pub(crate) struct Run<'a> {
    pub(crate) work: WorkState,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) lease: Duration,
    pub(crate) event: &'a RunEvent,
    pub(crate) deadline: &'a Deadline,
}

/// What waiting for a turn ends with.
pub(crate) enum ClaimOutcome {
    /// The run has its job.
    Submitted { id: JobRequestId, claim: Box<Claim> },
    /// It is ours to submit.
    Ours { claim: Box<Claim>, before: PriorClaim },
}

/// How a run stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It has its job.
    Submitted(JobRequestId),
    /// It may be claimed.
    Free(PriorClaim),
    /// Another invocation is submitting it.
    Taken,
}

/// What the claimant before us, if there was one, may have done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PriorClaim {
    /// There was none, or it was sure that the source has no job of the run.
    Nobody,
    /// It died before it called the source.
    DiedBeforeItsCall,
    /// It called the source, and what came of that is not recorded; why not, where that is known.
    MayHaveSubmitted { why: Option<String> },
}

impl PriorClaim {
    /// Whether whoever calls next need not look for a job before it submits one.
    pub(crate) fn is_sure_of_no_job(&self) -> bool {
        !matches!(self, Self::MayHaveSubmitted { .. })
    }
}

/// A claim that was ours when it was written last.
pub(crate) struct Claim {
    pub(crate) record: RunRecord,
    etag: String,
}

impl<'a> Run<'a> {
    /// The run of an event.
    pub(crate) async fn of(
        context: &'a Context,
        event: &'a RunEvent,
        deadline: &'a Deadline,
    ) -> Result<Self> {
        Ok(Self {
            work: context.work().await?,
            clock: context.clock().as_ref(),
            lease: context.claim_lease().unwrap_or(LEASE),
            event,
            deadline,
        })
    }
}

/// Whether the job has landed that a run has.
pub(crate) async fn has_landed(context: &Context, record: &RunRecord) -> Result<bool> {
    match &record.landing_prefix {
        Some(landing_prefix) => context.has_landed(&record.destination, landing_prefix).await,
        None => Ok(false),
    }
}

impl Run<'_> {
    /// Waits until the run has its job, or it is our turn to submit it.
    pub(crate) async fn claim(&self) -> Result<ClaimOutcome> {
        let mut wait = FIRST_WAIT;
        loop {
            let found = self.work.run(&self.event.connection, &self.event.run_key).await?;
            let standing = self.standing(found.as_ref().map(|(found, _)| found))?;
            if let (Standing::Submitted(id), Some((record, etag))) = (&standing, &found) {
                let claim = Claim { record: record.clone(), etag: etag.clone() };
                return Ok(ClaimOutcome::Submitted { id: id.clone(), claim: Box::new(claim) });
            }
            let (found, etag) = found.unzip();
            self.must_have_time()?;
            if let Standing::Free(before) = standing {
                let record = self.new_claim(found.as_ref());
                if let Some(etag) = self.write(&record, etag.as_deref()).await? {
                    return Ok(ClaimOutcome::Ours { claim: Box::new(Claim { record, etag }), before });
                }
            } else {
                self.clock.sleep(wait).await;
                wait = MAX_WAIT.min(wait * 2);
            }
        }
    }

    /// How the run stands, by its record. One that was started with another export is a `Conflict`.
    pub(crate) fn standing(&self, found: Option<&RunRecord>) -> Result<Standing> {
        if let Some(found) = found {
            if !self.surely_has_no_job(found) {
                self.must_be_the_same_run(found)?;
            }
            if let Some(id) = &found.job_request_id {
                return Ok(Standing::Submitted(id.clone()));
            }
        }
        Ok(match found.is_none_or(|found| self.is_free(found)) {
            true => Standing::Free(before(found)),
            false => Standing::Taken,
        })
    }

    /// Records the job that the run has become.
    pub(crate) async fn record_job(
        &self,
        context: &Context,
        record: &RunRecord,
        id: &JobRequestId,
    ) -> Result<JobRecord> {
        let RunEvent { connection, run_key, .. } = self.event;
        Box::pin(context.record_job_of_run(connection, run_key, record, id)).await
    }

    /// The run's job. What is kept of a job expires; the run's record does not, and says again what was recorded.
    pub(crate) async fn job(
        &self,
        context: &Context,
        record: &RunRecord,
        id: &JobRequestId,
    ) -> Result<JobRecord> {
        let job = JobRef { connection: self.event.connection.clone(), job_request_id: id.clone() };
        match self.work.job(&job).await? {
            Some(job) => Ok(job),
            None => self.record_job(context, record, id).await,
        }
    }

    /// Makes sure, before the source is called, that the claim is ours for long enough, and that whoever finds it
    /// knows of the call. It fails if another invocation has taken the claim over.
    pub(crate) async fn hold(&self, claim: &mut Claim) -> Result<()> {
        loop {
            self.must_have_time()?;
            // Looked at once more behind each write: that may have taken long, too.
            let is_fresh = elapsed(claim.record.claimed_at, self.clock.now()) < MAY_SUBMIT;
            if is_fresh && claim.record.called {
                return Ok(());
            }
            let claimed_at = if is_fresh { claim.record.claimed_at } else { self.clock.now() };
            self.change(claim, RunRecord { claimed_at, called: true, ..claim.record.clone() }).await?;
        }
    }

    /// Changes what the claim says; it fails if another invocation has taken the claim over.
    pub(crate) async fn change(&self, claim: &mut Claim, record: RunRecord) -> Result<()> {
        match self.write(&record, Some(&claim.etag)).await? {
            Some(etag) => {
                *claim = Claim { record, etag };
                Ok(())
            }
            None => Err(Error::source_unavailable(format!(
                "run {} is now being submitted by another invocation: call again",
                self.event.run_key
            ))),
        }
    }

    /// Gives the claim up, sure that the source has no job of the run.
    pub(crate) async fn release(&self, claim: Box<Claim>) -> Result<()> {
        let record =
            RunRecord { released: true, called: false, unsettled: None, window: None, ..claim.record };
        self.write(&record, Some(&claim.etag)).await.map(|_| ())
    }

    /// Gives the claim up, not knowing whether the source has a job of the run: whoever comes next has to look for it, and
    /// need not wait for that.
    pub(crate) async fn leave(&self, claim: Box<Claim>) -> Result<()> {
        let lease = SignedDuration::try_from(self.lease).unwrap_or(SignedDuration::MAX);
        let claimed_at = claim.record.claimed_at.checked_sub(lease).unwrap_or(Timestamp::MIN);
        let record = RunRecord { claimed_at, ..claim.record };
        self.write(&record, Some(&claim.etag)).await.map(|_| ())
    }

    /// Writes the id behind the claim. If somebody took the claim over meanwhile, theirs is what counts.
    pub(crate) async fn record_id(&self, claim: Box<Claim>, job: &JobRecord) -> Result<JobRequestId> {
        let id = job.job_request_id.clone();
        if self.write_id(claim, job).await? {
            return Ok(id);
        }
        match self.claim().await? {
            ClaimOutcome::Submitted { id: theirs, .. } if theirs == id => Ok(id),
            ClaimOutcome::Submitted { id: theirs, .. } => Err(self.two_jobs(&id, &theirs)),
            ClaimOutcome::Ours { claim, .. } => match self.write_id(claim, job).await? {
                true => Ok(id),
                false => Err(Error::store_unavailable(format!(
                    "the record of run {} keeps changing: call again",
                    self.event.run_key
                ))),
            },
        }
    }

    async fn write_id(&self, claim: Box<Claim>, job: &JobRecord) -> Result<bool> {
        let record = RunRecord {
            unsettled: None,
            job_request_id: Some(job.job_request_id.clone()),
            landing_prefix: Some(job.landing_prefix.clone()),
            ..claim.record
        };
        Ok(self.write(&record, Some(&claim.etag)).await?.is_some())
    }

    pub(crate) async fn write(
        &self,
        record: &RunRecord,
        unchanged_since: Option<&str>,
    ) -> Result<Option<String>> {
        let RunEvent { connection, run_key, .. } = self.event;
        match self.work.write_run(connection, run_key, record, unchanged_since).await? {
            Some(etag) => Ok(Some(etag)),
            // Our own write may be there though its answer was lost.
            None => match self.work.run(connection, run_key).await? {
                Some((found, etag)) if found == *record => Ok(Some(etag)),
                _ => Ok(None),
            },
        }
    }

    pub(crate) fn new_claim(&self, found: Option<&RunRecord>) -> RunRecord {
        // A window is of the rows of one export.
        let window =
            found.filter(|found| self.difference(found).is_none()).and_then(|found| found.window.clone());
        RunRecord {
            export: self.event.export.clone(),
            destination: self.event.destination.clone(),
            claimed_by: uuid::Uuid::new_v4().to_string(),
            claimed_at: self.clock.now(),
            released: false,
            called: found.is_some_and(|found| found.called),
            unsettled: None,
            window,
            parent: self.event.parent.clone(),
            job_request_id: None,
            named_by_operator: false,
            landing_prefix: None,
        }
    }

    pub(crate) fn is_free(&self, found: &RunRecord) -> bool {
        found.released
            || found.unsettled.is_some()
            || elapsed(found.claimed_at, self.clock.now()) >= self.lease
    }

    /// Whether the source surely has no job of the run, and nobody is about to submit one: an event that was corrected
    /// then takes the run key over. By the write that takes the claim, whoever held it knows that it is lost.
    pub(crate) fn surely_has_no_job(&self, found: &RunRecord) -> bool {
        found.job_request_id.is_none() && self.is_free(found) && before(Some(found)).is_sure_of_no_job()
    }

    /// What of the run is another than what was claimed.
    fn difference(&self, found: &RunRecord) -> Option<&'static str> {
        match (found.export == self.event.export, found.destination == self.event.destination) {
            (true, true) => None,
            (false, _) => Some("export"),
            (true, false) => Some("destination"),
        }
    }

    fn must_be_the_same_run(&self, found: &RunRecord) -> Result<()> {
        let Some(differs) = self.difference(found) else { return Ok(()) };
        Err(Error::conflict(format!(
            "run {} on {} was started before with another {differs}: another {differs} needs another run_key",
            self.event.run_key, self.event.connection
        )))
    }

    pub(crate) fn must_have_time(&self) -> Result<()> {
        match self.deadline.is_within(ENOUGH_TO_SUBMIT) {
            false => Ok(()),
            true => Err(Error::source_unavailable(format!(
                "too little time is left to submit run {}: call again",
                self.event.run_key
            ))),
        }
    }

    fn two_jobs(&self, ours: &JobRequestId, theirs: &JobRequestId) -> Error {
        Error::conflict(format!(
            "run {} has two jobs at the source, {theirs} (recorded) and {ours}: land the second with `landfall resume`, \
             or cancel it there",
            self.event.run_key
        ))
    }
}

fn before(found: Option<&RunRecord>) -> PriorClaim {
    match found {
        None => PriorClaim::Nobody,
        Some(found) if found.released => PriorClaim::Nobody,
        Some(found) if found.called => PriorClaim::MayHaveSubmitted { why: found.unsettled.clone() },
        Some(_) => PriorClaim::DiedBeforeItsCall,
    }
}
