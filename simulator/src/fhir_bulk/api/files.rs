//! `GET bulkfiles/{id}/{file}`: with a token, or by an open link and without.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::routing::get;
use futures::stream;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::told::told;
use crate::context::Context;
use crate::fhir_bulk::content;
use crate::fhir_bulk::credentials::FHIR_SCOPE;
use crate::identity;
use crate::response::{self, Marked, Rejection};

pub(super) fn routes() -> Router<Arc<Context>> {
    Router::new().route("/fhir/bulkfiles/{id}/{file}", get(file))
}

async fn file(
    State(context): State<Arc<Context>>,
    Path((id, name)): Path<(u64, String)>,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
) -> Result<Response, Rejection> {
    let faults = context.faults().fhir.files;
    if faults.open_links {
        context.outage(&faults.outage, "fhir.files", &name)?;
        if headers.contains_key(header::AUTHORIZATION) {
            return Err(told(StatusCode::BAD_REQUEST, "security", "A token came to an open link.").into());
        }
        let signature: u64 = query.get("signature").and_then(|text| text.parse().ok()).unwrap_or_default();
        let is_known = context.store.read(|state| (1..=state.fhir.manifests).contains(&signature));
        let expired =
            context.change(|state| state.occurs(faults.expired_links, "fhir.files.expired_links", &name))?;
        if !is_known || expired {
            return Err(told(StatusCode::FORBIDDEN, "security", "The link has expired.")
                .by("fhir.files.expired_links")
                .into());
        }
    } else {
        identity::admit(&context, &headers, FHIR_SCOPE, &faults.outage, "fhir.files", &name)?;
    }
    let export = context.store.read(|state| state.fhir.export(id).cloned());
    let listed = export.and_then(|export| {
        let files = content::files(&context.scenario, &export);
        files.into_iter().find(|file| name == format!("{}.{}.ndjson", file.number, file.kind))
    });
    let Some(listed) = listed else {
        return Ok(told(StatusCode::NOT_FOUND, "not-found", "There is no such file."));
    };
    if faults.expired {
        return Ok(told(
            StatusCode::GONE,
            "not-found",
            "Access to the target resource is no longer available.",
        )
        .by("fhir.files.expired"));
    }
    let (outcome, cut) = context.change(|state| {
        let outcome = state.occurs(faults.outcome_for_file, "fhir.files.outcome_for_file", &name);
        (outcome, !outcome && state.occurs(faults.cut, "fhir.files.cut", &name))
    })?;
    if outcome {
        let mut answer = told(StatusCode::OK, "exception", "The file could not be made.");
        answer
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/fhir+ndjson"));
        return Ok(answer.by("fhir.files.outcome_for_file"));
    }
    let bytes = Bytes::from(content::bytes(&context.scenario, id, &listed));
    let length = bytes.len();
    let body = match (cut, faults.no_content_length) {
        (true, _) => response::first_half(&bytes),
        (false, true) => Body::from_stream(stream::iter([Ok::<_, std::io::Error>(bytes)])),
        (false, false) => Body::from(bytes),
    };
    let mut answer = Response::new(body);
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/fhir+ndjson"));
    if !faults.no_content_length {
        answer.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    Ok(if cut { answer.by("fhir.files.cut") } else { answer })
}
