//! The endpoints of `jobs/query`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::routing::{get, post};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde_json::{Map, Value, json};

use super::content;
use super::credentials::SALESFORCE_SCOPE;
use super::faults::SalesforceFaults;
use super::state::SalesforceQuery;
use crate::context::Context;
use crate::identity;
use crate::operation::Operation;
use crate::response::{self, Marked, Rejection};
use crate::switches::Times;

/// What a request may have.
const FIELDS: [&str; 5] = ["operation", "query", "contentType", "columnDelimiter", "lineEnding"];

pub(super) fn routes() -> Router<Arc<Context>> {
    Router::new()
        .route("/services/data/{version}/jobs/query", post(create))
        .route("/services/data/{version}/jobs/query/{id}", get(one).patch(abort))
        .route("/services/data/{version}/jobs/query/{id}/results", get(results))
}

/// What a request is for, by its path's segments in lower case.
pub(super) fn operation(method: &Method, segments: &[&str]) -> Operation {
    match segments {
        ["services", "data", _, "jobs", "query"] if *method == Method::POST => Operation::SubmitJob,
        ["services", "data", _, "jobs", "query", _] if *method == Method::GET => Operation::JobStatus,
        ["services", "data", _, "jobs", "query", _, "results"] => Operation::Download,
        _ => Operation::Other,
    }
}

/// An error as the API writes it: a list.
fn refused(status: StatusCode, code: &str, message: &str) -> Response {
    response::json_body(status, &json!([{ "errorCode": code, "message": message }]))
}

/// The answer of an org whose calls of the day are spent, if it is this time.
fn limited(context: &Context, times: Times, switch: &'static str, id: &str) -> Result<(), Rejection> {
    match context.change(|state| state.occurs(times, switch, id))? {
        true => {
            let said = "TotalRequests Limit exceeded.";
            Err(refused(StatusCode::FORBIDDEN, "REQUEST_LIMIT_EXCEEDED", said).by(switch).into())
        }
        false => Ok(()),
    }
}

async fn create(
    State(context): State<Arc<Context>>,
    Path(version): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Rejection> {
    let faults = context.faults().salesforce;
    identity::admit(&context, &headers, SALESFORCE_SCOPE, &faults.create, "salesforce.create", "")?;
    limited(&context, faults.create_limit, "salesforce.create_limit", "")?;
    let request = check(&body)?;
    let ((number, id), fault) = context.change(|state| {
        let accepted = state.salesforce.accept(version.clone(), request.clone());
        let switches = [
            (faults.create_then_drop, "salesforce.create_then_drop"),
            (faults.create_then_unavailable, "salesforce.create_then_unavailable"),
            (faults.no_id, "salesforce.no_id"),
        ];
        let fault = state.first_to_occur(switches);
        (accepted, fault)
    })?;
    let mut told = told(&id, &SalesforceQuery { version, request, polls: 0, aborted: false }, &faults, 0);
    let answer = match fault {
        Some(switch @ "salesforce.create_then_drop") => response::hang_up().by(switch),
        Some(switch @ "salesforce.no_id") => {
            told.as_object_mut().map(|told| told.shift_remove("id"));
            response::json_body(StatusCode::OK, &told).by(switch)
        }
        Some(switch) => response::gateway_error(StatusCode::SERVICE_UNAVAILABLE).by(switch),
        None => response::json_body(StatusCode::OK, &told),
    };
    Ok(answer.accepting(number))
}

fn check(body: &[u8]) -> Result<Map<String, Value>, Rejection> {
    let invalid =
        |code: &str, message: &str| Rejection::from(refused(StatusCode::BAD_REQUEST, code, message));
    let request: Map<String, Value> = serde_json::from_slice(body)
        .map_err(|_| invalid("JSON_PARSER_ERROR", "The request body is no JSON object."))?;
    if let Some(unknown) = request.keys().find(|field| !FIELDS.contains(&field.as_str())) {
        return Err(invalid("JSON_PARSER_ERROR", &format!("Unrecognized field \"{unknown}\"")));
    }
    let query = request.get("query").and_then(Value::as_str).unwrap_or_default();
    match query.to_ascii_uppercase().starts_with("SELECT ") {
        true => Ok(request),
        false => Err(invalid("MALFORMED_QUERY", "unexpected token: the query does not begin with SELECT")),
    }
}

/// The job of a path, unless it was made by another version of the API.
fn job(context: &Context, version: &str, id: &str) -> Result<SalesforceQuery, Rejection> {
    let job = context.store.read(|state| state.salesforce.jobs.get(id).cloned());
    match job {
        None => {
            let said = "The requested resource does not exist";
            Err(refused(StatusCode::NOT_FOUND, "NOT_FOUND", said).into())
        }
        Some(job) if job.version != version => {
            let said = "The job was created by another version of the API";
            Err(refused(StatusCode::CONFLICT, "API_ERROR", said).into())
        }
        Some(job) => Ok(job),
    }
}

async fn one(
    State(context): State<Arc<Context>>,
    Path((version, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Rejection> {
    let faults = context.faults().salesforce;
    identity::admit(&context, &headers, SALESFORCE_SCOPE, &faults.status, "salesforce.status", &id)?;
    limited(&context, faults.status_limit, "salesforce.status_limit", &id)?;
    job(&context, &version, &id)?;
    context.change(|state| {
        if let Some(job) = state.salesforce.jobs.get_mut(&id) {
            job.polls = job.polls.saturating_add(1);
        }
    })?;
    let job = job(&context, &version, &id)?;
    Ok(response::json_body(StatusCode::OK, &told(&id, &job, &faults, context.scenario.salesforce.records)))
}

/// Aborts a job that has not ended.
async fn abort(
    State(context): State<Arc<Context>>,
    Path((version, id)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Rejection> {
    let faults = context.faults().salesforce;
    identity::admit(&context, &headers, SALESFORCE_SCOPE, &faults.abort, "salesforce.abort", &id)?;
    if serde_json::from_slice::<Value>(&body).ok() != Some(json!({ "state": "Aborted" })) {
        return Ok(refused(
            StatusCode::BAD_REQUEST,
            "JSON_PARSER_ERROR",
            "Only the state Aborted can be set",
        ));
    }
    let known = job(&context, &version, &id)?;
    if known.polls > faults.running_polls && !known.aborted {
        let said = format!("Aborting already {} Job not allowed", faults.final_state);
        return Ok(refused(StatusCode::BAD_REQUEST, "INVALIDJOBSTATE", &said));
    }
    context.change(|state| {
        if let Some(job) = state.salesforce.jobs.get_mut(&id) {
            job.aborted = true;
        }
    })?;
    let job = job(&context, &version, &id)?;
    Ok(response::json_body(StatusCode::OK, &told(&id, &job, &faults, context.scenario.salesforce.records)))
}

/// A job as the API tells it.
fn told(id: &str, job: &SalesforceQuery, faults: &SalesforceFaults, records: u32) -> Value {
    let state = match (job.polls > faults.running_polls, job.polls) {
        _ if job.aborted => "Aborted",
        (true, _) => faults.final_state.as_str(),
        (false, 0 | 1) => "UploadComplete",
        (false, _) => "InProgress",
    };
    let is_complete = state == "JobComplete";
    let count = is_complete.then(|| records + u32::from(faults.wrong_count));
    let error = (state == "Failed").then_some("ClientInputError : No such column 'Nmae'");
    json!({
        "id": id, "operation": job.request.get("operation"), "object": "Account", "state": state,
        "concurrencyMode": "Parallel", "contentType": "CSV", "jobType": "V2Query",
        "lineEnding": "LF", "columnDelimiter": "COMMA", "numberRecordsProcessed": count, "errorMessage": error,
    })
}

async fn results(
    State(context): State<Arc<Context>>,
    Path((version, id)): Path<(String, String)>,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
) -> Result<Response, Rejection> {
    let faults = context.faults().salesforce;
    identity::admit(&context, &headers, SALESFORCE_SCOPE, &faults.results, "salesforce.results", &id)?;
    limited(&context, faults.results_limit, "salesforce.results_limit", &id)?;
    let job = job(&context, &version, &id)?;
    if job.aborted || job.polls <= faults.running_polls || faults.final_state != "JobComplete" {
        return Ok(refused(StatusCode::BAD_REQUEST, "INVALIDJOBSTATE", "The job is not complete"));
    }
    if faults.deleted {
        let said = "The requested resource does not exist";
        return Ok(refused(StatusCode::NOT_FOUND, "NOT_FOUND", said).by("salesforce.deleted"));
    }
    let number = |name: &str| query.get(name).map(|text| text.trim_start_matches("MTAw").parse::<u32>());
    let (Ok(from), Ok(most)) =
        (number("locator").unwrap_or(Ok(0)), number("maxRecords").unwrap_or(Ok(u32::MAX)))
    else {
        return Ok(refused(
            StatusCode::BAD_REQUEST,
            "INVALID_LOCATOR",
            "The locator or maxRecords is invalid",
        ));
    };
    let scenario = &context.scenario.salesforce;
    let until = scenario.records.min(from.saturating_add(scenario.records_per_page.min(most).max(1)));
    let page = query.get("locator").cloned().unwrap_or_default();
    let (no_locator, no_content, cut) = context.change(|state| {
        let no_locator = state.occurs(faults.no_locator, "salesforce.no_locator", &page);
        let no_content = state.occurs(faults.no_content, "salesforce.no_content", &page);
        (no_locator, no_content, state.occurs(faults.cut, "salesforce.cut", &page))
    })?;
    if no_content {
        return Ok(response::json_body(StatusCode::NO_CONTENT, &Value::Null).by("salesforce.no_content"));
    }
    let next = match (faults.circle, until < scenario.records) {
        (true, _) => format!("MTAw{from}"),
        (false, true) => format!("MTAw{until}"),
        (false, false) => "null".to_owned(),
    };
    let bytes = Bytes::from(content::page(&context.scenario, &id, from..until));
    let mut answer = response::file("text/csv; charset=UTF-8", &bytes, cut.then_some("salesforce.cut"));
    let mut set = |name: &'static str, value: String| {
        let value = HeaderValue::from_str(&value).ok();
        answer.headers_mut().extend(value.map(|value| (header::HeaderName::from_static(name), value)));
    };
    set("sforce-numberofrecords", until.saturating_sub(from).to_string());
    if !no_locator {
        set("sforce-locator", next);
    }
    Ok(answer)
}
