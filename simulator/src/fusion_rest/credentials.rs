//! What the user of REST resources has, beside the identity domain's.

/// The scope of REST resources.
pub const REST_SCOPE: &str = "urn:opc:resource:consumer::all";
