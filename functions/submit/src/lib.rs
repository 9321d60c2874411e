//! Submits a run's job to its source, once.
//!
//! The story: whoever writes the run's claim first may call the source, and writes the job request id behind it.
//! Everybody else waits for that id. A claimant that died is replaced after [`LEASE`], and its successor asks the
//! source for a job with this run key before it submits again.
//!
//! Promise 1: one run key, one job. What makes a takeover safe: a claimant begins to submit only within
//! [`MAY_SUBMIT`] of its claim, which it renews by a conditional write if it took longer, and gives the call up
//! after [`CALL_ENDS`]; a successor starts no sooner than [`LEASE`] after the claim, which leaves a margin for
//! clocks that differ. A submission that the source has accepted by then is found in its list, which the successor
//! gives time to catch up.

use std::time::Duration;

use landfall::clock::{Clock, Deadline, elapsed};
use landfall::context::Context;
use landfall::event::RunEvent;
use landfall::job::{JobRecord, JobRef, JobRequestId};
use landfall::source::{Source, Submission};
use landfall::store::{RunRecord, WorkState, keys};
use landfall::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// After its claim, a claimant submits within this time or not at all.
pub const MAY_SUBMIT: Duration = Duration::from_secs(60);

/// A call that submits ends within this time, with an answer or without.
pub const CALL_ENDS: Duration = Duration::from_secs(60);

/// How old the claim of an invocation that has died must be before another takes its place.
pub const LEASE: Duration = Duration::from_secs(180);

/// An invocation that has less time than this left does not begin to submit.
const ENOUGH_TO_SUBMIT: Duration = Duration::from_secs(75);

/// How often a submission is tried when the source, asked after each, lists no job for it.
const TRIES: usize = 2;

const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// What came of a submission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Submitted {
    /// The job's id at the source.
    pub job_request_id: JobRequestId,
    /// Whether the run had its job before this call.
    pub already_submitted: bool,
    /// Whether the run has landed: its manifest is there, and nothing is left to do.
    pub landed: bool,
}

/// Submits the run's job, or returns the job that it has.
pub async fn submit(context: &Context, event: RunEvent, deadline: &Deadline) -> Result<Submitted> {
    let source = context.source(&event.connection).await?;
    source.accepts(&event.export)?;
    let landing = context.landing(&event.destination).await?;
    let run = Run {
        work: context.work().await?,
        clock: context.clock().as_ref(),
        lease: context.claim_lease().unwrap_or(LEASE),
        event: &event,
        deadline,
    };

    let (job_request_id, already_submitted) = match run.claim().await? {
        Turn::Submitted(id) => (id, true),
        Turn::Ours { mut claim, taken_over } => {
            let settings = context.connection(&event.connection).await?;
            let listing_lag = settings.job().listing_lag();
            match run.submit_once(source.as_ref(), &mut claim, taken_over, listing_lag).await? {
                Called::HasJob(id) => {
                    run.record_job(context, &id, &claim).await?;
                    (run.record_id(claim, id).await?, false)
                }
                Called::Refused(error) => {
                    run.release(claim).await?;
                    return Err(error);
                }
            }
        }
    };

    let job = JobRef { connection: event.connection.clone(), job_request_id };
    let record = context.work().await?.job(&job).await?;
    let landed = match record {
        Some(record) => {
            landing.store.head(&format!("{}{}", record.landing_prefix, keys::MANIFEST)).await?.is_some()
        }
        None => false,
    };
    tracing::info!(job_request_id = %job.job_request_id, already_submitted, landed, "the run has its job");
    Ok(Submitted { job_request_id: job.job_request_id, already_submitted, landed })
}

struct Run<'a> {
    work: WorkState,
    clock: &'a dyn Clock,
    lease: Duration,
    event: &'a RunEvent,
    deadline: &'a Deadline,
}

enum Called {
    HasJob(JobRequestId),
    /// The source surely has no job of ours: whoever calls next need not wait for anything.
    Refused(Error),
}

enum Turn {
    Submitted(JobRequestId),
    Ours { claim: Box<Claim>, taken_over: bool },
}

/// A claim that was ours when it was written last.
struct Claim {
    record: RunRecord,
    etag: String,
}

impl Run<'_> {
    /// Waits until the run has its job, or it is our turn to submit it.
    async fn claim(&self) -> Result<Turn> {
        let mut wait = FIRST_WAIT;
        loop {
            let (found, etag) = match self.work.run(&self.event.connection, &self.event.run_key).await? {
                Some((found, etag)) => (Some(found), Some(etag)),
                None => (None, None),
            };
            if let Some(found) = &found {
                self.must_be_the_same_run(found)?;
                if let Some(id) = &found.job_request_id {
                    return Ok(Turn::Submitted(id.clone()));
                }
            }
            self.must_have_time()?;
            if found.as_ref().is_none_or(|found| self.is_free(found)) {
                let record = self.new_claim();
                if let Some(etag) = self.write(&record, etag.as_deref()).await? {
                    let taken_over = found.is_some_and(|found| !found.released);
                    return Ok(Turn::Ours { claim: Box::new(Claim { record, etag }), taken_over });
                }
            } else {
                self.clock.sleep(wait).await;
                wait = LONGEST_WAIT.min(wait * 2);
            }
        }
    }

    /// Calls the source; when it is not known what came of it, asks the source before calling again.
    async fn submit_once(
        &self,
        source: &dyn Source,
        claim: &mut Claim,
        taken_over: bool,
        listing_lag: Duration,
    ) -> Result<Called> {
        if taken_over && let Some(id) = self.find_within(source, listing_lag).await? {
            return Ok(Called::HasJob(id));
        }
        let mut what_happened = Vec::new();
        for _ in 0..TRIES {
            self.hold(claim).await?;
            match source.submit(&self.event.export, &self.event.run_key).await {
                Ok(Submission::Accepted(id)) => return Ok(Called::HasJob(id)),
                Ok(Submission::Ambiguous(what)) => {
                    tracing::warn!(what, "it is not known whether the source accepted the job: asking it");
                    what_happened.push(what);
                    if let Some(id) = self.find_within(source, listing_lag).await? {
                        return Ok(Called::HasJob(id));
                    }
                }
                Err(error) if what_happened.is_empty() => return Ok(Called::Refused(error)),
                Err(error) => return Err(error),
            }
        }
        Err(Error::conflict(format!(
            "{TRIES} submissions of run {} were answered in a way that says neither yes nor no ({}), and the source \
             lists no job for it: look for one there, then land it with `landfall resume`, or start again once there \
             surely is none",
            self.event.run_key,
            what_happened.join("; ")
        )))
    }

    /// Looks for the run's job in the source's list, which may lag behind.
    async fn find_within(&self, source: &dyn Source, lag: Duration) -> Result<Option<JobRequestId>> {
        let since = self.clock.now();
        let mut wait = FIRST_WAIT;
        loop {
            let found = source.find(&self.event.export, &self.event.run_key).await?;
            if found.is_some() || elapsed(since, self.clock.now()) >= lag {
                return Ok(found);
            }
            self.must_have_time()?;
            self.clock.sleep(wait.min(lag)).await;
            wait = LONGEST_WAIT.min(wait * 2);
        }
    }

    async fn record_job(&self, context: &Context, id: &JobRequestId, claim: &Claim) -> Result<()> {
        let RunEvent { connection, export, destination, run_key } = self.event;
        let settings = context.landing(destination).await?.destination;
        let since = claim.record.claimed_at;
        let record = JobRecord {
            connection: connection.clone(),
            job_request_id: id.clone(),
            export: export.clone(),
            destination: destination.clone(),
            landing_prefix: settings.landing_prefix(connection, id, export, since)?,
            run_key: Some(run_key.clone()),
            since,
        };
        self.work.record_job(record).await?;
        Ok(())
    }

    /// Writes the id behind the claim. If somebody took the claim over meanwhile, theirs is what counts.
    async fn record_id(&self, claim: Box<Claim>, id: JobRequestId) -> Result<JobRequestId> {
        if self.write_id(claim, &id).await? {
            return Ok(id);
        }
        match self.claim().await? {
            Turn::Submitted(theirs) if theirs == id => Ok(id),
            Turn::Submitted(theirs) => Err(self.two_jobs(&id, &theirs)),
            Turn::Ours { claim, .. } => match self.write_id(claim, &id).await? {
                true => Ok(id),
                false => Err(Error::store_unavailable(format!(
                    "the record of run {} keeps changing: call again",
                    self.event.run_key
                ))),
            },
        }
    }

    async fn write_id(&self, claim: Box<Claim>, id: &JobRequestId) -> Result<bool> {
        let record = RunRecord { job_request_id: Some(id.clone()), ..claim.record };
        Ok(self.write(&record, Some(&claim.etag)).await?.is_some())
    }

    async fn write(&self, record: &RunRecord, unchanged_since: Option<&str>) -> Result<Option<String>> {
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

    fn new_claim(&self) -> RunRecord {
        RunRecord {
            export: self.event.export.clone(),
            destination: self.event.destination.clone(),
            claimed_by: uuid::Uuid::new_v4().to_string(),
            claimed_at: self.clock.now(),
            released: false,
            job_request_id: None,
        }
    }

    fn is_free(&self, found: &RunRecord) -> bool {
        found.released || elapsed(found.claimed_at, self.clock.now()) >= self.lease
    }

    async fn release(&self, claim: Box<Claim>) -> Result<()> {
        self.write(&RunRecord { released: true, ..claim.record }, Some(&claim.etag)).await.map(|_| ())
    }

    /// Makes sure that the claim is ours for long enough to call the source: an old one is renewed, which fails if
    /// another invocation has taken it over.
    async fn hold(&self, claim: &mut Claim) -> Result<()> {
        self.must_have_time()?;
        if elapsed(claim.record.claimed_at, self.clock.now()) < MAY_SUBMIT {
            return Ok(());
        }
        let renewed = RunRecord { claimed_at: self.clock.now(), ..claim.record.clone() };
        match self.write(&renewed, Some(&claim.etag)).await? {
            Some(etag) => {
                *claim = Claim { record: renewed, etag };
                Ok(())
            }
            None => Err(Error::source_unavailable(format!(
                "run {} is being submitted by another invocation by now: call again",
                self.event.run_key
            ))),
        }
    }

    fn must_be_the_same_run(&self, found: &RunRecord) -> Result<()> {
        let differs = match (found.export == self.event.export, found.destination == self.event.destination) {
            (true, true) => return Ok(()),
            (false, _) => "export",
            (true, false) => "destination",
        };
        Err(Error::conflict(format!(
            "run {} on {} was started before with another {differs}: another {differs} needs another run_key",
            self.event.run_key, self.event.connection
        )))
    }

    fn must_have_time(&self) -> Result<()> {
        match self.deadline.is_within(ENOUGH_TO_SUBMIT) {
            false => Ok(()),
            true => Err(Error::source_unavailable(format!(
                "too little time is left to see run {} submitted: call again",
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
