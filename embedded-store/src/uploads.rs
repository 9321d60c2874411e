//! Multipart uploads: parts that are kept until they are made one object, or thrown away.
//!
//! An upload is a folder that appears and disappears by one rename, and is locked by its own `upload.json`.
//! Completing it copies the parts to a new file and leaves them as they are until that file is in place: killed
//! in between, the upload can be completed or gone on with. The copy is the kernel's (`copy_file_range`), which
//! shares the blocks where the file system can; nothing is read through this process or hashed again.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use s3s::{S3Error, S3Result, s3_error};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::checksum::{Algorithm, Checksums, Digested, Kind, multipart_etag, whole};
use crate::objects::Condition;
use crate::record::{Facts, Generation, Headers, Record, RecordFile};
use crate::session::TempFile;
use crate::store::{Place, Store, failed};

/// S3's limits: Amazon S3 User Guide, "Amazon S3 multipart upload limits".
pub(crate) const MAX_PARTS: i32 = 10_000;
pub(crate) const MIN_PART_SIZE: u64 = 5 << 20;

const DESCRIPTION: &str = "upload.json";

/// What an upload was begun with.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Description {
    pub(crate) bucket: String,
    pub(crate) key: String,
    pub(crate) checksum: Option<(Algorithm, Kind)>,
    pub(crate) headers: Headers,
}

/// An upload that exists, and stays as it is until this is dropped.
#[derive(Debug)]
pub(crate) struct Upload {
    folder: PathBuf,
    pub(crate) description: Description,
    /// Held, not used.
    _lock: File,
}

/// An upload as a listing shows it. Ids sort by when the upload was begun.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    pub(crate) id: String,
    pub(crate) description: Description,
}

/// A part that the client wants in the object, and what it says of it.
#[derive(Debug, Clone)]
pub(crate) struct Chosen {
    pub(crate) number: i32,
    pub(crate) etag: String,
    pub(crate) checksums: Checksums,
}

/// How an upload is to be completed.
#[derive(Debug)]
pub(crate) struct Completion {
    pub(crate) parts: Vec<Chosen>,
    /// What the client says that the whole hashes to.
    pub(crate) checksums: Checksums,
    pub(crate) checksum_type: Option<s3s::dto::ChecksumType>,
    pub(crate) size: Option<u64>,
    pub(crate) condition: Condition,
    /// What every part but the last has at least.
    pub(crate) min_part_bytes: u64,
}

/// When an upload was begun, from its id.
pub(crate) fn begun(id: &str) -> SystemTime {
    let nanos = id.get(..16).and_then(|prefix| u64::from_str_radix(prefix, 16).ok());
    UNIX_EPOCH + Duration::from_nanos(nanos.unwrap_or_default())
}

fn new_id() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let nanos = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
    format!("{nanos:016x}{}", Uuid::new_v4().simple())
}

/// Ids become names of folders: nothing else than what [`new_id`] makes is looked up.
fn is_id(id: &str) -> bool {
    id.len() == 48 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn no_such_upload(id: &str) -> S3Error {
    s3_error!(NoSuchUpload, "there is no upload {id:?} of this key: it may have been completed or aborted")
}

impl Store {
    /// Begins an upload and returns its id.
    ///
    /// # Errors
    /// `NoSuchBucket`.
    pub(crate) fn create_upload(&self, description: &Description) -> S3Result<String> {
        self.bucket(&description.bucket)?;
        let id = new_id();
        let made = self.session.path();
        let begin = || {
            fs::create_dir(&made)?;
            self.write_json(&made.join(DESCRIPTION), description)?;
            fs::rename(&made, self.uploads_folder().join(&id))?;
            self.sync_parent(&self.uploads_folder().join(&id))
        };
        begin().map_err(failed("begin an upload"))?;
        Ok(id)
    }

    /// Opens an upload for this caller alone.
    ///
    /// # Errors
    /// `NoSuchUpload`, also for one of another key.
    pub(crate) fn upload(&self, bucket: &str, key: &str, id: &str) -> S3Result<Upload> {
        self.bucket(bucket)?;
        if !is_id(id) {
            return Err(no_such_upload(id));
        }
        let folder = self.uploads_folder().join(id);
        let path = folder.join(DESCRIPTION);
        let lock = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(no_such_upload(id)),
            Err(error) => return Err(failed("open an upload")(error)),
        };
        lock.lock().map_err(failed("lock an upload"))?;
        // Whoever had the lock before may have completed it.
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(no_such_upload(id)),
            Err(error) => return Err(failed("read an upload")(error)),
        };
        let description: Description =
            serde_json::from_slice(&bytes).map_err(|error| failed("read an upload")(error.into()))?;
        if description.bucket != bucket || description.key != key {
            return Err(no_such_upload(id));
        }
        Ok(Upload { folder, description, _lock: lock })
    }

    /// Stores a part in place of the one with this number, if there is one.
    ///
    /// # Errors
    /// `NoSuchUpload`; `InvalidRequest` without the checksum that the upload asks for.
    pub(crate) fn put_part(
        &self,
        upload: &Upload,
        number: i32,
        mut temp: TempFile,
        content: &Digested,
    ) -> S3Result<Record> {
        if let Some((algorithm, _)) = upload.description.checksum
            && content.checksums.get(algorithm).is_none()
        {
            let name = algorithm.name();
            return Err(s3_error!(
                InvalidRequest,
                "the upload was begun with {name}: each part must carry it"
            ));
        }
        let facts = Facts {
            etag: hex::encode(content.md5),
            checksums: content.checksums.clone(),
            checksum_kind: Kind::FullObject,
            headers: Headers::default(),
        };
        let (target, record) = upload.paths(number);
        let place = Place { target: &target, record: &record, name: &upload.description.key };
        self.put_in_place(&mut temp, &place, &facts).map_err(failed("store a part"))
    }

    /// Makes the object of the chosen parts, and ends the upload.
    ///
    /// # Errors
    /// What S3 answers to a wrong list of parts, checksum, size or condition. The upload then stays.
    pub(crate) fn complete(&self, upload: &Upload, completion: &Completion) -> S3Result<Record> {
        let Description { bucket, key, .. } = &upload.description;
        // Again when it is put in place; here to spare the copy.
        self.check((bucket, key), &completion.condition)?;
        let parts = upload.choose(&completion.parts, completion.min_part_bytes)?;
        let size: u64 = parts.iter().map(|(_, record)| record.generation.size).sum();
        if completion.size.is_some_and(|said| said != size) {
            return Err(s3_error!(
                InvalidRequest,
                "the parts have {size} bytes, not those of x-amz-mp-object-size"
            ));
        }
        let facts = upload.facts(&parts, completion)?;
        let temp = self.join(&parts).map_err(failed("put the parts together"))?;
        let record = self.commit((bucket, key), temp, &facts, &completion.condition)?;
        self.discard(upload).map_err(failed("end an upload"))?;
        Ok(record)
    }

    /// Throws an upload and its parts away.
    pub(crate) fn discard(&self, upload: &Upload) -> io::Result<()> {
        let away = self.session.path();
        fs::rename(&upload.folder, &away)?;
        self.sync_parent(&upload.folder)?;
        fs::remove_dir_all(&away)
    }

    /// The uploads to a bucket, by key and then by when they were begun.
    ///
    /// # Errors
    /// `NoSuchBucket`.
    pub(crate) fn uploads(&self, bucket: &str, prefix: &str) -> S3Result<Vec<Listed>> {
        self.bucket(bucket)?;
        let read = || -> io::Result<Vec<Listed>> {
            let mut found = Vec::new();
            for entry in fs::read_dir(self.uploads_folder())? {
                let entry = entry?;
                let Some(id) = entry.file_name().to_str().filter(|id| is_id(id)).map(str::to_owned) else {
                    continue;
                };
                // Gone: it ended meanwhile.
                let Ok(bytes) = fs::read(entry.path().join(DESCRIPTION)) else { continue };
                let description: Description = serde_json::from_slice(&bytes)?;
                if description.bucket == bucket && description.key.starts_with(prefix) {
                    found.push(Listed { id, description });
                }
            }
            Ok(found)
        };
        let mut found = read().map_err(failed("list the uploads"))?;
        found.sort_by(|one, other| (&one.description.key, &one.id).cmp(&(&other.description.key, &other.id)));
        Ok(found)
    }

    fn join(&self, parts: &[(PathBuf, Record)]) -> io::Result<TempFile> {
        let mut temp = self.session.file()?;
        for (path, record) in parts {
            let copied = io::copy(&mut File::open(path)?, temp.file())?;
            if copied != record.generation.size {
                return Err(io::Error::other(format!("{} changed while it was copied", path.display())));
            }
        }
        temp.file().seek(SeekFrom::Start(0))?;
        Ok(temp)
    }
}

impl Upload {
    /// The parts that are stored, by number. One whose record was lost (by a power cut without `fsync`) does not
    /// count: it has to be sent again.
    pub(crate) fn parts(&self) -> S3Result<BTreeMap<i32, Record>> {
        let read = || -> io::Result<BTreeMap<i32, Record>> {
            let mut parts = BTreeMap::new();
            for entry in fs::read_dir(&self.folder)? {
                let number = entry?.file_name().to_str().and_then(|name| name.parse().ok());
                if let Some(number) = number
                    && let Some(record) = self.part(number)?
                {
                    parts.insert(number, record);
                }
            }
            Ok(parts)
        };
        read().map_err(failed("list the parts"))
    }

    fn part(&self, number: i32) -> io::Result<Option<Record>> {
        let (path, record) = self.paths(number);
        let generation = match fs::metadata(path) {
            Ok(metadata) => Generation::of(&metadata)?,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(RecordFile::read(&record)?.find(generation).cloned())
    }

    fn paths(&self, number: i32) -> (PathBuf, PathBuf) {
        let part = self.folder.join(format!("{number:05}"));
        let record = part.with_extension("json");
        (part, record)
    }

    fn choose(&self, chosen: &[Chosen], min_bytes: u64) -> S3Result<Vec<(PathBuf, Record)>> {
        if chosen.is_empty() {
            return Err(s3_error!(MalformedXML, "at least one part must be named"));
        }
        if !chosen.iter().map(|part| part.number).is_sorted_by(|one, next| one < next) {
            return Err(s3_error!(InvalidPartOrder, "the parts must be named in ascending order, each once"));
        }
        let mut parts = Vec::with_capacity(chosen.len());
        for (index, wanted) in chosen.iter().enumerate() {
            let record = self.chosen_part(wanted)?;
            if record.generation.size < min_bytes && index + 1 < chosen.len() {
                let (number, size) = (wanted.number, record.generation.size);
                return Err(s3_error!(
                    EntityTooSmall,
                    "part {number} has {size} bytes: all but the last need {min_bytes}"
                ));
            }
            parts.push((self.paths(wanted.number).0, record));
        }
        Ok(parts)
    }

    fn chosen_part(&self, wanted: &Chosen) -> S3Result<Record> {
        let number = wanted.number;
        let record = self.part(number).map_err(failed("read a part"))?;
        let Some(record) = record.filter(|record| record.facts.etag == wanted.etag) else {
            return Err(s3_error!(InvalidPart, "part {number} was not uploaded, or has another ETag"));
        };
        if record.facts.checksums.verify(&wanted.checksums).is_err() {
            return Err(s3_error!(InvalidPart, "part {number} has another checksum"));
        }
        match self.description.checksum {
            Some((algorithm, Kind::Composite)) if wanted.checksums.get(algorithm).is_none() => {
                let name = algorithm.name();
                Err(s3_error!(
                    InvalidRequest,
                    "the upload was begun with {name}: the checksum of part {number} must be named"
                ))
            }
            _ => Ok(record),
        }
    }

    fn facts(&self, parts: &[(PathBuf, Record)], completion: &Completion) -> S3Result<Facts> {
        let mut md5s = Vec::with_capacity(parts.len());
        for (path, record) in parts {
            let mut md5 = [0; 16];
            hex::decode_to_slice(&record.facts.etag, &mut md5).map_err(|_| damaged(path))?;
            md5s.push(md5);
        }
        let (algorithm, kind) = self.description.checksum.unwrap_or((Algorithm::Crc64nvme, Kind::FullObject));
        if completion.checksum_type.as_ref().is_some_and(|said| said.as_str() != kind.name()) {
            return Err(s3_error!(
                InvalidRequest,
                "the upload was begun with the checksum type {}",
                kind.name()
            ));
        }
        let values = |algorithm| -> Vec<(Option<String>, u64)> {
            let value = |(_, record): &(PathBuf, Record)| {
                (record.facts.checksums.get(algorithm), record.generation.size)
            };
            parts.iter().map(value).collect()
        };
        let mut checksums = Checksums::default();
        checksums.set(algorithm, whole(algorithm, kind, &values(algorithm)));
        // A full object's checksum can be checked whether or not the upload was begun with it.
        let asked = completion.checksums.algorithms().filter(|_| kind == Kind::FullObject);
        for other in asked.chain((kind == Kind::FullObject).then_some(Algorithm::Crc64nvme)) {
            checksums.set(other, whole(other, Kind::FullObject, &values(other)));
        }
        checksums.verify(&completion.checksums)?;
        Ok(Facts {
            etag: multipart_etag(&md5s),
            checksums,
            checksum_kind: kind,
            headers: self.description.headers.clone(),
        })
    }
}

fn damaged(path: &Path) -> S3Error {
    tracing::error!(path = %path.display(), "the record of a part is damaged");
    s3_error!(InternalError, "the record of a part is damaged")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Promise 7: an id from a request never becomes a path that is not an upload's.
    #[test]
    fn only_ids_are_ids() {
        assert!(is_id(&new_id()));
        for other in ["", "..", "../../landing", &"g".repeat(48), &"A".repeat(48)] {
            assert!(!is_id(other), "{other}");
        }
    }

    #[test]
    fn an_id_says_when_its_upload_was_begun() {
        let before = SystemTime::now();
        let id = new_id();
        assert!(begun(&id) >= before - Duration::from_nanos(1) && begun(&id) <= SystemTime::now());
        assert_eq!(begun("short"), UNIX_EPOCH);
    }
}
