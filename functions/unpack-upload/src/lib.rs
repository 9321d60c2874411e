//! Unpacks one staged file into the landing bucket.
//!
//! The story: a receipt that is there is the answer. Otherwise the staged file's first bytes say what it is. An
//! archive is checked as a whole before any of its bytes land; then its members are streamed, several at once, each
//! visible only once its size and CRC-32 hold, in the form that the job was begun with. What is not an archive is
//! copied inside the store, or lands in that form too; what is compressed already lands as it is, and so does a
//! document that is an archive only inside. Unfinished uploads that dead invocations have left of it are aborted. The
//! receipt, written last, names what has landed.
//!
//! When the invocation's deadline comes near, the answer is `complete: false`: what has landed is recorded in a
//! checkpoint, and the next call goes on behind it.
//!
//! An archive that one invocation would land too slowly is divided into ranges of members, if the caller says that
//! it lands them by calls of their own. What those have landed is recorded in checkpoints too: a call for all of the
//! archive goes on from there, and lands what is missing, if anything is.

mod archive;
mod cleanup;
mod content;
mod file;
mod form;
mod invocation;
mod parts;
mod pipeline;
mod refusal;
mod staged;
mod task;
mod trigger;

use landfall::clock::Deadline;
use landfall::context::Context;
use landfall::event::FileEvent;
use landfall::form::JobForm;
use landfall::job::{LandedObject, Totals};
use landfall::metrics::Measured;
use landfall::{Error, Result};
use landfall_zip::{Kind, sniff};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use archive::ArchiveOutcome;
use invocation::Invocation;
use task::Task;
pub use trigger::{MemberRange, Trigger, UnpackEvent, UnpackFile};

/// What has landed of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Unpacked {
    /// Whether all of the file, or of the range that was asked for, has landed.
    pub complete: bool,
    /// What has landed of it.
    #[serde(flatten)]
    pub totals: Totals,
    /// The ranges to land by separate calls, after which this file is called for once more. Only with `fan_out`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ranges: Vec<MemberRange>,
}

impl Measured for Unpacked {}

impl Unpacked {
    fn of(complete: bool, totals: Totals) -> Self {
        Self { complete, totals, ranges: Vec::new() }
    }
}

/// Unpacks the staged file that the event names, or goes on with it.
pub async fn unpack_upload(context: &Context, event: UnpackEvent, deadline: &Deadline) -> Result<Unpacked> {
    let mut unpacked = Unpacked::of(true, Totals::default());
    let invocation = Invocation::begin(context, deadline);
    for file in event.files()? {
        let one = Box::pin(unpack_one(context, invocation, file)).await?;
        unpacked.complete &= one.complete;
        unpacked.totals.add_all(&one.totals);
        unpacked.ranges.extend(one.ranges);
    }
    Ok(unpacked)
}

/// Unpacks one staged file, or goes on with it.
pub async fn unpack_file(context: &Context, event: FileEvent, deadline: &Deadline) -> Result<Unpacked> {
    unpack(context, event.into(), deadline).await
}

/// Unpacks one staged file or a range of it, or goes on with it, or divides it.
pub async fn unpack(context: &Context, event: UnpackFile, deadline: &Deadline) -> Result<Unpacked> {
    unpack_one(context, Invocation::begin(context, deadline), event).await
}

async fn unpack_one(context: &Context, invocation: Invocation<'_>, event: UnpackFile) -> Result<Unpacked> {
    event.check()?;
    let job = Box::pin(context.job(&event.job_event())).await?;
    let work = context.work().await?;
    if let Some(landed) = work.landed(&job.job(), event.ordinal).await? {
        return Ok(Unpacked::of(true, landed));
    }
    let task = Task::open(context, invocation, work, job, &event).await?;
    let unpacked = match Box::pin(land(&task)).await.map_err(|error| task.failed(error))? {
        FileOutcome::Whole(object) | FileOutcome::Archive(ArchiveOutcome::Document(object)) => {
            let objects = || std::iter::once(object.clone());
            finish(&task, &object.key, objects).await?
        }
        FileOutcome::Archive(ArchiveOutcome::Whole(archive)) => {
            finish(&task, &task.folder(), || archive.objects(&task)).await?
        }
        FileOutcome::Archive(ArchiveOutcome::Partial { complete, totals }) => Unpacked::of(complete, totals),
        FileOutcome::Archive(ArchiveOutcome::Divided(ranges)) => {
            Unpacked { ranges, ..Unpacked::of(false, Totals::default()) }
        }
    };
    if unpacked.complete {
        task.tally.keep();
    }
    Ok(unpacked)
}

/// How far a staged file came.
enum FileOutcome {
    /// It has landed, and is no archive.
    Whole(LandedObject),
    /// It is an archive, which came so far.
    Archive(ArchiveOutcome),
}

/// Lands the file as what it is.
async fn land(task: &Task<'_>) -> Result<FileOutcome> {
    let name = &task.file.name;
    let form = match sniff(&task.staged.first_bytes().await?) {
        Kind::Zip | Kind::EmptyZip => return land_archive(task).await,
        // An archive may have something before its first member, and a damaged one anything: its directory decides.
        Kind::Other if is_named(name, &[".zip"]) => return land_archive(task).await,
        Kind::HtmlPage if !is_named(name, &[".html", ".htm"]) => {
            return Err(Error::contract_broken(format!(
                "{name} is a web page, perhaps a login form, instead of a file"
            )));
        }
        Kind::Gzip | Kind::Zstd => JobForm::Raw,
        Kind::HtmlPage | Kind::Other => task.job.form,
    };
    if task.range.is_some() {
        return Err(Error::invalid_event(format!("{name} is not an archive: it has no members")));
    }
    file::land(task, form).await.map(FileOutcome::Whole)
}

async fn land_archive(task: &Task<'_>) -> Result<FileOutcome> {
    archive::land(task).await.map(FileOutcome::Archive)
}

fn is_named(name: &str, suffixes: &[&str]) -> bool {
    let name = name.to_ascii_lowercase();
    suffixes.iter().any(|suffix| name.ends_with(suffix))
}

/// Ends a file that has landed whole, below a prefix of its own: aborts what dead invocations have left of its objects,
/// then records them.
async fn finish<O>(task: &Task<'_>, prefix: &str, objects: impl Fn() -> O) -> Result<Unpacked>
where
    O: Iterator<Item = LandedObject>,
{
    cleanup::abort_leftovers(task, prefix, objects()).await?;
    let mut totals = Totals::default();
    let counted = objects().inspect(|object| totals.add(object));
    let ordinal = task.file.ordinal;
    task.work.record_receipt(&task.job.job(), ordinal, counted, task.context.budget()).await?;
    tracing::info!(file.ordinal = ordinal, landed.objects = totals.objects, "the file has landed");
    Ok(Unpacked::of(true, totals))
}
