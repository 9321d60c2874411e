//! The one confidential application and the one user that the simulated identity domain knows, and what the systems
//! have beside them.
//!
//! All of it is public: it opens nothing but a simulator.

pub use crate::epm::credentials::{EPM_SCOPE, IDENTITY_DOMAIN};
pub use crate::folio::credentials::{FOLIO_PASSWORD, FOLIO_TENANT, FOLIO_USERNAME};
pub use crate::fusion_extract::credentials::{BATCH_SCOPE, BOSS_SCOPE, POD};
pub use crate::fusion_rest::credentials::REST_SCOPE;
pub use crate::identity::credentials::*;
pub use crate::shopify::credentials::SHOPIFY_TOKEN;
pub use crate::stripe::credentials::STRIPE_KEY;
