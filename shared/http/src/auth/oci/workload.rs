//! The identity of a workload in Oracle's Kubernetes: the pod's service account, and the token that OCI gives for it.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::{HeaderValue, header};
use secrecy::ExposeSecret as _;
use serde_json::json;
use url::Url;

use super::environment::Environment;
use super::error::PrincipalError;
use super::identity::Identity;
use super::key;
use super::profile::secret_file;
use super::region::Region;
use super::service::{Asking, odd, url};
use crate::client::Request;

/// What it is called in messages.
pub(super) const SHOWN: &str = "the workload identity";

const PROXYMUX: &str = "the cluster's service for tokens (only enhanced clusters have it)";
const HOST: &str = "KUBERNETES_SERVICE_HOST";
const PORT: u16 = 12250;
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

type Result<T, E = PrincipalError> = std::result::Result<T, E>;

/// Where a pod's identity is had.
#[derive(Debug, Clone)]
pub(super) struct Workload {
    token_file: PathBuf,
    ca_file: Option<PathBuf>,
    token_url: Option<Url>,
    environment: Environment,
    asking: Asking,
}

impl Workload {
    pub(super) fn new(environment: &Environment, token_url: Option<Url>, asking: Asking) -> Self {
        let file = |variable: &str, name: &str| {
            environment.get(variable).map_or_else(|| PathBuf::from(ACCOUNT).join(name), PathBuf::from)
        };
        Self {
            token_file: file("OCI_KUBERNETES_SERVICE_ACCOUNT_TOKEN_PATH", "token"),
            ca_file: Some(file("OCI_KUBERNETES_SERVICE_ACCOUNT_CERT_PATH", "ca.crt"))
                .filter(|_| token_url.is_none()),
            token_url,
            environment: environment.clone(),
            asking,
        }
    }

    /// Whether this is a pod.
    pub(super) fn is_here(&self) -> bool {
        self.environment.get(HOST).is_some() && self.token_file.exists()
    }

    /// Has a token given for a new session key: who signs, and where to call, where the environment says so.
    pub(super) async fn load(&self) -> Result<(Identity, Option<Region>)> {
        let account = secret_file("the service account's token", &self.token_file)?;
        self.asking.redactor.remember_issued(&account);
        let url = self.token_url.clone().map_or_else(|| self.of_cluster(), Ok)?;
        let client = self.asking.of_service(PROXYMUX, &url, self.ca_file.clone())?;
        let session = key::generate(SHOWN).await?;
        let bearer = HeaderValue::try_from(format!("Bearer {}", account.expose_secret().trim()));
        let bearer = bearer.map_err(|_| PrincipalError::Token("the service account".to_owned()))?;
        let body = json!({ "podKey": BASE64.encode(session.public_der()) });
        let request = Request::post_json(url, &body).map_err(|error| odd(PROXYMUX, error.to_string()))?;
        let request = request.idempotent().secret_header(header::AUTHORIZATION, bearer);
        let answer = self.asking.ask(PROXYMUX, &client, &request).await?;
        let text = String::from_utf8_lossy(&answer);
        let answer = BASE64.decode(text.trim().trim_matches('"')).unwrap_or(answer);
        let token = self.asking.token(PROXYMUX, &answer)?;
        let region = ["OCI_RESOURCE_PRINCIPAL_REGION", "OCI_REGION"];
        let region = region.into_iter().find_map(|name| self.environment.get(name));
        let region = region.map(|written| Region::parse(&written)).transpose()?;
        let advice = "the clock of this machine may be wrong";
        Ok((Identity::of_token(&token, session, (SHOWN, advice), self.asking.clock.now())?, region))
    }

    fn of_cluster(&self) -> Result<Url> {
        let missing =
            || PrincipalError::Variable { name: HOST, reason: "is not set: this is no pod".to_owned() };
        let host = self.environment.get(HOST).ok_or_else(missing)?;
        let host = if host.contains(':') { format!("[{host}]") } else { host };
        url(PROXYMUX, &format!("https://{host}:{PORT}/resourcePrincipalSessionTokens"))
    }
}
