//! The one user of the one tenant.

/// The one tenant of the simulated FOLIO.
pub const FOLIO_TENANT: &str = "diku";
/// The tenant's user that may export.
pub const FOLIO_USERNAME: &str = "integration_user";
/// That user's password.
pub const FOLIO_PASSWORD: &str = "simulated-folio-password-&+%=: é";
