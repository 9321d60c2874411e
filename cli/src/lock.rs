//! Locks between the landfall processes of one machine that share a data folder.
//!
//! The operating system lets go of a lock when its holder dies, however violently.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::time::Duration;

use landfall::clock::Clock;
use landfall::{Error, Result};

/// How often a lock that somebody else holds is tried.
const EVERY: Duration = Duration::from_millis(100);

/// A lock, held until this is dropped.
#[derive(Debug)]
pub(crate) struct Held(#[expect(dead_code, reason = "closing the file is what lets go")] File);

/// Waits until nobody else holds the lock.
pub(crate) async fn hold(path: &Path, clock: &dyn Clock) -> Result<Held> {
    hold_by(path, clock, File::try_lock).await
}

/// Waits until nobody holds the lock for themselves alone, and holds it beside others who do not either.
pub(crate) async fn hold_with_others(path: &Path, clock: &dyn Clock) -> Result<Held> {
    hold_by(path, clock, File::try_lock_shared).await
}

async fn hold_by(
    path: &Path,
    clock: &dyn Clock,
    try_lock: fn(&File) -> std::result::Result<(), TryLockError>,
) -> Result<Held> {
    let file = open(path)?;
    loop {
        match try_lock(&file) {
            Ok(()) => return Ok(Held(file)),
            Err(TryLockError::WouldBlock) => clock.sleep(EVERY).await,
            Err(TryLockError::Error(error)) => return Err(unusable(path, error)),
        }
    }
}

/// Takes the lock; `None` if somebody else holds it.
pub(crate) fn try_hold(path: &Path) -> Result<Option<Held>> {
    let file = open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(Held(file))),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(unusable(path, error)),
    }
}

fn open(path: &Path) -> Result<File> {
    let folder = path.parent().map_or(Ok(()), std::fs::create_dir_all);
    let opened = folder.and_then(|()| OpenOptions::new().create(true).truncate(false).write(true).open(path));
    opened.map_err(|error| unusable(path, error))
}

fn unusable(path: &Path, error: std::io::Error) -> Error {
    Error::invalid_config(format!("cannot lock {}: --data must name a writable folder", path.display()))
        .because(error)
}

#[cfg(test)]
mod tests {
    use landfall::clock::ManualClock;

    use super::*;

    /// Promise 1: of two processes that submit one run, one waits until the other is done or dead.
    #[test]
    fn a_lock_has_one_holder_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b.lock");
        let held = try_hold(&path).unwrap();
        assert!(held.is_some());
        assert!(try_hold(&path).unwrap().is_none());
        drop(held);
        assert!(try_hold(&path).unwrap().is_some());
    }

    /// Promise 2: those who work on one job do so side by side; who deletes what they need waits for all of them.
    #[tokio::test]
    async fn a_lock_is_shared_by_those_who_say_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("job.lock");
        let clock = ManualClock::new(jiff::Timestamp::UNIX_EPOCH);
        let one = hold_with_others(&path, &clock).await.unwrap();
        let other = hold_with_others(&path, &clock).await.unwrap();
        assert!(try_hold(&path).unwrap().is_none());
        drop(one);
        assert!(try_hold(&path).unwrap().is_none());
        drop(other);
        assert!(try_hold(&path).unwrap().is_some());
    }

    /// A folder that cannot be used is the configuration's fault, and named.
    #[test]
    fn a_folder_that_is_a_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), "").unwrap();
        let error = try_hold(&folder.path().join("file/x.lock")).unwrap_err();
        assert_eq!(error.error_type().name(), "InvalidConfig");
        assert!(error.line().contains("file/x.lock"), "{}", error.line());
    }
}
