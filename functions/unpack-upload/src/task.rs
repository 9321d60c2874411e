//! What is constant while one file is unpacked: where it comes from, what it lands as and where, and within what
//! bounds. What happens meanwhile is kept by those who do it.

use std::collections::HashSet;
use std::sync::Arc;

use jiff::Timestamp;
use landfall::context::{Context, Landing};
use landfall::export::ExportKind;
use landfall::job::{FileList, JobRecord, LandingPlace, StagedFile};
use landfall::observer::Tally;
use landfall::rows::{RowFormat, RowSettings};
use landfall::schema::KnownColumns;
use landfall::state::WorkState;
use landfall::{Error, Result, landed};
use landfall_store::ObjectWriter;
use landfall_zip::Member;

use crate::invocation::Invocation;
use crate::staged::StagedObject;
use crate::tables::SeenTables;
use crate::trigger::{MemberRange, UnpackFile};

/// One file to unpack.
pub(crate) struct Task<'a> {
    /// The process's clock, byte budget and observer.
    pub context: &'a Context,
    /// The time there is.
    pub invocation: Invocation<'a>,
    /// The work bucket.
    pub work: WorkState,
    /// The landing bucket, and the destination's limits and wishes.
    pub landing: Landing,
    /// The job, with the form that it lands in and the prefix that it lands below.
    pub job: JobRecord,
    /// The kind of what the job exports: it tells which files have rows that are counted.
    pub export: &'static dyn ExportKind,
    /// Which members are to land, where not all of the file is.
    pub range: Option<MemberRange>,
    /// Whether the file is better divided than landed, if that would take too long.
    pub may_divide: bool,
    /// The keys of what has landed of the file before, as its receipt says, and is gone since.
    pub gone: Option<HashSet<String>>,
    /// What this call reports.
    pub tally: Arc<Tally>,
    /// The tables that have been seen in what has landed of the file, where columns are looked at.
    pub tables: SeenTables,
    /// What is known of the columns before, where they are looked at.
    pub known: Arc<KnownColumns>,
    /// What is recorded of the staged file.
    pub file: StagedFile,
    /// The staged file itself.
    pub staged: StagedObject,
    place: LandingPlace,
    started_at: Timestamp,
}

impl<'a> Task<'a> {
    /// Finds the file of a job, which must have been fetched.
    pub(crate) async fn open(
        context: &'a Context,
        invocation: Invocation<'a>,
        work: WorkState,
        job: JobRecord,
        event: &UnpackFile,
        gone: Option<HashSet<String>>,
    ) -> Result<Self> {
        let UnpackFile { ordinal, members, fan_out: may_divide, .. } = *event;
        let range = members.filter(|_| gone.is_none());
        let landing = context.landing(&job.destination).await?;
        let id = job.job();
        let file = work.staged(&id, ordinal).await?;
        let place = landed::place(&work, &job, ordinal, file.as_ref()).await?;
        let (Some(file), Some(place)) = (file, place) else {
            return Err(not_staged(&files(&work, &job).await?, &job, ordinal));
        };
        let are_observed = landing.destination.observe_columns || job.export.declares_columns();
        let tables = SeenTables::new(are_observed, job.form);
        let known = match tables.are_looked_at() {
            true => known_columns(context, &work, &landing, &job).await?,
            false => KnownColumns::default(),
        };
        let started_at = context.clock().now();
        let staged = StagedObject::open(work.store(), &id, &file).await;
        let staged = staged.map_err(|error| while_unpacking(&file, error))?;
        Ok(Self {
            context,
            invocation,
            work,
            tables,
            known: Arc::new(known),
            landing,
            export: context.systems().kind(&job.export)?,
            job,
            range,
            may_divide,
            gone,
            tally: Arc::new(Tally::new(context.observer())),
            file,
            staged,
            place,
            started_at,
        })
    }

    /// How the rows of a file or member of this name are written, if it has rows.
    pub(crate) fn row_format(&self, name: &str) -> Option<RowFormat> {
        let settings = self.landing.destination.row_settings();
        let on_broken_record = self.job.export.on_broken_record().unwrap_or(settings.on_broken_record);
        self.export.row_format(name, RowSettings { on_broken_record, ..settings })
    }

    /// Whether a member is to land.
    pub(crate) fn covers(&self, member: &Member) -> bool {
        self.range.is_none_or(|range| (range.from..range.to).contains(&member.index()))
    }

    /// An error of this task.
    pub(crate) fn failed(&self, error: Error) -> Error {
        while_unpacking(&self.file, error)
    }

    /// The time now.
    pub(crate) fn now(&self) -> Timestamp {
        self.context.clock().now()
    }

    /// How many seconds of an invocation this file has had, where another invocation would not have more.
    pub(crate) fn seconds_of_a_whole_invocation(&self) -> Option<u64> {
        self.invocation.seconds_if_all_of_it(self.started_at, self.now())
    }

    /// That an invocation's time is not enough, if this file had all of it: what is too slow, and at which speed.
    pub(crate) fn ensure_had_less_than_an_invocation(&self, what: impl FnOnce(u64) -> String) -> Result<()> {
        let Some(seconds) = self.seconds_of_a_whole_invocation() else { return Ok(()) };
        let speed = self.staged.streamed_bytes() / 1000 / seconds.max(1);
        Err(Error::limit_exceeded(format!(
            "{}; what is staged came at {speed} KB/s: give unpack-upload more time (its Timeout), or more memory, which \
             brings more network and processor",
            what(seconds)
        )))
    }

    /// The key that the file lands under where it is not an archive, without a form's suffix.
    pub(crate) fn file_key(&self) -> String {
        format!("{}{}", self.job.landing_prefix, self.place.file)
    }

    /// The prefix that an archive's members land below, and nothing else.
    pub(crate) fn folder(&self) -> String {
        format!("{}{}", self.job.landing_prefix, self.place.folder)
    }

    /// The key that a member lands under in the job's form.
    pub(crate) fn member_key(&self, name: &str) -> String {
        format!("{}{}", self.member_key_as_it_is(name), self.job.form.name().suffix())
    }

    /// The key that a member lands under as it is.
    pub(crate) fn member_key_as_it_is(&self, name: &str) -> String {
        format!("{}{name}", self.folder())
    }

    /// Writes an object of at most so many bytes to the landing bucket.
    pub(crate) fn writer(&self, key: &str, max_bytes: u64) -> ObjectWriter {
        ObjectWriter::new(&self.landing.store, key, self.context.budget(), Some(max_bytes))
    }
}

async fn files(work: &WorkState, job: &JobRecord) -> Result<FileList> {
    work.files(&job.job()).await?.ok_or_else(|| {
        Error::not_found(format!(
            "the output files of {} have not been listed: call fetch-files first",
            job.job()
        ))
    })
}

/// That a file is not staged, in words that say what is to be done.
fn not_staged(files: &FileList, job: &JobRecord, ordinal: u32) -> Error {
    let job = job.job();
    match files.files.iter().any(|file| file.ordinal == ordinal) {
        true => {
            Error::not_found(format!("file {ordinal} of {job} has not been fetched: call fetch-files first"))
        }
        false => Error::not_found(format!(
            "{job} has {} output files, and none with ordinal {ordinal}",
            files.files.len()
        )),
    }
}

/// What is known of the columns: by the version of the schema that the job's list of files names, where types are written
/// by it; and otherwise by the newest, which only says of a value that it does not fit.
async fn known_columns(
    context: &Context,
    work: &WorkState,
    landing: &Landing,
    job: &JobRecord,
) -> Result<KnownColumns> {
    let files = files(work, job).await?;
    let version = match files.schema_version {
        Some(number) => Some(context.kept_schema(job, number).await?),
        None if job.form.is_for_tables() => None,
        None => work.newest_schema(&job.connection, &context.export_path(&job.export)).await?,
    };
    let settings = job.export.tables()?;
    let rule = settings.on_schema_change.or(landing.destination.on_schema_change);
    let tables = version.map(|version| version.tables).unwrap_or_default();
    Ok(KnownColumns::of(tables, settings.columns, files.columns, rule))
}

fn while_unpacking(file: &StagedFile, error: Error) -> Error {
    error.while_doing(format_args!("unpacking {}", file.name))
}
