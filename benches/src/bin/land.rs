//! The step `unpack-upload` as a process: its configuration's file and its event in, its result out.
//!
//! It is what the function does between an event and its answer, without the runtime API around it.
#![allow(clippy::print_stdout, reason = "its result is what it prints")]

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use landfall::clock::{Deadline, SystemClock};
use landfall::config::ConfigProvider;
use landfall::context::Context;
use landfall::event;
use landfall::{Error, Result};
use unpack_upload::{UnpackEvent, unpack_upload};

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [config, event] = arguments.as_slice() else {
        println!("usage: land CONFIG EVENT");
        return ExitCode::from(2);
    };
    match Box::pin(land(Path::new(config), event)).await {
        Ok(result) => {
            println!("{result}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("{}: {}", error.error_type().name(), error.line());
            ExitCode::FAILURE
        }
    }
}

async fn land(config: &Path, event: &str) -> Result<String> {
    let unreadable = |error| Error::invalid_event("the event is no JSON").because(error);
    let event: UnpackEvent = event::parse(serde_json::from_str(event).map_err(unreadable)?)?;
    let context =
        Context::new(ConfigProvider::from_file(config)?, Arc::new(SystemClock), &landfall_systems::SYSTEMS);
    let context = context.within_memory_of_this_process();
    let unpacked = unpack_upload(&context, event, &Deadline::none(Arc::new(SystemClock))).await?;
    Ok(serde_json::to_string(&unpacked).unwrap_or_default())
}
