#![doc = include_str!("../README.md")]

pub mod auth;
mod client;
pub mod clock;
mod download;
mod error;
mod json;
mod policy;
mod redact;
pub mod retry;
mod rsa;
#[cfg(any(test, feature = "scripted"))]
pub mod scripted;
mod settings;
mod text;
mod tls;

pub use auth::InvalidSetting;
pub use client::{Answer, Client, Opened, RateLimiter, Request, Streamed, Transport};
pub use download::{Download, ResumeAt};
pub use error::{BoxError, ErrorKind, Exchange, Failure, HttpError, NoAuthorities};
pub use json::last_of_each;
pub use policy::{HostPolicy, HostRefused};
pub use redact::Redactor;
pub use rsa::{RsaKey, RsaKeyError};
pub use settings::*;
pub use text::{chain, one_line};
pub use tls::{check_authorities, client_builder};
