//! From the staged object to the landing bucket, in three stages that run side by side, joined by short channels: the
//! read; the encoding, on a thread of its own (it never waits for the network while it holds the reactor); and the upload.

use std::ops::Range;

use bytes::Bytes;
use futures::TryStreamExt as _;
use landfall::form::JobForm;
use landfall::job::LandedObject;
use landfall::landed::etag_digest;
use landfall::rows::RowCount;
use landfall::{Error, Result};
use landfall_store::ObjectWriter;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::content::Reported;
use crate::form::{self, ContentDigest};
use crate::parts::{CopyRange, Outgoing, Parts, PartsDigest};
use crate::staged::StagedObject;
use crate::tables::CountedRows;
use crate::task::Task;

/// Pieces of the staged object that wait to be encoded. The HTTP client gives them in pieces of up to 400 KiB, where
/// the wire is fast: more of them would only take memory.
pub(crate) const PIECES_AHEAD: usize = 8;

/// Bytes of the staged object, as they come. Only for a thread that may block.
pub(crate) struct Pieces {
    coming: mpsc::Receiver<Bytes>,
    piece: Bytes,
    at: u64,
    given_up: CancellationToken,
}

impl Pieces {
    /// Pieces that begin at a place in the staged object. There are no more once they are given up: nobody waits then
    /// for those that have come already.
    pub(crate) fn new(coming: mpsc::Receiver<Bytes>, at: u64, given_up: CancellationToken) -> Self {
        Self { coming, piece: Bytes::new(), at, given_up }
    }

    /// The next bytes; `None` once there are no more.
    pub(crate) fn next(&mut self) -> Option<Bytes> {
        self.next_before(u64::MAX)
    }

    /// The next bytes before a place in the staged object; `None` once there are no more of those.
    pub(crate) fn next_before(&mut self, end: u64) -> Option<Bytes> {
        let wanted =
            end.checked_sub(self.at).filter(|wanted| *wanted > 0 && !self.given_up.is_cancelled())?;
        if self.piece.is_empty() {
            self.piece = self.coming.blocking_recv()?;
        }
        let bytes = usize::try_from(wanted).unwrap_or(usize::MAX).min(self.piece.len());
        self.at = self.at.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        Some(self.piece.split_to(bytes))
    }

    /// Throws away what is before a place in the staged object.
    pub(crate) fn skip_to(&mut self, place: u64) {
        while self.next_before(place).is_some() {}
    }
}

/// Reads a range of the staged object.
pub(crate) async fn read(
    object: &StagedObject,
    range: Range<u64>,
    pieces: mpsc::Sender<Bytes>,
) -> Result<()> {
    let mut body = object.stream(range).await?;
    while let Some(piece) = body.try_next().await? {
        if pieces.send(piece).await.is_err() {
            // The encoding has ended, and says why.
            break;
        }
    }
    Ok(())
}

/// Which bytes become one object.
pub(crate) struct Transfer {
    /// Which bytes of the staged object are read.
    pub range: Range<u64>,
    /// The most bytes that the object which lands can have.
    pub max_bytes: u64,
    /// Which of those the store itself copies.
    pub copy_range: Option<CopyRange>,
}

/// An object that has been made of content which is known to be whole.
pub(crate) struct EncodedObject {
    /// Its form.
    pub form: JobForm,
    /// Its content.
    pub content: ContentDigest,
    /// The rows of that, where it has rows.
    pub rows: Option<RowCount>,
    /// Its bytes.
    pub parts: PartsDigest,
    /// What was reported of its content.
    pub reported: Reported,
}

impl EncodedObject {
    /// Makes the object visible, if the store has its bytes, and returns what has landed.
    pub(crate) async fn commit(
        self,
        task: &Task<'_>,
        writer: ObjectWriter,
        key: String,
        member: Option<&str>,
    ) -> Result<LandedObject> {
        let sealed = writer.seal(|sealed| self.parts.verify(sealed)).await?;
        self.reported.keep();
        let (form, content_size) = form::recorded(self.form, self.content.size);
        let CountedRows { rows, broken_records, table } = task.tables.counted(self.rows, self.form, &key);
        Ok(LandedObject {
            key,
            size: sealed.digest.size,
            form,
            content_size,
            crc32: self.content.crc32.into(),
            crc64nvme: sealed.digest.crc64nvme,
            sha256: self.parts.sha256,
            rows,
            table,
            broken_records,
            unverified: None,
            file: task.file.name.clone(),
            member: member.map(ToOwned::to_owned),
            etag_digest: sealed.etag.as_deref().map(etag_digest),
        })
    }
}

/// Reads the staged bytes, and has them looked at on a thread of its own.
pub(crate) async fn look<T: Send + 'static>(
    task: &Task<'_>,
    range: Range<u64>,
    look: impl FnOnce(Pieces) -> Result<T> + Send + 'static,
) -> Result<T> {
    let (pieces, coming) = mpsc::channel(PIECES_AHEAD);
    let given_up = CancellationToken::new();
    let _with_this = given_up.clone().drop_guard();
    let coming = Pieces::new(coming, range.start, given_up);
    let looking = tokio::task::spawn_blocking(move || look(coming));
    let (read, looked) = tokio::join!(read(&task.staged, range, pieces), looking);
    read?;
    looked.map_err(|panicked| Error::integrity("the decoder broke").because(panicked))?
}

/// Reads the staged bytes, has them encoded on a thread of its own, and writes the parts. Nothing of the object is
/// visible yet.
pub(crate) async fn run<T: Send + 'static>(
    task: &Task<'_>,
    transfer: Transfer,
    writer: &mut ObjectWriter,
    encode: impl FnOnce(Pieces, Parts) -> Result<T> + Send + 'static,
) -> Result<T> {
    let Transfer { range, max_bytes, copy_range } = transfer;
    let staged = &task.staged;
    let (pieces, coming) = mpsc::channel(PIECES_AHEAD);
    let (outgoing, mut parts) = mpsc::channel(1);
    let given_up = CancellationToken::new();
    let _with_this = given_up.clone().drop_guard();
    let encoding = {
        let part_bytes = task.landing.store.part_bytes(Some(max_bytes));
        let with_sha256 = task.landing.destination.sha256;
        let parts = Parts::new(outgoing, task.context.budget(), part_bytes, copy_range, with_sha256);
        let pieces = Pieces::new(coming, range.start, given_up);
        tokio::task::spawn_blocking(move || encode(pieces, parts))
    };
    let write = async {
        while let Some(outgoing) = parts.recv().await {
            match outgoing {
                Outgoing::Part(part) => writer.write_part(part).await?,
                Outgoing::Copy(range) => writer.copy(staged.store(), staged.info(), range).await?,
            }
        }
        // Without a reader the encoding ends, should this have ended early.
        drop(parts);
        Ok::<_, Error>(())
    };
    let (read, written, encoded) = tokio::join!(read(staged, range, pieces), write, encoding);
    read?;
    written?;
    encoded.map_err(|panicked| Error::integrity("the decoder broke").because(panicked))?
}
