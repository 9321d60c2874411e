//! What the functions of landfall have in common: the vocabulary of jobs, the sources, the store, archives.

pub mod checksum;
pub mod clock;
pub mod config;
pub mod error;
pub mod event;
pub mod http;
pub mod job;
pub mod source;

pub use error::{Error, ErrorType, Result};
