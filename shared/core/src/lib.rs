#![doc = include_str!("../README.md")]

pub mod advice;
pub mod answer;
mod capabilities;
pub mod check;
pub mod config;
pub mod context;
pub mod contract;
pub mod declaration;
pub mod error;
pub mod event;
pub mod export;
pub mod failure;
pub mod form;
pub mod job;
pub mod landed;
pub mod manifest;
mod memory;
pub mod metrics;
pub mod notify;
pub mod observer;
pub mod outage;
mod parse;
pub mod registered;
pub mod rows;
pub mod schema;
pub mod state;
pub mod step;
pub mod systems;
pub mod usual;

pub use landfall_http::clock;
pub use landfall_store::checksum;

pub use error::{AskAgain, AwaitsPerson, Error, ErrorType, Result};
pub use step::Step;
pub use systems::Systems;
