//! The embedded store over this machine's data folder.

use std::path::Path;

use embedded_store::{Credentials, EmbeddedStore, Handle, OciUser, Options};
use landfall::{Error, Result};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

/// The embedded store's buckets.
pub(crate) const WORK: &str = "work";
pub(crate) const LANDING: &str = "landing";
/// Whatever is put here lands beside a simulator. It is not made: whoever puts something there makes it.
pub(crate) const UPLOADS: &str = "uploads";
/// The connection whose bucket that is.
pub(crate) const DELIVERIES: &str = "deliveries";

/// Whether the embedded store's buckets are made where they are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Buckets {
    Made,
    AsTheyAre,
}

/// A folder that is served as a store, and how it is reached.
pub(crate) struct Served {
    pub(crate) handle: Handle,
    /// By S3's API: a table `store`.
    pub(crate) s3: Value,
    /// By OCI's own: the keys of a bucket with `type = "oci"`, where that is served.
    pub(crate) oci: Option<Value>,
}

/// Serves the folder as a store, and says how it is reached.
pub(crate) async fn serve(data: &Path, buckets: Buckets) -> Result<(Handle, Value)> {
    let Served { handle, s3, .. } = serve_to(data, buckets, None).await?;
    Ok((handle, s3))
}

/// The same for others than this process, if they want it by OCI's own API, too: to the user whose profile is in the data
/// folder, made where it is not there yet.
pub(crate) async fn serve_to_others(data: &Path, by_oci: bool) -> Result<Served> {
    let user = by_oci.then(|| OciUser::in_folder(&data.join(".oci"))).transpose();
    serve_to(data, Buckets::Made, user.map_err(|error| unusable(data, error))?).await
}

fn unusable(data: &Path, error: embedded_store::Error) -> Error {
    Error::invalid_config(format!("--data {} cannot be used as a store", data.display())).because(error)
}

async fn serve_to(data: &Path, buckets: Buckets, user: Option<OciUser>) -> Result<Served> {
    let unusable = |error| unusable(data, error);
    let mut store = EmbeddedStore::open(data, Options::default()).map_err(unusable)?;
    if let Some(user) = &user {
        store = store.with_oci(user.access.clone());
    }
    if buckets == Buckets::Made {
        for bucket in [WORK, LANDING] {
            store.ensure_bucket(bucket).map_err(unusable)?;
        }
    }
    let credentials = Credentials::random();
    let handle = store.serve(0, &credentials).await.map_err(unusable)?;
    let oci = user.map(|user| json!({ "endpoint": handle.endpoint(), "config_file": user.config_file }));
    let s3 = json!({
        "endpoint": handle.endpoint(),
        "region": "us-east-1",
        "path_style": true,
        "access_key_id": credentials.access_key_id,
        "secret_access_key": credentials.secret_access_key.expose_secret(),
    });
    Ok(Served { handle, s3, oci })
}
