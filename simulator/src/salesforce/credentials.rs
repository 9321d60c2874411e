//! What a client of Salesforce needs beside the identity domain's own.

/// The scope of the API.
pub const SALESFORCE_SCOPE: &str = "api";
