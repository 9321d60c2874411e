//! What the work bucket knows of runs and jobs: read, never written, and without asking any source.
//!
//! The story: a job's state follows from which of its objects there are, and from whether its manifest is in the
//! landing bucket. What a source has not been asked yet, nobody knows here: a job that has failed there counts as
//! submitted until a step sees it. What a step has failed over is kept with the run or the job, and told until that is
//! past.

mod failed;
mod text;
mod view;

use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use indicatif::HumanBytes;
use jiff::Timestamp;
use landfall::export::Export;
use landfall::job::{
    ConnectionName, ExportName, Failure, FileList, JobRecord, JobRef, JobState, RunKey, Totals,
};
use landfall::state::{JobObjects, RunRecord, WorkState, keys};
use landfall::step::Step;
use landfall::{Error, Result};
use landfall_systems::SYSTEMS;

use crate::arguments::{LocalOptions, Status};
use crate::failure::Failure as CommandFailure;
use crate::machine::LocalRuntime;
use crate::report::Report;
use crate::{sweep, unpack};
pub(crate) use text::state as in_words;
pub(crate) use view::{Details, JobView, Manifest, Next, State};

/// How many runs or jobs are looked at at once.
const AT_ONCE: usize = 8;

/// So many lines are aligned with each other, and in memory.
const LINES_AT_ONCE: usize = 500;

/// Shows what the arguments ask for.
pub(crate) async fn show(
    machine: &LocalRuntime,
    arguments: &Status,
    report: &mut Report<'_>,
) -> Result<(), CommandFailure> {
    let survey = Survey::of(machine, arguments).await?;
    let now = survey.now;
    match (&arguments.connection, &arguments.job_request_id) {
        (Some(connection), Some(id)) => {
            let job = JobRef { connection: connection.clone(), job_request_id: id.clone() };
            let view = survey.job(&job).await?;
            let is_known = machine.names_connections() || SYSTEMS.built_in(&view.connection).is_some();
            report.view(&view, || text::details(&view, now, is_known))
        }
        (Some(connection), None) => match show_connection(&survey, connection, report).await? {
            0 => report.words(&format!("no {}runs or jobs of connection {connection}\n", survey.such())),
            _ => Ok(()),
        },
        (None, _) => {
            let mut shown = 0;
            for connection in survey.work.connections().await.map_err(Error::from)? {
                shown += show_connection(&survey, &connection, report).await?;
            }
            match shown {
                0 => report.words(&format!("no {}runs or jobs\n", survey.such())),
                _ => Ok(()),
            }
        }
    }
}

/// What is known of one job.
pub(crate) async fn of_job(machine: &LocalRuntime, options: &LocalOptions, job: &JobRef) -> Result<JobView> {
    let arguments = all(options);
    Survey::of(machine, &arguments).await?.job(job).await
}

/// Tells of all runs and jobs, one by one.
pub(crate) async fn each(
    machine: &LocalRuntime,
    options: &LocalOptions,
    mut tell: impl FnMut(JobView),
) -> Result<()> {
    let arguments = all(options);
    let survey = Survey::of(machine, &arguments).await?;
    for connection in survey.work.connections().await? {
        let mut views = survey.views(&connection);
        while let Some(view) = views.try_next().await? {
            tell(view);
        }
    }
    Ok(())
}

/// The arguments that leave nothing out.
fn all(options: &LocalOptions) -> Status {
    Status {
        connection: None,
        job_request_id: None,
        exports: Vec::new(),
        states: Vec::new(),
        since: None,
        machine: options.clone(),
    }
}

/// Shows that there are no runs: the folder that would hold them is not there.
pub(crate) fn show_nothing(arguments: &Status, report: &mut Report<'_>) -> Result<(), CommandFailure> {
    let data = arguments.machine.data.display();
    match (&arguments.connection, &arguments.job_request_id) {
        (Some(connection), Some(id)) => {
            let job = JobRef { connection: connection.clone(), job_request_id: id.clone() };
            Err(unknown(&job, &format!("in {data}")).into())
        }
        _ => report.words(&format!("nothing has run with --data {data}\n")),
    }
}

/// Shows a connection's runs and jobs, and returns how many there are.
async fn show_connection(
    survey: &Survey<'_>,
    connection: &ConnectionName,
    report: &mut Report<'_>,
) -> Result<usize, CommandFailure> {
    let mut shown = 0;
    let views = survey.views(connection).try_filter(|view| std::future::ready(survey.is_asked_for(view)));
    let mut chunks = views.try_chunks(LINES_AT_ONCE);
    while let Some(views) = chunks.try_next().await.map_err(|error| error.1)? {
        let title = (shown == 0).then_some(connection);
        report.views(&views, || text::table(title, &views, survey.now, text::columns()))?;
        shown += views.len();
    }
    Ok(shown)
}

/// The work bucket, looked at.
struct Survey<'a> {
    machine: &'a LocalRuntime,
    arguments: &'a Status,
    work: WorkState,
    now: Timestamp,
    /// The options that a command needs to work with the same buckets.
    options: String,
}

impl<'a> Survey<'a> {
    async fn of(machine: &'a LocalRuntime, arguments: &'a Status) -> Result<Self> {
        let (work, now) = (machine.context().work().await?, machine.context().clock().now());
        Ok(Self { machine, arguments, work, now, options: arguments.machine.as_options() })
    }

    fn is_asked_for(&self, view: &JobView) -> bool {
        let Status { exports, states, since, .. } = self.arguments;
        (exports.is_empty() || exports.contains(&view.export.name))
            && (states.is_empty() || states.contains(&view.state))
            && since.is_none_or(|since| view.since >= since)
    }

    /// What those are that are shown, in words, where it is not all.
    fn such(&self) -> &'static str {
        let Status { exports, states, since, .. } = self.arguments;
        if exports.is_empty() && states.is_empty() && since.is_none() { "" } else { "such " }
    }

    /// A connection's runs that have no job, then its jobs.
    fn views<'s>(&'s self, connection: &'s ConnectionName) -> BoxStream<'s, Result<JobView>> {
        let runs = self.work.runs(connection).map_err(Error::from);
        let runs = runs.map_ok(move |run_key| self.run(connection, run_key)).try_buffered(AT_ONCE);
        let failed = self.work.failed_runs(connection).map_err(Error::from);
        let failed = failed.map_ok(move |run_key| self.failed_run(connection, run_key)).try_buffered(AT_ONCE);
        let jobs = self.work.jobs(connection).map_err(Error::from);
        let jobs = jobs.map_ok(move |objects| self.kept_job(objects)).try_buffered(AT_ONCE);
        runs.chain(failed).chain(jobs).try_filter_map(async |view| Ok(view)).boxed()
    }

    /// A run; `None` where its job says more.
    async fn run(&self, connection: &ConnectionName, run_key: RunKey) -> Result<Option<JobView>> {
        let Some((run, _)) = self.work.run(connection, &run_key).await? else { return Ok(None) };
        if let Some(id) = &run.job_request_id {
            let job = JobRef { connection: connection.clone(), job_request_id: id.clone() };
            if self.work.store().head(&keys::job_record(&job)).await?.is_some() {
                return Ok(None);
            }
        }
        let failed = match run.job_request_id {
            Some(_) => None,
            None => self.work.failed_run(connection, &run_key).await?,
        };
        // Whoever has claimed it since is at work on it.
        let failure = failed.map(|failed| failed.failure).filter(|failure| failure.last >= run.claimed_at);
        Ok(Some(self.view_of_run(connection, run_key, run, failure)))
    }

    /// A run that has failed before it was claimed; `None` where its record says more.
    async fn failed_run(&self, connection: &ConnectionName, run_key: RunKey) -> Result<Option<JobView>> {
        let Some(failed) = self.work.failed_run(connection, &run_key).await? else { return Ok(None) };
        if self.work.run(connection, &run_key).await?.is_some() {
            return Ok(None);
        }
        let unnamed = || ExportName { kind: "-".to_owned(), name: "-".to_owned() };
        Ok(Some(JobView {
            connection: connection.clone(),
            run_key: Some(run_key),
            next: Some(self.next_of_failed_run(&failed.failure)),
            job_request_id: None,
            state: failed::state(&failed.failure, State::Released, self.now),
            reached: State::Released,
            export: failed.export.unwrap_or_else(unnamed),
            destination: failed.destination,
            since: failed.failure.since,
            files: None,
            fetched: 0,
            unpacked: 0,
            manifest: None,
            landing_unknown: None,
            outage: None,
            failure: Some(failed.failure),
            notice: None,
            details: None,
        }))
    }

    fn view_of_run(
        &self,
        connection: &ConnectionName,
        run_key: RunKey,
        run: RunRecord,
        failure: Option<Failure>,
    ) -> JobView {
        let reached = match (&run.job_request_id, run.released) {
            (Some(_), _) => State::Expired,
            (None, true) => State::Released,
            (None, false) => State::Claimed,
        };
        let (state, next) = match (run.unsettled, &failure) {
            (Some(why), _) => (State::NeedsPerson, Some(next_of_unsettled(&why, &self.options))),
            (None, Some(failure)) => {
                (failed::state(failure, reached, self.now), Some(self.next_of_failed_run(failure)))
            }
            (None, None) => (reached, next_of_run(reached, &self.options)),
        };
        JobView {
            connection: connection.clone(),
            run_key: Some(run_key),
            next,
            job_request_id: run.job_request_id,
            state,
            reached,
            export: exported(&run.export),
            destination: Some(run.destination),
            since: run.claimed_at,
            files: None,
            fetched: 0,
            unpacked: 0,
            manifest: None,
            landing_unknown: None,
            outage: None,
            failure,
            notice: None,
            details: None,
        }
    }

    /// A job; `None` if what is there of it is not a job's.
    async fn kept_job(&self, objects: JobObjects) -> Result<Option<JobView>> {
        let Some(record) = self.work.job(&objects.job).await? else { return Ok(None) };
        Ok(Some(self.view_of_job(&record, &objects).await?.0))
    }

    /// One job, with all that is known of it.
    async fn job(&self, job: &JobRef) -> Result<JobView> {
        let record = self.work.job(job).await?;
        let record = record.ok_or_else(|| {
            unknown(job, &format!("in {}", self.work.store().object("").trim_end_matches('/')))
        })?;
        let objects = self.work.job_objects(job).await?;
        let (mut view, files) = self.view_of_job(&record, &objects).await?;
        let files = match files {
            None if objects.has_files => self.work.files(job).await?,
            files => files,
        };
        view.details = Some(self.details(&record, &objects, files.as_ref()).await?);
        Ok(view)
    }

    /// How far a job is, and its list of files if that had to be read for it.
    async fn view_of_job(
        &self,
        record: &JobRecord,
        objects: &JobObjects,
    ) -> Result<(JobView, Option<FileList>)> {
        let (manifest, landing_unknown) = match self.manifest(record).await {
            Ok(manifest) => (Some(manifest), None),
            Err(error) if error.retryable() => return Err(error),
            Err(error) => (None, Some(error.line())),
        };
        let has_landed = manifest.as_ref().is_some_and(|manifest| manifest.is_there);
        let list = match objects.has_files && !has_landed {
            true => self.work.files(&objects.job).await?,
            false => None,
        };
        let files = match &list {
            None if has_landed => Some(objects.unpacked.len()),
            list => list.as_ref().map(|list| list.files.len()),
        };
        let reached = match has_landed {
            true => State::Landed,
            false => state(objects, files),
        };
        let failure = record
            .failure
            .as_deref()
            .cloned()
            .filter(|failure| !has_landed && !failed::is_past(failure, objects));
        let next = self.next_of_job(reached, record, objects, files);
        let (state, next) = match &failure {
            // Nothing is to be done about such a job itself.
            Some(_) if next.as_ref().is_some_and(|next| next.step == Step::Sweep.name()) => (reached, next),
            Some(failure) => {
                (failed::state(failure, reached, self.now), Some(self.next_of_failed_job(failure, record)))
            }
            None if record.outage.is_some() && !has_landed => (State::WaitingForSource, next),
            None if has_landed && self.is_partial(objects).await? => (State::LandedPartly, next),
            None => (reached, next),
        };
        let view = JobView {
            connection: record.connection.clone(),
            run_key: record.run_key.clone(),
            job_request_id: Some(record.job_request_id.clone()),
            state,
            reached,
            export: exported(&record.export),
            destination: Some(record.destination.clone()),
            since: record.since,
            files,
            fetched: objects.staged.len(),
            unpacked: objects.unpacked.len(),
            manifest,
            landing_unknown,
            outage: record.outage.clone(),
            failure,
            next,
            notice: record.notice.as_deref().cloned(),
            details: None,
        };
        Ok((view, list))
    }

    /// Whether a job's source has finished it with warnings.
    async fn is_partial(&self, objects: &JobObjects) -> Result<bool> {
        let outcome = match objects.has_outcome {
            true => self.work.outcome(&objects.job).await?,
            false => None,
        };
        Ok(outcome.is_some_and(|outcome| outcome.state == JobState::Partial))
    }

    async fn manifest(&self, record: &JobRecord) -> Result<Manifest> {
        let landing = self.machine.context().landing(&record.destination).await?;
        let key = keys::manifest(&record.landing_prefix);
        let is_there = landing.store.head(&key).await?.is_some();
        let path = self.machine.file_of(&record.destination, &key).await?;
        let path = path.map(|path| path.display().to_string());
        let (bucket, object) = (landing.store.bucket().to_owned(), landing.store.object(&key));
        Ok(Manifest { is_there, bucket, object, key, path })
    }

    async fn details(
        &self,
        record: &JobRecord,
        objects: &JobObjects,
        files: Option<&FileList>,
    ) -> Result<Details> {
        let job = &objects.job;
        let staged = stream::iter(objects.staged.iter().copied());
        let staged = staged.map(|ordinal| self.work.staged(job, ordinal)).buffered(AT_ONCE);
        let fetched_bytes = staged.try_fold(0u64, async |sum, staged| {
            Ok(sum.saturating_add(staged.map_or(0, |staged| staged.size)))
        });
        let fetched_bytes = fetched_bytes.await?;
        let mut landed = Totals::default();
        for &ordinal in &objects.unpacked {
            let of_file = self.work.landed(job, ordinal).await?;
            of_file.iter().for_each(|of_file| landed.add_all(of_file));
        }
        Ok(Details {
            outcome: self.work.outcome(job).await?,
            listed_bytes: files.and_then(|files| files.files.iter().map(|file| file.size).sum()),
            fetched_bytes,
            landed,
            checkpoints: objects.checkpoints,
            unfinished_uploads: self.unfinished_uploads(record).await?,
            claimed_since: self.claimed_since(record).await?,
        })
    }

    async fn unfinished_uploads(&self, record: &JobRecord) -> Result<Option<usize>> {
        let staged = self.work.store().list_uploads(&keys::job(&record.job())).await?;
        let landing = async {
            let landing = self.machine.context().landing(&record.destination).await?;
            Ok::<_, Error>(landing.store.list_uploads(&record.landing_prefix).await?)
        };
        match landing.await {
            Ok(landing) => Ok(Some(staged.len() + landing.len())),
            Err(error) if error.retryable() => Err(error),
            Err(_) => Ok(None),
        }
    }

    async fn claimed_since(&self, record: &JobRecord) -> Result<Option<Timestamp>> {
        let Some(run_key) = &record.run_key else { return Ok(None) };
        let run = self.work.run(&record.connection, run_key).await?;
        Ok(run.filter(|(run, _)| run.job_request_id.is_none()).map(|(run, _)| run.claimed_at))
    }

    fn next_of_job(
        &self,
        state: State,
        record: &JobRecord,
        objects: &JobObjects,
        files: Option<usize>,
    ) -> Option<Next> {
        let nth = |done: &std::collections::BTreeSet<u32>| {
            let first_missing = (0u32..).find(|ordinal| !done.contains(ordinal)).unwrap_or_default();
            format!("file {} of {}", u64::from(first_missing) + 1, files.unwrap_or_default())
        };
        let (step, what) = match state {
            State::Submitted => ("poll-status", "ask the source whether it has ended".to_owned()),
            State::Ended => ("fetch-files", "list its output files".to_owned()),
            State::Listed | State::Fetching => ("fetch-files", format!("fetch {}", nth(&objects.staged))),
            State::Fetched | State::Unpacking => {
                ("unpack-upload", format!("unpack {}", nth(&objects.unpacked)))
            }
            State::Unpacked => ("publish", "publish the manifest".to_owned()),
            State::Landed if record.is_to_be_told() => {
                ("fetch-files", "tell the source that the job has landed".to_owned())
            }
            State::Landed if self.machine.keeps_state() && objects.bodies + objects.checkpoints > 0 => {
                let bytes = HumanBytes(objects.body_bytes);
                ("tidy", format!("delete {bytes} of staged files that are no longer needed"))
            }
            _ => return None,
        };
        if SYSTEMS.spec(&record.export).is_ok_and(|export| export.recurs()) {
            let JobRecord { connection, export, destination, since, .. } = record;
            let export = SYSTEMS.name(export);
            return Some(Next {
                step: "sweep",
                what: "land its occurrences, which are jobs of their own".to_owned(),
                command: sweep::command(connection, &export, destination, *since, &self.options),
            });
        }
        Some(Next { step, what, command: self.resume(record) })
    }

    fn next_of_failed_job(&self, failure: &Failure, record: &JobRecord) -> Next {
        let anew = match record.connection.as_str() == unpack::LOCAL {
            true => format!("landfall unpack FILE{}", self.options),
            false => self.start_by_event(),
        };
        failed::next(failure, self.now, &self.resume(record), &anew)
    }

    fn next_of_failed_run(&self, failure: &Failure) -> Next {
        failed::next(failure, self.now, &self.start_by_event(), &self.start_by_event())
    }

    fn resume(&self, record: &JobRecord) -> String {
        format!("landfall resume {} {}{}", record.connection, record.job_request_id, self.options)
    }

    fn start_by_event(&self) -> String {
        format!("landfall run EVENT{}", self.options)
    }
}

fn next_of_run(state: State, options: &str) -> Option<Next> {
    let what = match state {
        State::Claimed => "ask the source for the run's job, and submit it if there is none",
        State::Released => "submit the run's job",
        _ => return None,
    };
    Some(Next { step: "submit", what: what.to_owned(), command: format!("landfall run EVENT{options}") })
}

/// What only a person can find out.
fn next_of_unsettled(why: &str, options: &str) -> Next {
    Next {
        step: "submit",
        what: format!("check whether the run has a job at the source ({why})"),
        command: format!("landfall run EVENT{options} --job ID, or --no-job"),
    }
}

/// How far a job without a manifest is.
fn state(objects: &JobObjects, files: Option<usize>) -> State {
    let (fetched, unpacked) = (objects.staged.len(), objects.unpacked.len());
    match files {
        None if objects.has_outcome => State::Ended,
        None => State::Submitted,
        Some(files) if fetched < files => match fetched == 0 && objects.checkpoints == 0 {
            true => State::Listed,
            false => State::Fetching,
        },
        Some(files) if unpacked < files => match unpacked == 0 {
            true => State::Fetched,
            false => State::Unpacking,
        },
        Some(_) => State::Unpacked,
    }
}

fn exported(export: &Export) -> ExportName {
    ExportName { kind: export.kind().to_owned(), name: SYSTEMS.name(export) }
}

fn unknown(job: &JobRef, place: &str) -> Error {
    Error::not_found(format!(
        "{job} is not known {place}: `landfall status {}` lists the known jobs; to land a job that was submitted \
         elsewhere, use `landfall resume` with --destination",
        job.connection
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objects(outcome: bool, staged: u32, unpacked: u32, checkpoints: u64) -> JobObjects {
        JobObjects {
            job: JobRef { connection: "pod".parse().unwrap(), job_request_id: "7".parse().unwrap() },
            has_record: true,
            has_outcome: outcome,
            has_files: false,
            staged: (0..staged).collect(),
            unpacked: (0..unpacked).collect(),
            bodies: 0,
            body_bytes: 0,
            unpacking: std::collections::BTreeSet::new(),
            checkpoints,
        }
    }

    /// A job is as far as the first thing that is missing of it, whatever else is there.
    #[test]
    fn a_job_is_as_far_as_what_is_missing_first() {
        assert_eq!(state(&objects(false, 0, 0, 0), None), State::Submitted);
        assert_eq!(state(&objects(true, 0, 0, 0), None), State::Ended);
        assert_eq!(state(&objects(true, 0, 0, 0), Some(3)), State::Listed);
        assert_eq!(state(&objects(true, 0, 0, 1), Some(3)), State::Fetching);
        assert_eq!(state(&objects(true, 2, 2, 0), Some(3)), State::Fetching);
        assert_eq!(state(&objects(true, 3, 0, 0), Some(3)), State::Fetched);
        assert_eq!(state(&objects(true, 3, 2, 0), Some(3)), State::Unpacking);
        assert_eq!(state(&objects(true, 3, 3, 0), Some(3)), State::Unpacked);
        // A job that put nothing out lands as a manifest alone.
        assert_eq!(state(&objects(true, 0, 0, 0), Some(0)), State::Unpacked);
    }

    /// Only a run that can be started again is said to be.
    #[test]
    fn a_run_without_a_job_is_started_again_by_its_event() {
        let next = next_of_run(State::Claimed, " --data D").unwrap();
        assert_eq!((next.step, next.command.as_str()), ("submit", "landfall run EVENT --data D"));
        assert!(next_of_run(State::Expired, "").is_none());
    }
}
