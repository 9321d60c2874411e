//! What an EPM environment's user has, beside the identity domain's.

/// The identity domain that the EPM environment belongs to: what leads its users' names.
pub const IDENTITY_DOMAIN: &str = "simulateddomain";
/// The scope of the EPM environment.
pub const EPM_SCOPE: &str = "urn:opc:serviceInstanceID=simulated-test:epm";
