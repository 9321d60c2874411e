//! `GET /documents/{id}`: a link to the storage that is good for five minutes, and the storage itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::routing::get;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use jiff::SignedDuration;
use serde_json::json;

use super::admission::{admit, refused};
use crate::context::Context;
use crate::response::{self, Rejection};
use crate::sp_api::content;

const PREFIX: &str = "amzn1.spdoc.1.4.eu.";

pub(super) fn routes() -> Router<Arc<Context>> {
    Router::new().route("/reports/2021-06-30/documents/{id}", get(link))
}

pub(super) fn storage_routes() -> Router<Arc<Context>> {
    Router::new().route("/sp-api-documents/{id}", get(object))
}

/// The report that a document is of.
fn report(context: &Context, document: &str) -> Option<u64> {
    let id: u64 = document.strip_prefix(PREFIX)?.parse().ok()?;
    context.store.read(|state| state.sp_api.reports.contains_key(&id)).then_some(id)
}

async fn link(
    State(context): State<Arc<Context>>,
    Path(document): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Rejection> {
    let faults = context.faults().sp_api;
    admit(&context, &headers, &faults.document, "sp_api.document", &document)?;
    if report(&context, &document).is_none() {
        return Ok(refused(StatusCode::NOT_FOUND, "NotFound", "There is no such document."));
    }
    let number = context.change(|state| {
        state.sp_api.links_made += 1;
        let number = state.sp_api.links_made;
        state.sp_api.links.insert(number, context.clock.now());
        if state.occurs(faults.expired_links, "sp_api.expired_links", &document) {
            state.sp_api.expired_links.insert(number);
        }
        number
    })?;
    let host = faults.link_host.as_deref().unwrap_or(&context.endpoints.storage_url);
    let url = format!(
        "{host}/sp-api-documents/{document}?X-Amz-Signature={number}&X-Amz-Expires={}",
        faults.link_seconds
    );
    let body = match context.scenario.sp_api.gzip {
        true => json!({ "reportDocumentId": document, "url": url, "compressionAlgorithm": "GZIP" }),
        false => json!({ "reportDocumentId": document, "url": url }),
    };
    Ok(response::json_body(StatusCode::OK, &body))
}

async fn object(
    State(context): State<Arc<Context>>,
    Path(document): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
) -> Result<Response, Rejection> {
    let faults = context.faults().sp_api;
    if headers.contains_key(header::AUTHORIZATION) || headers.contains_key("x-amz-access-token") {
        return Err(
            refused(StatusCode::BAD_REQUEST, "InvalidArgument", "Only one auth mechanism allowed").into()
        );
    }
    let number: u64 = query.get("X-Amz-Signature").and_then(|text| text.parse().ok()).unwrap_or_default();
    let life = SignedDuration::from_secs(faults.link_seconds);
    let is_good = context.store.read(|state| {
        let made = state.sp_api.links.get(&number);
        let is_young = made.is_some_and(|made| context.clock.now().duration_since(*made) < life);
        is_young && !state.sp_api.expired_links.contains(&number)
    });
    let Some(id) = report(&context, &document).filter(|_| is_good) else {
        return Err(refused(StatusCode::FORBIDDEN, "AccessDenied", "Request has expired").into());
    };
    let bytes = Bytes::from(
        content::document(&context.scenario, id)
            .map_err(|error| Rejection::from(response::internal(&error)))?,
    );
    let cut = context.change(|state| {
        let cut = state.occurs(faults.cut_and_expire, "sp_api.cut_and_expire", &document);
        if cut {
            state.sp_api.expired_links.insert(number);
        }
        cut
    })?;
    let (length, etag) = (bytes.len(), format!("\"{id:032x}\""));
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let from = text(header::RANGE)
        .filter(|_| text(header::IF_RANGE).is_none_or(|condition| condition == etag))
        .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok())
        .filter(|from| *from < length);
    let rest = bytes.slice(from.unwrap_or(0)..);
    let cut = cut.then_some("sp_api.cut_and_expire");
    let mut answer = response::file("application/octet-stream", &rest, cut);
    let mut set = |name, value: &str| {
        answer.headers_mut().extend(HeaderValue::from_str(value).ok().map(|value| (name, value)));
    };
    set(header::ETAG, &etag);
    if let Some(from) = from {
        set(header::CONTENT_RANGE, &format!("bytes {from}-{}/{length}", length.saturating_sub(1)));
        *answer.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    Ok(answer)
}
