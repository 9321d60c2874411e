//! One function, called once, as Lambda would call it.

use futures::FutureExt as _;
use landfall::clock::Deadline;
use landfall::context::Context;
use landfall::event::parse;
use landfall::failure::{self, About};
use landfall::job::JobRef;
use landfall::step::Step;
use landfall::{Error, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize as _, Serialize};
use serde_json::Value;
use tracing::Instrument as _;

use crate::machine::LocalRuntime;
use crate::register;

/// Calls a function with an event; what it returns, as JSON. A failure is kept for whoever looks.
pub(crate) async fn invoke(
    machine: &LocalRuntime,
    function: Step,
    event: Value,
    deadline: &Deadline,
) -> Result<Value> {
    machine.progress().stage(function.name());
    let (span, about) = (landfall_edge::span(function, &event), About::event(&event));
    let called = async {
        // An event that names no job, or none that can be, is for the function to judge.
        let _at_work = match JobRef::deserialize(&event) {
            Ok(job) => machine.at_work_on(&job).await?,
            Err(_) => None,
        };
        match function {
            Step::Submit => {
                let event = parse(event)?;
                let _lock = machine.lock_run(&event).await?;
                json(submit::submit(machine.context(), event, deadline).boxed_local().await?)
            }
            Step::PollStatus => call(machine, event, deadline, poll_status::poll_status).await,
            Step::FetchFiles => call(machine, event, deadline, fetch_files::fetch_files).await,
            Step::UnpackUpload => call(machine, event, deadline, unpack_upload::unpack_upload).await,
            Step::Publish => call(machine, event, deadline, publish::publish).await,
            Step::RegisterTable => json(register::once(machine, &parse(event)?).await?),
            Step::Sweep => call(machine, event, deadline, sweep::sweep).await,
            Step::Verify => call(machine, event, deadline, verify::verify).await,
        }
    };
    let outcome = called.instrument(span).await;
    if let Err(error) = &outcome {
        failure::note(machine.context(), function, &about, error).await;
    }
    outcome
}

async fn call<Event: DeserializeOwned, Output: Serialize>(
    machine: &LocalRuntime,
    event: Value,
    deadline: &Deadline,
    function: impl AsyncFn(&Context, Event, &Deadline) -> Result<Output>,
) -> Result<Value> {
    json(function(machine.context(), parse(event)?, deadline).boxed_local().await?)
}

fn json(output: impl Serialize) -> Result<Value> {
    serde_json::to_value(output)
        .map_err(|error| Error::contract_broken("the result cannot be written as JSON").because(error))
}
