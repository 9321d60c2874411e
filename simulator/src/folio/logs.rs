//! The logs of jobs.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Query as QueryOf, State};
use axum::response::Response;
use axum::routing::get;
use http::HeaderMap;
use serde_json::{Value, json};

use super::cql::Conditions;
use super::{Query, authn, errors, page};
use crate::answer::Ended;
use crate::world::World;

pub(super) fn routes() -> Router<Arc<World>> {
    Router::new().route("/data-export/logs", get(list))
}

async fn list(
    State(world): State<Arc<World>>,
    QueryOf(query): QueryOf<Query>,
    headers: HeaderMap,
) -> Result<Response, Ended> {
    let switches = world.faults().folio;
    let faults = authn::admit(&world, &headers, &switches.logs, "folio.logs", "", "logs.collection.get")?;
    let text = query.get("query").map(String::as_str);
    let conditions = Conditions::parse(text)
        .ok_or_else(|| faults.bad_query("/data-export/logs", text.unwrap_or_default()))?;
    let found: Vec<Value> = world.store.read(|state| {
        let ended = state.folio.executions.iter().filter(|execution| execution.has_ended());
        let of_these = ended.filter(|execution| conditions.hold(&[("jobExecutionId", &execution.id)]));
        of_these
            .filter_map(|execution| execution.output.as_ref())
            .flat_map(|output| output.logs.clone())
            .collect()
    });
    let is_first = query.get("offset").is_none_or(|offset| offset == "0");
    let entries = if faults.log_is_short && !is_first { Vec::new() } else { page(&query, &found) };
    Ok(errors::ok(&json!({ "errorLogs": entries, "totalRecords": found.len() })))
}
