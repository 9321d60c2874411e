//! Every endpoint and every switch, through real HTTP, as a client meets them.

// The exemption for tests does not reach the functions that they share.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod boss;
mod client;
mod content;
mod epm;
mod files;
mod folio;
mod listing;
mod rest;
mod restart;
mod secrets;
mod status;
mod submit;
mod tokens;
