//! The logs of jobs, which come in an order by entries' ids, or in none that lasts from one page to the next.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Query as QueryOf, State};
use axum::response::Response;
use axum::routing::get;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::cql::Conditions;
use super::paging::{Query, page};
use super::{authn, errors};
use crate::context::Context;
use crate::folio::faults::Dialect;
use crate::response::Rejection;

/// What version 5 can order a log by: the fields of its table, which are not those of an entry.
const COLUMNS: [&str; 6] = ["id", "errorLog", "creationDate", "createdBy", "jobExecutionId", "jobProfileId"];

/// Up to so many entries are counted one by one.
const ESTIMATED_FROM: usize = 1000;

pub(super) fn routes() -> Router<Arc<Context>> {
    Router::new().route("/data-export/logs", get(list))
}

async fn list(
    State(context): State<Arc<Context>>,
    QueryOf(query): QueryOf<Query>,
    headers: HeaderMap,
) -> Result<Response, Rejection> {
    let switches = context.faults().folio;
    let faults = authn::admit(&context, &headers, &switches.logs, "folio.logs", "", "logs.collection.get")?;
    let text = query.get("query").map(String::as_str);
    let conditions = Conditions::parse(text)
        .ok_or_else(|| faults.bad_query("/data-export/logs", text.unwrap_or_default()))?;
    let order = conditions.order();
    if faults.dialect == Dialect::V5 && order.is_some_and(|order| !COLUMNS.contains(&order)) {
        return Err(errors::spring(StatusCode::INTERNAL_SERVER_ERROR, "/data-export/logs").into());
    }
    let mut found: Vec<Value> = context.store.read(|state| {
        let ended = state.folio.executions.iter().filter(|execution| execution.has_ended());
        let of_these = ended.filter(|execution| conditions.hold(&[("jobExecutionId", &execution.id)]));
        of_these
            .filter_map(|execution| execution.output.as_ref())
            .flat_map(|output| output.logs.clone())
            .collect()
    });
    let offset = query.get("offset").and_then(|offset| offset.parse().ok()).unwrap_or(0_usize);
    let is_first = offset == 0;
    if order == Some("id") {
        found.sort_by_cached_key(|entry| entry.get("id").map(Value::to_string));
    } else {
        // A database gives rows of which none comes before another in any order, and the next time in another.
        let by = offset.min(found.len());
        found.rotate_left(by);
    }
    let entries = if faults.log_is_short && !is_first { Vec::new() } else { page(&query, &found) };
    let total = match faults.log_estimate {
        Some(estimate) if found.len() >= ESTIMATED_FROM => estimate.max(ESTIMATED_FROM),
        _ => found.len(),
    };
    Ok(errors::ok(&json!({ "errorLogs": entries, "totalRecords": total })))
}
