//! `landfall register`: appends what a job has landed to the table that its destination names.
//!
//! That is done by a program of its own, beside this one or on the path: what Iceberg takes is more than all the rest, and is
//! compiled by nobody who has no tables.

use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use landfall::event::JobEvent;
use landfall::registered::Registered;
use landfall::{Error, ErrorType, Result, Step};
use serde::Deserialize;
use serde_json::json;

use crate::machine::LocalRuntime;
use crate::run;

const PROGRAM: &str = "landfall-register-table";

/// Why a job that has landed is not in its table.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(crate) struct NotInTable(Error);

/// What the program says.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Said {
    Registered(Registered),
    Error { r#type: ErrorType, message: String },
}

/// Appends what a job has landed to the table that its destination names, again where that can help. What it fails over is kept
/// for whoever looks.
pub(crate) async fn register(machine: &LocalRuntime, event: &JobEvent) -> Result<Registered> {
    machine.progress().stage(format!("appending {} to its table", event.job()));
    run::step(machine, Step::RegisterTable, event, async |_, event, _| once(machine, &event).await).await
}

/// The same for a job that has landed just now, which it has whatever becomes of its table.
pub(crate) async fn register_landed(machine: &LocalRuntime, event: &JobEvent) -> Result<Registered> {
    register(machine, event).await.map_err(|error| {
        let named = error.error_type();
        named.error(format!("{} has landed, and is not in its table", event.job())).because(NotInTable(error))
    })
}

/// Whether the job's destination names a table; an error where it does not.
pub(crate) async fn has_table(machine: &LocalRuntime, event: &JobEvent) -> Result<()> {
    let destination = machine.context().job(event).await?.destination;
    match machine.context().landing(&destination).await?.destination.table.is_some() {
        true => Ok(()),
        false => Err(Error::invalid_config(format!(
            "destination {destination} names no table: add `table = {{ catalog = …, namespace = …, name = … }}` to it"
        ))),
    }
}

/// Calls the step once. It ends with the program that it is.
pub(crate) async fn once(machine: &LocalRuntime, event: &JobEvent) -> Result<Registered> {
    let config = machine.config().ok_or_else(|| {
        Error::invalid_config("without --config or LANDFALL_CONFIG no destination names a table")
    })?;
    let call = json!({ "event": event, "config": config, "work": machine.own_work() });
    match ask(&call.to_string()).await? {
        Said::Registered(registered) => Ok(registered),
        Said::Error { r#type, message } => Err(r#type.error(message)),
    }
}

async fn ask(call: &str) -> Result<Said> {
    let program = program();
    let (running, output) = start(&program, call).map_err(|error| unusable(&program, error))?;
    let read = tokio::task::spawn_blocking(move || read_whole(output)).await;
    let said = read.unwrap_or_else(|error| Err(std::io::Error::other(error)));
    drop(running);
    let said = said.map_err(|error| unusable(&program, error))?;
    serde_json::from_str(&said).map_err(|error| {
        Error::contract_broken(format!("{} did not say what came of it: {said:?}", program.display()))
            .because(error)
    })
}

/// Beside this program, as they are packed; else wherever the path leads.
fn program() -> PathBuf {
    let beside = std::env::current_exe().ok().map(|this| this.with_file_name(PROGRAM));
    beside.filter(|beside| beside.is_file()).unwrap_or_else(|| PROGRAM.into())
}

/// A program that ends with whoever waits for it. A commit that is under way is found by the next.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(program: &Path, call: &str) -> std::io::Result<(Running, Option<ChildStdout>)> {
    let mut child = Command::new(program).arg("once").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let (input, output) = (child.stdin.take(), child.stdout.take());
    let running = Running(child);
    if let Some(mut input) = input {
        input.write_all(call.as_bytes())?;
    }
    Ok((running, output))
}

fn read_whole(output: Option<ChildStdout>) -> std::io::Result<String> {
    let mut said = String::new();
    if let Some(mut output) = output {
        output.read_to_string(&mut said)?;
    }
    Ok(said)
}

fn unusable(program: &Path, error: std::io::Error) -> Error {
    let said = match error.kind() {
        ErrorKind::NotFound => format!(
            "{PROGRAM} is neither beside landfall nor on the path, and it alone appends to tables: build it by `cargo build \
             --release --manifest-path functions/register-table/Cargo.toml`, and put it beside landfall"
        ),
        _ => format!("{} cannot be run", program.display()),
    };
    Error::invalid_config(said).because(error)
}
