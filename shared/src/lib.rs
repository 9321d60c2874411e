//! What the functions of landfall have in common: the vocabulary of jobs, the sources, the store, archives.

pub mod archive;
mod characters;
pub mod check;
pub mod checksum;
pub mod clock;
pub mod config;
pub mod context;
pub mod error;
pub mod event;
pub mod form;
pub mod http;
pub mod job;
pub mod lambda;
pub mod metrics;
pub mod rows;
pub mod source;
pub mod store;
pub mod telemetry;

pub use error::{AskAgain, Error, ErrorType, Result};
