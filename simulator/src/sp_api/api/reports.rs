//! `POST` and `GET /reports`, and `GET /reports/{id}`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::routing::get;
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::admission::{admit, refused};
use crate::context::Context;
use crate::response::{self, Marked, Rejection};
use crate::sp_api::faults::SpApiFaults;
use crate::sp_api::state::SpApiReport;

/// What a request may have.
const FIELDS: [&str; 5] = ["reportType", "marketplaceIds", "reportOptions", "dataStartTime", "dataEndTime"];

/// The moments in it.
const TIMES: [&str; 2] = ["dataStartTime", "dataEndTime"];

pub(super) fn routes() -> Router<Arc<Context>> {
    Router::new()
        .route("/reports/2021-06-30/reports", get(list).post(create))
        .route("/reports/2021-06-30/reports/{id}", get(one).delete(cancel))
}

async fn create(
    State(context): State<Arc<Context>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Rejection> {
    let faults = context.faults().sp_api;
    admit(&context, &headers, &faults.create, "sp_api.create", "")?;
    let request = check(&body)?;
    let (id, fault) = context.change(|state| {
        let id = state.sp_api.accept(request, context.clock.now());
        let switches = [
            (faults.create_then_drop, "sp_api.create_then_drop"),
            (faults.create_then_unavailable, "sp_api.create_then_unavailable"),
        ];
        let fault = state.first_to_occur(switches);
        (id, fault)
    })?;
    let answer = match fault {
        Some(switch @ "sp_api.create_then_drop") => response::hang_up().by(switch),
        Some(switch) => response::gateway_error(StatusCode::SERVICE_UNAVAILABLE).by(switch),
        None => response::json_body(StatusCode::ACCEPTED, &json!({ "reportId": id.to_string() })),
    };
    Ok(answer.accepting(id))
}

fn check(body: &[u8]) -> Result<Map<String, Value>, Rejection> {
    let invalid = |message: &str| Rejection::from(refused(StatusCode::BAD_REQUEST, "InvalidInput", message));
    let request: Map<String, Value> =
        serde_json::from_slice(body).map_err(|_| invalid("The body is no JSON object."))?;
    if let Some(unknown) = request.keys().find(|field| !FIELDS.contains(&field.as_str())) {
        return Err(invalid(&format!("Unknown field {unknown}.")));
    }
    let is_time = |value: &Value| value.as_str().is_some_and(|text| text.parse::<Timestamp>().is_ok());
    let ids = request.get("marketplaceIds").and_then(Value::as_array);
    let has_types = request.get("reportType").is_some_and(Value::is_string)
        && ids.is_some_and(|ids| !ids.is_empty() && ids.iter().all(Value::is_string));
    let has_times = TIMES.iter().all(|field| request.get(*field).is_none_or(is_time));
    match has_types && has_times {
        true => Ok(request),
        false => Err(invalid("reportType and marketplaceIds are required, and times are those of ISO 8601.")),
    }
}

async fn list(
    State(context): State<Arc<Context>>,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
) -> Result<Response, Rejection> {
    let faults = context.faults().sp_api;
    admit(&context, &headers, &Default::default(), "sp_api.list", "")?;
    let invalid = |message: &str| Rejection::from(refused(StatusCode::BAD_REQUEST, "InvalidInput", message));
    // A token holds what the first page was asked for, and is the only parameter.
    let (asked, from): (BTreeMap<String, String>, usize) = match query.get("nextToken") {
        Some(_) if query.len() > 1 => return Err(invalid("nextToken must be the only parameter.")),
        Some(token) => {
            let (from, asked) = token.split_once('/').ok_or_else(|| invalid("nextToken is invalid."))?;
            let asked = url::form_urlencoded::parse(asked.as_bytes()).into_owned().collect();
            (asked, from.parse::<usize>().map_err(|_| invalid("nextToken is invalid."))?)
        }
        None => (query, 0),
    };
    let Some(kind) = asked.get("reportTypes") else {
        return Err(invalid("reportTypes or nextToken is required."));
    };
    let since = match asked.get("createdSince").map(|text| text.parse::<Timestamp>()) {
        Some(Err(_)) => return Err(invalid("createdSince is no time.")),
        Some(Ok(since)) => since,
        None => Timestamp::MIN,
    };
    let found: Vec<(u64, SpApiReport)> = context.change(|state| {
        let mut found = Vec::new();
        for (id, report) in &mut state.sp_api.reports {
            let is_asked_for =
                report.created_at >= since && report.request.get("reportType") == Some(&json!(kind));
            if is_asked_for {
                report.lists = report.lists.saturating_add(1);
            }
            if is_asked_for && report.lists > faults.unlisted {
                found.push((*id, report.clone()));
            }
        }
        found
    })?;
    let per_page = context.scenario.sp_api.reports_per_page.max(1);
    let told = found.iter().skip(from).take(per_page).map(|(id, report)| told(*id, report, &faults));
    let mut body = Map::from_iter([("reports".to_owned(), told.collect())]);
    if from.saturating_add(per_page) < found.len() || faults.circle {
        let asked = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&asked).finish();
        let next = if faults.circle { 0 } else { from.saturating_add(per_page) };
        body.insert("nextToken".to_owned(), json!(format!("{next}/{asked}")));
    }
    Ok(response::json_body(StatusCode::OK, &Value::Object(body)))
}

async fn one(
    State(context): State<Arc<Context>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Rejection> {
    let faults = context.faults().sp_api;
    admit(&context, &headers, &faults.status, "sp_api.status", &id)?;
    let number: u64 = id.parse().unwrap_or_default();
    let report = context.change(|state| {
        let report = state.sp_api.reports.get_mut(&number)?;
        report.polls = report.polls.saturating_add(1);
        Some(report.clone())
    })?;
    Ok(match report {
        Some(report) => response::json_body(StatusCode::OK, &told(number, &report, &faults)),
        None => refused(StatusCode::NOT_FOUND, "NotFound", "There is no such report."),
    })
}

/// Cancels a report that is not worked at yet.
async fn cancel(
    State(context): State<Arc<Context>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Rejection> {
    let faults = context.faults().sp_api;
    admit(&context, &headers, &faults.cancel, "sp_api.cancel", &id)?;
    let number: u64 = id.parse().unwrap_or_default();
    let is_in_queue = context.change(|state| {
        let report = state.sp_api.reports.get_mut(&number)?;
        let is_in_queue = report.polls <= 1 && report.polls <= faults.running_polls;
        report.cancelled |= is_in_queue;
        Some(is_in_queue)
    })?;
    Ok(match is_in_queue {
        Some(true) => Response::default(),
        Some(false) => {
            refused(StatusCode::BAD_REQUEST, "InvalidInput", "Only a report in the queue can be cancelled.")
        }
        None => refused(StatusCode::NOT_FOUND, "NotFound", "There is no such report."),
    })
}

/// A report as the API tells it.
fn told(id: u64, report: &SpApiReport, faults: &SpApiFaults) -> Value {
    let has_ended = report.polls > faults.running_polls;
    let status = match (has_ended, report.polls) {
        _ if report.cancelled => "CANCELLED",
        (true, _) => faults.final_status.as_str(),
        (false, 0 | 1) => "IN_QUEUE",
        (false, _) => "IN_PROGRESS",
    };
    // It writes the offset, and leaves out the options.
    let with_offset = |text: &str| json!(text.replace('Z', "+00:00"));
    let mut told = report.request.clone();
    told.shift_remove("reportOptions");
    for (field, value) in &mut told {
        if let Some(text) = value.as_str().filter(|_| TIMES.contains(&field.as_str())) {
            *value = with_offset(text);
        }
    }
    told.insert("reportId".to_owned(), json!(id.to_string()));
    told.insert("createdTime".to_owned(), with_offset(&report.created_at.to_string()));
    told.insert("processingStatus".to_owned(), json!(status));
    if has_ended && status == "DONE" && !faults.no_document {
        told.insert("reportDocumentId".to_owned(), json!(format!("amzn1.spdoc.1.4.eu.{id}")));
    }
    Value::Object(told)
}
