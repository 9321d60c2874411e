//! Why there is nothing to sign a call to OCI with.

use std::path::PathBuf;

use crate::text::BoxError;

/// Why a principal cannot sign.
#[derive(Debug, thiserror::Error)]
pub enum PrincipalError {
    /// None of the principals is there.
    #[error(
        "no principal of OCI is here: there is no {}, OCI_RESOURCE_PRINCIPAL_VERSION is not set, no metadata service \
         answers, and this is no pod of Kubernetes; run `oci setup config`, or name another with `auth`",
        .config_file.display()
    )]
    NoneHere {
        /// Where a profile would be.
        config_file: PathBuf,
    },
    /// The file with the profiles is not there.
    #[error("{} is not there: `oci setup config` writes it, and config_file names another", .0.display())]
    NoConfigFile(PathBuf),
    /// A file that a principal needs cannot be read.
    #[error("{what} {} cannot be read", .path.display())]
    File {
        /// What it is, and which key names it.
        what: &'static str,
        /// Where it should be.
        path: PathBuf,
        /// What the operating system says.
        #[source]
        source: std::io::Error,
    },
    /// The file has no such profile.
    #[error("{} has no profile [{profile}]; it has {found}", .path.display())]
    NoProfile {
        /// The file.
        path: PathBuf,
        /// The profile that is missing.
        profile: String,
        /// Those that are there.
        found: String,
    },
    /// A profile lacks a key.
    #[error("profile [{profile}] of {} has no `{key}`", .path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// The profile.
        profile: String,
        /// The key.
        key: &'static str,
    },
    /// An environment variable is missing, or has a value that this program does not know.
    #[error("{name} {reason}")]
    Variable {
        /// The variable.
        name: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A private key that cannot be used.
    #[error("the private key of {of} cannot be used: {reason}")]
    Key {
        /// Whose key it is.
        of: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The private key is another one than the fingerprint says.
    #[error(
        "the private key of {of} has the fingerprint {found}, and the profile says {told}: key_file or fingerprint \
         is another key's"
    )]
    Fingerprint {
        /// Whose key it is.
        of: String,
        /// The key's own.
        found: String,
        /// The profile's.
        told: String,
    },
    /// A token that is over.
    #[error("the token of {of} has expired at {at}: {advice}")]
    Expired {
        /// Whose token it is.
        of: String,
        /// When.
        at: jiff::Timestamp,
        /// What renews it.
        advice: &'static str,
    },
    /// A token that is none.
    #[error("the token of {0} cannot be read: it is no JWT with an `exp`")]
    Token(String),
    /// A region that cannot be one.
    #[error("region {0:?} is none of OCI's: an identifier such as us-phoenix-1, or a key such as phx")]
    Region(String),
    /// Nothing says in which region to call.
    #[error("no region: {0} names none, and the configuration's `region` is missing")]
    NoRegion(String),
    /// What gives this machine its identity could not be asked, or did not answer so.
    #[error("{what} did not answer as it should: {reason}")]
    Service {
        /// Who was asked.
        what: &'static str,
        /// What came of it, without secrets.
        reason: String,
        /// Whether asking again can help.
        is_retryable: bool,
        /// The call's own failure.
        #[source]
        source: Option<BoxError>,
    },
}

impl PrincipalError {
    /// Whether calling again can help.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Service { is_retryable: true, .. })
    }

    /// Whether it is the configuration that must be corrected; otherwise it is who signs that is refused or over.
    pub fn is_about_settings(&self) -> bool {
        !matches!(self, Self::Expired { .. } | Self::Service { .. })
    }
}
