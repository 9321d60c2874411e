#![doc = include_str!("../README.md")]

pub mod lambda;
pub mod metrics;
pub mod telemetry;

pub use lambda_runtime::Error as RuntimeError;

pub use lambda::{log_failure, serve, span};
