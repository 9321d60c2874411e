//! One member of an archive: ranged read, inflate, checks, upload.
//!
//! Three things run side by side, joined by short channels: the read from the staged object, the decoder on a thread
//! of its own (it never waits for the network while it holds the reactor), and the upload. The decoder inflates
//! straight into the part that is uploaded next, whose room it takes from the invocation's byte budget.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt as _;
use landfall::archive::{Member, MemberDecoder};
use landfall::checksum::{Crc32, Hasher, Sha256};
use landfall::job::LandedObject;
use landfall::rows::RowCounter;
use landfall::store::{ByteBudget, ObjectWriter, PartBuffer, part_bytes};
use landfall::telemetry::Observer;
use landfall::{Error, Result};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::Unpack;
use crate::archive::refusal;
use crate::staged::StagedObject;

/// What is left of the invocation when no member is begun any more, and one under way is left to the next.
pub(crate) const MARGIN: Duration = Duration::from_secs(10);

/// Pieces of compressed data that wait for the decoder; the HTTP client gives them in pieces of some 16 KiB.
const PIECES_AHEAD: usize = 32;

/// The key that a member lands under.
pub(crate) fn key(unpack: &Unpack<'_>, member: &Member) -> String {
    format!("{}{}{}", unpack.job.landing_prefix, unpack.place.folder, member.name())
}

/// Lands a member; `None` if the deadline came first.
pub(crate) async fn land(
    unpack: &Unpack<'_>,
    object: &StagedObject,
    member: &Member,
) -> Result<Option<LandedObject>> {
    if unpack.deadline.is_within(MARGIN) {
        return Ok(None);
    }
    let key = key(unpack, member);
    let mut writer =
        ObjectWriter::new(&unpack.landing.store, &key, unpack.context.budget(), Some(member.size()));
    let streamed = tokio::select! {
        streamed = stream(unpack, object, member, &mut writer) => streamed,
        () = unpack.deadline.wait_until_within(MARGIN) => {
            writer.abandon().await;
            return Ok(None);
        }
    };
    let decoded = match streamed {
        Ok(decoded) => decoded,
        Err(error) => {
            writer.abandon().await;
            return Err(error);
        }
    };
    let sealed = writer
        .seal(|sealed| match sealed.size == decoded.size {
            true => Ok(()),
            false => Err(Error::integrity(format!(
                "{} bytes were inflated and {} uploaded",
                decoded.size, sealed.size
            ))),
        })
        .await?;
    Ok(Some(LandedObject {
        key,
        size: sealed.size,
        crc32: decoded.crc32,
        crc64nvme: sealed.crc64nvme,
        sha256: decoded.sha256,
        rows: decoded.rows,
        file: unpack.staged.name.clone(),
        member: Some(member.name().to_owned()),
    }))
}

/// What the decoder has seen of a member whose size and CRC-32 hold.
struct Decoded {
    size: u64,
    crc32: Crc32,
    sha256: Option<Sha256>,
    rows: Option<u64>,
}

async fn stream(
    unpack: &Unpack<'_>,
    object: &StagedObject,
    member: &Member,
    writer: &mut ObjectWriter,
) -> Result<Decoded> {
    let (pieces, compressed) = mpsc::channel(PIECES_AHEAD);
    let (inflated, mut parts) = mpsc::channel(1);
    let decode = Decode::new(unpack, member, inflated);
    let decoding = tokio::task::spawn_blocking(move || decode.run(compressed));

    let read = async move {
        let mut body = object.stream(member.data_range()).await?;
        while let Some(piece) = body.try_next().await? {
            if pieces.send(piece).await.is_err() {
                // The decoder has ended, and says why.
                break;
            }
        }
        Ok::<_, Error>(())
    };
    let write = async {
        while let Some(part) = parts.recv().await {
            writer.write_part(part).await?;
        }
        // Without a reader the decoder ends, should this have ended early.
        drop(parts);
        Ok::<_, Error>(())
    };
    let (read, written, decoded) = tokio::join!(read, write, decoding);
    read?;
    written?;
    decoded.map_err(|panicked| Error::integrity("the decoder broke").because(panicked))?
}

/// The decoder's side, on a thread of its own.
struct Decode {
    decoder: MemberDecoder,
    part_bytes: usize,
    budget: ByteBudget,
    inflated: mpsc::Sender<PartBuffer>,
    sha256: Option<Hasher>,
    rows: Option<RowCounter>,
    observer: Arc<dyn Observer>,
    runtime: Handle,
}

/// Inflates so many bytes at a time: enough to be fast, few enough to stay in the cache for what looks at them next.
const STEP_BYTES: usize = 256 << 10;

impl Decode {
    fn new(unpack: &Unpack<'_>, member: &Member, inflated: mpsc::Sender<PartBuffer>) -> Self {
        let destination = &unpack.landing.destination;
        Self {
            decoder: MemberDecoder::new(member, &destination.limits),
            part_bytes: part_bytes(Some(member.size())),
            budget: unpack.context.budget().clone(),
            inflated,
            sha256: destination.sha256.then(|| Hasher::new(true)),
            rows: unpack.job.export.row_format(member.name(), destination.csv_header).map(RowCounter::new),
            observer: Arc::clone(unpack.context.observer()),
            runtime: Handle::current(),
        }
    }

    fn run(mut self, mut compressed: mpsc::Receiver<Bytes>) -> Result<Decoded> {
        let mut part = None;
        while let Some(piece) = compressed.blocking_recv() {
            part = self.decode(&piece, part)?;
        }
        let decoded = self.decoder.finish().map_err(|error| refusal(&error))?;
        if let Some(last) = part {
            self.hand_on(last)?;
        }
        let rows = self.rows.map(RowCounter::finish).transpose()?;
        Ok(Decoded {
            size: decoded.size,
            crc32: decoded.crc32.into(),
            sha256: self.sha256.and_then(|hasher| hasher.finish().sha256),
            rows,
        })
    }

    /// Decodes all of a piece; full parts go on their way.
    fn decode(&mut self, mut piece: &[u8], mut part: Option<PartBuffer>) -> Result<Option<PartBuffer>> {
        loop {
            let mut filling = match part.take() {
                Some(part) => part,
                None => self.runtime.block_on(self.budget.buffer(self.part_bytes)),
            };
            let room = filling.room();
            let room_bytes = room.len().min(STEP_BYTES);
            let step = self
                .decoder
                .decode(piece, room.get_mut(..room_bytes).unwrap_or_default())
                .map_err(|error| refusal(&error))?;
            piece = piece.get(step.consumed..).unwrap_or_default();
            self.look_at(filling.filled(step.produced))?;
            let is_idle = step.consumed == 0 && step.produced == 0;
            if is_idle && !piece.is_empty() {
                let ended = self.decoder.finish().map_err(|error| refusal(&error));
                return Err(ended
                    .err()
                    .unwrap_or_else(|| Error::integrity("there are bytes behind the member's data")));
            }
            let has_more = !piece.is_empty() || (step.produced == room_bytes && !is_idle);
            match filling.is_full() {
                true => self.hand_on(filling)?,
                false => part = Some(filling),
            }
            if !has_more {
                return Ok(part);
            }
        }
    }

    fn look_at(&mut self, bytes: &[u8]) -> Result<()> {
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(bytes);
        }
        if let Some(rows) = &mut self.rows {
            rows.push(bytes)?;
        }
        self.observer.unpacked(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        Ok(())
    }

    fn hand_on(&self, part: PartBuffer) -> Result<()> {
        // Without a receiver the upload has failed, and says why; this is only how the decoder ends.
        self.inflated.blocking_send(part).map_err(|_| Error::store_unavailable("the upload has ended"))
    }
}
