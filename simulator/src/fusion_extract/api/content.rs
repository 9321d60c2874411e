//! The file manager: an output file's bytes, whole or a range of them.

use std::io::{self, SeekFrom, Write as _};
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query as QueryOf, State};
use axum::response::Response;
use axum::routing::get;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::stream::{self, Stream, StreamExt};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;

use super::addresses::FILE_MANAGERS;
use super::output_files::find_file;
use super::paging::Query;
use crate::context::Context;
use crate::fusion_extract::credentials::BATCH_SCOPE;
use crate::fusion_extract::faults::{ContentFaults, Cut, EtagForm};
use crate::fusion_extract::output::{self, ExpectedFile};
use crate::identity;
use crate::response::{self, Marked, Rejection};
use crate::state::State as SimulatorState;

const READ_BYTES: usize = 128 * 1024;
/// How far before the start that was asked for a superset answer begins.
const SUPERSET_LEAD: u64 = 1_000;

pub(super) fn routes() -> Router<Arc<Context>> {
    FILE_MANAGERS.iter().fold(Router::new(), |router, manager| {
        router.route(&format!("{manager}/{{id}}/outputFiles/{{name}}/content"), get(content))
    })
}

async fn content(
    State(context): State<Arc<Context>>,
    Path((id, name)): Path<(String, String)>,
    QueryOf(query): QueryOf<Query>,
    headers: HeaderMap,
) -> Result<Response, Rejection> {
    identity::authorize(&context, &headers, BATCH_SCOPE)?;
    let file = find_file(&context, &id, &name, &query).await?;
    let faults = context.faults().content;
    let is_affected = faults.only_file.is_none_or(|only| only == file.ordinal);
    let faults = if is_affected { faults } else { ContentFaults::default() };
    let subject = format!("{id}/{}", file.ordinal);
    context.outage(&faults.outage, "content", &subject)?;
    if let Some(answer) = elsewhere(&context, &faults, &subject)? {
        return Ok(answer);
    }
    if headers.contains_key(header::RANGE)
        && context.change(|state| state.occurs(faults.refuse_range, "content.refuse_range", &subject))?
    {
        let refusal = response::problem(StatusCode::BAD_REQUEST, "The header Range is not supported.");
        return Ok(refusal.by("content.refuse_range"));
    }
    let etag = entity_tag(&context, &file, faults.etag, &subject)?;
    if !matches(headers.get(header::IF_MATCH), etag.as_ref()) {
        return Ok(response::problem(StatusCode::PRECONDITION_FAILED, "The file is another one."));
    }
    let mut plan = match wanted(&headers, &file, &faults, etag.as_ref()) {
        Wanted::Unsatisfiable => return Ok(unsatisfiable(file.size)),
        Wanted::Whole => Plan { start: 0, length: file.size, ranged: false },
        Wanted::Part { start, length } => Plan { start, length, ranged: true },
    };
    let path = output::file_path(&context, id.parse().unwrap_or_default(), file.ordinal);
    if faults.gzip {
        let answer = coded(&path).await.map_err(|error| response::internal(&error))?;
        return Ok(answer.by("content.gzip"));
    }
    let spoiling =
        context.change(|state| spoil(state, &mut plan, &file, &faults, context.scenario.seed, &subject))?;
    let body = match body(&path, plan, &spoiling).await {
        Ok(body) => body,
        Err(error) => return Err(response::internal(&error).into()),
    };
    Ok(file_answer(body, plan, file.size, &faults, etag, &spoiling))
}

/// Gone, or to be fetched from another place.
fn elsewhere(
    context: &Context,
    faults: &ContentFaults,
    subject: &str,
) -> Result<Option<Response>, Rejection> {
    if let Some(target) = faults.redirect_to.as_deref().and_then(|to| HeaderValue::from_str(to).ok()) {
        let mut answer = response::gateway_error(StatusCode::FOUND);
        answer.headers_mut().insert(header::LOCATION, target);
        return Ok(Some(answer.by("content.redirect_to")));
    }
    let gone = context.change(|state| state.occurs(faults.gone.times, "content.gone", subject))?;
    let status = if faults.gone.expired { StatusCode::GONE } else { StatusCode::NOT_FOUND };
    let detail = "The output file has expired or was removed.";
    Ok(gone.then(|| response::problem(status, detail).by("content.gone")))
}

fn entity_tag(
    context: &Context,
    file: &ExpectedFile,
    form: EtagForm,
    subject: &str,
) -> Result<Option<HeaderValue>, Rejection> {
    let short: String = file.sha256.chars().take(24).collect();
    let tag = match form {
        EtagForm::Stable => format!("\"{short}\""),
        EtagForm::Weak => format!("W/\"{short}\""),
        EtagForm::Absent => return Ok(None),
        EtagForm::Changing => {
            let serial = context.change(|state| state.count("content.etag", subject))?;
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
    let mut answer = response::problem(StatusCode::RANGE_NOT_SATISFIABLE, "The range is outside the file.");
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
    state: &mut SimulatorState,
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
fn cut_after(state: &mut SimulatorState, cut: &Cut, length: u64, seed: u64, subject: &str) -> Option<u64> {
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

/// The whole file, coded on its way though nobody asked for that (RFC 9110, 12.5.3).
async fn coded(path: &std::path::Path) -> io::Result<Response> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&tokio::fs::read(path).await?)?;
    let mut answer = Response::new(Body::from(encoder.finish()?));
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    answer.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    Ok(answer)
}

async fn body(path: &std::path::Path, plan: Plan, spoiling: &Spoiling) -> io::Result<Body> {
    let mut file = File::open(path).await?;
    file.seek(SeekFrom::Start(plan.start)).await?;
    let sent = spoiling.cut_after.unwrap_or(plan.length);
    let bytes = ReaderStream::with_capacity(file.take(sent), READ_BYTES);
    let bytes = with_wrong_byte(bytes, plan.start, spoiling.wrong_byte);
    Ok(match spoiling.cut_after {
        None => Body::from_stream(bytes),
        Some(_) => Body::from_stream(bytes.chain(stream::once(response::break_off()))),
    })
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
