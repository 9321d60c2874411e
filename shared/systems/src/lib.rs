#![doc = include_str!("../README.md")]

#[cfg(test)]
mod configuration_tests;
mod created;
pub mod declared;
pub mod delivery;
mod entries;
pub mod epm;
mod fields;
pub mod folio;
pub mod fusion;
mod links;
pub mod local;
mod registry;
mod server;
mod tables;
#[cfg(test)]
mod testing;

pub use registry::{KINDS_ALONE, SYSTEMS};
