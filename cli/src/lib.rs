//! The command line: a run on one machine.
//!
//! `landfall` calls the same functions in the same order as the state machine does (the module `run` is that loop),
//! on an S3-compatible store that it brings itself, against a real system or the simulator. It keeps no state but
//! the store's: every command can be stopped at any instant and given again.
//!
//! Results go to stdout, as text or as one JSON object a line; progress, warnings and errors go to stderr.
//! Exit codes: 0 landed; 1 the source's job or the run failed; 2 wrong usage, event or configuration; 3 refused
//! (`UnsafeArchive`, `Unsupported`, `LimitExceeded`, `IntegrityError`, `SchemaChanged`); 130 and 143 stopped by a signal.

mod advice;
mod arguments;
mod cancel;
mod check;
mod command;
mod confirm;
mod disk;
mod dry_run;
mod event;
mod failure;
mod folder_store;
mod forget;
mod help;
mod init;
mod inputs;
mod invoke;
mod lock;
mod machine;
mod pages;
mod progress;
mod prune;
mod report;
mod retry;
mod run;
mod schema;
mod serve;
mod simulate;
mod sources;
mod status;
mod stop;
mod sweep;
mod systems;
mod tidy;
mod totals;
mod unpack;
mod verify;

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;

pub use arguments::Arguments;
pub use command::execute;
pub use progress::Progress;

/// Runs the command that the arguments name, the program's own name first, as the process that it is.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<_> = arguments.into_iter().collect();
    let logs = arguments.iter().any(|word| word == "--log");
    let arguments = match help::parse(arguments) {
        Ok(arguments) => arguments,
        Err(error) if logs && error.use_stderr() => {
            let progress = progress::for_process(logs);
            progress.say_failure(&landfall::error::chain(&error), None);
            return ExitCode::from(2);
        }
        Err(error) => {
            // Help and version come this way too. If even this cannot be printed, nothing can.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(1));
        }
    };
    let progress = Arc::new(progress::for_process(arguments.logs()));
    progress::show_warnings(&progress);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            progress.say(&format!("error: the process cannot start its threads: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(execute(&arguments, &mut std::io::stdout(), progress));
    // Whatever still runs on a thread of its own (a simulated job's output, say) is nobody's any more.
    runtime.shutdown_background();
    ExitCode::from(code)
}
