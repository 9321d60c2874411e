//! The functions, for whoever calls by HTTP, and for OCI Functions.

use std::convert::Infallible;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use landfall::clock::Deadline;
use landfall::step::Step;
use landfall::{Error, Result};
use landfall_edge::{fn_project, http};
use serde_json::Value;

use crate::arguments::Serve;
use crate::failure::Failure;
use crate::invoke::invoke;
use crate::machine::LocalRuntime;

/// Serves until it is stopped.
pub(crate) async fn serve(
    machine: &LocalRuntime,
    arguments: &Serve,
    out: &mut (dyn Write + Send),
) -> Result<Infallible, Failure> {
    let longest = Duration::from_secs(arguments.seconds);
    let call = async |step, event, ends_at: Option<Timestamp>| {
        let ends_at = ends_at.unwrap_or_else(|| machine.context().clock().now() + longest);
        called(machine, step, event, ends_at).await
    };
    if let Some(listener) = fn_project::named() {
        let step = function(arguments)?;
        let served =
            fn_project::serve(&listener, async |event, ends_at| call(step, event, ends_at).await).await;
        return Ok(served.map_err(|error| Error::invalid_config("OCI Functions cannot call").because(error))?);
    }
    let (listener, secret) = http::listen(arguments.listen).await?;
    let address = listener.local_addr().unwrap_or(arguments.listen);
    let names = Step::ALL.map(Step::name).join("|");
    writeln!(out, "serving POST http://{address}/{names}")
        .and_then(|()| out.flush())
        .map_err(Failure::Output)?;
    let call = async |name: &str, event, ends_at| Some(call(Step::named(name)?, event, ends_at).await);
    Ok(http::serve(listener, secret, call).await)
}

async fn called(machine: &LocalRuntime, step: Step, event: Value, ends_at: Timestamp) -> Result<Value> {
    let deadline = Deadline::at(ends_at, Arc::clone(machine.context().clock()));
    let span = landfall_edge::span(step, &event);
    let outcome = invoke(machine, step, event, &deadline).await;
    if let Err(error) = &outcome {
        span.in_scope(|| landfall_edge::log(error));
    }
    outcome
}

fn function(arguments: &Serve) -> Result<Step> {
    match arguments.function {
        Some(function) => Ok(function),
        None => fn_project::function(),
    }
}
