//! Unpacks one staged file into the landing bucket.
//!
//! The story: a receipt that is there is the answer. Otherwise the staged file's first bytes say what it is. An
//! archive is checked as a whole before any of its bytes land; then its members are streamed, several at once, each
//! visible only once its size and CRC-32 hold, in the form that the job was begun with. What is not an archive is
//! copied inside the store, or lands in that form too; what is compressed already lands as it is. Unfinished uploads
//! that dead invocations have left of it are aborted. The receipt, written last, names what has landed.
//!
//! When the invocation's deadline comes near, the answer is `complete: false`: what has landed is noted in a
//! checkpoint, and the next call goes on behind it.

mod archive;
mod batch;
mod checkpoint;
mod content;
mod file;
mod form;
mod lots;
mod member;
mod parts;
mod pipe;
mod staged;
mod trigger;

use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;
use landfall::archive::{Kind, sniff};
use landfall::clock::Deadline;
use landfall::context::{Context, Landing};
use landfall::event::FileEvent;
use landfall::form::JobForm;
use landfall::job::{JobRecord, LandedObject, Receipt, StagedFile, Totals};
use landfall::store::keys::{self, LandingPlace};
use landfall::store::{WorkState, may_be_of_parts};
use landfall::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use staged::StagedObject;
pub use trigger::{Trigger, UnpackEvent};

/// What is left of the invocation when nothing is begun any more, and what is under way is left to the next.
const MARGIN: Duration = Duration::from_secs(10);

/// What has landed of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Unpacked {
    /// Whether all of the file has landed.
    pub complete: bool,
    /// What has landed of it.
    #[serde(flatten)]
    pub totals: Totals,
}

/// Unpacks the staged file that the event names, or goes on with it.
pub async fn unpack_upload(context: &Context, event: UnpackEvent, deadline: &Deadline) -> Result<Unpacked> {
    let mut unpacked = Unpacked { complete: true, totals: Totals::default() };
    for file in event.files()? {
        let one = unpack_file(context, file, deadline).await?;
        unpacked.complete &= one.complete;
        unpacked.totals.add_all(&one.totals);
    }
    Ok(unpacked)
}

/// Unpacks one staged file, or goes on with it.
pub async fn unpack_file(context: &Context, event: FileEvent, deadline: &Deadline) -> Result<Unpacked> {
    let job = context.job(&event.job_event()).await?;
    let work = context.work().await?;
    if let Some(receipt) = work.receipt(&job.job(), event.ordinal).await? {
        return Ok(whole(&receipt.objects));
    }

    let landing = context.landing(&job.destination).await?;
    let (staged, place) = staged_file(&work, &job, event.ordinal).await?;
    let name = staged.name.clone();
    let started_at = context.clock().now();
    let unpack = Unpack {
        context,
        work,
        landing,
        job,
        staged,
        place,
        deadline,
        started_at,
        halt: CancellationToken::new(),
    };
    let landed = unpack.land().await.map_err(|error| error.while_doing(format_args!("unpacking {name}")))?;

    match landed {
        Landed::Whole(objects) => {
            unpack.abort_leftovers(&objects).await?;
            let receipt = Receipt { ordinal: event.ordinal, objects };
            let receipt = unpack.work.record_receipt(&unpack.job.job(), receipt).await?;
            tracing::info!(
                file.ordinal = event.ordinal,
                landed.objects = receipt.objects.len(),
                "the file has landed"
            );
            Ok(whole(&receipt.objects))
        }
        Landed::InPart(totals) => Ok(Unpacked { complete: false, totals }),
    }
}

/// What the unpacking of one file is about.
struct Unpack<'a> {
    context: &'a Context,
    work: WorkState,
    landing: Landing,
    job: JobRecord,
    staged: StagedFile,
    place: LandingPlace,
    deadline: &'a Deadline,
    started_at: Timestamp,
    /// Cancelled when nothing more of the file is to land.
    halt: CancellationToken,
}

/// How far a file came.
enum Landed {
    Whole(Vec<LandedObject>),
    InPart(Totals),
}

impl Unpack<'_> {
    async fn land(&self) -> Result<Landed> {
        let object = StagedObject::open(self.work.store(), &self.job.job(), &self.staged).await?;
        match sniff(&object.first_bytes().await?) {
            Kind::Zip | Kind::EmptyZip => archive::land(self, object).await,
            Kind::HtmlPage if !is_named(&self.staged.name, &[".html", ".htm"]) => {
                Err(Error::contract_broken(format!(
                    "{} is a web page, a login form perhaps, where a file should be",
                    self.staged.name
                )))
            }
            // An archive may have something before its first member, and a damaged one anything: its directory tells.
            Kind::Other if is_named(&self.staged.name, &[".zip"]) => archive::land(self, object).await,
            Kind::Gzip | Kind::Zstd => file::land(self, object, JobForm::Raw).await,
            Kind::HtmlPage | Kind::Other => file::land(self, object, self.job.form).await,
        }
    }

    /// Whether nothing is to be begun any more.
    fn is_over(&self) -> bool {
        self.halt.is_cancelled() || self.deadline.is_within(MARGIN)
    }

    /// Returns once what is under way is to be left as it is: for the next invocation, or for good.
    async fn over(&self, halt: &CancellationToken) {
        tokio::select! {
            () = halt.cancelled() => {}
            () = self.deadline.wait_until_within(MARGIN) => {}
        }
    }

    /// Aborts the uploads that invocations before this one have left of what has landed by now.
    async fn abort_leftovers(&self, landed: &[LandedObject]) -> Result<()> {
        let in_parts = landed.iter().filter(|object| may_be_of_parts(object.size));
        let in_parts: HashSet<&str> = in_parts.map(|object| object.key.as_str()).collect();
        if in_parts.is_empty() {
            return Ok(());
        }
        let prefix = match landed {
            [whole] if whole.member.is_none() => whole.key.clone(),
            _ => format!("{}{}", self.job.landing_prefix, self.place.folder),
        };
        Ok(self.landing.store.abort_uploads(&prefix, |key| in_parts.contains(key)).await?)
    }
}

async fn staged_file(work: &WorkState, job: &JobRecord, ordinal: u32) -> Result<(StagedFile, LandingPlace)> {
    let form = job.form.name();
    let job = job.job();
    let files = work.files(&job).await?;
    let files = files.ok_or_else(|| {
        Error::not_found(format!("the output files of {job} have not been listed: call fetch-files first"))
    })?;
    let place = usize::try_from(ordinal)
        .ok()
        .and_then(|at| keys::landing_places(&files.files, form).into_iter().nth(at));
    let place = place.ok_or_else(|| {
        Error::not_found(format!(
            "{job} has {} output files, so none with ordinal {ordinal}",
            files.files.len()
        ))
    })?;
    let staged = work.staged(&job, ordinal).await?;
    let staged = staged.ok_or_else(|| {
        Error::not_found(format!("file {ordinal} of {job} has not been fetched: call fetch-files first"))
    })?;
    Ok((staged, place))
}

fn whole(objects: &[LandedObject]) -> Unpacked {
    let mut totals = Totals::default();
    objects.iter().for_each(|object| totals.add(object));
    Unpacked { complete: true, totals }
}

fn is_named(name: &str, suffixes: &[&str]) -> bool {
    let name = name.to_ascii_lowercase();
    suffixes.iter().any(|suffix| name.ends_with(suffix))
}
