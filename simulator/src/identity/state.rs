//! What the identity domain remembers.

use serde::{Deserialize, Serialize};

/// The tokens issued so far.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct TokenState {
    /// Tokens of an earlier generation are revoked.
    #[serde(rename = "token_generation")]
    pub(crate) generation: u64,
    #[serde(rename = "tokens_issued")]
    pub(super) issued: u64,
    pub(super) authorized_requests: u64,
    /// Refresh tokens that have been used, where they are good for one use.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) spent_refresh_tokens: Vec<u64>,
}
