#![doc = include_str!("../README.md")]

pub mod aws;
mod budget;
pub mod checksum;
mod error;
mod list;
mod object;
mod oci;
mod parts;
mod range;
mod s3;
mod settings;
mod upload;

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt as _;
use futures::stream::BoxStream;
use landfall_http::clock::{Clock, SystemClock};

use crate::checksum::Crc64Nvme;
use crate::error::Result;
use crate::oci::OciBucket;
use crate::s3::S3Bucket;

pub use budget::{ByteBudget, PartBuffer};
pub use checksum::ObjectDigest;
pub use error::StoreError;
pub use object::{Condition, Object, ObjectInfo, Part, UnfinishedUpload, Written};
pub use oci::{BucketRules, OciSettings, Tenancy};
pub use parts::{MAX_BYTES_UNANNOUNCED, MIN_PART_BYTES, OCI_PART_BYTES, PART_BYTES, may_be_of_parts};
pub use s3::{ChecksumKind, ChecksumSetting, Dialect};
pub use settings::StoreSettings;
pub use upload::{ObjectWriter, Sealed};

/// A bucket, and how to reach it.
#[derive(Debug, Clone)]
pub struct Store {
    bucket: String,
    service: Service,
}

/// Whose bucket it is.
#[derive(Debug, Clone)]
enum Service {
    S3(S3Bucket),
    Oci(OciBucket),
}

/// What whichever bucket it is does.
macro_rules! either {
    ($store:expr, $bucket:ident => $does:expr) => {
        match &$store.service {
            Service::S3($bucket) => $does,
            Service::Oci($bucket) => $does,
        }
    };
}

impl Store {
    /// Opens a bucket. Nothing is called yet.
    pub async fn open(bucket: &str, settings: &StoreSettings) -> Store {
        Self::open_at(bucket, settings, Arc::new(SystemClock)).await
    }

    /// The same by another clock, which OCI's signatures and waits go by.
    pub async fn open_at(bucket: &str, settings: &StoreSettings, clock: Arc<dyn Clock>) -> Store {
        let service = match &settings.oci {
            Some(oci) => Service::Oci(OciBucket::new(bucket, oci, clock)),
            None => Service::S3(Box::pin(S3Bucket::open(bucket, settings)).await),
        };
        Self { bucket: bucket.to_owned(), service }
    }

    /// The bucket's name.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// Whether both are reached by the same endpoint with the same credentials, so that one can copy from the other.
    pub fn is_one_store_with(&self, other: &Store) -> bool {
        match (&self.service, &other.service) {
            (Service::S3(this), Service::S3(other)) => this.identity() == other.identity(),
            // It copies no range, and whole objects in its own time: nothing is gained by that.
            _ => false,
        }
    }

    /// Whether it is OCI Object Storage, by whichever API it is called.
    pub fn is_oci(&self) -> bool {
        match &self.service {
            Service::S3(bucket) => bucket.dialect() == Dialect::Oci,
            Service::Oci(_) => true,
        }
    }

    /// Who calls and where to, of a bucket that is called by OCI's own API: finds it out first.
    pub async fn tenancy(&self) -> Option<Result<Tenancy>> {
        match &self.service {
            Service::S3(_) => None,
            Service::Oci(bucket) => Some(bucket.tenancy().await),
        }
    }

    /// What a bucket that is called by OCI's own API does with objects by itself.
    pub async fn bucket_rules(&self) -> Option<Result<BucketRules>> {
        match &self.service {
            Service::S3(_) => None,
            Service::Oci(bucket) => Some(bucket.rules().await),
        }
    }

    /// The size of the parts of an object of a size, where that is known: what the object needs where that is less than
    /// a part, and more than usual where 10,000 of the usual parts would not hold it.
    pub fn part_bytes(&self, object_bytes: Option<u64>) -> usize {
        let usual = match &self.service {
            Service::S3(bucket) => bucket.dialect().part_bytes(),
            Service::Oci(_) => OCI_PART_BYTES,
        };
        parts::part_bytes(usual, object_bytes)
    }

    /// An object as messages name it: bucket and key.
    pub fn object(&self, key: &str) -> String {
        match &self.service {
            Service::S3(_) => format!("s3://{}/{key}", self.bucket),
            Service::Oci(_) => format!("oci://{}/{key}", self.bucket),
        }
    }

    /// What is there under a key.
    pub async fn head(&self, key: &str) -> Result<Option<ObjectInfo>> {
        either!(self, bucket => bucket.head(key).await)
    }

    /// Reads a small object whole; one larger than `max` bytes is refused.
    pub async fn read(&self, key: &str, max: u64) -> Result<Option<Object>> {
        either!(self, bucket => bucket.read(key, max).await)
    }

    /// Writes a small object in one call.
    pub async fn put(&self, key: &str, bytes: Bytes, condition: Condition<'_>) -> Result<Written> {
        either!(self, bucket => bucket.put(key, bytes, condition).await)
    }

    /// What the store holds bytes against before it takes them, as far as is known.
    pub fn checksum(&self) -> ChecksumKind {
        match &self.service {
            Service::S3(bucket) => bucket.checksum(),
            Service::Oci(_) => ChecksumKind::Crc32c,
        }
    }

    /// Whether the store itself holds the conditions of writes, as far as is known: it does until it has refused to.
    pub fn holds_conditions(&self) -> bool {
        match &self.service {
            Service::S3(bucket) => bucket.holds_conditions(),
            Service::Oci(_) => true,
        }
    }

    /// Copies an object inside the store, if it still has this `ETag`. Objects of over 5 GiB are copied by parts.
    ///
    /// # Errors
    /// [`StoreError::NotImplemented`] from a store that cannot.
    pub async fn copy(&self, from: &Store, source: &ObjectInfo, key: &str) -> Result<()> {
        match (&self.service, &from.service) {
            (Service::S3(bucket), Service::S3(from)) => bucket.copy(from, source, key).await,
            _ => Err(self.without_copies("CopyObject", key)),
        }
    }

    /// Whether the store copies objects, as far as is known: it does until it has refused to.
    pub fn copies_objects(&self) -> bool {
        match &self.service {
            Service::S3(bucket) => bucket.copies_objects(),
            Service::Oci(_) => false,
        }
    }

    /// Copies a range of an object inside the store into a part of an upload (key and id), if the object still has
    /// this `ETag`.
    async fn copy_part(
        &self,
        upload: (&str, &str),
        number: i32,
        (from, source): (&Store, &ObjectInfo),
        range: Range<u64>,
    ) -> Result<Part> {
        match (&self.service, &from.service) {
            (Service::S3(bucket), Service::S3(from)) => {
                bucket.copy_part(upload, number, (from, source), range).await
            }
            _ => Err(self.without_copies("UploadPartCopy", upload.0)),
        }
    }

    /// Whether the store makes objects of ranges of others, as far as is known: it does until it has refused to.
    pub fn copies_ranges(&self) -> bool {
        match &self.service {
            Service::S3(bucket) => bucket.copies_ranges(),
            Service::Oci(_) => false,
        }
    }

    /// Remembers that the store does not say what it has copied.
    fn without_range_copies(&self, key: &str) -> StoreError {
        match &self.service {
            Service::S3(bucket) => {
                bucket.without_range_copies(key, "it does not say what it has copied".into())
            }
            Service::Oci(_) => self.without_copies("UploadPartCopy", key),
        }
    }

    fn without_copies(&self, operation: &'static str, key: &str) -> StoreError {
        let source = "nothing is copied between these stores".into();
        StoreError::NotImplemented { operation, object: self.object(key), source }
    }

    /// Deletes an object; one that is not there is no error.
    pub async fn delete(&self, key: &str) -> Result<()> {
        either!(self, bucket => bucket.delete(key).await)
    }

    /// Begins a multipart upload.
    pub async fn create_upload(&self, key: &str) -> Result<String> {
        either!(self, bucket => bucket.create_upload(key).await)
    }

    /// Uploads one part. The store verifies its checksum.
    pub async fn upload_part(&self, key: &str, upload_id: &str, number: i32, bytes: Bytes) -> Result<Part> {
        let crc64nvme = Crc64Nvme::of(&bytes);
        self.upload_hashed_part((key, upload_id), number, bytes, crc64nvme).await
    }

    /// The same for bytes whose checksum is known.
    pub(crate) async fn upload_hashed_part(
        &self,
        upload: (&str, &str),
        number: i32,
        bytes: Bytes,
        crc64nvme: Crc64Nvme,
    ) -> Result<Part> {
        either!(self, bucket => bucket.upload_part(upload, number, bytes, crc64nvme).await)
    }

    /// Makes the parts of an upload one object. Where the checksum of every part is known, the store verifies that
    /// of the whole object, if it has checksums of whole objects.
    pub async fn complete(
        &self,
        key: &str,
        upload_id: &str,
        parts: &[Part],
        condition: Condition<'_>,
    ) -> Result<Written> {
        either!(self, bucket => bucket.complete(key, upload_id, parts, condition).await)
    }

    /// Gives an upload up; one that is gone already is no error.
    pub async fn abort_upload(&self, key: &str, upload_id: &str) -> Result<()> {
        either!(self, bucket => bucket.abort_upload(key, upload_id).await)
    }

    /// The parts that the store has of an upload: number, `ETag` and size of each; `None` where the upload is gone, or where
    /// the store does not tell: it is begun anew either way.
    pub async fn list_parts(&self, key: &str, upload_id: &str) -> Result<Option<Vec<(i32, String, u64)>>> {
        either!(self, bucket => bucket.list_parts(key, upload_id).await)
    }

    /// Whether the store lists unfinished uploads, as far as is known: it does until it has refused to.
    pub fn lists_uploads(&self) -> bool {
        match &self.service {
            Service::S3(bucket) => bucket.lists_uploads(),
            Service::Oci(_) => true,
        }
    }

    /// The unfinished uploads below a prefix; none from a store that does not list them, where what is left of them is for
    /// a lifecycle rule.
    pub async fn list_uploads(&self, prefix: &str) -> Result<Vec<UnfinishedUpload>> {
        either!(self, bucket => bucket.list_uploads(prefix).await)
    }

    /// The objects below a prefix, in the order of their keys, by the page.
    fn pages(&self, prefix: &str) -> BoxStream<'_, Result<Vec<ObjectInfo>>> {
        either!(self, bucket => bucket.pages(prefix))
    }

    /// The folders right below a prefix, whole and with a slash behind each, by the page.
    fn folder_pages(&self, prefix: &str) -> BoxStream<'_, Result<Vec<String>>> {
        either!(self, bucket => bucket.folder_pages(prefix))
    }

    /// The bytes of a range of an object that must still have this `ETag`, as they come.
    async fn range(
        &self,
        key: &str,
        etag: &str,
        range: &Range<u64>,
    ) -> Result<BoxStream<'static, Result<Bytes>>> {
        either!(self, bucket => bucket.range(key, etag, range).await)
    }

    /// Gives up the unfinished uploads below a prefix whose keys `is_settled` says nobody writes any more: dead
    /// invocations left them. One that is alive after all is told to call again, and then finds how things stand.
    pub async fn abort_uploads(&self, prefix: &str, is_settled: impl Fn(&str) -> bool) -> Result<()> {
        for upload in self.list_uploads(prefix).await?.into_iter().filter(|upload| is_settled(&upload.key)) {
            tracing::info!(object.key = upload.key, "an unfinished multipart upload is aborted");
            self.abort_upload(&upload.key, &upload.upload_id).await?;
        }
        Ok(())
    }

    /// Holds the object that is there against the bytes that should be: the same is fine, anything else is not. Returns
    /// its `ETag`.
    pub async fn expect(&self, key: &str, expected: ObjectDigest) -> Result<String> {
        let found = self.head(key).await?;
        // Whoever wrote it has taken it away again: trying once more may find either.
        let found = found.ok_or_else(|| StoreError::body("HeadObject", self.object(key), Gone))?;
        let crc64nvme = match found.crc64nvme {
            Some(crc) => crc,
            None if found.size == expected.size => self.read_crc(&found).await?,
            None => Crc64Nvme::from(0u64),
        };
        let etag = found.etag;
        let found = ObjectDigest { size: found.size, crc64nvme };
        if found == expected {
            return Ok(etag);
        }
        Err(StoreError::Occupied {
            object: self.object(key),
            expected: expected.to_string(),
            found: found.to_string(),
        })
    }

    async fn read_crc(&self, object: &ObjectInfo) -> Result<Crc64Nvme> {
        let mut hasher = crate::checksum::Hasher::new(false);
        let mut body = self.read_range(&object.key, &object.etag, 0..object.size).await?;
        while let Some(bytes) = body.try_next().await? {
            hasher.update(&bytes);
        }
        Ok(hasher.finish().crc64nvme)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the object was written, but is not there")]
struct Gone;
