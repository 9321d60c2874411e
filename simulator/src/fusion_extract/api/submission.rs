//! `POST jobRequests`: a job is accepted, whether or not the client hears of it.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::Response;
use axum::routing::post;
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::addresses::{SCHEDULER, SCHEDULERS, locate};
use crate::context::Context;
use crate::fusion_extract::credentials::BATCH_SCOPE;
use crate::fusion_extract::faults::SubmitFaults;
use crate::fusion_extract::recurrence::RunAtTimes;
use crate::fusion_extract::state::{ASYNC_DATA_EXTRACTION, FusionExtractState, JobKind};
use crate::identity;
use crate::response::{self, Marked, Rejection};
use crate::state::State as SimulatorState;

/// The fields of a submission that the documentation shows.
const DOCUMENTED_FIELDS: [&str; 5] =
    ["serviceName", "jobDefinitionName", "description", "requestParameters", "runAtTimes"];
/// The jobs of the `boss` service: data extraction, and extraction by Spectra.
const JOB_DEFINITIONS: [&str; 2] = ["DataExport", ASYNC_DATA_EXTRACTION];
const MODES: [&str; 2] = ["Full Data Extract", "Incremental Data Extract"];
/// `CLIENT_REQUEST_UUID` is a column of 64 characters.
const MAX_CLIENT_REQUEST_UUID_CHARS: usize = 64;

pub(super) fn routes() -> Router<Arc<Context>> {
    SCHEDULERS.iter().fold(Router::new(), |router, scheduler| {
        router.route(scheduler, post(submit)).route(&format!("{scheduler}/"), post(submit))
    })
}

async fn submit(
    State(context): State<Arc<Context>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Rejection> {
    let faults = context.faults().submit;
    identity::admit(&context, &headers, BATCH_SCOPE, &faults.outage, "submit", "")?;
    let request = check(&context, &faults, &body)?;
    let occurrences = occurrences(&request, context.scenario.max_occurrences)?;
    let now = context.clock.now();
    let (id, fault) = context.change(|state| {
        if faults.unique_client_request_uuid && has_uuid_of_another(&state.fusion_extract, &request) {
            return Err(Rejection::from(response::problem(
                StatusCode::CONFLICT,
                "A job request with this clientRequestUuid exists.",
            )));
        }
        let id = accept(&mut state.fusion_extract, request, now, occurrences);
        Ok((id, fault_after_acceptance(state, &faults)))
    })??;
    tracing::info!(job_request_id = id, "job accepted");
    Ok(answer_accepted(&context, &faults, id, fault).accepting(id))
}

#[derive(Clone, Copy)]
enum AfterAcceptance {
    Answer,
    Drop,
    GatewayTimeout,
    Unavailable,
    Redirect,
}

fn fault_after_acceptance(state: &mut SimulatorState, faults: &SubmitFaults) -> AfterAcceptance {
    if state.occurs(faults.accept_then_drop, "submit.accept_then_drop", "") {
        AfterAcceptance::Drop
    } else if state.occurs(faults.accept_then_gateway_timeout, "submit.accept_then_gateway_timeout", "") {
        AfterAcceptance::GatewayTimeout
    } else if state.occurs(faults.accept_then_unavailable, "submit.accept_then_unavailable", "") {
        AfterAcceptance::Unavailable
    } else if state.occurs(faults.accept_then_redirect, "submit.accept_then_redirect", "") {
        AfterAcceptance::Redirect
    } else {
        AfterAcceptance::Answer
    }
}

fn answer_accepted(context: &Context, faults: &SubmitFaults, id: u64, fault: AfterAcceptance) -> Response {
    match fault {
        AfterAcceptance::Drop => response::hang_up().by("submit.accept_then_drop"),
        AfterAcceptance::GatewayTimeout => {
            response::gateway_error(StatusCode::GATEWAY_TIMEOUT).by("submit.accept_then_gateway_timeout")
        }
        AfterAcceptance::Unavailable => {
            response::gateway_error(StatusCode::SERVICE_UNAVAILABLE).by("submit.accept_then_unavailable")
        }
        AfterAcceptance::Redirect => response::to_login().by("submit.accept_then_redirect"),
        AfterAcceptance::Answer => {
            let mut answer = Response::new(Body::empty());
            *answer.status_mut() = StatusCode::ACCEPTED;
            let path = format!("{SCHEDULER}/{id}");
            locate(context, faults.location, &path, answer.headers_mut());
            answer
        }
    }
}

fn bad_request(detail: &str) -> Rejection {
    response::problem(StatusCode::BAD_REQUEST, detail).into()
}

fn check(context: &Context, faults: &SubmitFaults, body: &[u8]) -> Result<Map<String, Value>, Rejection> {
    let request: Map<String, Value> =
        serde_json::from_slice(body).map_err(|_| bad_request("The request body is not a JSON object."))?;
    if let Some(detail) = &faults.reject {
        return Err(response::problem(StatusCode::BAD_REQUEST, detail).by("submit.reject").into());
    }
    let text = |field: &str| request.get(field).and_then(Value::as_str).unwrap_or_default();
    let unknown = request.keys().find(|field| !DOCUMENTED_FIELDS.contains(&field.as_str()));
    if let Some(unknown) = unknown.filter(|_| faults.strict) {
        return Err(bad_request(&format!("Unrecognized field {unknown}.")));
    }
    if text("serviceName") != "boss" || !JOB_DEFINITIONS.contains(&text("jobDefinitionName")) {
        return Err(bad_request("The job definition was not found."));
    }
    if text("clientRequestUuid").chars().count() > MAX_CLIENT_REQUEST_UUID_CHARS {
        return Err(bad_request("clientRequestUuid is longer than 64 characters."));
    }
    match text("jobDefinitionName") {
        ASYNC_DATA_EXTRACTION => check_spectra(&request)?,
        _ => check_data_export(context, faults, &request)?,
    }
    Ok(request)
}

/// The parameters of the HCM tutorial's example.
fn check_spectra(request: &Map<String, Value>) -> Result<(), Rejection> {
    let parameters = request.get("requestParameters");
    let parameter =
        |name: &str| parameters.and_then(|all| all.get(name)?.as_str()).filter(|value| !value.is_empty());
    for name in ["boss.module", "boss.resource.version"] {
        if parameter(name).is_none() {
            return Err(bad_request(&format!("{name} is required.")));
        }
    }
    if parameter("boss.resource.name").or_else(|| parameter("boss.resource.path")).is_none() {
        return Err(bad_request("boss.resource.name or boss.resource.path is required."));
    }
    let query = parameter("boss.advancedQuery");
    if query.is_some_and(|query| serde_json::from_str::<Map<String, Value>>(query).is_err()) {
        return Err(bad_request("boss.advancedQuery is not a JSON object."));
    }
    if let Some(foreign) =
        ["submit.argument1", "submit.argument2"].into_iter().find(|name| parameter(name).is_some())
    {
        return Err(bad_request(&format!("{foreign} is not a parameter of this job definition.")));
    }
    Ok(())
}

fn check_data_export(
    context: &Context,
    faults: &SubmitFaults,
    request: &Map<String, Value>,
) -> Result<(), Rejection> {
    let parameter = |name: &str| {
        request.get("requestParameters").and_then(|all| all.get(name)?.as_str()).unwrap_or_default()
    };
    let extract = parameter("submit.argument1");
    if extract.is_empty() {
        return Err(bad_request("submit.argument1 (the extract's name) is required."));
    }
    if !MODES.contains(&parameter("submit.argument2")) {
        return Err(bad_request("submit.argument2 must be Full Data Extract or Incremental Data Extract."));
    }
    let known = context
        .store
        .read(|state| state.fusion_extract.definitions.iter().any(|known| known.name == extract));
    if faults.require_definition && !known {
        return Err(bad_request(&format!("The extract {extract} does not exist.")));
    }
    Ok(())
}

/// How many times a request that recurs runs; none for one that runs once.
fn occurrences(request: &Map<String, Value>, most: u32) -> Result<Option<u32>, Rejection> {
    let Some(schedule) = request.get("runAtTimes") else { return Ok(None) };
    let schedule: RunAtTimes = serde_json::from_value(schedule.clone())
        .map_err(|error| bad_request(&format!("runAtTimes is invalid: {error}.")))?;
    let count = schedule.occurrences().map_err(bad_request)?;
    Ok(count.map(|count| u32::try_from(count).unwrap_or(u32::MAX).min(most)))
}

fn has_uuid_of_another(state: &FusionExtractState, request: &Map<String, Value>) -> bool {
    let uuid = request.get("clientRequestUuid");
    uuid.is_some() && state.jobs.values().any(|job| job.request.get("clientRequestUuid") == uuid)
}

fn accept(
    state: &mut FusionExtractState,
    request: Map<String, Value>,
    now: Timestamp,
    occurrences: Option<u32>,
) -> u64 {
    let Some(count) = occurrences else {
        return state.add_job(request, now, JobKind::Single);
    };
    let parent = state.add_job(request.clone(), now, JobKind::Recurring);
    for number in 1..=count {
        let request = occurrence_of(&request, parent, number);
        state.add_job(request, now, JobKind::Occurrence { parent, number });
    }
    parent
}

/// What public client code reads from the requests that a schedule makes: `parentRequest` and
/// `requestExecutionContext` among the parameters, and a `clientRequestUuid` that starts like the latter.
fn occurrence_of(request: &Map<String, Value>, parent: u64, number: u32) -> Map<String, Value> {
    let mut request = request.clone();
    request.remove("runAtTimes");
    if let Some(Value::Object(parameters)) = request.get_mut("requestParameters") {
        parameters.insert("parentRequest".to_owned(), json!(parent.to_string()));
        parameters.insert("requestExecutionContext".to_owned(), json!(format!("{parent},{number}")));
    }
    request.insert("clientRequestUuid".to_owned(), json!(format!("{parent},{number}")));
    request
}
