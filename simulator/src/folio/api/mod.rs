//! The endpoints of FOLIO: data export behind its gateway, and the object storage that its links lead to.
//!
//! The gateway is Okapi or Eureka's; the module behind it is mod-data-export in the dialect of one of its versions. The
//! storage has a listener of its own, so that it is another origin, as it is everywhere.

mod authn;
mod cql;
mod definitions;
mod errors;
pub(super) mod executions;
mod logs;
mod paging;
mod profiles;
mod storage;

use std::sync::Arc;

use axum::Router;
use http::Method;

use crate::context::Context;
use crate::operation::Operation;

pub(super) fn routes() -> Router<Arc<Context>> {
    Router::new()
        .merge(authn::routes())
        .merge(profiles::routes())
        .merge(definitions::routes())
        .merge(executions::routes())
        .merge(logs::routes())
}

/// What the storage's own listener serves.
pub(super) fn storage_routes() -> Router<Arc<Context>> {
    storage::routes()
}

/// What a request is for, by its path's segments in lower case.
pub(super) fn operation(method: &Method, segments: &[&str]) -> Operation {
    let post = *method == Method::POST;
    match segments {
        ["authn", _] => Operation::Login,
        ["data-export", "file-definitions"] if post => Operation::CreateFileDefinition,
        ["data-export", "file-definitions", _, "upload"] => Operation::UploadIds,
        ["data-export", "export" | "export-all" | "quick-export" | "export-deleted"] => Operation::SubmitJob,
        ["data-export", "job-executions"] => Operation::JobStatus,
        ["data-export", "job-executions", _, "download", _] => Operation::Link,
        ["folio-exports", ..] => Operation::Download,
        _ => Operation::Other,
    }
}
