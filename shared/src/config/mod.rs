//! What connections and destinations stand for: configuration by name, from one place.
//!
//! The place is named by `LANDFALL_CONFIG`, or the command line's `--config`:
//!
//! * `file:<path>` — a TOML file; its text values may name environment variables as `${NAME}`;
//! * `secretsmanager:<prefix>` — secrets `<prefix>/connections/<name>`, `<prefix>/destinations/<name>` and
//!   `<prefix>/work` of AWS Secrets Manager, each a JSON object;
//! * `ssm:<path>` — parameters (SecureString or String) of the same names below a path of the SSM parameter store.

mod connection;
mod destination;
mod epm;
mod folio;
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
        let (kind, settings) = self.split_type(&path, &document)?;
        match kind.as_str() {
            "s3" => {
                let destination: Destination = self.fit(&path, settings)?;
                destination.check().map_err(|wrong| self.invalid(&path, wrong))?;
                Ok(destination)
            }
            other => Err(self.invalid(&path, format!("type {other:?} is not one of: s3"))),
        }
    }

    /// The work bucket. `LANDFALL_WORK_BUCKET` names it where nothing else does.
    pub async fn work(&self) -> Result<Work> {
        match self.document("work").await? {
            Some(document) => self.fit("work", (*document).clone()),
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
