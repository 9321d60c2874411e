//! `landfall register`: appends what a job has landed to the table that its destination names.
//!
//! That is done by a program of its own, beside this one or on the path: what Iceberg takes is more than all the rest, and is
//! compiled by nobody who has no tables.

use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use landfall::event::JobEvent;
use landfall::{Error, ErrorType, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::machine::LocalRuntime;

const PROGRAM: &str = "landfall-register-table";

/// The tables that a job's rows are in, as the program tells.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Registered {
    /// Each of them.
    pub(crate) tables: Vec<Table>,
}

/// A table that has a job's rows.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Table {
    /// Its catalog.
    pub(crate) catalog: String,
    /// Its namespace and name.
    pub(crate) table: String,
    /// The snapshot that has them.
    pub(crate) snapshot_id: i64,
    /// How many files they are in.
    pub(crate) files: u64,
    /// How many they are.
    pub(crate) rows: u64,
    /// Whether it had them before.
    pub(crate) already_registered: bool,
}

/// What the program says.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Said {
    Registered(Registered),
    Error { r#type: ErrorType, message: String },
}

/// Appends what a job has landed, where its destination names a table; `None` where it names none.
pub(crate) async fn register(machine: &LocalRuntime, event: &JobEvent) -> Result<Option<Registered>> {
    let job = machine.context().job(event).await?;
    let Some(table) = machine.context().landing(&job.destination).await?.destination.table.clone() else {
        return Ok(None);
    };
    let Some(config) = machine.config() else { return Ok(None) };
    machine.progress().stage(format!("appending to a table of catalog {}", table.catalog));
    let call = json!({ "event": event, "config": config, "work": machine.own_work() });
    match ask(&call.to_string()).await? {
        Said::Registered(registered) => Ok(Some(registered)),
        Said::Error { r#type, message } => Err(r#type.error(message)),
    }
}

/// A destination that names no table.
pub(crate) async fn without_table(machine: &LocalRuntime, event: &JobEvent) -> Result<Error> {
    let destination = machine.context().job(event).await?.destination;
    Ok(Error::invalid_config(format!(
        "destination {destination} names no table: add `table = {{ catalog = …, namespace = …, name = … }}` to it"
    )))
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
    let mut child = Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
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
