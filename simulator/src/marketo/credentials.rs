//! What a client of Marketo needs beside the identity domain's own.

/// The scope of the API: the name of its user.
pub const MARKETO_SCOPE: &str = "landfall@marketo.example.com";
