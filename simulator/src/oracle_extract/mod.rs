//! Oracle Fusion's data extraction by `runExtract`.
//!
#![doc = include_str!("README.md")]

mod api;
mod content;
pub mod faults;
pub mod inspect;
pub mod scenario;
pub(crate) mod state;

use axum::Router;
use serde_json::Value;

use crate::endpoints::Endpoints;
use crate::fusion_rest::credentials::REST_SCOPE;
use crate::system::System;

/// What is known of it from outside.
pub(crate) const SYSTEM: System = System {
    title: "Oracle Fusion extracts (runExtract)",
    export_kind: "declared",
    connection_name: "oracle-demo",
    sample_event: "run-oracle-extract.json",
    paths: &["/fscmrestapi/scm/"],
    scopes: &[],
    connection,
    routes: api::routes,
    storage_routes: Router::new,
    operation: api::operation,
    prepare: |_, _, _| {},
};

/// A pod takes the tokens of its REST resources, or the user's name and password.
fn connection(endpoints: &Endpoints) -> Value {
    endpoints.described("oracle-extract", REST_SCOPE, "basic")
}
