//! Shopify: bulk operations of the GraphQL Admin API, and the storage that their files are in.
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

use self::credentials::SHOPIFY_TOKEN;
use crate::endpoints::Endpoints;
use crate::system::System;

/// What is known of it from outside.
pub(crate) const SYSTEM: System = System {
    title: "Shopify bulk operations",
    export_kind: "declared",
    connection_name: "shopify-demo",
    sample_event: "run-shopify-bulk.json",
    paths: &["/admin/api/", "/shopify-bulk/"],
    scopes: &[],
    connection,
    routes: api::routes,
    storage_routes: api::storage_routes,
    operation: api::operation,
    prepare: |_, _, _| {},
};

/// The token of a custom app, which does not expire.
fn connection(endpoints: &Endpoints) -> Value {
    json!({
        "type": "declared",
        "system": "shopify-bulk",
        "base_url": endpoints.base_url,
        "bearer": { "token": SHOPIFY_TOKEN },
        "http": { "allowed_hosts": [endpoints.storage_host()] },
    })
}
