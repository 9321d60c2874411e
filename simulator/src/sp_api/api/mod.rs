//! The endpoints of the Reports API, version 2021-06-30.

mod admission;
mod documents;
mod reports;

use std::sync::Arc;

use axum::Router;
use http::Method;

use crate::context::Context;
use crate::operation::Operation;

pub(super) fn routes() -> Router<Arc<Context>> {
    Router::new().merge(reports::routes()).merge(documents::routes())
}

/// What the storage's own listener serves.
pub(super) fn storage_routes() -> Router<Arc<Context>> {
    documents::storage_routes()
}

/// What a request is for, by its path's segments in lower case.
pub(super) fn operation(method: &Method, segments: &[&str]) -> Operation {
    match segments {
        ["reports", _, "reports"] if *method == Method::POST => Operation::SubmitJob,
        ["reports", _, "reports"] => Operation::ListJobs,
        ["reports", _, "reports", _] if *method == Method::GET => Operation::JobStatus,
        ["reports", _, "documents", _] => Operation::Link,
        ["sp-api-documents", ..] => Operation::Download,
        _ => Operation::Other,
    }
}
