//! `GET resources/{version}/…`: collections, the children of their rows, and what resources say of themselves.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query as QueryOf, State};
use axum::response::Response;
use axum::routing::get;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::json;

use super::page::{self, CollectionQuery, Listing};
use crate::context::Context;
use crate::fusion_rest::credentials::REST_SCOPE;
use crate::fusion_rest::faults::{Churn, RestFaults};
use crate::fusion_rest::rows::{Kind, Resource, Row};
use crate::identity;
use crate::identity::credentials::{PASSWORD, USERNAME};
use crate::response::{self, Marked, Rejection};
use crate::switches::Outage;

/// The contexts, one a pillar.
const ROOTS: [&str; 4] = ["/fscmRestApi", "/hcmRestApi", "/crmRestApi", "/commonRestApi"];
/// Where a browser would go to sign in.
const SIGN_IN: &str = "https://idcs-simulated.identity.example.com/ui/v1/signin";

pub(super) fn routes() -> Router<Arc<Context>> {
    ROOTS.iter().fold(Router::new(), |router, root| {
        router
            .route(&format!("{root}/resources"), get(versions))
            .route(&format!("{root}/resources/{{version}}/{{*path}}"), get(serve))
    })
}

/// A user's name and password open REST resources, as a token does.
fn admit(context: &Context, headers: &HeaderMap, outage: &Outage, endpoint: &str) -> Result<(), Rejection> {
    context.outage(outage, endpoint, "")?;
    match identity::basic_credentials(headers) {
        None => identity::authorize(context, headers, REST_SCOPE),
        Some((name, password)) if name == USERNAME && password == PASSWORD => Ok(()),
        Some(_) => Err(response::unauthorized("Wrong user name or password.").into()),
    }
}

/// What a path names.
enum Target {
    Description(Kind),
    Resource(Resource),
    /// The children of one row, which may have gone.
    Children(Kind, Option<Row>),
    Nothing,
}

/// The versions of the API.
async fn versions(State(context): State<Arc<Context>>, headers: HeaderMap) -> Result<Response, Rejection> {
    admit(&context, &headers, &context.faults().rest.describe_outage, "rest.describe")?;
    let body = json!({ "items": [{ "version": "11.13.18.05", "isLatest": true, "links": [] }] });
    Ok(answer("application/vnd.oracle.adf.version+json", body.to_string()))
}

async fn serve(
    State(context): State<Arc<Context>>,
    Path((_, path)): Path<(String, String)>,
    QueryOf(query): QueryOf<HashMap<String, String>>,
    uri: http::Uri,
    headers: HeaderMap,
) -> Result<Response, Rejection> {
    let faults = context.faults().rest;
    let framework = framework(&headers);
    let target = target(&context, &path, faults.hashed_addresses);
    let is_description = matches!(target, Target::Description(_));
    let outage = if is_description { &faults.describe_outage } else { &faults.outage };
    let endpoint = if is_description { "rest.describe" } else { "rest.page" };
    admit(&context, &headers, outage, endpoint)?;
    if !is_description
        && context.change(|state| state.occurs(faults.login_redirect, "rest.login_redirect", ""))?
    {
        return Ok(sign_in());
    }
    match target {
        Target::Description(kind) => {
            let body = json!({ "Resources": { kind.name(): kind.described() } }).to_string();
            Ok(answer("application/vnd.oracle.adf.description+json", body))
        }
        Target::Nothing | Target::Children(_, None) => {
            Ok(refusal(framework, StatusCode::NOT_FOUND, "The requested resource does not exist."))
        }
        Target::Resource(resource) => {
            let kind = Kind::Root(resource);
            let asked = match CollectionQuery::read(&query, kind, framework, &faults) {
                Ok(asked) => asked,
                Err(why) => return Ok(refusal(framework, StatusCode::BAD_REQUEST, &why)),
            };
            if faults.rows_fail && asked.asks_for_several() {
                let why = "JBO-29000: Unexpected exception caught: java.lang.NullPointerException";
                return Ok(refusal(framework, StatusCode::INTERNAL_SERVER_ERROR, why));
            }
            let scenario = &context.scenario.rest;
            let listing =
                context.store.read(|state| page::of_resource(&asked, &state.rest, scenario, resource));
            let now = context.clock.now();
            if faults.churn != Churn::default() {
                context.change(|state| state.rest.churn(scenario, resource, faults.churn, now))?;
            }
            Ok(collection(&context, &uri, &asked, &listing, &faults))
        }
        Target::Children(kind, Some(parent)) => {
            let asked = match CollectionQuery::read(&query, kind, framework, &faults) {
                Ok(asked) => asked,
                Err(why) => return Ok(refusal(framework, StatusCode::BAD_REQUEST, &why)),
            };
            let listing = page::of_rows(&asked, parent.children(kind));
            let now = context.clock.now();
            if let (Some(resource), true) = (resource_of(&path), faults.churn != Churn::default()) {
                context
                    .change(|state| state.rest.churn(&context.scenario.rest, resource, faults.churn, now))?;
            }
            Ok(collection(&context, &uri, &asked, &listing, &faults))
        }
    }
}

fn collection(
    context: &Context,
    uri: &http::Uri,
    query: &CollectionQuery,
    listing: &Listing,
    faults: &RestFaults,
) -> Response {
    let address = format!("{}{}", context.base_url(), uri.path());
    answer("application/vnd.oracle.adf.resourcecollection+json", page::body(&address, query, listing, faults))
}

/// The version that a request asks for; the first, if it asks for none.
fn framework(headers: &HeaderMap) -> u8 {
    let asked = headers.get("rest-framework-version").and_then(|value| value.to_str().ok()?.parse().ok());
    asked.unwrap_or(1)
}

fn target(context: &Context, path: &str, is_hashed: bool) -> Target {
    let segments: Vec<&str> = path.split('/').collect();
    let (segments, is_description) = match segments.split_last() {
        Some((&"describe", rest)) => (rest, true),
        _ => (segments.as_slice(), false),
    };
    let Some((resource, mut rest)) =
        segments.split_first().and_then(|(name, rest)| Some((Resource::named(name)?, rest)))
    else {
        return Target::Nothing;
    };
    let mut kind = Kind::Root(resource);
    let mut row: Option<Option<Row>> = None;
    while let [id, "child", child, more @ ..] = rest {
        let found = match row {
            None => {
                context.store.read(|state| state.rest.row_at(&context.scenario.rest, resource, id, is_hashed))
            }
            Some(parent) => parent.and_then(|parent| {
                parent.children(kind).into_iter().find(|row| row.address(is_hashed) == *id)
            }),
        };
        let Some(next) = kind.child(child) else { return Target::Nothing };
        (kind, row, rest) = (next, Some(found), more);
    }
    match (rest.is_empty(), is_description, row) {
        (false, _, _) => Target::Nothing,
        (true, true, _) => Target::Description(kind),
        (true, false, None) => Target::Resource(resource),
        (true, false, Some(parent)) => Target::Children(kind, parent),
    }
}

/// The resource whose rows' children a path names.
fn resource_of(path: &str) -> Option<Resource> {
    Resource::named(path.split('/').next()?)
}

fn answer(content_type: &'static str, body: String) -> Response {
    let mut answer = Response::new(Body::from(body));
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}

/// A refusal: JSON from framework version 4 on, plain text before it.
fn refusal(framework: u8, status: StatusCode, detail: &str) -> Response {
    let mut refused = match framework {
        4.. => {
            let body = json!({
                "title": status.canonical_reason().unwrap_or("Error"),
                "status": status.as_str(),
                "o:errorDetails": [{ "detail": detail, "o:errorCode": "27520", "o:errorPath": "/q" }],
            });
            answer("application/vnd.oracle.adf.error+json", body.to_string())
        }
        _ => answer("text/plain", detail.to_owned()),
    };
    *refused.status_mut() = status;
    refused
}

fn sign_in() -> Response {
    let mut redirected = Response::new(Body::empty());
    *redirected.status_mut() = StatusCode::FOUND;
    redirected.headers_mut().insert(header::LOCATION, HeaderValue::from_static(SIGN_IN));
    redirected.by("login_redirect")
}
