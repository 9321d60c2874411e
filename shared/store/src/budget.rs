//! The memory of what waits for a store: one budget for everything that an invocation does at once, and buffers that
//! are used again.
//!
//! A buffer of some megabytes that is given back to the allocator is either mapped anew the next time, page by page,
//! or kept by the arena of a thread that has ended; a part that is used again costs neither.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::checksum::{Crc64NvmeHasher, ObjectDigest};

/// Smaller buffers are left to the allocator, which is good at those.
const MIN_KEPT: usize = 1 << 20;

/// The bytes that may wait in memory for the store, over everything that an invocation does at once.
#[derive(Debug, Clone)]
pub struct ByteBudget {
    kibibytes: Arc<Semaphore>,
    total: u32,
    kept: Arc<Mutex<FreeBuffers>>,
}

/// The buffers that there are.
#[derive(Debug, Default)]
struct FreeBuffers {
    free: Vec<Vec<u8>>,
    /// The bytes of all of them, free or in use.
    bytes: usize,
}

/// A part being filled. Its room counts against the budget until the store has it.
#[derive(Debug)]
pub struct PartBuffer {
    bytes: Vec<u8>,
    filled: usize,
    /// Of what is filled, computed as it comes: what has just been written is in the cache, a whole part is not.
    crc64nvme: Crc64NvmeHasher,
    kept: Arc<Mutex<FreeBuffers>>,
    _permit: OwnedSemaphorePermit,
}

impl ByteBudget {
    /// A budget of this many bytes.
    pub fn new(bytes: usize) -> Self {
        let total = u32::try_from(bytes / 1024).unwrap_or(u32::MAX).max(1);
        let permits = usize::try_from(total).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Self { kibibytes: Arc::new(Semaphore::new(permits)), total, kept: Arc::default() }
    }

    /// All of it, in KiB.
    pub fn kibibytes(&self) -> u32 {
        self.total
    }

    /// Waits until there is room for a part of this many bytes.
    ///
    /// Whoever holds one part and asks for the next must have handed the first to a writer: parts that are on
    /// their way come free by themselves, so that nobody waits for ever.
    pub async fn buffer(&self, capacity: usize) -> PartBuffer {
        let wanted = u32::try_from(capacity.div_ceil(1024)).unwrap_or(u32::MAX).clamp(1, self.total);
        let permit = Arc::clone(&self.kibibytes).acquire_many_owned(wanted).await;
        let Ok(permit) = permit else { unreachable!("nobody closes the budget") };
        let most = usize::try_from(self.total).unwrap_or(usize::MAX).saturating_mul(1024);
        let reused = lock(&self.kept).take(capacity, most);
        let bytes = reused.unwrap_or_else(|| vec![0; capacity]);
        let (crc64nvme, kept) = (Crc64NvmeHasher::default(), Arc::clone(&self.kept));
        PartBuffer { bytes, filled: 0, crc64nvme, kept, _permit: permit }
    }
}

impl FreeBuffers {
    /// A free buffer of this size, if there is one. Otherwise free ones of other sizes make way for the one that is
    /// to be made, so that there are never more bytes than the budget has.
    fn take(&mut self, capacity: usize, most: usize) -> Option<Vec<u8>> {
        let fits = self.free.iter().position(|free| free.len() == capacity);
        if let Some(fits) = fits {
            return Some(self.free.swap_remove(fits));
        }
        self.bytes = self.bytes.saturating_add(capacity);
        while self.bytes > most {
            let Some(other) = self.free.pop() else { break };
            self.bytes = self.bytes.saturating_sub(other.len());
        }
        None
    }

    fn put_back(&mut self, buffer: Vec<u8>) {
        if buffer.len() >= MIN_KEPT {
            self.free.push(buffer);
        } else {
            self.bytes = self.bytes.saturating_sub(buffer.len());
        }
    }
}

fn lock(kept: &Mutex<FreeBuffers>) -> MutexGuard<'_, FreeBuffers> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

impl PartBuffer {
    /// Takes as many of these bytes as fit, and returns the others.
    pub fn fill<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let room = self.room();
        let (fits, others) = bytes.split_at(bytes.len().min(room.len()));
        if let Some(room) = room.get_mut(..fits.len()) {
            room.copy_from_slice(fits);
        }
        self.filled(fits.len());
        others
    }

    /// What is not filled yet, to be written to. What it holds before that is of no meaning.
    pub fn room(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.filled..).unwrap_or_default()
    }

    /// Counts the next bytes of the room as filled, and returns them.
    pub fn filled(&mut self, bytes: usize) -> &[u8] {
        let before = self.filled;
        self.filled = self.bytes.len().min(before.saturating_add(bytes));
        let filled = self.bytes.get(before..self.filled).unwrap_or_default();
        self.crc64nvme.update(filled);
        filled
    }

    /// Whether nothing more fits.
    pub fn is_full(&self) -> bool {
        self.filled >= self.bytes.len()
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.filled == 0
    }

    /// What is filled.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.filled).unwrap_or_default()
    }

    /// What is filled, as an object or a part of one.
    pub(super) fn digest(&self) -> ObjectDigest {
        let size = u64::try_from(self.filled).unwrap_or(u64::MAX);
        ObjectDigest { size, crc64nvme: self.crc64nvme.finish() }
    }

    /// What is filled, to be sent. The room comes free once nobody holds these bytes any more.
    pub(super) fn into_bytes(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for PartBuffer {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl Drop for PartBuffer {
    fn drop(&mut self) {
        lock(&self.kept).put_back(mem::take(&mut self.bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Promise 6: what waits in memory never exceeds the budget.
    #[tokio::test]
    async fn a_part_waits_until_the_budget_has_room() {
        let budget = ByteBudget::new(4096);
        let first = budget.buffer(3000).await;
        let waiting = tokio::spawn({
            let budget = budget.clone();
            async move { budget.buffer(2048).await.is_empty() }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(first);
        assert!(waiting.await.unwrap());
    }

    /// Promise 6: the room of a part that is on its way is taken as long as anybody holds its bytes.
    #[tokio::test]
    async fn bytes_on_their_way_hold_their_room() {
        let budget = ByteBudget::new(4096);
        let mut part = budget.buffer(4096).await;
        part.fill(b"abc");
        let bytes = part.into_bytes();
        assert_eq!(bytes, b"abc"[..]);
        let slice = bytes.slice(1..);
        drop(bytes);
        assert_eq!(budget.kibibytes.available_permits(), 0);
        drop(slice);
        assert_eq!(budget.kibibytes.available_permits(), 4);
    }

    /// Promise 6: buffers are used again, and those that are kept make way for others.
    #[tokio::test]
    async fn kept_buffers_and_those_in_use_are_within_the_budget() {
        let budget = ByteBudget::new(4 << 20);
        let bytes = || lock(&budget.kept).bytes;
        let (first, second) = (budget.buffer(2 << 20).await, budget.buffer(2 << 20).await);
        let place = first.bytes.as_ptr();
        drop(first);
        assert_eq!(budget.buffer(2 << 20).await.bytes.as_ptr(), place);
        assert_eq!(bytes(), 4 << 20);

        let other = budget.buffer((1 << 20) + 1).await;
        assert_eq!(bytes(), (3 << 20) + 1);
        drop((second, other));
        drop(budget.buffer(1000).await);
        assert_eq!(lock(&budget.kept).free.len(), 2);
        assert_eq!(bytes(), (3 << 20) + 1);
    }
}
