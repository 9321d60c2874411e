//! The folder: where things are in it, who may change them when, and how a file is put in place.
//!
//! ```text
//! DIR/<bucket>/...                        the objects, see `keys`
//! DIR/.store/records/<bucket>/xx/....json what is known of each, see `record`; named by the key's SHA-256
//!            uploads/<id>/upload.json     a multipart upload; locked while it changes
//!                         00001[.json]    its parts, and their records
//!            locks/xx                     taken while an object whose key's SHA-256 begins so changes
//!            sessions/<id>/               temporary files, see `session`
//! ```
//!
//! Locks are the operating system's file locks (`flock`), which hold between tasks and between processes alike
//! and are let go when their holder dies. An upload's lock is always taken before a key's.
//!
//! All of this blocks: it is called on threads that may.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use http::StatusCode;
use s3s::crypto::{Checksum as _, Sha256};
use s3s::path::check_bucket_name;
use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};

use crate::Error;
use crate::listing::Walks;
use crate::record::{Facts, Generation, Record, RecordFile};
use crate::session::{Session, TempFile, open_lock_file};

const STATE_FOLDER: &str = ".store";

#[derive(Debug)]
pub(crate) struct Store {
    root: PathBuf,
    fsync: bool,
    pub(crate) session: Session,
    pub(crate) walks: Walks,
}

impl Store {
    pub(crate) fn open(root: PathBuf, fsync: bool) -> Result<Self, Error> {
        let state = root.join(STATE_FOLDER);
        let folder_error = |path: &Path| {
            let path = path.to_owned();
            move |source| Error::Folder { path, source }
        };
        for name in ["records", "uploads", "locks"] {
            let folder = state.join(name);
            fs::create_dir_all(&folder).map_err(folder_error(&folder))?;
        }
        let sessions = state.join("sessions");
        let session = Session::start(&sessions).map_err(folder_error(&sessions))?;
        Ok(Self { root, fsync, session, walks: Walks::default() })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of a bucket, which need not exist.
    ///
    /// # Errors
    /// `InvalidBucketName`: it is no name, so perhaps no folder of its own either.
    pub(crate) fn bucket_folder(&self, bucket: &str) -> S3Result<PathBuf> {
        if check_bucket_name(bucket) {
            Ok(self.root.join(bucket))
        } else {
            Err(s3_error!(InvalidBucketName, "{bucket:?} is not a bucket name"))
        }
    }

    /// The folder of a bucket that exists.
    ///
    /// # Errors
    /// `NoSuchBucket`.
    pub(crate) fn bucket(&self, bucket: &str) -> S3Result<PathBuf> {
        let folder = self.bucket_folder(bucket)?;
        if folder.is_dir() {
            Ok(folder)
        } else {
            Err(s3_error!(NoSuchBucket, "there is no bucket {bucket:?}"))
        }
    }

    pub(crate) fn uploads_folder(&self) -> PathBuf {
        self.root.join(STATE_FOLDER).join("uploads")
    }

    pub(crate) fn record_path(&self, bucket: &str, key: &str) -> PathBuf {
        let (shard, rest) = key_hash(key);
        self.root
            .join(STATE_FOLDER)
            .join("records")
            .join(bucket)
            .join(shard)
            .join(rest)
            .with_extension("json")
    }

    /// Waits until nobody else changes the object, and keeps it so until the result is dropped.
    pub(crate) fn lock_key(&self, bucket: &str, key: &str) -> S3Result<File> {
        let (shard, _) = key_hash(&format!("{bucket}/{key}"));
        let path = self.root.join(STATE_FOLDER).join("locks").join(shard);
        let file = open_lock_file(&path).map_err(failed("open a lock"))?;
        file.lock().map_err(failed("take a lock"))?;
        Ok(file)
    }

    /// Puts `temp` in place at `target`, described by `facts`, as the module `record` has it. The caller holds the
    /// lock that guards `target`.
    ///
    /// # Errors
    /// Nothing has become visible; `temp` can be put elsewhere.
    pub(crate) fn put_in_place(
        &self,
        temp: &mut TempFile,
        place: &Place<'_>,
        facts: &Facts,
    ) -> io::Result<Record> {
        let present = match fs::symlink_metadata(place.target) {
            Ok(metadata) => Some(Generation::of(&metadata)?),
            Err(_) => None,
        };
        let known = RecordFile::read(place.record)?;
        let generation = temp.stamp(|one| Some(one) == present || known.find(one).is_some())?;
        let record = Record { generation, facts: facts.clone() };
        let kept = present.and_then(|present| known.find(present)).cloned();
        if self.fsync {
            temp.sync()?;
        }
        self.write_json(place.record, &RecordFile::new(place.name, record.clone(), kept))?;
        temp.rename(place.target)?;
        self.sync_parent(place.target)?;
        Ok(record)
    }

    /// Replaces a file of the store's own by `value`, at once.
    pub(crate) fn write_json(&self, path: &Path, value: &impl serde::Serialize) -> io::Result<()> {
        let mut temp = self.session.file()?;
        temp.write_json(value)?;
        if self.fsync {
            temp.sync()?;
        }
        if let Some(parent) = path.parent() {
            self.create_folders(parent)?;
        }
        temp.rename(path)?;
        self.sync_parent(path)
    }

    /// Makes a folder and those above it.
    pub(crate) fn create_folders(&self, folder: &Path) -> io::Result<()> {
        if folder.is_dir() {
            return Ok(());
        }
        fs::create_dir_all(folder)?;
        // A new folder's own entry must be on the disk too; up to the root is few, and only once.
        if self.fsync {
            for made in folder.ancestors().take_while(|made| *made != self.root) {
                self.sync_parent(made)?;
            }
        }
        Ok(())
    }

    /// Flushes a change of name to the disk, if the store is to survive a power cut.
    pub(crate) fn sync_parent(&self, path: &Path) -> io::Result<()> {
        match path.parent() {
            Some(parent) if self.fsync => match File::open(parent) {
                Ok(folder) => folder.sync_all(),
                // Deleted meanwhile, as it was empty: there is nothing to keep.
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                Err(error) => Err(error),
            },
            _ => Ok(()),
        }
    }
}

/// Where a file goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) target: &'a Path,
    pub(crate) record: &'a Path,
    /// What the record file says that it is about.
    pub(crate) name: &'a str,
}

fn key_hash(key: &str) -> (String, String) {
    let mut hash = hex::encode(Sha256::checksum(key.as_bytes()));
    let rest = hash.split_off(2);
    (hash, rest)
}

/// That the disk is full, in the words that people know it by. It is nothing that a client need try again at once.
pub(crate) fn no_space(source: io::Error, what: &str) -> S3Error {
    let message = format!("no space left on device: the store could not {what}");
    let code = S3ErrorCode::Custom("InsufficientStorage".into());
    let mut error = S3Error::with_message(code, message);
    error.set_status_code(StatusCode::INSUFFICIENT_STORAGE);
    error.set_source(Box::new(source));
    error
}

/// Turns a failure of the file system into S3's `InternalError`, which clients retry. The client is told what
/// the store could not do; the cause, with its paths, is logged here.
pub(crate) fn failed(what: &'static str) -> impl Fn(io::Error) -> S3Error {
    move |source| {
        if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
            return no_space(source, what);
        }
        tracing::error!(error = %source, "the store could not {what}");
        let mut error =
            S3Error::with_message(S3ErrorCode::InternalError, format!("the store could not {what}"));
        error.set_source(Box::new(source));
        error
    }
}
