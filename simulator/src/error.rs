//! What can go wrong with the simulator itself.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// What keeps a simulator from starting, or from saying what a job yields.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The port is taken, or may not be used.
    #[error("cannot listen on 127.0.0.1:{port}")]
    Listen {
        /// The port asked for.
        port: u16,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The data folder, or what it holds, cannot be used.
    #[error("cannot use the simulator's data folder {}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No such job was accepted.
    #[error("the simulator knows no job request {id}")]
    UnknownJob {
        /// The id asked for.
        id: u64,
    },
    /// The job has not ended, or not in a way that leaves files.
    #[error("job request {id} has no output")]
    NoOutput {
        /// The job's id.
        id: u64,
    },
    /// The job's files could not be made.
    #[error("cannot make the output of job request {id}")]
    Output {
        /// The job's id.
        id: u64,
        /// Why.
        #[source]
        source: Arc<io::Error>,
    },
}
