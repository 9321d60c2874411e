//! The parts of the object that lands, filled on the thread that makes them.

use std::ops::Range;

use landfall::checksum::{Crc64Nvme, Hasher, Sha256};
use landfall::{Error, Result};
use landfall_store::{ByteBudget, ObjectDigest, PartBuffer};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

/// So many bytes are made at a time: enough to be fast, few enough to stay in the cache for what looks at them next.
pub(crate) const STEP_BYTES: usize = 256 << 10;

/// More than comes behind bytes that are copied: a frame's trailer.
const MAX_TRAILER_BYTES: usize = 1 << 10;

/// What goes to the store.
#[derive(Debug)]
pub(crate) enum Outgoing {
    /// Bytes.
    Part(PartBuffer),
    /// This range of the staged object, which the store copies by itself.
    Copy(Range<u64>),
}

/// Bytes of an object that are bytes of the staged object too, many enough for the store to copy them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CopyRange {
    /// Bytes of the object before them, which are uploaded: none, or as many as a part must have.
    pub before: usize,
    /// Where in the staged object they are.
    pub range: Range<u64>,
}

/// The parts of one object. Their room comes from the invocation's byte budget; full ones go on their way.
pub(crate) struct Parts {
    outgoing: mpsc::Sender<Outgoing>,
    runtime: Handle,
    budget: ByteBudget,
    part_bytes: usize,
    filling: Option<PartBuffer>,
    copy_range: Option<CopyRange>,
    size: u64,
    hasher: Option<Hasher>,
    with_sha256: bool,
}

/// What the bytes were that made up all parts of an object.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PartsDigest {
    /// How many.
    size: u64,
    /// Their SHA-256, where the destination asks for it.
    pub sha256: Option<Sha256>,
    /// Their CRC-64/NVME, where not all of them went through the upload, which computes it too.
    crc64nvme: Option<Crc64Nvme>,
}

impl PartsDigest {
    /// Holds it against what the store has.
    pub(crate) fn verify(&self, sealed: ObjectDigest) -> Result<()> {
        if sealed.size != self.size {
            return Err(Error::integrity(format!(
                "{} bytes were encoded, but {} uploaded",
                self.size, sealed.size
            )));
        }
        match self.crc64nvme {
            // Another attempt may find the store well.
            Some(crc) if crc != sealed.crc64nvme => Err(Error::store_unavailable(format!(
                "the store sent bytes with CRC-64/NVME {crc}, but copied bytes with {}",
                sealed.crc64nvme
            ))),
            _ => Ok(()),
        }
    }
}

impl Parts {
    /// Parts of this size, where nothing is copied.
    pub(crate) fn new(
        outgoing: mpsc::Sender<Outgoing>,
        budget: &ByteBudget,
        part_bytes: usize,
        copy_range: Option<CopyRange>,
        with_sha256: bool,
    ) -> Self {
        let hashes = with_sha256 || copy_range.is_some();
        Self {
            outgoing,
            runtime: Handle::current(),
            budget: budget.clone(),
            part_bytes,
            filling: None,
            copy_range,
            size: 0,
            hasher: hashes.then(|| Hasher::new(with_sha256)),
            with_sha256,
        }
    }

    /// Takes the object's next bytes.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        if let Some(hasher) = &mut self.hasher {
            hasher.update(bytes);
        }
        let made = self.size;
        self.size = made.saturating_add(wide(bytes.len()));
        match self.copy_range.clone() {
            None => self.fill(bytes),
            Some(copy) => self.fill_around(&copy, made, bytes),
        }
    }

    /// Takes the object's last bytes: where those are all of it, no more room is taken than they need.
    pub(crate) fn write_last(&mut self, bytes: &[u8]) -> Result<()> {
        if self.size == 0 {
            self.part_bytes = self.part_bytes.min(bytes.len().saturating_add(1));
        }
        self.write(bytes)
    }

    /// Takes the bytes behind the `made` ones, and uploads those that are not copied. Those that are go by: all that
    /// is to be done with them is to hash them.
    fn fill_around(&mut self, copy: &CopyRange, made: u64, bytes: &[u8]) -> Result<()> {
        let first = wide(copy.before);
        let last = first.saturating_add(copy.range.end.saturating_sub(copy.range.start));
        let head = narrow(first.saturating_sub(made)).min(bytes.len());
        let through = narrow(last.saturating_sub(made)).min(bytes.len());
        self.part_bytes = copy.before;
        self.fill(bytes.get(..head).unwrap_or_default())?;
        if made <= first && made.saturating_add(wide(through)) > first {
            self.send(Outgoing::Copy(copy.range.clone()))?;
        }
        if self.outgoing.is_closed() {
            return Err(ended());
        }
        self.part_bytes = MAX_TRAILER_BYTES;
        self.fill(bytes.get(through..).unwrap_or_default())
    }

    fn fill(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let mut part = self.part();
            bytes = part.fill(bytes);
            self.filling = Some(part);
            self.hand_on_full()?;
        }
        Ok(())
    }

    /// Room for the object's next bytes: at least one, at most [`STEP_BYTES`]. Not where something is copied.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        let part = self.part();
        let room = self.filling.insert(part).room();
        let bytes = room.len().min(STEP_BYTES);
        room.get_mut(..bytes).unwrap_or_default()
    }

    /// Counts the next bytes of the room as made, and returns them.
    pub(crate) fn filled(&mut self, bytes: usize) -> &[u8] {
        let filled = self.filling.as_mut().map_or(&[][..], |part| part.filled(bytes));
        if let Some(hasher) = &mut self.hasher {
            hasher.update(filled);
        }
        self.size = self.size.saturating_add(wide(filled.len()));
        filled
    }

    /// Sends the part on its way if it is full.
    pub(crate) fn hand_on_full(&mut self) -> Result<()> {
        match self.filling.take_if(|part| part.is_full()) {
            Some(full) => self.send(Outgoing::Part(full)),
            None => Ok(()),
        }
    }

    /// Sends the last part on its way.
    pub(crate) fn finish(mut self) -> Result<PartsDigest> {
        if let Some(last) = self.filling.take().filter(|part| !part.is_empty()) {
            self.send(Outgoing::Part(last))?;
        }
        let is_copied = self.copy_range.is_some();
        let seen = self.hasher.map(Hasher::finish);
        Ok(PartsDigest {
            size: self.size,
            sha256: seen.and_then(|seen| seen.sha256).filter(|_| self.with_sha256),
            crc64nvme: seen.map(|seen| seen.crc64nvme).filter(|_| is_copied),
        })
    }

    fn part(&mut self) -> PartBuffer {
        match self.filling.take() {
            Some(part) => part,
            None => self.runtime.block_on(self.budget.buffer(self.part_bytes)),
        }
    }

    fn send(&self, outgoing: Outgoing) -> Result<()> {
        self.outgoing.blocking_send(outgoing).map_err(|_| ended())
    }
}

/// Without a receiver the upload has failed, and says why; this is only how the work ends.
fn ended() -> Error {
    Error::store_unavailable("the upload has ended")
}

fn wide(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

fn narrow(length: u64) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}
