//! What a client of the Selling Partner API needs beside the identity domain's own.

/// The scope of the API.
pub const SP_API_SCOPE: &str = "sellingpartnerapi::reports";
