#![doc = include_str!("../README.md")]

pub mod auth;
mod client;
pub mod clock;
mod download;
mod error;
mod policy;
mod redact;
pub mod retry;
#[cfg(any(test, feature = "scripted"))]
pub mod scripted;
mod settings;
mod text;

pub use auth::InvalidSetting;
pub use client::{Answer, Client, Opened, RateLimiter, Request, Streamed, Transport};
pub use download::{Download, ResumeAt};
pub use error::{BoxError, ErrorKind, Exchange, Failure, HttpError};
pub use policy::{HostPolicy, HostRefused};
pub use redact::Redactor;
pub use settings::*;
pub use text::{chain, one_line};
