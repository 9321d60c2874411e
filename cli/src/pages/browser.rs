//! The browser of whoever has called, which is asked to show a file.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};

use landfall::{Error, Result};

/// Has a file shown. Whether that works out is the browser's affair: only where there is none, it is said.
pub(super) fn show(file: &Path) -> Result<()> {
    let mut program = program(std::env::var_os("BROWSER"));
    let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let started =
        program.arg(&file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let failed = || {
        let (program, file) = (program.get_program().display(), file.display());
        Error::not_found(format!(
            "{program} does not show {file}: open it in a browser, or name one in BROWSER"
        ))
    };
    match started {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(failed()),
        Err(error) => Err(failed().because(error)),
    }
}

/// What shows files on this machine.
fn program(named: Option<OsString>) -> Command {
    match named.filter(|named| !named.is_empty()) {
        Some(named) => Command::new(named),
        None if cfg!(target_os = "macos") => Command::new("open"),
        None if cfg!(windows) => Command::new("explorer"),
        None => Command::new("xdg-open"),
    }
}
