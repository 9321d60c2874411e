//! Job profiles.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Query as QueryOf, State};
use axum::response::Response;
use axum::routing::get;
use http::HeaderMap;
use serde_json::{Value, json};

use super::cql::Conditions;
use super::scenario::FolioProfile;
use super::{Query, authn, errors, page};
use crate::answer::Ended;
use crate::world::World;

pub(super) fn routes() -> Router<Arc<World>> {
    Router::new().route("/data-export/job-profiles", get(list))
}

async fn list(
    State(world): State<Arc<World>>,
    QueryOf(query): QueryOf<Query>,
    headers: HeaderMap,
) -> Result<Response, Ended> {
    let switches = world.faults().folio;
    let faults = authn::admit(
        &world,
        &headers,
        &switches.profiles,
        "folio.profiles",
        "",
        "job-profiles.collection.get",
    )?;
    let text = query.get("query").map(String::as_str);
    let conditions = Conditions::parse(text)
        .ok_or_else(|| faults.bad_query("/data-export/job-profiles", text.unwrap_or_default()))?;
    let found: Vec<&FolioProfile> = (world.scenario.folio.profiles.iter())
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
