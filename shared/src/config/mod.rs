//! What connections and destinations stand for: configuration by name, from one place.
//!
//! The place is named by `LANDFALL_CONFIG`, or the command line's `--config`:
//!
//! * `file:<path>` — a TOML file; its text values may name environment variables as `${NAME}`;
//! * `secretsmanager:<prefix>` — secrets `<prefix>/connections/<name>`, `<prefix>/destinations/<name>` and
//!   `<prefix>/work` of AWS Secrets Manager, each a JSON object;
//! * `ssm:<path>` — parameters (SecureString or String) of the same names below a path of the SSM parameter store.

mod aws;
mod connection;
mod destination;
mod epm;
mod folio;
mod oci;
mod place;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::Mutex;

pub use connection::*;
pub use destination::*;
pub use epm::*;
pub use folio::*;
pub use place::Place;

use crate::clock::{Clock, elapsed};
use crate::error::{Error, Result};
use crate::job::{ConnectionName, DestinationName};
use crate::store::StoreSettings;
use oci::OciStore;

/// How long a document is used before it is read again: a rotated secret is noticed after this time.
const KEPT: Duration = Duration::from_secs(300);

/// A document, or that there is none, and when that was read.
type Kept = (jiff::Timestamp, Option<Arc<Value>>);

/// The configuration, read by name when it is needed and kept for a few minutes.
pub struct Config {
    place: Place,
    clock: Arc<dyn Clock>,
    kept: Mutex<HashMap<String, Kept>>,
}

/// Shows where the configuration is, and nothing of what it holds.
impl std::fmt::Debug for Config {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Config").field("place", &self.place).finish_non_exhaustive()
    }
}

impl Config {
    /// The configuration at a place.
    pub fn new(place: Place, clock: Arc<dyn Clock>) -> Self {
        Self { place, clock, kept: Mutex::default() }
    }

    /// What a connection's name stands for.
    pub async fn connection(&self, name: &ConnectionName) -> Result<Connection> {
        let path = format!("connections/{name}");
        let document = self.required(&path, "connection").await?;
        let (kind, settings) = self.split_type(&path, &document)?;
        match kind.as_str() {
            "fusion" => Ok(Connection::Fusion(self.fit(&path, settings)?)),
            "epm" => Ok(Connection::Epm(self.fit(&path, settings)?)),
            "folio" => Ok(Connection::Folio(self.fit(&path, settings)?)),
            other => Err(self.invalid(&path, format!("type {other:?} is not one of: fusion, epm, folio"))),
        }
    }

    /// What a destination's name stands for.
    pub async fn destination(&self, name: &DestinationName) -> Result<Destination> {
        let path = format!("destinations/{name}");
        let document = self.required(&path, "destination").await?;
        let (kind, mut settings) = self.split_type(&path, &document)?;
        let oci = match kind.as_str() {
            "s3" => None,
            "oci" => Some(self.oci_store(&path, &mut settings)?),
            other => return Err(self.invalid(&path, format!("type {other:?} is not one of: s3, oci"))),
        };
        let mut destination: Destination = self.fit(&path, settings)?;
        destination.check().map_err(|wrong| self.invalid(&path, wrong))?;
        match oci {
            Some(store) => destination.store = store,
            None if oci::is_endpoint(&destination.store) => {
                let said = "store.endpoint is OCI Object Storage's, which is no S3: say type = \"oci\"";
                return Err(self.invalid(&path, said));
            }
            None => {}
        }
        Ok(destination)
    }

    fn oci_store(&self, path: &str, settings: &mut Value) -> Result<StoreSettings> {
        if settings.get("store").is_some() {
            let said = "type \"oci\" takes no `store`: where the bucket is follows from namespace and region";
            return Err(self.invalid(path, said));
        }
        let store: OciStore = self.fit(path, oci::split_off(settings))?;
        store.settings().map_err(|wrong| self.invalid(path, wrong))
    }

    /// The work bucket. `LANDFALL_WORK_BUCKET` names it where nothing else does.
    pub async fn work(&self) -> Result<Work> {
        match self.document("work").await? {
            Some(document) => {
                let is_oci = document.get("type").and_then(Value::as_str) == Some("oci");
                let work = if is_oci { None } else { Some(self.fit::<Work>("work", (*document).clone())?) };
                let work = work.filter(|work| !oci::is_endpoint(&work.store));
                work.ok_or_else(|| self.invalid("work", oci::NO_WORK_BUCKET))
            }
            None => match std::env::var("LANDFALL_WORK_BUCKET") {
                Ok(bucket) if !bucket.is_empty() => Ok(Work { bucket, store: Default::default() }),
                _ => Err(self
                    .invalid("work", "is missing: it names the bucket that keeps the pipeline's own state")),
            },
        }
    }

    async fn required(&self, path: &str, what: &str) -> Result<Arc<Value>> {
        let document = self.document(path).await?;
        document.ok_or_else(|| self.invalid(path, format!("is missing: the event names this {what}")))
    }

    async fn document(&self, path: &str) -> Result<Option<Arc<Value>>> {
        let mut kept = self.kept.lock().await;
        if let Some((since, document)) = kept.get(path)
            && elapsed(*since, self.clock.now()) < KEPT
        {
            return Ok(document.clone());
        }
        let document = self.place.read(path).await?.map(Arc::new);
        kept.insert(path.to_owned(), (self.clock.now(), document.clone()));
        Ok(document)
    }

    fn split_type(&self, path: &str, document: &Value) -> Result<(String, Value)> {
        let mut document = document.clone();
        let kind = document.as_object_mut().and_then(|table| table.shift_remove("type"));
        match kind.as_ref().and_then(Value::as_str) {
            Some(kind) => Ok((kind.to_owned(), document)),
            None => Err(self.invalid(path, "has no `type`")),
        }
    }

    fn fit<T: DeserializeOwned>(&self, path: &str, document: Value) -> Result<T> {
        serde_path_to_error::deserialize(document).map_err(|error| {
            let within = match error.path().to_string().as_str() {
                "." => String::new(),
                within => format!(".{within}"),
            };
            // Serde quotes a value that does not fit, which may be a secret: only what it expected is kept.
            let reason = error.into_inner().to_string();
            let reason = match reason.starts_with("invalid ") {
                true => format!(
                    "expected{}",
                    reason.rsplit_once("expected").map_or(" another value", |(_, what)| what)
                ),
                false => reason,
            };
            self.invalid(&format!("{path}{within}"), reason)
        })
    }

    fn invalid(&self, path: &str, reason: impl std::fmt::Display) -> Error {
        Error::invalid_config(format!("{} in {}: {reason}", path.replace('/', "."), self.place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use crate::store::Dialect;

    const FILE: &str = r#"
        [work]
        bucket = "work"

        [connections.pod]
        type = "fusion"
        base_url = "https://pod.example.com"
        scopes = { batch = "urn:batch" }
        auth = { grant = "client_credentials", token_url = "https://id.example.com/t", client_id = "c", client_secret = "hush-hush" }

        [destinations.lake]
        type = "s3"
        bucket = "lake"
    "#;

    fn config(text: &str) -> Result<Config> {
        Ok(Config::new(Place::from_toml(text, "landfall.toml")?, Arc::new(SystemClock)))
    }

    async fn refusal(text: String) -> String {
        let read = async {
            let config = config(&text)?;
            config.connection(&"pod".parse().unwrap()).await?;
            config.destination(&"lake".parse().unwrap()).await.map(|_| ())
        };
        let error = read.await.unwrap_err();
        assert_eq!(error.error_type().name(), "InvalidConfig");
        error.line()
    }

    /// A complete file reads, with the documented defaults.
    #[tokio::test]
    async fn a_file_gives_connections_and_destinations_by_name() {
        let config = config(FILE).unwrap();
        let connection = config.connection(&"pod".parse().unwrap()).await.unwrap();
        let Connection::Fusion(pod) = connection else { panic!("{connection:?}") };
        let job = &pod.job;
        assert_eq!((job.poll_seconds, job.settle_seconds, job.listing_lag_seconds), (30, 300, 60));
        // Oracle's own limit for a job: `timeoutThreshold` of the documented request.
        assert_eq!(job.timeout_seconds, 36_000);
        assert!(pod.client_request_uuid);
        assert_eq!(config.destination(&"lake".parse().unwrap()).await.unwrap().bucket, "lake");
        assert_eq!(config.work().await.unwrap().bucket, "work");
    }

    const OCI: &str = "type = 'oci'
        namespace = 'axexample'
        region = 'us-phoenix-1'
        access_key_id = 'id'
        secret_access_key = 'hush-hush'
        form = 'zstd'";

    fn with_oci(table: &str) -> String {
        FILE.replace("type = \"s3\"", table)
    }

    /// Oracle: "Amazon S3 Compatibility API", the endpoint's pattern; the region signs, and buckets are addressed by
    /// path.
    #[tokio::test]
    async fn an_oci_bucket_is_reached_by_what_follows_from_namespace_and_region() {
        let lake = config(&with_oci(OCI)).unwrap().destination(&"lake".parse().unwrap()).await.unwrap();
        let store = &lake.store;
        let endpoint = store.endpoint.as_ref().unwrap().as_str();
        assert_eq!(endpoint, "https://axexample.compat.objectstorage.us-phoenix-1.oci.customer-oci.com/");
        assert_eq!((store.region.as_deref(), store.path_style), (Some("us-phoenix-1"), Some(true)));
        assert_eq!((store.dialect, lake.bucket.as_str()), (Dialect::Oci, "lake"));
        assert_eq!(lake.form, crate::form::LandedForm::Zstd);
        assert!(!format!("{lake:?}").contains("hush-hush"));

        let elsewhere = format!("{OCI}\nendpoint = 'http://127.0.0.1:9000'");
        let lake =
            config(&with_oci(&elsewhere)).unwrap().destination(&"lake".parse().unwrap()).await.unwrap();
        assert_eq!(lake.store.endpoint.unwrap().as_str(), "http://127.0.0.1:9000/");
        assert_eq!(lake.store.dialect, Dialect::Oci);
    }

    /// Promise 7: nothing in a namespace or a region leads to another host. What lacks or is too much is named.
    #[tokio::test]
    async fn what_is_wrong_with_an_oci_bucket_is_named() {
        for (change, named) in [
            (("namespace = 'axexample'", ""), "missing field `namespace`"),
            (("region = 'us-phoenix-1'", ""), "missing field `region`"),
            (("secret_access_key = 'hush-hush'", ""), "missing field `secret_access_key`"),
            (("'axexample'", "'evil.example.com/'"), "namespace \"evil.example.com/\" takes letters"),
            (("'us-phoenix-1'", "'us-phoenix-1.evil.example.com/x'"), "region"),
            (("form = 'zstd'", "shape = 'zstd'"), "unknown field `shape`"),
            (("form = 'zstd'", "store = { region = 'x' }"), "takes no `store`"),
        ] {
            let said = refusal(with_oci(&OCI.replace(change.0, change.1))).await;
            assert!(said.contains("destinations.lake") && said.contains(named), "{said}");
            assert!(!said.contains("hush-hush"), "{said}");
        }
    }

    /// Promise 1 rests on conditional writes: state is not kept where they are not known to be honoured.
    #[tokio::test]
    async fn the_work_bucket_is_not_ocis() {
        let host = "https://n.compat.objectstorage.us-phoenix-1.oraclecloud.com";
        for work in [
            "type = \"oci\"\nbucket = \"work\"\nnamespace = 'n'".to_owned(),
            format!("bucket = \"work\"\nstore = {{ endpoint = '{host}' }}"),
        ] {
            let config = config(&FILE.replace("bucket = \"work\"", &work)).unwrap();
            let error = config.work().await.unwrap_err();
            assert_eq!(error.error_type().name(), "InvalidConfig");
            assert!(
                error.line().contains("work in landfall.toml: OCI Object Storage cannot"),
                "{}",
                error.line()
            );
        }
        let lake = format!("type = \"s3\"\nstore = {{ endpoint = '{host}' }}");
        let said = refusal(with_oci(&lake)).await;
        assert!(said.contains("say type = \"oci\""), "{said}");
    }

    /// Promise 7: secrets are redacted by their type.
    #[tokio::test]
    async fn a_printed_connection_shows_no_secret() {
        let config = config(FILE).unwrap();
        let pod = config.connection(&"pod".parse().unwrap()).await.unwrap();
        assert!(!format!("{pod:?}").contains("hush-hush"));
        assert!(!format!("{config:?}").contains("hush-hush"));
    }

    /// What a file leaves out, a process that brings its own stores may add; what the file says counts.
    #[tokio::test]
    async fn a_place_behind_another_gives_what_the_first_does_not() {
        let made = Place::made("this machine", |path| {
            path.starts_with("destinations/")
                .then(|| serde_json::json!({ "type": "s3", "bucket": path.replace('/', "-") }))
        });
        let place = Place::from_toml(FILE, "landfall.toml").unwrap().or(made);
        let config = Config::new(place, Arc::new(SystemClock));
        assert_eq!(config.destination(&"lake".parse().unwrap()).await.unwrap().bucket, "lake");
        assert_eq!(config.destination(&"pond".parse().unwrap()).await.unwrap().bucket, "destinations-pond");
        assert!(config.connection(&"other".parse().unwrap()).await.is_err());
    }

    /// A wrong or missing key is an `InvalidConfig` that names the key and the place, and never the value.
    #[tokio::test]
    async fn what_is_wrong_is_named_with_its_key_and_place() {
        let missing = refusal(FILE.replace("base_url = \"https://pod.example.com\"", "")).await;
        assert!(missing.contains("connections.pod in landfall.toml: missing field `base_url`"), "{missing}");

        let unknown = refusal(FILE.replace("base_url", "base_uri")).await;
        assert!(unknown.contains("connections.pod") && unknown.contains("`base_uri`"), "{unknown}");

        let wrong = refusal(FILE.replace("\"hush-hush\"", "{ it = \"hush-hush\" }")).await;
        assert!(wrong.contains("connections.pod.auth.client_secret") && !wrong.contains("hush"), "{wrong}");

        let lake = |settings: &str| FILE.replace("bucket = \"lake\"", &format!("bucket = 'l'\n{settings}"));
        for (settings, named) in [
            ("form = 'parquet'", "destinations.lake.form"),
            ("form = 'zstd'\nzstd_level = 10", "destinations.lake.zstd_level"),
            ("zstd_level = 3", "form is not \"zstd\""),
        ] {
            let form = refusal(lake(settings)).await;
            assert!(form.contains(named), "{form}");
        }

        let kind = refusal(FILE.replace("\"fusion\"", "\"sap\"")).await;
        assert!(kind.contains("\"sap\" is not one of: fusion"), "{kind}");

        let name = refusal(FILE.replace("connections.pod", "connections.other")).await;
        assert!(name.contains("connections.pod in landfall.toml: is missing"), "{name}");

        let section = refusal(FILE.replace("[work]", "[works]")).await;
        assert!(section.contains("`works`"), "{section}");

        let variable = refusal(FILE.replace("hush-hush", "${LANDFALL_TEST_UNSET}")).await;
        assert!(
            variable.contains("connections.pod.auth.client_secret")
                && variable.contains("LANDFALL_TEST_UNSET"),
            "{variable}"
        );
    }
}
