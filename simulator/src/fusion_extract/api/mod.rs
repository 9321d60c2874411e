//! The endpoints of a Fusion pod: BOSS data export, the batch service's job scheduler, and its file manager.

mod addresses;
mod content;
mod definitions;
mod job_request;
mod listing;
mod output_files;
mod paging;
mod status;
mod submission;

use std::sync::Arc;

use axum::Router;
use http::Method;

use crate::context::Context;
use crate::operation::Operation;

pub(super) fn routes() -> Router<Arc<Context>> {
    Router::new()
        .merge(definitions::routes())
        .merge(submission::routes())
        .merge(status::routes())
        .merge(listing::routes())
        .merge(output_files::routes())
        .merge(content::routes())
}

/// What a request is for, by its path's segments in lower case.
pub(super) fn operation(method: &Method, segments: &[&str]) -> Operation {
    let post = *method == Method::POST;
    match segments {
        [.., "exportdefinitions"] if post => Operation::CreateDefinition,
        [.., "exportgroupdefinitions"] if post => Operation::CreateGroup,
        [.., "exportdefinitions"] | [.., "exportdefinitions", _] => Operation::FindDefinitions,
        [.., "exportgroupdefinitions"] | [.., "exportgroupdefinitions", _] => Operation::FindGroups,
        [.., "outputfiles", _, "content"] => Operation::Download,
        [.., "outputfiles"] | [.., "outputfiles", _] => Operation::ListOutputFiles,
        [.., "jobrequests"] if post => Operation::SubmitJob,
        [.., "jobrequests"] => Operation::ListJobs,
        [.., "jobrequests", _] | [.., "jobrequests", _, "jobstatus"] => Operation::JobStatus,
        _ => Operation::Other,
    }
}
