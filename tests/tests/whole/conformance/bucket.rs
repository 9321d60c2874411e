//! Where a check is made: a bucket of its own, seen by landfall's own `Store` and by the bare client.

use std::sync::atomic::{AtomicU64, Ordering};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation,
};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;
use futures::TryStreamExt as _;
use landfall_store::{Part, Store};
use landfall_tests::elsewhere::{At, Foreign};

/// What every store takes for a part that is not the last: OCI's own API wants the most.
pub(crate) const PART: usize = 10 << 20;
/// The least that S3 takes for one.
pub(crate) const MIN_PART: usize = 5 << 20;

/// Tells the buckets of one run of the tests apart.
static BUCKETS: AtomicU64 = AtomicU64::new(0);

/// Where a check is made.
#[derive(Debug, Clone)]
pub(crate) struct TestBucket {
    /// Its bucket, once it is made.
    pub(crate) at: At,
}

impl TestBucket {
    pub(crate) fn of(store: &Foreign, check: &str) -> Self {
        let number = BUCKETS.fetch_add(1, Ordering::Relaxed);
        let words: String = check.chars().filter(char::is_ascii_lowercase).take(20).collect();
        let random = fastrand::u32(..);
        let at = At {
            bucket: format!("c{number}-{words}-{random:08x}"),
            endpoint: store.endpoint.clone(),
            access_key_id: store.access_key_id.clone(),
            secret_access_key: store.secret_access_key.clone(),
            oci_region: None,
            profile: store.profile.clone(),
        };
        Self { at }
    }

    /// The same store's bucket with another name.
    pub(crate) fn beside(&self, name: &str) -> Self {
        Self { at: At { bucket: format!("{}-{name}", self.at.bucket), ..self.at.clone() } }
    }

    pub(crate) fn bucket(&self) -> &str {
        &self.at.bucket
    }

    /// Makes the bucket, and opens it.
    pub(crate) async fn open(&self) -> Opened {
        let client = self.client(&self.at.secret_access_key);
        client.create_bucket().bucket(&self.at.bucket).send().await.expect("a bucket");
        Opened { bucket: self.at.bucket.clone(), store: self.store().await, client }
    }

    pub(crate) async fn store(&self) -> Store {
        Store::open(&self.at.bucket, &self.at.settings()).await
    }

    /// A client that sends what it is told to, once.
    pub(crate) fn client(&self, secret: &str) -> Client {
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url(&self.at.endpoint)
            .force_path_style(true)
            .http_client(landfall_store::aws::http_client())
            .credentials_provider(Credentials::new(&self.at.access_key_id, secret, None, None, "test"))
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .retry_config(RetryConfig::disabled());
        Client::from_conf(config.build())
    }
}

/// A bucket that is there.
#[derive(Debug, Clone)]
pub(crate) struct Opened {
    pub(crate) bucket: String,
    pub(crate) store: Store,
    pub(crate) client: Client,
}

impl Opened {
    pub(crate) async fn put(&self, key: &str, bytes: impl Into<Bytes>) -> String {
        use landfall_store::{Condition, Written};
        match self.store.put(key, bytes.into(), Condition::Always).await.expect("a put") {
            Written::Done(etag) => etag,
            Written::NotWritten => panic!("{key} is not written"),
        }
    }

    /// What is there; nothing is there, and none.
    pub(crate) async fn get(&self, key: &str) -> Option<Vec<u8>> {
        let object = self.store.read(key, u64::MAX).await.expect("a read");
        object.map(|object| object.bytes.to_vec())
    }

    pub(crate) async fn range(&self, key: &str, etag: &str, range: std::ops::Range<u64>) -> Vec<u8> {
        let body = self.store.read_range(key, etag, range).await.expect("a range");
        let pieces: Vec<Bytes> = body.try_collect().await.expect("a range's bytes");
        pieces.concat()
    }

    pub(crate) async fn keys(&self, prefix: &str) -> Vec<String> {
        self.store.list(prefix).map_ok(|object| object.key).try_collect().await.expect("a list")
    }
}

/// Parts as a completion names them, without checksums.
pub(crate) fn named<'a>(parts: impl IntoIterator<Item = &'a Part>) -> CompletedMultipartUpload {
    let named = parts
        .into_iter()
        .map(|part| CompletedPart::builder().part_number(part.number).e_tag(&part.etag).build());
    CompletedMultipartUpload::builder().set_parts(Some(named.collect())).build()
}

/// The error code that the store answered; its status, where the answer has none.
pub(crate) fn code<T, E: ProvideErrorMetadata>(result: Result<T, SdkError<E>>) -> String {
    let Err(error) = result else { return "taken".to_owned() };
    let status = error.raw_response().map_or(0, |response| response.status().as_u16());
    error.code().map_or_else(|| status.to_string(), str::to_owned)
}

/// Bytes that do not repeat within a part.
pub(crate) fn data(seed: u64, length: usize) -> Bytes {
    let mut bytes = vec![0; length];
    fastrand::Rng::with_seed(seed).fill(&mut bytes);
    bytes.into()
}
