//! What goes wrong with tokens.

use serde::{Deserialize, Serialize};

use crate::switches::{Outage, Times};

/// Switches of the token endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TokenFaults {
    /// How long an access token is good for, in seconds. 3600 as in an identity domain's default.
    pub lifetime_seconds: u32,
    /// `expires_in` is in milliseconds, as the token relay has it.
    pub expires_in_milliseconds: bool,
    /// Grants that the client may use; empty means all. Others get `unauthorized_client`.
    pub allowed_grants: Vec<Grant>,
    /// The client id and secret are taken from the Authorization header alone, not from the body.
    pub basic_only: bool,
    /// A refresh token is good for one use.
    pub refresh_once: bool,
    /// What a refresh token is spent for comes without the next one: it is good until it expires.
    pub without_next_refresh_token: bool,
    /// So many times a token is issued, and with a refresh token that is spent, then the connection is closed
    /// without an answer.
    pub issue_then_drop: Times,
    /// Once, when so many API requests have carried a good token: every token issued so far is revoked.
    pub revoke_after_requests: Option<u64>,
    /// What happens before the endpoint looks at the request. `unauthorized` and `forbidden` answer here
    /// as they do elsewhere.
    pub outage: Outage,
}

impl Default for TokenFaults {
    fn default() -> Self {
        Self {
            lifetime_seconds: 3600,
            expires_in_milliseconds: false,
            allowed_grants: Vec::new(),
            basic_only: false,
            refresh_once: false,
            without_next_refresh_token: false,
            issue_then_drop: Times::default(),
            revoke_after_requests: None,
            outage: Outage::default(),
        }
    }
}

/// The OAuth grants that the token endpoint knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grant {
    /// Resource owner password credentials.
    Password,
    /// Client credentials.
    ClientCredentials,
    /// A user assertion (`urn:ietf:params:oauth:grant-type:jwt-bearer`).
    JwtBearer,
    /// A refresh token.
    RefreshToken,
    /// A SAML assertion (`urn:ietf:params:oauth:grant-type:saml2-bearer`).
    Saml2Bearer,
}
