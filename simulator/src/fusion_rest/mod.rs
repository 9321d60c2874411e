//! Fusion's REST resources, as its ADF framework serves them.
//!
#![doc = include_str!("README.md")]

mod api;
pub mod credentials;
pub mod faults;
pub mod inspect;
mod rows;
pub mod scenario;
pub mod state;

use axum::Router;

use crate::fusion_pod;
use crate::system::System;

/// What is known of it from outside.
pub(crate) const SYSTEM: System = System {
    title: "Oracle Fusion REST resources",
    export_kind: "fusion_rest",
    connection_name: fusion_pod::CONNECTION_NAME,
    sample_event: "run-fusion-rest.json",
    paths: &["/fscmrestapi/", "/hcmrestapi/", "/crmrestapi/", "/commonrestapi/"],
    scopes: &[credentials::REST_SCOPE],
    connection: fusion_pod::connection,
    routes: api::routes,
    storage_routes: Router::new,
    operation: api::operation,
    prepare: |_, _, _| {},
};
