//! The step `register-table` as a Lambda function, and, called as `landfall-register-table once`, as a program that takes its
//! event on stdin, for `landfall`, which does not link it.
//!
//! Its one line on stdout is `{"registered": …}` or `{"error": {"type": …, "message": …}}`.

use std::io::{Read as _, Write as _};
use std::process::ExitCode;
use std::sync::Arc;

use landfall::clock::{Deadline, SystemClock};
use landfall::config::ConfigProvider;
use landfall::context::Context;
use landfall::event::JobEvent;
use landfall::registered::Registered;
use landfall::{Error, Result, Step};
use landfall_edge::RuntimeError;
use landfall_systems::KINDS_ALONE;
use register_table::register_table;
use serde::Deserialize;
use serde_json::{Value, json};

/// What is asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    /// The job.
    event: JobEvent,
    /// Where the configuration is, as `LANDFALL_CONFIG` says it.
    config: String,
    /// The work bucket, where the caller serves one itself.
    #[serde(default)]
    work: Option<Value>,
}

#[tokio::main]
async fn main() -> std::result::Result<ExitCode, RuntimeError> {
    if std::env::args_os().nth(1).is_some_and(|word| word == "once") {
        return Ok(once().await);
    }
    landfall_edge::serve(Step::RegisterTable, &KINDS_ALONE, register_table).await?;
    Ok(ExitCode::SUCCESS)
}

async fn once() -> ExitCode {
    if std::env::var_os("LANDFALL_LOG").is_some() {
        landfall_edge::telemetry::log_json();
    }
    let (line, code) = match Box::pin(called()).await {
        Ok(registered) => (json!({ "registered": registered }), ExitCode::SUCCESS),
        Err(error) => {
            let error = json!({ "type": error.error_type().name(), "message": error.line() });
            (json!({ "error": error }), ExitCode::FAILURE)
        }
    };
    match writeln!(std::io::stdout(), "{line}") {
        Ok(()) => code,
        Err(_) => ExitCode::FAILURE,
    }
}

async fn called() -> Result<Registered> {
    let mut call = String::new();
    let read = std::io::stdin().read_to_string(&mut call);
    read.map_err(|error| Error::invalid_event("stdin cannot be read").because(error))?;
    let call: Call = serde_json::from_str(&call).map_err(|error| {
        Error::invalid_event("what came on stdin is no call of landfall's").because(error)
    })?;
    let mut provider = ConfigProvider::named(&call.config).await?;
    if let Some(work) = call.work {
        provider = provider
            .or(ConfigProvider::made("the caller", move |path| (path == "work").then(|| work.clone())));
    }
    let clock = Arc::new(SystemClock);
    // What is kept of a job says all that is asked of its system here.
    let context = Context::new(provider, clock.clone(), &KINDS_ALONE);
    Box::pin(register_table(&context, call.event, &Deadline::none(clock))).await
}
