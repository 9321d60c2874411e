//! The functions, for whoever calls by HTTP, and for OCI Functions.

use std::convert::Infallible;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use landfall::clock::Deadline;
use landfall::job::JobRef;
use landfall::step::Step;
use landfall::{Error, Result};
use landfall_edge::{fn_project, http};
use secrecy::SecretString;
use serde::Deserialize as _;
use serde_json::Value;
use tokio::net::TcpListener;
use tracing::Instrument as _;

use crate::arguments::Serve;
use crate::failure::Failure;
use crate::invoke::invoke;
use crate::machine::LocalRuntime;

/// The variable that holds what callers from elsewhere have to know.
const SECRET: &str = "LANDFALL_SERVE_SECRET";
/// The variable that names the function that a process of OCI Functions is.
const FUNCTION: &str = "LANDFALL_FUNCTION";

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
    let secret = secret(arguments.listen)?;
    let listener = listen(arguments.listen).await?;
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
    let (job, span) = (JobRef::deserialize(&event).ok(), landfall_edge::span(step, &event));
    let outcome = invoke(machine, step, event, &deadline).await;
    if let Err(error) = &outcome {
        landfall_edge::failed(Some(machine.context()), step, job.as_ref(), error).instrument(span).await;
    }
    outcome
}

fn function(arguments: &Serve) -> Result<Step> {
    let named = || {
        let name = std::env::var(FUNCTION).map_err(|_| {
            Error::invalid_config(format!(
                "{FUNCTION} is not set: it says which function this one is, submit for example"
            ))
        })?;
        Step::named(&name).ok_or_else(|| {
            Error::invalid_config(format!("{FUNCTION} is {name:?}, and there is no such function"))
        })
    };
    arguments.function.map_or_else(named, Ok)
}

/// What callers have to know: nothing, where only this machine can call.
fn secret(listen: SocketAddr) -> Result<Option<SecretString>> {
    let secret = std::env::var(SECRET).ok().filter(|secret| !secret.is_empty());
    if secret.is_none() && !listen.ip().is_loopback() {
        return Err(Error::invalid_config(format!(
            "other machines can call {listen}: set {SECRET}, which callers send as Authorization: Bearer, or listen on \
             127.0.0.1"
        )));
    }
    Ok(secret.map(SecretString::from))
}

async fn listen(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        Error::invalid_config(format!("nothing can listen on {address}: choose another --listen"))
            .because(error)
    })
}
