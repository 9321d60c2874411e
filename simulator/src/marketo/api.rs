//! The endpoints of bulk lead extracts.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::routing::{get, post};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::content;
use super::credentials::MARKETO_SCOPE;
use super::faults::MarketoFaults;
use super::state::MarketoExtract;
use crate::context::Context;
use crate::identity;
use crate::operation::Operation;
use crate::response::{self, Marked, Rejection};
use crate::switches::Outage;

pub(super) fn routes() -> Router<Arc<Context>> {
    Router::new()
        .route("/bulk/v1/leads/export.json", get(list))
        .route("/bulk/v1/leads/export/create.json", post(create))
        .route("/bulk/v1/leads/export/{id}/enqueue.json", post(enqueue))
        .route("/bulk/v1/leads/export/{id}/cancel.json", post(cancel))
        .route("/bulk/v1/leads/export/{id}/status.json", get(one))
        .route("/bulk/v1/leads/export/{id}/file.json", get(file))
}

/// What a request is for, by its path's segments in lower case.
pub(super) fn operation(_: &Method, segments: &[&str]) -> Operation {
    match segments {
        ["bulk", "v1", _, "export.json"] => Operation::ListJobs,
        ["bulk", "v1", _, "export", _, "enqueue.json"] => Operation::SubmitJob,
        ["bulk", "v1", _, "export", _, "status.json"] => Operation::JobStatus,
        ["bulk", "v1", _, "export", _, "file.json"] => Operation::Download,
        _ => Operation::Other,
    }
}

/// The id of an extract.
pub(super) fn id(number: u64) -> String {
    format!("ce45a7a1-f19d-4ce2-882c-{number:012}")
}

fn number(id: &str) -> u64 {
    id.rsplit('-').next().and_then(|number| number.parse().ok()).unwrap_or_default()
}

/// An error as the API writes it: under 200.
fn refused(code: &str, message: &str) -> Response {
    let errors = json!([{ "code": code, "message": message }]);
    response::json_body(
        StatusCode::OK,
        &json!({ "requestId": "e42b#14272d07d78", "success": false, "errors": errors }),
    )
}

fn done(result: &[Value]) -> Response {
    response::json_body(
        StatusCode::OK,
        &json!({ "requestId": "e42b#14272d07d78", "success": true, "result": result }),
    )
}

fn admit(
    context: &Context,
    headers: &HeaderMap,
    outage: &Outage,
    endpoint: &str,
    subject: &str,
) -> Result<MarketoFaults, Rejection> {
    identity::admit(context, headers, MARKETO_SCOPE, outage, endpoint, subject)?;
    let faults = context.faults().marketo;
    let (expired, rate) = context.change(|state| {
        let expired = state.occurs(faults.expired_token, "marketo.expired_token", endpoint);
        (expired, !expired && state.occurs(faults.rate, "marketo.rate", endpoint))
    })?;
    match (expired, rate) {
        (true, _) => Err(refused("602", "Access token expired").by("marketo.expired_token").into()),
        (_, true) => {
            let said = "Max rate limit '100' exceeded with in '20' secs";
            Err(refused("606", said).by("marketo.rate").into())
        }
        (false, false) => Ok(faults),
    }
}

async fn create(
    State(context): State<Arc<Context>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Rejection> {
    let outage = context.faults().marketo.create;
    let faults = admit(&context, &headers, &outage, "marketo.create", "")?;
    let Ok(request) = serde_json::from_slice::<Map<String, Value>>(&body) else {
        return Ok(refused("609", "Invalid JSON"));
    };
    let has_fields = request.get("fields").and_then(Value::as_array).is_some_and(|fields| !fields.is_empty());
    if !has_fields || !request.get("filter").is_some_and(Value::is_object) {
        return Ok(refused("1003", "fields and filter are required"));
    }
    let (number, dropped) = context.change(|state| {
        let number = state.marketo.accept(request, context.scenario.marketo.gives_ids_back);
        (number, state.occurs(faults.create_then_drop, "marketo.create_then_drop", ""))
    })?;
    Ok(match dropped {
        true => response::hang_up().by("marketo.create_then_drop"),
        false => done(&[json!({ "exportId": id(number), "format": "CSV", "status": "Created" })]),
    })
}

/// The extract of a path.
fn extract(context: &Context, id: &str) -> Result<(u64, MarketoExtract), Rejection> {
    let number = number(id);
    let found = context.store.read(|state| state.marketo.extracts.get(&number).cloned());
    match found.filter(|_| self::id(number) == id) {
        Some(extract) => Ok((number, extract)),
        None => Err(refused("1029", "Export job not found").into()),
    }
}

async fn enqueue(
    State(context): State<Arc<Context>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Rejection> {
    let outage = context.faults().marketo.enqueue;
    let faults = admit(&context, &headers, &outage, "marketo.enqueue", &id)?;
    let (number, extract) = extract(&context, &id)?;
    if context.change(|state| state.occurs(faults.quota, "marketo.quota", ""))? {
        return Ok(refused("1029", "Export daily quota 500MB exceeded").by("marketo.quota"));
    }
    if extract.enqueued > 0 {
        return Ok(refused("1029", "Job already queued"));
    }
    let fault = context.change(|state| {
        if let Some(extract) = state.marketo.extracts.get_mut(&number) {
            extract.enqueued = extract.enqueued.saturating_add(1);
        }
        let switches = [
            (faults.enqueue_then_drop, "marketo.enqueue_then_drop"),
            (faults.enqueue_then_unavailable, "marketo.enqueue_then_unavailable"),
            (faults.enqueue_vaguely, "marketo.enqueue_vaguely"),
        ];
        state.first_to_occur(switches)
    })?;
    let answer = match fault {
        Some(switch @ "marketo.enqueue_then_drop") => response::hang_up().by(switch),
        Some(switch @ "marketo.enqueue_vaguely") => {
            response::json_body(StatusCode::OK, &json!({ "success": "perhaps" })).by(switch)
        }
        Some(switch) => response::gateway_error(StatusCode::SERVICE_UNAVAILABLE).by(switch),
        None => done(&[json!({ "exportId": id, "format": "CSV", "status": "Queued" })]),
    };
    Ok(answer.accepting(number))
}

async fn list(
    State(context): State<Arc<Context>>,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
) -> Result<Response, Rejection> {
    let faults = admit(&context, &headers, &Outage::default(), "marketo.list", "")?;
    let wanted = query.get("status").cloned().unwrap_or_default();
    let found = context.change(|state| {
        let mut found = Vec::new();
        for (number, extract) in &mut state.marketo.extracts {
            extract.lists = extract.lists.saturating_add(u32::from(extract.enqueued > 0));
            let shown = match extract.lists > faults.unlisted {
                true => extract.clone(),
                false => MarketoExtract { enqueued: 0, ..extract.clone() },
            };
            found.push((*number, shown));
        }
        found
    })?;
    let told: Vec<Value> =
        found.iter().map(|(number, extract)| told(&context, *number, extract, &faults)).collect();
    let is_wanted = |one: &&Value| {
        let status = one.get("status").and_then(Value::as_str).unwrap_or_default();
        wanted.is_empty() || wanted.split(',').any(|wanted| wanted == status)
    };
    Ok(done(&told.iter().filter(is_wanted).cloned().collect::<Vec<_>>()))
}

async fn one(
    State(context): State<Arc<Context>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Rejection> {
    let outage = context.faults().marketo.status;
    let faults = admit(&context, &headers, &outage, "marketo.status", &id)?;
    let (number, _) = extract(&context, &id)?;
    context.change(|state| {
        if let Some(extract) = state.marketo.extracts.get_mut(&number).filter(|extract| extract.enqueued > 0)
        {
            extract.polls = extract.polls.saturating_add(1);
        }
    })?;
    let (_, extract) = extract(&context, &id)?;
    Ok(done(&[told(&context, number, &extract, &faults)]))
}

/// Cancels an extract that has not ended.
async fn cancel(
    State(context): State<Arc<Context>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Rejection> {
    let outage = context.faults().marketo.cancel;
    let faults = admit(&context, &headers, &outage, "marketo.cancel", &id)?;
    let (number, known) = extract(&context, &id)?;
    if known.polls > faults.running_polls {
        return Ok(refused("1029", "The export job has ended"));
    }
    context.change(|state| {
        if let Some(extract) = state.marketo.extracts.get_mut(&number) {
            extract.cancelled = true;
        }
    })?;
    Ok(done(&[json!({ "exportId": id, "format": "CSV", "status": "Cancelled" })]))
}

/// An extract as the API tells it.
fn told(context: &Context, number: u64, extract: &MarketoExtract, faults: &MarketoFaults) -> Value {
    let has_ended = extract.polls > faults.running_polls;
    let status = match (extract.enqueued, has_ended, extract.polls) {
        _ if extract.cancelled => "Cancelled",
        (0, ..) => "Created",
        (_, true, _) => faults.final_status.as_str(),
        (_, false, 0 | 1) => "Queued",
        (_, false, _) => "Processing",
    };
    let mut told = json!({ "exportId": id(number), "format": "CSV", "status": status });
    if let (Some(told), "Completed") = (told.as_object_mut(), status) {
        let bytes = content::leads(&context.scenario, number);
        let digest = hex::encode(Sha256::digest(if faults.wrong_checksum { b"" } else { &bytes[..] }));
        told.insert("fileSize".to_owned(), json!(bytes.len()));
        told.insert("fileChecksum".to_owned(), json!(format!("sha256:{digest}")));
        let count = context.scenario.marketo.leads + u32::from(faults.wrong_count);
        told.insert("numberOfRecords".to_owned(), json!(count));
    }
    if let (Some(told), "Failed") = (told.as_object_mut(), status) {
        told.insert("errorMsg".to_owned(), json!("The filter cannot be evaluated"));
    }
    told
}

async fn file(
    State(context): State<Arc<Context>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Rejection> {
    let outage = context.faults().marketo.file;
    let faults = admit(&context, &headers, &outage, "marketo.file", &id)?;
    let (number, _) = extract(&context, &id)?;
    let (error, cut) = context.change(|state| {
        let error = state.occurs(faults.error_for_file, "marketo.error_for_file", &id);
        (error, !error && state.occurs(faults.cut, "marketo.cut", &id))
    })?;
    if error {
        return Ok(refused("611", "System error").by("marketo.error_for_file"));
    }
    let bytes = Bytes::from(content::leads(&context.scenario, number));
    let length = bytes.len();
    let from = headers
        .get(header::RANGE)
        .and_then(|range| {
            range.to_str().ok()?.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok()
        })
        .filter(|from| *from < length)
        .filter(|_| !headers.contains_key(header::IF_RANGE));
    let rest = bytes.slice(from.unwrap_or(0)..);
    let mut answer = response::file("text/csv", &rest, cut.then_some("marketo.cut"));
    if let Some(from) = from {
        let range = format!("bytes {from}-{}/{length}", length.saturating_sub(1));
        let value = HeaderValue::from_str(&range).ok();
        answer.headers_mut().extend(value.map(|value| (header::CONTENT_RANGE, value)));
        *answer.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    Ok(answer)
}
