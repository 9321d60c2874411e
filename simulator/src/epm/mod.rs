//! Oracle EPM: jobs of Data Integration and of Planning, and the repository of files that they read and write.
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

use crate::endpoints::Endpoints;
use crate::identity::credentials::{PASSWORD, USERNAME};
use crate::system::System;

/// What is known of it from outside.
pub(crate) const SYSTEM: System = System {
    title: "Oracle EPM Data Integration",
    export_kind: "epm_job",
    connection_name: "epm-demo",
    sample_event: "run-epm-job.json",
    paths: &["/aif/", "/interop/", "/hyperionplanning/", "/gateway/"],
    scopes: &[credentials::EPM_SCOPE],
    connection,
    routes: api::routes,
    storage_routes: Router::new,
    operation: api::operation,
    prepare: |_, _, _| {},
};

fn connection(endpoints: &Endpoints) -> Value {
    let username = format!("{}.{USERNAME}", credentials::IDENTITY_DOMAIN);
    json!({
        "type": "epm",
        "base_url": endpoints.base_url,
        "basic": { "username": username, "password": PASSWORD },
    })
}
