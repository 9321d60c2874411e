//! How a job goes on: by being asked about, not by the clock, so that a run takes as many polls as the switches say and
//! no time.

use std::time::Duration;

use axum::response::Response;
use http::StatusCode;

use super::faults::StatusFaults;
use super::look_alikes::look_alikes;
use super::output::Outputs;
use super::state::{FusionExtractState, ID_STEP, Job, JobEnd, JobKind, comes_with_output};
use crate::context::Context;
use crate::response::{self, Marked, Rejection};

/// As long as a job's output is being made it is still running; a poll waits this long for it.
const OUTPUT_PATIENCE: Duration = Duration::from_secs(2);

/// What a poll learns.
pub(super) struct PolledJob {
    pub(super) job: Job,
    pub(super) status: String,
    pub(super) message: String,
    pub(super) percentage: &'static str,
    pub(super) completed: bool,
    pub(super) retry: u32,
    pub(super) first_poll: bool,
}

pub(super) fn no_such_job(id: &str) -> Response {
    response::problem(StatusCode::NOT_FOUND, &format!("The job request {id} does not exist."))
}

/// The job of this id, be it one of those that only the list makes up.
pub(super) fn find_job(context: &Context, id: &str) -> Option<Job> {
    let id: u64 = id.parse().ok()?;
    context.store.read(|state| match state.fusion_extract.jobs.get(&id) {
        Some(job) => Some(job.clone()),
        None => {
            let neighbour = state.fusion_extract.jobs.range(id..id.saturating_add(ID_STEP)).next()?.1;
            look_alikes(neighbour).into_iter().find(|job| job.id == id)
        }
    })
}

/// One poll of a job: what it is told now; the next one is told more.
pub(super) async fn poll(context: &Context, id: &str, faults: &StatusFaults) -> Result<PolledJob, Rejection> {
    let job = find_job(context, id).ok_or_else(|| no_such_job(id))?;
    if context.change(|state| state.occurs(faults.not_found, "status.not_found", id))? {
        return Err(no_such_job(id).by("status.not_found").into());
    }
    let phase = context.change(|state| phase(&mut state.fusion_extract, &job, faults))?;
    match phase {
        Phase::Underway { status, retry } => Ok(underway(job, status, retry)),
        Phase::Ended(end) => Ok(ended(job, &end, faults)),
        Phase::Due { status, retry } => finish(context, job, status, retry, faults).await,
    }
}

/// Where a job stands at this poll.
enum Phase {
    Underway {
        status: String,
        retry: u32,
    },
    /// All that comes before the end has been told; `status` is what was told last.
    Due {
        status: String,
        retry: u32,
    },
    Ended(JobEnd),
}

fn phase(state: &mut FusionExtractState, job: &Job, faults: &StatusFaults) -> Phase {
    let occurrences_ended = occurrences_ended(state, job);
    let Some(known) = state.jobs.get_mut(&job.id) else {
        // One that only the list makes up.
        let end = job.end.clone();
        return end.map_or(Phase::Underway { status: "ENQUEUED".to_owned(), retry: 0 }, Phase::Ended);
    };
    let polls = known.polls;
    known.polls = polls.saturating_add(1);
    if let Some(end) = &mut known.end {
        let told = end.clone();
        end.polls = end.polls.saturating_add(1);
        return Phase::Ended(told);
    }
    let steps = u32::try_from(faults.progression.len()).unwrap_or(u32::MAX);
    let step = polls / faults.polls_per_status.max(1);
    let runs = if faults.service_retry { 2 } else { 1 };
    let retry = step.checked_div(steps).unwrap_or(0).min(runs - 1);
    let status_at = |step: u32| {
        let place = usize::try_from(step).unwrap_or(usize::MAX);
        faults.progression.get(place).cloned().unwrap_or_else(|| "ENQUEUED".to_owned())
    };
    let is_due = step >= steps.saturating_mul(runs) && !faults.never_ends && occurrences_ended;
    if is_due {
        Phase::Due { status: status_at(steps.saturating_sub(1)), retry }
    } else {
        let step = step.saturating_sub(retry.saturating_mul(steps)).min(steps.saturating_sub(1));
        Phase::Underway { status: status_at(step), retry }
    }
}

/// A recurring request ends when all its occurrences have.
fn occurrences_ended(state: &FusionExtractState, job: &Job) -> bool {
    let running = |known: &Job| {
        matches!(known.kind, JobKind::Occurrence { parent, .. } if parent == job.id) && known.end.is_none()
    };
    job.kind != JobKind::Recurring || !state.jobs.values().any(running)
}

/// Ends a job, once its output has been made.
async fn finish(
    context: &Context,
    mut job: Job,
    last_status: String,
    retry: u32,
    faults: &StatusFaults,
) -> Result<PolledJob, Rejection> {
    let status = final_status(&job, faults);
    if comes_with_output(&status) && job.kind != JobKind::Recurring {
        job.window = context.change(|state| settle_window(&mut state.fusion_extract, &job))?;
        match tokio::time::timeout(OUTPUT_PATIENCE, Outputs::of(context, &job)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Err(response::internal(&*error).into()),
            Err(_) => return Ok(underway(job, last_status, retry)),
        }
    }
    let end = JobEnd { status, message: faults.final_message.clone(), at: context.clock.now(), polls: 0 };
    let end = context.change(|state| match state.fusion_extract.jobs.get_mut(&job.id) {
        Some(known) => {
            let end = known.end.get_or_insert(end);
            let told = end.clone();
            end.polls = end.polls.saturating_add(1);
            told
        }
        None => end,
    })?;
    Ok(ended(job, &end, faults))
}

fn final_status(job: &Job, faults: &StatusFaults) -> String {
    match job.kind {
        JobKind::Occurrence { number, .. } if faults.failed_occurrence == Some(number) => "FAILED".to_owned(),
        JobKind::Single if faults.fails_first && job.restarts == 0 => "FAILED".to_owned(),
        _ => faults.final_status.clone(),
    }
}

/// The window of an incremental job, taken when it is sure to succeed, and once.
fn settle_window(state: &mut FusionExtractState, job: &Job) -> Option<u64> {
    if !job.is_incremental() {
        return None;
    }
    if let Some(window) = state.jobs.get(&job.id).and_then(|known| known.window) {
        return Some(window);
    }
    let window = state.take_window(job.extract());
    if let Some(known) = state.jobs.get_mut(&job.id) {
        known.window = Some(window);
    }
    Some(window)
}

fn underway(job: Job, status: String, retry: u32) -> PolledJob {
    let message = match status.as_str() {
        "ENQUEUED" => "Job Request has been enqueued".to_owned(),
        "IN_PROGRESS" => "Job Request is in progress".to_owned(),
        other => format!("Job status is changed to {other}"),
    };
    let percentage = if status == "RUNNING" { "50" } else { "0" };
    let first_poll = job.polls == 0;
    PolledJob { job, status, message, percentage, completed: false, retry, first_poll }
}

fn ended(job: Job, end: &JobEnd, faults: &StatusFaults) -> PolledJob {
    let message = end.message.clone().unwrap_or_else(|| format!("Job status is changed to {}", end.status));
    let first_poll = job.polls == 0;
    PolledJob {
        job,
        status: end.status.clone(),
        message,
        percentage: "100",
        completed: end.polls >= faults.completed_lags,
        retry: u32::from(faults.service_retry),
        first_poll,
    }
}
