//! The repository: its list, downloads by either API, and uploads, which overwrite nothing.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::response::Response;
use axum::routing::{get, post};
use futures::stream;
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use serde::Deserialize;
use serde_json::{Value, json};

use super::admission::{admit, prefix};
use crate::context::Context;
use crate::epm::content;
use crate::epm::faults::{EpmDownloadFaults, EpmHref};
use crate::epm::scenario::EpmFormat;
use crate::epm::state::{Content, EpmState, Preparation, RepositoryFile};
use crate::response::{self, Marked, Rejection};

/// A piece of an upload is no larger.
const MAX_PIECE_BYTES: usize = 50 * 1024 * 1024;
/// What is wrong with a file that is not there.
const NOT_FOUND: i64 = 8;
/// The run that overwrites another one's output in between.
const LATER_RUN: u64 = 1_000_000;

pub(super) fn routes(prefix: &str) -> Router<Arc<Context>> {
    let older = format!("{prefix}/interop/rest/11.1.2.3.600/applicationsnapshots");
    let snapshots = format!("{older}/{{name}}/contents");
    let v2 = format!("{prefix}/interop/rest/v2");
    Router::new()
        .route(&snapshots, get(contents).post(upload).layer(DefaultBodyLimit::max(MAX_PIECE_BYTES)))
        .route(&older, get(list_older))
        .route(&format!("{v2}/files/list"), get(list))
        .route(&format!("{v2}/files/download"), post(prepare))
        .route(&format!("{v2}/status/download/{{id}}"), get(look))
        .route(&format!("{v2}/files/download/{{id}}"), get(fetch))
}

/// An outcome under HTTP 200.
fn outcome(status: i64, details: Option<&str>, links: &[(&str, String)]) -> Response {
    let links: Vec<Value> = links
        .iter()
        .map(|(rel, href)| json!({ "rel": rel, "href": href, "action": "GET", "data": null }))
        .collect();
    response::json_body(StatusCode::OK, &json!({ "status": status, "details": details, "links": links }))
}

fn is_output(file: &RepositoryFile) -> bool {
    matches!(file.content, Content::Output(_))
}

/// All files, those that were there from the start among them.
fn all(context: &Context, state: &EpmState) -> BTreeMap<String, RepositoryFile> {
    let planted = context.scenario.epm.files.iter().map(|file| {
        let content = Content::Uploaded(file.text.clone().into_bytes());
        (file.name.clone(), RepositoryFile { content, modified: 1_795_219_200_000 })
    });
    planted.chain(state.files.clone()).collect()
}

fn bytes_of(context: &Context, file: &RepositoryFile) -> io::Result<Vec<u8>> {
    match &file.content {
        Content::Output(job) => content::output(&context.scenario, *job),
        Content::Uploaded(bytes) => Ok(bytes.clone()),
        Content::Log(job) => {
            let kind = context.faults().epm.status.log;
            let job = context.store.read(|state| state.epm.jobs.get(job).cloned());
            Ok(job.map(|job| content::log(&context.scenario, &job, kind)).unwrap_or_default())
        }
    }
}

async fn list(
    State(context): State<Arc<Context>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Rejection> {
    let faults = context.faults().epm.list;
    admit(&context, &uri, &headers, &faults.outage, "epm.list", "")?;
    if faults.absent {
        return Ok(response::problem(StatusCode::NOT_FOUND, "No such resource.").by("epm.list.absent"));
    }
    let (files, has_failed) = context.change(|state| {
        let lists = state.epm.lists.saturating_add(1);
        state.epm.lists = lists;
        if faults.overwritten_at == Some(lists) {
            for file in state.epm.files.values_mut().filter(|file| is_output(file)) {
                let Content::Output(job) = file.content else { continue };
                *file = RepositoryFile {
                    content: Content::Output(job + LATER_RUN),
                    modified: file.modified + 60_000,
                };
            }
        }
        if faults.deleted_at == Some(lists) {
            state.epm.files.retain(|_, file| !is_output(file));
        }
        (all(&context, &state.epm), state.occurs(faults.failed_body, "epm.list.failed_body", ""))
    })?;
    if has_failed {
        return Ok(outcome(1, Some("The repository is being maintained."), &[]).by("epm.list.failed_body"));
    }
    let mut items =
        vec![json!({ "name": "Artifact Snapshot", "type": "LCM", "size": null, "lastmodifiedtime": null })];
    for (name, file) in files.iter().filter(|(_, file)| !(faults.leaves_out_outputs && is_output(file))) {
        let bytes = bytes_of(&context, file).map_err(|error| response::internal(&error))?;
        let size = bytes.len() + usize::from(faults.wrong_sizes);
        let name = if faults.backslashes { name.replace('/', "\\") } else { name.clone() };
        let size = if faults.no_sizes { Value::Null } else { json!(size.to_string()) };
        items.push(
            json!({ "name": name, "type": "EXTERNAL", "size": size, "lastmodifiedtime": file.modified }),
        );
    }
    Ok(response::json_body(StatusCode::OK, &json!({ "status": 0, "details": null, "items": items })))
}

async fn list_older(
    State(context): State<Arc<Context>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Rejection> {
    let faults = context.faults().epm.list;
    admit(&context, &uri, &headers, &faults.outage, "epm.list", "")?;
    if !faults.older {
        return Ok(response::problem(StatusCode::NOT_FOUND, "No such resource.").by("epm.list.older"));
    }
    let files = context.store.read(|state| all(&context, &state.epm));
    let mut items = Vec::new();
    for (name, file) in &files {
        let bytes = bytes_of(&context, file).map_err(|error| response::internal(&error))?;
        items.push(json!({ "name": name, "type": "EXTERNAL", "size": bytes.len().to_string() }));
    }
    Ok(response::json_body(StatusCode::OK, &json!({ "status": 0, "details": null, "items": items })))
}

/// The file of a name, written as this environment writes names.
fn find(context: &Context, name: &str) -> Option<RepositoryFile> {
    let backslashes = context.faults().epm.list.backslashes;
    if backslashes && name.contains('/') {
        return None;
    }
    let name = if backslashes { name.replace('\\', "/") } else { name.to_owned() };
    context.store.read(|state| all(context, &state.epm).remove(&name))
}

fn no_such_file(name: &str) -> Response {
    outcome(NOT_FOUND, Some(&format!("File {name} does not exist.")), &[])
}

async fn contents(
    State(context): State<Arc<Context>>,
    Path(name): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Rejection> {
    let faults = context.faults().epm.download;
    admit(&context, &uri, &headers, &faults.outage, "epm.download", &name)?;
    send(&context, &name, &faults)
}

async fn prepare(
    State(context): State<Arc<Context>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Rejection> {
    let faults = context.faults().epm.download;
    admit(&context, &uri, &headers, &faults.outage, "epm.prepare", "")?;
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Wanted {
        file_name: String,
    }
    let Ok(Wanted { file_name: name }) = serde_json::from_slice(&body) else {
        return Ok(outcome(1, Some("fileName is required."), &[]));
    };
    let has_failed =
        context.change(|state| state.occurs(faults.failed_body, "epm.download.failed_body", &name))?;
    if has_failed {
        return Ok(
            outcome(1, Some("The file is locked by another process."), &[]).by("epm.download.failed_body")
        );
    }
    if find(&context, &name).is_none() {
        return Ok(no_such_file(&name));
    }
    let id = context.change(|state| {
        let id = state.epm.next_download_id;
        state.epm.next_download_id += 1;
        state.epm.downloads.insert(id, Preparation { name, looks: 0 });
        id
    })?;
    Ok(prepared(&context, &uri, id, 0, &faults))
}

async fn look(
    State(context): State<Arc<Context>>,
    Path(id): Path<u64>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Rejection> {
    let faults = context.faults().epm.download;
    admit(&context, &uri, &headers, &faults.outage, "epm.prepare", "")?;
    let looks = context.change(|state| {
        let preparation = state.epm.downloads.get_mut(&id)?;
        preparation.looks = preparation.looks.saturating_add(1);
        Some(preparation.looks)
    })?;
    let Some(looks) = looks else { return Ok(outcome(NOT_FOUND, Some("No such download."), &[])) };
    Ok(prepared(&context, &uri, id, looks, &faults))
}

/// How far a preparation is, with the link that leads on.
fn prepared(context: &Context, uri: &Uri, id: u64, looks: u32, faults: &EpmDownloadFaults) -> Response {
    let is_ready = looks >= faults.pending_polls && !faults.never_ready;
    let (status, relation, path) = match is_ready {
        true => (0, "Download link", format!("/interop/rest/v2/files/download/{id}")),
        false => (-1, "Job Status", format!("/interop/rest/v2/status/download/{id}")),
    };
    let path = format!("{}{path}", prefix(uri));
    let href = match faults.href {
        EpmHref::Environment => format!("{}{path}", context.base_url()),
        EpmHref::Relative => path,
        EpmHref::ForeignHost => format!("https://files.elsewhere.example{path}"),
        EpmHref::MetadataAddress => "http://169.254.169.254/latest/meta-data/".to_owned(),
        EpmHref::Absent => return outcome(status, None, &[]),
    };
    let own = format!("{}{}", context.base_url(), uri.path());
    outcome(status, None, &[("self", own), (relation, href)])
}

async fn fetch(
    State(context): State<Arc<Context>>,
    Path(id): Path<u64>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Rejection> {
    let name = context.store.read(|state| state.epm.downloads.get(&id).map(|download| download.name.clone()));
    let faults = context.faults().epm.download;
    let name = name.unwrap_or_default();
    admit(&context, &uri, &headers, &faults.outage, "epm.download", &name)?;
    send(&context, &name, &EpmDownloadFaults { failed_body: Default::default(), ..faults })
}

/// Sends a file's bytes, or what comes in their place.
fn send(context: &Context, name: &str, faults: &EpmDownloadFaults) -> Result<Response, Rejection> {
    let (has_failed, is_gone, is_cut, is_short) = context.change(|state| {
        let mut occurs = |times, switch: &str| state.occurs(times, &format!("epm.download.{switch}"), name);
        (
            occurs(faults.failed_body, "failed_body"),
            occurs(faults.gone, "gone"),
            occurs(faults.cut, "cut"),
            occurs(faults.short_answer, "short_answer"),
        )
    })?;
    if has_failed {
        return Ok(
            outcome(1, Some("The file is locked by another process."), &[]).by("epm.download.failed_body")
        );
    }
    if is_gone {
        return Ok(response::problem(StatusCode::NOT_FOUND, "No such file.").by("epm.download.gone"));
    }
    let Some(file) = find(context, name) else { return Ok(no_such_file(name)) };
    let mut bytes = bytes_of(context, &file).map_err(|error| response::internal(&error))?;
    if is_short {
        bytes.truncate(bytes.len() / 2);
    }
    let (length, bytes) = (bytes.len(), Bytes::from(bytes));
    let body = if is_cut {
        response::first_half(&bytes)
    } else if faults.no_content_length {
        Body::from_stream(stream::iter([io::Result::Ok(bytes)]))
    } else {
        Body::from(bytes)
    };
    let mut sent = Response::new(body);
    let is_json = faults.typed_as_json
        || (is_output(&file)
            && matches!(context.scenario.epm.format, EpmFormat::Json | EpmFormat::JsonLikeAnOutcome));
    let kind = if is_json { "application/json" } else { "application/octet-stream" };
    let headers = sent.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    if let Ok(extension) = HeaderValue::from_str(name.rsplit('.').next().unwrap_or_default()) {
        headers.insert("fileExtension", extension);
    }
    if !faults.no_content_length {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    Ok(match (is_cut, is_short) {
        (true, _) => sent.by("epm.download.cut"),
        (_, true) => sent.by("epm.download.short_answer"),
        _ => sent,
    })
}

/// What a piece of an upload says of itself.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Piece {
    is_first: bool,
    is_last: bool,
    chunk_size: usize,
}

async fn upload(
    State(context): State<Arc<Context>>,
    Path(name): Path<String>,
    Query(query): Query<HashMap<String, String>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Rejection> {
    let faults = context.faults().epm.upload;
    admit(&context, &uri, &headers, &faults.outage, "epm.upload", "")?;
    let piece = query.get("q").and_then(|piece| serde_json::from_str::<Piece>(piece).ok());
    let Some(piece) = piece.filter(|piece| piece.chunk_size == body.len()) else {
        return Ok(outcome(1, Some("q does not describe the piece."), &[]));
    };
    let path = match query.get("extDirPath") {
        Some(folder) => format!("{folder}/{name}"),
        None => name,
    };
    if find(&context, &path).is_some() {
        return Ok(outcome(1, Some(&format!("File {path} already exists.")), &[]));
    }
    let modified = context.clock.now().as_millisecond();
    let (taken, is_lost) = context.change(|state| {
        if state.occurs(faults.drop, "epm.upload.drop", "") {
            return (false, true);
        }
        if piece.is_first {
            state.epm.pieces.insert(path.clone(), Vec::new());
        }
        let Some(so_far) = state.epm.pieces.get_mut(&path) else { return (false, false) };
        so_far.extend_from_slice(&body);
        if piece.is_last {
            let content = Content::Uploaded(std::mem::take(so_far));
            state.epm.pieces.remove(&path);
            state.epm.files.insert(path.clone(), RepositoryFile { content, modified });
        }
        let number = state.count("epm.upload.taken", "").saturating_add(1);
        (true, faults.take_then_drop == Some(number))
    })?;
    Ok(match (taken, is_lost) {
        (_, true) => response::hang_up().by("epm.upload"),
        (true, false) => outcome(0, None, &[]),
        (false, false) => outcome(1, Some("The upload has not begun."), &[]),
    })
}
