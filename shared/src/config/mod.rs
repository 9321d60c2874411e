//! Connections and destinations by name, from one place.

mod connection;

pub use connection::*;
