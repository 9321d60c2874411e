//! Sources that cannot be asked for a while: the job runs on without us, so they are waited for until its deadline.
//!
//! That a source cannot be asked is noted in the job's record at the first call that failed, and logged once; the next
//! call that succeeds removes the note. Waiting happens outside: an invocation costs while it waits.

use std::time::Duration;

use http::StatusCode;
use jiff::Timestamp;
use landfall_http::HttpError;

use crate::clock::elapsed;
use crate::context::Context;
use crate::error::{AskAgain, Error, ErrorType, Result};
use crate::job::{JobRecord, Outage, Overcome};
use crate::state::{Change, keys};

/// No outage is looked at more rarely, unless the source asks for that.
const MAX_WAIT: Duration = Duration::from_secs(300);

/// By what part of the time that an outage has lasted the next look at it is later.
const SHARE_OF_WAIT: u32 = 4;

/// How long a source is asked again that answers with a page: one of maintenance goes, one of a login stays.
const MAX_PAGES: Duration = Duration::from_secs(7200);

/// How long a source is asked again whose answers are none that can be used.
const MAX_MISFITS: Duration = Duration::from_secs(600);

/// How long one is asked again that does not let a user read whom it let in when the job was submitted: once. What refuses
/// the credentials themselves is not, as each try of a password counts.
const ONCE_MORE: Duration = Duration::from_secs(1);

/// For how long a source that fails in this way is asked again; none where asking again would not help.
fn patience(error: &Error) -> Option<Duration> {
    let failed_call = error.cause::<HttpError>();
    match error.error_type() {
        ErrorType::SourceUnavailable | ErrorType::Throttled => failed_call.map(|_| Duration::MAX),
        ErrorType::ContractBroken if failed_call.is_some_and(HttpError::is_web_page) => Some(MAX_PAGES),
        ErrorType::ContractBroken => Some(MAX_MISFITS),
        ErrorType::AuthRejected => {
            failed_call.filter(|error| error.status() == Some(StatusCode::FORBIDDEN)).map(|_| ONCE_MORE)
        }
        _ => None,
    }
}

/// How many seconds to wait before the source of a job is asked again that could not be asked.
///
/// # Errors
/// `JobTimedOut` once an outage has lasted until the job's deadline; the error itself where none of it was waited for,
/// where answers have been unusable for too long, and where it is none of these.
pub async fn wait_seconds(context: &Context, job: &JobRecord, error: Error) -> Result<u64> {
    // Our own limit is no outage of the source.
    if let (Some(_), Some(wait_seconds)) = (error.cause::<AskAgain>(), error.wait_seconds()) {
        tracing::info!(wait_seconds, error = error.line(), "the source may not be asked for a while");
        return Ok(wait_seconds);
    }
    let Some(patience) = patience(&error) else { return Err(error) };
    let connection = context.connection(&job.connection).await?;
    let (settings, now) = (connection.job(), context.clock().now());
    let left = settings.timeout().saturating_sub(elapsed(job.since, now));
    let lasted = job.outage.as_ref().map_or(Duration::ZERO, |outage| elapsed(outage.since, now));
    if lasted >= patience {
        return Err(error);
    }
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
    note(context, job, &error, now).await?;
    let own = settings.poll().max(lasted / SHARE_OF_WAIT).min(MAX_WAIT);
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
    let now = context.clock().now();
    change(context, job, |record| {
        if let Some(outage) = record.outage.take() {
            record.overcame(Overcome::outage(&outage, now));
        }
    })
    .await?;
    tracing::info!(since = %outage.since, "the source answers again");
    Ok(())
}

/// Notes the outage, unless an earlier call has.
async fn note(context: &Context, job: &JobRecord, error: &Error, now: Timestamp) -> Result<()> {
    if let Some(outage) = &job.outage {
        tracing::debug!(error = error.line(), since = %outage.since, "the source still gives no answer that can be used");
        return Ok(());
    }
    let outage = Outage { since: now, error: format!("{}: {}", error.error_type().name(), error.line()) };
    tracing::warn!(error = error.line(), "the source gives no answer that can be used: asking it again");
    change(context, job, |record| {
        record.outage.get_or_insert_with(|| outage.clone());
    })
    .await
}

async fn change(context: &Context, job: &JobRecord, changed: impl Fn(&mut JobRecord)) -> Result<()> {
    let change = |there: Option<JobRecord>| {
        let change = match there {
            Some(mut record) => {
                changed(&mut record);
                Change::Write(record, ())
            }
            None => Change::Keep(()),
        };
        std::future::ready(Ok(change))
    };
    let key = keys::job_record(&job.job());
    context.work().await?.update(&key, context.clock().as_ref(), change).await
}
