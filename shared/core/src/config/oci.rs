//! A bucket of OCI Object Storage as a destination: `type = "oci"`.
//!
//! It is reached by the Amazon S3 Compatibility API (Oracle: Object Storage, "Amazon S3 Compatibility API") with a
//! customer secret key, by path. The endpoint follows from namespace and region.

use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Map, Value};
use url::Url;

use landfall_store::{Dialect, StoreSettings};

/// Why a bucket of OCI Object Storage does not keep the pipeline's own state.
pub(super) const NO_WORK_BUCKET: &str = "OCI Object Storage cannot keep the pipeline's own state: two processes that start one \
     run are kept apart by conditional writes, which its S3 API does not document. Name an S3 bucket; on one \
     machine, leave `work` out, and the store below --data keeps it";

/// The keys of a destination's table that say where an OCI bucket is.
const KEYS: [&str; 5] = ["namespace", "region", "access_key_id", "secret_access_key", "endpoint"];

/// Where an OCI bucket is, and the customer secret key that opens it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OciStore {
    /// The tenancy's Object Storage namespace.
    namespace: String,
    /// The region's identifier, such as `us-phoenix-1`.
    region: String,
    /// The customer secret key's id, which Oracle calls its access key.
    access_key_id: String,
    /// The customer secret key itself.
    secret_access_key: SecretString,
    /// Another endpoint than the one that follows: of another realm, or of a test.
    #[serde(default)]
    endpoint: Option<Url>,
}

/// A name that cannot be part of a host's name.
#[derive(Debug, thiserror::Error)]
#[error("{what} {value:?} takes letters, digits and hyphens")]
pub(super) struct InvalidName {
    what: &'static str,
    value: String,
}

impl OciStore {
    /// How the bucket is reached.
    pub(super) fn settings(self) -> Result<StoreSettings, InvalidName> {
        let namespace = label("namespace", &self.namespace)?;
        let region = label("region", &self.region)?;
        let host = format!("{namespace}.compat.objectstorage.{region}.oci.customer-oci.com");
        let endpoint = match self.endpoint {
            Some(endpoint) => endpoint,
            None => Url::parse(&format!("https://{host}"))
                .map_err(|_| InvalidName { what: "namespace", value: self.namespace.clone() })?,
        };
        Ok(StoreSettings {
            endpoint: Some(endpoint),
            region: Some(self.region),
            path_style: Some(true),
            access_key_id: Some(self.access_key_id),
            secret_access_key: Some(self.secret_access_key),
            dialect: Dialect::Oci,
            ..StoreSettings::default()
        })
    }
}

/// Both become part of a host's name: anything else in them could lead to another host.
fn label<'a>(what: &'static str, value: &'a str) -> Result<&'a str, InvalidName> {
    let is_label = !value.is_empty()
        && value.len() <= 63
        && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    match is_label {
        true => Ok(value),
        false => Err(InvalidName { what, value: value.to_owned() }),
    }
}

/// Takes what says where an OCI bucket is out of a destination's table.
pub(super) fn split_off(table: &mut Value) -> Value {
    let mut store = Map::new();
    if let Some(table) = table.as_object_mut() {
        for key in KEYS {
            store.extend(table.shift_remove(key).map(|value| (key.to_owned(), value)));
        }
    }
    Value::Object(store)
}

/// Whether a store that is not said to be OCI's has an endpoint of OCI's.
pub(super) fn is_endpoint(store: &StoreSettings) -> bool {
    let host = store.endpoint.as_ref().and_then(Url::host_str).unwrap_or_default();
    [".compat.objectstorage.", ".vhcompat.objectstorage."].iter().any(|part| host.contains(part))
}
