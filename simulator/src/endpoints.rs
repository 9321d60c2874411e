//! Where the simulated systems are.

use serde_json::{Value, json};

use crate::identity::credentials::{CLIENT_ID, CLIENT_SECRET};

/// Where the simulated systems are, each an `http://127.0.0.1:PORT` or below one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Endpoints {
    /// The systems, and the identity domain.
    pub base_url: String,
    /// Where the identity domain issues tokens.
    pub token_url: String,
    /// The object storage that links lead to: another origin.
    pub storage_url: String,
}

impl Endpoints {
    pub(crate) fn new(base_url: String, storage_url: String) -> Self {
        Self { token_url: format!("{base_url}/oauth2/v1/token"), base_url, storage_url }
    }

    /// Host and port of the storage.
    pub fn storage_host(&self) -> &str {
        self.storage_url.trim_start_matches("http://")
    }

    /// The connection of a described system whose client gets its tokens by its secret, sent as this says.
    pub(crate) fn described(&self, system: &str, scope: &str, client_auth: &str) -> Value {
        json!({
            "type": "declared",
            "system": system,
            "base_url": self.base_url,
            "scope": scope,
            "auth": {
                "grant": "client_credentials", "client_auth": client_auth, "token_url": self.token_url,
                "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET,
            },
        })
    }
}
