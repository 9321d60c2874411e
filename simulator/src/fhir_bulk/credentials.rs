//! What a client of the FHIR server needs beside the identity domain's own.

/// The scope of the FHIR server.
pub const FHIR_SCOPE: &str = "system/*.read";
