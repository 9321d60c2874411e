//! The object storage that links lead to: an origin of its own, which knows nobody's token and only looks at how a link
//! is signed (AWS Signature Version 4, presigned).

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query as QueryOf, State};
use axum::response::Response;
use axum::routing::any;
use bytes::Bytes;
use futures::{StreamExt, future, stream};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;

use super::paging::Query;
use crate::context::Context;
use crate::folio::faults::FolioFaults;
use crate::folio::output;
use crate::response::{self, Marked, Rejection};

const SECRET_KEY: &str = "the simulated storage's secret key";
const BUCKET: &str = "folio-exports";

pub(super) fn routes() -> Router<Arc<Context>> {
    Router::new().route("/folio-exports/mod-data-export/download/{execution}/{name}", any(object))
}

/// A link to an object, whether or not there is one: it is made without asking the storage.
pub(super) fn link(
    context: &Context,
    faults: &FolioFaults,
    execution: &str,
    name: &str,
) -> Result<String, Rejection> {
    let (number, expired) = context.change(|state| {
        state.folio.links_made += 1;
        (state.folio.links_made, state.occurs(faults.expired_links, "folio.expired_links", execution))
    })?;
    let age = if expired { faults.link_seconds.saturating_add(1) } else { 0 };
    let made = context.clock.now().checked_sub(SignedDuration::from_secs(age)).unwrap_or(Timestamp::MIN);
    let date = made.strftime("%Y%m%dT%H%M%SZ").to_string();
    let day = date.get(..8).unwrap_or_default();
    let path = path(execution, name);
    let signature = signature(&path, &date, faults.link_seconds, number);
    let host = faults.link_host.as_deref().unwrap_or(&context.endpoints.storage_url);
    Ok(format!(
        "{host}{path}?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=SIMULATED%2F{day}%2Fus-east-1%2Fs3%2Faws4_request\
         &X-Amz-Date={date}&X-Amz-Expires={}&X-Amz-SignedHeaders=host&x-id={number}&X-Amz-Signature={signature}",
        faults.link_seconds
    ))
}

fn path(execution: &str, name: &str) -> String {
    let name = percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC);
    format!("/{BUCKET}/mod-data-export/download/{execution}/{name}")
}

fn signature(path: &str, date: &str, seconds: i64, number: u64) -> String {
    hex::encode(Sha256::digest(format!("{SECRET_KEY}GET{path}{date}{seconds}{number}")))
}

async fn object(
    State(context): State<Arc<Context>>,
    Path((execution, name)): Path<(String, String)>,
    QueryOf(query): QueryOf<Query>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Rejection> {
    let faults = context.faults().folio;
    outage(&context, &faults, &name)?;
    let signed = check(&context, &query, &execution, &name, &method, &headers)?;
    let path = output::folder(context.folder.path(), &execution).join(&name);
    let size = match tokio::fs::metadata(&path).await {
        Ok(found) if is_stored(&context, &execution, &name) && !faults.storage.missing => found.len(),
        _ => {
            return Err(error(StatusCode::NOT_FOUND, "NoSuchKey", "The specified key does not exist.").into());
        }
    };
    let etag = format!(
        "\"{}\"",
        hex::encode(Sha256::digest(format!("{execution}/{name}/{size}"))).get(..32).unwrap_or_default()
    );
    let range = if faults.storage.ignores_range { None } else { range(&headers, &etag, size) };
    let from = match range {
        Some(Ok(from)) => from,
        None => 0,
        Some(Err(())) => {
            let mut refused = error(
                StatusCode::RANGE_NOT_SATISFIABLE,
                "InvalidRange",
                "The requested range is not satisfiable",
            );
            let total = HeaderValue::from_str(&format!("bytes */{size}"))
                .map_err(|error| response::internal(&error))?;
            refused.headers_mut().insert(header::CONTENT_RANGE, total);
            return Err(refused.into());
        }
    };
    let breaks = context.change(|state| {
        let cut = state.occurs(faults.storage.cut, "folio.storage.cut", &name);
        let expires = state.occurs(faults.storage.cut_and_expire, "folio.storage.cut_and_expire", &name);
        if expires {
            state.folio.expired_links.insert(signed);
        }
        cut || expires
    })?;
    let body = content(&path, from, size.saturating_sub(from), breaks)
        .await
        .map_err(|error| response::internal(&error))?;
    let mut answer = Response::new(body);
    *answer.status_mut() = if range.is_some() { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    let mut set = |name, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            answer.headers_mut().insert(name, value);
        }
    };
    set(header::CONTENT_LENGTH, &(size - from).to_string());
    set(header::ETAG, &etag);
    set(header::ACCEPT_RANGES, "bytes");
    set(header::CONTENT_TYPE, "application/octet-stream");
    if range.is_some() {
        set(header::CONTENT_RANGE, &format!("bytes {from}-{}/{size}", size.saturating_sub(1)));
    }
    Ok(if breaks { answer.by("storage.cut") } else { answer })
}

/// Whether a job has stored this: what it has only announced, or could not store, is not there.
fn is_stored(context: &Context, execution: &str, name: &str) -> bool {
    context.store.read(|state| {
        let found = state.folio.executions.iter().find(|known| known.id == execution && known.has_ended());
        let file = found.and_then(|found| found.output.as_ref()?.file.as_ref());
        file.is_some_and(|file| file.name == name)
    })
}

/// Holds a request against its link; the link's signature.
fn check(
    context: &Context,
    query: &Query,
    execution: &str,
    name: &str,
    method: &Method,
    headers: &HeaderMap,
) -> Result<String, Rejection> {
    let ours = headers.keys().any(|name| name.as_str().starts_with("x-okapi"));
    if headers.contains_key(header::AUTHORIZATION) || ours {
        let said = "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string \
                    parameter or the Authorization header should be specified";
        return Err(error(StatusCode::BAD_REQUEST, "InvalidArgument", said).into());
    }
    let text = |name: &str| query.get(name).map(String::as_str).unwrap_or_default();
    let seconds = text("X-Amz-Expires").parse::<i64>().unwrap_or_default();
    let expected = signature(
        &path(execution, name),
        text("X-Amz-Date"),
        seconds,
        text("x-id").parse().unwrap_or_default(),
    );
    if *method != Method::GET || text("X-Amz-Signature") != expected {
        let said = "The request signature we calculated does not match the signature you provided.";
        return Err(error(StatusCode::FORBIDDEN, "SignatureDoesNotMatch", said).into());
    }
    let made = Timestamp::strptime("%Y%m%dT%H%M%S%#z", text("X-Amz-Date").replace('Z', "+0000"))
        .or_else(|_| Timestamp::strptime("%Y%m%dT%H%M%S%z", text("X-Amz-Date").replace('Z', "+0000")))
        .unwrap_or(Timestamp::MIN);
    let ends = made.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX);
    let is_spoilt = context.store.read(|state| state.folio.expired_links.contains(&expected));
    if context.clock.now() >= ends || is_spoilt {
        return Err(error(StatusCode::FORBIDDEN, "AccessDenied", "Request has expired").into());
    }
    Ok(expected)
}

fn outage(context: &Context, faults: &FolioFaults, name: &str) -> Result<(), Rejection> {
    let switch = &faults.storage.outage;
    let acting = context.change(|state| {
        let mut occurs = |times, what: &str| state.occurs(times, &format!("folio.storage.{what}"), name);
        if occurs(switch.drop_connection, "drop_connection") {
            Some(response::hang_up().by("drop_connection"))
        } else if occurs(switch.unavailable, "unavailable") {
            Some(
                error(StatusCode::SERVICE_UNAVAILABLE, "SlowDown", "Reduce your request rate.")
                    .by("unavailable"),
            )
        } else if occurs(switch.forbidden, "forbidden") {
            Some(error(StatusCode::FORBIDDEN, "AccessDenied", "Access Denied").by("forbidden"))
        } else {
            None
        }
    })?;
    match acting {
        Some(answer) => Err(answer.into()),
        None if faults.storage.login_page => Err(response::login_page().by("login_page").into()),
        None => Ok(()),
    }
}

/// Where a range begins, if one is asked for and its condition holds; an error where nothing is there.
fn range(headers: &HeaderMap, etag: &str, size: u64) -> Option<Result<u64, ()>> {
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let from: u64 = text(header::RANGE)?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()?;
    if text(header::IF_RANGE).is_some_and(|condition| condition != etag) {
        return None;
    }
    Some(if from < size { Ok(from) } else { Err(()) })
}

async fn content(path: &std::path::Path, from: u64, length: u64, breaks: bool) -> io::Result<Body> {
    let mut file = tokio::fs::File::open(path).await?;
    file.seek(io::SeekFrom::Start(from)).await?;
    let told = if breaks { length / 2 } else { length };
    let bytes = ReaderStream::with_capacity(file.take(told), 64 << 10);
    if !breaks {
        return Ok(Body::from_stream(bytes));
    }
    let broken =
        stream::once(future::ready(Err::<Bytes, _>(io::Error::from(io::ErrorKind::ConnectionReset))));
    Ok(Body::from_stream(bytes.chain(broken)))
}

/// An error as S3 and its likes write it.
fn error(status: StatusCode, code: &str, message: &str) -> Response {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message>\
         <RequestId>4442587FB7D0A2F9</RequestId></Error>"
    );
    let mut answer = Response::new(Body::from(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    answer
}
