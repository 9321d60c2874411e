//! `GET jobRequests` and `GET jobRequests/{id}`: how a job goes, and which jobs there are.
//!
//! A job moves on by being asked about, not by the clock, so that a run takes as many polls as the
//! switches say and no time.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, Query as QueryOf, State};
use axum::response::Response;
use axum::routing::get;
use http::{HeaderMap, StatusCode};
use jiff::SignedDuration;
use serde_json::{Map, Value, json};

use super::{Query, SCHEDULER, number, page};
use crate::answer::{self, Ended, Marked};
use crate::faults::{ListingFaults, StatusFaults, StatusShape};
use crate::idcs::Scope;
use crate::state::{self, Job, JobEnd, JobKind, comes_with_output};
use crate::world::World;

/// As long as a job's output is being made it is still running; a poll waits this long for it.
const OUTPUT_PATIENCE: Duration = Duration::from_secs(2);
/// `timeoutThreshold` of the documented example, in seconds.
const TIMEOUT_THRESHOLD: u32 = 36_000;

pub(super) fn routes() -> Router<Arc<World>> {
    let mut router = Router::new();
    for scheduler in [SCHEDULER.to_owned(), SCHEDULER.replace("jobscheduler", "jobScheduler")] {
        router = router
            .route(&scheduler, get(list))
            .route(&format!("{scheduler}/"), get(list))
            .route(&format!("{scheduler}/{{id}}"), get(show))
            .route(&format!("{scheduler}/{{id}}/jobStatus"), get(show_status));
    }
    router
}

/// What a poll learns.
struct Telling {
    job: Job,
    status: String,
    message: String,
    percentage: &'static str,
    completed: bool,
    retry: u32,
    first_poll: bool,
}

async fn show(
    State(world): State<Arc<World>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Ended> {
    let faults = world.faults();
    world.admit(&headers, Scope::Batch, &faults.status.outage, "status", &id)?;
    let telling = poll(&world, &id, &faults.status).await?;
    let body = status_body(&telling, faults.status.shape, &faults.listing);
    Ok(answer::json_body(StatusCode::OK, &body))
}

/// The sub-resource that public client code asks for, in the form that it reads.
async fn show_status(
    State(world): State<Arc<World>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Ended> {
    let faults = world.faults().status;
    world.admit(&headers, Scope::Batch, &faults.outage, "status", &id)?;
    let telling = poll(&world, &id, &faults).await?;
    let body = json!({ "id": telling.job.id, "status": telling.status, "related_output_files": [] });
    Ok(answer::json_body(StatusCode::OK, &body))
}

pub(super) fn no_such_job(id: &str) -> Response {
    answer::problem(StatusCode::NOT_FOUND, &format!("The job request {id} does not exist."))
}

/// The job of this id, be it one of those that only the list makes up.
pub(super) fn find_job(world: &World, id: &str) -> Option<Job> {
    let id: u64 = id.parse().ok()?;
    world.store.read(|state| match state.jobs.get(&id) {
        Some(job) => Some(job.clone()),
        None => {
            let neighbour = state.jobs.range(id..id.saturating_add(state::ID_STEP)).next()?.1;
            look_alikes(neighbour).into_iter().find(|job| job.id == id)
        }
    })
}

/// One poll of a job: what it is told now; the next one is told more.
async fn poll(world: &World, id: &str, faults: &StatusFaults) -> Result<Telling, Ended> {
    let job = find_job(world, id).ok_or_else(|| no_such_job(id))?;
    if world.change(|state| state.occurs(faults.not_found, "status.not_found", id))? {
        return Err(no_such_job(id).by("status.not_found").into());
    }
    let course = world.change(|state| course(state, &job, faults))?;
    match course {
        Course::Underway { status, retry } => Ok(underway(job, status, retry)),
        Course::Ended(end) => Ok(ended(job, &end, faults)),
        Course::Due { status, retry } => finish(world, job, status, retry, faults).await,
    }
}

/// Where a job stands at this poll.
enum Course {
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

fn course(state: &mut state::State, job: &Job, faults: &StatusFaults) -> Course {
    let occurrences_ended = occurrences_ended(state, job);
    let Some(known) = state.jobs.get_mut(&job.id) else {
        // One that only the list makes up.
        let end = job.end.clone();
        return end.map_or(Course::Underway { status: "ENQUEUED".to_owned(), retry: 0 }, Course::Ended);
    };
    let polls = known.polls;
    known.polls = polls.saturating_add(1);
    if let Some(end) = &mut known.end {
        let told = end.clone();
        end.polls = end.polls.saturating_add(1);
        return Course::Ended(told);
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
        Course::Due { status: status_at(steps.saturating_sub(1)), retry }
    } else {
        let step = step.saturating_sub(retry.saturating_mul(steps)).min(steps.saturating_sub(1));
        Course::Underway { status: status_at(step), retry }
    }
}

/// A recurring request ends when all its occurrences have.
fn occurrences_ended(state: &state::State, job: &Job) -> bool {
    let running = |known: &Job| {
        matches!(known.kind, JobKind::Occurrence { parent, .. } if parent == job.id) && known.end.is_none()
    };
    job.kind != JobKind::Recurring || !state.jobs.values().any(running)
}

/// Ends a job, once its output has been made.
async fn finish(
    world: &World,
    mut job: Job,
    last_status: String,
    retry: u32,
    faults: &StatusFaults,
) -> Result<Telling, Ended> {
    let status = final_status(&job, faults);
    if comes_with_output(&status) && job.kind != JobKind::Recurring {
        job.window = world.change(|state| settle_window(state, &job))?;
        match tokio::time::timeout(OUTPUT_PATIENCE, world.output(&job)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Err(answer::internal(&*error).into()),
            Err(_) => return Ok(underway(job, last_status, retry)),
        }
    }
    let end = JobEnd { status, message: faults.final_message.clone(), at: world.clock.now(), polls: 0 };
    let end = world.change(|state| match state.jobs.get_mut(&job.id) {
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
fn settle_window(state: &mut state::State, job: &Job) -> Option<u64> {
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

fn underway(job: Job, status: String, retry: u32) -> Telling {
    let message = match status.as_str() {
        "ENQUEUED" => "Job Request has been enqueued".to_owned(),
        "IN_PROGRESS" => "Job Request is in progress".to_owned(),
        other => format!("Job status is changed to {other}"),
    };
    let percentage = if status == "RUNNING" { "50" } else { "0" };
    let first_poll = job.polls == 0;
    Telling { job, status, message, percentage, completed: false, retry, first_poll }
}

fn ended(job: Job, end: &JobEnd, faults: &StatusFaults) -> Telling {
    let message = end.message.clone().unwrap_or_else(|| format!("Job status is changed to {}", end.status));
    let first_poll = job.polls == 0;
    Telling {
        job,
        status: end.status.clone(),
        message,
        percentage: "100",
        completed: end.polls >= faults.completed_lags,
        retry: u32::from(faults.service_retry),
        first_poll,
    }
}

fn status_body(telling: &Telling, shape: StatusShape, listing: &ListingFaults) -> Value {
    let progress = progress(telling);
    let abridged = json!({ "jobStatus": telling.status, "jobProgress": progress });
    match shape {
        StatusShape::Documented if telling.first_poll => json!({ "jobDetails": {
            "jobRequestId": telling.job.id,
            "jobRequest": job_request(&telling.job, telling.retry, listing),
            "jobStatus": telling.status,
            "jobProgress": progress,
        } }),
        StatusShape::Documented if telling.retry > 0 => json!({ "jobDetails": {
            "jobRequest": { "jobRetryNumber": telling.retry },
            "jobStatus": telling.status,
            "jobProgress": progress,
        } }),
        StatusShape::Documented => json!({ "jobDetails": abridged }),
        StatusShape::Flat => abridged,
        StatusShape::Array => json!({ "jobDetails": [abridged] }),
        StatusShape::ProgressOnly => json!({ "jobProgress": progress }),
        StatusShape::StatusOnly => json!({ "jobDetails": { "jobStatus": telling.status } }),
        StatusShape::Nothing => json!({ "jobDetails": { "jobRequestId": telling.job.id } }),
    }
}

/// As documented: the percentage is a string, and `endTime` is there while the job is still enqueued.
fn progress(telling: &Telling) -> Value {
    let moment = telling.job.submitted_at;
    json!({
        "jobRequestId": telling.job.id,
        "status": telling.status,
        "message": telling.message,
        "startTime": moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        "endTime": moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        "completedPercentage": telling.percentage,
        "completed": telling.completed,
    })
}

fn job_request(job: &Job, retry: u32, listing: &ListingFaults) -> Value {
    let mut request = Map::new();
    for field in ["serviceName", "jobDefinitionName"] {
        request.insert(field.to_owned(), job.request.get(field).cloned().unwrap_or(Value::Null));
    }
    request.insert("systemDerivedVersion".to_owned(), json!("1260"));
    request.insert("jobSubmitter".to_owned(), json!(crate::credentials::USERNAME));
    let client_uuid = if listing.forgets_client_request_uuid && !is_occurrence(job) {
        None
    } else {
        job.request.get("clientRequestUuid")
    };
    let optional = [
        ("description", job.request.get("description")),
        ("clientRequestUuid", client_uuid),
        ("requestParameters", job.request.get("requestParameters")),
        ("runAtTimes", job.request.get("runAtTimes")),
    ];
    for (field, value) in optional {
        if let Some(value) = value {
            request.insert(field.to_owned(), value.clone());
        }
    }
    request.insert("jobRetryNumber".to_owned(), json!(retry));
    request.insert("timeoutThreshold".to_owned(), json!(TIMEOUT_THRESHOLD));
    request.insert("type".to_owned(), json!("BATCH"));
    Value::Object(request)
}

fn is_occurrence(job: &Job) -> bool {
    matches!(job.kind, JobKind::Occurrence { .. })
}

async fn list(
    State(world): State<Arc<World>>,
    QueryOf(query): QueryOf<Query>,
    headers: HeaderMap,
) -> Result<Response, Ended> {
    let all = world.faults();
    let faults = &all.listing;
    world.admit(&headers, Scope::Batch, &faults.outage, "listing", "")?;
    move_occurrences_on(&world, &all.status).await?;
    let offset = if faults.page_size.is_some() { number(&query, "offset").unwrap_or(0) } else { 0 };
    let mut jobs = visible_jobs(&world, faults, offset == 0)?;
    if faults.newest_first {
        jobs.reverse();
    }
    let limit = faults.page_size.map(|size| number(&query, "limit").map_or(size, |asked| asked.min(size)));
    let (jobs, has_more) = page(&jobs, offset, limit.unwrap_or(usize::MAX));
    let items: Vec<Value> = jobs.iter().map(|job| list_item(job, &all)).collect();
    let mut body = json!({ "items": items });
    if let (Some(limit), Some(fields)) = (limit, body.as_object_mut()) {
        fields.insert("hasMore".to_owned(), json!(has_more));
        fields.insert("offset".to_owned(), json!(offset));
        fields.insert("limit".to_owned(), json!(limit));
    }
    Ok(answer::json_body(StatusCode::OK, &body))
}

/// Nobody need poll an occurrence for it to go on: looking at the list is enough.
async fn move_occurrences_on(world: &World, faults: &StatusFaults) -> Result<(), Ended> {
    let unfinished: Vec<u64> = world.store.read(|state| {
        state.jobs.values().filter(|job| is_occurrence(job) && job.end.is_none()).map(|job| job.id).collect()
    });
    for id in unfinished {
        poll(world, &id.to_string(), faults).await?;
    }
    Ok(())
}

/// The list, oldest first. A call that asks for its beginning lets newer jobs catch up.
fn visible_jobs(world: &World, faults: &ListingFaults, counts: bool) -> Result<Vec<Job>, Ended> {
    world.change(|state| {
        let mut visible = Vec::new();
        for job in state.jobs.values_mut() {
            if faults.look_alikes {
                visible.extend(look_alikes(job));
            }
            if job.kind == JobKind::Planted || job.lists >= faults.lag_calls {
                visible.push(job.clone());
            }
            if counts {
                job.lists = job.lists.saturating_add(1);
            }
        }
        visible.sort_by_key(|job| job.id);
        visible
    })
}

/// Without the wrapper of a poll's answer, as public client code reads it.
fn list_item(job: &Job, faults: &crate::faults::Faults) -> Value {
    let status = match &job.end {
        Some(end) => end.status.clone(),
        None => current_status(job, &faults.status),
    };
    let item = json!({
        "jobRequestId": job.id,
        "jobRequest": job_request(job, 0, &faults.listing),
        "jobStatus": status,
    });
    if faults.listing.wrapped { json!({ "jobDetails": item }) } else { item }
}

/// What the last poll was told.
fn current_status(job: &Job, faults: &StatusFaults) -> String {
    let polls_told = job.polls.saturating_sub(1) / faults.polls_per_status.max(1);
    let place = usize::try_from(polls_told).unwrap_or(usize::MAX);
    let status = faults.progression.get(place).or_else(|| faults.progression.last());
    status.cloned().unwrap_or_else(|| "ENQUEUED".to_owned())
}

/// Older jobs of the same extract, whose descriptions and ids resemble this one's without being it.
fn look_alikes(job: &Job) -> Vec<Job> {
    if !matches!(job.kind, JobKind::Single | JobKind::Recurring) {
        return Vec::new();
    }
    let mut requests = Vec::new();
    let description = job.text("description").unwrap_or_default();
    let uuid = job.text("clientRequestUuid").unwrap_or_default();
    let mut uuids = resembling(uuid).into_iter();
    for description in resembling_descriptions(description, job.extract()) {
        requests.push((Some(description), uuids.next()));
    }
    requests.push((Some(format!("Nightly::{}::Full::Daily", job.extract())), None));
    requests.push((None, uuids.next()));
    let older = |(place, (description, uuid)): (u64, (Option<String>, Option<String>))| {
        let mut alike = job.clone();
        alike.id = job.id.saturating_sub(1 + place);
        alike.kind = JobKind::Planted;
        alike.request.remove("runAtTimes");
        replace_text(&mut alike.request, "description", description);
        replace_text(&mut alike.request, "clientRequestUuid", uuid);
        let hours = i64::try_from(place + 1).unwrap_or(1);
        let at = job.submitted_at.checked_sub(SignedDuration::from_hours(hours)).unwrap_or(job.submitted_at);
        alike.submitted_at = at;
        alike.window = None;
        alike.end = Some(JobEnd { status: "SUCCEEDED".to_owned(), message: None, at, polls: 1 });
        alike
    };
    (0..state::ID_STEP - 1).zip(requests).map(older).collect()
}

fn replace_text(request: &mut Map<String, Value>, field: &str, text: Option<String>) {
    match text {
        Some(text) => request.insert(field.to_owned(), Value::String(text)),
        None => request.remove(field),
    };
}

/// The convention is `<name>::<extract>::<Full|Incremental>::<recurrence>`, so what tells runs apart is the
/// longest part that is none of the last three.
fn resembling_descriptions(description: &str, extract: &str) -> Vec<String> {
    const FIXED: [&str; 9] =
        ["Full", "Incremental", "Immediate", "Simple", "Hourly", "Daily", "Weekly", "Monthly", "Yearly"];
    let parts: Vec<&str> = description.split("::").collect();
    let own = parts
        .iter()
        .enumerate()
        .filter(|(_, part)| **part != extract && !FIXED.contains(part))
        .max_by_key(|(_, part)| part.len());
    let Some((place, own)) = own else { return Vec::new() };
    let with = |other: String| {
        let mut parts: Vec<&str> = parts.clone();
        if let Some(part) = parts.get_mut(place) {
            *part = &other;
        }
        parts.join("::")
    };
    resembling(own).into_iter().map(with).collect()
}

/// Longer, shorter, and in another case; never the text itself.
fn resembling(text: &str) -> Vec<String> {
    if text.is_empty() {
        return Vec::new();
    }
    let mut shorter = text.to_owned();
    shorter.pop();
    let alike = [
        format!("re-{text}"),
        format!("{text}-2"),
        format!("{text}0"),
        format!("{text} "),
        shorter,
        text.to_uppercase(),
        text.to_lowercase(),
    ];
    alike.into_iter().filter(|other| other != text && !other.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Promise 1: a run key found by prefix, by suffix or without regard to case is another run's.
    #[test]
    fn look_alikes_differ_in_the_part_that_tells_runs_apart_and_in_nothing_else() {
        let alike =
            resembling_descriptions("carriers-T06::SimpleCarriers::Full::Immediate", "SimpleCarriers");
        assert!(alike.contains(&"carriers-T06-2::SimpleCarriers::Full::Immediate".to_owned()));
        assert!(alike.contains(&"re-carriers-T06::SimpleCarriers::Full::Immediate".to_owned()));
        assert!(alike.contains(&"carriers-t06::SimpleCarriers::Full::Immediate".to_owned()));
        assert!(alike.iter().all(|one| one.ends_with("::SimpleCarriers::Full::Immediate")));
        assert!(!alike.contains(&"carriers-T06::SimpleCarriers::Full::Immediate".to_owned()));
    }

    #[test]
    fn a_free_description_is_varied_as_a_whole() {
        assert!(resembling_descriptions("run 7", "X").contains(&"run 7-2".to_owned()));
        assert!(resembling_descriptions("", "X").is_empty());
    }
}
