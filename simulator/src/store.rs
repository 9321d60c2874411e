//! Keeping the state, over a restart too.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::state::State;

/// The state's file in the data folder.
const STATE_FILE: &str = "state.json";

/// The state, and its file if it is kept.
#[derive(Debug)]
pub(crate) struct Store {
    state: Mutex<State>,
    file: Option<PathBuf>,
}

impl Store {
    /// The state that `folder` keeps, or a fresh one; in memory without a folder.
    pub(crate) fn open(folder: Option<&Path>) -> io::Result<Self> {
        let Some(folder) = folder else {
            return Ok(Self { state: Mutex::default(), file: None });
        };
        let file = folder.join(STATE_FILE);
        let state = match fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(io::Error::other)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => State::default(),
            Err(error) => return Err(error),
        };
        Ok(Self { state: Mutex::new(state), file: Some(file) })
    }

    pub(crate) fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.lock())
    }

    /// Changes the state and keeps it before anyone is told.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> io::Result<T> {
        let mut state = self.lock();
        let outcome = change(&mut state);
        if let Some(file) = &self.file {
            replace(file, &serde_json::to_vec(&*state)?)?;
        }
        Ok(outcome)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Replaces a file by one rename, so that a kill leaves either the old or the new one.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let unfinished = path.with_extension("json.new");
    File::create(&unfinished)?.write_all(bytes)?;
    fs::rename(&unfinished, path)
}
