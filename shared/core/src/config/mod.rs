//! What connections and destinations stand for: configuration by name, from one place.
//!
//! The place is named by `LANDFALL_CONFIG`, or the command line's `--config`:
//!
//! * `file:<path>` — a TOML file; its text values may name environment variables as `${NAME}`;
//! * `secretsmanager:<prefix>` — secrets `<prefix>/connections/<name>`, `<prefix>/destinations/<name>`,
//!   `<prefix>/catalogs/<name>` and `<prefix>/work` of AWS Secrets Manager, each a JSON object;
//! * `ssm:<path>` — parameters (SecureString or String) of the same names below a path of the SSM parameter store;
//! * `ocivault:<vault>/<prefix>` — secrets of a vault of OCI Vault: `<prefix>.connections.<name>` and so on.

mod aws;
mod catalog;
mod connection;
mod destination;
mod document;
mod notify;
mod oci;
mod oci_vault;
mod provider;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::Mutex;

pub use catalog::*;
pub use connection::*;
pub use destination::*;
pub use notify::*;
pub use provider::ConfigProvider;

use crate::clock::{Clock, elapsed};
use crate::error::{Error, Result};
use crate::job::{ConnectionName, DestinationName};
use document::Document;
use landfall_http::auth::oci::PrincipalSettings;
use landfall_store::StoreSettings;
use oci::OciStore;

/// How long a document is used before it is read again: a rotated secret is noticed after this time.
const KEPT: Duration = Duration::from_secs(300);

/// The key of who is told, and where events of `OpenLineage` go.
const NOTIFY: &str = "notify";
const LINEAGE: &str = "lineage";

/// A document, or that there is none, and when that was read.
type CachedDocument = (jiff::Timestamp, Option<Arc<Value>>);

/// The configuration, read by name when it is needed and kept for a few minutes.
pub struct Config {
    provider: ConfigProvider,
    clock: Arc<dyn Clock>,
    caller: PrincipalSettings,
    kept: Mutex<HashMap<String, CachedDocument>>,
}

/// Shows where the configuration is, and nothing of what it holds.
impl std::fmt::Debug for Config {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Config").field("provider", &self.provider).finish_non_exhaustive()
    }
}

impl Config {
    /// The configuration that a provider keeps.
    pub fn new(provider: ConfigProvider, clock: Arc<dyn Clock>) -> Self {
        Self { provider, clock, caller: PrincipalSettings::default(), kept: Mutex::default() }
    }

    /// The same configuration, for whom Oracle's cloud is not what this process's environment says.
    #[must_use]
    pub(crate) fn calling_as(mut self, caller: PrincipalSettings) -> Self {
        self.caller = caller;
        self
    }

    /// What a connection's name stands for.
    pub async fn connection(&self, name: &ConnectionName) -> Result<Connection> {
        let missing = || {
            self.missing(
                &connection_path(name),
                "is missing: add it there, or correct the name of the connection",
            )
        };
        self.configured_connection(name).await?.ok_or_else(missing)
    }

    /// The same; none where nothing is configured under this name.
    pub async fn configured_connection(&self, name: &ConnectionName) -> Result<Option<Connection>> {
        let path = connection_path(name);
        let Some(document) = self.document(&path).await? else { return Ok(None) };
        let mut connection = Connection::read(self.at(&path, self.without_notify(&path, &document).await?))?;
        if let Some(table) = document.get("from_bucket") {
            let path = format!("{path}/from_bucket");
            let from_bucket = self.bucket(&path, table.clone(), |from: &mut FromBucket| &mut from.store)?;
            connection.from_bucket = Some(from_bucket);
        }
        Ok(Some(connection))
    }

    /// What a destination's name stands for.
    pub async fn destination(&self, name: &DestinationName) -> Result<Destination> {
        let path = format!("destinations/{name}");
        let missing =
            || self.missing(&path, "is missing: add it there, or correct the name of the destination");
        let document = self.document(&path).await?.ok_or_else(missing)?;
        let document = self.without_notify(&path, &document).await?;
        let destination = self.bucket(&path, document, |named: &mut Destination| &mut named.store)?;
        destination.check().map_err(|wrong| self.invalid(&path, wrong))?;
        Ok(destination)
    }

    /// What a catalog's name stands for.
    pub async fn catalog(&self, name: &str) -> Result<Catalog> {
        let path = format!("catalogs/{name}");
        let missing = || self.missing(&path, "is missing: add it there, or correct the name of the catalog");
        let document = self.document(&path).await?.ok_or_else(missing)?;
        self.at(&path, (*document).clone()).fit()
    }

    /// Who is told of what becomes of a connection's runs.
    pub async fn notify_of_connection(&self, name: &ConnectionName) -> Result<Vec<Notify>> {
        self.notify(&connection_path(name)).await
    }

    /// Who is told of what lands, or does not, in a destination.
    pub async fn notify_of_destination(&self, name: &DestinationName) -> Result<Vec<Notify>> {
        self.notify(&format!("destinations/{name}")).await
    }

    /// The list below a table, which is a document of its own but in a file: functions that handle what others wrote read
    /// it, and not the credentials beside it.
    async fn notify(&self, of: &str) -> Result<Vec<Notify>> {
        let path = format!("{of}/{NOTIFY}");
        match self.document(&path).await? {
            Some(document) => self.at(&path, (*document).clone()).fit(),
            None => Ok(Vec::new()),
        }
    }

    /// A table without the list of who is told, which is refused where nobody would find it.
    async fn without_notify(&self, path: &str, document: &Value) -> Result<Value> {
        let mut document = document.clone();
        let notify = document.as_object_mut().and_then(|table| table.shift_remove(NOTIFY));
        let own = format!("{path}/{NOTIFY}");
        if notify.is_some() && self.document(&own).await?.is_none() {
            return Err(self.invalid(path, format!("`{NOTIFY}` is a document of its own here: {own}")));
        }
        Ok(document)
    }

    /// Where the events of `OpenLineage` go, if anywhere.
    pub async fn lineage(&self) -> Result<Option<Lineage>> {
        let document = self.document(LINEAGE).await?;
        document.map(|document| self.at(LINEAGE, (*document).clone()).fit()).transpose()
    }

    /// What a table says that names a bucket, of whichever type, and how that is reached.
    fn bucket<T: DeserializeOwned>(
        &self,
        path: &str,
        table: Value,
        store: impl FnOnce(&mut T) -> &mut StoreSettings,
    ) -> Result<T> {
        let (kind, mut settings) = self.at(path, table).split_type()?;
        let oci = match kind.as_str() {
            "s3" => None,
            "oci" => Some(self.oci_store(path, settings.value_mut())?.1),
            other => return Err(self.invalid(path, format!("type {other:?} is not one of: s3, oci"))),
        };
        let mut bucket = settings.fit()?;
        let given = store(&mut bucket);
        match oci {
            Some(oci) => *given = oci,
            None if oci::is_endpoint(given) => {
                let said =
                    "store.endpoint is OCI Object Storage's, which differs from S3: set type = \"oci\"";
                return Err(self.invalid(path, said));
            }
            None => {}
        }
        Ok(bucket)
    }

    /// How an OCI bucket is reached, and whether by the API that has conditional writes.
    fn oci_store(&self, path: &str, settings: &mut Value) -> Result<(bool, StoreSettings)> {
        if settings.get("store").is_some() {
            let said = "type \"oci\" takes no `store`: where the bucket is follows from namespace and region";
            return Err(self.invalid(path, said));
        }
        let store: OciStore = self.at(path, oci::split_off(settings)).fit()?;
        let holds_conditions = store.holds_conditions();
        let settings = store.settings(&self.caller).map_err(|wrong| self.invalid(path, wrong))?;
        Ok((holds_conditions, settings))
    }

    /// The work bucket. `LANDFALL_WORK_BUCKET` names it where nothing else does.
    pub async fn work(&self) -> Result<Work> {
        match self.document("work").await? {
            Some(document) if document.get("type").and_then(Value::as_str) == Some("oci") => {
                let (_, mut settings) = self.at("work", (*document).clone()).split_type()?;
                let (holds_conditions, store) = self.oci_store("work", settings.value_mut())?;
                match holds_conditions {
                    true => Ok(Work { store, ..settings.fit()? }),
                    false => Err(self.invalid("work", oci::NO_WORK_BUCKET)),
                }
            }
            Some(document) => {
                let work = self.at("work", (*document).clone()).fit::<Work>()?;
                match oci::is_endpoint(&work.store) {
                    true => Err(self.invalid("work", oci::NO_WORK_BUCKET)),
                    false => Ok(work),
                }
            }
            None => match std::env::var("LANDFALL_WORK_BUCKET") {
                Ok(bucket) if !bucket.is_empty() => Ok(Work { bucket, store: Default::default() }),
                _ => Err(self.missing("work", "is missing: name the bucket for the pipeline's own state")),
            },
        }
    }

    async fn document(&self, path: &str) -> Result<Option<Arc<Value>>> {
        let mut kept = self.kept.lock().await;
        if let Some((since, document)) = kept.get(path)
            && elapsed(*since, self.clock.now()) < KEPT
        {
            return Ok(document.clone());
        }
        let document = self.provider.read(path).await?.map(Arc::new);
        kept.insert(path.to_owned(), (self.clock.now(), document.clone()));
        Ok(document)
    }

    fn at(&self, path: &str, document: Value) -> Document {
        Document::new(path, &self.provider.to_string(), document)
    }

    /// An `InvalidConfig` about a document that is not there, in these words or in its provider's own.
    fn missing(&self, path: &str, usual: &str) -> Error {
        self.invalid(path, self.provider.missing(path).as_deref().unwrap_or(usual))
    }

    fn invalid(&self, path: &str, reason: impl std::fmt::Display) -> Error {
        self.at(path, Value::Null).invalid(reason)
    }
}

fn connection_path(name: &ConnectionName) -> String {
    format!("connections/{name}")
}
