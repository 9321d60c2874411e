//! Oracle Fusion.

pub mod extract;
mod pod;
pub mod rest;
mod source;

pub use extract::FusionExtractSource;
pub use rest::FusionRestSource;
pub use source::FusionSource;
