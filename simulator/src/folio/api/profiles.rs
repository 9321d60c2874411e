//! Job profiles.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Query as QueryOf, State};
use axum::response::Response;
use axum::routing::get;
use http::HeaderMap;
use serde_json::{Value, json};

use super::cql::Conditions;
use super::paging::{Query, page};
use super::{authn, errors};
use crate::context::Context;
use crate::folio::scenario::FolioProfile;
use crate::response::Rejection;

pub(super) fn routes() -> Router<Arc<Context>> {
    Router::new().route("/data-export/job-profiles", get(list))
}

async fn list(
    State(context): State<Arc<Context>>,
    QueryOf(query): QueryOf<Query>,
    headers: HeaderMap,
) -> Result<Response, Rejection> {
    let switches = context.faults().folio;
    let faults = authn::admit(
        &context,
        &headers,
        &switches.profiles,
        "folio.profiles",
        "",
        "job-profiles.collection.get",
    )?;
    let text = query.get("query").map(String::as_str);
    let conditions = Conditions::parse(text)
        .ok_or_else(|| faults.bad_query("/data-export/job-profiles", text.unwrap_or_default()))?;
    let found: Vec<&FolioProfile> = (context.scenario.folio.profiles.iter())
        .filter(|profile| conditions.hold(&[("id", &profile.id), ("name", &profile.name)]))
        .collect();
    let profiles: Vec<Value> = page(&query, &found).into_iter().map(shown).collect();
    Ok(errors::ok(&json!({ "jobProfiles": profiles, "totalRecords": found.len() })))
}

fn shown(profile: &FolioProfile) -> Value {
    json!({
        "id": profile.id,
        "name": profile.name,
        "default": profile.name.starts_with("Default"),
        "destination": "fileSystem",
        "description": profile.name,
        "userInfo": { "firstName": "System", "lastName": "Process", "userName": "system_process" },
        "mappingProfileId": "25d81cbe-9686-11ea-bb37-0242ac130002",
        "locked": false,
        "metadata": {
            "createdDate": "2020-07-28T00:00:00Z",
            "createdByUserId": "00000000-0000-0000-0000-000000000000",
        },
    })
}
