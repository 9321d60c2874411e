#![doc = include_str!("../README.md")]

#[cfg(test)]
mod configuration_tests;
mod entries;
pub mod epm;
pub mod folio;
pub mod fusion;
pub mod local;
mod registry;
mod server;

pub use registry::{KINDS_ALONE, SYSTEMS};
