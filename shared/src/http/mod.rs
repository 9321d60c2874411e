//! One HTTP client: auth, retry, resume, redaction, host policy.
//!
//! [`Client`] is the only way out to a source. Whatever a source answers, it calls no host that the
//! connection does not allow ([`HostPolicy`]), repeats only what is safe to repeat ([`retry`]), and puts
//! nothing secret into an error ([`Redactor`]).

pub mod auth;
mod client;
mod download;
mod error;
mod policy;
mod redact;
pub mod retry;
#[cfg(test)]
pub(crate) mod scripted;

pub use client::{Answer, Client, Gate, Request, Transport};
pub use error::{Exchange, Failure, HttpError};
pub use policy::{HostPolicy, HostRefused};
pub use redact::Redactor;
