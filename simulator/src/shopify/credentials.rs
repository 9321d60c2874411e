//! What a client of a shop needs.

/// The Admin API's access token of the app.
pub const SHOPIFY_TOKEN: &str = "shpat_simulated0123456789";
