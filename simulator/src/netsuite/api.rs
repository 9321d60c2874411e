//! Records, asked for asynchronously, and the jobs that come of it.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::get;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use serde_json::{Value, json};

use super::content;
use super::credentials::NETSUITE_SCOPE;
use crate::context::Context;
use crate::identity;
use crate::operation::Operation;
use crate::response::{self, Marked, Rejection};

const JOB: &str = "/services/rest/async/v1/job";

pub(super) fn routes() -> Router<Arc<Context>> {
    Router::new()
        .route("/services/rest/record/v1/{resource}", get(record))
        .route(&format!("{JOB}/{{id}}"), get(job))
        .route(&format!("{JOB}/{{id}}/task"), get(tasks))
        .route(&format!("{JOB}/{{id}}/task/{{task}}"), get(task))
        .route(&format!("{JOB}/{{id}}/task/{{task}}/result"), get(result))
}

/// What a request is for, by its path's segments in lower case.
pub(super) fn operation(_: &Method, segments: &[&str]) -> Operation {
    match segments {
        ["services", "rest", "record", ..] => Operation::SubmitJob,
        ["services", "rest", "async", _, "job", _] => Operation::JobStatus,
        ["services", "rest", "async", _, "job", _, "task"] => Operation::ListOutputFiles,
        ["services", "rest", "async", _, "job", _, "task", _] => Operation::Link,
        ["services", "rest", "async", _, "job", _, "task", _, "result"] => Operation::Download,
        _ => Operation::Other,
    }
}

/// An error as the API writes it.
fn refused(status: StatusCode, code: &str, detail: &str) -> Response {
    let details = json!([{ "detail": detail, "o:errorCode": code }]);
    let title = status.canonical_reason();
    let body = json!({ "title": title, "status": status.as_u16(), "o:errorDetails": details });
    response::json_body(status, &body)
}

fn located(mut answer: Response, id: u64) -> Response {
    let location = HeaderValue::from_str(&format!("{JOB}/{id}")).ok();
    answer.headers_mut().extend(location.map(|location| (header::LOCATION, location)));
    answer
}

fn link(rel: &str, href: &str) -> Value {
    json!([{ "rel": rel, "href": href }])
}

async fn record(
    State(context): State<Arc<Context>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Rejection> {
    let faults = context.faults().netsuite;
    identity::admit(&context, &headers, NETSUITE_SCOPE, &faults.request, "netsuite.request", "")?;
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if text("prefer") != Some("respond-async") {
        return Ok(refused(
            StatusCode::BAD_REQUEST,
            "INVALID_HEADER",
            "Only asynchronous requests are simulated.",
        ));
    }
    let request = uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    if request.contains("CONTANS") {
        return Ok(refused(
            StatusCode::BAD_REQUEST,
            "INVALID_PARAMETER",
            "Invalid search query. Unknown operator CONTANS.",
        ));
    }
    let key = text("x-netsuite-idempotency-key").map(str::to_owned);
    let known = context.store.read(|state| {
        let mut jobs = state.netsuite.jobs.iter();
        jobs.find(|(_, job)| key.is_some() && job.key == key).map(|(id, _)| *id)
    });
    if let Some(id) = known {
        let said =
            "A request with the same idempotency key is already submitted. See the \"Location\" header.";
        return Ok(located(refused(StatusCode::BAD_REQUEST, "IDEMPOTENCY_ERROR", said), id));
    }
    let (id, fault) = context.change(|state| {
        let id = state.netsuite.accept(request, key);
        let switches = [
            (faults.take_then_drop, "netsuite.take_then_drop"),
            (faults.take_then_unavailable, "netsuite.take_then_unavailable"),
            (faults.no_location, "netsuite.no_location"),
        ];
        let fault = state.first_to_occur(switches);
        (id, fault)
    })?;
    let mut accepted = Response::new(Body::empty());
    *accepted.status_mut() = StatusCode::ACCEPTED;
    let answer = match fault {
        Some(switch @ "netsuite.take_then_drop") => response::hang_up().by(switch),
        Some(switch @ "netsuite.no_location") => accepted.by(switch),
        Some(switch) => response::gateway_error(StatusCode::SERVICE_UNAVAILABLE).by(switch),
        None => located(accepted, id),
    };
    Ok(answer.accepting(id))
}

/// Whether there is such a job, and how often it was asked for.
fn polls(context: &Context, id: u64) -> Result<u32, Rejection> {
    let found = context.store.read(|state| state.netsuite.jobs.get(&id).map(|job| job.polls));
    found.ok_or_else(|| refused(StatusCode::NOT_FOUND, "NONEXISTENT_ID", "The job does not exist.").into())
}

async fn job(
    State(context): State<Arc<Context>>,
    Path(id): Path<u64>,
    headers: HeaderMap,
) -> Result<Response, Rejection> {
    let faults = context.faults().netsuite;
    identity::admit(&context, &headers, NETSUITE_SCOPE, &faults.status, "netsuite.status", "")?;
    context.change(|state| {
        if let Some(job) = state.netsuite.jobs.get_mut(&id) {
            job.polls = job.polls.saturating_add(1);
        }
    })?;
    let polls = polls(&context, id)?;
    let has_ended = polls > faults.running_polls;
    let progress = match (has_ended, polls) {
        (true, _) => faults.final_progress.as_str(),
        (false, 0 | 1) => "pending",
        (false, _) => "processing",
    };
    Ok(response::json_body(
        StatusCode::OK,
        &json!({
            "id": id.to_string(), "completed": has_ended, "progress": progress,
            "links": link("self", &format!("{}{JOB}/{id}", context.base_url())),
            "task": { "links": link("self", &format!("{}{JOB}/{id}/task", context.base_url())) },
        }),
    ))
}

async fn tasks(
    State(context): State<Arc<Context>>,
    Path(id): Path<u64>,
    headers: HeaderMap,
) -> Result<Response, Rejection> {
    identity::admit(&context, &headers, NETSUITE_SCOPE, &Default::default(), "netsuite.tasks", "")?;
    polls(&context, id)?;
    // A task of a list says nothing but where it is.
    let task = |task: u32| json!({ "links": link("self", &format!("{}{JOB}/{id}/task/{task}", context.base_url())) });
    let items: Vec<Value> = (1..=context.scenario.netsuite.tasks).map(task).collect();
    Ok(response::json_body(
        StatusCode::OK,
        &json!({ "items": items, "count": items.len(), "hasMore": false }),
    ))
}

async fn task(
    State(context): State<Arc<Context>>,
    Path((id, task)): Path<(u64, u32)>,
    headers: HeaderMap,
) -> Result<Response, Rejection> {
    let faults = context.faults().netsuite;
    identity::admit(&context, &headers, NETSUITE_SCOPE, &Default::default(), "netsuite.task", "")?;
    polls(&context, id)?;
    let own = format!("{}{JOB}/{id}/task/{task}", context.base_url());
    let links = match faults.no_result {
        true => link("self", &own),
        false => {
            json!([{ "rel": "self", "href": own }, { "rel": "result", "href": format!("{own}/result") }])
        }
    };
    let told = json!({ "id": task.to_string(), "completed": true, "progress": "succeeded", "links": links });
    Ok(response::json_body(StatusCode::OK, &told))
}

async fn result(
    State(context): State<Arc<Context>>,
    Path((id, task)): Path<(u64, u32)>,
    headers: HeaderMap,
) -> Result<Response, Rejection> {
    let faults = context.faults().netsuite;
    identity::admit(&context, &headers, NETSUITE_SCOPE, &faults.result, "netsuite.result", "")?;
    polls(&context, id)?;
    let bytes = Bytes::from(content::result(&context.scenario, id, task));
    let cut = context.change(|state| state.occurs(faults.cut, "netsuite.cut", ""))?;
    Ok(response::file("application/vnd.oracle.resource+json", &bytes, cut.then_some("netsuite.cut")))
}
