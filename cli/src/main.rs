//! `landfall`: export jobs, run and landed on one machine.

use std::process::ExitCode;

fn main() -> ExitCode {
    landfall_cli::run(std::env::args_os())
}
