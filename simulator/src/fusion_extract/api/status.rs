//! `GET jobRequests/{id}`: how a job goes.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::get;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::addresses::SCHEDULERS;
use super::job_request::job_request;
use crate::context::Context;
use crate::fusion_extract::credentials::BATCH_SCOPE;
use crate::fusion_extract::faults::{ListingFaults, StatusShape};
use crate::fusion_extract::progress::{PolledJob, poll};
use crate::identity;
use crate::response::{self, Rejection};

pub(super) fn routes() -> Router<Arc<Context>> {
    SCHEDULERS.iter().fold(Router::new(), |router, scheduler| {
        router
            .route(&format!("{scheduler}/{{id}}"), get(show))
            .route(&format!("{scheduler}/{{id}}/jobStatus"), get(show_status))
    })
}

async fn show(
    State(context): State<Arc<Context>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Rejection> {
    let faults = context.faults();
    identity::admit(&context, &headers, BATCH_SCOPE, &faults.status.outage, "status", &id)?;
    let polled = poll(&context, &id, &faults.status).await?;
    let body = status_body(&polled, faults.status.shape, &faults.listing);
    Ok(response::json_body(StatusCode::OK, &body))
}

/// The sub-resource that public client code asks for, in the form that it reads.
async fn show_status(
    State(context): State<Arc<Context>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Rejection> {
    let faults = context.faults().status;
    identity::admit(&context, &headers, BATCH_SCOPE, &faults.outage, "status", &id)?;
    let polled = poll(&context, &id, &faults).await?;
    let body = json!({ "id": polled.job.id, "status": polled.status, "related_output_files": [] });
    Ok(response::json_body(StatusCode::OK, &body))
}

fn status_body(polled: &PolledJob, shape: StatusShape, listing: &ListingFaults) -> Value {
    let progress = progress(polled);
    let abridged = json!({ "jobStatus": polled.status, "jobProgress": progress });
    match shape {
        StatusShape::Documented if polled.first_poll => json!({ "jobDetails": {
            "jobRequestId": polled.job.id,
            "jobRequest": job_request(&polled.job, polled.retry, listing),
            "jobStatus": polled.status,
            "jobProgress": progress,
        } }),
        StatusShape::Documented if polled.retry > 0 => json!({ "jobDetails": {
            "jobRequest": { "jobRetryNumber": polled.retry },
            "jobStatus": polled.status,
            "jobProgress": progress,
        } }),
        StatusShape::Documented => json!({ "jobDetails": abridged }),
        StatusShape::Flat => abridged,
        StatusShape::Array => json!({ "jobDetails": [abridged] }),
        StatusShape::ProgressOnly => json!({ "jobProgress": progress }),
        StatusShape::StatusOnly => json!({ "jobDetails": { "jobStatus": polled.status } }),
        StatusShape::Nothing => json!({ "jobDetails": { "jobRequestId": polled.job.id } }),
    }
}

/// As documented: the percentage is a string, and `endTime` is there while the job is still enqueued.
fn progress(polled: &PolledJob) -> Value {
    let moment = polled.job.submitted_at;
    json!({
        "jobRequestId": polled.job.id,
        "status": polled.status,
        "message": polled.message,
        "startTime": moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        "endTime": moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        "completedPercentage": polled.percentage,
        "completed": polled.completed,
    })
}
