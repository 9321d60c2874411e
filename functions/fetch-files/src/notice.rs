//! Telling a source that a job has landed, where it wants to know.

use landfall::context::Context;
use landfall::contract::Source;
use landfall::job::{JobRecord, Notice};
use landfall::state::{Change, keys};
use landfall::{Error, Result};

/// Records that the source of a job wants to know when it has landed. A job that somebody else submitted is theirs: its
/// source is told nothing.
pub(crate) async fn prepare(context: &Context, source: &dyn Source, job: &JobRecord) -> Result<()> {
    if job.notice.is_some() || job.run_key.is_none() || !source.wants_notice(job).await? {
        return Ok(());
    }
    record(context, job, Notice::default()).await
}

/// Whether a job has landed whose source is to know that, or knows: nothing of it is fetched any more. A source that does
/// not know yet is told. That this fails is recorded, and is no error of the job.
pub(crate) async fn is_given(context: &Context, job: &JobRecord) -> Result<bool> {
    if job.notice.is_none() || !context.has_landed(&job.destination, &job.landing_prefix).await? {
        return Ok(false);
    }
    if job.is_to_be_told() {
        let told = async { context.source(&job.connection).await?.notify_landed(job).await }.await;
        let notice = match told {
            Ok(()) => Notice { told_at: Some(context.clock().now()), error: None },
            Err(error) => failed(&error),
        };
        record(context, job, notice).await?;
    }
    Ok(true)
}

fn failed(error: &Error) -> Notice {
    let (name, line) = (error.error_type().name(), error.line());
    tracing::warn!(error = line, "the source was not told that the job has landed");
    Notice { told_at: None, error: Some(format!("{name}: {line}")) }
}

/// Records what has become of it. What has been told stays so.
async fn record(context: &Context, job: &JobRecord, notice: Notice) -> Result<()> {
    let change = |record: Option<JobRecord>| {
        std::future::ready(Ok(match record {
            Some(record) if record.notice.as_ref().is_none_or(|notice| notice.told_at.is_none()) => {
                Change::Write(JobRecord { notice: Some(Box::new(notice.clone())), ..record }, ())
            }
            _ => Change::Keep(()),
        }))
    };
    let work = context.work().await?;
    work.update(&keys::job_record(&job.job()), context.clock().as_ref(), change).await
}
