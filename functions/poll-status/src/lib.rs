//! Asks the source what has become of a job.
//!
//! The story: a job that ended well once has ended well for good, which is written down and never asked again.
//! One that runs is waited for until its deadline; a status that the source's table does not name counts as running. So
//! does a source that cannot be asked meanwhile: the job runs on without us.
//! A job that failed has not ended for good: an operator may start it again at the source, under the same id. What is
//! written down is that it was seen so, for whoever looks, until it is seen otherwise.

use landfall::clock::{Deadline, elapsed};
use landfall::context::Context;
use landfall::contract::{JobStatus, Source};
use landfall::event::JobEvent;
use landfall::failure::About;
use landfall::job::{JobRecord, JobRef, JobState, Outcome};
use landfall::metrics::{Measure, Measured};
use landfall::{AwaitsPerson, Error, ErrorType, Result, Step, failure, outage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Stands for the status of a job that the source does not know yet: it has no word for that.
const NOT_FOUND: &str = "NOT_FOUND";

/// Stands for the status of a job whose source cannot or may not be asked for a while.
pub const NOT_ASKED: &str = "NOT_ASKED";

/// The state of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Polled {
    /// What its status means.
    pub state: JobState,
    /// Its status in the source's own word.
    pub native_status: String,
    /// How far it is, from 0 to 100, where the source says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<f64>,
    /// What the source says about it; for a job that failed, why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// While it runs: how many seconds to wait before the next call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_seconds: Option<u64>,
    /// While it runs: for how many seconds it has been running, as far as landfall knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running_seconds: Option<u64>,
}

impl Measured for Polled {
    fn measures(&self) -> Vec<Measure> {
        let is_over_badly = !self.state.lands() && self.state != JobState::Running;
        let failed = is_over_badly.then(|| Measure::count("jobs_failed_at_source", 1));
        let running = self.running_seconds.map(|seconds| Measure::seconds("job_running", seconds));
        failed.into_iter().chain(running).collect()
    }
}

impl Polled {
    /// What a job comes to that has not ended well; nothing where it runs or has.
    pub fn failure(&self, job: &JobRef) -> Option<Error> {
        let how = match self.state {
            JobState::Running | JobState::Succeeded | JobState::Partial | JobState::Empty => return None,
            JobState::Failed => "failed at the source",
            JobState::Cancelled => "was cancelled",
            JobState::NeedsAttention => "waits for a person to act at the source",
        };
        let said = self.message.as_deref().map(|message| format!(": {message}")).unwrap_or_default();
        let error = Error::job_failed(format!("{job} {how} ({}){said}", self.native_status));
        Some(match self.state {
            JobState::NeedsAttention => error.because(AwaitsPerson),
            _ => error,
        })
    }
}

/// Asks what has become of a job.
pub async fn poll_status(context: &Context, event: JobEvent, _deadline: &Deadline) -> Result<Polled> {
    let job = context.job(&event).await?;
    let work = context.work().await?;
    if let Some(outcome) = work.outcome(&job.job()).await? {
        return Ok(ended(outcome));
    }

    // What a later release may have recorded of the export is for the source to judge, if it needs it.
    if context.spec(&job.export).is_ok_and(|export| export.recurs()) {
        return Err(Error::invalid_event(format!(
            "{} is a recurring request, which has no files of its own: its occurrences are jobs of their own, landed by \
             `sweep`",
            job.job()
        )));
    }
    let source = context.source(&job.connection).await?;
    let status = match source.status(&job).await {
        Err(error) if error.error_type() == ErrorType::NotFound => {
            return not_known_yet(context, &job, error).await;
        }
        Err(error) => return not_asked(context, &job, error).await,
        Ok(status) => status,
    };
    outage::end(context, &job).await?;
    tracing::info!(state = ?status.state, native_status = status.native_status, "the source was asked");

    match status.state {
        JobState::Running => {
            let polled = running(context, &job, status).await?;
            failure::end(context, &job, Step::PollStatus).await?;
            Ok(polled)
        }
        JobState::Succeeded | JobState::Partial | JobState::Empty => {
            let outcome = work.record_outcome(&job.job(), status.outcome(context.clock().now())).await?;
            failure::end(context, &job, Step::PollStatus).await?;
            Ok(ended(outcome))
        }
        JobState::Failed | JobState::Cancelled | JobState::NeedsAttention => {
            let polled = not_well(source.as_ref(), &job, status).await?;
            if let Some(error) = polled.failure(&job.job()) {
                failure::note(context, Step::PollStatus, &About::job(&job.job()), &error).await;
            }
            Ok(polled)
        }
    }
}

/// A source may take a while to know the job that it has just accepted; one that is not known after that is not there.
async fn not_known_yet(context: &Context, job: &JobRecord, error: Error) -> Result<Polled> {
    let connection = context.connection(&job.connection).await?;
    let settings = connection.job();
    let taken = elapsed(job.since, context.clock().now());
    let is_new = taken < settings.listing_lag();
    if job.run_key.is_none() || !is_new {
        return Err(error);
    }
    tracing::info!(error = error.line(), "the source does not know the job yet");
    Ok(Polled {
        state: JobState::Running,
        native_status: NOT_FOUND.to_owned(),
        progress: None,
        message: None,
        wait_seconds: Some(settings.next_poll_seconds(taken, None).min(settings.listing_lag_seconds).max(1)),
        running_seconds: Some(taken.as_secs()),
    })
}

/// A job whose source cannot be asked runs, as far as anybody knows.
async fn not_asked(context: &Context, job: &JobRecord, error: Error) -> Result<Polled> {
    let message = error.line();
    let wait_seconds = outage::wait_seconds(context, job, error).await?;
    Ok(Polled {
        state: JobState::Running,
        native_status: NOT_ASKED.to_owned(),
        progress: None,
        message: Some(message),
        wait_seconds: Some(wait_seconds),
        running_seconds: None,
    })
}

fn ended(outcome: Outcome) -> Polled {
    Polled {
        state: outcome.state,
        native_status: outcome.native_status,
        progress: Some(100.0),
        message: outcome.message,
        wait_seconds: None,
        running_seconds: None,
    }
}

async fn running(context: &Context, job: &JobRecord, status: JobStatus) -> Result<Polled> {
    let connection = context.connection(&job.connection).await?;
    let settings = connection.job();
    let running_for = elapsed(job.since, context.clock().now());
    if running_for >= settings.timeout() {
        let seconds = running_for.as_secs();
        let native_status = &status.native_status;
        let said = status.message.map(|message| format!("; the source says: {message}")).unwrap_or_default();
        return Err(match status.is_known {
            true => Error::job_timed_out(format!(
                "{} is still {native_status} after {seconds} s; connections.{}.job.timeout_seconds allows {}{said}",
                job.job(),
                job.connection,
                settings.timeout_seconds
            )),
            false => Error::unknown_status(format!(
                "{} reported {native_status:?}, a status that landfall does not know, until its deadline of {} s{said}",
                job.job(),
                settings.timeout_seconds
            )),
        });
    }
    if !status.is_known {
        tracing::warn!(
            native_status = status.native_status,
            "the source reports a status that landfall does not know"
        );
    }
    Ok(Polled {
        state: status.state,
        native_status: status.native_status,
        progress: status.progress_percent,
        message: status.message,
        wait_seconds: Some(settings.next_poll_seconds(running_for, job.usual_duration())),
        running_seconds: Some(running_for.as_secs()),
    })
}

/// A job that did not end well, with the reason that the source's own log gives.
async fn not_well(source: &dyn Source, job: &JobRecord, status: JobStatus) -> Result<Polled> {
    let explanation = match source.explain(job).await {
        Ok(explanation) => explanation,
        Err(error) => {
            tracing::warn!(error = error.line(), "the source could not say why the job ended as it did");
            None
        }
    };
    Ok(Polled {
        state: status.state,
        native_status: status.native_status,
        progress: status.progress_percent,
        message: explanation.or(status.message),
        wait_seconds: None,
        running_seconds: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(state: JobState, message: Option<&str>) -> Option<Error> {
        let polled = Polled {
            state,
            native_status: "ERROR".to_owned(),
            progress: None,
            message: message.map(str::to_owned),
            wait_seconds: None,
            running_seconds: None,
        };
        polled.failure(&JobRef { connection: "pod".parse().unwrap(), job_request_id: "7".parse().unwrap() })
    }

    /// A job that failed at the source ends the run with the source's own words; one that may go on says so.
    #[test]
    fn a_failed_job_is_reported_in_the_sources_words() {
        let error = failure(JobState::Failed, Some("ORA-01555: snapshot too old")).unwrap();
        assert_eq!(error.error_type().name(), "JobFailed");
        assert_eq!(error.line(), "job 7 on pod failed at the source (ERROR): ORA-01555: snapshot too old");
        assert_eq!(failure(JobState::Cancelled, None).unwrap().line(), "job 7 on pod was cancelled (ERROR)");
        let waits = failure(JobState::NeedsAttention, None).unwrap();
        assert!(waits.cause::<AwaitsPerson>().is_some() && error.cause::<AwaitsPerson>().is_none());
        for well in [JobState::Running, JobState::Succeeded, JobState::Partial, JobState::Empty] {
            assert!(failure(well, None).is_none());
        }
    }
}
