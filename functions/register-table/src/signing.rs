//! Calls to a catalog of AWS's, each of which is signed.

use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use http::{HeaderName, HeaderValue};
use landfall::clock::Clock;
use landfall::{Error, Result};
use landfall_http::HttpError;
use landfall_http::auth::{Authorizer, Credential};
use url::{Origin, Url};

/// Signs the calls to one server.
#[derive(Debug)]
pub(crate) struct Signer {
    service: String,
    region: String,
    credentials: SharedCredentialsProvider,
    origin: Origin,
    clock: Arc<dyn Clock>,
}

/// Why a call cannot be signed.
#[derive(Debug, thiserror::Error)]
enum Unsigned {
    #[error("AWS credentials cannot be had")]
    Credentials(#[from] aws_credential_types::provider::error::CredentialsError),
    #[error("the call cannot be signed")]
    Signing(#[source] Box<dyn std::error::Error + Send + Sync>),
}

fn unsigned(error: impl std::error::Error + Send + Sync + 'static) -> Unsigned {
    Unsigned::Signing(Box::new(error))
}

impl Signer {
    /// A signer by whatever credentials AWS's own settings name.
    pub(crate) async fn new(
        service: &str,
        region: Option<&str>,
        server: &Url,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Self>> {
        let environment = landfall_store::aws::environment(region).await;
        let region = environment.region().ok_or_else(|| {
            Error::invalid_config("login.region is missing, and neither do AWS's own settings name a region")
        })?;
        let credentials = environment.credentials_provider().ok_or_else(|| {
            Error::invalid_config("there are no AWS credentials to sign the catalog's calls with")
        })?;
        Ok(Arc::new(Self {
            service: service.to_owned(),
            region: region.to_string(),
            credentials,
            origin: server.origin(),
            clock,
        }))
    }

    async fn sign(&self, request: &mut reqwest::Request) -> std::result::Result<(), Unsigned> {
        let identity = self.credentials.provide_credentials().await?.into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(&self.service)
            .time(SystemTime::from(self.clock.now()))
            .settings(SigningSettings::default())
            .build()
            .map_err(unsigned)?
            .into();
        let body = request.body().and_then(reqwest::Body::as_bytes).unwrap_or_default();
        let signable = SignableRequest::new(
            request.method().as_str(),
            request.url().as_str(),
            std::iter::empty(),
            SignableBody::Bytes(body),
        )
        .map_err(unsigned)?;
        let (instructions, _) = sign(signable, &params).map_err(unsigned)?.into_parts();
        for signed in instructions.into_parts().0 {
            let mut value = HeaderValue::from_str(signed.value()).map_err(unsigned)?;
            value.set_sensitive(true);
            request.headers_mut().insert(HeaderName::from_static(signed.name()), value);
        }
        Ok(())
    }
}

#[async_trait]
impl Authorizer for Signer {
    fn covers(&self, url: &Url) -> bool {
        url.origin() == self.origin
    }

    fn renews(&self) -> bool {
        false
    }

    async fn credential(&self) -> std::result::Result<Credential, HttpError> {
        Ok(Credential::in_headers(Vec::new(), 1))
    }

    async fn authorize(&self, request: &mut reqwest::Request) -> std::result::Result<Credential, HttpError> {
        if let Err(error) = self.sign(request).await {
            let said = landfall_http::chain(&error);
            return Err(HttpError::login_refused(request.method(), request.url(), said));
        }
        self.credential().await
    }

    async fn refused(&self, _credential: &Credential) {}
}
