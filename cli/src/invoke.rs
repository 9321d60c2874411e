//! One function, called once, as Lambda would call it.

use futures::FutureExt as _;
use landfall::clock::Deadline;
use landfall::context::Context;
use landfall::event::parse;
use landfall::job::JobRef;
use landfall::{Error, Result};
use landfall_edge::lambda;
use serde::de::DeserializeOwned;
use serde::{Deserialize as _, Serialize};
use serde_json::Value;
use tracing::Instrument as _;

use crate::arguments::Function;
use crate::machine::LocalRuntime;

impl Function {
    /// The name that it is deployed under.
    fn name(self) -> &'static str {
        match self {
            Self::Submit => "submit",
            Self::PollStatus => "poll-status",
            Self::FetchFiles => "fetch-files",
            Self::UnpackUpload => "unpack-upload",
            Self::Publish => "publish",
            Self::Sweep => "sweep",
        }
    }
}

/// Calls a function with an event; what it returns, as JSON.
pub(crate) async fn invoke(machine: &LocalRuntime, function: Function, event: Value) -> Result<Value> {
    machine.progress().stage(function.name());
    let span = lambda::span(function.name(), &event);
    let called = async {
        // An event that names no job, or none that can be, is for the function to judge.
        let _at_work = match JobRef::deserialize(&event) {
            Ok(job) => machine.at_work_on(&job).await?,
            Err(_) => None,
        };
        match function {
            Function::Submit => {
                let event = parse(event)?;
                let _turn = machine.turn_to_submit(&event).await?;
                json(submit::submit(machine.context(), event, machine.deadline()).boxed_local().await?)
            }
            Function::PollStatus => call(machine, event, poll_status::poll_status).await,
            Function::FetchFiles => call(machine, event, fetch_files::fetch_files).await,
            Function::UnpackUpload => call(machine, event, unpack_upload::unpack_upload).await,
            Function::Publish => call(machine, event, publish::publish).await,
            Function::Sweep => call(machine, event, sweep::sweep).await,
        }
    };
    called.instrument(span).await
}

async fn call<Event: DeserializeOwned, Output: Serialize>(
    machine: &LocalRuntime,
    event: Value,
    function: impl AsyncFn(&Context, Event, &Deadline) -> Result<Output>,
) -> Result<Value> {
    json(function(machine.context(), parse(event)?, machine.deadline()).boxed_local().await?)
}

fn json(output: impl Serialize) -> Result<Value> {
    serde_json::to_value(output)
        .map_err(|error| Error::contract_broken("the result cannot be written as JSON").because(error))
}
