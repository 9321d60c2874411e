//! FHIR Bulk Data Access: exports of a FHIR server as NDJSON.
//!
#![doc = include_str!("README.md")]

mod api;
mod content;
pub mod credentials;
pub mod faults;
pub mod inspect;
pub mod scenario;
pub(crate) mod state;

use axum::Router;
use serde_json::{Value, json};

use self::credentials::FHIR_SCOPE;
use crate::endpoints::Endpoints;
use crate::identity::credentials::{CLIENT_ID, CLIENT_SECRET};
use crate::system::System;

/// What is known of it from outside.
pub(crate) const SYSTEM: System = System {
    title: "FHIR Bulk Data",
    export_kind: "declared",
    connection_name: "fhir-demo",
    sample_event: "run-fhir-bulk.json",
    paths: &["/fhir/"],
    scopes: &[FHIR_SCOPE],
    connection,
    routes: api::routes,
    storage_routes: Router::new,
    operation: api::operation,
    prepare: |_, _, _| {},
};

/// A client with a secret. One with a key, as SMART Backend Services has it, gets tokens too.
fn connection(endpoints: &Endpoints) -> Value {
    json!({
        "type": "declared",
        "system": "fhir-bulk",
        "base_url": format!("{}/fhir", endpoints.base_url),
        "scope": FHIR_SCOPE,
        "auth": {
            "grant": "client_credentials", "token_url": endpoints.token_url, "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
        },
    })
}
