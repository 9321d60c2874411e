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
use landfall::{Error, Result, Step, Systems};
use serde::Serialize;
use serde::de::DeserializeOwned;

use invocation::{Function, MAX_INVOCATION};

pub use invocation::{failed, span};
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
        let call = async |event, ends_at: Option<jiff::Timestamp>| {
            let ends_at = |now: jiff::Timestamp| ends_at.unwrap_or_else(|| now + MAX_INVOCATION);
            let output = function.call(event, ends_at).await?;
            serde_json::to_value(output).map_err(|error| {
                Error::contract_broken("the result cannot be written as JSON").because(error)
            })
        };
        match fn_project::serve(&listener, call).await? {}
    }
    lambda::serve(&function).await
}
