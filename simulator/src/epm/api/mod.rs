//! The endpoints of an EPM environment.

pub(super) mod admission;
pub(super) mod jobs;
mod planning;
mod repository;

use std::sync::Arc;

use axum::Router;
use http::Method;

use crate::context::Context;
use crate::operation::Operation;

pub(super) fn routes() -> Router<Arc<Context>> {
    ["", admission::GATEWAY].into_iter().fold(Router::new(), |router, prefix| {
        router.merge(jobs::routes(prefix)).merge(planning::routes(prefix)).merge(repository::routes(prefix))
    })
}

/// What a request is for, by its path's segments in lower case.
pub(super) fn operation(method: &Method, segments: &[&str]) -> Operation {
    let post = *method == Method::POST;
    match segments {
        [.., "aif", "rest", "v1", "jobs"] if post => Operation::SubmitJob,
        [.., "aif", "rest", "v1", "jobs", _] => Operation::JobStatus,
        [.., "hyperionplanning", "rest", "v3", "applications", _, "jobs"] if post => Operation::SubmitJob,
        [.., "hyperionplanning", "rest", "v3", "applications", _, "jobs", _] => Operation::JobStatus,
        [.., "applicationsnapshots", _, "contents"] if post => Operation::UploadFile,
        [.., "applicationsnapshots", _, "contents"] => Operation::Download,
        [.., "interop", "rest", _, "files", "list"] => Operation::ListFiles,
        [.., "interop", "rest", _, "files", "download"] => Operation::PrepareDownload,
        [.., "interop", "rest", _, "status", "download", _] => Operation::PrepareDownload,
        [.., "interop", "rest", _, "files", "download", _] => Operation::Download,
        _ => Operation::Other,
    }
}
