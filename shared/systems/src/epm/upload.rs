//! Input files: from the work bucket into the inbox, piece by piece.
//!
//! EPM overwrites nothing, and tells of a file no more than its size. A name that is there already is this run's own
//! upload only if the run has noted, before it sent anything, that the name was free. Otherwise it is somebody else's
//! file, be it as long as ours: a `Conflict`, as the job would read what it was not meant to.

use bytes::{Bytes, BytesMut};
use futures::TryStreamExt as _;
use serde::{Deserialize, Serialize};
use serde_json::json;
use url::Url;

use super::environment::Environment;
use super::export::EpmInput;
use super::repository::{FileName, Repository};
use landfall::error::{Error, Result};
use landfall::state::{Document, WorkState};
use landfall_http::Request;
use landfall_store::ObjectInfo;

/// What is sent at once, and all that is held of a file. EPM takes up to 50 MiB.
const CHUNK_BYTES: usize = 8 << 20;

/// Uploads of one run.
pub(super) struct Upload<'a> {
    pub(super) environment: &'a Environment,
    pub(super) repository: &'a Repository,
    pub(super) work: &'a WorkState,
    pub(super) input: &'a EpmInput,
    /// Where the run notes that it uploads.
    pub(super) note_key: String,
}

/// That a run uploads a file whose name was free: written before the first byte is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    upload_as: String,
    object: String,
    object_etag: String,
}

impl Document for Note {}

impl Upload<'_> {
    /// Sees to it that the inbox has the file, whole.
    pub(super) async fn ensure(&self) -> Result<()> {
        let EpmInput { object, upload_as } = self.input;
        let found = self.work.store().head(object).await?;
        let found = found.ok_or_else(|| {
            Error::not_found(format!("the work bucket has no {object}, which the job is to read"))
        })?;
        if found.size == 0 {
            return Err(Error::invalid_event(format!(
                "{object} in the work bucket is empty: there is nothing to upload"
            )));
        }
        let note =
            Note { upload_as: upload_as.clone(), object: object.clone(), object_etag: found.etag.clone() };
        let is_ours = self.work.checkpoint::<Note>(&self.note_key).await?.as_ref() == Some(&note);
        match self.there(found.size).await? {
            There::Nothing => {}
            There::AsLong if is_ours => {
                tracing::info!(upload_as, "the input is in the inbox already");
                return Ok(());
            }
            There::AsLong => {
                return Err(self.taken("a file as long as the run's input, which another put there"));
            }
            There::Other(size) => {
                let bytes = found.size;
                return Err(self.taken(&format!("{size} bytes where the run's input has {bytes}")));
            }
        }
        self.work.save_checkpoint(&self.note_key, &note).await?;
        self.send(&found)
            .await
            .map_err(|error| error.while_doing(format!("uploading {object} as {upload_as}")))?;
        // Where the repository lists uploads, it says whether all of it has come.
        if let There::Other(size) = self.there(found.size).await? {
            return Err(Error::integrity(format!(
                "{upload_as} has {size} bytes in EPM's repository, and {} were uploaded: delete it there, and start again",
                found.size
            )));
        }
        tracing::info!(upload_as, bytes = found.size, "the input was uploaded");
        Ok(())
    }

    /// What the repository lists under the file's name.
    async fn there(&self, size: u64) -> Result<There> {
        let name = FileName::parse(&self.input.upload_as);
        let Some(listing) = self.repository.list(name.as_slice()).await? else { return Ok(There::Nothing) };
        Ok(match name.and_then(|name| listing.locate(&name)) {
            None => There::Nothing,
            Some(there) => match there.size {
                Some(other) if other != size => There::Other(other),
                _ => There::AsLong,
            },
        })
    }

    fn taken(&self, by: &str) -> Error {
        Error::conflict(format!(
            "{} is in EPM's repository already ({by}), and EPM overwrites nothing: delete it there, or name another \
             upload_as",
            self.input.upload_as
        ))
    }

    async fn send(&self, object: &ObjectInfo) -> Result<()> {
        let store = self.work.store();
        let mut body = store.read_range(&object.key, &object.etag, 0..object.size).await?;
        let mut chunk = BytesMut::new();
        let mut sent = 0;
        while let Some(mut bytes) = body.try_next().await? {
            while !bytes.is_empty() {
                let room = CHUNK_BYTES.saturating_sub(chunk.len()).min(bytes.len());
                chunk.extend_from_slice(&bytes.split_to(room));
                let is_last = sent + length(chunk.len()) == object.size;
                if chunk.len() == CHUNK_BYTES || is_last {
                    let bytes = chunk.split().freeze();
                    let first = sent == 0;
                    sent += length(bytes.len());
                    self.send_chunk(bytes, first, is_last).await?;
                }
            }
        }
        Ok(())
    }

    /// Sends a piece, once: one whose answer is lost, or that was turned away by a 503, may have been appended, and a
    /// second one would be in the file twice. The step begins again with the first piece instead.
    async fn send_chunk(&self, bytes: Bytes, is_first: bool, is_last: bool) -> Result<()> {
        let url = self.chunk_url(bytes.len(), is_first, is_last);
        let answer = self.environment.call(Request::post_bytes(url, bytes).once()).await;
        let answer = answer.map_err(|error| self.environment.named(error))?;
        self.repository.done("sending a piece of it", &answer)
    }

    fn chunk_url(&self, bytes: usize, is_first: bool, is_last: bool) -> Url {
        let mut url = self.repository.contents(self.input.inbox_name());
        let piece = json!({ "isFirst": is_first, "chunkSize": bytes, "isLast": is_last });
        url.query_pairs_mut().append_pair("q", &piece.to_string()).append_pair("extDirPath", "inbox");
        url
    }
}

/// What is under a name.
enum There {
    /// Nothing, as far as the repository lists its files.
    Nothing,
    /// A file of the size that is asked for, or of one that is not told.
    AsLong,
    /// A file of another size.
    Other(u64),
}

fn length(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
