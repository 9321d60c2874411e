//! `GET jobRequests`: which jobs there are.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Query as QueryOf, State};
use axum::response::Response;
use axum::routing::get;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::addresses::SCHEDULERS;
use super::job_request::job_request;
use super::paging::{Query, number, page};
use crate::context::Context;
use crate::faults::Faults;
use crate::fusion_extract::credentials::BATCH_SCOPE;
use crate::fusion_extract::faults::{ListingFaults, StatusFaults};
use crate::fusion_extract::look_alikes::look_alikes;
use crate::fusion_extract::progress::poll;
use crate::fusion_extract::state::{Job, JobKind};
use crate::identity;
use crate::response::{self, Rejection};

pub(super) fn routes() -> Router<Arc<Context>> {
    SCHEDULERS.iter().fold(Router::new(), |router, scheduler| {
        router.route(scheduler, get(list)).route(&format!("{scheduler}/"), get(list))
    })
}

async fn list(
    State(context): State<Arc<Context>>,
    QueryOf(query): QueryOf<Query>,
    headers: HeaderMap,
) -> Result<Response, Rejection> {
    let all = context.faults();
    let faults = &all.listing;
    identity::admit(&context, &headers, BATCH_SCOPE, &faults.outage, "listing", "")?;
    move_occurrences_on(&context, &all.status).await?;
    let offset = if faults.page_size.is_some() { number(&query, "offset").unwrap_or(0) } else { 0 };
    let mut jobs = visible_jobs(&context, faults, offset == 0)?;
    if faults.newest_first {
        jobs.reverse();
    }
    let limit = faults.page_size.map(|size| number(&query, "limit").map_or(size, |asked| asked.min(size)));
    let (jobs, has_more) = page(&jobs, offset, limit.unwrap_or(usize::MAX));
    let items: Vec<Value> = jobs.iter().map(|job| list_item(job, &all)).collect();
    let mut body = json!({ "items": items });
    if let (Some(limit), Some(fields)) = (limit, body.as_object_mut()) {
        fields.insert("hasMore".to_owned(), json!(has_more));
        fields.insert("offset".to_owned(), json!(offset));
        fields.insert("limit".to_owned(), json!(limit));
    }
    Ok(response::json_body(StatusCode::OK, &body))
}

/// Nobody need poll an occurrence for it to go on: looking at the list is enough.
async fn move_occurrences_on(context: &Context, faults: &StatusFaults) -> Result<(), Rejection> {
    let unfinished: Vec<u64> = context.store.read(|state| {
        state
            .fusion_extract
            .jobs
            .values()
            .filter(|job| job.is_occurrence() && job.end.is_none())
            .map(|job| job.id)
            .collect()
    });
    for id in unfinished {
        poll(context, &id.to_string(), faults).await?;
    }
    Ok(())
}

/// The list, oldest first. A call that asks for its beginning lets newer jobs catch up.
fn visible_jobs(context: &Context, faults: &ListingFaults, counts: bool) -> Result<Vec<Job>, Rejection> {
    context.change(|state| {
        let mut visible = Vec::new();
        for job in state.fusion_extract.jobs.values_mut() {
            if faults.look_alikes {
                visible.extend(look_alikes(job));
            }
            if job.kind == JobKind::Planted || job.lists >= faults.lag_calls {
                visible.push(job.clone());
            }
            if counts {
                job.lists = job.lists.saturating_add(1);
            }
        }
        visible.sort_by_key(|job| job.id);
        visible
    })
}

/// Without the wrapper of a poll's answer, as public client code reads it.
fn list_item(job: &Job, faults: &Faults) -> Value {
    let status = match &job.end {
        Some(end) => end.status.clone(),
        None => current_status(job, &faults.status),
    };
    let mut item = json!({
        "jobRequestId": job.id,
        "jobRequest": job_request(job, 0, &faults.listing),
        "jobStatus": status,
    });
    if let Some(message) = job.end.as_ref().and_then(|end| end.message.as_ref()) {
        let progress = json!({ "status": status, "completed": true, "message": message });
        item.as_object_mut().map(|item| item.insert("jobProgress".to_owned(), progress));
    }
    if faults.listing.wrapped { json!({ "jobDetails": item }) } else { item }
}

/// What the last poll was told.
fn current_status(job: &Job, faults: &StatusFaults) -> String {
    let polls_told = job.polls.saturating_sub(1) / faults.polls_per_status.max(1);
    let place = usize::try_from(polls_told).unwrap_or(usize::MAX);
    let status = faults.progression.get(place).or_else(|| faults.progression.last());
    status.cloned().unwrap_or_else(|| "ENQUEUED".to_owned())
}
