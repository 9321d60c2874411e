//! Why a store could not be opened or served.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why [`crate::EmbeddedStore`] could not be opened, prepared or served. What goes wrong with a single request
/// is answered to that request, in S3's own error codes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A folder or file of the store cannot be created, read or locked.
    #[error("cannot prepare the store's folder {}: check that it can be written", .path.display())]
    Folder {
        /// The folder or file.
        path: PathBuf,
        /// What the operating system says.
        #[source]
        source: io::Error,
    },
    /// The name breaks S3's rules for bucket names.
    #[error(
        "bucket name {name:?} is not valid: 3 to 63 lower-case letters, digits, dots and hyphens, \
         beginning and ending with a letter or digit"
    )]
    BucketName {
        /// The name.
        name: String,
    },
    /// No key that signatures can be verified by.
    #[error("the public key is no RSA key in PEM (SubjectPublicKeyInfo)")]
    PublicKey,
    /// The address is taken, or not allowed.
    #[error("cannot listen on {address}: choose another port, or 0 for any free one")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the operating system says.
        #[source]
        source: io::Error,
    },
}
