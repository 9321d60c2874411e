//! Where a bucket is in Oracle's cloud, and who calls there.

use landfall_http::auth::oci::PrincipalSettings;
use url::Url;

/// Where a bucket is in Oracle's cloud, and who calls there.
#[derive(Debug, Clone, Default)]
pub struct OciSettings {
    /// The tenancy's Object Storage namespace; asked for where it is not given.
    pub namespace: Option<String>,
    /// The region, by identifier or key; the principal's own where none is given.
    pub region: Option<String>,
    /// Another endpoint than the region's: of another realm, of a private network, or of a test.
    pub endpoint: Option<Url>,
    /// Who calls.
    pub principal: PrincipalSettings,
}

/// Who calls, and where to, once that is found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenancy {
    /// The namespace.
    pub namespace: String,
    /// Where Object Storage is called.
    pub endpoint: Url,
    /// Who signs, in words.
    pub principal: String,
}

/// What a bucket does with objects by itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BucketRules {
    /// The tier that objects are stored in: `Standard`, `Archive`.
    pub storage_tier: Option<String>,
    /// Whether OCI moves objects to other tiers by itself.
    pub auto_tiering: bool,
    /// The rules that keep objects from being changed or deleted, by their names.
    pub retention_rules: Vec<String>,
}
