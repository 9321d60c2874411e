//! `NetSuite`: asynchronous requests of `SuiteTalk`'s REST web services.
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

use self::credentials::NETSUITE_SCOPE;
use crate::endpoints::Endpoints;
use crate::system::System;

/// What is known of it from outside.
pub(crate) const SYSTEM: System = System {
    title: "NetSuite asynchronous requests",
    export_kind: "declared",
    connection_name: "netsuite-demo",
    sample_event: "run-netsuite-async.json",
    paths: &["/services/rest/"],
    scopes: &[NETSUITE_SCOPE],
    connection,
    routes: api::routes,
    storage_routes: Router::new,
    operation: api::operation,
    prepare: |_, _, _| {},
};

/// An integration record.
fn connection(endpoints: &Endpoints) -> Value {
    endpoints.described("netsuite-async", NETSUITE_SCOPE, "body")
}
