//! OCI Vault, which keeps configuration as secrets: read by their names, as a principal of Oracle's cloud.
//!
//! A name has no slashes there: what is a path elsewhere has periods between its parts.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::{Method, header};
use landfall_http::auth::Authorizer;
use landfall_http::auth::oci::{Principal, PrincipalError, PrincipalSettings, Region, clock_skew};
use landfall_http::{
    Answer, Client, ErrorKind, HostPolicy, HostRefused, HttpError, HttpSettings, InvalidSetting, Proxy,
    Request,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use tokio::sync::OnceCell;
use url::Url;

use crate::clock::Clock;
use crate::error::{Error, chain};

/// The variable that names another endpoint than the region's: of another realm, or of a test.
const ENDPOINT: &str = "LANDFALL_OCIVAULT_ENDPOINT";
/// A secret has at most 25 KiB, in base64.
const MAX_ANSWER_BYTES: u64 = 256 * 1024;

/// Reads the secrets of one vault whose names begin alike.
#[derive(Debug)]
pub struct VaultReader {
    vault: String,
    prefix: String,
    endpoint: Option<Url>,
    principal: PrincipalSettings,
    clock: Arc<dyn Clock>,
    session: OnceCell<Session>,
}

/// Who calls, and where to, once that is found out.
#[derive(Debug)]
struct Session {
    client: Client,
    signer: Arc<dyn Authorizer>,
    endpoint: Url,
    shown: String,
}

/// A place that cannot be a vault's.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoVault {
    /// There is no vault, or nothing that leads the secrets' names.
    #[error("it takes ocivault:<the OCID of a vault>/<what leads the secrets' names>")]
    Form,
    /// A compartment.
    #[error(
        "{0} is a compartment: secrets are read by their names, which are a vault's own. Name the vault (the console \
         shows its OCID, and `oci kms management vault list --compartment-id {0}`)"
    )]
    Compartment(String),
    /// Something else than a vault.
    #[error("{0:?} is not the OCID of a vault, ocid1.vault.…")]
    Vault(String),
    /// What no secret's name begins with.
    #[error(
        "{0:?} cannot lead a secret's name: that takes letters, digits, hyphens, underscores and periods"
    )]
    Prefix(String),
    /// An endpoint that is none.
    #[error("{ENDPOINT} is {0:?}, which is no URL")]
    Endpoint(String),
}

/// Why a secret could not be read. Nothing of its content is in it.
#[derive(Debug, thiserror::Error)]
pub(super) enum VaultError {
    /// Nobody is there to call, or nobody says where.
    #[error(transparent)]
    Principal(#[from] PrincipalError),
    /// The endpoint may not be called.
    #[error(transparent)]
    Host(#[from] HostRefused),
    /// No HTTP client can be made.
    #[error(transparent)]
    Client(#[from] InvalidSetting),
    /// The vault could not be asked, or lets nobody in.
    #[error(transparent)]
    Call(HttpError),
    /// It refuses the signature, for a clock that is off.
    #[error("{skew}")]
    Skew {
        /// How far it is off, and what to do.
        skew: String,
        /// The refusal.
        #[source]
        source: HttpError,
    },
    /// The vault refuses the call.
    #[error("{0}")]
    Refused(String),
    /// The answer is none of the documented form.
    #[error("the answer is not the expected JSON at line {line}, column {column}")]
    Malformed {
        /// Where it goes wrong.
        line: usize,
        /// Where it goes wrong.
        column: usize,
    },
    /// The secret is no text.
    #[error("the secret is not text in base64")]
    NoText,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SecretBundle {
    secret_bundle_content: SecretContent,
}

#[derive(Deserialize)]
struct SecretContent {
    content: SecretString,
}

#[derive(Default, Deserialize)]
struct Refusal {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

impl VaultReader {
    /// The reader of a vault and a prefix, `<vault>/<prefix>`, called as who is here. Nothing is called yet.
    ///
    /// # Errors
    /// What of it cannot be.
    pub(super) fn named(place: &str, clock: Arc<dyn Clock>) -> Result<Self, NoVault> {
        let endpoint = std::env::var(ENDPOINT).ok().filter(|url| !url.is_empty());
        let endpoint = endpoint.map(|url| Url::parse(&url).map_err(|_| NoVault::Endpoint(url)));
        Self::new(place, endpoint.transpose()?, PrincipalSettings::default(), clock)
    }

    fn new(
        place: &str,
        endpoint: Option<Url>,
        principal: PrincipalSettings,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, NoVault> {
        let (vault, prefix) = place.split_once('/').unwrap_or((place, ""));
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        if vault.starts_with("ocid1.compartment.") || vault.starts_with("ocid1.tenancy.") {
            return Err(NoVault::Compartment(vault.to_owned()));
        }
        if vault.is_empty() || prefix.is_empty() {
            return Err(NoVault::Form);
        }
        if !vault.starts_with("ocid1.vault.") || !vault.bytes().all(is_plain) {
            return Err(NoVault::Vault(vault.to_owned()));
        }
        if !prefix.bytes().all(is_plain) {
            return Err(NoVault::Prefix(prefix.to_owned()));
        }
        let (vault, prefix) = (vault.to_owned(), prefix.trim_end_matches('.').to_owned());
        Ok(Self { vault, prefix, endpoint, principal, clock, session: OnceCell::new() })
    }

    /// Where it reads, for people.
    pub(super) fn shown(&self) -> String {
        format!("OCI Vault {} below {}.", self.vault, self.prefix)
    }

    /// The name of the secret that keeps a document.
    pub(super) fn secret_name(&self, path: &str) -> String {
        format!("{}.{}", self.prefix, path.replace('/', "."))
    }

    /// What may be the matter with a document that is not there: OCI does not say whether it is not, or may not be read.
    pub(super) fn missing(&self, path: &str) -> String {
        let caller = self.session.get().map_or("whoever calls", |session| session.shown.as_str());
        format!(
            "is missing, or {caller} may not read it, which OCI does not tell apart: add the secret {} to the vault, or \
             correct the name; or allow it by a policy, to `read secret-bundles` in the secret's compartment",
            self.secret_name(path)
        )
    }

    /// The text of a secret; `None` where there is none, or where it may not be seen.
    pub(super) async fn read(&self, secret: &str) -> Result<Option<SecretString>, VaultError> {
        let session = self.session.get_or_try_init(|| self.open()).await?;
        let mut url = session.endpoint.clone();
        url.set_path(&format!(
            "{}/20190301/secretbundles/actions/getByName",
            url.path().trim_end_matches('/')
        ));
        url.query_pairs_mut().append_pair("secretName", secret).append_pair("vaultId", &self.vault);
        let request = Request::of(Method::POST, url)
            .header(header::CONTENT_TYPE, "application/json")
            .carrying(Bytes::new())
            .idempotent()
            .authorized_by(Arc::clone(&session.signer))
            .taking_refusals(|_| false)
            .at_most(MAX_ANSWER_BYTES);
        let answer = session.client.call(&request).await.map_err(|error| session.failed(error))?;
        match answer.status.as_u16() {
            200..300 => text_of(&answer).map(Some),
            404 => Ok(None),
            _ => Err(session.refused(&answer)),
        }
    }

    async fn open(&self) -> Result<Session, VaultError> {
        let principal = Principal::open(&self.principal, Arc::clone(&self.clock)).await?;
        let endpoint = match &self.endpoint {
            Some(endpoint) => endpoint.clone(),
            None => self.of_region(&principal)?,
        };
        let settings = HttpSettings {
            timeout_seconds: 15,
            attempts: 5,
            retry_seconds: 45,
            proxy: Proxy::Environment,
            ..HttpSettings::default()
        };
        let client = Client::new(HostPolicy::new(&endpoint, &[])?, &settings, Arc::clone(&self.clock))?;
        Ok(Session {
            client: client.redacting_by(principal.redactor()),
            signer: principal.signer(&endpoint),
            shown: principal.shown(),
            endpoint,
        })
    }

    /// Where the vault is: in the region that its OCID names, which may be another one than the principal's.
    fn of_region(&self, principal: &Principal) -> Result<Url, VaultError> {
        let own = self.vault.split('.').nth(3).and_then(|written| Region::parse(written).ok());
        let region = match (&own, principal.region()) {
            // Of its own realm the principal may know more.
            (Some(own), Ok(its)) if own.identifier() == its.identifier() => its,
            (Some(own), _) => own,
            (None, its) => its?,
        };
        let url = format!("https://{}", region.host_below_oci("secrets.vaults"));
        Url::parse(&url).map_err(|_| HostRefused::NotAUrl(url).into())
    }
}

impl Session {
    fn failed(&self, error: HttpError) -> VaultError {
        let told = self.client.told_time().filter(|_| error.kind() == ErrorKind::AuthRejected);
        match told.and_then(|told| clock_skew(self.client.now(), told)) {
            Some(skew) => VaultError::Skew { skew, source: error },
            None => VaultError::Call(error),
        }
    }

    /// A refusal in OCI's words, with the id that its support asks for.
    fn refused(&self, answer: &Answer) -> VaultError {
        let Refusal { code, message } = serde_json::from_slice(&answer.body).unwrap_or_default();
        let id = answer.headers.get("opc-request-id").and_then(|id| id.to_str().ok());
        let id = id.map(|id| format!(", request id {id}")).unwrap_or_default();
        let said = format!("{code} (HTTP {}{id}) {message}", answer.status.as_u16());
        VaultError::Refused(self.client.redactor().text(said.trim()))
    }
}

fn text_of(answer: &Answer) -> Result<SecretString, VaultError> {
    // Serde's text may quote the answer: only where it broke is kept.
    let bundle: SecretBundle = serde_json::from_slice(&answer.body)
        .map_err(|error| VaultError::Malformed { line: error.line(), column: error.column() })?;
    let encoded = bundle.secret_bundle_content.content;
    let decoded = BASE64.decode(encoded.expose_secret().trim()).map_err(|_| VaultError::NoText)?;
    String::from_utf8(decoded).map(SecretString::from).map_err(|_| VaultError::NoText)
}

impl VaultError {
    /// The error of landfall's that says what kind this is.
    pub(super) fn named(self, reading: &str) -> Error {
        let named = match &self {
            Self::Principal(error) if error.is_retryable() => Error::store_unavailable,
            Self::Principal(error) if !error.is_about_settings() => Error::auth_rejected,
            Self::Skew { .. } => Error::auth_rejected,
            Self::Call(error) => match error.kind() {
                ErrorKind::Unavailable => Error::store_unavailable,
                ErrorKind::Throttled => Error::throttled,
                ErrorKind::AuthRejected => Error::auth_rejected,
                _ => Error::invalid_config,
            },
            _ => Error::invalid_config,
        };
        named(format!("{reading}: {}", chain(&self)))
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use landfall_http::auth::oci::testing::api_key;
    use landfall_http::auth::oci::{Environment, PrincipalKind};
    use landfall_http::scripted::{Reply, Scripted};
    use serde_json::{Value, json};
    use tempfile::TempDir;

    use super::*;
    use crate::clock::ManualClock;
    use crate::config::{Config, ConfigProvider};
    use crate::error::ErrorType;

    const VAULT: &str = "ocid1.vault.oc1.eu-frankfurt-1.bbpeyeaaafk.abtheljr";
    /// What is kept, and must be shown nowhere.
    const DOCUMENT: &str = r#"{"bucket":"landfall-work","store":{"secret_access_key":"hush-hush"}}"#;

    fn clock() -> Arc<ManualClock> {
        Arc::new(ManualClock::new("2026-11-21T12:00:00Z".parse::<Timestamp>().unwrap()))
    }

    fn reader(server: &Scripted, folder: &TempDir) -> VaultReader {
        let principal = api_key(folder.path());
        VaultReader::new(&format!("{VAULT}/landfall"), Some(server.url("")), principal, clock()).unwrap()
    }

    fn bundle(content: &str) -> Reply {
        let content = json!({ "contentType": "BASE64", "content": BASE64.encode(content) });
        Reply::json(
            json!({ "secretId": "ocid1.vaultsecret.oc1..a", "versionNumber": 2, "secretBundleContent": content }),
        )
    }

    fn refusal(status: u16, code: &str) -> Reply {
        let body = json!({ "code": code, "message": format!("said of {code}") });
        Reply::status(status).header("opc-request-id", "phx-1:abc").body(body.to_string())
    }

    /// What a configuration in a vault comes to that answers so, and how often that is asked.
    async fn configured(replies: Vec<Reply>) -> (Config, Scripted) {
        let (folder, server) = (tempfile::tempdir().unwrap(), Scripted::replies(replies).await);
        let reader = reader(&server, &folder);
        // The principal is read at the first call, before the folder goes.
        reader.session.get_or_try_init(|| reader.open()).await.unwrap();
        (Config::new(ConfigProvider::OciVault(Box::new(reader)), clock()), server)
    }

    async fn failed(replies: Vec<Reply>) -> (Error, usize) {
        let (config, server) = configured(replies).await;
        let error = config.work().await.unwrap_err();
        for shown in [error.line(), format!("{error:?}"), format!("{config:?}")] {
            assert!(!shown.contains("hush-hush") && !shown.contains("c2VjcmV0"), "{shown}");
        }
        (error, server.count())
    }

    /// A document is the secret of its name, asked for as Oracle's own client for Python asks, and signed as a call that
    /// changes something.
    #[tokio::test]
    async fn a_document_is_the_secret_of_its_name() {
        let lake = r#"{"type":"oci","bucket":"landfall-lake","region":"eu-frankfurt-1"}"#;
        let (config, server) = configured(vec![bundle(DOCUMENT), bundle(lake)]).await;
        assert_eq!(config.work().await.unwrap().bucket, "landfall-work");
        let lake = config.destination(&"lake.gold".parse().unwrap()).await.unwrap();
        assert_eq!(lake.bucket, "landfall-lake");
        let seen = server.seen();
        for (seen, name) in seen.iter().zip(["landfall.work", "landfall.destinations.lake.gold"]) {
            assert_eq!((seen.method.as_str(), seen.body.as_str()), ("POST", ""));
            assert_eq!(
                seen.target,
                format!("/20190301/secretbundles/actions/getByName?secretName={name}&vaultId={VAULT}")
            );
            let signed = seen.header("authorization");
            assert!(
                signed.contains(
                    r#"headers="date (request-target) host content-length content-type x-content-sha256""#
                ),
                "{signed}"
            );
            // That of nothing.
            assert_eq!(seen.header("x-content-sha256"), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
            assert_eq!(
                (seen.header("content-length"), seen.header("content-type")),
                ("0", "application/json")
            );
        }
    }

    /// OCI says alike of what is not there and of what may not be read: both are said, with what to do about either.
    #[tokio::test]
    async fn what_is_not_there_may_only_be_hidden() {
        let hidden = || vec![refusal(404, "NotAuthorizedOrNotFound")];
        let (error, calls) = failed(hidden()).await;
        let line = error.line();
        for said in ["landfall.work", "profile [DEFAULT]", "read secret-bundles", "missing, or", VAULT] {
            assert!(line.contains(said), "{said}: {line}");
        }
        assert_eq!((error.error_type(), calls), (ErrorType::InvalidConfig, 1));
        // What may be configured elsewhere is looked for there.
        let (config, _server) = configured(hidden()).await;
        assert!(config.configured_connection(&"local".parse().unwrap()).await.unwrap().is_none());
    }

    /// A person can act on a refusal: what was refused, in OCI's words, and the id by which its support finds it.
    #[tokio::test]
    async fn refusals_are_told_in_ocis_words() {
        let (error, calls) = failed(vec![refusal(400, "InvalidParameter")]).await;
        let said = "InvalidParameter (HTTP 400, request id phx-1:abc) said of InvalidParameter";
        assert!(error.line().contains(said), "{}", error.line());
        assert_eq!((error.error_type(), calls), (ErrorType::InvalidConfig, 1));

        let (error, _) = failed(vec![refusal(401, "NotAuthenticated")]).await;
        assert_eq!(error.error_type(), ErrorType::AuthRejected, "{}", error.line());
        let late = refusal(401, "NotAuthenticated").header("Date", "Sat, 21 Nov 2026 11:50:00 GMT");
        let (error, _) = failed(vec![late]).await;
        assert!(error.line().contains("600 s ahead of OCI's"), "{}", error.line());
    }

    /// Promise 2: a vault that stumbles ends no step; one that is down is an error that is worth another try.
    #[tokio::test]
    async fn what_passes_is_tried_again() {
        for passing in [refusal(429, "TooManyRequests"), refusal(503, "ServiceUnavailable"), Reply::nothing()]
        {
            let (config, server) = configured(vec![passing, bundle(DOCUMENT)]).await;
            assert_eq!(config.work().await.unwrap().bucket, "landfall-work");
            assert_eq!(server.count(), 2);
        }
        let (error, calls) = failed(vec![refusal(500, "InternalServerError")]).await;
        assert!(error.retryable(), "{}", error.line());
        assert!((2..=5).contains(&calls), "{calls} tries");
    }

    /// Promise 7: an answer of another form is named, and nothing of it is repeated.
    #[tokio::test]
    async fn an_answer_of_another_form_is_an_error_that_does_not_show_it() {
        let of = |content: Value| Reply::json(json!({ "secretBundleContent": { "content": content } }));
        for (reply, said) in [
            (Reply::json(json!({ "secretBundleContent": null })), "not the expected JSON at line 1"),
            (of(json!({ "hush-hush": 1 })), "not the expected JSON"),
            (of(json!("hush-hush!")), "not text in base64"),
            (of(json!("/v8=")), "not text in base64"),
            (bundle("hush-hush"), "landfall.work in OCI Vault"),
            (bundle(r#"{"bucket":"w","hush":"hush-hush"}"#), "hush"),
        ] {
            let (error, _) = failed(vec![reply]).await;
            assert!(error.line().contains(said), "{said}: {}", error.line());
            assert_eq!(error.error_type(), ErrorType::InvalidConfig);
        }
    }

    /// What cannot be a place is named before anything is called, and what to write instead.
    #[test]
    fn what_is_no_place_is_named() {
        for (place, said) in [
            ("", "ocivault:<the OCID of a vault>/"),
            (VAULT, "ocivault:<the OCID of a vault>/"),
            ("ocid1.compartment.oc1..a/landfall", "oci kms management vault list"),
            ("ocid1.vault.oc1.iad.a/land/fall", "periods"),
            ("ocid1.vaultsecret.oc1.iad.a/landfall", "is not the OCID of a vault"),
            ("ocid1.vault.oc1.iad.a?b/landfall", "is not the OCID of a vault"),
        ] {
            let wrong = VaultReader::named(place, clock()).unwrap_err().to_string();
            assert!(wrong.contains(said), "{place}: {wrong}");
        }
    }

    /// A vault is called in its own region, which its OCID names; in the principal's, where that does not say it.
    #[tokio::test]
    async fn a_vault_is_called_in_its_own_region() {
        for (vault, host) in [
            (VAULT, "secrets.vaults.eu-frankfurt-1.oci.oraclecloud.com"),
            ("ocid1.vault.oc1.iad.bbpeyeaaafk.abtheljr", "secrets.vaults.us-ashburn-1.oci.oraclecloud.com"),
            ("ocid1.vault.oc1.xyz.bbpeyeaaafk.abtheljr", "secrets.vaults.us-phoenix-1.oci.oraclecloud.com"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let reader =
                VaultReader::new(&format!("{vault}/landfall"), None, api_key(folder.path()), clock())
                    .unwrap();
            assert_eq!(reader.open().await.unwrap().endpoint.as_str(), format!("https://{host}/"));
        }
    }

    /// Who cannot call is named with what to do, by the same words as a bucket's.
    #[tokio::test]
    async fn nobody_to_call_is_named() {
        let principal = PrincipalSettings {
            kind: Some(PrincipalKind::Profile),
            environment: Environment::of([("HOME", "/nowhere")]),
            ..PrincipalSettings::default()
        };
        let reader = VaultReader::new(&format!("{VAULT}/landfall"), None, principal, clock()).unwrap();
        let error =
            Config::new(ConfigProvider::OciVault(Box::new(reader)), clock()).work().await.unwrap_err();
        assert!(error.line().contains("oci setup config"), "{}", error.line());
        assert_eq!(error.error_type(), ErrorType::InvalidConfig);
    }
}
