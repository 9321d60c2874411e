//! `GET bulkstatus/{id}`: 202 while the export runs, then 200 with its manifest. `DELETE` frees it.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::routing::get;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use super::told::told;
use crate::context::Context;
use crate::fhir_bulk::content::{self, Listed};
use crate::fhir_bulk::credentials::FHIR_SCOPE;
use crate::fhir_bulk::faults::FhirFaults;
use crate::identity;
use crate::response::{self, Marked, Rejection};

pub(super) fn routes() -> Router<Arc<Context>> {
    Router::new().route("/fhir/bulkstatus/{id}", get(status).delete(delete))
}

fn gone() -> Response {
    told(StatusCode::NOT_FOUND, "not-found", "The export is not there.")
}

async fn status(
    State(context): State<Arc<Context>>,
    Path(id): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
) -> Result<Response, Rejection> {
    let faults = context.faults().fhir;
    identity::admit(&context, &headers, FHIR_SCOPE, &faults.status.outage, "fhir.status", &id)?;
    let number: u64 = id.parse().unwrap_or_default();
    let (export, is_transient) = context.change(|state| {
        let is_transient = state.occurs(faults.status.transient, "fhir.status.transient", &id);
        let export = state.fhir.exports.get_mut(&number).filter(|export| export.deletions == 0);
        (
            export.map(|export| {
                export.polls = export.polls.saturating_add(1);
                export.clone()
            }),
            is_transient,
        )
    })?;
    let Some(export) = export else { return Ok(gone()) };
    if is_transient {
        let said = "An unknown error occurred (transient_error). Please try again.";
        return Ok(told(StatusCode::INTERNAL_SERVER_ERROR, "transient", said).by("fhir.status.transient"));
    }
    if faults.status.never_ends || export.polls <= faults.status.running_polls {
        let percent = export.polls.saturating_sub(1).saturating_mul(100)
            / faults.status.running_polls.saturating_add(1);
        let mut answer = Response::new(Body::empty());
        *answer.status_mut() = StatusCode::ACCEPTED;
        let progress = HeaderValue::from_str(&format!("{}% complete, Please wait...", percent.min(99)));
        answer
            .headers_mut()
            .extend(progress.ok().map(|value| (HeaderName::from_static("x-progress"), value)));
        answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        return Ok(answer);
    }
    if faults.status.fails {
        let said = "The export failed: a resource cannot be read.";
        return Ok(told(StatusCode::BAD_REQUEST, "exception", said).by("fhir.status.fails"));
    }
    if faults.status.outcome_for_manifest {
        return Ok(told(StatusCode::OK, "exception", "Out of luck.").by("fhir.status.outcome_for_manifest"));
    }
    let page: u32 = query.get("page").and_then(|page| page.parse().ok()).unwrap_or(1);
    let files = content::files(&context.scenario, &export);
    let signature = context.change(|state| {
        state.fhir.manifests += 1;
        state.fhir.manifests
    })?;
    let body = manifest(&context, &faults, number, &files, page, signature);
    let status = if faults.status.unknown_status { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    Ok(response::json_body(status, &body))
}

fn manifest(
    context: &Context,
    faults: &FhirFaults,
    id: u64,
    files: &[Listed],
    page: u32,
    signature: u64,
) -> Value {
    let per_page = usize::try_from(context.scenario.fhir.files_per_page).unwrap_or_default();
    let per_page = if per_page == 0 { files.len().max(1) } else { per_page };
    let before = usize::try_from(page.saturating_sub(1)).unwrap_or_default().saturating_mul(per_page);
    let mut on_page: Vec<&Listed> = files.iter().skip(before).take(per_page).collect();
    if faults.status.reversed && signature % 2 == 1 {
        on_page.reverse();
    }
    let base = context.base_url();
    let host = faults.files.host.as_deref().unwrap_or(base);
    let list = |name: &str| -> Value {
        let of_list = on_page.iter().filter(|file| file.list == name);
        of_list
            .map(|file| {
                let open = if faults.files.open_links { format!("?signature={signature}") } else { String::new() };
                let url = format!("{host}/fhir/bulkfiles/{id}/{}.{}.ndjson{open}", file.number, file.kind);
                json!({ "type": file.kind, "url": url, "count": file.count + u32::from(faults.status.wrong_counts) })
            })
            .collect()
    };
    let mut body = json!({
        "transactionTime": "2026-11-21T06:00:00Z",
        "request": format!("{base}/fhir/$export"),
        "requiresAccessToken": !faults.files.open_links,
        "output": list("output"),
        "deleted": list("deleted"),
        "error": list("error"),
    });
    if before.saturating_add(per_page) < files.len() || faults.status.circle {
        let next = if faults.status.circle { 1 } else { page.saturating_add(1) };
        let host = faults.status.next_host.as_deref().unwrap_or(base);
        let url = format!("{host}/fhir/bulkstatus/{id}?page={next}");
        if let Some(fields) = body.as_object_mut() {
            fields.insert("link".to_owned(), json!([{ "relation": "next", "url": url }]));
        }
    }
    body
}

async fn delete(
    State(context): State<Arc<Context>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Rejection> {
    let faults = context.faults().fhir.delete;
    identity::admit(&context, &headers, FHIR_SCOPE, &faults.outage, "fhir.delete", &id)?;
    let number: u64 = id.parse().unwrap_or_default();
    let (was_there, dropped) = context.change(|state| {
        let was_there = state.fhir.export(number).is_some();
        if let Some(export) = state.fhir.exports.get_mut(&number) {
            export.deletions = export.deletions.saturating_add(1);
        }
        (was_there, state.occurs(faults.then_drop, "fhir.delete.then_drop", &id))
    })?;
    Ok(match (was_there, dropped) {
        (_, true) => response::hang_up().by("fhir.delete.then_drop"),
        (true, false) => told(StatusCode::ACCEPTED, "informational", "The export was deleted."),
        (false, false) => gone(),
    })
}
