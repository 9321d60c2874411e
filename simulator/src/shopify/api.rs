//! GraphQL, as far as bulk operations need it, and the storage.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::routing::{get, post};
use http::{HeaderMap, Method, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};

use super::content;
use super::credentials::SHOPIFY_TOKEN;
use super::faults::ShopifyFaults;
use super::state::ShopifyOperation;
use crate::context::Context;
use crate::operation::Operation;
use crate::response::{self, Marked, Rejection};

const NODE: &str = "gid://shopify/BulkOperation/";

pub(super) fn routes() -> Router<Arc<Context>> {
    Router::new().route("/admin/api/{version}/graphql.json", post(graphql))
}

/// What the storage's own listener serves.
pub(super) fn storage_routes() -> Router<Arc<Context>> {
    Router::new().route("/shopify-bulk/{id}", get(object))
}

/// What a request is for, by its path's segments in lower case: what GraphQL is asked stands in the body.
pub(super) fn operation(_: &Method, segments: &[&str]) -> Operation {
    match segments {
        ["shopify-bulk", ..] => Operation::Download,
        _ => Operation::Other,
    }
}

#[derive(Deserialize)]
struct Asked {
    query: String,
    #[serde(default)]
    variables: BTreeMap<String, Value>,
}

impl Asked {
    fn variable(&self, name: &str) -> &str {
        self.variables.get(name).and_then(Value::as_str).unwrap_or_default()
    }
}

fn answer(body: &Value) -> Response {
    response::json_body(StatusCode::OK, body)
}

async fn graphql(
    State(context): State<Arc<Context>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Rejection> {
    let faults = context.faults().shopify;
    context.outage(&faults.graphql, "shopify.graphql", "")?;
    let token = headers.get("x-shopify-access-token").and_then(|value| value.to_str().ok());
    if token != Some(SHOPIFY_TOKEN) || headers.contains_key(header::AUTHORIZATION) {
        let said = "[API] Invalid API key or access token (unrecognized login or wrong password)";
        return Ok(response::json_body(StatusCode::UNAUTHORIZED, &json!({ "errors": said })));
    }
    let Ok(asked) = serde_json::from_slice::<Asked>(&body) else {
        return Ok(response::json_body(StatusCode::BAD_REQUEST, &json!({ "errors": "Bad Request" })));
    };
    if context.change(|state| state.occurs(faults.throttled, "shopify.throttled", ""))? {
        let error = json!({ "message": "Throttled", "extensions": { "code": "THROTTLED" } });
        return Ok(answer(&json!({ "errors": [error] })).by("shopify.throttled"));
    }
    match () {
        () if asked.query.contains("bulkOperationRunQuery(") => create(&context, &asked, &faults),
        () if asked.query.contains("bulkOperationCancel(") => cancel(&context, &asked, &faults),
        () if asked.query.contains("bulkOperations(") => list(&context, &asked, &faults),
        () if asked.query.contains("node(") => one(&context, &asked, &faults),
        () => Ok(answer(
            &json!({ "errors": [{ "message": "Field doesn't exist", "extensions": { "code": "undefinedField" } }] }),
        )),
    }
}

fn create(context: &Context, asked: &Asked, faults: &ShopifyFaults) -> Result<Response, Rejection> {
    let refused = |code: &str, message: &str| {
        let error = json!({ "field": null, "code": code, "message": message });
        answer(
            &json!({ "data": { "bulkOperationRunQuery": { "bulkOperation": null, "userErrors": [error] } } }),
        )
    };
    let query = asked.variable("query");
    if !query.contains("edges") {
        return Ok(refused("INVALID", "Bulk queries must contain at least one connection."));
    }
    let is_running = |operation: &ShopifyOperation| operation.polls <= faults.running_polls;
    let running =
        context.store.read(|state| state.shopify.operations.values().filter(|one| is_running(one)).count());
    let is_busy = context.change(|state| state.occurs(faults.busy, "shopify.busy", ""))?;
    if is_busy || running >= 5 {
        let said = "A bulk query operation for this app and shop is already in progress.";
        return Ok(refused("OPERATION_IN_PROGRESS", said).by("shopify.busy"));
    }
    let (id, fault) = context.change(|state| {
        let id = state.shopify.accept(query.to_owned(), context.clock.now());
        let switches = [
            (faults.create_then_drop, "shopify.create_then_drop"),
            (faults.create_then_unavailable, "shopify.create_then_unavailable"),
        ];
        let fault = state.first_to_occur(switches);
        (id, fault)
    })?;
    let made = json!({ "id": format!("{NODE}{id}"), "status": "CREATED" });
    let told = match fault {
        Some(switch @ "shopify.create_then_drop") => response::hang_up().by(switch),
        Some(switch) => response::gateway_error(StatusCode::SERVICE_UNAVAILABLE).by(switch),
        None => answer(
            &json!({ "data": { "bulkOperationRunQuery": { "bulkOperation": made, "userErrors": [] } } }),
        ),
    };
    Ok(told.accepting(id))
}

fn list(context: &Context, asked: &Asked, faults: &ShopifyFaults) -> Result<Response, Rejection> {
    let since = asked.variable("filter").trim_start_matches("created_at:>='").trim_end_matches('\'');
    let Ok(since) = since.parse::<jiff::Timestamp>() else {
        return Ok(answer(&json!({ "errors": [{ "message": "invalid filter" }] })));
    };
    let found: Vec<(u64, ShopifyOperation)> = context.change(|state| {
        let mut found = Vec::new();
        for (id, operation) in &mut state.shopify.operations {
            operation.lists = operation.lists.saturating_add(1);
            if operation.created_at >= since && operation.lists > faults.unlisted {
                found.push((*id, operation.clone()));
            }
        }
        found
    })?;
    let from: usize = asked.variable("after").parse().unwrap_or_default();
    let until = from.saturating_add(context.scenario.shopify.operations_per_page.max(1));
    let node = |(id, operation): &(u64, ShopifyOperation)| json!({ "id": format!("{NODE}{id}"), "query": operation.query, "createdAt": operation.created_at.to_string() });
    let nodes: Vec<Value> = found.iter().skip(from).take(until.saturating_sub(from)).map(node).collect();
    // There is a cursor behind the last one, too.
    let cursor = (!nodes.is_empty()).then(|| until.to_string());
    let page =
        json!({ "nodes": nodes, "pageInfo": { "hasNextPage": until < found.len(), "endCursor": cursor } });
    Ok(answer(&json!({ "data": { "bulkOperations": page } })))
}

/// The status of an operation, after so many polls.
fn status_of<'f>(operation: &ShopifyOperation, faults: &'f ShopifyFaults) -> &'f str {
    match (operation.cancelled, operation.polls > faults.running_polls, operation.polls) {
        (Some(0 | 1), ..) => "CANCELING",
        (Some(_), ..) => "CANCELED",
        (None, true, _) => faults.final_status.as_str(),
        (None, false, 0 | 1) => "CREATED",
        (None, false, _) => "RUNNING",
    }
}

/// Begins to cancel an operation that has not ended.
fn cancel(context: &Context, asked: &Asked, faults: &ShopifyFaults) -> Result<Response, Rejection> {
    let id = asked.variable("id");
    let number: u64 = id.strip_prefix(NODE).and_then(|id| id.parse().ok()).unwrap_or_default();
    let (status, error) = context.change(|state| match state.shopify.operations.get_mut(&number) {
        None => (None, Some("Bulk operation does not exist".to_owned())),
        Some(operation) if operation.cancelled.is_none() && operation.polls > faults.running_polls => {
            let status = status_of(operation, faults);
            let said = format!("A bulk operation cannot be canceled when it is {}", status.to_lowercase());
            (Some(status), Some(said))
        }
        Some(operation) => {
            operation.cancelled.get_or_insert(0);
            (Some(status_of(operation, faults)), None)
        }
    })?;
    let operation = status.map(|status| json!({ "id": id, "status": status }));
    let errors: Vec<Value> =
        error.into_iter().map(|message| json!({ "field": null, "message": message })).collect();
    let told = json!({ "bulkOperation": operation, "userErrors": errors });
    Ok(answer(&json!({ "data": { "bulkOperationCancel": told } })))
}

fn one(context: &Context, asked: &Asked, faults: &ShopifyFaults) -> Result<Response, Rejection> {
    let id: u64 = asked.variable("id").strip_prefix(NODE).and_then(|id| id.parse().ok()).unwrap_or_default();
    let operation = context.change(|state| {
        let operation = state.shopify.operations.get_mut(&id)?;
        operation.polls = operation.polls.saturating_add(1);
        operation.cancelled = operation.cancelled.map(|polls| polls.saturating_add(1));
        Some(operation.clone())
    })?;
    let Some(operation) = operation else { return Ok(answer(&json!({ "data": { "node": null } }))) };
    let has_ended = operation.polls > faults.running_polls;
    let status = status_of(&operation, faults);
    let objects = context.scenario.shopify.objects;
    let url = match status == "COMPLETED" && objects > 0 {
        true => {
            let number = context.change(|state| {
                let number = u64::try_from(state.shopify.links.len()).unwrap_or_default();
                let has_expired = state.occurs(faults.expired_links, "shopify.expired_links", "");
                state.shopify.links.insert(number, has_expired);
                number
            })?;
            let host = faults.link_host.as_deref().unwrap_or(&context.endpoints.storage_url);
            Some(format!("{host}/shopify-bulk/{id}?Signature={number}&Expires=604800"))
        }
        false => None,
    };
    let size = content::objects(&context.scenario, id).len();
    let count = if has_ended { objects + u32::from(faults.wrong_count) } else { 0 };
    let node = json!({
        "status": status, "errorCode": (status == "FAILED").then_some(&faults.error_code),
        "objectCount": count.to_string(), "fileSize": url.as_ref().map(|_| size.to_string()), "url": url,
    });
    Ok(answer(&json!({ "data": { "node": node } })))
}

async fn object(
    State(context): State<Arc<Context>>,
    Path(id): Path<u64>,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
) -> Result<Response, Rejection> {
    let faults = context.faults().shopify;
    let refused = |message: &str| response::json_body(StatusCode::BAD_REQUEST, &json!({ "error": message }));
    if headers.contains_key("x-shopify-access-token") || headers.contains_key(header::AUTHORIZATION) {
        return Ok(refused("Credentials came to a signed link."));
    }
    let number = query.get("Signature").and_then(|text| text.parse::<u64>().ok()).unwrap_or(u64::MAX);
    let has_expired = context.store.read(|state| state.shopify.links.get(&number).copied());
    if has_expired != Some(false) {
        return Ok(refused("The provided token has expired.").by("shopify.expired_links"));
    }
    let bytes = Bytes::from(content::objects(&context.scenario, id));
    let cut = context.change(|state| state.occurs(faults.cut, "shopify.cut", ""))?;
    Ok(response::file("application/jsonl", &bytes, cut.then_some("shopify.cut")))
}
