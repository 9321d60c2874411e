//! Oracle Fusion.

pub mod extract;
mod pod;

pub use extract::FusionExtractSource;
pub use pod::Wrap;
pub(in crate::source) use pod::client;
