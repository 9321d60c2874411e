//! Job executions: started, listed, deleted; and the links to what they put out.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query as QueryOf, State};
use axum::response::Response;
use axum::routing::{delete, get, post};
use http::{HeaderMap, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::cql::Conditions;
use super::paging::{Query, page};
use super::{authn, definitions, errors, storage};
use crate::context::Context;
use crate::folio::faults::{Dialect, FolioFaults};
use crate::folio::output::{self, Ids, Job, Output};
use crate::folio::state::{Definition, Execution, FolioState};
use crate::folio::uuid::uuid_of;
use crate::response::{self, Marked, Rejection};
use crate::switches::Outage;

const LINKED_DATA_PROFILE: &str = "42ca0945-f66c-4bc1-8d1a-7aa8b2e4483a";
const DEFAULT_PROFILE: &str = "6f7f3cd7-9f24-42eb-ae91-91af1cd54d0a";

pub(super) fn routes() -> Router<Arc<Context>> {
    Router::new()
        .route("/data-export/export", post(start))
        .route("/data-export/export-all", post(export_all))
        .route("/data-export/quick-export", post(quick_export))
        .route("/data-export/export-deleted", post(export_deleted))
        .route("/data-export/job-executions", get(list))
        .route("/data-export/job-executions/{id}", delete(remove))
        .route("/data-export/job-executions/{id}/download/{file}", get(link))
        .route("/data-export/configuration", post(configure))
        .route("/data-export/expire-jobs", post(expire))
}

async fn start(
    State(context): State<Arc<Context>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Rejection> {
    let switches = context.faults().folio;
    let faults = authn::admit(&context, &headers, &switches.export, "folio.export", "", "export.post")?;
    let request: Value =
        serde_json::from_slice(&body).map_err(|error| faults.unreadable(&error.to_string()))?;
    if let Some(field) = unknown_field(&request, faults.dialect) {
        return Err(faults.unreadable(&format!("Unrecognized field \"{field}\"")).into());
    }
    let id = request.get("fileDefinitionId").and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase();
    let definition = context.store.read(|state| state.folio.definitions.get(&id).cloned());
    let definition = definition.ok_or_else(|| unknown_definition(&faults, &id))?;
    let ids = Ids::Uploaded {
        path: definitions::uploaded(&context, &id),
        is_query: definition.upload_format == "cql",
    };
    let refusal = invalid(&request, &definition, &faults);
    let hr_id = begin(&context, &faults, &definition.job_execution_id, &request, ids, refusal).await?;
    let answer = errors::text(StatusCode::NO_CONTENT, "").accepting(hr_id);
    context.change(|state| {
        if state.occurs(faults.export_then_drop, "folio.export_then_drop", "") {
            response::hang_up().by("export_then_drop").accepting(hr_id)
        } else if state.occurs(faults.export_then_error, "folio.export_then_error", "") {
            errors::spring(StatusCode::INTERNAL_SERVER_ERROR, "/data-export/export")
                .by("export_then_error")
                .accepting(hr_id)
        } else if state.occurs(faults.export_then_redirect, "folio.export_then_redirect", "") {
            response::to_login().by("export_then_redirect").accepting(hr_id)
        } else {
            answer
        }
    })
}

/// A field that the request may not have: version 3 knows no types, and nothing but ids (`exportRequest.json`).
fn unknown_field(request: &Value, dialect: Dialect) -> Option<String> {
    const KNOWN: [&str; 3] = ["fileDefinitionId", "jobProfileId", "metadata"];
    let mut fields = request.as_object().filter(|_| dialect == Dialect::V3)?.keys();
    fields.find(|field| !KNOWN.contains(&field.as_str())).cloned()
}

fn unknown_definition(faults: &FolioFaults, id: &str) -> Response {
    match faults.dialect {
        Dialect::V5 => {
            errors::text(StatusCode::NOT_FOUND, format!("Unable to find file definition with id {id}"))
        }
        _ => errors::text(StatusCode::BAD_REQUEST, format!("File definition not found with id {id}")),
    }
}

/// What the module finds wrong with a request after it has answered 204.
fn invalid(request: &Value, definition: &Definition, faults: &FolioFaults) -> Option<&'static str> {
    let text = |field: &str| request.get(field).and_then(Value::as_str).unwrap_or_default();
    if faults.export_is_invalid {
        Some("For exporting authority records only the default authority job profile is supported")
    } else if text("idType") == "holding" && definition.upload_format == "cql" {
        Some("Only csv format is supported for holdings export")
    } else if text("idType") == "authority" && text("jobProfileId") == DEFAULT_PROFILE {
        Some("For exporting authority records only the default authority job profile is supported")
    } else {
        None
    }
}

/// Starts a job, or fails it at once; its number. A job that was started before runs again.
async fn begin(
    context: &Arc<Context>,
    faults: &FolioFaults,
    execution: &str,
    request: &Value,
    ids: Ids,
    refusal: Option<&'static str>,
) -> Result<u64, Rejection> {
    let now = context.clock.now();
    let output = match refusal {
        Some(reason) => Output::nothing(execution, now, "error.messagePlaceholder", &[reason]),
        None => make(context, faults, execution, request, ids, now).await?,
    };
    let profile_id =
        request.get("jobProfileId").and_then(Value::as_str).unwrap_or(DEFAULT_PROFILE).to_owned();
    let profiles = &context.scenario.folio.profiles;
    let profile =
        profiles.iter().find(|profile| profile.id == profile_id).map(|profile| profile.name.clone());
    context.change(|state| {
        let Some(known) = state.folio.execution(execution) else { return 0 };
        known.starts = known.starts.saturating_add(1);
        known.status = if refusal.is_some() { "FAIL" } else { "IN_PROGRESS" }.to_owned();
        known.completed_at = refusal.map(|_| now);
        known.started_at = Some(now);
        known.updated_at = now;
        known.polls = 0;
        known.request = request.clone();
        known.profile = Some((profile_id, profile.unwrap_or_default()));
        known.provisional_file = Some((
            uuid_of(&format!("provisional {execution}")),
            format!("{}-{}.mrc", known.base_name, known.hr_id),
        ));
        known.output = Some(output);
        known.hr_id
    })
}

async fn make(
    context: &Arc<Context>,
    faults: &FolioFaults,
    execution: &str,
    request: &Value,
    ids: Ids,
    at: Timestamp,
) -> Result<Output, Rejection> {
    let found = context.change(|state| {
        let slice_size = state.folio.slice_size;
        state
            .folio
            .execution(execution)
            .map(|known| (format!("{}-{}", known.base_name, known.hr_id), slice_size))
    })?;
    let (stem, slice_size) = found.unwrap_or_default();
    let is_linked_data = request.get("recordType").and_then(Value::as_str) == Some("LINKED_DATA")
        || request.get("jobProfileId").and_then(Value::as_str) == Some(LINKED_DATA_PROFILE);
    let (context, execution, output_faults) = (context.clone(), execution.to_owned(), faults.output.clone());
    // Before version 5 there were no slices.
    let slice_size = match faults.dialect {
        Dialect::V5 => slice_size.unwrap_or(context.scenario.folio.slice_size),
        _ => u64::MAX,
    };
    let work = tokio::task::spawn_blocking(move || {
        let job = Job {
            execution: &execution,
            stem,
            is_linked_data,
            scenario: &context.scenario.folio,
            seed: context.scenario.seed,
            slice_size,
            faults: &output_faults,
            at,
        };
        output::produce(context.folder.path(), &job, ids)
    });
    match work.await {
        Ok(Ok(output)) => Ok(output),
        Ok(Err(error)) => Err(response::internal(&error).into()),
        Err(stopped) => Err(response::internal(&stopped).into()),
    }
}

/// A job that one call makes and starts; its id and number.
struct Started {
    id: String,
    hr_id: u64,
}

/// Lets a call in that makes and starts a job.
fn admit_directly(
    context: &Context,
    headers: &HeaderMap,
    body: &Bytes,
    permission: &str,
) -> Result<(FolioFaults, Value), Rejection> {
    let switch = context.faults().folio.direct;
    let faults = authn::admit(context, headers, &switch, "folio.direct", "", permission)?;
    if faults.no_direct {
        let said = "No suitable module found for path for tenant diku";
        return Err(errors::text(StatusCode::NOT_FOUND, said).by("no_direct").into());
    }
    let request = serde_json::from_slice(body).map_err(|error| faults.unreadable(&error.to_string()))?;
    Ok((faults, request))
}

async fn start_directly(
    context: &Arc<Context>,
    faults: &FolioFaults,
    base_name: &str,
    request: &Value,
    ids: Ids,
) -> Result<Started, Rejection> {
    let now = context.clock.now();
    let (id, has_others) = context.change(|state| {
        let has_others = state.occurs(faults.direct_by_others, "folio.direct_by_others", "");
        let others = has_others.then(|| state.folio.new_execution(None, base_name, now).id.clone());
        (state.folio.new_execution(None, base_name, now).id.clone(), others)
    })?;
    if let Some(others) = has_others {
        begin(context, faults, &others, request, Ids::All, None).await?;
    }
    let hr_id = begin(context, faults, &id, request, ids, None).await?;
    Ok(Started { id, hr_id })
}

/// The answer of a call that has made a job, unless it is lost.
fn answer_directly(
    context: &Context,
    faults: &FolioFaults,
    started: &Started,
    answer: Response,
) -> Result<Response, Rejection> {
    let answer = context.change(|state| {
        if state.occurs(faults.direct_then_drop, "folio.direct_then_drop", "") {
            response::hang_up().by("direct_then_drop")
        } else if state.occurs(faults.direct_then_error, "folio.direct_then_error", "") {
            errors::spring(StatusCode::INTERNAL_SERVER_ERROR, "/data-export").by("direct_then_error")
        } else {
            answer
        }
    })?;
    Ok(answer.accepting(started.hr_id))
}

/// Answers 200 and nothing else, though 204 is documented (`DataExportAllController`).
async fn export_all(
    State(context): State<Arc<Context>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Rejection> {
    let (faults, request) = admit_directly(&context, &headers, &body, "export.all")?;
    let id_type = request.get("idType").and_then(Value::as_str).unwrap_or("instance").to_owned();
    if !["instance", "holding", "authority"].contains(&id_type.as_str()) {
        return Err(faults.unreadable(&format!("Unexpected value '{id_type}'")).into());
    }
    let base_name = format!("{id_type}-all");
    let started = start_directly(&context, &faults, &base_name, &request, Ids::All).await?;
    answer_directly(&context, &faults, &started, errors::text(StatusCode::OK, ""))
}

async fn quick_export(
    State(context): State<Arc<Context>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Rejection> {
    let (faults, request) = admit_directly(&context, &headers, &body, "quick.export.post")?;
    let record_type = request.get("recordType").and_then(Value::as_str).unwrap_or_default();
    // The type of ids is made from it, of which holdings have another word (`QuickExportService`).
    if !["INSTANCE", "AUTHORITY"].contains(&record_type) {
        return Err(faults.unreadable(&format!("Unexpected value '{}'", record_type.to_lowercase())).into());
    }
    let uuids = request.get("uuids").and_then(Value::as_array).cloned().unwrap_or_default();
    let uuids = uuids.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    let started = start_directly(&context, &faults, "quick-export", &request, Ids::Named(uuids)).await?;
    let body = json!({ "jobExecutionId": started.id, "jobExecutionHrId": started.hr_id });
    answer_directly(&context, &faults, &started, response::json_body(StatusCode::OK, &body))
}

/// The days say which records were deleted; here they are all of them, whatever the days are.
async fn export_deleted(
    State(context): State<Arc<Context>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Rejection> {
    let (faults, request) = admit_directly(&context, &headers, &body, "export-deleted.post")?;
    let day = |name: &str| {
        let day = request.get(name).and_then(Value::as_str).map(str::parse::<jiff::civil::Date>);
        day.transpose().map_err(|_| name.to_owned())
    };
    let days = day("from").and_then(|from| Ok((from, day("to")?)));
    let (from, to) = days.map_err(|name| faults.unreadable(&name))?;
    if from.zip(to).is_some_and(|(from, to)| from > to) {
        let said = "Invalid date range for payload: date 'from' cannot be after date 'to'.";
        return Err(errors::text(StatusCode::BAD_REQUEST, said).into());
    }
    let base_name = "deleted-marc-bib-records";
    let started = start_directly(&context, &faults, base_name, &request, Ids::All).await?;
    let body = json!({ "jobExecutionId": started.id });
    answer_directly(&context, &faults, &started, response::json_body(StatusCode::OK, &body))
}

async fn list(
    State(context): State<Arc<Context>>,
    QueryOf(query): QueryOf<Query>,
    headers: HeaderMap,
) -> Result<Response, Rejection> {
    let switches = context.faults().folio;
    let text = query.get("query").map(String::as_str);
    let subject = text.unwrap_or_default();
    let faults = authn::admit(
        &context,
        &headers,
        &switches.executions,
        "folio.executions",
        subject,
        "job-executions.collection.get",
    )?;
    let conditions =
        Conditions::parse(text).ok_or_else(|| faults.bad_query("/data-export/job-executions", subject))?;
    let (now, polls) = (context.clock.now(), context.scenario.folio.polls);
    let found = context.change(|state| {
        let mut found: Vec<(Option<Timestamp>, Value)> = Vec::new();
        for execution in state.folio.executions.iter_mut().filter(|execution| !execution.deleted) {
            let asked_for = conditions.value_of("id") == Some(execution.id.as_str());
            if asked_for && execution.lists < faults.unlisted {
                execution.lists = execution.lists.saturating_add(1);
                continue;
            }
            if asked_for {
                go_on(execution, &faults, polls, now);
            }
            if conditions.hold(&[("id", &execution.id), ("status", &execution.status)]) {
                found.push((execution.started_at, shown(execution, &faults, polls)));
            }
        }
        if conditions.order() == Some("startedDate") {
            found.sort_by_key(|(started, _)| *started);
            if conditions.is_descending {
                found.reverse();
            }
        }
        found.into_iter().map(|(_, shown)| shown).collect::<Vec<_>>()
    })?;
    if faults.bare_execution
        && let [one] = found.as_slice()
    {
        return Ok(errors::ok(one));
    }
    Ok(errors::ok(&json!({ "jobExecutions": page(&query, &found), "totalRecords": found.len() })))
}

/// A poll takes a job a step on.
pub(in crate::folio) fn go_on(execution: &mut Execution, faults: &FolioFaults, polls: u32, now: Timestamp) {
    if execution.status != "IN_PROGRESS" || faults.never_ends {
        return;
    }
    execution.polls = execution.polls.saturating_add(1);
    execution.updated_at = now;
    if execution.polls < polls {
        return;
    }
    execution.completed_at = Some(now);
    let id = execution.id.clone();
    let Some(output) = &mut execution.output else { return };
    if faults.storing_fails {
        output.file = None;
        output.logs.push(output::entry(&id, output.logs.len(), now, "error.binaryFile.notGenerated", &[]));
    }
    execution.status = match (&faults.final_status, &output.file) {
        (Some(status), Some(_)) => status.clone(),
        _ => output.status().to_owned(),
    };
}

fn shown(execution: &Execution, faults: &FolioFaults, polls: u32) -> Value {
    let date = |at: Timestamp| match faults.dialect {
        Dialect::V5 => at.strftime("%Y-%m-%dT%H:%M:%S.%3f+00:00").to_string(),
        _ => at.strftime("%Y-%m-%dT%H:%M:%S.%3f+0000").to_string(),
    };
    let hr_id = if faults.dialect == Dialect::V3 {
        json!(execution.hr_id.to_string())
    } else {
        json!(execution.hr_id)
    };
    let mut shown = json!({
        "id": execution.id,
        "hrId": hr_id,
        "progress": progress(execution, faults.dialect, polls),
        "runBy": { "firstName": "Integration", "lastName": "User", "userId": uuid_of("user") },
        "lastUpdatedDate": date(execution.updated_at),
        "status": execution.status,
    });
    let files = files(execution, faults);
    let optional = [
        ("exportedFiles", (!files.is_empty()).then(|| json!(files))),
        ("jobProfileId", execution.profile.as_ref().map(|(id, _)| json!(id))),
        ("jobProfileName", execution.profile.as_ref().map(|(_, name)| json!(name))),
        ("startedDate", execution.started_at.map(|at| json!(date(at)))),
        ("completedDate", execution.completed_at.map(|at| json!(date(at)))),
    ];
    if let Some(fields) = shown.as_object_mut() {
        fields.extend(optional.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    }
    shown
}

/// From the start on a file is named: not the one that there will be.
fn files(execution: &Execution, faults: &FolioFaults) -> Vec<Value> {
    let Some((id, name)) = file_of(execution) else { return Vec::new() };
    match faults.profile_is_deleted && execution.has_ended() {
        true => vec![json!({ "fileName": name })],
        false => vec![json!({ "fileId": id, "fileName": name })],
    }
}

fn file_of(execution: &Execution) -> Option<(String, String)> {
    let output = execution.output.as_ref().filter(|_| execution.has_ended());
    match output.and_then(|output| output.file.as_ref()) {
        Some(file) => Some((file.id.clone(), file.name.clone())),
        None => execution.provisional_file.clone(),
    }
}

fn progress(execution: &Execution, dialect: Dialect, polls: u32) -> Value {
    let (exported, failed, total) = match &execution.output {
        Some(output) if execution.has_ended() => (output.exported, output.failed, output.total),
        Some(output) => {
            (output.exported * u64::from(execution.polls) / u64::from(polls.max(1)), 0, output.total)
        }
        None => (0, 0, 0),
    };
    match dialect {
        Dialect::V5 => {
            json!({ "exported": exported, "failed": failed, "duplicatedSrs": 0, "total": total, "readIds": total })
        }
        Dialect::V4 => json!({
            "exported": exported, "failed": { "duplicatedSrs": 0, "otherFailed": failed }, "total": total,
        }),
        Dialect::V3 => json!({ "exported": exported, "failed": failed, "total": total.to_string() }),
    }
}

async fn remove(
    State(context): State<Arc<Context>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Rejection> {
    let faults = authn::admit(
        &context,
        &headers,
        &Outage::default(),
        "folio.delete",
        &id,
        "job-executions.item.delete",
    )?;
    let status = context.change(|state| match state.folio.execution(&id) {
        Some(execution) if faults.dialect != Dialect::V5 && execution.status == "IN_PROGRESS" => {
            StatusCode::FORBIDDEN
        }
        Some(execution) => {
            execution.deleted = true;
            StatusCode::NO_CONTENT
        }
        None if faults.dialect == Dialect::V5 => StatusCode::NO_CONTENT,
        None => StatusCode::NOT_FOUND,
    })?;
    Ok(errors::text(status, ""))
}

async fn link(
    State(context): State<Arc<Context>>,
    Path((id, file)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Rejection> {
    let switches = context.faults().folio;
    let permission = "job-executions.items.download.get";
    let faults = authn::admit(&context, &headers, &switches.link, "folio.link", &id, permission)?;
    let execution = context.store.read(|state| find(&state.folio, &id));
    let unknown = |what: &str| errors::text(StatusCode::NOT_FOUND, what.to_owned());
    let execution = execution.ok_or_else(|| unknown(&format!("Job execution with id {id} not found")))?;
    let (file_id, name) = file_of(&execution).ok_or_else(|| unknown("no exported file"))?;
    if faults.profile_is_deleted {
        return Err(errors::spring(StatusCode::INTERNAL_SERVER_ERROR, "/data-export/job-executions").into());
    }
    // Version 5 does not look at the file's id.
    if faults.dialect != Dialect::V5 && file != file_id {
        return Err(unknown(&format!("Export File with id: {file} not found:")).into());
    }
    let link = storage::link(&context, &faults, &execution.id, &name)?;
    Ok(errors::ok(&json!({ "fileId": file, "link": link })))
}

fn find(state: &FolioState, id: &str) -> Option<Execution> {
    state
        .executions
        .iter()
        .find(|execution| execution.id.eq_ignore_ascii_case(id) && !execution.deleted)
        .cloned()
}

async fn configure(
    State(context): State<Arc<Context>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Rejection> {
    let faults = authn::admit(
        &context,
        &headers,
        &Outage::default(),
        "folio.configuration",
        "",
        "configuration.item.post",
    )?;
    let setting: Value =
        serde_json::from_slice(&body).map_err(|error| faults.unreadable(&error.to_string()))?;
    let text = |field: &str| setting.get(field).and_then(Value::as_str);
    let size =
        text("value").and_then(|value| value.parse().ok()).filter(|_| text("key") == Some("slice_size"));
    let size: u64 = size.ok_or_else(|| faults.unreadable("key"))?;
    context.change(|state| state.folio.slice_size = Some(size))?;
    Ok(response::json_body(StatusCode::CREATED, &setting))
}

/// What the module's timer does every six hours.
async fn expire(State(context): State<Arc<Context>>, headers: HeaderMap) -> Result<Response, Rejection> {
    authn::admit(&context, &headers, &Outage::default(), "folio.expire", "", "expire-jobs.post")?;
    let now = context.clock.now();
    context.change(|state| {
        for execution in
            state.folio.executions.iter_mut().filter(|execution| execution.status == "IN_PROGRESS")
        {
            if now.duration_since(execution.updated_at) > SignedDuration::from_hours(1) {
                let said = "Job was expired: no updates for more than 1 hour";
                execution.status = "FAIL".to_owned();
                execution.completed_at = Some(now);
                execution.output =
                    Some(Output::nothing(&execution.id, now, "error.messagePlaceholder", &[said]));
            }
        }
    })?;
    Ok(errors::text(StatusCode::NO_CONTENT, ""))
}
