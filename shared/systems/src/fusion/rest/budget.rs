//! How many requests a connection makes in an hour, over all processes.
//!
//! Requests are reserved in blocks, so that the record of them is written once a block. A block is good for a few
//! minutes and counts for an hour beyond them: however its requests are spread, no hour sees more than are allowed.
//! What a process does not use of its last block is lost.
//!
//! What counts is what leaves: each try of a call, and not the call. Where the next block is a moment away it is waited
//! for; otherwise an error says how long it takes, as nobody should pay for an invocation that waits for an hour.

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use landfall::clock::Clock;
use landfall::error::{AskAgain, Error, Result};
use landfall::state::{Change, Document, WorkState};
use landfall_http::{BoxError, RateLimiter};

/// How many requests are reserved at once.
const BLOCK: u32 = 50;
/// How long a block may be used.
const GOOD_FOR: SignedDuration = SignedDuration::from_mins(5);
/// How long a block counts: the hour after the last moment at which it may be used.
const COUNTS_FOR: SignedDuration = SignedDuration::from_mins(65);
/// The shortest that is waited for a block which counts no more.
const PAUSE: Duration = Duration::from_millis(50);

/// The longest that a request waits here for others to stop counting.
const MAX_WAIT: Duration = Duration::from_secs(20);

/// `budgets/<connection>.json`
#[derive(Debug, Default, Serialize, Deserialize)]
struct Record {
    /// The blocks that still count, oldest first.
    blocks: Vec<Block>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Block {
    reserved_at: Timestamp,
    requests: u32,
}

impl Document for Record {}

impl Block {
    fn counts_until(&self) -> Timestamp {
        self.reserved_at.checked_add(COUNTS_FOR).unwrap_or(Timestamp::MAX)
    }
}

/// The requests that a connection may make.
pub(super) struct Budget {
    work: WorkState,
    key: String,
    per_hour: u32,
    clock: Arc<dyn Clock>,
    held: Mutex<Held>,
}

impl std::fmt::Debug for Budget {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Budget").field("per_hour", &self.per_hour).finish_non_exhaustive()
    }
}

/// What this process has reserved and not used.
#[derive(Debug, Default)]
struct Held {
    left: u32,
    until: Timestamp,
}

/// What came of asking for a block.
enum Reserved {
    Block(Held),
    /// All are spent, for so long.
    NoneFor(Duration),
}

impl Budget {
    /// A budget whose record has this key; `per_hour` 0 is no limit.
    pub(super) fn new(work: WorkState, key: String, per_hour: u32, clock: Arc<dyn Clock>) -> Self {
        Self { work, key, per_hour, clock, held: Mutex::default() }
    }

    /// How many requests there are in an hour; none where there is no limit.
    pub(super) fn per_hour(&self) -> Option<u32> {
        (self.per_hour > 0).then_some(self.per_hour)
    }

    /// Reserves a block; where the next one is not far away, waits for it.
    async fn reserve(&self) -> Result<Held> {
        let mut waited = Duration::ZERO;
        loop {
            let reserve = |there: Option<Record>| ready(Ok(self.reserved(there.unwrap_or_default())));
            let wait = match self.work.update(&self.key, self.clock.as_ref(), reserve).await? {
                Reserved::Block(held) => return Ok(held),
                Reserved::NoneFor(wait) => wait,
            };
            waited = waited.saturating_add(wait);
            if waited > MAX_WAIT {
                return Err(self.spent(wait));
            }
            self.clock.sleep(wait).await;
        }
    }

    /// The record with one block more, if there is one.
    fn reserved(&self, mut record: Record) -> Change<Record, Reserved> {
        let now = self.clock.now();
        record.blocks.retain(|block| block.counts_until() > now);
        let spent: u32 = record.blocks.iter().map(|block| block.requests).fold(0, u32::saturating_add);
        let requests = self.per_hour.saturating_sub(spent).min(BLOCK);
        if requests == 0 {
            return Change::Keep(Reserved::NoneFor(next_free(&record, now)));
        }
        record.blocks.push(Block { reserved_at: now, requests });
        let until = now.checked_add(GOOD_FOR).unwrap_or(Timestamp::MAX);
        Change::Write(record, Reserved::Block(Held { left: requests, until }))
    }

    fn spent(&self, wait: Duration) -> Error {
        tracing::warn!(
            per_hour = self.per_hour,
            wait_seconds = wait.as_secs(),
            "the connection's requests of this hour are spent (rest.requests_per_hour)"
        );
        let message = format!("the {} requests of rest.requests_per_hour are spent", self.per_hour);
        Error::throttled(message).because(AskAgain { after: wait })
    }
}

/// How long it is until the oldest block counts no more.
fn next_free(record: &Record, now: Timestamp) -> Duration {
    let free_at = record.blocks.iter().map(Block::counts_until).min().unwrap_or(now);
    Duration::try_from(free_at.duration_since(now)).unwrap_or_default().max(PAUSE)
}

impl Budget {
    /// Takes one request. `Throttled` says how long it takes until there is one.
    pub(super) async fn take(&self) -> Result<()> {
        if self.per_hour == 0 {
            return Ok(());
        }
        // Who waits for a block holds the lock, so that callers behind it do not reserve one each.
        let mut held = self.held.lock().await;
        if held.left == 0 || self.clock.now() >= held.until {
            *held = self.reserve().await?;
        }
        held.left = held.left.saturating_sub(1);
        Ok(())
    }
}

#[async_trait]
impl RateLimiter for Budget {
    async fn acquire(&self) -> std::result::Result<(), BoxError> {
        Ok(self.take().await?)
    }
}
