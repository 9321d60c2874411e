//! Amazon's Selling Partner API: reports, and the storage that their documents are in.
//!
#![doc = include_str!("README.md")]

mod api;
mod content;
pub mod credentials;
pub mod faults;
pub mod inspect;
pub mod scenario;
pub(crate) mod state;

use serde_json::{Value, json};

use self::credentials::SP_API_SCOPE;
use crate::endpoints::Endpoints;
use crate::identity::credentials::{CLIENT_ID, CLIENT_SECRET};
use crate::system::System;

/// What is known of it from outside.
pub(crate) const SYSTEM: System = System {
    title: "Amazon SP-API reports",
    export_kind: "declared",
    connection_name: "sp-api-demo",
    sample_event: "run-sp-api-reports.json",
    paths: &["/reports/2021-06-30/", "/sp-api-documents/"],
    scopes: &[SP_API_SCOPE],
    connection,
    routes: api::routes,
    storage_routes: api::storage_routes,
    operation: api::operation,
    prepare: |_, _, _| {},
};

/// Login with Amazon takes id and secret in the form alone.
fn connection(endpoints: &Endpoints) -> Value {
    json!({
        "type": "declared",
        "system": "sp-api-reports",
        "base_url": endpoints.base_url,
        "scope": SP_API_SCOPE,
        "auth": {
            "grant": "client_credentials", "client_auth": "body", "token_url": endpoints.token_url,
            "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET,
        },
        "http": { "allowed_hosts": [endpoints.storage_host()] },
    })
}
