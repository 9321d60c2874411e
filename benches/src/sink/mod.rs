//! A store that costs next to nothing: S3's protocol, archives served from memory, and what is uploaded checked and
//! thrown away. Only the work bucket and manifests keep their bytes, so that the real steps run against it.
//!
//! It checks no signatures. It is a process of its own, so that its CPU time is nobody else's.

mod answer;
mod chunked;
mod range;
mod receive;
mod state;

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use crc_fast::CrcAlgorithm;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use percent_encoding::percent_decode_str;
use tokio::net::TcpListener;

use answer::{Answer, described, empty, error, escape, with, xml};
use receive::{ReceiveError, length, receive};
pub(crate) use state::{Counts, WORK};
use state::{Object, Part, State, Upload, is_kept};

const PAGE: usize = 1000;

/// The sink.
#[derive(Debug, Default)]
struct Sink {
    state: Mutex<State>,
    files: Mutex<HashMap<String, Object>>,
}

/// Serves until the process ends; says on which port first.
pub(crate) async fn serve() -> std::io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    println!("{}", listener.local_addr()?.port());
    let sink = Arc::new(Sink::default());
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let sink = Arc::clone(&sink);
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let sink = Arc::clone(&sink);
                async move { Ok::<_, Infallible>(sink.answer(request).await) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), service);
            // A client that goes away is no failure of the sink's.
            let _ = connection.await;
        });
    }
}

/// What a request is about.
#[derive(Debug)]
struct Target {
    bucket: String,
    key: String,
    query: HashMap<String, String>,
}

impl Target {
    /// S3's path style, or the Oracle Cloud's own `/n/<namespace>/b/<bucket>/o/<object>`.
    fn of(uri: &http::Uri) -> Self {
        let path = uri.path().trim_start_matches('/');
        let (bucket, key) = match path.splitn(6, '/').collect::<Vec<_>>().as_slice() {
            ["n", _, "b", bucket, "o", key] => (decoded(bucket), decoded(key)),
            _ => path
                .split_once('/')
                .map_or((decoded(path), String::new()), |(bucket, key)| (decoded(bucket), decoded(key))),
        };
        let pairs = uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        let query = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(name), decoded(&value.replace('+', " ")))
        });
        Self { bucket, key, query: query.collect() }
    }

    fn asks(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }

    fn place(&self) -> (String, String) {
        (self.bucket.clone(), self.key.clone())
    }
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

impl Sink {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    async fn answer(&self, request: Request<Incoming>) -> Answer {
        let (head, body) = request.into_parts();
        let target = Target::of(&head.uri);
        if target.bucket == "-" {
            return self.command(&target);
        }
        match (&head.method, target.key.is_empty()) {
            (&Method::GET, true) => self.list(&target),
            (_, true) => self.counted("Bucket", empty(StatusCode::OK)),
            (&Method::GET, false) if target.asks("uploadId").is_some() => self.list_parts(&target),
            (&Method::GET | &Method::HEAD, false) => self.read(&head.method, &target, &head.headers),
            (&Method::PUT, false) => self.put(&target, &head.headers, body).await,
            (&Method::POST, false) => self.post(&target, &head.headers, body).await,
            (&Method::DELETE, false) => self.delete(&target),
            _ => error(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", "the sink has no such operation"),
        }
    }

    fn counted(&self, operation: &str, answer: Answer) -> Answer {
        self.state().count(operation, 0, 0);
        answer
    }

    /// What the bench says to the sink itself: these requests are not counted.
    fn command(&self, target: &Target) -> Answer {
        match target.key.as_str() {
            "reset" => {
                *self.state() = State::default();
                empty(StatusCode::OK)
            }
            "mount" => self.mount(target),
            "counts" => match serde_json::to_string(&self.state().counts()) {
                Ok(counts) => answer::text("application/json", counts),
                Err(problem) => failed(&problem),
            },
            _ => answer::no_such_key(),
        }
    }

    /// Serves a file as an object, from memory.
    fn mount(&self, target: &Target) -> Answer {
        let asked = |name: &str| target.asks(name).unwrap_or_default().to_owned();
        let mut files = self.files.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let object = match files.get(&asked("path")) {
            Some(object) => object.clone(),
            None => match std::fs::read(asked("path")) {
                Ok(bytes) => kept(bytes.into()),
                Err(problem) => return failed(&problem),
            },
        };
        files.insert(asked("path"), object.clone());
        self.state().objects.insert((asked("bucket"), asked("key")), object);
        empty(StatusCode::OK)
    }

    fn read(&self, method: &Method, target: &Target, headers: &HeaderMap) -> Answer {
        let operation = if method == Method::HEAD { "HeadObject" } else { "GetObject" };
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let mut state = self.state();
        let Some(object) = state.objects.get(&target.place()).cloned() else {
            state.count(operation, 0, 0);
            return answer::no_such_key();
        };
        let changed =
            header("if-match").is_some_and(|etag| etag.trim_matches('"') != object.etag().trim_matches('"'));
        if changed {
            return error(StatusCode::PRECONDITION_FAILED, "PreconditionFailed", "it is another object now");
        }
        let Some(range) = range::requested(header("range"), object.size) else {
            state.count(operation, 0, 0);
            return match header("range") {
                Some(_) => error(StatusCode::RANGE_NOT_SATISFIABLE, "InvalidRange", "nothing of it is there"),
                None => described(empty(StatusCode::OK), &object),
            };
        };
        if method == Method::HEAD {
            state.count(operation, 0, 0);
            return with(
                described(empty(StatusCode::OK), &object),
                "content-length",
                &object.size.to_string(),
            );
        }
        state.count(operation, 0, range.end - range.start);
        drop(state);
        let bytes = object.bytes.as_ref().and_then(|bytes| slice(bytes, &range));
        let Some(bytes) = bytes else {
            return error(StatusCode::GONE, "Forgotten", "the sink has thrown these bytes away");
        };
        let mut answer = described(Answer::new(Full::new(bytes)), &object);
        if header("range").is_some() {
            *answer.status_mut() = StatusCode::PARTIAL_CONTENT;
            // It is that of the whole object, which S3 does not tell of a part: clients compare it with what came.
            answer.headers_mut().remove("x-amz-checksum-crc64nvme");
            let content_range = format!("bytes {}-{}/{}", range.start, range.end - 1, object.size);
            answer = with(answer, "content-range", &content_range);
        }
        answer
    }

    async fn put(&self, target: &Target, headers: &HeaderMap, body: Incoming) -> Answer {
        let copy_source = headers.get("x-amz-copy-source").and_then(|source| source.to_str().ok());
        let upload =
            target.asks("uploadId").zip(target.asks("partNumber").and_then(|number| number.parse().ok()));
        match (copy_source, upload) {
            (Some(source), upload) => self.copy(target, source, headers, upload),
            (None, Some((id, number))) => self.put_part(id, number, headers, body).await,
            (None, None) => self.put_object(target, headers, body).await,
        }
    }

    async fn put_object(&self, target: &Target, headers: &HeaderMap, body: Incoming) -> Answer {
        let received = match receive(headers, body, is_kept(&target.bucket, &target.key)).await {
            Ok(received) => received,
            Err(problem) => return refused(&problem),
        };
        let mut state = self.state();
        state.count("PutObject", received.travelled, 0);
        if is_taken(&state, target, headers) {
            return error(StatusCode::PRECONDITION_FAILED, "PreconditionFailed", "the key is taken");
        }
        let object =
            Object { size: received.size, crc64: received.crc64, bytes: received.bytes, is_in_parts: false };
        let answer = with(empty(StatusCode::OK), "etag", &object.etag());
        state.insert(target.place(), object);
        answer
    }

    async fn put_part(&self, id: &str, number: u32, headers: &HeaderMap, body: Incoming) -> Answer {
        let is_kept = self.state().uploads.get(id).is_some_and(|upload| upload.bucket == WORK);
        let received = match receive(headers, body, is_kept).await {
            Ok(received) => received,
            Err(problem) => return refused(&problem),
        };
        let mut state = self.state();
        state.count("UploadPart", received.travelled, 0);
        let part = Part { size: received.size, crc64: received.crc64, bytes: received.bytes };
        let etag = format!("\"{:016x}-1\"", part.crc64);
        match state.uploads.get_mut(id) {
            Some(upload) => {
                upload.parts.insert(number, part);
                with(empty(StatusCode::OK), "etag", &etag)
            }
            None => no_such_upload(),
        }
    }

    /// `CopyObject` and `UploadPartCopy`: from objects whose bytes are there.
    fn copy(&self, target: &Target, source: &str, headers: &HeaderMap, part: Option<(&str, u32)>) -> Answer {
        let source = decoded(source.trim_start_matches('/'));
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let mut state = self.state();
        state.count(if part.is_some() { "UploadPartCopy" } else { "CopyObject" }, 0, 0);
        let place = source.split_once('/').map(|(bucket, key)| (bucket.to_owned(), key.to_owned()));
        let Some(object) = place.and_then(|place| state.objects.get(&place).cloned()) else {
            return answer::no_such_key();
        };
        if header("x-amz-copy-source-if-match")
            .is_some_and(|etag| etag.trim_matches('"') != object.etag().trim_matches('"'))
        {
            return error(StatusCode::PRECONDITION_FAILED, "PreconditionFailed", "it is another object now");
        }
        let range = range::requested(header("x-amz-copy-source-range"), object.size);
        let bytes = range.zip(object.bytes).and_then(|(range, bytes)| slice(&bytes, &range));
        let copied = kept(bytes.unwrap_or_default());
        let etag = escape(&copied.etag());
        let crc = answer::base64(copied.crc64);
        let result = format!(
            "<ETag>{etag}</ETag><LastModified>2026-11-21T06:00:00.000Z</LastModified>\
             <ChecksumCRC64NVME>{crc}</ChecksumCRC64NVME>"
        );
        let bytes = copied.bytes.filter(|_| target.bucket == WORK);
        match part {
            Some((id, number)) => match state.uploads.get_mut(id) {
                Some(upload) => {
                    upload.parts.insert(number, Part { size: copied.size, crc64: copied.crc64, bytes });
                    xml("CopyPartResult", &result)
                }
                None => no_such_upload(),
            },
            None => {
                state.insert(target.place(), Object { bytes, ..copied });
                xml("CopyObjectResult", &result)
            }
        }
    }

    async fn post(&self, target: &Target, headers: &HeaderMap, body: Incoming) -> Answer {
        if body.collect().await.is_err() {
            return error(StatusCode::BAD_REQUEST, "IncompleteBody", "the body ended early");
        }
        let mut state = self.state();
        let (bucket, key) = (escape(&target.bucket), escape(&target.key));
        if target.asks("uploads").is_some() {
            state.count("CreateMultipartUpload", 0, 0);
            state.next_upload += 1;
            let id = format!("upload-{}", state.next_upload);
            let upload =
                Upload { bucket: target.bucket.clone(), key: target.key.clone(), parts: Default::default() };
            state.uploads.insert(id.clone(), upload);
            let content = format!("<Bucket>{bucket}</Bucket><Key>{key}</Key><UploadId>{id}</UploadId>");
            return xml("InitiateMultipartUploadResult", &content);
        }
        state.count("CompleteMultipartUpload", 0, 0);
        let Some(object) = target.asks("uploadId").and_then(|id| state.uploads.get(id)).map(Upload::object)
        else {
            return no_such_upload();
        };
        if is_taken(&state, target, headers) {
            return error(StatusCode::PRECONDITION_FAILED, "PreconditionFailed", "the key is taken");
        }
        let sent = headers.get("x-amz-checksum-crc64nvme").and_then(|value| value.to_str().ok());
        if sent.is_some_and(|sent| sent != answer::base64(object.crc64)) {
            return refused(&ReceiveError::BadDigest("CRC-64/NVME"));
        }
        state.uploads.remove(target.asks("uploadId").unwrap_or_default());
        let etag = escape(&object.etag());
        state.insert(target.place(), object);
        let content = format!("<Bucket>{bucket}</Bucket><Key>{key}</Key><ETag>{etag}</ETag>");
        xml("CompleteMultipartUploadResult", &content)
    }

    fn delete(&self, target: &Target) -> Answer {
        let mut state = self.state();
        match target.asks("uploadId") {
            Some(id) => {
                state.count("AbortMultipartUpload", 0, 0);
                state.uploads.remove(id);
            }
            None => {
                state.count("DeleteObject", 0, 0);
                state.objects.remove(&target.place());
            }
        }
        empty(StatusCode::NO_CONTENT)
    }

    fn list_parts(&self, target: &Target) -> Answer {
        let mut state = self.state();
        state.count("ListParts", 0, 0);
        let Some(upload) = target.asks("uploadId").and_then(|id| state.uploads.get(id)) else {
            return no_such_upload();
        };
        let parts = upload.parts.iter().map(|(number, part)| {
            let etag = format!("&quot;{:016x}-1&quot;", part.crc64);
            format!(
                "<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag><Size>{}</Size></Part>",
                part.size
            )
        });
        let content = format!("{}<IsTruncated>false</IsTruncated>", parts.collect::<String>());
        xml("ListPartsResult", &content)
    }

    fn list(&self, target: &Target) -> Answer {
        let prefix = target.asks("prefix").unwrap_or_default();
        if target.asks("uploads").is_some() {
            let mut state = self.state();
            state.count("ListMultipartUploads", 0, 0);
            let found = state
                .uploads
                .iter()
                .filter(|(_, upload)| upload.bucket == target.bucket && upload.key.starts_with(prefix));
            let found = found.map(|(id, upload)| {
                format!("<Upload><Key>{}</Key><UploadId>{id}</UploadId></Upload>", escape(&upload.key))
            });
            let content = format!("{}<IsTruncated>false</IsTruncated>", found.collect::<String>());
            return xml("ListMultipartUploadsResult", &content);
        }
        if target.asks("location").is_some() {
            return self.counted("Bucket", xml("LocationConstraint", ""));
        }
        self.list_objects(target, prefix)
    }

    fn list_objects(&self, target: &Target, prefix: &str) -> Answer {
        let delimiter = target.asks("delimiter").filter(|delimiter| !delimiter.is_empty());
        let after =
            target.asks("continuation-token").or(target.asks("start-after")).or(target.asks("marker"));
        let mut state = self.state();
        state.count("ListObjects", 0, 0);
        let (mut content, mut folders) = (String::new(), Vec::new());
        let (mut count, mut last, mut is_truncated) = (0, String::new(), false);
        let from = (target.bucket.clone(), after.unwrap_or(prefix).max(prefix).to_owned());
        let listed = state.objects.range(from..);
        for ((_, key), object) in listed
            .take_while(|((bucket, key), _)| *bucket == target.bucket && key.starts_with(prefix))
            .filter(|((_, key), _)| after.is_none_or(|after| key.as_str() > after))
        {
            if count >= PAGE {
                is_truncated = true;
                break;
            }
            last.clone_from(key);
            let rest = key.get(prefix.len()..).unwrap_or_default();
            match delimiter.and_then(|delimiter| rest.find(delimiter).map(|at| at + delimiter.len())) {
                Some(at) => {
                    let folder = format!("{prefix}{}", rest.get(..at).unwrap_or_default());
                    if folders.last() != Some(&folder) {
                        folders.push(folder);
                    }
                }
                None => {
                    answer::listed(&mut content, key, object);
                    count += 1;
                }
            }
        }
        for folder in folders {
            content
                .push_str(&format!("<CommonPrefixes><Prefix>{}</Prefix></CommonPrefixes>", escape(&folder)));
        }
        let next = match is_truncated {
            true => format!("<NextContinuationToken>{}</NextContinuationToken>", escape(&last)),
            false => String::new(),
        };
        let (bucket, prefix) = (escape(&target.bucket), escape(prefix));
        let head = format!(
            "<Name>{bucket}</Name><Prefix>{prefix}</Prefix><KeyCount>{count}</KeyCount><MaxKeys>{PAGE}</MaxKeys>\
             <IsTruncated>{is_truncated}</IsTruncated>{next}"
        );
        xml("ListBucketResult", &(head + &content))
    }
}

fn kept(bytes: Bytes) -> Object {
    let crc64 = crc_fast::checksum(CrcAlgorithm::Crc64Nvme, &bytes);
    Object { size: length(&bytes), crc64, bytes: Some(bytes), is_in_parts: false }
}

fn slice(bytes: &Bytes, range: &std::ops::Range<u64>) -> Option<Bytes> {
    let (start, end) = (usize::try_from(range.start).ok()?, usize::try_from(range.end).ok()?);
    (start <= end && end <= bytes.len()).then(|| bytes.slice(start..end))
}

/// `If-None-Match: *`, where an object is there; `If-Match`, where it is another one, or there is none.
fn is_taken(state: &State, target: &Target, headers: &HeaderMap) -> bool {
    let object = state.objects.get(&target.place());
    let expected = headers.get("if-match").and_then(|etag| etag.to_str().ok());
    let is_another = expected.is_some_and(|etag| {
        object.is_none_or(|object| object.etag().trim_matches('"') != etag.trim_matches('"'))
    });
    is_another || (headers.contains_key("if-none-match") && object.is_some())
}

fn no_such_upload() -> Answer {
    error(StatusCode::NOT_FOUND, "NoSuchUpload", "there is no such upload")
}

fn refused(problem: &ReceiveError) -> Answer {
    let code = if matches!(problem, ReceiveError::BadDigest(_)) { "BadDigest" } else { "IncompleteBody" };
    error(StatusCode::BAD_REQUEST, code, &problem.to_string())
}

fn failed(problem: &dyn std::error::Error) -> Answer {
    error(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", &problem.to_string())
}
