#![doc = include_str!("../README.md")]

#[cfg(unix)]
pub mod fn_project;
pub mod http;
mod invocation;
mod lambda;
pub mod metrics;
pub mod telemetry;

use landfall::clock::Deadline;
use landfall::context::Context;
use landfall::metrics::Measured;
use landfall::{Result, Step, Systems};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use invocation::{Function, log, span};
pub use lambda_runtime::Error as RuntimeError;

/// Serves a step until its process is ended: to OCI Functions where `FN_LISTENER` is set, else to Lambda.
///
/// # Errors
/// The runtime that calls cannot be reached or listened for.
pub async fn serve<Event, Output>(
    step: Step,
    systems: &'static Systems,
    run: impl AsyncFn(&Context, Event, &Deadline) -> Result<Output>,
) -> std::result::Result<(), RuntimeError>
where
    Event: DeserializeOwned,
    Output: Serialize + Measured,
{
    telemetry::log_json();
    let function = Function::new(step, systems, run);
    #[cfg(unix)]
    if let Some(listener) = fn_project::named() {
        let call = async |event, ends_at| function.call_with_json(event, ends_at).await;
        match fn_project::serve(&listener, call).await? {}
    }
    lambda::serve(&function).await
}
