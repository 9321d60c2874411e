//! An S3-compatible object store over plain files, for one machine and for tests.
//!
//! Its objects are ordinary files below a folder, `DIR/<bucket>/<key>`, which other programs can read, and files
//! put there by hand are objects. Everything else is in `DIR/.store`. It speaks what S3's clients speak, over
//! HTTP on the loopback interface, with signed requests, and promises what S3 promises:
//!
//! * **Atomic.** An object appears, or is replaced, whole: by the rename of a complete and verified file. What is
//!   said of an object (`ETag`, checksums, metadata) is bound to the very bytes, so that a process killed at any
//!   instant leaves no object with another one's description.
//! * **Conditional.** `If-None-Match: *` and `If-Match` hold at the instant of the write, against any number of
//!   tasks and processes that have the same folder open: of two that race, exactly one wins.
//! * **Verified.** `Content-MD5`, the `x-amz-checksum-*` headers and trailers and the signed payload hash are
//!   checked before anything is visible. MD5 and CRC-64/NVME are computed as the data comes in and never again;
//!   a multipart upload's CRCs are combined from its parts'.
//! * **Bounded.** Bodies stream to and from the disk; memory does not grow with them.
//!
//! Where a user of OCI is named, it speaks OCI's own API, too, over the same folders.
//!
//! What it is not: versioned, replicated, or access-controlled beyond one key pair. File systems that fold case
//! are not supported, nor are network file systems without file locks. Symbolic links are not objects.

mod answer;
mod checksum;
mod error;
mod intercept;
mod keys;
mod listing;
mod native;
mod objects;
mod oci;
mod receive;
mod record;
mod server;
mod service;
mod session;
mod store;
mod uploads;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

pub use error::Error;
pub use intercept::{After, Before, Call, Intercept};
pub use native::{OciAccess, OciUser, Sessions};
pub use server::{Credentials, Handle};

use jiff::Timestamp;
use store::Store;

/// How a store is to behave.
#[derive(Clone)]
pub struct Options {
    /// Whether a write is on the disk before it is answered, so that it survives a power cut. Without it, what was
    /// answered survives the end of the process, however violent, but the machine's own end may take the last
    /// seconds of writes back. On by default; tests turn it off, as it costs a few disk flushes a write.
    pub fsync: bool,
    /// Is asked about every request. For tests.
    pub intercept: Option<Arc<dyn Intercept>>,
}

impl Default for Options {
    fn default() -> Self {
        Self { fsync: true, intercept: None }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let intercepted = self.intercept.is_some();
        formatter
            .debug_struct("Options")
            .field("fsync", &self.fsync)
            .field("intercept", &intercepted)
            .finish()
    }
}

/// A folder that is open as a store. Any number of them, in any number of processes, may have the same folder
/// open.
#[derive(Clone)]
pub struct EmbeddedStore {
    store: Arc<Store>,
    intercept: Option<Arc<dyn Intercept>>,
    oci: Option<oci::Strict>,
    native: Option<OciAccess>,
    now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

impl EmbeddedStore {
    /// Opens a folder, making it if it is not there, and deletes what dead processes have left unfinished in it.
    /// Multipart uploads stay: they can be gone on with.
    ///
    /// # Errors
    /// [`Error::Folder`].
    pub fn open(dir: impl Into<PathBuf>, options: Options) -> Result<Self, Error> {
        let Options { fsync, intercept } = options;
        let store = Arc::new(Store::open(dir.into(), fsync)?);
        Ok(Self { store, intercept, oci: None, native: None, now: Arc::new(Timestamp::now) })
    }

    /// The same store, refusing what OCI Object Storage refuses or does not document, in its words where those are
    /// known: for tests of what is written for OCI. `region` is what requests must be signed for.
    #[must_use]
    pub fn strict_as_oci(mut self, region: &str) -> Self {
        self.oci = Some(oci::Strict { region: region.to_owned() });
        self
    }

    /// The same store, serving OCI's own API beside S3's, to whoever signs as this user.
    #[must_use]
    pub fn with_oci(mut self, access: OciAccess) -> Self {
        self.native = Some(access);
        self
    }

    /// The same store, which holds what signatures of OCI's own API say of the time against another clock: a test's.
    #[must_use]
    pub fn told_the_time_by(mut self, now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        self.now = Arc::new(now);
        self
    }

    /// Makes a bucket if it is not there.
    ///
    /// # Errors
    /// [`Error::BucketName`], [`Error::Folder`].
    pub fn ensure_bucket(&self, name: &str) -> Result<(), Error> {
        let folder =
            self.store.bucket_folder(name).map_err(|_| Error::BucketName { name: name.to_owned() })?;
        self.store.create_folders(&folder).map_err(|source| Error::Folder { path: folder, source })
    }
}

impl fmt::Debug for EmbeddedStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("EmbeddedStore").field("folder", &self.store.root()).finish_non_exhaustive()
    }
}
