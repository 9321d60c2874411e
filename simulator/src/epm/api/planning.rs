//! Planning: the applications, and the jobs of each, which go on like those of Data Integration and are told otherwise.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use http::{HeaderMap, StatusCode, Uri};
use serde_json::{Value, json};

use super::admission::{admit, prefix};
use super::jobs::{accepted_by, after_acceptance, check, code, descriptive_status, go_on};
use crate::context::Context;
use crate::epm::state::{EpmJob, EpmState};
use crate::response::{self, Marked, Rejection};

const APPLICATIONS: &str = "/HyperionPlanning/rest/v3/applications";

pub(super) fn routes(prefix: &str) -> Router<Arc<Context>> {
    let applications = format!("{prefix}{APPLICATIONS}");
    Router::new()
        .route(&applications, get(list))
        .route(&format!("{applications}/{{application}}/jobs"), post(submit))
        .route(&format!("{applications}/{{application}}/jobs/{{number}}"), get(status))
        .route(&format!("{applications}/{{application}}/jobs/{{number}}/details"), get(details))
}

/// "Get Applications".
async fn list(
    State(context): State<Arc<Context>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Rejection> {
    let faults = context.faults().epm.version;
    admit(&context, &uri, &headers, &faults.outage, "epm.version", "")?;
    if faults.absent {
        return Ok(response::problem(StatusCode::NOT_FOUND, "No such resource.").by("epm.version.absent"));
    }
    let items: Vec<Value> = context
        .scenario
        .epm
        .applications
        .iter()
        .map(|name| json!({ "name": name, "type": "HP", "appType": "MULTIPLE", "dpEnabled": false }))
        .collect();
    Ok(response::json_body(StatusCode::OK, &json!({ "items": items, "links": [], "type": "HP" })))
}

fn must_be_there(context: &Context, application: &str) -> Result<(), Rejection> {
    match context.scenario.epm.applications.iter().any(|name| name == application) {
        true => Ok(()),
        false => {
            let detail = format!("The application {application} does not exist.");
            Err(response::problem(StatusCode::NOT_FOUND, &detail).into())
        }
    }
}

/// "Execute a Job": parameters are in a field of their own.
async fn submit(
    State(context): State<Arc<Context>>,
    Path(application): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Rejection> {
    const FIELDS: [&str; 3] = ["jobType", "jobName", "parameters"];
    let faults = context.faults().epm.submit;
    admit(&context, &uri, &headers, &faults.outage, "epm.submit", "")?;
    must_be_there(&context, &application)?;
    let request = check(&body)?;
    if let Some(field) = request.keys().find(|field| !FIELDS.contains(&field.as_str())) {
        let detail = format!("{field} is no field of a job: parameters are below parameters.");
        return Err(response::problem(StatusCode::BAD_REQUEST, &detail).into());
    }
    let now = context.clock.now();
    let (job, fault) = context.change(|state| {
        let id = state.epm.accept_planning(application.clone(), request, now);
        (state.epm.jobs.get(&id).cloned(), after_acceptance(state, &faults))
    })?;
    let Some(job) = job else { return Err(response::problem(StatusCode::GONE, "The job has gone.").into()) };
    let own = own_address(&context, &uri, &application, &job);
    let answer = match fault {
        Some(switch) => accepted_by(switch, &own),
        None => response::json_body(StatusCode::OK, &told(&job, -1, &own)),
    };
    Ok(answer.accepting(job.id))
}

fn own_address(context: &Context, uri: &Uri, application: &str, job: &EpmJob) -> String {
    let number = job.number();
    format!("{}{}{APPLICATIONS}/{application}/jobs/{number}", context.base_url(), prefix(uri))
}

/// As the page "Retrieve Job Status" has it: numbers, and no file.
fn told(job: &EpmJob, status: i64, own: &str) -> Value {
    let details = job.end.as_ref().and_then(|end| end.details.clone());
    json!({
        "status": status,
        "details": details,
        "jobId": job.number(),
        "jobName": job.text("jobName"),
        "descriptiveStatus": descriptive_status(job),
        "links": [
            { "rel": "self", "href": own, "action": "GET" },
            { "rel": "job-details", "href": format!("{own}/details"), "action": "GET" },
        ],
    })
}

fn unknown() -> Response {
    response::problem(StatusCode::NOT_FOUND, "The job does not exist.")
}

async fn status(
    State(context): State<Arc<Context>>,
    Path((application, number)): Path<(String, String)>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Rejection> {
    let faults = context.faults().epm.status;
    admit(&context, &uri, &headers, &faults.outage, "epm.status", &number)?;
    let id = EpmState::planning_id(number.parse().unwrap_or_default());
    let now = context.clock.now();
    let job = context.change(|state| {
        if state.occurs(faults.not_found, "epm.status.not_found", &number) {
            return None;
        }
        state.epm.jobs.get(&id).filter(|job| job.application.as_ref() == Some(&application))?;
        go_on(&mut state.epm, id, &context.scenario, &faults, now)
    })?;
    let Some(job) = job else { return Ok(unknown()) };
    let own = own_address(&context, &uri, &application, &job);
    Ok(response::json_body(StatusCode::OK, &told(&job, code(&job, &faults), &own)))
}

/// "Retrieve Job Status Details".
async fn details(
    State(context): State<Arc<Context>>,
    Path((application, number)): Path<(String, String)>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Rejection> {
    let faults = context.faults().epm.status;
    admit(&context, &uri, &headers, &faults.outage, "epm.details", &number)?;
    let id = EpmState::planning_id(number.parse().unwrap_or_default());
    let job = context.store.read(|state| state.epm.jobs.get(&id).cloned());
    let Some(job) = job.filter(|job| job.application.as_ref() == Some(&application)) else {
        return Ok(unknown());
    };
    let rows = context.scenario.epm.rows;
    let item = match job.end.filter(|end| end.status != 0) {
        None => json!({ "recordsRead": rows.to_string(), "recordsRejected": "0", "dimensionName": null }),
        Some(_) => {
            json!({ "msgType": "ERROR", "msgText": "The data slice has an unknown member.", "links": [] })
        }
    };
    Ok(response::json_body(StatusCode::OK, &json!({ "items": [item], "links": [], "type": "HP" })))
}
