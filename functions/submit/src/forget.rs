//! Forgetting a run of which nothing came: what is kept of it goes, and its run key is free again.

use landfall::clock::{Deadline, elapsed};
use landfall::context::Context;
use landfall::event::RunEvent;
use landfall::job::{ConnectionName, RunKey};
use landfall::state::{RunRecord, keys};
use landfall::{Error, Result};

use crate::claim::{LEASE, MAY_SUBMIT, Run};
use crate::window;

/// A run that is to be forgotten.
#[derive(Debug)]
pub struct Forgetting<'a> {
    /// Its connection.
    pub connection: &'a ConnectionName,
    /// Its run key.
    pub run_key: &'a RunKey,
    /// Whether a person has looked, and it has no job at the source.
    pub has_no_job: bool,
    /// Whether it is only looked whether it can be.
    pub only_look: bool,
}

/// Forgets a run that surely has no job. It is claimed for that, as by whoever submits: who would submit it meanwhile waits,
/// and finds none.
///
/// # Errors
/// `NotFound`: there is no such run. `Conflict`: it has a job, may have one, or is being submitted.
pub async fn forget(context: &Context, forgetting: &Forgetting<'_>, deadline: &Deadline) -> Result<()> {
    let Forgetting { connection, run_key, has_no_job, only_look } = *forgetting;
    let work = context.work().await?;
    let Some((found, etag)) = work.run(connection, run_key).await? else {
        return match work.failed_run(connection, run_key).await? {
            Some(_) if only_look => Ok(()),
            Some(_) => Ok(work.store().delete(&keys::failed_run(connection, run_key)).await?),
            None => Err(Error::not_found(format!("there is no run {run_key} on {connection}"))),
        };
    };
    let event = RunEvent {
        connection: connection.clone(),
        export: found.export.clone(),
        destination: found.destination.clone(),
        run_key: run_key.clone(),
        parent: found.parent.clone(),
    };
    let run = Run::of(context, &event, deadline).await?;
    must_have_no_job(&run, &found, has_no_job)?;
    if only_look {
        return Ok(());
    }
    let had_window = found.window.is_some();
    let claim = RunRecord { window: None, ..run.new_claim(Some(&found)) };
    let claimed_at = claim.claimed_at;
    if run.write(&claim, Some(&etag)).await?.is_none() {
        return Err(is_busy(&event));
    }
    if had_window {
        window::give_back(context, &event).await?;
    }
    // Later, another may have taken the claim over, and what is there be theirs.
    if elapsed(claimed_at, run.clock.now()) >= MAY_SUBMIT {
        return Err(Error::store_unavailable(format!("forgetting run {run_key} took too long: call again")));
    }
    run.work.store().delete(&keys::run(connection, run_key)).await?;
    Ok(run.work.store().delete(&keys::failed_run(connection, run_key)).await?)
}

fn must_have_no_job(run: &Run<'_>, found: &RunRecord, has_no_job: bool) -> Result<()> {
    let run_key = &run.event.run_key;
    if let Some(id) = &found.job_request_id {
        return Err(Error::conflict(format!(
            "run {run_key} has job {id}: its record stays, as it keeps the run key from being submitted once more"
        )));
    }
    if !run.is_free(found) {
        return Err(is_busy(run.event));
    }
    match run.surely_has_no_job(found) || has_no_job {
        true => Ok(()),
        false => Err(Error::conflict(format!(
            "run {run_key} may have a job at the source: look there, then continue it by `landfall run EVENT`, or forget it \
             with --no-job if there is none"
        ))),
    }
}

fn is_busy(event: &RunEvent) -> Error {
    Error::conflict(format!(
        "run {} is being submitted: forget it once that has come to its end, or been given up for {} s",
        event.run_key,
        LEASE.as_secs()
    ))
}
