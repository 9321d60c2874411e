//! Unpacks one staged file into the landing bucket.
//!
//! The story: a receipt that is there is the answer, as long as the objects are there that it names; those that are gone
//! land again. Otherwise the staged file's first bytes say what it is. An
//! archive is checked as a whole before any of its bytes land; then its members are streamed, several at once, each
//! visible only once its size and CRC-32 hold, in the form that the job was begun with. What is not an archive is
//! copied inside the store, or lands in that form too; what is compressed already lands as it is, and so do a
//! document that is an archive only inside and a member that is an archive. Unfinished uploads that dead invocations have left of it are aborted. The
//! receipt, written last, names what has landed.
//!
//! When the invocation's deadline comes near, the answer is `complete: false`: what has landed is recorded in a
//! checkpoint, and the next call goes on behind it. A member, or a file that is no archive, lands in one piece: one that
//! takes longer than an invocation is an error that says so.
//!
//! An archive that one invocation would land too slowly is divided into ranges of members, if the caller says that
//! it lands them by calls of their own. What those have landed is recorded in checkpoints too: a call for all of the
//! archive goes on from there, and lands what is missing, if anything is.

mod archive;
mod cleanup;
mod content;
mod damage;
mod file;
mod form;
mod invocation;
mod parts;
mod pipeline;
mod refusal;
mod staged;
mod tables;
mod task;
mod trigger;

use landfall::clock::Deadline;
use landfall::context::Context;
use landfall::event::FileEvent;
use landfall::form::JobForm;
use landfall::job::{LandedObject, Totals};
use landfall::landed;
use landfall::metrics::Measured;
use landfall::{Error, Result};
use landfall_http::Redactor;
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
    let gone = match landed::of_file(context, &work, &job, event.ordinal).await? {
        Some(landed) if landed.gone.is_empty() => {
            return Ok(Unpacked::of(true, landed.totals));
        }
        landed => landed.map(|landed| landed.gone),
    };
    let task = Task::open(context, invocation, work, job, &event, gone).await?;
    let landed = match Box::pin(land(&task)).await {
        Ok(landed) => landed,
        Err(error) => return Err(task.failed(damage::judged(&task, error).await)),
    };
    let unpacked = match landed {
        FileOutcome::Whole(object) | FileOutcome::Archive(ArchiveOutcome::Document(object)) => {
            let objects = || std::iter::once(object.clone());
            finish(&task, &object.key, objects).await?
        }
        FileOutcome::Archive(ArchiveOutcome::Whole(archive)) => {
            finish(&task, &task.folder(), || archive.objects(&task)).await?
        }
        FileOutcome::OutOfTime => Unpacked::of(false, Totals::default()),
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
    /// It is no archive, and the time was up.
    OutOfTime,
    /// It is an archive, which came so far.
    Archive(ArchiveOutcome),
}

/// Lands the file as what it is.
async fn land(task: &Task<'_>) -> Result<FileOutcome> {
    let name = &task.file.name;
    let beginning = task.staged.first_bytes().await?;
    let form = match sniff(&beginning) {
        Kind::Zip | Kind::EmptyZip => return land_archive(task).await,
        // An archive may have something before its first member, and a damaged one anything: its directory decides.
        Kind::Other if is_named(name, &[".zip"]) => {
            return land_archive(task).await.map_err(|error| match first_line(&beginning) {
                Some(line) => {
                    error.while_doing(format_args!("it is no archive but a text, which begins {line:?}"))
                }
                None => error,
            });
        }
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
    Ok(file::land(task, form).await?.map_or(FileOutcome::OutOfTime, FileOutcome::Whole))
}

async fn land_archive(task: &Task<'_>) -> Result<FileOutcome> {
    archive::land(task).await.map(FileOutcome::Archive)
}

/// The first line of a text, masked: an error that was sent for an archive says so there.
fn first_line(beginning: &[u8]) -> Option<String> {
    const MAX_CHARS: usize = 120;
    // A character may be cut at the end of what is looked at.
    let text = match std::str::from_utf8(beginning) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(beginning.get(..error.valid_up_to())?).ok()?
        }
        Err(_) => return None,
    };
    let is_text = !text.chars().any(|c| c.is_control() && !c.is_ascii_whitespace());
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).filter(|_| is_text)?;
    Some(Redactor::default().text(line).chars().take(MAX_CHARS).collect())
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
    // Of an archive that lands anew in part, only that part has been looked at.
    let tables = task.tables.of_whole(objects()).filter(|_| task.gone.is_none());
    if let Some(tables) = tables {
        task.work.record_tables(&task.job.job(), ordinal, tables).await?;
    }
    if task.gone.is_some() {
        // The bytes that have landed anew may be others than those that are gone: of another release's compression, say.
        task.work.forget_receipt(&task.job.job(), ordinal).await?;
    }
    task.work.record_receipt(&task.job.job(), ordinal, counted, task.context.budget()).await?;
    tracing::info!(file.ordinal = ordinal, landed.objects = totals.objects, "the file has landed");
    Ok(Unpacked::of(true, totals))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Promises 5 and 7: what was sent for an archive tells itself, short and masked; bytes that are no text do not.
    #[test]
    fn a_text_for_an_archive_says_its_first_line() {
        let line = |bytes: &[u8]| first_line(bytes);
        assert_eq!(
            line(b"\r\n  The file is being scanned\r\nx").as_deref(),
            Some("The file is being scanned")
        );
        assert_eq!(line("caf\u{e9}".as_bytes().get(..4).unwrap()).as_deref(), Some("caf"));
        let token = b"denied for eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl";
        assert_eq!(line(token).as_deref(), Some("denied for [redacted]"));
        assert_eq!(line(&[b'x'; 512]).map(|line| line.chars().count()), Some(120));
        for no_text in [&b""[..], b"\n \n", b"PK\x03\x04", b"a\x00b", b"\xff\xfe"] {
            assert_eq!(line(no_text), None, "{no_text:?}");
        }
    }
}
