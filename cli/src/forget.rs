//! `landfall forget`: deletes what is kept of a run that has no job, or of a job that is over.
//!
//! Of a job, the run's own record stays, as after the time that the work bucket keeps jobs: its run key is never submitted
//! again. What has landed stays as it is.

use futures::TryStreamExt as _;
use landfall::advice;
use landfall::job::{ConnectionName, JobRecord, JobRef, RunKey, Totals};
use landfall::state::keys;
use landfall::{Error, Result};
use serde_json::json;
use submit::Forgetting;

use crate::arguments::Forget;
use crate::confirm::confirm;
use crate::failure::Failure;
use crate::machine::LocalRuntime;
use crate::prune::{is_at_rest, is_over};
use crate::report::Report;
use crate::totals::in_words;

/// Forgets what the arguments name.
pub(crate) async fn forget(
    machine: &LocalRuntime,
    arguments: &Forget,
    report: &mut Report<'_>,
) -> Result<(), Failure> {
    let connection = &arguments.connection;
    match (&arguments.run, &arguments.job_request_id) {
        (Some(run_key), _) => forget_run(machine, connection, run_key, arguments, report).await,
        (None, Some(id)) => {
            let job = JobRef { connection: connection.clone(), job_request_id: id.clone() };
            forget_job(machine, &job, arguments, report).await
        }
        (None, None) => Err(Error::invalid_event("name a job, or a --run").into()),
    }
}

/// Nothing is kept where the folder that would hold it is not there.
pub(crate) fn forget_nothing(arguments: &Forget) -> Failure {
    let data = arguments.machine.data.display();
    Error::not_found(format!("nothing has run with --data {data}")).into()
}

async fn forget_run(
    machine: &LocalRuntime,
    connection: &ConnectionName,
    run_key: &RunKey,
    arguments: &Forget,
    report: &mut Report<'_>,
) -> Result<(), Failure> {
    let _lock = machine.lock_run_of(connection, run_key).await?;
    let look = Forgetting { connection, run_key, has_no_job: arguments.no_job, only_look: true };
    submit::forget(machine.context(), &look, machine.deadline()).await?;
    if !arguments.dry_run {
        let question = format!("forget run {run_key} on {connection}, so that it can be submitted again?");
        confirm(machine.progress(), &question, arguments.yes).await?;
        let forgetting = Forgetting { only_look: false, ..look };
        submit::forget(machine.context(), &forgetting, machine.deadline()).await?;
    }
    let did = did(arguments);
    let line = json!({ "connection": connection, "run_key": run_key, "forgotten": !arguments.dry_run });
    report.finding(&format!("{did}: run {run_key} on {connection}\n"), &line)
}

async fn forget_job(
    machine: &LocalRuntime,
    job: &JobRef,
    arguments: &Forget,
    report: &mut Report<'_>,
) -> Result<(), Failure> {
    let work = machine.context().work().await?;
    let record = work.job(job).await.map_err(Error::from)?;
    let record = record.ok_or_else(|| Error::not_found(format!("{job} is not known here")))?;
    must_be_over(machine, &record).await?;
    let store = work.store();
    let objects: Vec<_> = store.list(&keys::job(job)).try_collect().await.map_err(Error::from)?;
    let bytes: u64 = objects.iter().map(|object| object.size).sum();
    let totals = Totals { objects: objects.len().try_into().unwrap_or(u64::MAX), bytes, rows: None };
    let what = format!("{}, of what is kept of {job}", in_words(&totals));
    if !arguments.dry_run {
        confirm(machine.progress(), &format!("delete {what}?"), arguments.yes).await?;
        let _alone = alone(machine, job)?;
        let record_key = keys::job_record(job);
        // The record goes last: interrupted, the job is still known, and can be forgotten again.
        for object in objects.iter().filter(|object| object.key != record_key) {
            store.delete(&object.key).await.map_err(Error::from)?;
        }
        store.abort_uploads(&keys::job(job), |_| true).await.map_err(Error::from)?;
        store.delete(&record_key).await.map_err(Error::from)?;
    }
    let JobRef { connection, job_request_id } = job;
    let line = json!({
        "connection": connection, "job_request_id": job_request_id, "objects": objects.len(), "bytes": bytes,
        "forgotten": !arguments.dry_run,
    });
    report.finding(&format!("{}: {what}\n", did(arguments)), &line)
}

/// Keeps this machine's other processes from a job while it is deleted.
pub(crate) fn alone(machine: &LocalRuntime, job: &JobRef) -> Result<Option<crate::lock::Held>> {
    match machine.alone_with(job)? {
        None if machine.keeps_state() => Err(Error::conflict(format!(
            "{job} is being worked on: call again once that has come to its end"
        ))),
        held => Ok(held),
    }
}

fn did(arguments: &Forget) -> &'static str {
    if arguments.dry_run { "would be forgotten" } else { "forgotten" }
}

async fn must_be_over(machine: &LocalRuntime, record: &JobRecord) -> Result<()> {
    let has_landed = machine.context().has_landed(&record.destination, &record.landing_prefix).await?;
    let job = record.job();
    if !has_landed && !is_over(record) {
        let error = record.failure.as_ref().and_then(|failure| advice::named(&failure.error));
        let why = match error {
            Some(error) => format!("it has failed ({}) in a way that it can be continued from", error.name()),
            None => "it may be running, or can still land".to_owned(),
        };
        return Err(Error::conflict(format!(
            "{job} is not over: {why}; continue it by `landfall resume {} {}`",
            job.connection, job.job_request_id
        )));
    }
    match is_at_rest(machine, record) {
        true => Ok(()),
        false => Err(Error::conflict(format!(
            "an execution may be at work on {job}, which lasts a day at most: call again after that"
        ))),
    }
}
