//! From the staged object to the landing bucket, in three stages that run side by side, joined by short channels: the
//! read; the work, on a thread of its own (it never waits for the network while it holds the reactor); and the upload.

use std::ops::Range;

use bytes::Bytes;
use futures::TryStreamExt as _;
use landfall::archive::Member;
use landfall::form::JobForm;
use landfall::job::LandedObject;
use landfall::store::ObjectWriter;
use landfall::{Error, Result};
use tokio::sync::mpsc;

use crate::Unpack;
use crate::form::{self, Ended};
use crate::parts::{Made, Outgoing, Parts, Splice};
use crate::staged::StagedObject;

/// Pieces of the staged object that wait for the work. The HTTP client gives them in pieces of up to 400 KiB, where
/// the wire is fast: more of them would only take memory.
pub(crate) const PIECES_AHEAD: usize = 8;

/// Bytes of the staged object, as they come. Only for a thread that may block.
pub(crate) struct Pieces {
    coming: mpsc::Receiver<Bytes>,
    piece: Bytes,
    at: u64,
}

impl Pieces {
    /// Pieces that begin at a place in the staged object.
    pub(crate) fn new(coming: mpsc::Receiver<Bytes>, at: u64) -> Self {
        Self { coming, piece: Bytes::new(), at }
    }

    /// The next bytes; `None` once there are no more.
    pub(crate) fn next(&mut self) -> Option<Bytes> {
        self.next_before(u64::MAX)
    }

    /// The next bytes before a place in the staged object; `None` once there are no more of those.
    pub(crate) fn next_before(&mut self, end: u64) -> Option<Bytes> {
        let wanted = end.checked_sub(self.at).filter(|wanted| *wanted > 0)?;
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
            // The work has ended, and says why.
            break;
        }
    }
    Ok(())
}

/// What is made of which bytes.
pub(crate) struct Flow<'a> {
    /// The staged object.
    pub object: &'a StagedObject,
    /// Which of its bytes are read.
    pub range: Range<u64>,
    /// The most bytes that the object which lands can have.
    pub most_bytes: u64,
    /// Which of those the store itself copies.
    pub splice: Option<Splice>,
}

/// An object that has been made of content which is known to be whole.
pub(crate) struct Worked {
    /// Its content.
    pub content: Ended,
    /// The rows of that, where it has rows.
    pub rows: Option<u64>,
    /// Its bytes.
    pub made: Made,
}

impl Worked {
    /// Makes the object visible, if the store has its bytes, and tells what has landed.
    pub(crate) async fn land(
        self,
        unpack: &Unpack<'_>,
        writer: ObjectWriter,
        key: String,
        form: JobForm,
        member: Option<&Member>,
    ) -> Result<LandedObject> {
        let sealed = writer.seal(|sealed| self.made.is(sealed)).await?;
        let (form, content_size) = form::told(form, self.content.size);
        Ok(LandedObject {
            key,
            size: sealed.size,
            form,
            content_size,
            crc32: self.content.crc32.into(),
            crc64nvme: sealed.crc64nvme,
            sha256: self.made.sha256,
            rows: self.rows,
            file: unpack.staged.name.clone(),
            member: member.map(|member| member.name().to_owned()),
        })
    }
}

/// Reads the staged bytes, lets the work make parts of them on a thread of its own, and writes those. Nothing of the
/// object is visible yet.
pub(crate) async fn run<T: Send + 'static>(
    unpack: &Unpack<'_>,
    flow: Flow<'_>,
    writer: &mut ObjectWriter,
    work: impl FnOnce(Pieces, Parts) -> Result<T> + Send + 'static,
) -> Result<T> {
    let Flow { object, range, most_bytes, splice } = flow;
    let (pieces, staged) = mpsc::channel(PIECES_AHEAD);
    let (outgoing, mut made) = mpsc::channel(1);
    let with_sha256 = unpack.landing.destination.sha256;
    let part_bytes = unpack.landing.store.part_bytes(Some(most_bytes));
    let parts = Parts::new(outgoing, unpack.context.budget(), part_bytes, splice, with_sha256);
    let staged = Pieces::new(staged, range.start);
    let working = tokio::task::spawn_blocking(move || work(staged, parts));

    let write = async {
        while let Some(outgoing) = made.recv().await {
            match outgoing {
                Outgoing::Part(part) => writer.write_part(part).await?,
                Outgoing::Copied(range) => writer.copy(object.store(), object.info(), range).await?,
            }
        }
        // Without a reader the work ends, should this have ended early.
        drop(made);
        Ok::<_, Error>(())
    };
    let (read, written, worked) = tokio::join!(read(object, range, pieces), write, working);
    read?;
    written?;
    worked.map_err(|panicked| Error::integrity("the decoder broke").because(panicked))?
}
