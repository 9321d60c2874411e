//! Limits on requests that a server or its owner has set for all callers together.

use std::fmt;

use async_trait::async_trait;

use crate::error::BoxError;

/// Decides when a request may leave: a limit that its server or its owner has set for all callers together.
#[async_trait]
pub trait RateLimiter: Send + Sync + fmt::Debug {
    /// Returns once one request may leave, or says why none may.
    async fn acquire(&self) -> Result<(), BoxError>;
}
