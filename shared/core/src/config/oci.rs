//! A bucket of OCI Object Storage: `type = "oci"`.
//!
//! It is called by OCI's own API, as a principal of Oracle's cloud; or, with `api = "s3"` or a customer secret key, by the
//! Amazon S3 Compatibility API (Oracle: Object Storage, "Amazon S3 Compatibility API"), by path.

use std::path::PathBuf;

use landfall_http::auth::oci::{PrincipalError, PrincipalKind, PrincipalSettings, Region};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Map, Value};
use url::Url;

use landfall_store::{Dialect, OciSettings, StoreSettings};

/// Why a bucket that is called by OCI's S3 API does not keep the pipeline's own state.
pub(super) const NO_WORK_BUCKET: &str = "OCI Object Storage cannot keep the pipeline's own state by its S3 API: two processes that start one \
     run are kept apart by conditional writes, which that API does not document. Set type = \"oci\" without access keys, \
     and its own API is called; on one machine, leave `work` out, and the store below --data keeps it";

/// The keys of a table that say where an OCI bucket is, and who calls there.
const KEYS: [&str; 9] = [
    "api",
    "namespace",
    "region",
    "endpoint",
    "auth",
    "profile",
    "config_file",
    "access_key_id",
    "secret_access_key",
];

/// By which API a bucket is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Api {
    /// OCI's own.
    Native,
    /// The Amazon S3 Compatibility API.
    S3,
}

/// Where an OCI bucket is, and who calls there.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OciStore {
    /// By which API; by S3's where a customer secret key is given, and by OCI's own otherwise.
    api: Option<Api>,
    /// The tenancy's Object Storage namespace.
    namespace: Option<String>,
    /// The region's identifier, such as `us-phoenix-1`.
    region: Option<String>,
    /// Another endpoint than the one that follows: of another realm, or of a test.
    endpoint: Option<Url>,
    /// Who calls OCI's own API.
    auth: Option<PrincipalKind>,
    /// The profile that does.
    profile: Option<String>,
    /// The file that the profile is in.
    config_file: Option<PathBuf>,
    /// The customer secret key's id, which Oracle calls its access key.
    access_key_id: Option<String>,
    /// The customer secret key itself.
    secret_access_key: Option<SecretString>,
}

/// Keys that do not go together, or a value that cannot be.
#[derive(Debug, thiserror::Error)]
pub(super) enum InvalidOci {
    /// A name that cannot be part of a host's name.
    #[error("{what} {value:?} takes letters, digits and hyphens")]
    Name {
        /// The key.
        what: &'static str,
        /// What it has.
        value: String,
    },
    /// A region that cannot be one.
    #[error(transparent)]
    Region(PrincipalError),
    /// A key that this API needs.
    #[error("missing field `{0}`, which api = \"s3\" needs")]
    Missing(&'static str),
    /// A key of the other API.
    #[error("`{key}` is a key of the other API: api is {api}, {why}")]
    OfTheOther {
        /// The key.
        key: &'static str,
        /// By which API the bucket is called.
        api: &'static str,
        /// What makes it so.
        why: &'static str,
    },
}

impl OciStore {
    /// How the bucket is reached; `caller` is who calls, as far as this says nothing of that.
    pub(super) fn settings(self, caller: &PrincipalSettings) -> Result<StoreSettings, InvalidOci> {
        match self.api() {
            Api::Native => self.native(caller),
            Api::S3 => self.s3(),
        }
    }

    /// Whether it is called by the API that has conditional writes.
    pub(super) fn holds_conditions(&self) -> bool {
        self.api() == Api::Native
    }

    fn api(&self) -> Api {
        let has_key = self.access_key_id.is_some() || self.secret_access_key.is_some();
        self.api.unwrap_or(if has_key { Api::S3 } else { Api::Native })
    }

    fn native(self, caller: &PrincipalSettings) -> Result<StoreSettings, InvalidOci> {
        let keys = [
            ("access_key_id", self.access_key_id.is_some()),
            ("secret_access_key", self.secret_access_key.is_some()),
        ];
        none_of(keys, "native", "and signs as a principal (see auth)")?;
        if let Some(namespace) = &self.namespace {
            label("namespace", namespace)?;
        }
        if let Some(region) = &self.region {
            Region::parse(region).map_err(InvalidOci::Region)?;
        }
        let principal = PrincipalSettings {
            kind: self.auth,
            config_file: self.config_file,
            profile: self.profile,
            ..caller.clone()
        };
        let oci = OciSettings {
            namespace: self.namespace,
            region: self.region,
            endpoint: self.endpoint,
            principal,
        };
        Ok(StoreSettings { oci: Some(oci), ..StoreSettings::default() })
    }

    fn s3(self) -> Result<StoreSettings, InvalidOci> {
        let keys = [
            ("auth", self.auth.is_some()),
            ("profile", self.profile.is_some()),
            ("config_file", self.config_file.is_some()),
        ];
        none_of(keys, "s3", "which signs with a customer secret key")?;
        let namespace = self.namespace.ok_or(InvalidOci::Missing("namespace"))?;
        let region = self.region.ok_or(InvalidOci::Missing("region"))?;
        let access_key_id = self.access_key_id.ok_or(InvalidOci::Missing("access_key_id"))?;
        let secret_access_key = self.secret_access_key.ok_or(InvalidOci::Missing("secret_access_key"))?;
        let host = format!(
            "{}.compat.objectstorage.{}.oci.customer-oci.com",
            label("namespace", &namespace)?,
            label("region", &region)?
        );
        let endpoint = match self.endpoint {
            Some(endpoint) => endpoint,
            None => Url::parse(&format!("https://{host}"))
                .map_err(|_| InvalidOci::Name { what: "namespace", value: namespace.clone() })?,
        };
        Ok(StoreSettings {
            endpoint: Some(endpoint),
            region: Some(region),
            path_style: Some(true),
            access_key_id: Some(access_key_id),
            secret_access_key: Some(secret_access_key),
            dialect: Dialect::Oci,
            ..StoreSettings::default()
        })
    }
}

fn none_of<const N: usize>(
    keys: [(&'static str, bool); N],
    api: &'static str,
    why: &'static str,
) -> Result<(), InvalidOci> {
    match keys.into_iter().find(|(_, is_there)| *is_there) {
        Some((key, _)) => Err(InvalidOci::OfTheOther { key, api, why }),
        None => Ok(()),
    }
}

/// Both become part of a host's name: anything else in them could lead to another host.
fn label<'a>(what: &'static str, value: &'a str) -> Result<&'a str, InvalidOci> {
    let is_label = !value.is_empty()
        && value.len() <= 63
        && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    match is_label {
        true => Ok(value),
        false => Err(InvalidOci::Name { what, value: value.to_owned() }),
    }
}

/// Takes what says where an OCI bucket is out of a table.
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
