//! Oracle Fusion.

pub mod extract;
mod pod;
pub mod rest;
mod source;

pub use extract::FusionExtractSource;
pub use pod::Wrap;
pub(in crate::source) use pod::client;
pub use rest::FusionRestSource;
pub use source::FusionSource;
