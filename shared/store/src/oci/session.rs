//! A bucket that has been found: who calls, and where.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::Method;
use landfall_http::auth::Authorizer;
use landfall_http::auth::oci::{Principal, PrincipalError, Region};
use landfall_http::clock::Clock;
use landfall_http::{Answer, Client, HostPolicy, HttpError, HttpSettings, Opened, Proxy, Request, Streamed};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

use super::error::{failed, is_passing, refused};
use super::settings::{OciSettings, Tenancy};
use crate::error::{Described, Result, StoreError};

/// What stays as it is in a path or a query.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// The same in a name that keeps its slashes.
const NAME: &AsciiSet = &UNRESERVED.remove(b'/');

/// A bucket that has been found.
#[derive(Debug)]
pub(super) struct Session {
    client: Client,
    signer: Arc<dyn Authorizer>,
    tenancy: Tenancy,
    /// Whether the bucket has answered as one that is there.
    is_bucket_known: Arc<AtomicBool>,
}

impl Session {
    /// Finds out who calls and where, and asks for the namespace where it is not given.
    pub(super) async fn open(
        settings: &OciSettings,
        clock: Arc<dyn Clock>,
        (operation, object): (&'static str, String),
    ) -> Result<Self> {
        let unsigned = |error: PrincipalError| {
            let source = Described::from(landfall_http::chain(&error));
            match error.is_retryable() {
                true => StoreError::Unavailable { operation, object: object.clone(), source },
                false => {
                    let is_about_settings = error.is_about_settings();
                    StoreError::Unsigned { operation, object: object.clone(), is_about_settings, source }
                }
            }
        };
        let invalid = |reason: String| StoreError::Unsigned {
            operation,
            object: object.clone(),
            is_about_settings: true,
            source: reason.into(),
        };
        let principal = Principal::open(&settings.principal, Arc::clone(&clock)).await.map_err(unsigned)?;
        let endpoint = match (&settings.endpoint, &settings.region) {
            (Some(endpoint), _) => Ok(endpoint.clone()),
            (None, Some(region)) => of_region(&Region::parse(region).map_err(unsigned)?),
            (None, None) => of_region(principal.region().map_err(unsigned)?),
        };
        let endpoint = endpoint.map_err(|error| invalid(error.to_string()))?;
        let policy = HostPolicy::new(&endpoint, &[]).map_err(|error| invalid(error.to_string()))?;
        let http = HttpSettings { proxy: Proxy::Environment, ..HttpSettings::default() };
        let client = Client::new(policy, &http, clock).map_err(|error| invalid(error.to_string()))?;
        let tenancy = Tenancy {
            namespace: settings.namespace.clone().unwrap_or_default(),
            endpoint,
            principal: principal.shown(),
        };
        let mut session = Self {
            client: client.redacting_by(principal.redactor()),
            signer: principal.signer(&tenancy.endpoint),
            tenancy,
            is_bucket_known: Arc::default(),
        };
        if settings.namespace.is_none() {
            session.tenancy.namespace = session.namespace(&object).await?;
        }
        Ok(session)
    }

    /// Who calls, and where to.
    pub(super) fn tenancy(&self) -> &Tenancy {
        &self.tenancy
    }

    async fn namespace(&self, object: &str) -> Result<String> {
        const OPERATION: &str = "GetNamespace";
        let request = Request::get(self.url(OPERATION, object, "/n/")?);
        let answer = self.answer((OPERATION, object), request).await?;
        let namespace: String = answer.json().map_err(|error| self.failed((OPERATION, object), &error))?;
        Ok(namespace)
    }

    /// A request about a bucket: by which method, and what comes behind the bucket's own path.
    pub(super) fn request(
        &self,
        (operation, object): (&'static str, &str),
        method: Method,
        bucket: &str,
        behind: &str,
    ) -> Result<Request> {
        let namespace = utf8_percent_encode(&self.tenancy.namespace, UNRESERVED);
        let bucket = utf8_percent_encode(bucket, UNRESERVED);
        let url = self.url(operation, object, &format!("/n/{namespace}/b/{bucket}{behind}"))?;
        Ok(Request::of(method, url))
    }

    fn url(&self, operation: &'static str, object: &str, path: &str) -> Result<Url> {
        let base = self.tenancy.endpoint.as_str().trim_end_matches('/');
        Url::parse(&format!("{base}{path}")).map_err(|error| StoreError::Refused {
            operation,
            object: object.to_owned(),
            source: Described::from(error.to_string()),
        })
    }

    /// Makes a call about the bucket that is safe to repeat, and reads its answer whole.
    pub(super) async fn call(
        &self,
        (operation, object): (&'static str, &str),
        request: Request,
    ) -> Result<Answer> {
        let answer = self.answer((operation, object), request).await?;
        self.is_bucket_known.store(true, Ordering::Relaxed);
        Ok(answer)
    }

    async fn answer(&self, (operation, object): (&'static str, &str), request: Request) -> Result<Answer> {
        let answer = self.client.call(&self.signed(request)).await;
        let answer = answer.map_err(|error| self.failed((operation, object), &error))?;
        match answer.status.is_success() {
            true => Ok(answer),
            false => Err(refused(operation, object.to_owned(), &answer)),
        }
    }

    /// Makes a call whose answer is an object's bytes.
    pub(super) async fn open_object(
        &self,
        (operation, object): (&'static str, &str),
        request: Request,
    ) -> Result<Streamed> {
        let opened = self.client.open(&self.signed(request)).await;
        match opened.map_err(|error| self.failed((operation, object), &error))? {
            Opened::Body(streamed) => {
                self.is_bucket_known.store(true, Ordering::Relaxed);
                Ok(streamed)
            }
            Opened::Refused(answer) => Err(refused(operation, object.to_owned(), &answer)),
        }
    }

    fn signed(&self, request: Request) -> Request {
        let is_bucket_known = Arc::clone(&self.is_bucket_known);
        let is_passing = move |answer: &Answer| is_passing(answer, is_bucket_known.load(Ordering::Relaxed));
        request.idempotent().authorized_by(Arc::clone(&self.signer)).taking_refusals(is_passing)
    }

    /// What a call that got no answer to read is to whoever made it.
    pub(super) fn failed(&self, (operation, object): (&'static str, &str), error: &HttpError) -> StoreError {
        failed(operation, object.to_owned(), error, (self.client.now(), self.client.told_time()))
    }
}

fn of_region(region: &Region) -> Result<Url, url::ParseError> {
    Url::parse(&format!("https://{}", region.host_of("objectstorage")))
}

/// A name as it is in a path. Its slashes stay, unless a piece between two would be taken for a step upwards.
pub(super) fn name_in_path(name: &str) -> String {
    let kept = match name.split('/').any(|piece| matches!(piece, "." | "..")) {
        true => UNRESERVED,
        false => NAME,
    };
    utf8_percent_encode(name, kept).to_string()
}

/// Pairs as they are in a query.
pub(super) fn query(pairs: &[(&str, &str)]) -> String {
    let pair = |(name, value): &(&str, &str)| format!("{name}={}", utf8_percent_encode(value, UNRESERVED));
    pairs.iter().map(pair).collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Promise 4: a name is the same to the store as to us, whatever is in it; no piece of it leads elsewhere.
    #[test]
    fn names_arrive_as_they_are() {
        for (name, path) in [
            ("a/b.csv", "a/b.csv"),
            ("a b/ü?&#%.csv", "a%20b/%C3%BC%3F%26%23%25.csv"),
            ("a//b/", "a//b/"),
            ("a/../b", "a%2F..%2Fb"),
        ] {
            assert_eq!(name_in_path(name), path);
            let url = Url::parse(&format!("https://example.com/o/{path}")).unwrap();
            assert_eq!(url.path(), format!("/o/{path}"), "{name}");
        }
        assert_eq!(query(&[("prefix", "a b/"), ("limit", "2")]), "prefix=a%20b%2F&limit=2");
    }
}
