//! The instance principal: the machine's certificate from its metadata service, and the token that OCI gives for it.

use http::{HeaderValue, header};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::json;
use sha1::{Digest as _, Sha1};
use std::sync::Arc;
use url::Url;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::environment::Environment;
use super::error::PrincipalError;
use super::identity::Identity;
use super::key::{self, der_of, with_colons};
use super::region::Region;
use super::service::{Asking, IS_ANYBODY_THERE, odd, url};
use super::signature::Covers;
use super::signer::FixedSigner;
use crate::client::{Client, Request};

/// What it is called in messages.
pub(super) const SHOWN: &str = "the instance principal";

const METADATA: &str = "the metadata service of this machine";
const FEDERATION: &str = "the service that gives instances their tokens";
const CERTIFICATE: &str = "CERTIFICATE";

type Result<T, E = PrincipalError> = std::result::Result<T, E>;

/// Where the machine's identity is had.
#[derive(Debug, Clone)]
pub(super) struct Instance {
    metadata: String,
    /// Who gives tokens, where that does not follow from the region.
    federation: Option<String>,
    asking: Asking,
}

impl Instance {
    pub(super) fn new(environment: &Environment, asking: Asking) -> Self {
        let federation = environment.get("OCI_SDK_AUTH_CLIENT_REGION_URL");
        let metadata = environment.get("OCI_METADATA_BASE_URL");
        let metadata = metadata.unwrap_or_else(|| "http://169.254.169.254/opc/v2".to_owned());
        Self { metadata: metadata.trim_end_matches('/').to_owned(), federation, asking }
    }

    /// Whether this machine is one of OCI's, as far as something answers where its metadata would be.
    pub(super) async fn is_here(&self) -> bool {
        let Ok(url) = self.url("instance/region") else { return false };
        let Ok(client) = self.asking.of_this_machine(METADATA, &url) else { return false };
        client.call(&question(url).once().within(IS_ANYBODY_THERE)).await.is_ok()
    }

    /// Has a token given for a new session key: who signs, and where to call.
    pub(super) async fn load(&self) -> Result<(Identity, Option<Region>)> {
        let client = self.asking.of_this_machine(METADATA, &self.url("")?)?;
        let region = self.region(&client).await?;
        let certificate = self.text(&client, "identity/cert.pem").await?;
        let intermediate = self.text(&client, "identity/intermediate.pem").await?;
        let key = self.text(&client, "identity/key.pem").await?;
        let key = Arc::new(key::read(&key, None, SHOWN)?);
        let leaf = der_of(certificate.expose_secret(), CERTIFICATE);
        let leaf =
            leaf.ok_or_else(|| odd(METADATA, "identity/cert.pem is no certificate in PEM".to_owned()))?;
        let tenancy = tenancy_of(&leaf);
        let tenancy = tenancy.ok_or_else(|| odd(METADATA, "its certificate names no tenancy".to_owned()))?;
        let fingerprint = with_colons(&Sha1::digest(&leaf)).to_ascii_uppercase();
        let machine =
            Identity { key_id: format!("{tenancy}/fed-x509/{fingerprint}").into(), key, life: None };

        let session = key::generate(SHOWN).await?;
        let body = json!({
            "certificate": BASE64.encode(&leaf),
            "publicKey": BASE64.encode(session.public_der()),
            "intermediateCertificates": [body_of(intermediate.expose_secret())],
        });
        let token = self.token(machine, &region, &body).await?;
        let advice = "the clock of this machine may be wrong";
        let now = self.asking.clock.now();
        Ok((Identity::of_token(&token, session, (SHOWN, advice), now)?, Some(region)))
    }

    async fn token(
        &self,
        machine: Identity,
        region: &Region,
        body: &serde_json::Value,
    ) -> Result<SecretString> {
        let of_region = || format!("https://{}", region.host_of("auth"));
        let base = self.federation.clone().unwrap_or_else(of_region);
        let url = url(FEDERATION, &format!("{}/v1/x509", base.trim_end_matches('/')))?;
        let client = self.asking.of_service(FEDERATION, &url, None)?;
        let signer = FixedSigner {
            identity: machine,
            covers: Covers::NoHost,
            origin: url.origin(),
            clock: Arc::clone(&self.asking.clock),
        };
        // A second token harms nobody.
        let request = Request::post_json(url, body).map_err(|error| odd(FEDERATION, error.to_string()))?;
        let request = request.idempotent().authorized_by(Arc::new(signer));
        let answer = self.asking.ask(FEDERATION, &client, &request).await?;
        self.asking.token(FEDERATION, &answer)
    }

    /// The machine's region, with its realm's domain where that is told.
    async fn region(&self, client: &Client) -> Result<Region> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Info {
            region_identifier: String,
            #[serde(default)]
            realm_domain_component: Option<String>,
        }
        let info = self.asking.ask(METADATA, client, &question(self.url("instance/regionInfo")?)).await;
        if let Some(info) = info.ok().and_then(|info| serde_json::from_slice::<Info>(&info).ok()) {
            return Ok(Region::parse(&info.region_identifier)?.below(info.realm_domain_component));
        }
        Region::parse(self.text(client, "instance/region").await?.expose_secret())
    }

    async fn text(&self, client: &Client, path: &str) -> Result<SecretString> {
        let answer = self.asking.ask(METADATA, client, &question(self.url(path)?)).await?;
        Ok(String::from_utf8_lossy(&answer).into_owned().into())
    }

    fn url(&self, path: &str) -> Result<Url> {
        url(METADATA, &format!("{}/{path}", self.metadata))
    }
}

/// A question to the metadata service, which answers no call that a page in a browser could make.
fn question(url: Url) -> Request {
    Request::get(url).secret_header(header::AUTHORIZATION, HeaderValue::from_static("Bearer Oracle"))
}

/// A PEM's first block as it stands between its lines.
fn body_of(pem: &str) -> String {
    der_of(pem, CERTIFICATE).map(|der| BASE64.encode(der)).unwrap_or_default()
}

/// The tenancy that a machine's certificate names in its subject: a text that begins so, in DER behind its length.
fn tenancy_of(certificate: &[u8]) -> Option<String> {
    ["opc-tenant:", "opc-identity:"].into_iter().find_map(|beginning| {
        let at = memchr::memmem::find(certificate, beginning.as_bytes())?;
        let length = usize::from(*certificate.get(at.checked_sub(1)?)?);
        let text = certificate.get(at..at.checked_add(length)?)?;
        let tenancy = std::str::from_utf8(text).ok()?.strip_prefix(beginning)?;
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        (!tenancy.is_empty() && tenancy.bytes().all(is_plain)).then(|| tenancy.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tenancy is what the certificate's subject says, and nothing that runs on behind it.
    #[test]
    fn the_tenancy_is_read_from_the_subject() {
        let text = b"opc-tenant:ocid1.tenancy.oc1..aaaa";
        let mut der = vec![0x06, 0x03, 0x55, 0x04, 0x0b, 0x13, u8::try_from(text.len()).unwrap()];
        der.extend_from_slice(text);
        der.extend_from_slice(b"1 and more");
        assert_eq!(tenancy_of(&der).as_deref(), Some("ocid1.tenancy.oc1..aaaa"));
        assert_eq!(tenancy_of(b"\x0copc-tenant:a"), Some("a".to_owned()));
        for odd in [&b"opc-tenant:a"[..], b"\x0bopc-tenant:", b"\xffopc-tenant:a", b"nothing"] {
            assert_eq!(tenancy_of(odd), None);
        }
    }
}
