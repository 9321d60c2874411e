//! Temporary files that a killed process leaves behind, and never those of a live one.
//!
//! Each open store has a folder of its own below `.store/sessions`, and holds an exclusive lock on the file
//! `lock` in it for as long as it lives; the operating system lets go of it when the process ends, however it
//! does. Whoever can take a session's lock may therefore delete its folder. Sessions are made and swept under
//! one lock for all, so that none is swept between the making of its folder and the taking of its lock.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use uuid::Uuid;

use crate::record::Generation;

/// How often a file's time is moved until it tells the file from its predecessor. The step doubles each time,
/// so that this reaches beyond the two seconds of the coarsest file systems.
const MAX_STAMPS: u32 = 34;

/// How far a file's time is moved at random, in nanoseconds: below what anybody would notice.
const MAX_JITTER_NS: u64 = 1_000_000;

/// A live store's right to a folder of temporary files.
#[derive(Debug)]
pub(crate) struct Session {
    folder: PathBuf,
    next: AtomicU64,
    /// Held, not used.
    _lock: File,
}

impl Session {
    /// Starts a session below `sessions`, and deletes the folders of those that are dead.
    ///
    /// # Errors
    /// `sessions` cannot be read or written.
    pub(crate) fn start(sessions: &Path) -> io::Result<Self> {
        fs::create_dir_all(sessions)?;
        let all = open_lock_file(&sessions.join("lock"))?;
        all.lock()?;
        sweep(sessions)?;
        let folder = sessions.join(Uuid::new_v4().simple().to_string());
        fs::create_dir(&folder)?;
        let lock = open_lock_file(&folder.join("lock"))?;
        lock.lock()?;
        Ok(Self { folder, next: AtomicU64::new(0), _lock: lock })
    }

    /// A path in this session's folder that nothing has yet.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.join(self.next.fetch_add(1, Ordering::Relaxed).to_string())
    }

    /// A new, empty file that is deleted when it is dropped.
    ///
    /// # Errors
    /// The file cannot be created.
    pub(crate) fn file(&self) -> io::Result<TempFile> {
        let path = self.path();
        let file = File::options().read(true).write(true).create_new(true).open(&path)?;
        Ok(TempFile { path, file, kept: false })
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // What cannot be deleted now is deleted by the next session's sweep.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn sweep(sessions: &Path) -> io::Result<()> {
    for entry in fs::read_dir(sessions)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            match delete_if_dead(&entry.path()) {
                // A live one has just ended, and deleted its own folder.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                swept => swept?,
            }
        }
    }
    Ok(())
}

fn delete_if_dead(folder: &Path) -> io::Result<()> {
    let lock = open_lock_file(&folder.join("lock"))?;
    match lock.try_lock() {
        Ok(()) => fs::remove_dir_all(folder),
        Err(TryLockError::WouldBlock) => Ok(()),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Opens a file that exists only to be locked.
pub(crate) fn open_lock_file(path: &Path) -> io::Result<File> {
    File::options().create(true).truncate(false).read(true).write(true).open(path)
}

/// A file in the making.
#[derive(Debug)]
pub(crate) struct TempFile {
    path: PathBuf,
    file: File,
    kept: bool,
}

impl TempFile {
    pub(crate) fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Gives the file a generation that no other version of it has, as far as can be known: one that is not
    /// `taken`, nor likely to be that of a version which was deleted a moment ago and may still be read.
    /// File systems keep the time of a write so coarsely (to some milliseconds) that it says neither.
    ///
    /// # Errors
    /// The file's times cannot be read or set, or no free one is found.
    pub(crate) fn stamp(&self, taken: impl Fn(Generation) -> bool) -> io::Result<Generation> {
        let written = Generation::of(&self.file.metadata()?)?.modified();
        let mut time = written - Duration::from_nanos(Uuid::new_v4().as_u64_pair().1 % MAX_JITTER_NS);
        for attempt in 0..MAX_STAMPS {
            self.file.set_modified(time)?;
            let generation = Generation::of(&self.file.metadata()?)?;
            if !taken(generation) {
                return Ok(generation);
            }
            time += Duration::from_nanos(1 << attempt);
        }
        Err(io::Error::other("the file system keeps no times that tell two versions of a file apart"))
    }

    /// Writes a value that is small. Not through a buffer: what it had not written when it is dropped is lost, and nobody
    /// is told.
    ///
    /// # Errors
    /// The value is no JSON, or the file takes no more.
    pub(crate) fn write_json(&mut self, value: &impl serde::Serialize) -> io::Result<()> {
        let json = serde_json::to_vec(value)?;
        self.file.write_all(&json)
    }

    /// Flushes contents and times to the disk.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    /// Puts the file in place of whatever file is at `target`, at once.
    ///
    /// # Errors
    /// The rename failed; the file is then deleted unless this is tried again.
    pub(crate) fn rename(&mut self, target: &Path) -> io::Result<()> {
        fs::rename(&self.path, target)?;
        self.kept = true;
        Ok(())
    }
}

impl Write for TempFile {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.file.write(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl io::Read for TempFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(buffer)
    }
}

impl io::Seek for TempFile {
    fn seek(&mut self, position: io::SeekFrom) -> io::Result<u64> {
        self.file.seek(position)
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        if !self.kept {
            // What cannot be deleted now goes with its session.
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folders(sessions: &Path) -> usize {
        fs::read_dir(sessions).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_dir()).count()
    }

    /// A file of the store's own that cannot be written, as the disk is full, takes the place of none that was whole.
    #[test]
    fn what_cannot_be_written_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("0");
        fs::write(&path, b"").unwrap();
        let mut takes_nothing = TempFile { file: File::open(&path).unwrap(), path, kept: false };
        takes_nothing.write_json(&"a record").unwrap_err();
    }

    /// Promise 6: what a killed process leaves is deleted, what a live one has is not.
    #[test]
    fn only_the_dead_are_swept() {
        let dir = tempfile::tempdir().unwrap();
        let dead = dir.path().join("dead");
        fs::create_dir(&dead).unwrap();
        fs::write(dead.join("0"), b"left behind").unwrap();

        let live = Session::start(dir.path()).unwrap();
        let file = live.file().unwrap();
        let other = Session::start(dir.path()).unwrap();

        assert!(!dead.exists());
        assert!(file.path.exists());
        assert_eq!(folders(dir.path()), 2);
        drop((file, live, other));
        assert_eq!(folders(dir.path()), 0);
    }

    /// Promise 3: two versions are told apart however coarse the clock is.
    #[test]
    fn a_stamp_is_never_one_that_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let session = Session::start(dir.path()).unwrap();
        let file = session.file().unwrap();
        let first = file.stamp(|_| false).unwrap();
        let second = file.stamp(|generation| generation == first).unwrap();
        assert_ne!(first, second);
        assert!(file.stamp(|_| true).is_err());
    }

    #[test]
    fn a_file_that_is_not_put_in_place_is_deleted() {
        let dir = tempfile::tempdir().unwrap();
        let session = Session::start(&dir.path().join("sessions")).unwrap();
        let target = dir.path().join("target");
        let (mut kept, dropped) = (session.file().unwrap(), session.file().unwrap());
        let gone = dropped.path.clone();
        kept.rename(&target).unwrap();
        drop((kept, dropped));
        assert!(target.exists() && !gone.exists());
    }
}
