//! Where the simulated systems are.

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
}
