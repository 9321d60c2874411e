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
//!
//! An archive that one invocation would land too slowly is divided into ranges of members, if the caller says that
//! it lands them by calls of their own. What those have landed is noted in checkpoints too: a call for all of the
//! archive goes on from there, and lands what is missing, if anything is.

mod archive;
mod attempt;
mod batch;
mod checkpoint;
mod content;
mod file;
mod form;
mod lots;
mod member;
mod parts;
mod pipe;
mod plan;
mod staged;
mod trigger;

use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;
use landfall::archive::{Directory, Kind, sniff};
use landfall::clock::{Deadline, elapsed};
use landfall::context::{Context, Landing};
use landfall::event::FileEvent;
use landfall::form::JobForm;
use landfall::job::{JobRecord, LandedObject, StagedFile, Totals};
use landfall::metrics::Measured;
use landfall::store::keys::{self, LandingPlace};
use landfall::store::{WorkState, may_be_of_parts};
use landfall::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use checkpoint::Checkpoint;
pub use plan::MemberRange;
use staged::StagedObject;
use trigger::Asked;
pub use trigger::{Trigger, UnpackEvent, UnpackFile};

/// What is left of the invocation when nothing is begun any more, and what is under way is left to the next.
const MARGIN: Duration = Duration::from_secs(10);

/// What has landed of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Unpacked {
    /// Whether all of the file, or of the range that was asked for, has landed.
    pub complete: bool,
    /// What has landed of it.
    #[serde(flatten)]
    pub totals: Totals,
    /// The ranges to be landed by calls of their own; then the file is asked for once more. Only where `fan_out` was
    /// asked for.
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
    let invoked_at = context.clock().now();
    for file in event.files()? {
        let one = Box::pin(unpack_since(invoked_at, context, file, deadline)).await?;
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
    unpack_since(context.clock().now(), context, event, deadline).await
}

async fn unpack_since(
    invoked_at: Timestamp,
    context: &Context,
    event: UnpackFile,
    deadline: &Deadline,
) -> Result<Unpacked> {
    let asked = event.asked()?;
    let job = context.job(&event.job_event()).await?;
    let work = context.work().await?;
    if let Some(landed) = work.landed(&job.job(), event.ordinal).await? {
        return Ok(Unpacked::of(true, landed));
    }

    let landing = context.landing(&job.destination).await?;
    let (staged, place) = staged_file(&work, &job, event.ordinal).await?;
    let name = staged.name.clone();
    let started_at = context.clock().now();
    let began_late = elapsed(invoked_at, started_at) >= MARGIN;
    let halt = CancellationToken::new();
    let unpack =
        Unpack { context, work, landing, job, staged, place, deadline, started_at, began_late, halt };
    let landed = Box::pin(unpack.land(asked))
        .await
        .map_err(|error| error.while_doing(format_args!("unpacking {name}")))?;

    match landed {
        Landed::Whole(objects) => {
            unpack.abort_leftovers(&objects).await?;
            let (job, budget) = (unpack.job.job(), context.budget());
            let mut totals = Totals::default();
            let told = objects.tell(&unpack).inspect(|object| totals.add(object));
            unpack.work.record_receipt(&job, event.ordinal, told, budget).await?;
            tracing::info!(
                file.ordinal = event.ordinal,
                landed.objects = totals.objects,
                "the file has landed"
            );
            Ok(Unpacked::of(true, totals))
        }
        Landed::InPart { complete, totals } => Ok(Unpacked::of(complete, totals)),
        Landed::Divided(ranges) => Ok(Unpacked { ranges, ..Unpacked::of(false, Totals::default()) }),
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
    /// Whether other files have taken of the invocation's time.
    began_late: bool,
    /// Cancelled when nothing more of the file is to land.
    halt: CancellationToken,
}

/// How far a file came.
enum Landed {
    /// All of it has landed.
    Whole(Box<Objects>),
    /// Not all of it has: a part, or all of the range that was asked for.
    InPart { complete: bool, totals: Totals },
    /// Nothing was landed: these ranges are to be asked for.
    Divided(Vec<MemberRange>),
}

/// What has landed of a file.
enum Objects {
    /// The file itself.
    File(LandedObject),
    /// The members of an archive, of which there may be so many that each is told when it is asked for.
    Members { directory: Directory, checkpoint: Checkpoint },
}

impl Objects {
    /// The objects, in the archive's order.
    fn tell<'a>(&'a self, unpack: &'a Unpack<'_>) -> Box<dyn Iterator<Item = LandedObject> + Send + 'a> {
        match self {
            Self::File(object) => Box::new(std::iter::once(object.clone())),
            Self::Members { directory, checkpoint } => {
                Box::new(checkpoint.objects(unpack, directory.files()))
            }
        }
    }
}

impl Unpack<'_> {
    async fn land(&self, asked: Asked) -> Result<Landed> {
        let object = StagedObject::open(self.work.store(), &self.job.job(), &self.staged).await?;
        match sniff(&object.first_bytes().await?) {
            Kind::Zip | Kind::EmptyZip => archive::land(self, object, asked).await,
            Kind::HtmlPage if !is_named(&self.staged.name, &[".html", ".htm"]) => {
                Err(Error::contract_broken(format!(
                    "{} is a web page, a login form perhaps, where a file should be",
                    self.staged.name
                )))
            }
            // An archive may have something before its first member, and a damaged one anything: its directory tells.
            Kind::Other if is_named(&self.staged.name, &[".zip"]) => archive::land(self, object, asked).await,
            _ if matches!(asked, Asked::Range(_)) => Err(Error::invalid_event(format!(
                "{} is not an archive: it has no members",
                self.staged.name
            ))),
            Kind::Gzip | Kind::Zstd => file::land(self, object, JobForm::Raw).await,
            Kind::HtmlPage | Kind::Other => file::land(self, object, self.job.form).await,
        }
    }

    /// Whether nothing is to be begun any more.
    fn is_over(&self) -> bool {
        self.halt.is_cancelled() || self.deadline.is_within(MARGIN)
    }

    /// How many seconds of an invocation this file has had, where another invocation would not have more.
    fn seconds_of_a_whole_invocation(&self) -> Option<u64> {
        let spent = elapsed(self.started_at, self.context.clock().now());
        (!self.began_late && spent >= MARGIN).then_some(spent.as_secs())
    }

    /// Returns once what is under way is to be left as it is: for the next invocation, or for good.
    async fn over(&self, halt: &CancellationToken) {
        tokio::select! {
            () = halt.cancelled() => {}
            () = self.deadline.wait_until_within(MARGIN) => {}
        }
    }

    /// The prefix that an archive's members land below, and nothing else.
    fn folder(&self) -> String {
        format!("{}{}", self.job.landing_prefix, self.place.folder)
    }

    /// Aborts the uploads that invocations before this one have left of what has landed by now.
    async fn abort_leftovers(&self, landed: &Objects) -> Result<()> {
        let in_parts = landed.tell(self).filter(|object| may_be_of_parts(object.size));
        let in_parts: HashSet<String> = in_parts.map(|object| object.key).collect();
        if in_parts.is_empty() {
            return Ok(());
        }
        let prefix = match landed {
            Objects::File(object) => object.key.clone(),
            Objects::Members { .. } => self.folder(),
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

fn is_named(name: &str, suffixes: &[&str]) -> bool {
    let name = name.to_ascii_lowercase();
    suffixes.iter().any(|suffix| name.ends_with(suffix))
}
