//! `landfall prune`: deletes what jobs have left behind that are over: staged bytes, checkpoints, unfinished uploads.
//!
//! A job is over that has landed, or that nothing leads on from: it has failed at its source, its files are gone there, or
//! they can never land. What can still be continued keeps what it has, and so does a job that somebody may be at work on.
//! Records stay, and whatever has landed.

use std::time::Duration;

use futures::TryStreamExt as _;
use indicatif::HumanBytes;
use landfall::advice;
use landfall::clock::elapsed;
use landfall::job::{ConnectionName, JobRecord, JobRef};
use landfall::state::{JobObjects, WorkState, keys};
use landfall::{Error, ErrorType, Result};
use serde_json::json;

use crate::arguments::Prune;
use crate::confirm::confirm;
use crate::failure::Failure;
use crate::machine::LocalRuntime;
use crate::report::Report;
use crate::tidy;
use crate::totals::number_of;

/// What a job has left behind.
struct Leftovers {
    record: JobRecord,
    files: u64,
    bytes: u64,
    checkpoints: u64,
    uploads: usize,
}

impl Leftovers {
    fn text(&self) -> String {
        format!(
            "{}: {}, {}, {}, {}",
            self.record.job(),
            number_of(self.files, "staged file"),
            HumanBytes(self.bytes),
            number_of(self.checkpoints, "checkpoint"),
            number_of(self.uploads.try_into().unwrap_or(u64::MAX), "unfinished upload")
        )
    }
}

/// Deletes what is asked for, or tells of it.
pub(crate) async fn prune(
    machine: &LocalRuntime,
    arguments: &Prune,
    report: &mut Report<'_>,
) -> Result<(), Failure> {
    let work = machine.context().work().await?;
    let connections = match &arguments.connection {
        Some(connection) => vec![connection.clone()],
        None => work.connections().await.map_err(Error::from)?.into_iter().collect(),
    };
    let mut found = Vec::new();
    for connection in connections {
        machine.progress().stage(format!("looking at what is kept of {connection}"));
        look(machine, &work, &connection, &mut found).await?;
    }
    let bytes: u64 = found.iter().map(|found| found.bytes).sum();
    let jobs = number_of(found.len().try_into().unwrap_or(u64::MAX), "job");
    let all = format!("what {jobs} left behind, {}", HumanBytes(bytes));
    if !found.is_empty() && !arguments.dry_run {
        for found in &found {
            machine.progress().say(&found.text());
        }
        confirm(machine.progress(), &format!("delete {all}?"), arguments.yes).await?;
    }
    for found in &found {
        let is_deleted = !arguments.dry_run && delete(machine, &found.record).await?;
        let JobRef { connection, job_request_id } = found.record.job();
        let did = match (arguments.dry_run, is_deleted) {
            (true, _) => "would be deleted",
            (false, true) => "deleted",
            (false, false) => "left, as somebody is at work on it",
        };
        let line = json!({
            "connection": connection, "job_request_id": job_request_id, "files": found.files, "bytes": found.bytes,
            "checkpoints": found.checkpoints, "unfinished_uploads": found.uploads, "deleted": is_deleted,
        });
        report.finding(&format!("{did}: {}\n", found.text()), &line)?;
    }
    match found.is_empty() {
        true => report.words("nothing is left behind\n"),
        false => Ok(()),
    }
}

async fn look(
    machine: &LocalRuntime,
    work: &WorkState,
    connection: &ConnectionName,
    found: &mut Vec<Leftovers>,
) -> Result<()> {
    let mut jobs = work.jobs(connection);
    while let Some(objects) = jobs.try_next().await? {
        let Some(record) = work.job(&objects.job).await? else { continue };
        found.extend(leftovers(machine, work, &objects, record).await?);
    }
    Ok(())
}

async fn leftovers(
    machine: &LocalRuntime,
    work: &WorkState,
    objects: &JobObjects,
    record: JobRecord,
) -> Result<Option<Leftovers>> {
    if !is_at_rest(machine, &record) {
        return Ok(None);
    }
    let landing = machine.context().landing(&record.destination).await?;
    let is_over =
        is_over(&record) || machine.context().has_landed(&record.destination, &record.landing_prefix).await?;
    if !is_over {
        return Ok(None);
    }
    let uploads = work.store().list_uploads(&keys::job(&objects.job)).await?.len()
        + landing.store.list_uploads(&record.landing_prefix).await?.len();
    let JobObjects { bodies: files, body_bytes: bytes, checkpoints, .. } = *objects;
    let is_nothing = files + checkpoints == 0 && uploads == 0;
    Ok((!is_nothing).then_some(Leftovers { record, files, bytes, checkpoints, uploads }))
}

/// Whether it was deleted: not where a process of this machine is at work on the job.
async fn delete(machine: &LocalRuntime, record: &JobRecord) -> Result<bool> {
    let alone = machine.alone_with(&record.job())?;
    if alone.is_none() && machine.keeps_state() {
        return Ok(false);
    }
    tidy::delete_leftovers(machine, record).await?;
    Ok(true)
}

/// Whether nothing leads on from what a job has failed over.
pub(crate) fn is_over(record: &JobRecord) -> bool {
    let Some(failure) = &record.failure else { return false };
    match advice::named(&failure.error) {
        Some(ErrorType::JobFailed) => !failure.awaits_person,
        Some(ErrorType::NotFound) => failure.step == landfall::Step::FetchFiles.name(),
        Some(error) => matches!(error, ErrorType::UnsafeArchive | ErrorType::Unsupported),
        None => false,
    }
}

/// Whether nobody can be at work on a job. On this machine there are locks for that; elsewhere an execution ends within a
/// day.
pub(crate) fn is_at_rest(machine: &LocalRuntime, record: &JobRecord) -> bool {
    let last = record.failure.as_ref().map_or(record.since, |failure| failure.last.max(record.since));
    let since = elapsed(last, machine.context().clock().now());
    machine.keeps_state() || since >= Duration::from_secs(sweep::EXECUTION_ENDS)
}
