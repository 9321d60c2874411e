//! What a client of `NetSuite` needs beside the identity domain's own.

/// The scope of the API.
pub const NETSUITE_SCOPE: &str = "rest_webservices";
