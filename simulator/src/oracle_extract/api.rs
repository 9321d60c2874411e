//! `runExtract`, `getExtractStatus`, and where the output files are.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::routing::{get, post};
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::content;
use super::state::OracleRequest;
use crate::context::Context;
use crate::fusion_rest::credentials::REST_SCOPE;
use crate::identity;
use crate::identity::credentials::{PASSWORD, USERNAME};
use crate::operation::Operation;
use crate::response::{self, Marked, Rejection};
use crate::switches::Outage;

const ROOT: &str = "/fscmRestApi/scm/redwood/11.13.18.05";

/// What a request may have.
const FIELDS: [&str; 6] =
    ["Type", "ExtractDefinitionName", "UserDefinedQueryName", "Parameters", "CallbackFlag", "OutputFormat"];

/// What is ignored of a request for an extract definition.
const OF_QUERIES: [&str; 4] = ["UserDefinedQueryName", "Parameters", "CallbackFlag", "OutputFormat"];

pub(super) fn routes() -> Router<Arc<Context>> {
    Router::new()
        .route(&format!("{ROOT}/runExtract"), post(submit))
        .route(&format!("{ROOT}/getExtractStatus"), get(status))
        .route(&format!("{ROOT}/simulatedOutput/{{id}}/outputFiles"), get(list))
        .route(&format!("{ROOT}/simulatedOutput/{{id}}/outputFiles/{{name}}/content"), get(file))
}

/// What a request is for, by its path's segments in lower case.
pub(super) fn operation(_: &Method, segments: &[&str]) -> Operation {
    match segments {
        [.., "runextract"] => Operation::SubmitJob,
        [.., "getextractstatus"] => Operation::JobStatus,
        [.., "outputfiles"] => Operation::ListOutputFiles,
        [.., "outputfiles", _, "content"] => Operation::Download,
        _ => Operation::Other,
    }
}

fn admit(
    context: &Context,
    headers: &HeaderMap,
    outage: &Outage,
    endpoint: &str,
    subject: &str,
) -> Result<(), Rejection> {
    context.outage(outage, endpoint, subject)?;
    match identity::basic_credentials(headers) {
        Some((name, password)) if name == USERNAME && password == PASSWORD => Ok(()),
        Some(_) => Err(response::unauthorized("The user name or the password is wrong.").into()),
        None => identity::authorize(context, headers, REST_SCOPE),
    }
}

fn invalid(detail: &str) -> Response {
    response::problem(StatusCode::BAD_REQUEST, detail)
}

async fn submit(
    State(context): State<Arc<Context>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Rejection> {
    let faults = context.faults().oracle;
    admit(&context, &headers, &faults.submit, "oracle.submit", "")?;
    let request = check(&context, &body)?;
    let (active, fails) = context.change(|state| {
        let active = state.occurs(faults.active_schedule, "oracle.active_schedule", "");
        (active, !active && state.occurs(faults.fails_under_200, "oracle.fails_under_200", ""))
    })?;
    if active {
        let said = "An active schedule exists for the extract definition.";
        return Err(invalid(said).by("oracle.active_schedule").into());
    }
    if fails {
        return Ok(submitted(&request, "Failed", None).by("oracle.fails_under_200"));
    }
    let (id, fault) = context.change(|state| {
        let id = state.oracle.accept(request.clone());
        let switches = [
            (faults.submit_then_drop, "oracle.submit_then_drop"),
            (faults.submit_then_unavailable, "oracle.submit_then_unavailable"),
            (faults.no_id, "oracle.no_id"),
        ];
        let fault = state.first_to_occur(switches);
        (id, fault)
    })?;
    let answer = match fault {
        Some(switch @ "oracle.submit_then_drop") => response::hang_up().by(switch),
        Some(switch @ "oracle.no_id") => submitted(&request, "Success", None).by(switch),
        Some(switch) => response::gateway_error(StatusCode::SERVICE_UNAVAILABLE).by(switch),
        None => submitted(&request, "Success", Some(id)),
    };
    Ok(answer.accepting(id))
}

/// The request as it counts: of one for an extract definition, the rest is ignored.
fn check(context: &Context, body: &[u8]) -> Result<Map<String, Value>, Rejection> {
    let Ok(mut request) = serde_json::from_slice::<Map<String, Value>>(body) else {
        return Err(invalid("The request body is no JSON object.").into());
    };
    if let Some(unknown) = request.keys().find(|field| !FIELDS.contains(&field.as_str())) {
        return Err(invalid(&format!("Unknown attribute {unknown}")).into());
    }
    if request.get("Type") != Some(&json!("ORA_ASYNC")) {
        return Err(invalid("Only asynchronous requests are simulated.").into());
    }
    let named = |field: &str| request.get(field).and_then(Value::as_str);
    let scenario = &context.scenario.oracle;
    match (named("ExtractDefinitionName"), named("UserDefinedQueryName")) {
        (Some(name), _) if scenario.definitions.iter().any(|known| known == name) => {
            request.retain(|field, _| !OF_QUERIES.contains(&field.as_str()));
            Ok(request)
        }
        (None, Some(name)) if scenario.queries.iter().any(|known| known == name) => Ok(request),
        (Some(name), _) => Err(invalid(&format!("The extract definition {name} is not valid.")).into()),
        (None, Some(name)) => Err(invalid(&format!("The user-defined query {name} is not valid.")).into()),
        (None, None) => Err(invalid("ExtractDefinitionName or UserDefinedQueryName is required.").into()),
    }
}

fn submitted(request: &Map<String, Value>, status: &str, id: Option<u64>) -> Response {
    let mut told: Map<String, Value> = FIELDS
        .iter()
        .map(|field| ((*field).to_owned(), request.get(*field).cloned().unwrap_or_default()))
        .collect();
    told.insert("ExecutionId".to_owned(), json!("300100679988223"));
    told.insert("RequestId".to_owned(), json!(id.map(|id| id.to_string())));
    told.insert("Status".to_owned(), json!(status));
    told.insert("Result".to_owned(), Value::Null);
    response::json_body(StatusCode::OK, &Value::Object(told))
}

/// A request, and its number.
fn request(context: &Context, id: &str) -> Result<(u64, OracleRequest), Rejection> {
    let number: u64 = id.parse().unwrap_or_default();
    let found = context.store.read(|state| state.oracle.requests.get(&number).cloned());
    found
        .map(|request| (number, request))
        .ok_or_else(|| response::problem(StatusCode::NOT_FOUND, "There is no such request.").into())
}

async fn status(
    State(context): State<Arc<Context>>,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
) -> Result<Response, Rejection> {
    let faults = context.faults().oracle;
    let id = query.get("RequestId").cloned().unwrap_or_default();
    admit(&context, &headers, &faults.status, "oracle.status", &id)?;
    let (number, _) = request(&context, &id)?;
    context.change(|state| {
        if let Some(request) = state.oracle.requests.get_mut(&number) {
            request.polls = request.polls.saturating_add(1);
        }
    })?;
    let (_, request) = request(&context, &id)?;
    let since_end = request.polls.checked_sub(faults.running_polls).filter(|since| *since > 0);
    let status = if since_end.is_some() { faults.final_status.as_str() } else { "In progress" };
    let has_url = status == "Succeeded" && since_end.is_some_and(|since| since > faults.url_late);
    let url = has_url.then(|| format!("{}{ROOT}/simulatedOutput/{number}/outputFiles", context.base_url()));
    let total = context.scenario.oracle.chunks.max(1);
    let summary = json!({
        "requestId": id, "summaryStatus": if status == "Error" { "The extract ended in error." } else { status },
        "extractDefinitionName": request.request.get("ExtractDefinitionName"), "storage": "Oracle Managed Storage",
        "outputFilesUrl": url, "totalExtracts": total,
        "successfulExtracts": total.saturating_sub(faults.failed_extracts),
    });
    Ok(response::json_body(StatusCode::OK, &json!({ "Status": status, "ExecutionSummary": summary })))
}

/// What the request extracts, as its files are named after it.
fn subject(request: &OracleRequest) -> &str {
    let named = |field: &str| request.request.get(field).and_then(Value::as_str);
    named("ExtractDefinitionName").or_else(|| named("UserDefinedQueryName")).unwrap_or_default()
}

async fn list(
    State(context): State<Arc<Context>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Rejection> {
    let faults = context.faults().oracle;
    admit(&context, &headers, &faults.list, "oracle.list", &id)?;
    let (number, request) = request(&context, &id)?;
    let is_short = context.change(|state| state.occurs(faults.short_list, "oracle.short_list", &id))?;
    let mut items = Vec::new();
    for chunk in 1..=context.scenario.oracle.chunks {
        let name = content::name(number, subject(&request), chunk);
        let bytes = archive(&context, number, chunk)?;
        let digest = hex::encode(Sha256::digest(if faults.wrong_checksum { b"" } else { &bytes[..] }));
        let href = format!("{}{ROOT}/simulatedOutput/{number}/outputFiles/{name}", context.base_url());
        items.push(json!({
            "fileName": name, "fileSize": bytes.len(), "timeCreated": "2026-11-21 06:00:00.000",
            "checksum": format!("sha-256={digest}"),
            "$context": { "links": {
                "enclosure": { "href": format!("{href}/content") }, "$self": { "href": href },
            } },
        }));
    }
    let total = items.len();
    if is_short {
        items.pop();
    }
    let answer = response::json_body(StatusCode::OK, &json!({ "items": items, "totalItems": total }));
    Ok(if is_short { answer.by("oracle.short_list") } else { answer })
}

fn archive(context: &Context, id: u64, chunk: u32) -> Result<Vec<u8>, Rejection> {
    content::archive(&context.scenario, id, chunk).map_err(|error| response::internal(&error).into())
}

async fn file(
    State(context): State<Arc<Context>>,
    Path((id, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Rejection> {
    let faults = context.faults().oracle;
    admit(&context, &headers, &faults.content, "oracle.content", &name)?;
    let (number, request) = request(&context, &id)?;
    let is_it = |chunk: &u32| content::name(number, subject(&request), *chunk) == name;
    let Some(chunk) = (1..=context.scenario.oracle.chunks).find(is_it) else {
        return Ok(response::problem(StatusCode::NOT_FOUND, "There is no such file."));
    };
    let cut = context.change(|state| state.occurs(faults.cut, "oracle.cut", &name))?;
    let bytes = Bytes::from(archive(&context, number, chunk)?);
    Ok(response::file("application/octet-stream", &bytes, cut.then_some("oracle.cut")))
}
