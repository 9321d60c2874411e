//! Fetches a job's output files from its source into the work bucket, byte for byte.
//!
//! The story: the list of files is frozen once it is complete. Each file that has no record yet is streamed from
//! the source to its staged object, several at once; what an earlier call has stored of it is kept. A file counts
//! when its record is there, which is written after its bytes were held against what the source says of them, and as
//! long as its bytes are there too: one that is gone before it has landed is fetched again.
//! Once every file is staged, the unfinished uploads that dead invocations have left are aborted.
//! Of a job that has landed, and whose source wants to know that, nothing is fetched any more: the source is told.
//! Many large files are named rather than fetched, if the caller says that it fetches each by a call of its own: so they
//! come by several functions' networks, and each can be unpacked while others come. The call for all of them that follows
//! looks at each once more, and fetches what is missing.
//! When the invocation's deadline comes near, what has come is put away, and the next invocation goes on behind it. Then,
//! and where the source has not everything ready, or cannot be reached or may not be asked for a while, the answer is
//! `complete: false`: call again.

mod download;
mod event;
mod fan_out;
mod gone;
mod hashing;
mod invocation;
mod listing;
mod notice;
mod settle;
mod tail;

use std::sync::atomic::{AtomicUsize, Ordering};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use landfall::clock::Deadline;
use landfall::context::Context;
use landfall::event::JobEvent;
use landfall::job::{DamagedFile, FileList, JobRecord, JobRef, OutputFile, StagedFile};
use landfall::metrics::Measured;
use landfall::state::keys::LandingPlaces;
use landfall::state::{WorkState, keys};
use landfall::{AskAgain, Error, Result, Step, failure, outage};
use landfall_store::PART_BYTES;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use download::Ready;
use download::{Fetch, Fetched};
pub use event::FetchEvent;
use fan_out::MAX_NAMED;
pub use fan_out::{FetchEach, FileToFetch};
use invocation::Invocation;
use listing::Listed;

/// What has been fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FetchedFiles {
    /// Whether every file of the job, or the one that was asked for, is staged.
    pub complete: bool,
    /// The staged files; none, where there are more than 200, or where the job has landed and its source was told so.
    pub files: Vec<FetchedFile>,
    /// Where the files are listed, once all of more than 200 are staged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listed_in: Option<Listing>,
    /// How many seconds to wait before the next call, where the source does not list or provide its files yet, or
    /// must not be called for a while.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_seconds: Option<u64>,
    /// The files to fetch by separate calls, after which the job is called for once more. Only with `fan_out`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fetch_each: Option<FetchEach>,
}

/// A file that is staged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FetchedFile {
    /// Its position in the job's list of files, from 0.
    pub ordinal: u32,
    /// Its name at the source.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
}

/// The object that names a job's files, in the array `files`, each with its `ordinal`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Listing {
    /// The work bucket.
    pub bucket: String,
    /// The object's key.
    pub key: String,
    /// How many files it names.
    pub count: u32,
}

impl FetchedFiles {
    fn of(complete: bool, files: Vec<FetchedFile>) -> Self {
        Self { complete, files, listed_in: None, wait_seconds: None, fetch_each: None }
    }

    /// Nothing, before so many seconds have passed.
    fn none_yet(wait_seconds: u64) -> Self {
        Self { wait_seconds: Some(wait_seconds), ..Self::of(false, Vec::new()) }
    }

    /// The places of the files that are staged, once all are.
    pub fn ordinals(&self) -> Vec<u32> {
        match &self.listed_in {
            Some(listing) => (0..listing.count).collect(),
            None => self.files.iter().map(|file| file.ordinal).collect(),
        }
    }
}

impl Measured for FetchedFiles {}

/// Fetches the job's output files, or goes on with them; or the one that the event names; or says which to fetch by calls of
/// their own.
pub async fn fetch_files(context: &Context, event: FetchEvent, deadline: &Deadline) -> Result<FetchedFiles> {
    fetch_and_tell(context, event, deadline, &|_| {}).await
}

/// Fetches all of the job's output files, or goes on with them.
pub async fn fetch_all(context: &Context, event: JobEvent, deadline: &Deadline) -> Result<FetchedFiles> {
    fetch_all_and_tell(context, event, deadline, &|_| {}).await
}

/// The same, and tells of each file as soon as it can be unpacked, while others are still fetched. What earlier calls have
/// staged is told at the end: some of it may have been found damaged since, and is fetched anew.
pub async fn fetch_all_and_tell(
    context: &Context,
    event: JobEvent,
    deadline: &Deadline,
    ready: Ready<'_>,
) -> Result<FetchedFiles> {
    fetch_and_tell(context, event.into(), deadline, ready).await
}

async fn fetch_and_tell(
    context: &Context,
    event: FetchEvent,
    deadline: &Deadline,
    ready: Ready<'_>,
) -> Result<FetchedFiles> {
    event.check()?;
    let job = Box::pin(context.job(&event.job_event())).await?;
    if notice::is_given(context, &job).await? {
        return Ok(FetchedFiles::of(true, Vec::new()));
    }
    match Box::pin(fetch(context, &job, &event, deadline, ready)).await {
        Ok(fetched) => {
            outage::end(context, &job).await?;
            failure::end(context, &job, Step::FetchFiles).await?;
            Ok(fetched)
        }
        Err(error) => {
            outage::wait_seconds_if_unreachable(context, &job, error).await.map(FetchedFiles::none_yet)
        }
    }
}

async fn fetch(
    context: &Context,
    job: &JobRecord,
    event: &FetchEvent,
    deadline: &Deadline,
    ready: Ready<'_>,
) -> Result<FetchedFiles> {
    let work = context.work().await?;
    let source = context.source(&job.connection).await?;
    let invocation = Invocation::begin(context.clock().as_ref(), deadline);
    let listing = tokio::select! {
        biased;
        listing = listing::frozen(context, source.as_ref(), &work, job) => listing,
        () = invocation.ending() => Err(invocation.unlisted()),
    };
    let files = match listing? {
        Listed::Files(files) => files,
        Listed::NotYet { wait_seconds } => return Ok(FetchedFiles::none_yet(wait_seconds)),
    };

    notice::prepare(context, source.as_ref(), job).await?;

    let connection = context.connection(&job.connection).await?;
    let http = connection.http();
    let (max_bytes, at_once) = (http.max_file_bytes, http.parallel_downloads.max(1));
    if event.fan_out
        && let Some(each) =
            fan_out::divided(&work, &job.job(), &files.files, at_once, context.range_cost()).await?
    {
        tracing::info!(
            files = each.files.len(),
            each.at_once,
            "each file is to be fetched by a call of its own"
        );
        return Ok(FetchedFiles { fetch_each: Some(each), ..FetchedFiles::of(false, Vec::new()) });
    }
    let wanted = wanted(&files, job, event.ordinal)?;

    let bytes = wanted.iter().map(|file| file.size).sum::<Option<u64>>();
    context.observer().files_listed(u64::try_from(wanted.len()).unwrap_or(u64::MAX), bytes);
    let staged_before = AtomicUsize::new(0);
    let places = LandingPlaces::of(&files.files, job.form.name());
    let source = source.as_ref();
    let fetch =
        Fetch { context, source, work: &work, job, invocation: &invocation, max_bytes, places, ready };
    let mut fetched: Vec<Fetched> = stream::iter(wanted)
        .map(|file| fetch_one(&fetch, file, &staged_before))
        .buffered(at_once)
        .try_collect()
        .await?;

    if !invocation.has_advanced()
        && let Some(stuck) = fetched.iter_mut().find_map(Fetched::take_stuck)
    {
        return Err(stuck);
    }
    // Whoever has unpacked what was staged before may have found damage in it.
    if staged_before.into_inner() > 0 && discard_damaged(&work, &job.job()).await? {
        return Ok(FetchedFiles::of(false, Vec::new()));
    }
    let complete = fetched.iter().all(|fetched| matches!(fetched, Fetched::Staged(_)));
    if complete && event.ordinal.is_none() {
        abort_leftovers(&work, &job.job(), &files).await?;
    }
    let wait_seconds = wait_seconds(&fetched);
    let files: Vec<_> = fetched.into_iter().filter_map(staged).collect();
    files.iter().for_each(|file| ready(file.ordinal));
    tracing::info!(complete, staged.files = files.len(), wait_seconds, "files were fetched");
    let bucket = work.store().bucket().to_owned();
    let listing = |count| Listing { bucket, key: keys::files(&job.job()), count };
    Ok(answer(complete, files, wait_seconds, listing))
}

fn answer(
    complete: bool,
    files: Vec<FetchedFile>,
    wait_seconds: Option<u64>,
    listing: impl FnOnce(u32) -> Listing,
) -> FetchedFiles {
    if files.len() <= MAX_NAMED {
        return FetchedFiles { wait_seconds, ..FetchedFiles::of(complete, files) };
    }
    let count = u32::try_from(files.len()).unwrap_or(u32::MAX);
    let listed_in = complete.then(|| listing(count));
    FetchedFiles { listed_in, wait_seconds, ..FetchedFiles::of(complete, Vec::new()) }
}

/// The files to fetch: all, or the one of this place.
fn wanted<'a>(files: &'a FileList, job: &JobRecord, ordinal: Option<u32>) -> Result<Vec<&'a OutputFile>> {
    let is_wanted = |file: &&OutputFile| ordinal.is_none_or(|ordinal| file.ordinal == ordinal);
    let wanted: Vec<&OutputFile> = files.files.iter().filter(is_wanted).collect();
    match ordinal.filter(|_| wanted.is_empty()) {
        None => Ok(wanted),
        Some(ordinal) => Err(Error::not_found(format!(
            "{} has {} output files, and none with ordinal {ordinal}",
            job.job(),
            files.files.len()
        ))),
    }
}

/// How long to wait for what the source does not give out yet; not at all where there is more to do.
fn wait_seconds(fetched: &[Fetched]) -> Option<u64> {
    let mut longest = None;
    for fetched in fetched {
        match fetched {
            Fetched::DeadlineCame { .. } => return None,
            Fetched::NotYet { wait_seconds } => longest = longest.max(Some(*wait_seconds)),
            Fetched::Staged(_) => {}
        }
    }
    longest
}

fn staged(fetched: Fetched) -> Option<FetchedFile> {
    match fetched {
        Fetched::Staged(file) => {
            Some(FetchedFile { ordinal: file.ordinal, name: file.name, size: file.size })
        }
        Fetched::DeadlineCame { .. } | Fetched::NotYet { .. } => None,
    }
}

/// Discards the staged files that unpacking has found damaged, so that the next call fetches them anew; whether there are
/// any.
async fn discard_damaged(work: &WorkState, job: &JobRef) -> Result<bool> {
    let notes = work.store().list(&keys::damaged_files(job)).map_ok(|object| object.key);
    let notes: Vec<String> = notes.try_collect().await?;
    let mut has_discarded = false;
    for key in notes {
        let noted: Option<DamagedFile> = work.checkpoint(&key).await?;
        let Some(noted) = noted.filter(|noted| noted.found > noted.discarded) else { continue };
        // The record first: without it the bytes do not count.
        work.store().delete(&keys::staged_record(job, noted.ordinal)).await?;
        work.store().delete(&keys::staged(job, noted.ordinal)).await?;
        work.save_checkpoint(&key, &DamagedFile { discarded: noted.found, ..noted }).await?;
        tracing::warn!(file.ordinal = noted.ordinal, "the file was damaged on its way: fetching it anew");
        has_discarded = true;
    }
    Ok(has_discarded)
}

async fn fetch_one(fetch: &Fetch<'_>, file: &OutputFile, staged_before: &AtomicUsize) -> Result<Fetched> {
    let recorded = fetch.work.staged(&fetch.job.job(), file.ordinal).await?;
    if let Some(staged) = &recorded
        && fetch.is_needed_no_more(staged).await?
    {
        let staged = staged.clone();
        staged_before.fetch_add(1, Ordering::Relaxed);
        fetch.context.observer().fetched_before(staged.size);
        fetch.context.observer().file_fetched();
        return Ok(Fetched::Staged(staged));
    }
    let fetched = match fetch.file(file).await {
        // Our own limit may let other files through; of an outage each would have to find out for itself.
        Err(error) => match error.wait_seconds().filter(|_| error.cause::<AskAgain>().is_some()) {
            Some(wait_seconds) => {
                tracing::info!(
                    file.name,
                    wait_seconds,
                    error = error.line(),
                    "the file cannot be fetched yet"
                );
                Fetched::NotYet { wait_seconds }
            }
            None => return Err(error.while_doing(format_args!("fetching {}", file.name))),
        },
        Ok(fetched) => fetched,
    };
    match fetched {
        Fetched::Staged(staged) => {
            if let Some(recorded) = &recorded {
                fetch.forget_other(recorded, &staged).await?;
            }
            let staged = StagedFile { place: Some(fetch.places.place(file)), ..staged };
            let staged = fetch.work.record_staged(&fetch.job.job(), staged).await?;
            fetch.context.observer().file_fetched();
            fetch.invocation.advance();
            (fetch.ready)(staged.ordinal);
            Ok(Fetched::Staged(staged))
        }
        unfinished => Ok(unfinished),
    }
}

/// Aborts the uploads that invocations before this one have left, now that every file is staged. Not sooner: what
/// looks left behind may be another invocation's, and of use.
async fn abort_leftovers(work: &WorkState, job: &JobRef, files: &FileList) -> Result<()> {
    let is_in_parts = |file: &OutputFile| {
        file.size.is_none_or(|bytes| usize::try_from(bytes).map_or(true, |bytes| bytes >= PART_BYTES))
    };
    if files.files.iter().any(is_in_parts) {
        work.store().abort_uploads(&keys::staged_prefix(job), |_| true).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(complete: bool, count: u32) -> FetchedFiles {
        let file = |ordinal| FetchedFile { ordinal, name: "n".repeat(1024), size: u64::MAX };
        let listing = |count| Listing { bucket: "b".repeat(63), key: "k".repeat(1024), count };
        answer(complete, (0..count).map(file).collect(), Some(900), listing)
    }

    /// Promise 6: whatever the number of files and however long their names, an answer fits into the 256 KiB that a
    /// state machine passes on, and whoever reads it finds every file.
    #[test]
    fn an_answer_is_bounded_and_leads_to_every_file() {
        for count in [0, 1, 200, 201, 100_000] {
            let whole = answered(true, count);
            assert_eq!(whole.ordinals(), (0..count).collect::<Vec<_>>());
            for answer in [whole, answered(false, count)] {
                let bytes = serde_json::to_vec(&answer).unwrap().len();
                assert!(bytes <= 256 << 10, "{count}: {bytes}");
            }
        }
        assert_eq!(answered(true, 200).files.len(), 200);
        assert_eq!(answered(false, 201).listed_in, None, "what is not staged yet is not to be unpacked");
    }
}
