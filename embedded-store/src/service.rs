//! S3's operations on a [`Store`]. HTTP, XML and signatures are the crate `s3s`'s.

use std::collections::VecDeque;
use std::fs;
use std::io::{self, Seek as _};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use s3s::dto::*;
use s3s::{S3, S3Error, S3Request, S3Response, S3Result, s3_error};

use crate::answer::{
    Naming, ReadConditions, Selection, checksum_type, copy_object_result, copy_part_result, etag, get_object,
    head_object, modified, set_checksums, signed,
};
use crate::checksum::{Algorithm, Checksums, Digests, Kind};
use crate::listing::{Item, Page, Query, page};
use crate::objects::{Condition, Found};
use crate::receive::{Described, blocking, kept, receive, said};
use crate::record::{Facts, Headers, Record};
use crate::session::TempFile;
use crate::store::{Store, failed};
use crate::uploads::{Chosen, Completion, Description, MAX_PARTS, begun};

/// The most that one page of any listing shows.
const MAX_PAGE: i32 = 1_000;

/// What `GetBucketLocation` answers and clients may sign for; any other region is accepted too.
const REGION: &str = "us-east-1";

#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) store: Arc<Store>,
    /// What every part of an upload but the last has at least.
    pub(crate) min_part_bytes: u64,
}

impl Service {
    async fn with_store<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> S3Result<T> + Send + 'static,
    ) -> S3Result<T> {
        let store = Arc::clone(&self.store);
        blocking(move || work(&store)).await
    }
}

#[async_trait::async_trait]
impl S3 for Service {
    async fn list_buckets(&self, _: S3Request<ListBucketsInput>) -> S3Result<S3Response<ListBucketsOutput>> {
        let buckets = self.with_store(list_buckets).await?;
        Ok(S3Response::new(ListBucketsOutput { buckets: Some(buckets), ..Default::default() }))
    }

    async fn create_bucket(
        &self,
        req: S3Request<CreateBucketInput>,
    ) -> S3Result<S3Response<CreateBucketOutput>> {
        let bucket = req.input.bucket;
        let location = Some(format!("/{bucket}"));
        self.with_store(move |store| store.create_bucket(&bucket)).await?;
        Ok(S3Response::new(CreateBucketOutput { location }))
    }

    async fn head_bucket(&self, req: S3Request<HeadBucketInput>) -> S3Result<S3Response<HeadBucketOutput>> {
        self.with_store(move |store| store.bucket(&req.input.bucket)).await?;
        Ok(S3Response::new(HeadBucketOutput { bucket_region: Some(REGION.to_owned()), ..Default::default() }))
    }

    async fn get_bucket_location(
        &self,
        req: S3Request<GetBucketLocationInput>,
    ) -> S3Result<S3Response<GetBucketLocationOutput>> {
        self.with_store(move |store| store.bucket(&req.input.bucket)).await?;
        // S3 names no location for us-east-1.
        Ok(S3Response::new(GetBucketLocationOutput::default()))
    }

    async fn put_object(&self, req: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let PutObjectInput { body, bucket, key, content_length, if_match, if_none_match, .. } = req.input;
        check_key(&key)?;
        let condition = write_condition(if_match, if_none_match)?;
        let headers = kept(&req.headers)?;
        let trailers = req.trailing_headers;
        let described = Described { length: content_length, headers: req.headers, trailers, also: None };
        let received = receive(&self.store, body, &described).await?;
        let facts = Facts {
            etag: hex::encode(received.content.md5),
            checksums: received.content.checksums,
            checksum_kind: Kind::FullObject,
            headers,
        };
        let record = self
            .with_store(move |store| store.commit((&bucket, &key), received.temp, &facts, &condition))
            .await?;
        let mut output = PutObjectOutput::default();
        set_checksums!(output, record.facts);
        output.checksum_type = Some(checksum_type(&record.facts));
        output.e_tag = Some(etag(&record.facts));
        Ok(S3Response::new(output))
    }

    async fn get_object(&self, req: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let GetObjectInput { bucket, key, range, part_number, checksum_mode, .. } = req.input;
        refuse_part_number(part_number)?;
        let conditions = ReadConditions {
            if_match: req.input.if_match,
            if_none_match: req.input.if_none_match,
            if_modified_since: req.input.if_modified_since,
            if_unmodified_since: req.input.if_unmodified_since,
        };
        let found = self.with_store(move |store| store.find(&bucket, &key)).await?;
        conditions.check_read(&found.record)?;
        let selection = Selection::new(range.as_ref(), found.record.generation.size)?;
        Ok(S3Response::new(get_object(found, &selection, checksum_mode.is_some()).await?))
    }

    async fn head_object(&self, req: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        let HeadObjectInput { bucket, key, range, part_number, checksum_mode, .. } = req.input;
        refuse_part_number(part_number)?;
        let conditions = ReadConditions {
            if_match: req.input.if_match,
            if_none_match: req.input.if_none_match,
            if_modified_since: req.input.if_modified_since,
            if_unmodified_since: req.input.if_unmodified_since,
        };
        let found = self.with_store(move |store| store.find(&bucket, &key)).await?;
        conditions.check_read(&found.record)?;
        let selection = Selection::new(range.as_ref(), found.record.generation.size)?;
        let mut response = S3Response::new(head_object(&found.record, &selection, checksum_mode.is_some()));
        response.status = selection.status();
        Ok(response)
    }

    async fn delete_object(
        &self,
        req: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        let DeleteObjectInput { bucket, key, if_match, .. } = req.input;
        let condition = write_condition(if_match, None)?;
        self.with_store(move |store| store.delete(&bucket, &key, &condition)).await?;
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    async fn delete_objects(
        &self,
        req: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let DeleteObjectsInput { bucket, delete, .. } = req.input;
        let output = self.with_store(move |store| delete_objects(store, &bucket, delete)).await?;
        Ok(S3Response::new(output))
    }

    async fn copy_object(&self, req: S3Request<CopyObjectInput>) -> S3Result<S3Response<CopyObjectOutput>> {
        check_key(&req.input.key)?;
        let copy = Copy::new(&req)?;
        let record = self.with_store(move |store| copy_object(store, &copy)).await?;
        let result = copy_object_result(&record);
        Ok(S3Response::new(CopyObjectOutput { copy_object_result: Some(result), ..Default::default() }))
    }

    async fn list_objects_v2(
        &self,
        req: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = req.input;
        let max = page_size(input.max_keys)?;
        let naming = Naming::new(input.encoding_type.as_ref());
        let (after, after_is_prefix) = match &input.continuation_token {
            Some(token) => token_to_position(token)?,
            None => (input.start_after.clone(), false),
        };
        let query = Query {
            prefix: input.prefix.clone().unwrap_or_default(),
            delimiter: input.delimiter.clone(),
            after,
            from: None,
            after_is_prefix,
            max,
        };
        let bucket = input.bucket.clone();
        let page = self.with_store(move |store| list_objects(store, &bucket, &query)).await?;
        let next = page.items.last().filter(|_| page.truncated).map(token);
        let (truncated, count) = (page.truncated, page.items.len());
        let (contents, common_prefixes) = lines(page, naming);
        Ok(S3Response::new(ListObjectsV2Output {
            name: Some(input.bucket),
            prefix: Some(naming.name(&input.prefix.unwrap_or_default())),
            max_keys: Some(i32::try_from(max).unwrap_or(MAX_PAGE)),
            key_count: i32::try_from(count).ok(),
            continuation_token: input.continuation_token,
            is_truncated: Some(truncated),
            next_continuation_token: next,
            contents: Some(contents),
            common_prefixes: Some(common_prefixes),
            delimiter: naming.optional(input.delimiter),
            encoding_type: input.encoding_type,
            start_after: naming.optional(input.start_after),
            ..Default::default()
        }))
    }

    async fn list_objects(
        &self,
        req: S3Request<ListObjectsInput>,
    ) -> S3Result<S3Response<ListObjectsOutput>> {
        let input = req.input;
        let max = page_size(input.max_keys)?;
        let naming = Naming::new(input.encoding_type.as_ref());
        // The marker may be a common prefix that the page before ended with.
        let ends_with =
            |(marker, delimiter): (&String, &String)| !delimiter.is_empty() && marker.ends_with(delimiter);
        let query = Query {
            prefix: input.prefix.clone().unwrap_or_default(),
            delimiter: input.delimiter.clone(),
            after: input.marker.clone(),
            from: None,
            after_is_prefix: input.marker.as_ref().zip(input.delimiter.as_ref()).is_some_and(ends_with),
            max,
        };
        let bucket = input.bucket.clone();
        let page = self.with_store(move |store| list_objects(store, &bucket, &query)).await?;
        let next = page.items.last().filter(|_| page.truncated).map(|item| naming.name(item.name()));
        let truncated = page.truncated;
        let (contents, common_prefixes) = lines(page, naming);
        Ok(S3Response::new(ListObjectsOutput {
            name: Some(input.bucket),
            prefix: Some(naming.name(&input.prefix.unwrap_or_default())),
            marker: Some(naming.name(&input.marker.unwrap_or_default())),
            max_keys: Some(i32::try_from(max).unwrap_or(MAX_PAGE)),
            is_truncated: Some(truncated),
            next_marker: next,
            contents: Some(contents),
            common_prefixes: Some(common_prefixes),
            delimiter: naming.optional(input.delimiter),
            encoding_type: input.encoding_type,
            ..Default::default()
        }))
    }

    async fn create_multipart_upload(
        &self,
        req: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let CreateMultipartUploadInput { bucket, key, checksum_algorithm, checksum_type, .. } = req.input;
        check_key(&key)?;
        let description = Description {
            bucket: bucket.clone(),
            key: key.clone(),
            checksum: upload_checksum(checksum_algorithm.as_ref(), checksum_type.as_ref())?,
            headers: kept(&req.headers)?,
        };
        let checksum = description.checksum;
        let upload_id = self.with_store(move |store| store.create_upload(&description)).await?;
        Ok(S3Response::new(CreateMultipartUploadOutput {
            bucket: Some(bucket),
            key: Some(key),
            upload_id: Some(upload_id),
            checksum_algorithm: checksum
                .map(|(algorithm, _)| ChecksumAlgorithm::from_static(algorithm.name())),
            checksum_type: checksum.map(|(_, kind)| ChecksumType::from_static(kind.name())),
            ..Default::default()
        }))
    }

    async fn upload_part(&self, req: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
        let UploadPartInput { body, bucket, key, upload_id, part_number, content_length, .. } = req.input;
        check_part_number(part_number)?;
        let described = Described {
            length: content_length,
            headers: req.headers,
            trailers: req.trailing_headers,
            also: None,
        };
        let received = receive(&self.store, body, &described).await?;
        let record = self
            .with_store(move |store| {
                let upload = store.upload(&bucket, &key, &upload_id)?;
                store.put_part(&upload, part_number, received.temp, &received.content)
            })
            .await?;
        let mut output = UploadPartOutput::default();
        set_checksums!(output, record.facts);
        output.e_tag = Some(etag(&record.facts));
        Ok(S3Response::new(output))
    }

    async fn upload_part_copy(
        &self,
        req: S3Request<UploadPartCopyInput>,
    ) -> S3Result<S3Response<UploadPartCopyOutput>> {
        let input = req.input;
        check_part_number(input.part_number)?;
        let record = self.with_store(move |store| copy_part(store, input)).await?;
        let copy_part_result = Some(copy_part_result(&record));
        Ok(S3Response::new(UploadPartCopyOutput { copy_part_result, ..Default::default() }))
    }

    async fn complete_multipart_upload(
        &self,
        req: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let checksums = said(&req.headers);
        let CompleteMultipartUploadInput { bucket, key, upload_id, multipart_upload, .. } = req.input;
        let parts = multipart_upload.and_then(|named| named.parts).unwrap_or_default();
        let completion = Completion {
            parts: parts.into_iter().map(chosen).collect::<S3Result<_>>()?,
            checksums,
            checksum_type: req.input.checksum_type,
            size: req.input.mpu_object_size.and_then(|size| u64::try_from(size).ok()),
            condition: write_condition(req.input.if_match, req.input.if_none_match)?,
            min_part_bytes: self.min_part_bytes,
        };
        let location = Some(format!("/{bucket}/{key}"));
        let (of_bucket, of_key) = (bucket.clone(), key.clone());
        let record = self
            .with_store(move |store| {
                let upload = store.upload(&of_bucket, &of_key, &upload_id)?;
                store.complete(&upload, &completion)
            })
            .await?;
        let mut output =
            CompleteMultipartUploadOutput { bucket: Some(bucket), key: Some(key), ..Default::default() };
        set_checksums!(output, record.facts);
        output.checksum_type = Some(checksum_type(&record.facts));
        output.e_tag = Some(etag(&record.facts));
        output.location = location;
        Ok(S3Response::new(output))
    }

    async fn abort_multipart_upload(
        &self,
        req: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        let AbortMultipartUploadInput { bucket, key, upload_id, .. } = req.input;
        self.with_store(move |store| {
            let upload = store.upload(&bucket, &key, &upload_id)?;
            store.discard(&upload).map_err(failed("abort an upload"))
        })
        .await?;
        Ok(S3Response::new(AbortMultipartUploadOutput::default()))
    }

    async fn list_parts(&self, req: S3Request<ListPartsInput>) -> S3Result<S3Response<ListPartsOutput>> {
        let output = self.with_store(move |store| list_parts(store, req.input)).await?;
        Ok(S3Response::new(output))
    }

    async fn list_multipart_uploads(
        &self,
        req: S3Request<ListMultipartUploadsInput>,
    ) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
        let output = self.with_store(move |store| list_uploads(store, req.input)).await?;
        Ok(S3Response::new(output))
    }
}

impl Store {
    /// # Errors
    /// `InvalidBucketName`, `BucketAlreadyOwnedByYou`.
    pub(crate) fn create_bucket(&self, bucket: &str) -> S3Result {
        let folder = self.bucket_folder(bucket)?;
        match fs::create_dir(&folder) {
            Ok(()) => self.sync_parent(&folder).map_err(failed("make a bucket")),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(s3_error!(BucketAlreadyOwnedByYou, "there is a bucket {bucket:?} already"))
            }
            Err(error) => Err(failed("make a bucket")(error)),
        }
    }
}

fn list_buckets(store: &Store) -> S3Result<Vec<Bucket>> {
    let read = || -> io::Result<Vec<Bucket>> {
        let mut buckets = Vec::new();
        for entry in fs::read_dir(store.root())? {
            let entry = entry?;
            let name = entry
                .file_name()
                .to_str()
                .filter(|name| s3s::path::check_bucket_name(name))
                .map(str::to_owned);
            if let Some(name) = name
                && entry.path().is_dir()
            {
                let metadata = entry.metadata()?;
                // Not all file systems know when a folder was made.
                let made = metadata.created().or_else(|_| metadata.modified())?;
                let creation_date = Some(Timestamp::from(made));
                buckets.push(Bucket { name: Some(name), creation_date, ..Default::default() });
            }
        }
        buckets.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(buckets)
    };
    read().map_err(failed("list the buckets"))
}

pub(crate) fn list_objects(store: &Store, bucket: &str, query: &Query) -> S3Result<Page<Record>> {
    let folder = store.bucket(bucket)?;
    let mut walk = store.walks.begin(&folder, query).map_err(failed("list a bucket"))?;
    let page = page(&mut walk, query, |key, ()| store.describe(bucket, key).map_err(Failure::S3));
    let page = page.map_err(Failure::into_s3)?;
    if let Some(last) = page.items.last().filter(|_| page.truncated) {
        store.walks.keep(walk, last);
    }
    Ok(page)
}

/// What can go wrong while a page is read.
enum Failure {
    Io(io::Error),
    S3(S3Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Failure {
    fn into_s3(self) -> S3Error {
        match self {
            Self::Io(error) => failed("list a bucket")(error),
            Self::S3(error) => error,
        }
    }
}

fn lines(page: Page<Record>, naming: Naming) -> (Vec<Object>, Vec<CommonPrefix>) {
    let (mut contents, mut common_prefixes) = (Vec::new(), Vec::new());
    for item in page.items {
        match item {
            Item::Key(key, record) => contents.push(Object {
                key: Some(naming.name(&key)),
                size: Some(signed(record.generation.size)),
                e_tag: Some(etag(&record.facts)),
                last_modified: Some(modified(&record)),
                checksum_type: Some(checksum_type(&record.facts)),
                storage_class: Some(ObjectStorageClass::from_static(ObjectStorageClass::STANDARD)),
                ..Default::default()
            }),
            Item::CommonPrefix(prefix) => {
                common_prefixes.push(CommonPrefix { prefix: Some(naming.name(&prefix)) });
            }
        }
    }
    (contents, common_prefixes)
}

/// Where the next page begins. The first letter says what the last line of this one was.
fn token<T>(last: &Item<T>) -> String {
    let kind = match last {
        Item::Key(..) => 'k',
        Item::CommonPrefix(_) => 'p',
    };
    URL_SAFE_NO_PAD.encode(format!("{kind}{}", last.name()))
}

fn token_to_position(token: &str) -> S3Result<(Option<String>, bool)> {
    let decoded = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let position = decoded.as_deref().and_then(|text| match text.split_at_checked(1)? {
        ("k", key) => Some((Some(key.to_owned()), false)),
        ("p", prefix) => Some((Some(prefix.to_owned()), true)),
        _ => None,
    });
    position
        .ok_or_else(|| s3_error!(InvalidArgument, "the continuation token is not one that this store gave"))
}

fn page_size(asked: Option<i32>) -> S3Result<usize> {
    usize::try_from(asked.unwrap_or(MAX_PAGE).min(MAX_PAGE))
        .map_err(|error| s3_error!(error, InvalidArgument, "a page cannot have less than no lines"))
}

fn delete_objects(store: &Store, bucket: &str, delete: Delete) -> S3Result<DeleteObjectsOutput> {
    store.bucket(bucket)?;
    let quiet = delete.quiet.unwrap_or_default();
    let (mut deleted, mut errors) = (Vec::new(), Vec::new());
    for object in delete.objects {
        let condition = object.e_tag.map_or(Condition::Always, Condition::Is);
        match store.delete(bucket, &object.key, &condition) {
            Ok(()) if quiet => {}
            Ok(()) => deleted.push(DeletedObject { key: Some(object.key), ..Default::default() }),
            Err(error) => errors.push(Error {
                code: Some(error.code().as_str().to_owned()),
                message: error.message().map(str::to_owned),
                key: Some(object.key),
                version_id: None,
            }),
        }
    }
    Ok(DeleteObjectsOutput { deleted: Some(deleted), errors: Some(errors), ..Default::default() })
}

/// A `CopyObject` request.
struct Copy {
    source: (String, String),
    target: (String, String),
    source_conditions: ReadConditions,
    condition: Condition,
    /// Instead of the source's own.
    headers: Option<Headers>,
    algorithm: Option<Algorithm>,
}

impl Copy {
    fn new(req: &S3Request<CopyObjectInput>) -> S3Result<Self> {
        let input = &req.input;
        let source = copy_source(&input.copy_source)?;
        let target = (input.bucket.clone(), input.key.clone());
        let directive = input.metadata_directive.as_ref().map(MetadataDirective::as_str);
        let headers = match directive {
            Some(MetadataDirective::REPLACE) => Some(kept(&req.headers)?),
            _ if source == target => {
                return Err(s3_error!(
                    InvalidRequest,
                    "copying an object to itself must replace its metadata"
                ));
            }
            _ => None,
        };
        // The API has had these since 2025; the crate that reads requests does not know them yet.
        let header = |name: &str| {
            let parse = |value: &http::HeaderValue| ETagCondition::parse_http_header(value.as_bytes());
            let parsed = req.headers.get(name).map(parse).transpose();
            parsed.map_err(|error| s3_error!(error, InvalidArgument, "{name} is not an ETag or *"))
        };
        Ok(Self {
            source,
            target,
            source_conditions: ReadConditions {
                if_match: input.copy_source_if_match.clone(),
                if_none_match: input.copy_source_if_none_match.clone(),
                if_modified_since: input.copy_source_if_modified_since.clone(),
                if_unmodified_since: input.copy_source_if_unmodified_since.clone(),
            },
            condition: write_condition(header("if-match")?, header("if-none-match")?)?,
            headers,
            algorithm: input.checksum_algorithm.as_ref().map(Algorithm::parse).transpose()?,
        })
    }
}

fn copy_object(store: &Store, copy: &Copy) -> S3Result<Record> {
    let mut found = store.find(&copy.source.0, &copy.source.1)?;
    copy.source_conditions.check_source(&found.record)?;
    let target = (copy.target.0.as_str(), copy.target.1.as_str());
    // Again when it is put in place; here to spare the copy.
    store.check(target, &copy.condition)?;
    let (temp, mut facts) = copied(store, &mut found, copy.algorithm).map_err(failed("copy an object"))?;
    facts.headers = copy.headers.clone().unwrap_or(found.record.facts.headers);
    store.commit(target, temp, &facts, &copy.condition)
}

/// Copies an object's bytes. They are hashed only if what is known of them is not what S3 says of a copy.
fn copied(store: &Store, found: &mut Found, algorithm: Option<Algorithm>) -> io::Result<(TempFile, Facts)> {
    let Record { generation, facts } = &found.record;
    let of_parts = facts.etag.contains('-') || facts.checksum_kind == Kind::Composite;
    let known = algorithm.is_none_or(|algorithm| facts.checksums.get(algorithm).is_some());
    if of_parts || !known {
        let digests = Digests::new(algorithm);
        let (temp, digests) = store.copy_hashing(&mut found.file, (0, generation.size), digests)?;
        let content = digests.finish();
        let facts = Facts {
            etag: hex::encode(content.md5),
            checksums: content.checksums,
            checksum_kind: Kind::FullObject,
            headers: Headers::default(),
        };
        return Ok((temp, facts));
    }
    let mut temp = store.session.file()?;
    found.file.rewind()?;
    if io::copy(&mut found.file, temp.file())? != generation.size {
        return Err(io::Error::other("the object changed while it was copied"));
    }
    Ok((temp, facts.clone()))
}

fn copy_part(store: &Store, input: UploadPartCopyInput) -> S3Result<Record> {
    let source = copy_source(&input.copy_source)?;
    let mut found = store.find(&source.0, &source.1)?;
    let conditions = ReadConditions {
        if_match: input.copy_source_if_match,
        if_none_match: input.copy_source_if_none_match,
        if_modified_since: input.copy_source_if_modified_since,
        if_unmodified_since: input.copy_source_if_unmodified_since,
    };
    conditions.check_source(&found.record)?;
    let (start, length) = copied_range(input.copy_source_range.as_deref(), found.record.generation.size)?;
    // Which checksum is wanted is the upload's to say. It is not kept open while the bytes are copied, so that
    // other parts can come in.
    let wanted = store.upload(&input.bucket, &input.key, &input.upload_id)?.description.checksum;
    let digests = Digests::new(wanted.map(|(algorithm, _)| algorithm));
    let (temp, digests) =
        store.copy_hashing(&mut found.file, (start, length), digests).map_err(failed("copy a part"))?;
    let upload = store.upload(&input.bucket, &input.key, &input.upload_id)?;
    store.put_part(&upload, input.part_number, temp, &digests.finish())
}

/// S3 takes only `bytes=first-last` here, wholly within the source.
fn copied_range(range: Option<&str>, size: u64) -> S3Result<(u64, u64)> {
    let Some(range) = range else { return Ok((0, size)) };
    match Range::parse(range) {
        Ok(Range::Int { first, last: Some(last) }) if last < size => Ok((first, last - first + 1)),
        Ok(Range::Int { last: Some(_), .. }) => {
            Err(s3_error!(InvalidRange, "the range is not within the source's {size} bytes"))
        }
        _ => Err(s3_error!(InvalidArgument, "x-amz-copy-source-range must be bytes=first-last")),
    }
}

fn copy_source(source: &CopySource) -> S3Result<(String, String)> {
    match source {
        CopySource::Bucket { bucket, key, version_id: None } => Ok((bucket.to_string(), key.to_string())),
        _ => Err(s3_error!(NotImplemented, "only an object's present version in a bucket can be copied")),
    }
}

fn upload_checksum(
    algorithm: Option<&ChecksumAlgorithm>,
    kind: Option<&ChecksumType>,
) -> S3Result<Option<(Algorithm, Kind)>> {
    match (algorithm, kind) {
        (None, None) => Ok(None),
        (None, Some(_)) => Err(s3_error!(InvalidRequest, "a checksum type needs a checksum algorithm")),
        (Some(algorithm), kind) => {
            let algorithm = Algorithm::parse(algorithm)?;
            Ok(Some((algorithm, Kind::of(algorithm, kind)?)))
        }
    }
}

fn chosen(part: CompletedPart) -> S3Result<Chosen> {
    let mut checksums = Checksums::default();
    checksums.set(Algorithm::Crc32, part.checksum_crc32);
    checksums.set(Algorithm::Crc32c, part.checksum_crc32c);
    checksums.set(Algorithm::Crc64nvme, part.checksum_crc64nvme);
    checksums.set(Algorithm::Sha1, part.checksum_sha1);
    checksums.set(Algorithm::Sha256, part.checksum_sha256);
    let number = part.part_number.ok_or_else(|| s3_error!(MalformedXML, "a part has no number"))?;
    let etag = part.e_tag.ok_or_else(|| s3_error!(MalformedXML, "part {number} has no ETag"))?;
    Ok(Chosen { number, etag: etag.into_value(), checksums })
}

fn list_parts(store: &Store, input: ListPartsInput) -> S3Result<ListPartsOutput> {
    let max = page_size(input.max_parts)?;
    let after = input.part_number_marker.unwrap_or_default();
    let upload = store.upload(&input.bucket, &input.key, &input.upload_id)?;
    let parts = upload.parts()?;
    let mut rest = parts.into_iter().filter(|(number, _)| *number > after);
    let shown: Vec<Part> = rest.by_ref().take(max).map(part_line).collect();
    let truncated = max > 0 && rest.next().is_some();
    let checksum = upload.description.checksum;
    Ok(ListPartsOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(input.upload_id),
        max_parts: i32::try_from(max).ok(),
        part_number_marker: Some(after),
        next_part_number_marker: shown.last().filter(|_| truncated).and_then(|part| part.part_number),
        is_truncated: Some(truncated),
        parts: Some(shown),
        checksum_algorithm: checksum.map(|(algorithm, _)| ChecksumAlgorithm::from_static(algorithm.name())),
        checksum_type: checksum.map(|(_, kind)| ChecksumType::from_static(kind.name())),
        storage_class: Some(StorageClass::from_static(StorageClass::STANDARD)),
        ..Default::default()
    })
}

fn part_line((number, record): (i32, Record)) -> Part {
    let mut part = Part::default();
    set_checksums!(part, record.facts);
    part.part_number = Some(number);
    part.size = Some(signed(record.generation.size));
    part.e_tag = Some(etag(&record.facts));
    part.last_modified = Some(modified(&record));
    part
}

fn list_uploads(store: &Store, input: ListMultipartUploadsInput) -> S3Result<ListMultipartUploadsOutput> {
    let max = page_size(input.max_uploads)?;
    let naming = Naming::new(input.encoding_type.as_ref());
    let query = Query {
        prefix: input.prefix.clone().unwrap_or_default(),
        delimiter: input.delimiter.clone(),
        max,
        ..Query::default()
    };
    let key_marker = input.key_marker.clone().unwrap_or_default();
    let id_marker = input.upload_id_marker.clone().unwrap_or_default();
    let shown_prefix =
        input.delimiter.as_ref().is_some_and(|end| !end.is_empty() && key_marker.ends_with(end));
    let found = store.uploads(&input.bucket, &query.prefix)?;
    let mut keys: VecDeque<_> = found
        .into_iter()
        .map(|upload| (upload.description.key.clone(), upload))
        .filter(|(key, upload)| match key.cmp(&key_marker) {
            std::cmp::Ordering::Less => false,
            std::cmp::Ordering::Equal => !id_marker.is_empty() && upload.id > id_marker,
            std::cmp::Ordering::Greater => !(shown_prefix && key.starts_with(&key_marker)),
        })
        .collect();
    let page = page(&mut keys, &query, |_, upload| Ok::<_, io::Error>(Some(upload)))
        .map_err(failed("list uploads"))?;
    let last = page.items.last().filter(|_| page.truncated);
    let next_key_marker = last.map(|item| naming.name(item.name()));
    let next_upload_id_marker = last.and_then(|item| match item {
        Item::Key(_, upload) => Some(upload.id.clone()),
        Item::CommonPrefix(_) => None,
    });
    let truncated = page.truncated;
    let (mut uploads, mut common_prefixes) = (Vec::new(), Vec::new());
    for item in page.items {
        match item {
            Item::Key(key, upload) => uploads.push(MultipartUpload {
                key: Some(naming.name(&key)),
                initiated: Some(Timestamp::from(begun(&upload.id))),
                upload_id: Some(upload.id),
                storage_class: Some(StorageClass::from_static(StorageClass::STANDARD)),
                ..Default::default()
            }),
            Item::CommonPrefix(prefix) => {
                common_prefixes.push(CommonPrefix { prefix: Some(naming.name(&prefix)) });
            }
        }
    }
    Ok(ListMultipartUploadsOutput {
        bucket: Some(input.bucket),
        prefix: naming.optional(input.prefix),
        delimiter: naming.optional(input.delimiter),
        key_marker: Some(naming.name(&key_marker)),
        upload_id_marker: input.upload_id_marker,
        next_key_marker,
        next_upload_id_marker,
        max_uploads: i32::try_from(max).ok(),
        is_truncated: Some(truncated),
        uploads: Some(uploads),
        common_prefixes: Some(common_prefixes),
        encoding_type: input.encoding_type,
        ..Default::default()
    })
}

fn write_condition(
    if_match: Option<ETagCondition>,
    if_none_match: Option<ETagCondition>,
) -> S3Result<Condition> {
    match (if_match, if_none_match) {
        (None, None) => Ok(Condition::Always),
        (Some(ETagCondition::Any), None) => Ok(Condition::Present),
        (Some(ETagCondition::ETag(etag)), None) => Ok(Condition::Is(etag)),
        (None, Some(ETagCondition::Any)) => Ok(Condition::Absent),
        // S3 too has no more than these.
        (None, Some(ETagCondition::ETag(_))) => Err(s3_error!(NotImplemented, "If-None-Match must be *")),
        (Some(_), Some(_)) => Err(s3_error!(NotImplemented, "If-Match and If-None-Match exclude each other")),
    }
}

fn check_key(key: &str) -> S3Result {
    if key.is_empty() { Err(s3_error!(InvalidArgument, "the key is empty")) } else { Ok(()) }
}

fn check_part_number(number: i32) -> S3Result {
    if (1..=MAX_PARTS).contains(&number) {
        Ok(())
    } else {
        Err(s3_error!(InvalidArgument, "part numbers are 1 to {MAX_PARTS}, not {number}"))
    }
}

fn refuse_part_number(number: Option<i32>) -> S3Result {
    match number {
        None => Ok(()),
        Some(_) => Err(s3_error!(NotImplemented, "reading an object by part number is not implemented")),
    }
}
