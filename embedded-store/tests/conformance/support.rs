//! A store on a temporary folder, and clients of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Builder, Credentials as ClientCredentials, Region, RequestChecksumCalculation,
};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use embedded_store::{Credentials, EmbeddedStore, Handle, Intercept, Options};
use secrecy::ExposeSecret as _;
use tempfile::TempDir;

pub(crate) const BUCKET: &str = "landing";

/// The least that S3 takes for a part that is not the last.
pub(crate) const PART: usize = 5 << 20;

pub(crate) struct Served {
    dir: Arc<TempDir>,
    pub(crate) store: EmbeddedStore,
    pub(crate) handle: Handle,
    pub(crate) credentials: Credentials,
    pub(crate) client: Client,
}

impl Served {
    /// A store with an empty bucket, [`BUCKET`].
    pub(crate) async fn start() -> Self {
        Self::with(Arc::new(tempfile::tempdir().unwrap()), None).await
    }

    pub(crate) async fn intercepted(intercept: Arc<dyn Intercept>) -> Self {
        Self::with(Arc::new(tempfile::tempdir().unwrap()), Some(intercept)).await
    }

    /// Another store on the same folder, as a second process would have it.
    pub(crate) async fn beside(&self) -> Self {
        Self::with(Arc::clone(&self.dir), None).await
    }

    /// Stops, and starts again on the same folder.
    pub(crate) async fn restart(self) -> Self {
        let Self { dir, store, handle, .. } = self;
        handle.shutdown().await;
        drop(store);
        Self::with(dir, None).await
    }

    async fn with(dir: Arc<TempDir>, intercept: Option<Arc<dyn Intercept>>) -> Self {
        let store = EmbeddedStore::open(dir.path(), Options { fsync: false, intercept }).unwrap();
        store.ensure_bucket(BUCKET).unwrap();
        let credentials = Credentials::random();
        let handle = store.serve(0, &credentials).await.unwrap();
        let client = Client::from_conf(config(&handle, &credentials).build());
        Self { dir, store, handle, credentials, client }
    }

    /// A client that sends checksums only where it must.
    pub(crate) fn client_without_checksums(&self) -> Client {
        let config = config(&self.handle, &self.credentials);
        Client::from_conf(
            config.request_checksum_calculation(RequestChecksumCalculation::WhenRequired).build(),
        )
    }

    pub(crate) fn folder(&self) -> &Path {
        self.dir.path()
    }

    /// Where an object with a plain key is.
    pub(crate) fn file(&self, key: &str) -> PathBuf {
        self.dir.path().join(BUCKET).join(key)
    }

    pub(crate) async fn put(&self, key: &str, body: impl Into<Vec<u8>>) -> String {
        put(&self.client, key, body).await
    }

    pub(crate) async fn get(&self, key: &str) -> Vec<u8> {
        get(&self.client, key).await
    }

    pub(crate) async fn keys(&self) -> Vec<String> {
        let listed = self.client.list_objects_v2().bucket(BUCKET).send().await.unwrap();
        listed.contents().iter().map(|object| object.key().unwrap().to_owned()).collect()
    }

    pub(crate) async fn begin(&self, key: &str) -> String {
        begin(&self.client, key).await
    }

    pub(crate) async fn part(&self, key: &str, id: &str, number: i32, body: Vec<u8>) -> CompletedPart {
        let sent = self.client.upload_part().bucket(BUCKET).key(key).upload_id(id).part_number(number);
        let sent = sent.body(ByteStream::from(body)).send().await.unwrap();
        CompletedPart::builder()
            .part_number(number)
            .e_tag(sent.e_tag().unwrap())
            .set_checksum_crc32(sent.checksum_crc32().map(str::to_owned))
            .build()
    }
}

pub(crate) fn config(handle: &Handle, credentials: &Credentials) -> Builder {
    let secret = credentials.secret_access_key.expose_secret();
    aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .endpoint_url(handle.endpoint())
        .force_path_style(true)
        .credentials_provider(ClientCredentials::new(&credentials.access_key_id, secret, None, None, "test"))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .retry_config(RetryConfig::disabled())
}

pub(crate) async fn put(client: &Client, key: &str, body: impl Into<Vec<u8>>) -> String {
    let body = ByteStream::from(body.into());
    let put = client.put_object().bucket(BUCKET).key(key).body(body).send().await.unwrap();
    put.e_tag().unwrap().to_owned()
}

pub(crate) async fn get(client: &Client, key: &str) -> Vec<u8> {
    let got = client.get_object().bucket(BUCKET).key(key).send().await.unwrap();
    got.body.collect().await.unwrap().to_vec()
}

pub(crate) async fn begin(client: &Client, key: &str) -> String {
    let begun = client.create_multipart_upload().bucket(BUCKET).key(key).send().await.unwrap();
    begun.upload_id().unwrap().to_owned()
}

pub(crate) fn parts(parts: impl IntoIterator<Item = CompletedPart>) -> CompletedMultipartUpload {
    CompletedMultipartUpload::builder().set_parts(Some(parts.into_iter().collect())).build()
}

/// The error code that the store answered; its status, where the answer has no body.
pub(crate) fn code<T: std::fmt::Debug, E: ProvideErrorMetadata + std::fmt::Debug>(
    result: Result<T, SdkError<E>>,
) -> String {
    let error = result.unwrap_err();
    let status = error.raw_response().map(|response| response.status().as_u16().to_string());
    error.code().map(str::to_owned).or(status).unwrap_or_else(|| format!("{error:?}"))
}

/// Bytes that do not repeat within a part.
pub(crate) fn data(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    fastrand::Rng::with_seed(seed).fill(&mut bytes);
    bytes
}

/// Every file below a folder.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found
}
