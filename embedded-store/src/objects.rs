//! Objects: finding, describing, writing and deleting them.

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Read, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use s3s::dto::ETag;
use s3s::{S3Error, S3Result, s3_error};

use crate::checksum::{Digests, Kind};
use crate::keys::{escaped_path, plain_path};
use crate::record::{Facts, Generation, Headers, Record, RecordFile};
use crate::session::TempFile;
use crate::store::{Place, Store, failed, no_space};

/// How much is read from a file at a time.
const BUFFER: usize = 1 << 20;

/// How often something is tried again because another writer came between. Each time means that the other one
/// got ahead, so this is never reached but by a fault.
const MAX_ATTEMPTS: u32 = 1_000;

/// A file that was changed less than this before it was described may change again within the same tick of the
/// file system's clock: what was read is then not kept, but read again the next time.
const SETTLED: Duration = Duration::from_secs(2);

/// What must hold for a write, at the instant of the write.
#[derive(Debug, Clone, Default)]
pub(crate) enum Condition {
    #[default]
    Always,
    /// `If-None-Match: *`
    Absent,
    /// `If-Match: *`
    Present,
    /// `If-Match: <ETag>`
    Is(ETag),
    /// The same by what OCI's own API calls a version.
    Version(String),
}

/// An object that was found: its bytes, which stay what they are whatever happens to the key, and their record.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) file: File,
    pub(crate) record: Record,
}

/// A file that has a key.
#[derive(Debug)]
struct Located {
    path: PathBuf,
    generation: Generation,
}

impl Store {
    /// Opens an object.
    ///
    /// # Errors
    /// `NoSuchBucket`, `NoSuchKey`.
    pub(crate) fn find(&self, bucket: &str, key: &str) -> S3Result<Found> {
        let folder = self.bucket(bucket)?;
        for _ in 0..MAX_ATTEMPTS {
            let Some(located) = locate(&folder, key).map_err(failed("look for an object"))? else {
                return Err(no_such_key(key));
            };
            if let Some(found) = self.open_located(bucket, key, &located)? {
                return Ok(found);
            }
        }
        Err(s3_error!(InternalError, "{key:?} is replaced faster than it can be read"))
    }

    /// The record of an object that a listing came across; `None` if it is gone.
    pub(crate) fn describe(&self, bucket: &str, key: &str) -> S3Result<Option<Record>> {
        let folder = self.bucket(bucket)?;
        let located = locate(&folder, key).map_err(failed("look for an object"))?;
        let Some(located) = located else { return Ok(None) };
        if let Some(record) = self.known(bucket, key, located.generation)? {
            return Ok(Some(record));
        }
        match self.find(bucket, key) {
            Ok(found) => Ok(Some(found.record)),
            Err(error) if error.code().as_str() == "NoSuchKey" => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes `temp` the object, if `condition` holds.
    ///
    /// # Errors
    /// `NoSuchBucket`, `PreconditionFailed`, `NoSuchKey` for `If-Match` on what is not there.
    pub(crate) fn commit(
        &self,
        (bucket, key): (&str, &str),
        mut temp: TempFile,
        facts: &Facts,
        condition: &Condition,
    ) -> S3Result<Record> {
        let folder = self.bucket(bucket)?;
        let record = self.record_path(bucket, key);
        let _lock = self.lock_key(bucket, key)?;
        self.check((bucket, key), condition)?;
        for _ in 0..MAX_ATTEMPTS {
            let target = self.writable_place(&folder, key).map_err(refused(key))?;
            let place = Place { target: &target, record: &record, name: key };
            match self.put_in_place(&mut temp, &place, facts) {
                Ok(record) => return Ok(record),
                Err(error) if came_between(&error) && folder.is_dir() => {}
                Err(error) => return Err(refused(key)(error)),
            }
        }
        Err(s3_error!(InternalError, "the folder of {key:?} changes faster than it can be written to"))
    }

    /// Checks the condition of a write. It holds until the write only if the caller has the key's lock.
    ///
    /// # Errors
    /// `PreconditionFailed`, `NoSuchKey`.
    pub(crate) fn check(&self, (bucket, key): (&str, &str), condition: &Condition) -> S3Result {
        let folder = self.bucket(bucket)?;
        let present =
            || locate(&folder, key).map(|found| found.is_some()).map_err(failed("look for an object"));
        match condition {
            Condition::Always => Ok(()),
            Condition::Absent if present()? => Err(s3_error!(PreconditionFailed, "{key:?} is there already")),
            Condition::Absent => Ok(()),
            Condition::Present if present()? => Ok(()),
            Condition::Present => Err(no_such_key(key)),
            Condition::Is(_) | Condition::Version(_) => {
                // Not `find`: that may take the lock which the caller has.
                let located = locate(&folder, key).map_err(failed("look for an object"))?;
                let located = located.ok_or_else(|| no_such_key(key))?;
                let known = self.known(bucket, key, located.generation)?;
                let record = match known {
                    Some(record) => record,
                    None => {
                        read_facts(&located.path, located.generation).map_err(failed("read an object"))?
                    }
                };
                let is_it = match condition {
                    Condition::Is(etag) => etag.value() == record.facts.etag,
                    Condition::Version(version) => *version == record.version(),
                    _ => true,
                };
                if is_it {
                    Ok(())
                } else {
                    Err(s3_error!(PreconditionFailed, "{key:?} is not the version that If-Match names"))
                }
            }
        }
    }

    /// Deletes an object if it is there.
    ///
    /// # Errors
    /// `NoSuchBucket`; those of the condition.
    pub(crate) fn delete(&self, bucket: &str, key: &str, condition: &Condition) -> S3Result {
        let folder = self.bucket(bucket)?;
        let _lock = self.lock_key(bucket, key)?;
        self.check((bucket, key), condition)?;
        for path in places(&folder, key) {
            if is_object(&path).map_err(failed("look for an object"))?.is_none() {
                continue;
            }
            match fs::remove_file(&path) {
                Ok(()) => self.sync_parent(&path).map_err(failed("delete an object"))?,
                Err(error) if is_absence(&error) => {}
                Err(error) => return Err(failed("delete an object")(error)),
            }
            remove_empty_folders(&folder, &path);
        }
        match fs::remove_file(self.record_path(bucket, key)) {
            Err(error) if !is_absence(&error) => Err(failed("delete an object's record")(error)),
            _ => Ok(()),
        }
    }

    /// Copies `length` bytes of `source` from `offset` into a new file, hashing them on the way.
    ///
    /// # Errors
    /// A file cannot be read or written, or the source is shorter than that.
    pub(crate) fn copy_hashing(
        &self,
        source: &mut File,
        (offset, length): (u64, u64),
        mut digests: Digests,
    ) -> io::Result<(TempFile, Digests)> {
        let mut temp = self.session.file()?;
        source.seek(SeekFrom::Start(offset))?;
        each_chunk(source, length, |chunk| {
            digests.update(chunk);
            temp.write_all(chunk)
        })?;
        Ok((temp, digests))
    }

    fn open_located(&self, bucket: &str, key: &str, located: &Located) -> S3Result<Option<Found>> {
        let file = match File::open(&located.path) {
            Ok(file) => file,
            Err(error) if is_absence(&error) => return Ok(None),
            Err(error) => return Err(failed("open an object")(error)),
        };
        let generation = file.metadata().and_then(|metadata| Generation::of(&metadata));
        let generation = generation.map_err(failed("read an object's times"))?;
        if let Some(record) = self.known(bucket, key, generation)? {
            return Ok(Some(Found { file, record }));
        }
        // Nothing is known of it: either it was just replaced, and its record with it, or nothing ever was.
        let present = is_object(&located.path).map_err(failed("look for an object"))?;
        if present != Some(generation) {
            return Ok(None);
        }
        let record = self.learn((bucket, key), &located.path, generation)?;
        Ok(record.map(|record| Found { file, record }))
    }

    fn known(&self, bucket: &str, key: &str, generation: Generation) -> S3Result<Option<Record>> {
        let file =
            RecordFile::read(&self.record_path(bucket, key)).map_err(failed("read an object's record"))?;
        Ok(file.find(generation).cloned())
    }

    /// Describes a file that has no record by reading it, and keeps the record. `None` if it changed meanwhile.
    fn learn(
        &self,
        (bucket, key): (&str, &str),
        path: &Path,
        generation: Generation,
    ) -> S3Result<Option<Record>> {
        let record = match read_facts(path, generation) {
            Ok(record) => record,
            Err(error) if is_absence(&error) || error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(failed("read an object")(error)),
        };
        let _lock = self.lock_key(bucket, key)?;
        if is_object(path).map_err(failed("look for an object"))? != Some(generation) {
            return Ok(None);
        }
        if SystemTime::now().duration_since(generation.modified()).is_ok_and(|age| age > SETTLED) {
            let file = RecordFile::new(key, record.clone(), None);
            self.write_json(&self.record_path(bucket, key), &file)
                .map_err(failed("write an object's record"))?;
        }
        Ok(Some(record))
    }

    /// Where to write `key`: where it is, or else its plain place if that can be had, or else the escaped one.
    fn writable_place(&self, folder: &Path, key: &str) -> io::Result<PathBuf> {
        if let Some(located) = locate(folder, key)? {
            return Ok(located.path);
        }
        if let Some(plain) = plain_path(key) {
            let plain = folder.join(plain);
            if !plain.is_dir() && self.make_room(&plain)? {
                return Ok(plain);
            }
        }
        let escaped = folder.join(escaped_path(key));
        self.make_room(&escaped)?;
        Ok(escaped)
    }

    /// Makes the folders above `path`; false if a file is in the way.
    fn make_room(&self, path: &Path) -> io::Result<bool> {
        let Some(parent) = path.parent() else { return Ok(false) };
        for _ in 0..MAX_ATTEMPTS {
            match self.create_folders(parent) {
                Ok(()) => return Ok(true),
                Err(error) if matches!(error.kind(), ErrorKind::NotADirectory | ErrorKind::AlreadyExists) => {
                    return Ok(false);
                }
                // Another one deleted a folder that was empty.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::other("a folder is deleted as fast as it is made"))
    }
}

/// The facts of bytes that nothing else is known of.
///
/// # Errors
/// The file cannot be read, or is shorter than its generation.
fn read_facts(path: &Path, generation: Generation) -> io::Result<Record> {
    let mut digests = Digests::new([]);
    each_chunk(&mut File::open(path)?, generation.size, |chunk| {
        digests.update(chunk);
        Ok(())
    })?;
    let content = digests.finish();
    let facts = Facts {
        etag: hex::encode(content.md5),
        checksums: content.checksums,
        checksum_kind: Kind::FullObject,
        headers: Headers::default(),
    };
    Ok(Record { generation, facts })
}

fn each_chunk(
    file: &mut File,
    length: u64,
    mut use_chunk: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER.min(usize::try_from(length).unwrap_or(BUFFER))];
    let mut rest = file.take(length);
    loop {
        let read = match rest.read(&mut buffer) {
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        match buffer.get(..read) {
            Some(chunk) if read > 0 => use_chunk(chunk)?,
            _ if rest.limit() > 0 => return Err(ErrorKind::UnexpectedEof.into()),
            _ => return Ok(()),
        }
    }
}

/// The places where `key` may be, in the order of precedence.
fn places(folder: &Path, key: &str) -> impl Iterator<Item = PathBuf> {
    plain_path(key).into_iter().chain([escaped_path(key)]).map(|place| folder.join(place))
}

fn locate(folder: &Path, key: &str) -> io::Result<Option<Located>> {
    for path in places(folder, key) {
        if let Some(generation) = is_object(&path)? {
            return Ok(Some(Located { path, generation }));
        }
    }
    Ok(None)
}

/// The generation of the regular file at `path`; folders, links and devices are no objects.
fn is_object(path: &Path) -> io::Result<Option<Generation>> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Some(metadata).filter(Metadata::is_file).as_ref().map(Generation::of).transpose(),
        Err(error) if is_absence(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::InvalidFilename)
}

/// Whether another writer has put a folder where the file was to go, or taken away the folder it was to go to.
fn came_between(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::NotFound
            | ErrorKind::NotADirectory
            | ErrorKind::IsADirectory
            | ErrorKind::DirectoryNotEmpty
    )
}

fn remove_empty_folders(bucket: &Path, path: &Path) {
    for folder in path.ancestors().skip(1).take_while(|folder| *folder != bucket) {
        // Not empty, or deleted by another: in either case there is nothing left to do.
        if fs::remove_dir(folder).is_err() {
            return;
        }
    }
}

fn no_such_key(key: &str) -> S3Error {
    s3_error!(NoSuchKey, "there is no object {key:?}")
}

fn refused(key: &str) -> impl Fn(io::Error) -> S3Error {
    move |error| match error.kind() {
        ErrorKind::InvalidFilename => {
            s3_error!(error, KeyTooLongError, "{key:?} is too long for the file system")
        }
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => no_space(error, &format!("write {key:?}")),
        _ => failed("write an object")(error),
    }
}
