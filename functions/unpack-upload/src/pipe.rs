//! From the staged object to the landing bucket, in three stages that run side by side, joined by short channels: the
//! read; the work, on a thread of its own (it never waits for the network while it holds the reactor); and the upload.

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

/// Pieces of the staged object that wait for the work; the HTTP client gives them in pieces of some 16 KiB.
const PIECES_AHEAD: usize = 32;

/// The staged object's bytes, as they come.
pub(crate) struct Pieces(mpsc::Receiver<Bytes>);

impl Pieces {
    /// The next bytes; `None` once there are no more. Only on a thread that may block.
    pub(crate) fn next(&mut self) -> Option<Bytes> {
        self.0.blocking_recv()
    }
}

/// What is made of which bytes.
pub(crate) struct Flow<'a> {
    /// The staged object.
    pub object: &'a StagedObject,
    /// Which of its bytes are read.
    pub range: std::ops::Range<u64>,
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
    let parts = Parts::new(outgoing, unpack.context.budget(), most_bytes, splice, with_sha256);
    let working = tokio::task::spawn_blocking(move || work(Pieces(staged), parts));

    let read = async move {
        let mut body = object.stream(range).await?;
        while let Some(piece) = body.try_next().await? {
            if pieces.send(piece).await.is_err() {
                // The work has ended, and says why.
                break;
            }
        }
        Ok::<_, Error>(())
    };
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
    let (read, written, worked) = tokio::join!(read, write, working);
    read?;
    written?;
    worked.map_err(|panicked| Error::integrity("the decoder broke").because(panicked))?
}
