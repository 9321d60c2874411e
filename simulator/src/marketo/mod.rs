//! Marketo: bulk extracts of leads.
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

use self::credentials::MARKETO_SCOPE;
use crate::endpoints::Endpoints;
use crate::system::System;

/// What is known of it from outside.
pub(crate) const SYSTEM: System = System {
    title: "Marketo bulk lead extract",
    export_kind: "declared",
    connection_name: "marketo-demo",
    sample_event: "run-marketo-leads.json",
    paths: &["/bulk/v1/"],
    scopes: &[MARKETO_SCOPE],
    connection,
    routes: api::routes,
    storage_routes: Router::new,
    operation: api::operation,
    prepare: |_, _, _| {},
};

/// A custom service of `LaunchPoint`.
fn connection(endpoints: &Endpoints) -> Value {
    endpoints.described("marketo-leads", MARKETO_SCOPE, "body")
}
