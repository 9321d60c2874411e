//! `landfall cancel`: asks a source to cancel a job.
//!
//! Nothing is noted of it: what has become of the job, its source says to whoever asks for its status next.

use landfall::contract::Cancellation;
use landfall::job::{JobRecord, JobRef};
use landfall::{Error, Result};
use serde_json::json;

use crate::arguments::Cancel;
use crate::confirm::confirm;
use crate::failure::Failure;
use crate::machine::LocalRuntime;
use crate::report::Report;

/// Asks the source, or says what would be called.
pub(crate) async fn cancel(
    machine: &LocalRuntime,
    arguments: &Cancel,
    report: &mut Report<'_>,
) -> Result<(), Failure> {
    let record = record(machine, arguments).await?;
    let job = record.job();
    let outcome = machine.context().work().await?.outcome(&job).await.map_err(Error::from)?;
    if let Some(outcome) = outcome {
        // There are sources that would discard its files.
        return Err(too_late(&job, &outcome.native_status).into());
    }
    let source = machine.context().source(&job.connection).await?;
    let Some(call) = source.cancelling(&record).await? else { return Err(cannot(&job).into()) };
    let JobRef { connection, job_request_id } = &job;
    if arguments.dry_run {
        let line = json!({ "connection": connection, "job_request_id": job_request_id, "would_call": call });
        return report.finding(&format!("would call: {call}\n"), &line);
    }
    confirm(machine.progress(), &format!("cancel {job} ({call})?"), arguments.yes).await?;
    machine.progress().stage(format!("asking {connection} to cancel job {job_request_id}"));
    match source.cancel(&record).await? {
        Cancellation::Accepted => {
            let line = json!({ "connection": connection, "job_request_id": job_request_id, "called": call });
            let text = format!(
                "asked to cancel {job}; what becomes of it, the source tells whoever goes on with it: its run, or \
                 landfall resume {connection} {job_request_id}\n"
            );
            report.finding(&text, &line)
        }
        Cancellation::TooLate(said) => Err(too_late(&job, &said).into()),
        Cancellation::Unknown => {
            Err(Error::not_found(format!("the source does not know {job}, or does not any more")).into())
        }
    }
}

/// The job that the arguments name, by its id or by its run.
async fn record(machine: &LocalRuntime, arguments: &Cancel) -> Result<JobRecord> {
    let work = machine.context().work().await?;
    let connection = arguments.connection.clone();
    let of_run = match &arguments.run {
        Some(run_key) => match work.run(&connection, run_key).await?.map(|(run, _)| run.job_request_id) {
            Some(Some(id)) => Some(id),
            Some(None) => {
                return Err(Error::not_found(format!(
                    "run {run_key} has no job that is known: start it again by its event, which finds what the source has of it"
                )));
            }
            None => return Err(Error::not_found(format!("there is no run {run_key} of {connection}"))),
        },
        None => None,
    };
    let job_request_id = arguments.job_request_id.clone().or(of_run);
    let job_request_id = job_request_id.ok_or_else(|| Error::invalid_event("name a job, or its --run"))?;
    let job = JobRef { connection, job_request_id };
    work.job(&job).await?.ok_or_else(|| {
        Error::not_found(format!("{job} is not known here: cancel it in the source's own user interface"))
    })
}

fn cannot(job: &JobRef) -> Error {
    Error::invalid_event(format!(
        "{} has no call that cancels a job, as far as it is known: cancel {job} in the source's own user interface. \
         Whoever goes on with it learns that from its status",
        job.connection
    ))
}

fn too_late(job: &JobRef, said: &str) -> Error {
    Error::rejected(format!("{job} has ended, and is not cancelled any more ({said})"))
}
