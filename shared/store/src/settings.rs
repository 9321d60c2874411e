//! How a bucket is reached.

use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

use crate::oci::OciSettings;
use crate::s3::{ChecksumSetting, Dialect};

/// Where a bucket is and with which credentials. What is left out comes from the AWS SDK's own sources: its
/// environment variables (`AWS_ENDPOINT_URL_S3`, `AWS_REGION`, …), profile, or the function's role.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreSettings {
    /// The store's endpoint, for a store that is not AWS.
    pub endpoint: Option<Url>,
    /// The region, as signatures need it.
    pub region: Option<String>,
    /// Whether the bucket's name is in the path; the default where `endpoint` is given.
    pub path_style: Option<bool>,
    /// The access key's id.
    pub access_key_id: Option<String>,
    /// The access key's secret.
    pub secret_access_key: Option<SecretString>,
    /// What the store holds bytes against before it takes them; found out where it is not said.
    pub checksum: ChecksumSetting,
    /// Whether all parts of an upload but the last must have one size; found out where it is not said.
    pub equal_parts: bool,
    /// How the store reads the S3 protocol: a destination's `type` says so.
    #[serde(skip)]
    pub dialect: Dialect,
    /// Where the bucket is in Oracle's cloud, and who calls there, where it is called by OCI's own API: then nothing else
    /// here counts.
    #[serde(skip)]
    pub oci: Option<OciSettings>,
}
