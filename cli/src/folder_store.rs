//! The embedded store over this machine's data folder.

use std::path::Path;

use embedded_store::{Credentials, EmbeddedStore, Handle, Options};
use landfall::{Error, Result};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

/// The embedded store's buckets.
pub(crate) const WORK: &str = "work";
pub(crate) const LANDING: &str = "landing";

/// Whether the embedded store's buckets are made where they are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Buckets {
    Made,
    AsTheyAre,
}

/// Serves the folder as a store, and says how it is reached.
pub(crate) async fn serve(data: &Path, buckets: Buckets) -> Result<(Handle, Value)> {
    let unusable = |error: embedded_store::Error| {
        Error::invalid_config(format!("--data {} cannot be used as a store", data.display())).because(error)
    };
    let store = EmbeddedStore::open(data, Options::default()).map_err(unusable)?;
    if buckets == Buckets::Made {
        for bucket in [WORK, LANDING] {
            store.ensure_bucket(bucket).map_err(unusable)?;
        }
    }
    let credentials = Credentials::random();
    let handle = store.serve(0, &credentials).await.map_err(unusable)?;
    let settings = json!({
        "endpoint": handle.endpoint(),
        "region": "us-east-1",
        "path_style": true,
        "access_key_id": credentials.access_key_id,
        "secret_access_key": credentials.secret_access_key.expose_secret(),
    });
    Ok((handle, settings))
}
