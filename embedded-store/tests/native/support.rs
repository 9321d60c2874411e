//! A store that serves OCI's own API, and a client that signs for it.

use std::sync::Arc;

use bytes::Bytes;
use embedded_store::{Credentials, EmbeddedStore, Handle, OciAccess, Options};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use landfall_http::auth::oci::testing::{self, api_key};
use landfall_http::auth::oci::{Principal, PrincipalSettings};
use landfall_http::clock::{Clock, ManualClock, SystemClock};
use landfall_http::{Client, HostPolicy, HttpSettings, Request};
use serde_json::Value;
use tempfile::TempDir;
use url::Url;

pub(crate) const NAMESPACE: &str = "axexample";
pub(crate) const BUCKET: &str = "lake";

pub(crate) struct Served {
    pub(crate) folder: TempDir,
    pub(crate) handle: Handle,
    client: Client,
    principal: Arc<Principal>,
    base: Url,
}

/// What was answered.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Told {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Status and code, as whoever reads a refusal sees them.
    pub(crate) fn refusal(&self) -> (u16, String) {
        (self.status, self.json()["code"].as_str().unwrap().to_owned())
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn etag(&self) -> String {
        self.header("etag").to_owned()
    }
}

impl Served {
    /// A store with an empty bucket, [`BUCKET`].
    pub(crate) async fn start() -> Self {
        Self::by(Arc::new(SystemClock)).await
    }

    /// The same, whose client signs by another clock.
    pub(crate) async fn off_by(seconds: i64) -> Self {
        let at = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seconds);
        Self::by(Arc::new(ManualClock::new(at))).await
    }

    async fn by(clock: Arc<dyn Clock>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key_id = format!("{}/{}/{}", testing::TENANCY, testing::USER, testing::fingerprint());
        let access = OciAccess::new(NAMESPACE, &key_id, &testing::public_pem()).unwrap();
        let options = Options { fsync: false, ..Options::default() };
        let store = EmbeddedStore::open(folder.path().join("data"), options).unwrap().with_oci(access);
        store.ensure_bucket(BUCKET).unwrap();
        let handle = store.serve(0, &Credentials::random()).await.unwrap();
        let principal = Principal::open(&profile(&folder), Arc::clone(&clock)).await.unwrap();
        let base: Url = handle.endpoint().parse().unwrap();
        let policy = HostPolicy::new(&base, &[]).unwrap();
        let client =
            Client::new(policy, &HttpSettings { attempts: 1, ..HttpSettings::default() }, clock).unwrap();
        Self { folder, handle, client, principal, base }
    }

    /// Makes a call about the bucket.
    pub(crate) async fn call(
        &self,
        method: Method,
        behind: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Told {
        self.send(method, &format!("/n/{NAMESPACE}/b/{BUCKET}{behind}"), headers, body).await
    }

    /// Makes any call.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Told {
        let request = self.request(method, path, headers, body);
        let request = request.authorized_by(self.principal.signer(&self.base));
        self.told(&request.taking_refusals(|_| false)).await
    }

    pub(crate) fn request(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Request {
        let url = self.base.join(path).unwrap();
        let mut request = Request::of(method, url).carrying(Bytes::from(body.to_owned()));
        for (name, value) in headers {
            let name = HeaderName::try_from(*name).unwrap();
            request = request.with(name, HeaderValue::from_str(value).unwrap());
        }
        request
    }

    pub(crate) async fn told(&self, request: &Request) -> Told {
        let answer = self.client.call(request).await.unwrap();
        Told { status: answer.status.as_u16(), headers: answer.headers, body: answer.body }
    }

    /// What a call that is not let in is refused with.
    pub(crate) async fn shut_out(&self, request: &Request) -> String {
        self.client.call(request).await.unwrap_err().line()
    }

    pub(crate) fn signed(&self, request: Request) -> Request {
        request.authorized_by(self.principal.signer(&self.base))
    }

    pub(crate) async fn put(&self, name: &str, body: &str, headers: &[(&str, &str)]) -> Told {
        self.call(Method::PUT, &format!("/o/{name}"), headers, body).await
    }

    pub(crate) async fn get(&self, name: &str) -> Told {
        self.call(Method::GET, &format!("/o/{name}"), &[], "").await
    }
}

fn profile(folder: &TempDir) -> PrincipalSettings {
    api_key(folder.path())
}
