//! The endpoints of a FHIR server.

mod files;
mod kick_off;
mod status;
mod told;

use std::sync::Arc;

use axum::Router;
use http::Method;

use crate::context::Context;
use crate::operation::Operation;

pub(super) fn routes() -> Router<Arc<Context>> {
    Router::new().merge(kick_off::routes()).merge(status::routes()).merge(files::routes())
}

/// What a request is for, by its path's segments in lower case.
pub(super) fn operation(method: &Method, segments: &[&str]) -> Operation {
    match segments {
        ["fhir", .., "$export"] => Operation::SubmitJob,
        ["fhir", "bulkstatus", _] if *method == Method::GET => Operation::JobStatus,
        ["fhir", "bulkfiles", ..] => Operation::Download,
        _ => Operation::Other,
    }
}
