//! The file manager: which output files a job has.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Query as QueryOf, State};
use axum::response::Response;
use axum::routing::get;
use http::{HeaderMap, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use super::addresses::{FILE_MANAGER, FILE_MANAGERS};
use super::paging::{Query, number, page};
use crate::context::Context;
use crate::fusion_extract::credentials::BATCH_SCOPE;
use crate::fusion_extract::faults::{
    ChecksumForm, DuplicateName, FileSizeForm, HrefForm, OutputFileFaults, TotalItems,
};
use crate::fusion_extract::output::{ExpectedFile, Outputs};
use crate::fusion_extract::progress::{find_job, no_such_job};
use crate::fusion_extract::state::{FusionExtractState, Job};
use crate::identity;
use crate::response::{self, Rejection};

const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// In a link: the second run of a job whose file names are those of the first.
const SECOND_EXECUTION: (&str, &str) = ("jobExecutionId", "2");

pub(super) fn routes() -> Router<Arc<Context>> {
    FILE_MANAGERS.iter().fold(Router::new(), |router, manager| {
        router
            .route(&format!("{manager}/{{id}}/outputFiles"), get(list))
            .route(&format!("{manager}/{{id}}/outputFiles/{{name}}"), get(show))
    })
}

async fn output_of(context: &Context, job: &Job) -> Result<Arc<Vec<ExpectedFile>>, Rejection> {
    if !job.has_output() {
        return Ok(Arc::default());
    }
    Outputs::of(context, job).await.map_err(|error| response::internal(&*error).into())
}

async fn list(
    State(context): State<Arc<Context>>,
    Path(id): Path<String>,
    QueryOf(query): QueryOf<Query>,
    headers: HeaderMap,
) -> Result<Response, Rejection> {
    let faults = context.faults().output_files;
    identity::admit(&context, &headers, BATCH_SCOPE, &faults.outage, "output_files", &id)?;
    let job = find_job(&context, &id).ok_or_else(|| no_such_job(&id))?;
    let files = output_of(&context, &job).await?;
    let asked_from = number(&query, "offset").unwrap_or(0);
    let offset = if faults.page_size.is_some() { asked_from } else { 0 };
    let earlier = if job.has_output() && asked_from == 0 {
        context.change(|state| count_list(&mut state.fusion_extract, job.id))?
    } else {
        job.file_lists.saturating_sub(1)
    };
    let total = if earlier < faults.empty_calls { 0 } else { files.len() };
    let grows = earlier.saturating_sub(faults.empty_calls) < faults.growing_calls;
    let is_lost = faults.lost_after.is_some_and(|calls| earlier >= calls);
    let files = files.get(..files.len().saturating_sub(usize::from(grows || is_lost))).unwrap_or_default();
    let total = total.min(files.len());
    let mut items = listed(&context, &job, files, &faults, earlier);
    if faults.unstable_order && earlier % 2 == 1 {
        items.reverse();
    }
    if offset > 0 && faults.unstable_pages.includes(earlier) {
        items.reverse();
    }
    let limit = faults.page_size.map(|size| number(&query, "limit").map_or(size, |asked| asked.min(size)));
    let offset = if faults.ignore_offset { 0 } else { offset };
    let (items, has_more) = page(&items, offset, limit.unwrap_or(usize::MAX));
    let (total, has_more) =
        if faults.counts_are_of_the_page { (items.len(), false) } else { (total, has_more) };
    let mut body = Map::new();
    body.insert("items".to_owned(), Value::Array(items));
    match faults.total_items {
        TotalItems::Honest => body.insert("totalItems".to_owned(), json!(total)),
        TotalItems::Larger => body.insert("totalItems".to_owned(), json!(total + 1)),
        TotalItems::Absent => None,
    };
    if limit.is_some() {
        body.insert("hasMore".to_owned(), json!(has_more));
    }
    Ok(response::json_body(StatusCode::OK, &Value::Object(body)))
}

/// How many lists of this job's files came before.
fn count_list(state: &mut FusionExtractState, id: u64) -> u32 {
    let Some(job) = state.jobs.get_mut(&id) else { return 0 };
    let earlier = job.file_lists;
    job.file_lists = earlier.saturating_add(1);
    earlier
}

fn listed(
    context: &Context,
    job: &Job,
    files: &[ExpectedFile],
    faults: &OutputFileFaults,
    earlier: u32,
) -> Vec<Value> {
    if earlier < faults.empty_calls {
        return Vec::new();
    }
    let late = usize::from(earlier.saturating_sub(faults.empty_calls) < faults.late_calls);
    let there = files.get(..files.len().saturating_sub(late)).unwrap_or_default();
    let first_name = files.first().map(|file| file.name.as_str()).unwrap_or_default();
    let mut items = Vec::with_capacity(there.len() + 1);
    for file in there {
        let is_last = files.last().is_some_and(|last| last.ordinal == file.ordinal);
        let mut own = if is_last { faults.clone() } else { OutputFileFaults::default() };
        if earlier < own.wrong_checksum_calls {
            own.checksum = ChecksumForm::Wrong;
        }
        let twin = faults.duplicate_name == DuplicateName::OtherContent && file.ordinal == 2;
        let name = if twin { first_name } else { &file.name };
        items.push(item(context, job.id, file, name, twin, &own));
    }
    if faults.duplicate_name == DuplicateName::SameFile {
        items.extend(items.first().cloned());
    }
    items
}

fn item(
    context: &Context,
    job_id: u64,
    file: &ExpectedFile,
    name: &str,
    second_execution: bool,
    faults: &OutputFileFaults,
) -> Value {
    let mut item = Map::new();
    item.insert("fileName".to_owned(), json!(name));
    let size = match faults.file_size {
        FileSizeForm::Right => Some(json!(file.size)),
        FileSizeForm::Wrong => Some(json!(file.size + 1)),
        FileSizeForm::Zero => Some(json!(0)),
        FileSizeForm::Text => Some(json!(file.size.to_string())),
        FileSizeForm::Absent => None,
    };
    let checksum = match faults.checksum {
        ChecksumForm::Right => Some(format!("sha-256={}", file.sha256)),
        ChecksumForm::UpperCase => Some(format!("sha-256={}", file.sha256.to_uppercase())),
        ChecksumForm::Wrong => Some(format!("sha-256={}", file.sha256.chars().rev().collect::<String>())),
        ChecksumForm::UnknownAlgorithm => Some("blake3=6437b3ac38465133".to_owned()),
        ChecksumForm::Absent => None,
    };
    if let Some(size) = size {
        item.insert("fileSize".to_owned(), size);
    }
    // A space, milliseconds and no zone, as in the documentation.
    let created = file.time_created.strftime("%Y-%m-%d %H:%M:%S%.3f").to_string();
    item.insert("timeCreated".to_owned(), json!(created));
    if let Some(checksum) = checksum {
        item.insert("checksum".to_owned(), json!(checksum));
    }
    let path = format!("{FILE_MANAGER}/{job_id}/outputFiles/{}", utf8_percent_encode(name, SEGMENT));
    let query = if second_execution {
        format!("?{}={}", SECOND_EXECUTION.0, SECOND_EXECUTION.1)
    } else {
        String::new()
    };
    let mut links = Map::new();
    if let Some(href) = enclosure(context.base_url(), &format!("{path}/content{query}"), faults.href) {
        links.insert("enclosure".to_owned(), json!({ "href": href }));
    }
    links.insert("$self".to_owned(), json!({ "href": format!("{}{path}{query}", context.base_url()) }));
    item.insert("$context".to_owned(), json!({ "links": links }));
    Value::Object(item)
}

fn enclosure(base: &str, path: &str, form: HrefForm) -> Option<String> {
    match form {
        HrefForm::Pod => Some(format!("{base}{path}")),
        HrefForm::OtherCase => Some(format!("{base}{}", path.replace("jobfilemanager", "jobFileManager"))),
        HrefForm::Relative => Some(path.to_owned()),
        HrefForm::ForeignHost => Some(format!("https://downloads.example.net{path}")),
        HrefForm::OtherPort => Some(format!("http://127.0.0.1:9{path}")),
        HrefForm::MetadataAddress => Some("http://169.254.169.254/latest/meta-data/iam/".to_owned()),
        HrefForm::UserInfo => Some(format!("{base}@downloads.example.net{path}")),
        HrefForm::LocalFile => Some("file:///etc/passwd".to_owned()),
        HrefForm::Absent => None,
    }
}

fn no_such_file() -> Response {
    response::problem(StatusCode::NOT_FOUND, "The output file does not exist.")
}

/// The file that a link names.
pub(super) async fn find_file(
    context: &Context,
    id: &str,
    name: &str,
    query: &Query,
) -> Result<ExpectedFile, Rejection> {
    let job = find_job(context, id).ok_or_else(|| no_such_job(id))?;
    let files = output_of(context, &job).await?;
    let second = query.get(SECOND_EXECUTION.0).is_some_and(|value| value == SECOND_EXECUTION.1);
    let found = if second { files.get(1) } else { files.iter().find(|file| file.name == name) };
    found.cloned().ok_or_else(|| no_such_file().into())
}

async fn show(
    State(context): State<Arc<Context>>,
    Path((id, name)): Path<(String, String)>,
    QueryOf(query): QueryOf<Query>,
    headers: HeaderMap,
) -> Result<Response, Rejection> {
    let faults = context.faults().output_files;
    identity::admit(&context, &headers, BATCH_SCOPE, &faults.outage, "output_files", &id)?;
    let file = find_file(&context, &id, &name, &query).await?;
    let id = id.parse().unwrap_or_default();
    Ok(response::json_body(StatusCode::OK, &item(&context, id, &file, &name, false, &faults)))
}
