//! Buckets outside a world's own store: of stores that others wrote, or of another store of ours.

use std::path::PathBuf;
use std::sync::OnceLock;

use embedded_store::OciUser;
use landfall_http::auth::oci::PrincipalSettings;
use landfall_store::{Dialect, OciSettings, StoreSettings};
use serde::Deserialize;
use tempfile::TempDir;

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
    /// The file with the profile of who calls OCI's own API there; S3's is called where there is none.
    #[serde(default)]
    pub profile: Option<PathBuf>,
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
    /// The region of an OCI bucket that is called by its S3 API; another's is `us-east-1`.
    pub oci_region: Option<String>,
    /// The file with the profile of who calls OCI's own API there.
    pub profile: Option<PathBuf>,
}

impl At {
    /// How it is reached, as landfall has it.
    pub fn settings(&self) -> StoreSettings {
        if let Some(profile) = &self.profile {
            let principal =
                PrincipalSettings { config_file: Some(profile.clone()), ..PrincipalSettings::default() };
            let endpoint = Some(self.endpoint.parse().expect("a URL"));
            let oci = OciSettings { endpoint, principal, ..OciSettings::default() };
            return StoreSettings { oci: Some(oci), ..StoreSettings::default() };
        }
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
        if let Some(profile) = &self.profile {
            let (bucket, endpoint, profile) = (&self.bucket, &self.endpoint, profile.display());
            return format!("bucket = '{bucket}'\nendpoint = '{endpoint}'\nconfig_file = '{profile}'");
        }
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
        if self.is_oci() { "oci" } else { "s3" }
    }

    /// The lines of the work bucket's table.
    pub(crate) fn work_toml(&self) -> String {
        let kind = if self.profile.is_some() { "type = 'oci'\n" } else { "" };
        format!("{kind}{}", self.toml())
    }

    fn is_oci(&self) -> bool {
        self.oci_region.is_some() || self.profile.is_some()
    }
}

/// Who calls OCI's own API: one for all tests, since making a key takes longer than all else.
pub fn oci_user() -> &'static OciUser {
    static USER: OnceLock<(TempDir, OciUser)> = OnceLock::new();
    let (_, user) = USER.get_or_init(|| {
        let folder = TempDir::new().expect("a folder");
        let user = OciUser::in_folder(folder.path()).expect("a user");
        (folder, user)
    });
    user
}
