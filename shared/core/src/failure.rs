//! What is kept of failures, so that whoever looks knows of them: the last one of a run or a job.
//!
//! That of a job is in its record, which every step reads anyway: a step that succeeds where it, or an earlier one, had
//! failed takes the note away, and only then has anything to do. That of a run that has no job is an object of its own, as
//! nobody but who submits may change a run's record; a run that has got its job is past it.
//!
//! Keeping it is worth less than what failed: it takes no longer than a few seconds, and where it cannot be kept, that is
//! logged, and the step's own error is what its caller sees. What is kept, and is not tried again, is told to whoever is to
//! know ([`crate::notify`]).

use std::time::Duration;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::context::Context;
use crate::error::{AwaitsPerson, Error, ErrorType, Result};
use crate::export::Export;
pub use crate::job::shortened;
use crate::job::{
    ConnectionName, DestinationName, ExportName, FailedRun, Failure, JobRecord, JobRef, JobRequestId,
    Overcome, ParentRun, RunKey,
};
use crate::notify;
use crate::state::{Change, keys};
use crate::step::{OUTAGE, Step};

/// How long keeping a failure may take.
const KEPT_WITHIN: Duration = Duration::from_secs(10);

/// So many characters of an error's line are kept.
const MAX_MESSAGE: usize = 2000;

/// The same of the name of an export that nobody has looked at yet.
const MAX_NAME: usize = 200;

/// Longer than any invocation: one that was called again has ended by then, one way or the other.
const LONGEST_CALL: Duration = Duration::from_secs(900);

/// What an event is about, as far as it says so.
#[derive(Debug, Clone, Default)]
pub struct About {
    connection: Option<ConnectionName>,
    job_request_id: Option<JobRequestId>,
    ordinal: Option<u32>,
    run_key: Option<RunKey>,
    export: Option<Export>,
    destination: Option<DestinationName>,
    parent: Option<ParentRun>,
}

impl About {
    /// What an event names, be it one that its step refuses.
    pub fn event(event: &Value) -> Self {
        fn field<T: DeserializeOwned>(event: &Value, name: &str) -> Option<T> {
            T::deserialize(event.get(name)?).ok()
        }
        Self {
            connection: field(event, "connection"),
            job_request_id: field(event, "job_request_id"),
            ordinal: field(event, "ordinal"),
            run_key: field(event, "run_key"),
            export: field(event, "export"),
            destination: field(event, "destination"),
            parent: field(event, "parent"),
        }
    }

    /// A job.
    pub fn job(job: &JobRef) -> Self {
        Self {
            connection: Some(job.connection.clone()),
            job_request_id: Some(job.job_request_id.clone()),
            ..Self::default()
        }
    }

    /// The job, where it is about one.
    fn job_ref(&self) -> Option<JobRef> {
        let (connection, job_request_id) = (self.connection.clone()?, self.job_request_id.clone()?);
        Some(JobRef { connection, job_request_id })
    }
}

impl Failure {
    fn new(step: Step, about: &About, error: &Error, now: Timestamp) -> Self {
        Self {
            step: step.name().to_owned(),
            ordinal: about.ordinal,
            error: error.error_type().name().to_owned(),
            message: shortened(&error.line(), MAX_MESSAGE),
            since: now,
            last: now,
            times: 1,
            tried_again_until: tried_again_until(step, error, now),
            awaits_person: error.cause::<AwaitsPerson>().is_some(),
        }
    }

    /// The same after another: one more of a row, where it is that of the same step over the same.
    fn after(self, before: Option<Self>) -> Self {
        match before {
            Some(before)
                if (&before.step, before.ordinal, &before.error)
                    == (&self.step, self.ordinal, &self.error) =>
            {
                Self { since: before.since, times: before.times.saturating_add(1), ..self }
            }
            _ => self,
        }
    }

    /// Whether a job is past it once this step has succeeded.
    fn is_over_after(&self, step: Step) -> bool {
        Step::named(&self.step).is_some_and(|failed| failed <= step)
    }
}

/// Until when whoever called is waited for to call again; none where that does not help.
fn tried_again_until(step: Step, error: &Error, now: Timestamp) -> Option<Timestamp> {
    // What was damaged is fetched anew at once.
    let is_damaged = error.error_type() == ErrorType::Damaged;
    let policy = step.retry(error.error_type()).or(is_damaged.then_some(OUTAGE))?;
    let asked = error.wait_seconds().map_or(Duration::ZERO, Duration::from_secs);
    now.checked_add(policy.max_wait.max(asked).saturating_add(LONGEST_CALL)).ok()
}

/// Keeps what a step has failed over with the run or the job that its event names, and, where it is for good, that no
/// sweep need try it again. Whoever is to know is told, once nobody tries it again.
pub async fn note(context: &Context, step: Step, about: &About, error: &Error) {
    let failure = Failure::new(step, about, error, context.clock().now());
    let kept = kept(Box::pin(keep(context, step, about, failure))).await;
    if let Some(job) = about.job_ref() {
        context.note_failure(step, &job, error).await;
    }
    match kept {
        Some(kept) if is_given_up(step, error, kept.failure()) => Box::pin(tell(context, about, kept)).await,
        _ => {}
    }
}

/// Keeps that whoever called does not call again by itself any more, and tells whoever is to know.
pub async fn gave_up(context: &Context, step: Step, about: &About) {
    let given_up = |failure: Option<Failure>| Some(Failure { tried_again_until: None, ..failure? });
    let change = Box::pin(async {
        match about.job_ref() {
            Some(job) => change_job(context, &job, given_up).await,
            None if step == Step::Submit => change_run(context, about, given_up).await,
            None => Ok(None),
        }
    });
    if let Some(kept) = kept(change).await {
        Box::pin(tell(context, about, kept)).await;
    }
}

/// Whether nobody calls again by itself: calling again does not help, or has not as often as it is done.
fn is_given_up(step: Step, error: &Error, failure: &Failure) -> bool {
    let is_spent = || {
        let policy = step.retry(error.error_type())?;
        // A wait that was asked for is no try.
        Some(error.wait_seconds().is_none() && failure.times > u64::from(policy.retries))
    };
    failure.tried_again_until.is_none() || is_spent().unwrap_or(false)
}

async fn tell(context: &Context, about: &About, kept: Kept) {
    match kept {
        Kept::OfJob(record, failure) => {
            let failure = Failure { tried_again_until: None, ..failure };
            notify::failed_job(context, &record, failure).await;
        }
        Kept::OfRun(mut failed) => {
            failed.failure.tried_again_until = None;
            if let (Some(connection), Some(run_key)) = (&about.connection, &about.run_key) {
                notify::failed_run(context, (connection, run_key), *failed, about.parent.clone()).await;
            }
        }
    }
}

/// What is kept of a failure.
enum Kept {
    OfJob(Box<JobRecord>, Failure),
    OfRun(Box<FailedRun>),
}

impl Kept {
    fn failure(&self) -> &Failure {
        match self {
            Self::OfJob(_, failure) => failure,
            Self::OfRun(failed) => &failed.failure,
        }
    }
}

/// Takes note that a step has succeeded: what it, or a step before it, had failed over is past.
///
/// # Errors
/// `StoreUnavailable`, and what else keeps the record from being changed.
pub async fn end(context: &Context, job: &JobRecord, step: Step) -> Result<()> {
    let Some(failure) = job.failure.as_deref().filter(|failure| failure.is_over_after(step)) else {
        return Ok(());
    };
    let still = |failure: Option<Failure>| failure.filter(|failure| !failure.is_over_after(step));
    change_job(context, &job.job(), still).await?;
    tracing::info!(failed.step = failure.step, since = %failure.since, "what had failed succeeds");
    Ok(())
}

/// Takes note that a run that is known by its job alone has got one.
///
/// # Errors
/// Those of the store.
pub async fn end_run(context: &Context, connection: &ConnectionName, run_key: &RunKey) -> Result<()> {
    Ok(context.work().await?.store().delete(&keys::failed_run(connection, run_key)).await?)
}

async fn keep(context: &Context, step: Step, about: &About, failure: Failure) -> Result<Option<Kept>> {
    let change = |before| Some(failure.clone().after(before));
    match about.job_ref() {
        Some(job) => change_job(context, &job, change).await,
        None if step == Step::Submit => change_run(context, about, change).await,
        None => Ok(None),
    }
}

/// Changes the failure of a job, and returns it with what is kept of the job; one that has no record has nothing to keep it
/// in.
async fn change_job(
    context: &Context,
    job: &JobRef,
    change: impl Fn(Option<Failure>) -> Option<Failure>,
) -> Result<Option<Kept>> {
    let changed = |there: Option<JobRecord>| {
        let Some(mut record) = there else { return std::future::ready(Ok(Change::Keep(None))) };
        let before = record.failure.take().map(|failure| *failure);
        let failure = change(before.clone());
        let is_other = failure != before;
        // One more of a row is the same failure still.
        if let Some(before) =
            before.filter(|before| failure.as_ref().is_none_or(|now| now.since != before.since))
        {
            record.overcame(Overcome::failure(&before));
        }
        record.failure = failure.clone().map(Box::new);
        let kept = failure.map(|failure| Kept::OfJob(Box::new(record.clone()), failure));
        std::future::ready(Ok(if is_other { Change::Write(record, kept) } else { Change::Keep(kept) }))
    };
    let key = keys::job_record(job);
    context.work().await?.update(&key, context.clock().as_ref(), changed).await
}

/// Changes the failure of a run, where the event names one, and returns what is kept.
async fn change_run(
    context: &Context,
    about: &About,
    change: impl Fn(Option<Failure>) -> Option<Failure>,
) -> Result<Option<Kept>> {
    let (Some(connection), Some(run_key)) = (&about.connection, &about.run_key) else { return Ok(None) };
    let export = about.export.as_ref().map(|export| ExportName {
        kind: shortened(export.kind(), MAX_NAME),
        name: shortened(&context.systems().name(export), MAX_NAME),
    });
    let changed = |there: Option<FailedRun>| {
        let written = change(there.map(|there| there.failure)).map(|failure| {
            let (export, destination) = (export.clone(), about.destination.clone());
            FailedRun { failure, export, destination }
        });
        std::future::ready(Ok(match written {
            Some(failed) => Change::Write(failed.clone(), Some(Kept::OfRun(Box::new(failed)))),
            None => Change::Keep(None),
        }))
    };
    let key = keys::failed_run(connection, run_key);
    context.work().await?.update(&key, context.clock().as_ref(), changed).await
}

/// Waits for a note, and not for long; one that cannot be kept is logged.
async fn kept(note: impl Future<Output = Result<Option<Kept>>>) -> Option<Kept> {
    let error = match tokio::time::timeout(KEPT_WITHIN, note).await {
        Ok(Ok(kept)) => return kept,
        Ok(Err(error)) => error.line(),
        Err(_) => format!("the store did not take it within {} s", KEPT_WITHIN.as_secs()),
    };
    tracing::warn!(error, "the failure is not kept: `landfall status` does not tell of it");
    None
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::error::AskAgain;

    fn now() -> Timestamp {
        Timestamp::from_second(1_795_000_000).unwrap()
    }

    fn failure(step: Step, ordinal: Option<u32>, error: &Error, at: Timestamp) -> Failure {
        Failure::new(step, &About { ordinal, ..About::default() }, error, at)
    }

    /// Errors of one step over one file are a row; any other error begins one.
    #[test]
    fn failures_in_a_row_are_counted() {
        let (refused, later) = (Error::unsafe_archive("../x"), now() + Duration::from_secs(60));
        let first = failure(Step::UnpackUpload, Some(3), &refused, now());
        let again = failure(Step::UnpackUpload, Some(3), &refused, later).after(Some(first));
        assert_eq!((again.since, again.last, again.times), (now(), later, 2));
        for other in [
            failure(Step::UnpackUpload, Some(4), &refused, later),
            failure(Step::UnpackUpload, Some(3), &Error::integrity("bytes"), later),
            failure(Step::Publish, None, &refused, later),
        ] {
            let other = other.after(Some(again.clone()));
            assert_eq!((other.since, other.times), (later, 1));
        }
    }

    /// A step's success is that of all before it; what a step of a later release fails over, only landing ends.
    #[test]
    fn a_step_that_succeeds_ends_the_failures_before_it() {
        let failed = failure(Step::FetchFiles, None, &Error::not_found("gone"), now());
        let over = Step::ALL.map(|step| failed.is_over_after(step));
        assert_eq!(over, [false, false, true, true, true, true, true, true]);
        let unknown = Failure { step: "a-later-step".to_owned(), ..failed };
        assert!(Step::ALL.iter().all(|step| !unknown.is_over_after(*step)));
    }

    /// What passes by itself is waited for, for as long as that may take, and no other failure is.
    #[test]
    fn what_is_tried_again_says_until_when() {
        let until = |step, error: &Error| {
            let until = failure(step, None, error, now()).tried_again_until?;
            Some(until.duration_since(now()).as_secs())
        };
        let asked = Error::throttled("spent").because(AskAgain { after: Duration::from_secs(3900) });
        assert_eq!(until(Step::Submit, &asked), Some(3900 + 900));
        assert_eq!(until(Step::Submit, &Error::throttled("429")), Some(900 + 900));
        assert_eq!(until(Step::UnpackUpload, &Error::store_unavailable("503")), Some(300 + 900));
        assert_eq!(until(Step::UnpackUpload, &Error::damaged("CRC")), Some(300 + 900));
        assert_eq!(until(Step::Submit, &Error::auth_rejected("401")), None);
    }

    /// Promises 6 and 7: whatever a source says, what is kept of it is bounded; an event that is none names nothing.
    #[test]
    fn what_is_kept_is_bounded() {
        let long = failure(Step::Submit, None, &Error::rejected("é".repeat(1 << 20)), now());
        assert_eq!(long.message.chars().count(), MAX_MESSAGE + 1);
        let about = About::event(&json!({ "connection": "../x", "job_request_id": 7, "run_key": "r" }));
        assert!(about.job_ref().is_none() && about.connection.is_none());
    }

    /// Programs of two releases side by side: what the newer one adds to a kept failure does not stop the older one.
    #[test]
    fn what_a_later_release_adds_is_ignored() {
        let kept = json!({
            "failure": {
                "step": "submit", "error": "Rejected", "message": "no", "since": now(), "last": now(), "times": 2,
                "later": { "x": 1 },
            },
            "export": { "kind": "fusion_extract", "name": "A", "later": 1 },
            "later": [],
        });
        let read: FailedRun = serde_json::from_value(kept).unwrap();
        assert_eq!((read.failure.times, read.export.unwrap().name.as_str()), (2, "A"));
    }
}
