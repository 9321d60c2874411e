//! Stripe: report runs, and the host that its files are at.
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

use self::credentials::STRIPE_KEY;
use crate::endpoints::Endpoints;
use crate::system::System;

/// What is known of it from outside.
pub(crate) const SYSTEM: System = System {
    title: "Stripe report runs",
    export_kind: "declared",
    connection_name: "stripe-demo",
    sample_event: "run-stripe-reports.json",
    paths: &["/v1/reporting/", "/v1/files/"],
    scopes: &[],
    connection,
    routes: api::routes,
    storage_routes: api::storage_routes,
    operation: api::operation,
    prepare: |_, _, _| {},
};

/// Files are at another host, which takes the same key.
fn connection(endpoints: &Endpoints) -> Value {
    json!({
        "type": "declared",
        "system": "stripe-reports",
        "base_url": endpoints.base_url,
        "bearer": { "token": STRIPE_KEY },
        "credential_hosts": [endpoints.storage_host()],
    })
}
