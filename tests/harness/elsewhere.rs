//! Buckets outside a world's own store: of stores that others wrote, or of another store of ours.

use landfall_store::{Dialect, StoreSettings};
use serde::Deserialize;

/// Names the stores that others wrote, as `.ci/stores.py` does: a JSON list of [`Foreign`].
const VARIABLE: &str = "LANDFALL_CONFORMANCE_STORES";

/// A store that others wrote.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Foreign {
    /// What it is called.
    pub name: String,
    /// Where it is.
    pub endpoint: String,
    /// The key's id.
    pub access_key_id: String,
    /// The key.
    pub secret_access_key: String,
}

/// The stores that others wrote and that this run of the tests may use; none if nothing names any.
pub fn foreign() -> Vec<Foreign> {
    match std::env::var(VARIABLE) {
        Ok(list) => serde_json::from_str(&list).unwrap_or_else(|error| panic!("{VARIABLE}: {error}")),
        Err(_) => Vec::new(),
    }
}

/// A bucket, and how it is reached.
#[derive(Debug, Clone)]
pub struct At {
    /// Its name.
    pub bucket: String,
    /// Where it is.
    pub endpoint: String,
    /// The key's id.
    pub access_key_id: String,
    /// The key.
    pub secret_access_key: String,
    /// The region of an OCI bucket; another's is `us-east-1`.
    pub oci_region: Option<String>,
}

impl At {
    /// How it is reached, as landfall has it.
    pub fn settings(&self) -> StoreSettings {
        StoreSettings {
            endpoint: Some(self.endpoint.parse().expect("a URL")),
            region: Some(self.oci_region.clone().unwrap_or_else(|| "us-east-1".to_owned())),
            path_style: Some(true),
            access_key_id: Some(self.access_key_id.clone()),
            secret_access_key: Some(self.secret_access_key.clone().into()),
            dialect: if self.oci_region.is_some() { Dialect::Oci } else { Dialect::S3 },
            ..StoreSettings::default()
        }
    }

    /// The lines of a table that say where it is.
    pub(crate) fn toml(&self) -> String {
        let Self { bucket, endpoint, access_key_id: id, secret_access_key: secret, .. } = self;
        let keys = format!("access_key_id = '{id}'");
        match &self.oci_region {
            Some(region) => format!(
                "bucket = '{bucket}'\nendpoint = '{endpoint}'\nnamespace = 'axexample'\nregion = '{region}'\n{keys}\n\
                 secret_access_key = '{secret}'"
            ),
            None => format!(
                "bucket = '{bucket}'\nstore = {{ endpoint = '{endpoint}', region = 'us-east-1', {keys}, \
                 secret_access_key = '{secret}' }}"
            ),
        }
    }

    /// The `type` of a destination there.
    pub(crate) fn kind(&self) -> &'static str {
        if self.oci_region.is_some() { "oci" } else { "s3" }
    }
}
