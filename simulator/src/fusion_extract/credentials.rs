//! What a Fusion pod's user has, beside the identity domain's.

/// The pod's name, as scopes have it.
pub const POD: &str = "simulated-test";
/// The scope of the BOSS API.
pub const BOSS_SCOPE: &str = "urn:opc:resource:fusion:simulated-test:boss/";
/// The scope of the saas-batch API.
pub const BATCH_SCOPE: &str = "urn:opc:resource:fusion:simulated-test:saas-batch/";
