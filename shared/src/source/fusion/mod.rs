//! Oracle Fusion.

pub mod extract;
