//! OCI's own API of Object Storage beside S3's, over the same folders: what landfall and Oracle's own clients use.
//!
//! What the real service was measured to answer it answers; where that is not known, what its documentation or Oracle's
//! SDK for Python lets expect. An `etag` is a UUID of the version, and no function of the content. Copies, renames,
//! versions and whatever else the API has are not there.

mod access;
mod answer;
mod sessions;
mod target;
mod user;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use futures::StreamExt as _;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use jiff::Timestamp;
use s3s::dto::{Range, StreamingBlob};
use s3s::{Body, S3Error, S3Result};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use self::access::verify_body;
use self::answer::{Refusal, describe, empty, http_date, json_answer, md5, moment, of_condition, set};
use self::target::Part;
use crate::answer::{Selection, bytes_of};
use crate::checksum::{Algorithm, Checksums, Kind};
use crate::listing::{Item, Query};
use crate::objects::Condition;
use crate::receive::{Described, Received, blocking, kept, receive, text};
use crate::record::{Facts, Headers, Record};
use crate::service::list_objects;
use crate::store::{Store, failed};
use crate::uploads::{Chosen, Completion, Description, MAX_PARTS, begun};

pub use access::OciAccess;
pub use sessions::Sessions;
pub(crate) use target::Target;
pub use user::OciUser;

/// What every part but the last must have (Oracle: "Using Multipart Uploads").
const MIN_PART_BYTES: u64 = 10 << 20;
/// How many lines a page has at most.
const MAX_PAGE: usize = 1000;
/// How large the body of a call may be that is no object.
const MAX_BODY: usize = 4 << 20;
/// How long an object's name may be, in bytes.
const MAX_NAME: usize = 1024;

type Result<T, E = Refusal> = std::result::Result<T, E>;

/// OCI's own API of a store.
pub(crate) struct Native {
    pub(crate) store: Arc<Store>,
    pub(crate) access: OciAccess,
    /// What the time is.
    pub(crate) now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

/// A request whose signature holds.
struct Call {
    method: Method,
    target: Target,
    headers: HeaderMap,
    body: Body,
}

impl Call {
    fn bucket(&self) -> Result<String> {
        self.target.bucket.clone().ok_or_else(|| Refusal::parameter("no bucket is named"))
    }

    fn object(&self) -> Result<String> {
        let object = self.target.object.clone().ok_or_else(|| Refusal::parameter("no object is named"))?;
        match object.len() <= MAX_NAME && !object.contains(['\0', '\r', '\n']) {
            true => Ok(object),
            false => Err(Refusal::new(
                400,
                "InvalidObjectName",
                "a name has up to 1,024 bytes, and no NUL, CR or LF",
            )),
        }
    }

    fn upload_id(&self) -> Result<String> {
        let id = self.target.get("uploadId").map(str::to_owned);
        id.ok_or_else(|| Refusal::parameter("uploadId is missing"))
    }

    /// What must hold for a write.
    fn condition(&self) -> Result<Condition> {
        match (text(&self.headers, "if-match"), text(&self.headers, "if-none-match").as_deref()) {
            (None, None) => Ok(Condition::Always),
            (None, Some("*")) => Ok(Condition::Absent),
            (Some(version), None) if version == "*" => Ok(Condition::Present),
            (Some(version), None) => Ok(Condition::Version(unquoted(&version))),
            _ => Err(Refusal::parameter("if-none-match takes * alone, and not beside if-match")),
        }
    }

    fn is_for_absence(&self) -> bool {
        self.headers.contains_key(header::IF_NONE_MATCH)
    }
}

impl Native {
    /// Answers a request.
    pub(crate) async fn handle(&self, request: Request<Body>, sequence: u64) -> Response<Body> {
        let is_head = request.method() == Method::HEAD;
        let client_id = request.headers().get("opc-client-request-id").cloned();
        let answered = self.answer(request).await;
        let mut response = answered.unwrap_or_else(Refusal::answer);
        set(&mut response, &HeaderName::from_static("opc-request-id"), &format!("embedded-1:{sequence}"));
        if let Some(id) = client_id {
            response.headers_mut().insert("opc-client-request-id", id);
        }
        if is_head && !response.status().is_success() {
            *response.body_mut() = Body::empty();
        }
        response
    }

    async fn answer(&self, request: Request<Body>) -> Result<Response<Body>> {
        let (parts, body) = request.into_parts();
        let (method, headers) = (parts.method, parts.headers);
        let mut body = body;
        if let Err(refusal) = self.access.verify((&method, &parts.uri), &headers, (self.now)()) {
            // Answered before that, the client may see a broken connection instead.
            while let Some(Ok(_)) = body.next().await {}
            return Err(refusal);
        }
        let target = Target::of(&parts.uri);
        if target.namespace.as_ref().is_some_and(|namespace| *namespace != self.access.namespace) {
            return Err(Refusal::new(
                404,
                "NamespaceNotFound",
                "there is no such namespace, or it may not be seen",
            ));
        }
        let call = Call { method, target, headers, body };
        match (call.target.part, call.method.as_str()) {
            (Part::Itself, _) => self.itself(call).await,
            (Part::RetentionRules, "GET") => {
                self.bucket_is_there(call.bucket()?).await?;
                Ok(json_answer(&json!({ "items": [] })))
            }
            (Part::Objects, "GET") if call.target.object.is_none() => self.list(call).await,
            (Part::Objects, "GET" | "HEAD") => self.get(call).await,
            (Part::Objects, "PUT") => self.put(call).await,
            (Part::Objects, "DELETE") => self.delete(call).await,
            (Part::Uploads, "POST") if call.target.object.is_none() => self.begin(call).await,
            (Part::Uploads, "GET") if call.target.object.is_none() => self.uploads(call).await,
            (Part::Uploads, "PUT") => self.put_part(call).await,
            (Part::Uploads, "GET") => self.parts(call).await,
            (Part::Uploads, "POST") => self.commit(call).await,
            (Part::Uploads, "DELETE") => self.abort(call).await,
            _ => Err(Refusal::new(404, "NotAuthorizedOrNotFound", "this store has no such call")),
        }
    }

    async fn with_store<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> S3Result<T> + Send + 'static,
    ) -> S3Result<T> {
        let store = Arc::clone(&self.store);
        blocking(move || work(&store)).await
    }

    async fn bucket_is_there(&self, bucket: String) -> Result<()> {
        Ok(self.with_store(move |store| store.bucket(&bucket).map(|_| ())).await?)
    }

    /// The namespace, its buckets, or one of them.
    async fn itself(&self, call: Call) -> Result<Response<Body>> {
        match (call.target.namespace.is_some(), call.method.as_str()) {
            (false, "GET") => Ok(json_answer(&Value::from(self.access.namespace.clone()))),
            (true, "POST") => self.create_bucket(call).await,
            (true, "GET" | "HEAD") if call.target.bucket.is_some() => {
                let bucket = call.bucket()?;
                self.bucket_is_there(bucket.clone()).await?;
                Ok(json_answer(&self.bucket(&bucket)))
            }
            _ => Err(Refusal::new(404, "NotAuthorizedOrNotFound", "this store has no such call")),
        }
    }

    fn bucket(&self, bucket: &str) -> Value {
        json!({
            "namespace": self.access.namespace, "name": bucket, "compartmentId": "ocid1.compartment.oc1..embedded",
            "storageTier": "Standard", "autoTiering": "Disabled", "publicAccessType": "NoPublicAccess",
            "versioning": "Disabled", "objectEventsEnabled": false, "createdBy": "ocid1.user.oc1..embedded",
            "timeCreated": moment(SystemTime::UNIX_EPOCH), "etag": "00000000-0000-0000-0000-000000000000",
            "metadata": {}, "freeformTags": {}, "definedTags": {},
        })
    }

    async fn create_bucket(&self, call: Call) -> Result<Response<Body>> {
        #[derive(Deserialize)]
        struct Wanted {
            name: String,
        }
        let wanted: Wanted = body_of(call).await?;
        let name = wanted.name.clone();
        self.with_store(move |store| store.create_bucket(&name)).await?;
        Ok(json_answer(&self.bucket(&wanted.name)))
    }

    async fn put(&self, call: Call) -> Result<Response<Body>> {
        let (bucket, object, condition) = (call.bucket()?, call.object()?, call.condition()?);
        let is_for_absence = call.is_for_absence();
        let (received, headers) = self.receive(call.headers, call.body, None).await?;
        let facts = Facts {
            etag: hex::encode(received.content.md5),
            checksums: received.content.checksums,
            checksum_kind: Kind::FullObject,
            headers,
        };
        let write = move |store: &Store| store.commit((&bucket, &object), received.temp, &facts, &condition);
        let written = self.with_store(write).await;
        let record = written.map_err(|error| of_condition(error, is_for_absence))?;
        let mut response = empty(StatusCode::OK);
        describe(&mut response, &record);
        set(&mut response, &header::LAST_MODIFIED, &http_date(record.generation.modified()));
        Ok(response)
    }

    /// Receives an object or a part, which has a length, and is what its checksums say.
    async fn receive(
        &self,
        headers: HeaderMap,
        body: Body,
        also: Option<Algorithm>,
    ) -> Result<(Received, Headers)> {
        let length = text(&headers, "content-length").and_then(|length| length.parse().ok());
        if length.is_none() {
            return Err(Refusal::new(411, "MissingContentLength", "The Content-Length header is required"));
        }
        let headers = as_s3(&headers)?;
        let is_by_md5 = headers.contains_key("content-md5");
        let kept = kept(&headers)?;
        let described = Described { length, headers, trailers: None, also };
        let received = receive(&self.store, Some(StreamingBlob::from(body)), &described).await;
        Ok((received.map_err(|error| unmatched(error, is_by_md5))?, kept))
    }

    async fn get(&self, call: Call) -> Result<Response<Body>> {
        let (bucket, object) = (call.bucket()?, call.object()?);
        let found = self.with_store(move |store| store.find(&bucket, &object)).await?;
        let version = found.record.version();
        let is_it =
            |named: &str| named.split(',').map(unquoted).any(|named| named == "*" || named == version);
        if text(&call.headers, "if-match").is_some_and(|named| !is_it(&named)) {
            return Err(Refusal::new(
                412,
                "IfMatchFailed",
                "The If-Match header is not the etag of the entity",
            ));
        }
        if text(&call.headers, "if-none-match").is_some_and(|named| is_it(&named)) {
            return Err(Refusal::new(304, "NotModified", "The entity has not changed"));
        }
        let size = found.record.generation.size;
        let range = text(&call.headers, "range").map(|range| Range::parse(&range)).transpose();
        let range = range.map_err(|_| Refusal::new(416, "InvalidRange", "the range cannot be read"))?;
        let selection = Selection::new(range.as_ref(), size)?;
        let mut response = empty(selection.status().unwrap_or(StatusCode::OK));
        describe(&mut response, &found.record);
        let kept = &found.record.facts.headers;
        set(
            &mut response,
            &header::CONTENT_TYPE,
            kept.content_type.as_deref().unwrap_or("application/octet-stream"),
        );
        for (name, value) in [
            (header::CONTENT_ENCODING, &kept.content_encoding),
            (header::CONTENT_DISPOSITION, &kept.content_disposition),
            (header::CONTENT_LANGUAGE, &kept.content_language),
            (header::CACHE_CONTROL, &kept.cache_control),
            (header::CONTENT_RANGE, &selection.content_range()),
        ] {
            if let Some(value) = value {
                set(&mut response, &name, value);
            }
        }
        for (name, value) in &kept.user {
            if let Ok(name) = HeaderName::try_from(format!("opc-meta-{name}")) {
                set(&mut response, &name, value);
            }
        }
        set(&mut response, &header::ACCEPT_RANGES, "bytes");
        set(&mut response, &header::LAST_MODIFIED, &http_date(found.record.generation.modified()));
        // Of a range the checksums of the whole are not told as its own.
        if selection.status().is_none()
            && let Some(md5) = md5(&found.record)
        {
            set(&mut response, &HeaderName::from_static("content-md5"), &md5);
        }
        response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(selection.length));
        if call.method == Method::GET {
            *response.body_mut() = bytes_of(found.file, &selection).await?.into();
        }
        Ok(response)
    }

    async fn delete(&self, call: Call) -> Result<Response<Body>> {
        let (bucket, object, condition) = (call.bucket()?, call.object()?, call.condition()?);
        self.with_store(move |store| {
            // S3 deletes what is not there; OCI says that it is not.
            store.find(&bucket, &object)?;
            store.delete(&bucket, &object, &condition)
        })
        .await?;
        Ok(empty(StatusCode::NO_CONTENT))
    }

    async fn list(&self, call: Call) -> Result<Response<Body>> {
        let bucket = call.bucket()?;
        let of = |name: &str| call.target.get(name).map(str::to_owned);
        let limit = match of("limit") {
            None => MAX_PAGE,
            Some(limit) => match limit.parse() {
                Ok(limit @ 1..=MAX_PAGE) => limit,
                _ => return Err(Refusal::parameter("limit is 1 to 1000")),
            },
        };
        if of("delimiter").is_some_and(|delimiter| delimiter != "/") {
            return Err(Refusal::parameter("delimiter can only be /"));
        }
        let query = Query {
            prefix: of("prefix").unwrap_or_default(),
            delimiter: of("delimiter"),
            after: of("startAfter"),
            from: of("start"),
            // One more, which the next page begins with.
            max: limit + 1,
            ..Query::default()
        };
        let (end, fields) = (of("end"), of("fields").unwrap_or_default());
        let mut items = self.with_store(move |store| list_objects(store, &bucket, &query)).await?.items;
        items.retain(|item| end.as_ref().is_none_or(|end| item.name() < end.as_str()));
        let next = items.get(limit).map(|item| item.name().to_owned());
        items.truncate(limit);
        let (mut objects, mut prefixes) = (Vec::new(), Vec::new());
        for item in items {
            match item {
                Item::Key(name, record) => objects.push(object_line(&name, &record, &fields)),
                Item::CommonPrefix(prefix) => prefixes.push(prefix),
            }
        }
        let mut answer = json!({ "objects": objects, "nextStartWith": next });
        if let (true, Some(answer)) = (call.target.get("delimiter").is_some(), answer.as_object_mut()) {
            answer.insert("prefixes".to_owned(), json!(prefixes));
        }
        Ok(json_answer(&answer))
    }

    async fn begin(&self, call: Call) -> Result<Response<Body>> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Wanted {
            object: String,
            #[serde(default)]
            content_type: Option<String>,
            #[serde(default)]
            content_encoding: Option<String>,
            #[serde(default)]
            metadata: Option<BTreeMap<String, String>>,
        }
        let (bucket, condition, is_for_absence) = (call.bucket()?, call.condition()?, call.is_for_absence());
        let algorithm = asked_algorithm(&call.headers)?;
        let wanted: Wanted = body_of(call).await?;
        let user = wanted.metadata.unwrap_or_default().into_iter();
        let user =
            user.map(|(name, value)| (name.trim_start_matches("opc-meta-").to_owned(), value)).collect();
        let headers = Headers {
            content_type: wanted.content_type,
            content_encoding: wanted.content_encoding,
            user,
            ..Headers::default()
        };
        let checksum = algorithm.filter(|algorithm| *algorithm == Algorithm::Crc32c);
        let checksum = checksum.map(|algorithm| (algorithm, Kind::FullObject));
        let description =
            Description { bucket: bucket.clone(), key: wanted.object.clone(), checksum, headers };
        let object = wanted.object;
        let begin = move |store: &Store| {
            store.check((&description.bucket, &description.key), &condition)?;
            store.create_upload(&description)
        };
        let id = self.with_store(begin).await.map_err(|error| of_condition(error, is_for_absence))?;
        Ok(json_answer(&self.upload_line(&bucket, &object, &id)))
    }

    fn upload_line(&self, bucket: &str, object: &str, id: &str) -> Value {
        json!({
            "namespace": self.access.namespace, "bucket": bucket, "object": object, "uploadId": id,
            "timeCreated": moment(begun(id)),
        })
    }

    async fn put_part(&self, call: Call) -> Result<Response<Body>> {
        let (bucket, object, id) = (call.bucket()?, call.object()?, call.upload_id()?);
        let number = call.target.get("uploadPartNum").and_then(|number| number.parse().ok());
        let number = number.filter(|number| (1..=MAX_PARTS).contains(number));
        let number = number.ok_or_else(|| Refusal::parameter("uploadPartNum is 1 to 10000"))?;
        // An upload that was begun with a checksum has one of each part, whether or not its sender gives it.
        let (received, _) = self.receive(call.headers, call.body, Some(Algorithm::Crc32c)).await?;
        let put = move |store: &Store| {
            let upload = store.upload(&bucket, &object, &id)?;
            store.put_part(&upload, number, received.temp, &received.content)
        };
        let record = self.with_store(put).await?;
        let mut response = empty(StatusCode::OK);
        describe(&mut response, &record);
        Ok(response)
    }

    async fn parts(&self, call: Call) -> Result<Response<Body>> {
        let (bucket, object, id) = (call.bucket()?, call.object()?, call.upload_id()?);
        let parts = self.with_store(move |store| store.upload(&bucket, &object, &id)?.parts()).await?;
        let lines = parts.iter().map(|(number, record)| {
            json!({
                "partNumber": number, "etag": record.version(), "size": record.generation.size, "md5": md5(record),
            })
        });
        paged(lines.collect(), &call.target)
    }

    async fn uploads(&self, call: Call) -> Result<Response<Body>> {
        let bucket = call.bucket()?;
        let named = bucket.clone();
        let uploads = self.with_store(move |store| store.uploads(&named, "")).await?;
        let lines =
            uploads.iter().map(|upload| self.upload_line(&bucket, &upload.description.key, &upload.id));
        paged(lines.collect(), &call.target)
    }

    async fn commit(&self, call: Call) -> Result<Response<Body>> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Wanted {
            parts_to_commit: Vec<WantedPart>,
        }
        let (bucket, object, id) = (call.bucket()?, call.object()?, call.upload_id()?);
        let (condition, is_for_absence) = (call.condition()?, call.is_for_absence());
        let wanted: Wanted = body_of(call).await?;
        let commit = move |store: &Store| {
            let upload = store.upload(&bucket, &object, &id)?;
            let completion = Completion {
                parts: chosen(wanted.parts_to_commit, &upload.parts()?)?,
                checksums: Checksums::default(),
                checksum_type: None,
                size: None,
                condition,
                min_part_bytes: MIN_PART_BYTES,
            };
            store.complete(&upload, &completion)
        };
        let record = self.with_store(commit).await.map_err(|error| of_condition(error, is_for_absence))?;
        let mut response = empty(StatusCode::OK);
        describe(&mut response, &record);
        set(&mut response, &header::LAST_MODIFIED, &http_date(record.generation.modified()));
        Ok(response)
    }

    async fn abort(&self, call: Call) -> Result<Response<Body>> {
        let (bucket, object, id) = (call.bucket()?, call.object()?, call.upload_id()?);
        let abort = move |store: &Store| {
            let upload = store.upload(&bucket, &object, &id)?;
            store.discard(&upload).map_err(failed("end an upload"))
        };
        self.with_store(abort).await?;
        Ok(empty(StatusCode::NO_CONTENT))
    }
}

/// A part that is to become one of an object.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WantedPart {
    part_num: i32,
    etag: String,
}

/// The parts that a commit names, in the order of their numbers, as the store knows them.
fn chosen(mut wanted: Vec<WantedPart>, parts: &BTreeMap<i32, Record>) -> S3Result<Vec<Chosen>> {
    wanted.sort_by_key(|part| part.part_num);
    let known = wanted.into_iter().map(|part| {
        let record = parts.get(&part.part_num).filter(|record| record.version() == unquoted(&part.etag));
        let record = record.ok_or_else(|| {
            let message = format!("part {} was not uploaded, or has another etag", part.part_num);
            S3Error::with_message(s3s::S3ErrorCode::InvalidPart, message)
        })?;
        Ok(Chosen { number: part.part_num, etag: record.facts.etag.clone(), checksums: Checksums::default() })
    });
    known.collect()
}

/// An object in a list, with the fields that are asked for; its name is always one.
fn object_line(name: &str, record: &Record, fields: &str) -> Value {
    let mut line = Map::from_iter([("name".to_owned(), json!(name))]);
    let modified = moment(record.generation.modified());
    for field in fields.split(',').map(str::trim) {
        let value = match field {
            "size" => json!(record.generation.size),
            "etag" => json!(record.version()),
            "md5" => json!(md5(record)),
            "timeCreated" | "timeModified" => json!(modified),
            "storageTier" => json!("Standard"),
            _ => continue,
        };
        line.insert(field.to_owned(), value);
    }
    Value::Object(line)
}

/// A page of lines, which says by a header how it goes on.
fn paged(lines: Vec<Value>, target: &Target) -> Result<Response<Body>> {
    let number = |name: &str, otherwise| match target.get(name) {
        None => Ok(otherwise),
        Some(text) => text.parse().map_err(|_| Refusal::parameter(&format!("{name} is no number"))),
    };
    let (skipped, limit) = (number("page", 0)?, number("limit", MAX_PAGE)?.clamp(1, MAX_PAGE));
    let (all, shown) = (lines.len(), skipped.saturating_add(limit));
    let lines: Vec<Value> = lines.into_iter().skip(skipped).take(limit).collect();
    let mut response = json_answer(&Value::Array(lines));
    if shown < all {
        set(&mut response, &HeaderName::from_static("opc-next-page"), &shown.to_string());
    }
    Ok(response)
}

/// The JSON of a call that is not an object's, whose signature covers it.
async fn body_of<T: serde::de::DeserializeOwned>(call: Call) -> Result<T> {
    let mut body = call.body;
    let mut bytes = Vec::new();
    while let Some(piece) = body.next().await {
        let piece: Bytes = piece.map_err(|_| Refusal::parameter("the body broke off"))?;
        bytes.extend_from_slice(&piece);
        if bytes.len() > MAX_BODY {
            return Err(Refusal::new(413, "RequestEntityTooLarge", "the body is too large"));
        }
    }
    verify_body(&call.headers, &bytes)?;
    serde_json::from_slice(&bytes).map_err(|error| Refusal::parameter(&error.to_string()))
}

/// The algorithm that a call names for its checksum.
fn asked_algorithm(headers: &HeaderMap) -> Result<Option<Algorithm>> {
    match text(headers, "opc-checksum-algorithm").as_deref() {
        None => Ok(None),
        Some("CRC32C") => Ok(Some(Algorithm::Crc32c)),
        Some("SHA256") => Ok(Some(Algorithm::Sha256)),
        Some(_) => Err(Refusal::parameter("opc-checksum-algorithm is CRC32C or SHA256 here")),
    }
}

/// OCI's headers of an object by the names that S3 has for them.
fn as_s3(headers: &HeaderMap) -> Result<HeaderMap> {
    let mut renamed = HeaderMap::new();
    for (name, value) in headers {
        let known = match name.as_str() {
            "opc-content-crc32c" => Some(Algorithm::Crc32c.header().to_owned()),
            "opc-content-sha256" => Some(Algorithm::Sha256.header().to_owned()),
            name => name.strip_prefix("opc-meta-").map(|name| format!("x-amz-meta-{name}")),
        };
        let known = known.and_then(|name| HeaderName::try_from(name).ok());
        // What S3 alone would understand is none of OCI's.
        let is_s3s = known.is_none() && name.as_str().starts_with("x-amz-");
        if !is_s3s {
            renamed.insert(known.unwrap_or_else(|| name.clone()), value.clone());
        }
    }
    asked_algorithm(headers)?;
    Ok(renamed)
}

/// A checksum that does not fit is named by what it is: `UnmatchedContentMD5` is the real service's word.
fn unmatched(error: S3Error, is_by_md5: bool) -> Refusal {
    match error.code().as_str() {
        "BadDigest" | "InvalidDigest" if !is_by_md5 => {
            Refusal::new(400, "UnmatchedContentCrc32c", "the checksum is not that of the bytes")
        }
        "BadDigest" | "InvalidDigest" => Refusal::new(
            400,
            "UnmatchedContentMD5",
            "The computed MD5 of the request body does not match the Content-MD5 header",
        ),
        _ => error.into(),
    }
}

fn unquoted(etag: impl AsRef<str>) -> String {
    etag.as_ref().trim().trim_matches('"').to_owned()
}
