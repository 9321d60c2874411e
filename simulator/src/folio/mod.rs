//! FOLIO: data export behind its gateway, and the object storage that its links lead to.
//!
#![doc = include_str!("README.md")]

mod api;
pub mod credentials;
pub mod faults;
pub mod inspect;
mod marc;
mod output;
pub mod scenario;
pub(crate) mod state;
mod uuid;

use serde_json::{Value, json};

use self::credentials::{FOLIO_PASSWORD, FOLIO_TENANT, FOLIO_USERNAME};
use crate::endpoints::Endpoints;
use crate::system::System;

/// What is known of it from outside.
pub(crate) const SYSTEM: System = System {
    title: "FOLIO data export",
    export_kind: "folio_export",
    connection_name: "folio-demo",
    sample_event: "run-folio-export.json",
    paths: &["/authn/", "/data-export/", "/folio-exports/"],
    scopes: &[],
    connection,
    routes: api::routes,
    storage_routes: api::storage_routes,
    operation: api::operation,
    prepare: |_, _, _| {},
};

fn connection(endpoints: &Endpoints) -> Value {
    json!({
        "type": "folio",
        "base_url": endpoints.base_url,
        "tenant": FOLIO_TENANT,
        "login": { "username": FOLIO_USERNAME, "password": FOLIO_PASSWORD },
        "storage_hosts": [endpoints.storage_host()],
    })
}
