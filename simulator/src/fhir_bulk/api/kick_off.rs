//! `GET [base]/$export`, `Patient/$export` and `Group/{id}/$export`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::get;
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};

use super::told::told;
use crate::context::Context;
use crate::fhir_bulk::credentials::FHIR_SCOPE;
use crate::identity;
use crate::response::{self, Marked, Rejection};

pub(super) fn routes() -> Router<Arc<Context>> {
    Router::new()
        .route("/fhir/$export", get(kick_off))
        .route("/fhir/Patient/$export", get(kick_off))
        .route("/fhir/Group/{id}/$export", get(kick_off))
}

async fn kick_off(
    State(context): State<Arc<Context>>,
    Query(query): Query<BTreeMap<String, String>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Rejection> {
    let faults = context.faults().fhir.kick_off;
    identity::admit(&context, &headers, FHIR_SCOPE, &faults.outage, "fhir.kick_off", "")?;
    let text = |name: header::HeaderName| {
        headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    };
    if text(header::ACCEPT) != "application/fhir+json" {
        return Err(told(
            StatusCode::BAD_REQUEST,
            "invalid",
            "The Accept header must be application/fhir+json",
        )
        .into());
    }
    if text(header::HeaderName::from_static("prefer")) != "respond-async" {
        return Err(
            told(StatusCode::BAD_REQUEST, "invalid", "The Prefer header must be respond-async").into()
        );
    }
    let known = ["_type", "_since", "_elements", "_typeFilter", "_outputFormat"];
    if let Some(unknown) = query.keys().find(|key| !known.contains(&key.as_str())) {
        return Err(told(StatusCode::BAD_REQUEST, "invalid", &format!("Unknown parameter {unknown}")).into());
    }
    let types: Vec<String> =
        query.get("_type").map(|types| types.split(',').map(str::to_owned).collect()).unwrap_or_default();
    if let Some(unknown) = types.iter().find(|kind| !context.scenario.fhir.types.contains(kind)) {
        return Err(told(
            StatusCode::BAD_REQUEST,
            "not-supported",
            &format!("Unknown resource type {unknown}"),
        )
        .into());
    }
    let (id, fault) = context.change(|state| {
        let id = state.fhir.accept(uri.to_string(), types, context.clock.now());
        let faults = [
            (faults.accept_then_drop, "fhir.kick_off.accept_then_drop"),
            (faults.accept_then_gateway_timeout, "fhir.kick_off.accept_then_gateway_timeout"),
            (faults.no_location, "fhir.kick_off.no_location"),
        ];
        let fault = faults.into_iter().find(|(times, switch)| state.occurs(*times, switch, ""));
        (id, fault.map(|(_, switch)| switch))
    })?;
    let answer = match fault {
        Some(switch @ "fhir.kick_off.accept_then_drop") => response::hang_up().by(switch),
        Some(switch @ "fhir.kick_off.accept_then_gateway_timeout") => {
            response::gateway_error(StatusCode::GATEWAY_TIMEOUT).by(switch)
        }
        fault => {
            let mut answer = told(StatusCode::ACCEPTED, "informational", "Your request was accepted.");
            let location =
                format!("{}/fhir/bulkstatus/{id}{}", context.base_url(), "0".repeat(faults.long_id));
            match (fault, HeaderValue::from_str(&location)) {
                (None, Ok(location)) => {
                    answer.headers_mut().insert(header::CONTENT_LOCATION, location);
                    answer
                }
                (fault, _) => answer.by(fault.unwrap_or_default()),
            }
        }
    };
    Ok(answer.accepting(id))
}
