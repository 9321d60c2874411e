//! `POST jobs` and `GET jobs/{id}`: a job goes on by a step a poll, and its end is told in one of many forms.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State as Extracted};
use axum::response::Response;
use axum::routing::{get, post};
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::admission::{admit, prefix};
use crate::context::Context;
use crate::epm::content;
use crate::epm::faults::{EpmStatusFaults, EpmSubmitFaults, FailedBody, StatusForm};
use crate::epm::state::{Content, EpmEnd, EpmJob, EpmState, FIRST_JOB_ID, RepositoryFile};
use crate::identity::credentials;
use crate::response::{self, Marked, Rejection};
use crate::scenario::Scenario;
use crate::state::State;

const UNKNOWN: i64 = 2_147_483_647;

pub(super) fn routes(prefix: &str) -> Router<Arc<Context>> {
    Router::new()
        .route(&format!("{prefix}/aif/rest/V1"), get(version))
        .route(&format!("{prefix}/aif/rest/V1/jobs"), post(submit))
        .route(&format!("{prefix}/aif/rest/V1/jobs/{{id}}"), get(status))
}

/// "Get Information about a Specific REST API Version for Data Integration".
async fn version(
    Extracted(context): Extracted<Arc<Context>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Rejection> {
    let faults = context.faults().epm.version;
    admit(&context, &uri, &headers, &faults.outage, "epm.version", "")?;
    if faults.absent {
        return Ok(response::problem(StatusCode::NOT_FOUND, "No such resource.").by("epm.version.absent"));
    }
    let links = links(&format!("{}{}", context.base_url(), uri.path()));
    let body = json!({ "version": "V1", "lifecycle": "active", "isLatest": true, "links": links });
    Ok(response::json_body(StatusCode::OK, &body))
}

async fn submit(
    Extracted(context): Extracted<Arc<Context>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Rejection> {
    let faults = context.faults().epm.submit;
    admit(&context, &uri, &headers, &faults.outage, "epm.submit", "")?;
    let request = check(&body)?;
    if let Some(failed) = &faults.failed_body {
        return fail(&context, request, failed);
    }
    let (id, fault) = context.change(|state| {
        let id = state.epm.accept(request, context.clock.now());
        (id, after_acceptance(state, &faults))
    })?;
    tracing::info!(job_id = id, "EPM job accepted");
    let own = format!("{}{}/aif/rest/V1/jobs/{id}", context.base_url(), prefix(&uri));
    let answer = match fault {
        Some(switch) => accepted_by(switch, &own),
        None => {
            let links = links(&own);
            let body =
                json!({ "jobId": id, "status": -1, "jobStatus": "RUNNING", "details": null, "links": links });
            response::json_body(StatusCode::OK, &body)
        }
    };
    Ok(answer.accepting(id))
}

/// The switch that acts on the answer to a submission that was accepted.
pub(super) fn after_acceptance(state: &mut State, faults: &EpmSubmitFaults) -> Option<&'static str> {
    let faults = [
        (faults.accept_then_drop, "epm.submit.accept_then_drop"),
        (faults.accept_then_gateway_timeout, "epm.submit.accept_then_gateway_timeout"),
        (faults.accept_then_redirect, "epm.submit.accept_then_redirect"),
        (faults.no_job_id, "epm.submit.no_job_id"),
        (faults.only_in_header, "epm.submit.only_in_header"),
    ];
    let fault = faults.into_iter().find(|(times, switch)| state.occurs(*times, switch, ""));
    fault.map(|(_, switch)| switch)
}

/// The answer to a submission that was accepted, as a switch has it; `own` is the job's address.
pub(super) fn accepted_by(switch: &'static str, own: &str) -> Response {
    let answer = match switch {
        "epm.submit.accept_then_drop" => response::hang_up(),
        "epm.submit.accept_then_gateway_timeout" => response::gateway_error(StatusCode::GATEWAY_TIMEOUT),
        "epm.submit.accept_then_redirect" => response::to_login(),
        "epm.submit.no_job_id" => {
            let body = json!({ "status": -1, "jobStatus": "RUNNING", "details": null });
            response::json_body(StatusCode::OK, &body)
        }
        _ => {
            let mut answer = Response::new(Body::empty());
            *answer.status_mut() = StatusCode::ACCEPTED;
            let own = HeaderValue::from_str(own).ok();
            answer.headers_mut().extend(own.map(|own| (header::CONTENT_LOCATION, own)));
            answer
        }
    };
    answer.by(switch)
}

pub(super) fn check(body: &[u8]) -> Result<Map<String, Value>, Rejection> {
    let bad = |detail: &str| Rejection::from(response::problem(StatusCode::BAD_REQUEST, detail));
    let request: Map<String, Value> =
        serde_json::from_slice(body).map_err(|_| bad("The request body is not a JSON object."))?;
    for field in ["jobType", "jobName"] {
        if request.get(field).and_then(Value::as_str).is_none_or(str::is_empty) {
            return Err(bad(&format!("{field} is required.")));
        }
    }
    Ok(request)
}

/// Answers 200 with a failure, of a job or of none.
fn fail(context: &Context, request: Map<String, Value>, failed: &FailedBody) -> Result<Response, Rejection> {
    let FailedBody { status, details, with_job } = failed;
    if !with_job {
        let body = json!({ "status": status, "jobStatus": "FAILED", "details": details });
        return Ok(response::json_body(StatusCode::OK, &body).by("epm.submit.failed_body"));
    }
    let ends = EpmStatusFaults {
        final_status: *status,
        details: Some(details.clone()),
        ..EpmStatusFaults::default()
    };
    let now = context.clock.now();
    let id = context.change(|state| {
        let id = state.epm.accept(request, now);
        end(&mut state.epm, id, &context.scenario, &ends, now);
        id
    })?;
    let body = json!({ "jobId": id, "status": status, "jobStatus": "FAILED", "details": details });
    Ok(response::json_body(StatusCode::OK, &body).by("epm.submit.failed_body").accepting(id))
}

fn links(own: &str) -> Value {
    json!([{ "rel": "self", "href": own, "action": "GET" }])
}

/// Ends a job: its log is written, and its output, over that of an earlier run of the same name and period.
pub(in crate::epm) fn end(
    state: &mut EpmState,
    id: u64,
    scenario: &Scenario,
    faults: &EpmStatusFaults,
    now: Timestamp,
) {
    let Some(job) = state.jobs.get_mut(&id).filter(|job| job.end.is_none()) else { return };
    let input = job.text("fileName").replace('\\', "/").replace("#epminbox", "inbox");
    let planted = scenario.epm.files.iter().any(|file| file.name == input);
    let lacks_input = input.starts_with("inbox/") && !planted && !state.files.contains_key(&input);
    let (status, details) = match lacks_input {
        true => (1, Some(format!("The input file {input} does not exist."))),
        false => (faults.final_status, faults.details.clone()),
    };
    // The clock may stand still: a job that ends later writes later all the same.
    let earlier = job.number().saturating_sub(FIRST_JOB_ID);
    let modified = now.as_millisecond().saturating_add(i64::try_from(earlier).unwrap_or_default());
    let output = (status == 0 && !faults.no_output).then(|| output_name(job, scenario, faults));
    if let Some(name) = &output {
        state.files.insert(name.clone(), RepositoryFile { content: Content::Output(id), modified });
    }
    if !faults.log_missing && job.application.is_none() {
        state.files.insert(job.log_name(), RepositoryFile { content: Content::Log(id), modified });
    }
    job.end = Some(EpmEnd { status, details, output });
}

/// The same for every run of a job and period; of Planning what the request says, or the job's name.
fn output_name(job: &EpmJob, scenario: &Scenario, faults: &EpmStatusFaults) -> String {
    if job.application.is_some() {
        let named = || job.parameter("exportFileName").or_else(|| job.parameter("exportZipFileName"));
        let named = named().map_or_else(|| format!("{}.zip", job.text("jobName")), str::to_owned);
        return faults.output_name.clone().unwrap_or(named);
    }
    let period = match job.text("periodName").trim_matches(['{', '}']) {
        "" => "Jan-06",
        period => period,
    };
    let extension = content::extension(scenario.epm.format);
    let usual = || format!("outbox/{}{}.{extension}", job.text("jobName"), period.replace("}{", "_"));
    faults.output_name.clone().unwrap_or_else(usual)
}

async fn status(
    Extracted(context): Extracted<Arc<Context>>,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Rejection> {
    let faults = context.faults().epm.status;
    admit(&context, &uri, &headers, &faults.outage, "epm.status", &id)?;
    let number: u64 = id.parse().unwrap_or_default();
    let now = context.clock.now();
    let job = context.change(|state| {
        if state.occurs(faults.not_found, "epm.status.not_found", &id) {
            return None;
        }
        go_on(&mut state.epm, number, &context.scenario, &faults, now)
    })?;
    let Some(job) = job else {
        return Ok(response::problem(StatusCode::NOT_FOUND, "The job does not exist."));
    };
    let self_link = format!("{}{}", context.base_url(), uri.path());
    let backslashes = context.faults().epm.list.backslashes;
    Ok(response::json_body(StatusCode::OK, &told(&job, &faults, &self_link, backslashes)))
}

/// A poll takes a job a step on.
pub(super) fn go_on(
    state: &mut EpmState,
    id: u64,
    scenario: &Scenario,
    faults: &EpmStatusFaults,
    now: Timestamp,
) -> Option<EpmJob> {
    let job = state.jobs.get_mut(&id)?;
    job.polls = job.polls.saturating_add(1);
    let unended = faults.running_polls + faults.cancel_pending_polls + faults.unknown_polls;
    if job.polls > unended && !faults.never_ends {
        end(state, id, scenario, faults, now);
    }
    state.jobs.get(&id).cloned()
}

/// The number that a poll sees.
pub(super) fn code(job: &EpmJob, faults: &EpmStatusFaults) -> i64 {
    match &job.end {
        Some(end) => end.status,
        None if job.polls <= faults.running_polls => -1,
        None if job.polls <= faults.running_polls + faults.cancel_pending_polls => 2,
        None if job.polls <= faults.running_polls + faults.cancel_pending_polls + faults.unknown_polls => {
            UNKNOWN
        }
        None => -1,
    }
}

fn word(code: i64) -> &'static str {
    match code {
        0 => "SUCCESS",
        1 | 3 | 4 => "FAILED",
        _ => "RUNNING",
    }
}

/// A job's status in words.
pub(super) fn descriptive_status(job: &EpmJob) -> &'static str {
    match &job.end {
        None => "In progress",
        Some(end) if end.status == 0 => "Completed",
        Some(_) => "Error",
    }
}

fn told(job: &EpmJob, faults: &EpmStatusFaults, self_link: &str, backslashes: bool) -> Value {
    let code = code(job, faults);
    let own_word = faults.final_word.as_deref().filter(|_| job.end.is_some());
    let word = own_word.unwrap_or_else(|| word(code));
    let details = job.end.as_ref().and_then(|end| end.details.clone());
    let path = |name: String| if backslashes { name.replace('/', "\\") } else { name };
    let mut body = Map::new();
    let mut say = |field: &str, value: Value| body.insert(field.to_owned(), value);
    match faults.form {
        StatusForm::Documented => {
            say("links", json!([0]));
            say("details", json!(details.unwrap_or_else(|| "null".to_owned())));
            say("jobId", json!(job.id.to_string()));
        }
        _ => {
            say("links", links(self_link));
            say("details", json!(details));
            say("jobId", json!(job.id));
        }
    }
    match faults.form {
        StatusForm::Documented => say("status", json!(code.to_string())),
        StatusForm::Numbers | StatusForm::NumberOnly | StatusForm::LowerCase => say("status", json!(code)),
        StatusForm::WordOnly | StatusForm::Nothing => None,
    };
    match faults.form {
        StatusForm::Documented | StatusForm::Numbers | StatusForm::WordOnly => say("jobStatus", json!(word)),
        StatusForm::LowerCase => say("jobStatus", json!(word.to_lowercase())),
        StatusForm::NumberOnly | StatusForm::Nothing => None,
    };
    say("jobName", json!(job.text("jobName")));
    say("descriptiveStatus", json!(descriptive_status(job)));
    say("processType", json!(job.text("jobType")));
    say("executedBy", json!(credentials::USERNAME));
    // Finer since 26.04; in which fields, nobody has published.
    say("jobDetails", json!({ "phase": "EXPORT", "startedAt": job.submitted_at.to_string() }));
    if !faults.log_unnamed {
        say("logFileName", json!(path(job.log_name())));
    }
    if let Some(output) = job.end.as_ref().and_then(|end| end.output.clone()) {
        say("outputFileName", json!(path(output)));
    }
    Value::Object(body)
}
