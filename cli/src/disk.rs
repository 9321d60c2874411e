//! Files of this machine that a person has named: found, hashed, and read.

use std::fs::{File, Metadata};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use async_trait::async_trait;
use bytes::BytesMut;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use landfall::checksum::{Checksums, Hasher};
use landfall::contract::{Disk, DiskFile, Download, ResumeAt};
use landfall::{Error, Result};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, SeekFrom};
use url::Url;

/// So much of a file is read at a time.
const READ_BYTES: usize = 1 << 20;

/// The disk of this machine, for the commands by which a person names a file.
pub(crate) struct ThisDisk {
    /// What to do with a file that has changed, once it is complete.
    pub(crate) again: &'static str,
}

#[async_trait]
impl Disk for ThisDisk {
    async fn open(&self, file: &DiskFile, resume: Option<&ResumeAt>) -> Result<Download> {
        let path = path_of(file)?;
        let reading = Reading::open(path, file, self.again).await?;
        let same = resume.filter(|at| at.validator == file.version && at.offset <= file.size);
        let offset = same.map_or(0, |at| at.offset);
        Ok(Download {
            offset,
            size: Some(file.size),
            validator: Some(file.version.clone()),
            body: reading.from(offset).await?.into_stream().boxed(),
        })
    }
}

/// A file that is being read, as long as nobody writes to it.
struct Reading {
    path: PathBuf,
    file: tokio::fs::File,
    version: String,
    again: &'static str,
}

impl Reading {
    async fn open(path: PathBuf, expected: &DiskFile, again: &'static str) -> Result<Self> {
        let mut file = tokio::fs::File::open(&path).await.map_err(|error| unreadable(&path, error))?;
        file.set_max_buf_size(READ_BYTES);
        let reading = Self { path, file, version: expected.version.clone(), again };
        reading.must_be_the_same().await?;
        Ok(reading)
    }

    async fn from(
        mut self,
        offset: u64,
    ) -> Result<impl futures::Stream<Item = Result<bytes::Bytes>> + Send + 'static> {
        self.file.seek(SeekFrom::Start(offset)).await.map_err(|error| unreadable(&self.path, error))?;
        Ok(stream::try_unfold(self, async |mut reading: Self| {
            let mut bytes = BytesMut::with_capacity(READ_BYTES);
            let read = reading.file.read_buf(&mut bytes).await;
            if read.map_err(|error| unreadable(&reading.path, error))? == 0 {
                reading.must_be_the_same().await?;
                return Ok(None);
            }
            Ok(Some((bytes.freeze(), reading)))
        }))
    }

    async fn must_be_the_same(&self) -> Result<()> {
        let metadata = self.file.metadata().await.map_err(|error| unreadable(&self.path, error))?;
        match version(&metadata) == self.version {
            true => Ok(()),
            false => Err(Error::integrity(format!(
                "{} has changed since it was read first: {} again once it is complete",
                self.path.display(),
                self.again
            ))),
        }
    }
}

/// The files that a path stands for: itself or, where it is a folder, every file below it, sorted by their paths. What
/// is only linked to from within a folder is not in it.
pub(crate) fn files_of(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        let unreadable = |error| unreadable(&folder, error);
        for entry in folder.read_dir().map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let kind = entry.file_type().map_err(unreadable)?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                files.push(entry.path());
            }
        }
    }
    if files.is_empty() {
        return Err(Error::invalid_event(format!("{} holds no file", path.display())));
    }
    files.sort();
    Ok(files)
}

/// What a file's bytes are.
pub(crate) struct Hashed {
    /// Their checksums, with SHA-256.
    pub(crate) checksums: Checksums,
    /// The file, to be read again.
    pub(crate) file: DiskFile,
}

/// Reads a file through, on a thread of its own.
pub(crate) async fn hash_in_background(path: &Path) -> Result<Hashed> {
    let owned = path.to_owned();
    let hashed = tokio::task::spawn_blocking(move || hash(&owned)).await;
    hashed.map_err(|error| unreadable(path, std::io::Error::other(error)))?
}

fn hash(path: &Path) -> Result<Hashed> {
    let unreadable = |error| unreadable(path, error);
    let mut file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(Error::invalid_event(format!("{} is not a file", path.display())));
    }
    let mut hasher = Hasher::new(true);
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let read = file.read(&mut buffer).map_err(unreadable)?;
        match buffer.get(..read) {
            Some(bytes) if read > 0 => hasher.update(bytes),
            _ => break,
        }
    }
    let checksums = hasher.finish();
    let sha256 = checksums.sha256.ok_or_else(|| unreadable(std::io::Error::other("it was not hashed")))?;
    let file = DiskFile {
        url: url_of(path)?,
        name: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        size: checksums.size,
        sha256,
        version: version(&metadata),
    };
    Ok(Hashed { checksums, file })
}

/// What changes when a file is written to: its size and when that was last done.
fn version(metadata: &Metadata) -> String {
    let written =
        metadata.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    format!("{}-{}", metadata.len(), written.as_nanos())
}

/// Where a file is, whatever the folder from which it is named; a URL, as a path need not be text.
fn url_of(path: &Path) -> Result<String> {
    let absolute = path.canonicalize().map_err(|error| unreadable(path, error))?;
    let url = Url::from_file_path(&absolute);
    url.map(String::from).map_err(|()| Error::invalid_event(format!("{} is no path", absolute.display())))
}

fn path_of(file: &DiskFile) -> Result<PathBuf> {
    let path = Url::parse(&file.url).ok().and_then(|url| url.to_file_path().ok());
    path.ok_or_else(|| Error::invalid_event(format!("{} is no file of this machine", file.url)))
}

pub(crate) fn unreadable(path: &Path, error: std::io::Error) -> Error {
    Error::invalid_event(format!("cannot read {}", path.display())).because(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DISK: ThisDisk = ThisDisk { again: "unpack it" };

    async fn read(file: &DiskFile, resume: Option<&ResumeAt>) -> Result<(u64, Vec<u8>)> {
        let download = DISK.open(file, resume).await?;
        let offset = download.offset;
        let bytes = download.body.try_fold(Vec::new(), async |mut all, bytes| {
            all.extend_from_slice(&bytes);
            Ok(all)
        });
        Ok((offset, bytes.await?))
    }

    /// A folder is the files in it, those of its folders too, in an order that does not change; a link in it leads
    /// nowhere.
    #[cfg(unix)]
    #[test]
    fn a_folder_is_the_files_below_it() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(at("inner/empty")).unwrap();
        for name in ["b.zip", "inner/c.zip", "a.zip"] {
            std::fs::write(at(name), name).unwrap();
        }
        std::os::unix::fs::symlink(folder.path(), at("inner/around")).unwrap();
        std::os::unix::fs::symlink(at("a.zip"), at("z.zip")).unwrap();
        let found = files_of(folder.path()).unwrap();
        assert_eq!(found, [at("a.zip"), at("b.zip"), at("inner/c.zip")]);
        assert_eq!(files_of(&at("z.zip")).unwrap(), [at("z.zip")], "a file that is named is that file");
        let error = files_of(&at("inner/empty")).unwrap_err();
        assert!(error.line().contains("holds no file"), "{}", error.line());
    }

    /// What is no file to be read is wrong usage, and named.
    #[tokio::test]
    async fn what_is_no_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().to_owned(), folder.path().join("missing.zip")] {
            let error = hash_in_background(&path).await.err().unwrap();
            assert_eq!(error.error_type().name(), "InvalidEvent");
            assert!(error.line().contains(path.to_str().unwrap()), "{}", error.line());
        }
    }

    /// Promise 2: a file is gone on with where reading it stopped, whatever its name is made of.
    #[cfg(unix)]
    #[tokio::test]
    async fn a_file_is_read_from_where_reading_it_stopped() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(OsStr::from_bytes(b"caf\xe9 #1%20?.csv"));
        std::fs::write(&path, b"ID\n1\n").unwrap();
        let file = hash_in_background(&path).await.unwrap().file;
        assert_eq!(read(&file, None).await.unwrap(), (0, b"ID\n1\n".to_vec()));
        let stopped = ResumeAt { offset: 3, validator: file.version.clone() };
        assert_eq!(read(&file, Some(&stopped)).await.unwrap(), (3, b"1\n".to_vec()));
        let of_another = ResumeAt { validator: "5-0".to_owned(), ..stopped };
        assert_eq!(read(&file, Some(&of_another)).await.unwrap().0, 0);
    }

    /// Promise 5: a file that somebody has written to since is not the file that was named.
    #[tokio::test]
    async fn a_file_that_has_changed_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("growing.csv");
        std::fs::write(&path, b"ID\n1\n").unwrap();
        let file = hash_in_background(&path).await.unwrap().file;
        let opened = DISK.open(&file, None).await.unwrap();
        std::fs::write(&path, b"ID\n1\n2\n").unwrap();
        let while_it_was_read = opened.body.try_collect::<Vec<_>>().await.unwrap_err();
        let before_it_was_read = DISK.open(&file, None).await.unwrap_err();
        for error in [while_it_was_read, before_it_was_read] {
            assert_eq!(error.error_type().name(), "IntegrityError");
            assert!(error.line().contains("unpack it again once it is complete"), "{}", error.line());
        }
    }
}
