//! Data extraction from a Fusion pod: BOSS data export, the batch service's job scheduler, and its file manager.
//!
#![doc = include_str!("README.md")]

mod api;
pub mod credentials;
pub mod faults;
pub mod inspect;
mod look_alikes;
pub mod output;
mod planted;
mod progress;
mod recurrence;
pub mod scenario;
pub(crate) mod state;

use axum::Router;

use crate::fusion_pod;
use crate::system::System;

/// What is known of it from outside.
pub(crate) const SYSTEM: System = System {
    title: "Oracle Fusion Data Extraction",
    export_kind: "fusion_extract",
    connection_name: fusion_pod::CONNECTION_NAME,
    sample_event: "run-fusion-extract.json",
    paths: &["/api/boss/", "/api/saas-batch/"],
    scopes: &[credentials::BOSS_SCOPE, credentials::BATCH_SCOPE],
    connection: fusion_pod::connection,
    routes: api::routes,
    storage_routes: Router::new,
    operation: api::operation,
    prepare: planted::plant,
};
