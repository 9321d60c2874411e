//! Fusion's REST resources, as its ADF framework serves them.

mod faults;
mod filter;
mod page;
mod rows;
mod scenario;
mod state;

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query as QueryOf, State};
use axum::response::Response;
use axum::routing::get;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use jiff::Timestamp;
use serde_json::json;

pub use faults::{Churn, RestFaults};
pub use scenario::RestScenario;
pub use state::Fate;
pub(crate) use state::RestState;

use self::page::{Ask, Listing, View};
use self::rows::{Kind, Resource, Row};
use crate::answer::{Ended, Marked};
use crate::idcs::Scope;
use crate::world::World;

/// The contexts, one a pillar.
const ROOTS: [&str; 4] = ["/fscmRestApi", "/hcmRestApi", "/crmRestApi", "/commonRestApi"];
/// Where a browser would go to sign in.
const SIGN_IN: &str = "https://idcs-simulated.identity.example.com/ui/v1/signin";

pub(crate) fn routes() -> Router<Arc<World>> {
    ROOTS.iter().fold(Router::new(), |router, root| {
        router
            .route(&format!("{root}/resources"), get(versions))
            .route(&format!("{root}/resources/{{version}}/{{*path}}"), get(serve))
    })
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
async fn versions(State(world): State<Arc<World>>, headers: HeaderMap) -> Result<Response, Ended> {
    world.admit(&headers, Scope::Rest, &world.faults().rest.describe_outage, "rest.describe", "")?;
    let body = json!({ "items": [{ "version": "11.13.18.05", "isLatest": true, "links": [] }] });
    Ok(answer("application/vnd.oracle.adf.version+json", body.to_string()))
}

async fn serve(
    State(world): State<Arc<World>>,
    Path((_, path)): Path<(String, String)>,
    QueryOf(query): QueryOf<HashMap<String, String>>,
    uri: http::Uri,
    headers: HeaderMap,
) -> Result<Response, Ended> {
    let faults = world.faults().rest;
    let framework = framework(&headers);
    let target = target(&world, &path, faults.hashed_addresses);
    let is_description = matches!(target, Target::Description(_));
    let outage = if is_description { &faults.describe_outage } else { &faults.outage };
    let endpoint = if is_description { "rest.describe" } else { "rest.page" };
    world.admit(&headers, Scope::Rest, outage, endpoint, "")?;
    if !is_description
        && world.change(|state| state.occurs(faults.login_redirect, "rest.login_redirect", ""))?
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
            let ask = match Ask::read(&query, kind, framework, &faults) {
                Ok(ask) => ask,
                Err(why) => return Ok(refusal(framework, StatusCode::BAD_REQUEST, &why)),
            };
            let scenario = &world.scenario.rest;
            let listing = world.store.read(|state| page::of_resource(&ask, &state.rest, scenario, resource));
            let now = world.clock.now();
            if faults.churn != Churn::default() {
                world.change(|state| state.rest.churn(scenario, resource, faults.churn, now))?;
            }
            Ok(collection(&world, &uri, &ask, &listing, &faults))
        }
        Target::Children(kind, Some(parent)) => {
            let ask = match Ask::read(&query, kind, framework, &faults) {
                Ok(ask) => ask,
                Err(why) => return Ok(refusal(framework, StatusCode::BAD_REQUEST, &why)),
            };
            let listing = page::of_rows(&ask, parent.children(kind));
            let now = world.clock.now();
            if let (Some(resource), true) = (resource_of(&path), faults.churn != Churn::default()) {
                world.change(|state| state.rest.churn(&world.scenario.rest, resource, faults.churn, now))?;
            }
            Ok(collection(&world, &uri, &ask, &listing, &faults))
        }
    }
}

fn collection(world: &World, uri: &http::Uri, ask: &Ask, listing: &Listing, faults: &RestFaults) -> Response {
    let address = format!("{}{}", world.base_url, uri.path());
    answer("application/vnd.oracle.adf.resourcecollection+json", page::body(&address, ask, listing, faults))
}

/// The version that a request asks for; the first, if it asks for none.
fn framework(headers: &HeaderMap) -> u8 {
    let asked = headers.get("rest-framework-version").and_then(|value| value.to_str().ok()?.parse().ok());
    asked.unwrap_or(1)
}

fn target(world: &World, path: &str, is_hashed: bool) -> Target {
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
                world.store.read(|state| state.rest.row_at(&world.scenario.rest, resource, id, is_hashed))
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

/// A row of a REST resource, as a test may want to know of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestRow {
    /// Its key.
    pub key: String,
    /// When it changed last.
    pub updated_at: Timestamp,
    /// Its status, where it has one.
    pub status: &'static str,
    /// The line that a correct landing has of it.
    pub line: String,
}

impl crate::Simulator {
    /// Goes through the rows that a resource has now, by key, with the lines that a correct landing has of them:
    /// with these `fields`, or with these children, in the forms of the query parameters; each may be empty.
    pub fn rest_rows(&self, resource: &str, fields: &str, expand: &str, mut each: impl FnMut(RestRow)) {
        let Some(resource) = Resource::named(resource) else { return };
        let scenario = &self.world.scenario.rest;
        let view = View::read(fields, expand, true);
        self.world.store.read(|state| {
            for place in state.rest.places(scenario, resource, 0) {
                if let Some(row) = state.rest.row(scenario, resource, place) {
                    each(RestRow {
                        key: row.key(),
                        updated_at: row.updated_at(),
                        status: row.status(),
                        line: page::line(&row, &view),
                    });
                }
            }
        });
    }

    /// What has been done to a row since the beginning; `None` for what is no key of the resource.
    pub fn rest_fate(&self, resource: &str, key: &str) -> Option<Fate> {
        let resource = Resource::named(resource)?;
        let place = resource.place(key)?;
        Some(self.world.store.read(|state| state.rest.fate(resource, place)))
    }

    /// The key of the row at a place; rows are at even places from the beginning.
    pub fn rest_key(&self, resource: &str, place: u64) -> Option<String> {
        Some(Resource::named(resource)?.key(place))
    }

    /// Makes or changes a row, as a transaction does whose `LastUpdateDate` is `updated_at`, whenever it ends.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Folder`] if that cannot be kept.
    pub fn put_rest_row(
        &self,
        resource: &str,
        place: u64,
        updated_at: Timestamp,
    ) -> Result<(), crate::Error> {
        match Resource::named(resource) {
            Some(resource) => self.change(|state| state.rest.put(resource, place, updated_at)),
            None => Ok(()),
        }
    }
}
