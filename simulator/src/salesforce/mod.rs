//! Salesforce: query jobs of its Bulk API 2.0.
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
use serde_json::Value;

use self::credentials::SALESFORCE_SCOPE;
use crate::endpoints::Endpoints;
use crate::system::System;

/// What is known of it from outside.
pub(crate) const SYSTEM: System = System {
    title: "Salesforce Bulk API 2.0",
    export_kind: "declared",
    connection_name: "salesforce-demo",
    sample_event: "run-salesforce-bulk.json",
    paths: &["/services/data/"],
    scopes: &[SALESFORCE_SCOPE],
    connection,
    routes: api::routes,
    storage_routes: Router::new,
    operation: api::operation,
    prepare: |_, _, _| {},
};

/// A connected app with the client credentials flow.
fn connection(endpoints: &Endpoints) -> Value {
    endpoints.described("salesforce-bulk", SALESFORCE_SCOPE, "body")
}
