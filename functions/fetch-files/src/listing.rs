//! The job's list of output files, frozen at the first complete one.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use landfall::clock::elapsed;
use landfall::context::Context;
use landfall::contract::Source;
use landfall::job::{FileList, JobRecord, JobRef, JobState, Outcome, OutputFile};
use landfall::state::{Change, Document, WorkState, keys};
use landfall::{Error, ErrorType, Result};
use serde::{Deserialize, Serialize};

use crate::settle;

/// What asking for the list came to.
pub(crate) enum Listed {
    /// The list, frozen.
    Files(FileList),
    /// The source has none yet, though the job has ended: ask again after this time.
    NotYet { wait_seconds: u64 },
}

/// Returns the frozen list; freezes it where the source gives a complete one.
pub(crate) async fn frozen(
    context: &Context,
    source: &dyn Source,
    work: &WorkState,
    job: &JobRecord,
) -> Result<Listed> {
    if let Some(files) = work.files(&job.job()).await? {
        return Ok(Listed::Files(files));
    }
    let outcome = outcome(context, source, work, job).await?;
    if outcome.state == JobState::Empty {
        return freeze(context, work, job, Vec::new().into()).await;
    }
    match source.file_list(job).await {
        Ok(list) if list.files.is_empty() => not_yet(context, source, work, job, &outcome, None).await,
        Ok(list) if source.lists_may_grow(&job.export) => {
            seen(context, source, work, job, &outcome, list).await
        }
        Ok(list) => freeze(context, work, job, list).await,
        // A list that is short may be one that is still growing, and one that is not there yet may come.
        Err(error) if matches!(error.error_type(), ErrorType::ContractBroken | ErrorType::NotFound) => {
            not_yet(context, source, work, job, &outcome, Some(error)).await
        }
        Err(error) => Err(error),
    }
}

/// A list that looked whole, and when it did first.
#[derive(Debug, Serialize, Deserialize)]
struct Look {
    at: Timestamp,
    files: Vec<OutputFile>,
    /// Whether it was another one before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    has_changed: bool,
    /// The names of files that were listed before, and are no more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    gone: Vec<String>,
}

impl Document for Look {}

/// Freezes a list that may still grow once it has stayed the same.
///
/// A total that agrees with the list says nothing here: both are of the moment, and grow together. Nor does a list that
/// stays as it is for a while: it may have stalled. So a list counts that has the job's last file, as far as the source
/// can tell that, and was the same in two looks, some seconds apart; or else after the time that the connection gives its
/// source to settle. Where the list was seen to change, its last file says nothing of the others any more: that time
/// begins anew with each change. A list frozen too soon costs files that nobody misses.
///
/// A list that has lost a file has all of that time to get it back. Then the loss is an error, once: whoever goes on with
/// the job has read it, and takes what is listed.
async fn seen(
    context: &Context,
    source: &dyn Source,
    work: &WorkState,
    job: &JobRecord,
    outcome: &Outcome,
    FileList { files, warnings, columns, schema_version: _ }: FileList,
) -> Result<Listed> {
    let now = context.clock().now();
    let key = keys::listing_checkpoint(&job.job());
    let before = work.checkpoint::<Look>(&key).await?;
    let is_new = before.as_ref().is_none_or(|look| !are_the_same(&look.files, &files));
    let look = match before {
        Some(look) if !is_new => Look { files, ..look },
        Some(before) => Look { at: now, gone: gone(&before, &files), files, has_changed: true },
        None => Look { at: now, files, has_changed: false, gone: Vec::new() },
    };
    let changed_at = look.has_changed.then_some(look.at);
    let Some(wait_seconds) = settle::wait_seconds(context, job, outcome, changed_at).await? else {
        if look.gone.is_empty() {
            return freeze(context, work, job, FileList { warnings, columns, ..look.files.into() }).await;
        }
        let error = lost(job, &look.files, &look.gone);
        work.save_checkpoint(&key, &Look { at: now, has_changed: false, gone: Vec::new(), ..look }).await?;
        return Err(error);
    };
    if is_new {
        work.save_checkpoint(&key, &look).await?;
    } else if !look.has_changed
        && elapsed(look.at, now) >= Duration::from_secs(wait_seconds)
        && source.has_last_file(job, &look.files).await
    {
        return freeze(context, work, job, FileList { warnings, columns, ..look.files.into() }).await;
    }
    tracing::info!(wait_seconds, "the list of output files looks complete: it counts if it stays the same");
    Ok(Listed::NotYet { wait_seconds })
}

/// What earlier looks have seen, and this list lacks.
fn gone(look: &Look, files: &[OutputFile]) -> Vec<String> {
    let seen = look.files.iter().map(|file| &file.name).chain(&look.gone);
    let gone: BTreeSet<&String> = seen.filter(|name| files.iter().all(|file| file.name != **name)).collect();
    gone.into_iter().cloned().collect()
}

fn lost(job: &JobRecord, files: &[OutputFile], gone: &[String]) -> Error {
    Error::contract_broken(format!(
        "{} lists {} files, and no more {:?}{}, as it did before: they may have expired. If the job is whole without, land \
         what is listed with `landfall resume {} {}`",
        job.job(),
        files.len(),
        gone.first().map(String::as_str).unwrap_or_default(),
        match gone.len() {
            0 | 1 => String::new(),
            several => format!(" and {} others", several - 1),
        },
        job.connection,
        job.job_request_id
    ))
}

/// Whether two lists are of the same files, in whatever order.
fn are_the_same(one: &[OutputFile], other: &[OutputFile]) -> bool {
    fn sorted(files: &[OutputFile]) -> Vec<(&str, Option<u64>, Option<String>)> {
        let mut files: Vec<_> = files
            .iter()
            .map(|file| (file.name.as_str(), file.size, file.sha256.map(|sha256| sha256.to_string())))
            .collect();
        files.sort_unstable();
        files
    }
    sorted(one) == sorted(other)
}

/// A file as the source lists it now, where its size or checksum is another than in the frozen list: that was wrong, or of
/// an earlier state of the file. The frozen list follows it.
pub(crate) async fn listed_otherwise(
    context: &Context,
    source: &dyn Source,
    work: &WorkState,
    job: &JobRecord,
    file: &OutputFile,
) -> Result<Option<OutputFile>> {
    let listed = source.output_files(job).await?;
    let mut of_this_name = listed.into_iter().filter(|listed| listed.name == file.name);
    let (Some(now), None) = (of_this_name.next(), of_this_name.next()) else { return Ok(None) };
    if (now.size, now.sha256) == (file.size, file.sha256) {
        return Ok(None);
    }
    tracing::warn!(file.name, "the source lists the file otherwise than before: going by what it lists now");
    let now = OutputFile { ordinal: file.ordinal, ..now };
    let frozen = |list: Option<FileList>| {
        let list = list.map(|mut list| {
            let places = list.files.iter_mut().filter(|listed| listed.ordinal == now.ordinal);
            places.for_each(|listed| listed.clone_from(&now));
            list
        });
        std::future::ready(Ok(list.map_or(Change::Keep(()), |list| Change::Write(list, ()))))
    };
    work.update(&keys::files(&job.job()), context.clock().as_ref(), frozen).await?;
    Ok(Some(now))
}

async fn freeze(context: &Context, work: &WorkState, job: &JobRecord, list: FileList) -> Result<Listed> {
    let schema_version = match job.form.is_for_tables() {
        true => work.newest_schema_number(&job.connection, &context.export_path(&job.export)).await?,
        false => None,
    };
    let files = work.freeze_files(&job.job(), FileList { schema_version, ..list }).await?;
    tracing::info!(files = files.files.len(), "the list of output files is complete");
    Ok(Listed::Files(files))
}

/// The job's good end; asked for here where `poll-status` has not written it down.
async fn outcome(
    context: &Context,
    source: &dyn Source,
    work: &WorkState,
    job: &JobRecord,
) -> Result<Outcome> {
    if let Some(outcome) = work.outcome(&job.job()).await? {
        return Ok(outcome);
    }
    let status = source.status(job).await?;
    if !status.state.lands() {
        let said = format!("{} has not succeeded: its status is {}", job.job(), status.native_status);
        return Err(match status.state {
            JobState::Running => Error::not_found(format!("{said}; call poll-status until it has ended")),
            _ => Error::job_failed(said),
        });
    }
    Ok(work.record_outcome(&job.job(), status.outcome(context.clock().now())).await?)
}

async fn not_yet(
    context: &Context,
    source: &dyn Source,
    work: &WorkState,
    job: &JobRecord,
    outcome: &Outcome,
    short: Option<Error>,
) -> Result<Listed> {
    if let Some(wait_seconds) = settle::wait_seconds(context, job, outcome, None).await? {
        tracing::info!(wait_seconds, "the source does not list all of the job's files yet");
        return Ok(Listed::NotYet { wait_seconds });
    }
    let waited = elapsed(outcome.since, context.clock().now());
    let export = context.spec(&job.export)?;
    match short {
        Some(error) => Err(error),
        None if export.allows_empty() || request_allows_empty(context, source, job).await? => {
            freeze(context, work, job, Vec::new().into()).await
        }
        None => Err(Error::contract_broken(format!(
            "{} ended as {} and lists no output file after {} s: if it is normal that {} has no output, continue the \
             job with `landfall resume {} {} --allow-empty`, and set `allow_empty` in the export of runs to come",
            job.job(),
            outcome.native_status,
            waited.as_secs(),
            export.name(),
            job.connection,
            job.job_request_id
        ))),
    }
}

/// Whether the job is an occurrence of a recurring request of ours whose export says that no output is normal: the
/// source knows nothing of that, and describes the occurrence without it.
async fn request_allows_empty(context: &Context, source: &dyn Source, job: &JobRecord) -> Result<bool> {
    // A job of a run of ours is what the run asked for, and no occurrence.
    if job.run_key.is_some() {
        return Ok(false);
    }
    let Some(job_request_id) = source.recurring_request(&job.job_request_id).await? else { return Ok(false) };
    let request = JobRef { connection: job.connection.clone(), job_request_id };
    let Some(request) = context.work().await?.job(&request).await? else { return Ok(false) };
    Ok(context.spec(&request.export).is_ok_and(|export| export.allows_empty()))
}
