//! The file manager: a job's output files, and their bytes.

use std::io::{self, SeekFrom};
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query as QueryOf, State};
use axum::response::Response;
use axum::routing::get;
use futures::stream::{self, Stream, StreamExt};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;

use super::jobs::{find_job, no_such_job};
use super::{FILE_MANAGER, Query, number, page};
use crate::answer::{self, Ended, Marked};
use crate::data::{self, ExpectedFile};
use crate::faults::{
    ChecksumForm, ContentFaults, Cut, DuplicateName, EtagForm, FileSizeForm, HrefForm, OutputFileFaults,
    TotalItems,
};
use crate::idcs::{self, Scope};
use crate::state::{self, Job};
use crate::world::World;

const READ_BYTES: usize = 128 * 1024;
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// In a link: the second run of a job whose file names are those of the first.
const SECOND_EXECUTION: (&str, &str) = ("jobExecutionId", "2");
/// How far before the start that was asked for a superset answer begins.
const SUPERSET_LEAD: u64 = 1_000;

pub(super) fn routes() -> Router<Arc<World>> {
    let mut router = Router::new();
    for manager in [FILE_MANAGER.to_owned(), FILE_MANAGER.replace("jobfilemanager", "jobFileManager")] {
        router = router
            .route(&format!("{manager}/{{id}}/outputFiles"), get(list))
            .route(&format!("{manager}/{{id}}/outputFiles/{{name}}"), get(show))
            .route(&format!("{manager}/{{id}}/outputFiles/{{name}}/content"), get(content));
    }
    router
}

async fn output_of(world: &World, job: &Job) -> Result<Arc<Vec<ExpectedFile>>, Ended> {
    if !job.has_output() {
        return Ok(Arc::default());
    }
    world.output(job).await.map_err(|error| answer::internal(&*error).into())
}

async fn list(
    State(world): State<Arc<World>>,
    Path(id): Path<String>,
    QueryOf(query): QueryOf<Query>,
    headers: HeaderMap,
) -> Result<Response, Ended> {
    let faults = world.faults().output_files;
    world.admit(&headers, Scope::Batch, &faults.outage, "output_files", &id)?;
    let job = find_job(&world, &id).ok_or_else(|| no_such_job(&id))?;
    let files = output_of(&world, &job).await?;
    let offset = number(&query, "offset").filter(|_| faults.page_size.is_some()).unwrap_or(0);
    let earlier = if job.has_output() && offset == 0 {
        world.change(|state| count_list(state, job.id))?
    } else {
        job.file_lists.saturating_sub(1)
    };
    let total = if earlier < faults.empty_calls { 0 } else { files.len() };
    let grows = earlier.saturating_sub(faults.empty_calls) < faults.growing_calls;
    let files = files.get(..files.len().saturating_sub(usize::from(grows))).unwrap_or_default();
    let total = total.min(files.len());
    let mut items = listed(&world, &job, files, &faults, earlier);
    if faults.unstable_order && earlier % 2 == 1 {
        items.reverse();
    }
    if offset > 0 && faults.unstable_pages.includes(earlier) {
        items.reverse();
    }
    let limit = faults.page_size.map(|size| number(&query, "limit").map_or(size, |asked| asked.min(size)));
    let offset = if faults.ignore_offset { 0 } else { offset };
    let (items, has_more) = page(&items, offset, limit.unwrap_or(usize::MAX));
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
    Ok(answer::json_body(StatusCode::OK, &Value::Object(body)))
}

/// How many lists of this job's files came before.
fn count_list(state: &mut state::State, id: u64) -> u32 {
    let Some(job) = state.jobs.get_mut(&id) else { return 0 };
    let earlier = job.file_lists;
    job.file_lists = earlier.saturating_add(1);
    earlier
}

fn listed(
    world: &World,
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
        let own = if is_last { faults.clone() } else { OutputFileFaults::default() };
        let twin = faults.duplicate_name == DuplicateName::OtherContent && file.ordinal == 2;
        let name = if twin { first_name } else { &file.name };
        items.push(item(world, job.id, file, name, twin, &own));
    }
    if faults.duplicate_name == DuplicateName::SameFile {
        items.extend(items.first().cloned());
    }
    items
}

fn item(
    world: &World,
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
    if let Some(href) = enclosure(&world.base_url, &format!("{path}/content{query}"), faults.href) {
        links.insert("enclosure".to_owned(), json!({ "href": href }));
    }
    links.insert("$self".to_owned(), json!({ "href": format!("{}{path}{query}", world.base_url) }));
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
    answer::problem(StatusCode::NOT_FOUND, "The output file does not exist.")
}

/// The file that a link names.
async fn find_file(world: &World, id: &str, name: &str, query: &Query) -> Result<ExpectedFile, Ended> {
    let job = find_job(world, id).ok_or_else(|| no_such_job(id))?;
    let files = output_of(world, &job).await?;
    let second = query.get(SECOND_EXECUTION.0).is_some_and(|value| value == SECOND_EXECUTION.1);
    let found = if second { files.get(1) } else { files.iter().find(|file| file.name == name) };
    found.cloned().ok_or_else(|| no_such_file().into())
}

async fn show(
    State(world): State<Arc<World>>,
    Path((id, name)): Path<(String, String)>,
    QueryOf(query): QueryOf<Query>,
    headers: HeaderMap,
) -> Result<Response, Ended> {
    let faults = world.faults().output_files;
    world.admit(&headers, Scope::Batch, &faults.outage, "output_files", &id)?;
    let file = find_file(&world, &id, &name, &query).await?;
    let id = id.parse().unwrap_or_default();
    Ok(answer::json_body(StatusCode::OK, &item(&world, id, &file, &name, false, &faults)))
}

async fn content(
    State(world): State<Arc<World>>,
    Path((id, name)): Path<(String, String)>,
    QueryOf(query): QueryOf<Query>,
    headers: HeaderMap,
) -> Result<Response, Ended> {
    idcs::authorize(&world, &headers, Scope::Batch)?;
    let file = find_file(&world, &id, &name, &query).await?;
    let faults = world.faults().content;
    let is_affected = faults.only_file.is_none_or(|only| only == file.ordinal);
    let faults = if is_affected { faults } else { ContentFaults::default() };
    let subject = format!("{id}/{}", file.ordinal);
    world.outage(&faults.outage, "content", &subject)?;
    if let Some(answer) = elsewhere(&world, &faults, &subject)? {
        return Ok(answer);
    }
    if headers.contains_key(header::RANGE)
        && world.change(|state| state.occurs(faults.refuse_range, "content.refuse_range", &subject))?
    {
        let refusal = answer::problem(StatusCode::BAD_REQUEST, "The header Range is not supported.");
        return Ok(refusal.by("content.refuse_range"));
    }
    let etag = entity_tag(&world, &file, faults.etag, &subject)?;
    if !matches(headers.get(header::IF_MATCH), etag.as_ref()) {
        return Ok(answer::problem(StatusCode::PRECONDITION_FAILED, "The file is another one."));
    }
    let mut plan = match wanted(&headers, &file, &faults, etag.as_ref()) {
        Wanted::Unsatisfiable => return Ok(unsatisfiable(file.size)),
        Wanted::Whole => Plan { start: 0, length: file.size, ranged: false },
        Wanted::Part { start, length } => Plan { start, length, ranged: true },
    };
    let spoiling =
        world.change(|state| spoil(state, &mut plan, &file, &faults, world.scenario.seed, &subject))?;
    let path = data::file_path(&world.output_folder(id.parse().unwrap_or_default()), file.ordinal);
    let body = match body(&path, plan, &spoiling).await {
        Ok(body) => body,
        Err(error) => return Err(answer::internal(&error).into()),
    };
    Ok(file_answer(body, plan, file.size, &faults, etag, &spoiling))
}

/// Gone, or to be fetched from another place.
fn elsewhere(world: &World, faults: &ContentFaults, subject: &str) -> Result<Option<Response>, Ended> {
    if let Some(target) = faults.redirect_to.as_deref().and_then(|to| HeaderValue::from_str(to).ok()) {
        let mut answer = answer::gateway_error(StatusCode::FOUND);
        answer.headers_mut().insert(header::LOCATION, target);
        return Ok(Some(answer.by("content.redirect_to")));
    }
    let gone = world.change(|state| state.occurs(faults.gone.times, "content.gone", subject))?;
    let status = if faults.gone.expired { StatusCode::GONE } else { StatusCode::NOT_FOUND };
    let detail = "The output file has expired or was removed.";
    Ok(gone.then(|| answer::problem(status, detail).by("content.gone")))
}

fn entity_tag(
    world: &World,
    file: &ExpectedFile,
    form: EtagForm,
    subject: &str,
) -> Result<Option<HeaderValue>, Ended> {
    let short: String = file.sha256.chars().take(24).collect();
    let tag = match form {
        EtagForm::Stable => format!("\"{short}\""),
        EtagForm::Weak => format!("W/\"{short}\""),
        EtagForm::Absent => return Ok(None),
        EtagForm::Changing => {
            let serial = world.change(|state| state.count("content.etag", subject))?;
            format!("\"{short}-{serial}\"")
        }
    };
    Ok(HeaderValue::from_str(&tag).ok())
}

/// RFC 9110, 13.1.1: a strong comparison, or `*`; true without a condition.
fn matches(condition: Option<&HeaderValue>, etag: Option<&HeaderValue>) -> bool {
    let Some(condition) = condition.map(|value| value.to_str().unwrap_or_default()) else { return true };
    let etag = etag.and_then(|etag| etag.to_str().ok()).filter(|etag| !etag.starts_with("W/"));
    condition.split(',').map(str::trim).any(|one| one == "*" || Some(one) == etag)
}

#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    Whole,
    Part { start: u64, length: u64 },
    Unsatisfiable,
}

fn wanted(
    headers: &HeaderMap,
    file: &ExpectedFile,
    faults: &ContentFaults,
    etag: Option<&HeaderValue>,
) -> Wanted {
    let range = headers.get(header::RANGE).and_then(|value| value.to_str().ok());
    let Some(range) = range.filter(|_| !faults.ignore_range) else { return Wanted::Whole };
    // RFC 9110, 13.1.5: with a condition that does not hold the range is ignored.
    if headers.contains_key(header::IF_RANGE) && !matches(headers.get(header::IF_RANGE), etag) {
        return Wanted::Whole;
    }
    parse_range(range, file.size)
}

/// One range of RFC 9110, 14.1.2. What is not one is ignored, as the standard allows.
fn parse_range(range: &str, size: u64) -> Wanted {
    let Some((first, last)) = range.strip_prefix("bytes=").and_then(|one| one.split_once('-')) else {
        return Wanted::Whole;
    };
    let (start, end) = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => (first, last.saturating_add(1).min(size)),
        (Ok(first), Err(_)) if last.is_empty() => (first, size),
        (Err(_), Ok(suffix)) if first.is_empty() && suffix > 0 => (size.saturating_sub(suffix), size),
        _ => return Wanted::Whole,
    };
    if start >= size {
        return Wanted::Unsatisfiable;
    }
    Wanted::Part { start, length: end - start }
}

fn unsatisfiable(size: u64) -> Response {
    let mut answer = answer::problem(StatusCode::RANGE_NOT_SATISFIABLE, "The range is outside the file.");
    if let Ok(value) = HeaderValue::from_str(&format!("bytes */{size}")) {
        answer.headers_mut().insert(header::CONTENT_RANGE, value);
    }
    answer
}

/// The bytes that are declared.
#[derive(Clone, Copy, Debug)]
struct Plan {
    start: u64,
    length: u64,
    ranged: bool,
}

/// What is wrong with the bytes that are sent.
#[derive(Debug, Default)]
struct Spoiling {
    /// The byte of the file that is wrong.
    wrong_byte: Option<u64>,
    /// After how many bytes of the body the connection is closed.
    cut_after: Option<u64>,
    fault: Option<&'static str>,
}

fn spoil(
    state: &mut state::State,
    plan: &mut Plan,
    file: &ExpectedFile,
    faults: &ContentFaults,
    seed: u64,
    subject: &str,
) -> Spoiling {
    let mut spoiling = Spoiling::default();
    if plan.ranged && state.occurs(faults.superset_range, "content.superset_range", subject) {
        plan.start = plan.start.saturating_sub(SUPERSET_LEAD);
        plan.length = file.size - plan.start;
        spoiling.fault = Some("content.superset_range");
    }
    if plan.ranged && plan.length > 1 && state.occurs(faults.shifted_range, "content.shifted_range", subject)
    {
        plan.start += 1;
        plan.length -= 1;
        spoiling.fault = Some("content.shifted_range");
    }
    if plan.length > 1 && state.occurs(faults.short_answer, "content.short_answer", subject) {
        plan.length /= 2;
        spoiling.fault = Some("content.short_answer");
    }
    if state.occurs(faults.wrong_bytes, "content.wrong_bytes", subject) {
        spoiling.wrong_byte = Some(file.size / 2);
        spoiling.fault = Some("content.wrong_bytes");
    }
    spoiling.cut_after = cut_after(state, &faults.cut, plan.length, seed, subject);
    if spoiling.cut_after.is_some() {
        spoiling.fault = Some("content.cut");
    }
    spoiling
}

/// A body that is no longer than where the cut would be is not an occasion for it.
fn cut_after(state: &mut state::State, cut: &Cut, length: u64, seed: u64, subject: &str) -> Option<u64> {
    if cut.times.is_never() || length <= cut.after_bytes {
        return None;
    }
    if !state.occurs(cut.times, "content.cut", subject) {
        return None;
    }
    let most = cut.up_to_bytes.unwrap_or(cut.after_bytes).min(length - 1).max(cut.after_bytes);
    let draw = u64::from(state.count("content.cut.position", subject));
    let mut rng =
        fastrand::Rng::with_seed(seed ^ (draw << 32) ^ u64::from(crc32fast::hash(subject.as_bytes())));
    Some(rng.u64(cut.after_bytes..=most))
}

fn file_answer(
    body: Body,
    plan: Plan,
    size: u64,
    faults: &ContentFaults,
    etag: Option<HeaderValue>,
    spoiling: &Spoiling,
) -> Response {
    let mut answer = Response::new(body);
    let headers = answer.headers_mut();
    let kind = faults.content_type.as_deref().and_then(|kind| HeaderValue::from_str(kind).ok());
    let kind = kind.unwrap_or_else(|| HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::CONTENT_TYPE, kind);
    if !faults.ignore_range {
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    }
    if !faults.no_content_length {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(plan.length));
    }
    if let Some(etag) = etag {
        headers.insert(header::ETAG, etag);
    }
    let last = (plan.start + plan.length).saturating_sub(1);
    if let Ok(range) = HeaderValue::from_str(&format!("bytes {}-{last}/{size}", plan.start))
        && plan.ranged
    {
        headers.insert(header::CONTENT_RANGE, range);
        *answer.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    match spoiling.fault {
        Some(fault) => answer.by(fault),
        None => answer,
    }
}

async fn body(path: &std::path::Path, plan: Plan, spoiling: &Spoiling) -> io::Result<Body> {
    let mut file = File::open(path).await?;
    file.seek(SeekFrom::Start(plan.start)).await?;
    let sent = spoiling.cut_after.unwrap_or(plan.length);
    let bytes = ReaderStream::with_capacity(file.take(sent), READ_BYTES);
    let bytes = with_wrong_byte(bytes, plan.start, spoiling.wrong_byte);
    Ok(match spoiling.cut_after {
        None => Body::from_stream(bytes),
        Some(_) => Body::from_stream(bytes.chain(stream::once(break_off()))),
    })
}

/// Closes the connection in the middle of a body. The pause lets the bytes before it leave first.
async fn break_off() -> io::Result<Bytes> {
    for _ in 0..16 {
        tokio::task::yield_now().await;
    }
    Err(io::Error::from(io::ErrorKind::ConnectionReset))
}

fn with_wrong_byte(
    bytes: impl Stream<Item = io::Result<Bytes>>,
    start: u64,
    wrong: Option<u64>,
) -> impl Stream<Item = io::Result<Bytes>> {
    let mut position = start;
    bytes.map(move |piece| {
        let piece = piece?;
        let length = u64::try_from(piece.len()).map_err(io::Error::other)?;
        let place = wrong.and_then(|wrong| wrong.checked_sub(position)).filter(|place| *place < length);
        position += length;
        let Some(place) = place else { return Ok(piece) };
        let mut spoilt = piece.to_vec();
        if let Some(byte) = usize::try_from(place).ok().and_then(|place| spoilt.get_mut(place)) {
            *byte = !*byte;
        }
        Ok(Bytes::from(spoilt))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9110, section 14.1.2, and what it says of ranges that cannot be met or read.
    #[test]
    fn ranges_are_read_as_the_standard_has_them() {
        let part = |start, length| Wanted::Part { start, length };
        assert_eq!(parse_range("bytes=0-9", 100), part(0, 10));
        assert_eq!(parse_range("bytes=90-", 100), part(90, 10));
        assert_eq!(parse_range("bytes=90-500", 100), part(90, 10));
        assert_eq!(parse_range("bytes=-7", 100), part(93, 7));
        assert_eq!(parse_range("bytes=-700", 100), part(0, 100));
        assert_eq!(parse_range("bytes=100-", 100), Wanted::Unsatisfiable);
        for ignored in ["bytes=9-3", "bytes=0-1,5-6", "0-9/100", "bytes=-", "bytes=-0"] {
            assert_eq!(parse_range(ignored, 100), Wanted::Whole, "{ignored}");
        }
    }

    #[test]
    fn a_weak_tag_never_matches() {
        let condition = HeaderValue::from_static("W/\"a\"");
        let weak = HeaderValue::from_static("W/\"a\"");
        assert!(!matches(Some(&condition), Some(&weak)));
        let strong = HeaderValue::from_static("\"a\"");
        assert!(matches(Some(&strong), Some(&strong)));
        assert!(matches(None, None));
    }
}
