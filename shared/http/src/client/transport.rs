//! The wire: what puts a request on it, how much of an answer is read from it, and what its errors mean.

use std::fmt;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use rustls::CertificateError;

use crate::error::Failure;
use crate::policy::HostRefused;
use crate::tls;

/// How large the headers of an answer may be.
const MAX_HEADER_BYTES: usize = 64 * 1024;

/// What puts a request on the wire. Tests wrap it to cut a run at any call.
#[async_trait]
pub trait Transport: Send + Sync + fmt::Debug {
    /// Sends a request and returns the answer's head, with a body to be read.
    async fn execute(&self, request: reqwest::Request) -> Result<reqwest::Response, reqwest::Error>;
}

#[async_trait]
impl Transport for reqwest::Client {
    async fn execute(&self, request: reqwest::Request) -> Result<reqwest::Response, reqwest::Error> {
        reqwest::Client::execute(self, request).await
    }
}

pub(super) fn check_headers(headers: &HeaderMap) -> Result<(), Failure> {
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if bytes > MAX_HEADER_BYTES {
        let limit = u64::try_from(MAX_HEADER_BYTES).unwrap_or(u64::MAX);
        return Err(Failure::TooLarge { what: "headers", limit });
    }
    Ok(())
}

pub(super) async fn read_whole(mut response: reqwest::Response, limit: u64) -> Result<Bytes, Failure> {
    let too_large = || Failure::TooLarge { what: "body", limit };
    if response.content_length().is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    // As a body grows, it would be there twice.
    let declared = response.content_length().and_then(|length| usize::try_from(length).ok());
    let mut body = BytesMut::with_capacity(declared.unwrap_or_default());
    while let Some(chunk) = response.chunk().await.map_err(transport_failure)? {
        let length = body.len().saturating_add(chunk.len());
        if u64::try_from(length).unwrap_or(u64::MAX) > limit {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// What an error of the transport means for another try.
pub(crate) fn transport_failure(error: reqwest::Error) -> Failure {
    let error = error.without_url();
    if let Some(refused) = cause_of::<HostRefused>(&error) {
        return Failure::Refused(refused.clone());
    }
    match cause_of::<rustls::Error>(&error) {
        Some(rustls::Error::InvalidCertificate(why)) => match tls::check_authorities() {
            Err(lack) if *why == CertificateError::UnknownIssuer => Failure::NoAuthorities(lack),
            _ => Failure::Certificate(error),
        },
        Some(rustls::Error::NoCertificatesPresented) => Failure::Certificate(error),
        _ if error.is_connect() => Failure::Unreachable(error),
        _ if error.is_builder() => Failure::Unsendable(error.to_string()),
        _ => Failure::Interrupted(error),
    }
}

/// The first cause of this type. An `io::Error` hides what it wraps from the chain, so it is looked into.
pub(super) fn cause_of<'a, T: std::error::Error + 'static>(
    error: &'a (dyn std::error::Error + 'static),
) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(cause) = next {
        if let Some(found) = cause.downcast_ref::<T>() {
            return Some(found);
        }
        if let Some(inner) = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref)
            && let Some(found) = cause_of::<T>(inner)
        {
            return Some(found);
        }
        next = cause.source();
    }
    None
}
