//! What a connection's configuration says of its calls and its credentials.

use std::path::PathBuf;

use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

/// A user's name and password, sent with each call (HTTP Basic).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BasicLogin {
    /// The user.
    pub username: String,
    /// The password.
    pub password: SecretString,
}

/// A token that somebody else obtains and keeps fresh: a single sign-on's, say.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BearerToken {
    /// The token. It is read anew every five minutes, as all configuration is.
    pub token: SecretString,
}

/// An OAuth 2.0 client of an identity domain.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OAuth {
    /// The token endpoint, for instance `https://idcs-….identity.oraclecloud.com/oauth2/v1/token`.
    pub token_url: Url,
    /// The client's id.
    pub client_id: String,
    /// The client's secret; not needed where `client_auth` is `private_key_jwt`, nor of a public client with the grant
    /// `refresh_token`.
    pub client_secret: Option<SecretString>,
    /// How the client authenticates.
    #[serde(default)]
    pub client_auth: ClientAuth,
    /// Which grant is used.
    pub grant: Grant,
    /// The user, for the grant `password` and as the subject of `jwt_bearer` (there the client's id by default).
    pub username: Option<String>,
    /// The user's password, for the grant `password`.
    pub password: Option<SecretString>,
    /// A SAML 2.0 assertion, as XML or in base64url, for the grant `saml2_bearer`. It is read anew every five minutes.
    pub assertion: Option<SecretString>,
    /// The first refresh token, for the grant `refresh_token`; those that follow it are kept in the work bucket.
    pub refresh_token: Option<SecretString>,
    /// An RSA private key of 2048, 3072 or 4096 bits (PEM, PKCS #8 or PKCS #1), for `jwt_bearer` and `private_key_jwt`.
    pub private_key: Option<SecretString>,
    /// The key's id (`kid`) as the identity domain knows it.
    pub key_id: Option<String>,
    /// The audience of assertions.
    #[serde(default = "oracle_assertion_audience")]
    pub assertion_audience: String,
    /// What assertions are signed by.
    #[serde(default)]
    pub assertion_algorithm: AssertionAlgorithm,
}

/// What assertions are signed by (RFC 7518, 3.1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum AssertionAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    #[default]
    RS256,
    /// The same with SHA-384, which SMART Backend Services asks for.
    RS384,
}

impl AssertionAlgorithm {
    /// Its name in the header of a JWS.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::RS384 => "RS384",
        }
    }
}

/// How an OAuth client authenticates at the token endpoint.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuth {
    /// HTTP Basic.
    #[default]
    Basic,
    /// `client_id` and `client_secret` in the form.
    Body,
    /// A signed assertion instead of the secret.
    PrivateKeyJwt,
}

/// An OAuth grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grant {
    /// The client acts for itself: Oracle's stated set-up for data extraction.
    ClientCredentials,
    /// A user's name and password.
    Password,
    /// An assertion about a user, signed by the client.
    JwtBearer,
    /// An assertion about a user, issued by an identity provider (RFC 7522).
    Saml2Bearer,
    /// A refresh token, from a user who has authorised the client; each may be good for one use.
    RefreshToken,
}

/// Time-outs, retries and hosts of a connection's HTTP calls.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpSettings {
    /// Hosts besides the base URL's that a server's answer may send us to, `host` or `host:port`; `*.host` for any below it.
    pub allowed_hosts: Vec<String>,
    /// Other hosts that are the base URL's own server, `host` or `host:port`; `*.host` for any below it: behind a gateway its
    /// links carry them. They are called under the base URL, with credentials.
    pub same_as: Vec<String>,
    /// A file of certificates (PEM) of authorities that are trusted besides the machine's own.
    pub ca_file: Option<PathBuf>,
    /// Seconds that a call may take until its answer has been read; for a download, that it may stand still.
    pub timeout_seconds: u64,
    /// How often a call that is safe to repeat is tried in all.
    pub attempts: u32,
    /// Seconds within which such a call is tried again.
    pub retry_seconds: u64,
    /// How many files are downloaded at once.
    pub parallel_downloads: usize,
    /// The most bytes of a file: more is `LimitExceeded`. A server that does not stop would fill the store.
    #[serde(alias = "max_file_bytes")]
    #[serde(alias = "most_file_bytes")]
    pub max_file_bytes: u64,
    /// Whether calls go through a proxy.
    pub proxy: Proxy,
}

/// Whether a connection's calls go through a proxy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Proxy {
    /// They go straight to the source, whatever the environment says: only so is it known which address a name has,
    /// and a name that leads into a private network or to a metadata service refused.
    #[default]
    None,
    /// They go through what `HTTPS_PROXY` and `NO_PROXY` name. The proxy looks names up: which addresses may be called
    /// is for it to say.
    Environment,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            allowed_hosts: Vec::new(),
            same_as: Vec::new(),
            ca_file: None,
            timeout_seconds: 60,
            attempts: 6,
            retry_seconds: 120,
            parallel_downloads: 4,
            max_file_bytes: 1 << 40,
            proxy: Proxy::None,
        }
    }
}

fn oracle_assertion_audience() -> String {
    "https://identity.oraclecloud.com/".to_owned()
}
