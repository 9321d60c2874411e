//! The endpoints of report runs, and that of files.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use http::{HeaderMap, Method, StatusCode, header};
use serde_json::{Value, json};

use super::content;
use super::credentials::STRIPE_KEY;
use super::faults::StripeFaults;
use super::state::{Answered, StripeReport};
use crate::context::Context;
use crate::operation::Operation;
use crate::response::{self, Marked, Rejection};
use crate::switches::Outage;

/// What a form may have.
const FIELDS: [&str; 8] = [
    "report_type",
    "parameters[interval_start]",
    "parameters[interval_end]",
    "parameters[columns][]",
    "parameters[currency]",
    "parameters[timezone]",
    "parameters[reporting_category]",
    "parameters[connected_account]",
];

pub(super) fn routes() -> Router<Arc<Context>> {
    Router::new()
        .route("/v1/reporting/report_runs", post(create))
        .route("/v1/reporting/report_runs/{id}", get(one))
}

/// What the files' own listener serves.
pub(super) fn storage_routes() -> Router<Arc<Context>> {
    Router::new().route("/v1/files/{id}/contents", get(file))
}

/// What a request is for, by its path's segments in lower case.
pub(super) fn operation(method: &Method, segments: &[&str]) -> Operation {
    match segments {
        ["v1", "reporting", "report_runs"] if *method == Method::POST => Operation::SubmitJob,
        ["v1", "reporting", "report_runs", _] => Operation::JobStatus,
        ["v1", "files", ..] => Operation::Download,
        _ => Operation::Other,
    }
}

/// An error as the API writes it.
fn refused(status: StatusCode, kind: &str, message: &str) -> Response {
    response::json_body(status, &json!({ "error": { "type": kind, "message": message } }))
}

fn admit(
    context: &Context,
    headers: &HeaderMap,
    outage: &Outage,
    endpoint: &str,
    subject: &str,
) -> Result<(), Rejection> {
    context.outage(outage, endpoint, subject)?;
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    match given.and_then(|given| given.strip_prefix("Bearer ")) == Some(STRIPE_KEY) {
        true => Ok(()),
        false => {
            let said = "You did not provide an API key.";
            Err(refused(StatusCode::UNAUTHORIZED, "invalid_request_error", said).into())
        }
    }
}

async fn create(
    State(context): State<Arc<Context>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Rejection> {
    let faults = context.faults().stripe;
    admit(&context, &headers, &faults.create, "stripe.create", "")?;
    let request = check(&body)?;
    let key = headers.get("idempotency-key").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let known = context.store.read(|state| state.stripe.keys.get(key).cloned()).filter(|_| !key.is_empty());
    if let Some(first) = known {
        return repeated(&context, key, &first, &request);
    }
    let (run, fault) = context.change(|state| {
        let switches = [
            (faults.create_fails_for_good, "stripe.create_fails_for_good"),
            (faults.create_then_drop, "stripe.create_then_drop"),
        ];
        let fault = state.first_to_occur(switches);
        let fails = fault == Some("stripe.create_fails_for_good");
        let run = (!fails).then(|| state.stripe.accept(request.clone()));
        state.stripe.keys.insert(key.to_owned(), Answered { request, run });
        (run, fault)
    })?;
    let answer = match (run, fault) {
        (Some(run), None) => made(&context, run),
        (Some(_), Some(switch)) => response::hang_up().by(switch),
        (None, _) => failed(),
    };
    Ok(match run {
        Some(run) => answer.accepting(run),
        None => answer,
    })
}

/// What a key is answered that was used before: the same.
fn repeated(
    context: &Context,
    key: &str,
    first: &Answered,
    request: &[(String, String)],
) -> Result<Response, Rejection> {
    let faults = context.faults().stripe;
    if context.change(|state| state.occurs(faults.key_in_use, "stripe.key_in_use", key))? {
        let said = "There is currently another in-progress request using this Idempotent Key.";
        return Ok(refused(StatusCode::CONFLICT, "idempotency_error", said).by("stripe.key_in_use"));
    }
    if first.request != request {
        let said = "Keys for idempotent requests can only be used with the same parameters they were first used with.";
        return Ok(refused(StatusCode::BAD_REQUEST, "idempotency_error", said));
    }
    Ok(match first.run {
        Some(run) => made(context, run),
        None => failed(),
    })
}

fn made(context: &Context, run: u64) -> Response {
    let new = context.store.read(|state| state.stripe.runs.get(&run).cloned());
    let new = new.map(|report| StripeReport { polls: 0, ..report });
    response::json_body(StatusCode::OK, &new.map_or(Value::Null, |new| told(context, run, &new)))
}

fn failed() -> Response {
    refused(StatusCode::INTERNAL_SERVER_ERROR, "api_error", "An error occurred.")
        .by("stripe.create_fails_for_good")
}

fn check(body: &[u8]) -> Result<Vec<(String, String)>, Rejection> {
    let invalid =
        |message: &str| Rejection::from(refused(StatusCode::BAD_REQUEST, "invalid_request_error", message));
    let form: Vec<(String, String)> = url::form_urlencoded::parse(body).into_owned().collect();
    if let Some((unknown, _)) = form.iter().find(|(name, _)| !FIELDS.contains(&name.as_str())) {
        return Err(invalid(&format!("Received unknown parameter: {unknown}")));
    }
    let is_time = |(name, value): &(String, String)| {
        !name.starts_with("parameters[interval") || value.parse::<u64>().is_ok()
    };
    match form.iter().any(|(name, _)| name == "report_type") && form.iter().all(is_time) {
        true => Ok(form),
        false => Err(invalid("Missing required param: report_type.")),
    }
}

async fn one(
    State(context): State<Arc<Context>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Rejection> {
    let faults = context.faults().stripe;
    admit(&context, &headers, &faults.status, "stripe.status", &id)?;
    let number = id.strip_prefix("frr_").and_then(|number| number.parse().ok()).unwrap_or_default();
    let run = context.change(|state| {
        let run = state.stripe.runs.get_mut(&number)?;
        run.polls = run.polls.saturating_add(1);
        Some(run.clone())
    })?;
    Ok(match run {
        Some(run) => response::json_body(StatusCode::OK, &told(&context, number, &run)),
        None => refused(
            StatusCode::NOT_FOUND,
            "invalid_request_error",
            &format!("No such reporting.report_run: {id}"),
        ),
    })
}

/// A run as the API tells it.
fn told(context: &Context, id: u64, run: &StripeReport) -> Value {
    let faults: StripeFaults = context.faults().stripe;
    let has_ended = run.polls > faults.running_polls;
    let status = if has_ended { faults.final_status.as_str() } else { "pending" };
    let size = content::report(&context.scenario, id).len() + usize::from(faults.wrong_size);
    let host = faults.file_host.as_deref().unwrap_or(&context.endpoints.storage_url);
    let result = (status == "succeeded" && !faults.no_result).then(|| {
        json!({
            "id": format!("file_{id}"), "object": "file", "filename": format!("frr_{id}.csv"), "type": "csv",
            "size": size, "url": format!("{host}/v1/files/file_{id}/contents"),
        })
    });
    let error = (status == "failed").then_some("The report could not be run.");
    let report_type = run.request.iter().find(|(name, _)| name == "report_type").map(|(_, value)| value);
    json!({
        "id": format!("frr_{id}"), "object": "reporting.report_run", "livemode": false, "status": status,
        "report_type": report_type, "result": result, "error": error,
    })
}

async fn file(
    State(context): State<Arc<Context>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Rejection> {
    let faults = context.faults().stripe;
    admit(&context, &headers, &faults.file, "stripe.file", &id)?;
    let number: u64 = id.strip_prefix("file_").and_then(|number| number.parse().ok()).unwrap_or_default();
    if !context.store.read(|state| state.stripe.runs.contains_key(&number)) {
        return Ok(refused(StatusCode::NOT_FOUND, "invalid_request_error", &format!("No such file: {id}")));
    }
    let (error, cut) = context.change(|state| {
        let error = state.occurs(faults.error_for_file, "stripe.error_for_file", &id);
        (error, !error && state.occurs(faults.cut, "stripe.cut", &id))
    })?;
    if error {
        return Ok(refused(StatusCode::OK, "api_error", "An error occurred.").by("stripe.error_for_file"));
    }
    let bytes = Bytes::from(content::report(&context.scenario, number));
    Ok(response::file("text/csv", &bytes, cut.then_some("stripe.cut")))
}
