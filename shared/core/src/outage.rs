//! Sources that cannot be asked for a while: the job runs on without us, so they are waited for until its deadline.
//!
//! That a source cannot be asked is noted in the job's record at the first call that failed, and logged once; the next
//! call that succeeds removes the note. Waiting happens outside: an invocation costs while it waits.

use std::time::Duration;

use jiff::Timestamp;
use landfall_http::HttpError;

use crate::clock::elapsed;
use crate::context::Context;
use crate::error::{AskAgain, Error, ErrorType, Result};
use crate::job::{JobRecord, Outage};
use crate::state::{Change, keys};

/// No outage is looked at more rarely, unless the source asks for that.
const MAX_WAIT: Duration = Duration::from_secs(300);

/// By what part of the time that an outage has lasted the next look at it is later.
const SHARE_OF_WAIT: u32 = 4;

/// Whether an error says that the source cannot be asked now, be it over this call or over any.
fn is_outage(error: &Error) -> bool {
    let is_passing = matches!(error.error_type(), ErrorType::SourceUnavailable | ErrorType::Throttled);
    is_passing && error.cause::<HttpError>().is_some()
}

/// How many seconds to wait before the source of a job is asked again that could not be asked.
///
/// # Errors
/// `JobTimedOut` once an outage has lasted until the job's deadline; the error itself where none of it was waited for, and
/// where it is none.
pub async fn wait_seconds(context: &Context, job: &JobRecord, error: Error) -> Result<u64> {
    // Our own limit is no outage of the source.
    if let (Some(_), Some(wait_seconds)) = (error.cause::<AskAgain>(), error.wait_seconds()) {
        tracing::info!(wait_seconds, error = error.line(), "the source may not be asked for a while");
        return Ok(wait_seconds);
    }
    if !is_outage(&error) {
        return Err(error);
    }
    let connection = context.connection(&job.connection).await?;
    let (settings, now) = (connection.job(), context.clock().now());
    let left = settings.timeout().saturating_sub(elapsed(job.since, now));
    if left.is_zero() {
        return Err(match &job.outage {
            None => error,
            Some(outage) => Error::job_timed_out(format!(
                "{} is not known to have ended: its source cannot be asked since {}, and connections.{}.job.timeout_seconds \
                 allows {}",
                job.job(),
                outage.since,
                job.connection,
                settings.timeout_seconds
            ))
            .because(error),
        });
    }
    let outage = noted(context, job, &error, now).await?;
    let own = settings.poll().max(elapsed(outage.since, now) / SHARE_OF_WAIT).min(MAX_WAIT);
    let asked = error.wait_seconds().map_or(own, |asked| own.max(Duration::from_secs(asked)));
    Ok(asked.min(left).as_secs().max(1))
}

/// The same for a call that asks for more than a word, so that it may be what the source fails over: only a source that
/// nothing leads to, or that names a time, is waited for.
///
/// # Errors
/// Those of [`wait_seconds`].
pub async fn wait_seconds_if_unreachable(context: &Context, job: &JobRecord, error: Error) -> Result<u64> {
    let is_unreachable = error.cause::<HttpError>().is_some_and(HttpError::is_out_of_reach);
    match is_unreachable || error.wait_seconds().is_some() {
        true => wait_seconds(context, job, error).await,
        false => Err(error),
    }
}

/// Takes note that the source of a job answers.
pub async fn end(context: &Context, job: &JobRecord) -> Result<()> {
    let Some(outage) = &job.outage else { return Ok(()) };
    change(context, job, |_| None).await?;
    tracing::info!(since = %outage.since, "the source answers again");
    Ok(())
}

/// The outage as it is noted, by this call or an earlier one.
async fn noted(context: &Context, job: &JobRecord, error: &Error, now: Timestamp) -> Result<Outage> {
    if let Some(outage) = &job.outage {
        tracing::debug!(error = error.line(), since = %outage.since, "the source still cannot be asked");
        return Ok(outage.clone());
    }
    let outage = Outage { since: now, error: format!("{}: {}", error.error_type().name(), error.line()) };
    tracing::warn!(
        error = error.line(),
        "the source cannot be asked: waiting for it until the job's deadline"
    );
    change(context, job, |noted| Some(noted.unwrap_or_else(|| outage.clone()))).await?;
    Ok(outage)
}

async fn change(
    context: &Context,
    job: &JobRecord,
    outage: impl Fn(Option<Outage>) -> Option<Outage>,
) -> Result<()> {
    let changed = |there: Option<JobRecord>| {
        let change = match there {
            Some(mut record) => {
                record.outage = outage(record.outage.take());
                Change::Write(record, ())
            }
            None => Change::Keep(()),
        };
        std::future::ready(Ok(change))
    };
    let key = keys::job_record(&job.job());
    context.work().await?.update(&key, context.clock().as_ref(), changed).await
}
